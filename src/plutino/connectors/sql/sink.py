"""Sink that writes rows into a table: inserts, and updates and deletions where the rows say so. Values are always bound."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Struct

from plutino.connectors.sql.database import Reach, SqlOptions, bound_value, table_of
from plutino.errors import EvaluationError, PlutinoError, ProvisionError, TransportError
from plutino.model import to_dict
from plutino.spi import SinkContext
from plutino.spi.options import Opt

if TYPE_CHECKING:
    import sqlalchemy

ROW_KINDS = ("insert", "update", "delete")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SqlSinkOptions(Struct, frozen=True, rename="camel"):
    """Options of the sql sink."""

    database: Annotated[SqlOptions, Opt(inline=True)] = SqlOptions()
    table: Annotated[str, Opt("Table to write to", "Table", required=True)] = ""
    fields: Annotated[list[str], Opt("Columns to write; all of the row when empty", "Fields")] = []
    row_kind_field: Annotated[str, Opt("Column that holds insert, update or delete", "Row kind field")] = ""
    key_field: Annotated[str, Opt("Column that identifies a row to update or delete", "Key field")] = ""


class Change(Struct, frozen=True):
    """One statement: ``kind`` of change, the values to write, and the value of the key."""

    kind: str
    values: dict[str, Any]
    key: Any = None


class SqlSink:
    """Writes each message in a transaction of its own; plain rows of one shape are inserted together."""

    def __init__(self, options: SqlSinkOptions, context: SinkContext) -> None:
        self._reach = Reach(options.database, context)
        if not options.table:
            raise ProvisionError("property table is required")
        if options.row_kind_field and not options.key_field:
            raise ProvisionError("keyField is required when rowKindField is set")
        self._options = options

    async def open(self) -> None:
        """Connect."""
        await self._reach.database.open()

    async def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> None:
        """Write in order; what the database refuses does not hold up the others."""
        faults: list[PlutinoError] = []
        messages = [self._changes(item, faults) for item in items]
        if await self._all_at_once(messages):
            messages = []
        for done, changes in enumerate(messages):
            try:
                await self._carry_out(changes)
            except TransportError as error:
                raise TransportError(error.message, delivered=done) from error
            except PlutinoError as error:
                faults.append(error)
        if faults:
            raise faults[0]

    async def close(self) -> None:
        """Disconnect, unless others use the connection."""
        await self._reach.close()

    async def _all_at_once(self, messages: Sequence[Sequence[Change]]) -> bool:
        """Write several messages in one transaction where they are plain inserts; False when the database refused one of them."""
        changes = [change for message in messages for change in message]
        if len(messages) < 2 or any(change.kind != "insert" for change in changes):
            return False
        try:
            await self._carry_out(changes)
        except TransportError:
            raise
        except PlutinoError:
            return False  # written one by one, to find the one that is refused
        return True

    async def _carry_out(self, changes: Sequence[Change]) -> None:
        if changes:
            await self._reach.database.run(lambda connection: _execute(connection, self._options, changes))

    def _changes(self, item: Any, faults: list[PlutinoError]) -> list[Change]:
        rows = [to_dict(row) for row in (item if isinstance(item, list) else [item])]
        found: list[Change] = []
        columns: Sequence[str] | None = self._options.fields or None
        for row in rows:
            try:
                if not row:
                    raise EvaluationError("data is empty")
                if columns is None or self._options.row_kind_field:
                    columns = self._columns(row)
                found.append(self._change(row, columns))
            except EvaluationError as error:
                faults.append(error)
        return found

    def _columns(self, row: Mapping[str, Any]) -> Sequence[str]:
        if self._options.fields:
            return self._options.fields
        wrong = next((name for name in row if _NAME.fullmatch(name) is None), None)
        if wrong is not None:
            raise EvaluationError(f'invalid dynamic field name "{wrong}": expected [A-Za-z_][A-Za-z0-9_]*')
        return tuple(row)

    def _change(self, row: Mapping[str, Any], columns: Sequence[str]) -> Change:
        options = self._options
        kind = row.get(options.row_kind_field, "insert") if options.row_kind_field else "insert"
        if not isinstance(kind, str):
            raise EvaluationError(f"rowkind field {options.row_kind_field} is not a string in data {row}")
        if kind not in ROW_KINDS:
            raise EvaluationError(f"invalid rowkind {kind}")
        values = {name: bound_value(row.get(name)) for name in columns}
        if kind == "insert":
            return Change(kind, values)
        if options.key_field not in row:
            raise EvaluationError(f"field {options.key_field} does not exist in data {row}")
        return Change(kind, values, bound_value(row[options.key_field]))


def _execute(connection: sqlalchemy.Connection, options: SqlSinkOptions, changes: Sequence[Change]) -> None:
    """Changes in order; inserts of one shape that follow each other as one statement."""
    waiting: list[dict[str, Any]] = []
    for change in changes:
        if waiting and (change.kind != "insert" or change.values.keys() != waiting[0].keys()):
            _insert(connection, options, waiting)
            waiting = []
        if change.kind == "insert":
            waiting.append(change.values)
            continue
        table = table_of(options.table, tuple(dict.fromkeys((*change.values, options.key_field))))
        match = table.c[options.key_field] == change.key
        connection.execute(table.delete().where(match) if change.kind == "delete" else table.update().where(match).values(change.values))
    if waiting:
        _insert(connection, options, waiting)


def _insert(connection: sqlalchemy.Connection, options: SqlSinkOptions, rows: list[dict[str, Any]]) -> None:
    connection.execute(table_of(options.table, tuple(rows[0])).insert(), rows)
