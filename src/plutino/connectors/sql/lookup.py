"""Lookup tables in databases: many queries in one statement, values bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Struct

from plutino.connectors.sql.database import Reach, SqlOptions, bound_value, row_of, table_of
from plutino.connectors.sql.template import SqlTemplate
from plutino.errors import ProvisionError
from plutino.spi import LookupAnswer, SourceContext
from plutino.spi.connector import Answers
from plutino.spi.options import Opt

if TYPE_CHECKING:
    import sqlalchemy

TOGETHER = 64
"""Queries in one statement."""

_NUMBER = "plutino_query"
"""Column that says which query a row answers."""


class LookupTemplate(Struct, frozen=True, rename="camel"):
    """A query of one's own."""

    template_sql: Annotated[str, Opt("Query; {{.key}} stands for the value of a key", "Query")] = ""


class SqlLookupOptions(Struct, frozen=True, rename="camel"):
    """Options of lookup tables in databases."""

    database: Annotated[SqlOptions, Opt(inline=True)] = SqlOptions()
    template_sql_query_cfg: Annotated[LookupTemplate | None, Opt("A query of one's own", "Query template")] = None


class SqlLookup:
    """The rows of a table (DATASOURCE), or of a query of one's own."""

    def __init__(self, options: SqlLookupOptions, datasource: str, context: SourceContext) -> None:
        self._reach = Reach(options.database, context)
        template = options.template_sql_query_cfg.template_sql if options.template_sql_query_cfg is not None else ""
        self._template = SqlTemplate(template) if template else None
        if self._template is None and not datasource:
            raise ProvisionError("a lookup table of type sql needs the name of a table as DATASOURCE, or templateSqlQueryCfg")
        self._table = datasource

    async def open(self) -> None:
        """Connect."""
        await self._reach.database.open()

    async def lookup(self, fields: Sequence[str], keys: Sequence[str], queries: Sequence[Sequence[Any]]) -> Answers:
        """All queries in few statements."""
        template = self._template
        if template is not None:
            return await self._reach.database.run(lambda connection: [_templated(connection, template, keys, q) for q in queries])
        return await self._reach.database.run(lambda connection: _selected(connection, self._table, fields, keys, queries))

    async def close(self) -> None:
        """Disconnect, unless others use the connection."""
        await self._reach.close()


def _selected(
    connection: sqlalchemy.Connection, name: str, fields: Sequence[str], keys: Sequence[str], queries: Sequence[Sequence[Any]]
) -> Answers:
    found: list[list[dict[str, Any]]] = [[] for _ in queries]
    for start in range(0, len(queries), TOGETHER):
        statement = _statement(connection, name, fields, keys, queries[start : start + TOGETHER], start)
        for row in connection.execute(statement).mappings():
            record = row_of(row)
            found[record.pop(_NUMBER)].append(record)
    return list(found)


def _templated(connection: sqlalchemy.Connection, template: SqlTemplate, keys: Sequence[str], values: Sequence[Any]) -> LookupAnswer:
    import sqlalchemy as library

    parameters = template.parameters(dict(zip(keys, values, strict=True)))
    return [row_of(row) for row in connection.execute(library.text(template.statement), parameters).mappings()]


def _statement(
    connection: sqlalchemy.Connection, name: str, fields: Sequence[str], keys: Sequence[str], queries: Sequence[Sequence[Any]], first: int
) -> sqlalchemy.Select[Any] | sqlalchemy.CompoundSelect[Any]:
    """One SELECT per query, each with its number, so that the database alone decides what is equal."""
    import sqlalchemy as library

    table = table_of(name, tuple(dict.fromkeys((*keys, *(f for f in fields if f != "*")))))
    every = f"{connection.dialect.identifier_preparer.format_table(table)}.*"
    shown: list[Any] = [library.text(every)] if "*" in fields else [table.c[f] for f in fields]
    selects = []
    for number, values in enumerate(queries, first):
        terms = [table.c[key] == bound_value(value) for key, value in zip(keys, values, strict=True)]
        column = library.literal_column(str(number), library.Integer).label(_NUMBER)
        selects.append(library.select(column, *shown).select_from(table).where(*terms))
    return selects[0] if len(selects) == 1 else library.union_all(*selects)
