"""Source that asks a database again and again for what is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Struct

from plutino.connectors.sql.database import Reach, SqlOptions, bound_value, row_of, table_of
from plutino.connectors.sql.template import SqlTemplate
from plutino.errors import PlutinoError, ProvisionError, TransportError
from plutino.model import Duration
from plutino.model.moment import format_moment, parse_moment
from plutino.spi import Delivery, Inlet, SourceContext
from plutino.spi.clock import ticks
from plutino.spi.options import Opt

if TYPE_CHECKING:
    import sqlalchemy


class IndexField(Struct, frozen=True, rename="camel"):
    """A column that grows; rows beyond its last value are new."""

    index_field: Annotated[str, Opt("Column", "Column")] = ""
    index_value: Annotated[Any, Opt("Value to begin after", "First value")] = None
    index_field_type: Annotated[str, Opt("DATETIME where the column holds times", "Type")] = ""
    date_time_format: Annotated[str, Opt("Pattern of times that are kept as texts", "Time pattern")] = ""


class InternalQuery(Struct, frozen=True, rename="camel"):
    """A query that is put together from its parts."""

    table: Annotated[str, Opt("Table", "Table", required=True)] = ""
    limit: Annotated[int, Opt("Rows per query; 0 for all", "Limit")] = 0
    index_fields: Annotated[list[IndexField], Opt("Columns that grow", "Index fields")] = []


class TemplateQuery(Struct, frozen=True, rename="camel"):
    """A query of one's own."""

    template_sql: Annotated[str, Opt("Query; {{.column}} stands for the last value of an index field", "Query")] = ""
    index_fields: Annotated[list[IndexField], Opt("Columns that grow", "Index fields")] = []


class SqlSourceOptions(Struct, frozen=True, rename="camel"):
    """Options of the sql source."""

    database: Annotated[SqlOptions, Opt(inline=True)] = SqlOptions()
    interval: Annotated[Duration, Opt("Time between two queries", "Interval", required=True)] = 0
    internal_sql_query_cfg: Annotated[InternalQuery | None, Opt("A query that is put together", "Query")] = None
    template_sql_query_cfg: Annotated[TemplateQuery | None, Opt("A query of one's own; wins", "Query template")] = None


class SqlSource:
    """Rows of a query, at once and then each interval. The position are the last values of the index fields."""

    def __init__(self, options: SqlSourceOptions, datasource: str, context: SourceContext) -> None:
        self._reach = Reach(options.database, context)
        if options.interval <= 0:
            raise ProvisionError("interval should be defined")
        template, internal = options.template_sql_query_cfg, options.internal_sql_query_cfg
        if template is None and internal is None:
            raise ProvisionError("internalSqlQueryCfg or templateSqlQueryCfg should be defined")
        self._template = SqlTemplate(template.template_sql) if template is not None else None
        self._internal = internal
        fields = template.index_fields if template is not None else internal.index_fields if internal is not None else []
        self._fields = {field.index_field: field for field in fields}
        self._last: dict[str, Any] = {name: field.index_value for name, field in self._fields.items()}
        self._interval = options.interval
        self._clock = context.clock

    async def run(self, inlet: Inlet, resume: Any) -> None:
        """Query until cancelled; a refused query is counted, and asked again at the next interval."""
        if isinstance(resume, Mapping):
            self._last.update(resume)
        try:
            await self._reach.database.open()
            inlet.connected()
            async for _ in ticks(self._clock, self._interval):
                await self._pull(inlet)
        finally:
            await self._reach.close()

    async def _pull(self, inlet: Inlet) -> None:
        try:
            rows = await self._reach.database.run(self._query)
        except TransportError:
            raise
        except PlutinoError as error:
            inlet.failed(error.message)
            return
        for row in rows:
            for name, field in self._fields.items():
                if row.get(name) is not None:
                    self._last[name] = _kept(row[name], field)
        if rows:
            await inlet.put(Delivery(rows=rows, position=dict(self._last) or None))

    def _query(self, connection: sqlalchemy.Connection) -> list[dict[str, Any]]:
        import sqlalchemy as library

        values = {name: _asked(value, self._fields[name]) for name, value in self._last.items()}
        if self._template is not None:
            result = connection.execute(library.text(self._template.statement), self._template.parameters(values))
        else:
            assert self._internal is not None
            result = connection.execute(_statement(self._internal, values))
        return [row_of(row) for row in result.mappings()]


def _statement(query: InternalQuery, values: Mapping[str, Any]) -> sqlalchemy.Select[Any]:
    import sqlalchemy as library

    names: Sequence[str] = [field.index_field for field in query.index_fields]
    table = table_of(query.table, names)
    statement = library.select(library.text("*")).select_from(table)
    statement = statement.where(*(table.c[name] > bound_value(values[name]) for name in names if values.get(name) is not None))
    statement = statement.order_by(*(table.c[name] for name in names))
    return statement.limit(query.limit) if query.limit > 0 else statement


def _asked(value: Any, field: IndexField) -> Any:
    """The last value as it is bound: times that are kept as texts become times."""
    if field.index_field_type.upper() != "DATETIME" or not isinstance(value, str) or field.date_time_format:
        return value
    return parse_moment(value).replace(tzinfo=None)


def _kept(value: Any, field: IndexField) -> Any:
    """The value of a row as it is kept in positions."""
    if not isinstance(value, datetime):
        return value
    if field.date_time_format:
        return format_moment(value, field.date_time_format)
    return value.replace(tzinfo=None).isoformat(sep=" ")
