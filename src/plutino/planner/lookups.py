"""Joins with lookup tables: the keys that are asked for, and which parts of a statement do not need the table (sql reference §5.7)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from plutino.errors import PlanError
from plutino.planner.bound import AggregateRef, AliasRef, Bound, ColumnRef, HitValue, Item, MetaRef, Operation, WholeRow, walk
from plutino.planner.scope import SourceScope


class Matching(Struct, frozen=True):
    """A join condition taken apart: ``keys`` of the table with the ``values`` they must equal, and the ``rest`` that a pair must fulfil."""

    keys: tuple[str, ...]
    values: tuple[Bound, ...]
    rest: Bound | None


def matching_of(on: Bound | None, table: SourceScope) -> Matching | None:
    """What a lookup join asks for; None without an equality ``table.key = <expression without the table>``, or with two on one key."""
    found: dict[str, Bound] = {}
    rest: list[Bound] = []
    parts = [] if on is None else conjuncts(on)
    for part in parts:
        pair = _equality(part, table.name)
        if pair is None:
            rest.append(part)
        elif pair[0] in found:
            return None
        else:
            found[pair[0]] = pair[1]
    return Matching(tuple(found), tuple(found.values()), conjunction(rest)) if found else None


def conjuncts(expr: Bound) -> list[Bound]:
    """The terms that AND connects at top level."""
    if isinstance(expr, Operation) and expr.op == "AND":
        return [*conjuncts(expr.left), *conjuncts(expr.right)]
    return [expr]


def conjunction(parts: Sequence[Bound]) -> Bound | None:
    """Terms connected by AND, None for none."""
    if not parts:
        return None
    first, *others = parts
    for other in others:
        first = Operation("AND", first, other)
    return first


def split_where(where: Bound, tables: Collection[SourceScope], items: Mapping[str, Item]) -> tuple[Bound | None, Bound | None]:
    """The terms of WHERE that need no lookup table, so that rows they refuse ask for nothing, and the others.

    ``items`` are the aliased items by name.
    """
    parts = conjuncts(where)
    if any(isinstance(p, HitValue) for p in _deep(where, items)):
        return None, where  # passing WHERE is counted once
    early = [part for part in parts if reads(part, tables, items) is None and not _waits(part, items)]
    return conjunction(early), conjunction([part for part in parts if part not in early])


def reads(expr: Bound, tables: Collection[SourceScope], items: Mapping[str, Item]) -> str | None:
    """The name of a lookup table that an expression may read, through aliases too; None when it reads none."""
    names = {table.name for table in tables}
    open_ended = next((table.name for table in tables if table.schemaless), None)
    for part in _deep(expr, items):
        if isinstance(part, WholeRow):
            return next((source for source in part.sources if source in names), None)
        if isinstance(part, ColumnRef | MetaRef):
            if part.source in names:
                return part.source
            if part.source == "" and open_ended is not None:
                return open_ended
    return None


def refuse_early(clause: str, exprs: Iterable[Bound | None], tables: Collection[SourceScope], items: Mapping[str, Item]) -> None:
    """PlanError when what is computed before the lookups reads a lookup table."""
    for expr in exprs:
        table = None if expr is None or not tables else reads(expr, tables, items)
        if table is not None:
            raise PlanError(f"{clause} reads lookup table {table}; it is computed before the table is asked, so only streams can be read")


def _waits(expr: Bound, items: Mapping[str, Item]) -> bool:
    """Whether an expression can only be computed where aggregates are known."""
    return any(isinstance(part, AggregateRef) for part in _deep(expr, items))


def _equality(part: Bound, table: str) -> tuple[str, Bound] | None:
    if not isinstance(part, Operation) or part.op != "=":
        return None
    for key, value in ((part.left, part.right), (part.right, part.left)):
        if isinstance(key, ColumnRef) and key.source == table and not _mentions(value, table):
            return key.name, value
    return None


def _mentions(expr: Bound, table: str) -> bool:
    return any(
        table in part.sources if isinstance(part, WholeRow) else isinstance(part, ColumnRef | MetaRef) and part.source == table
        for part in walk(expr)
    )


def _deep(expr: Bound, items: Mapping[str, Item]) -> list[Bound]:
    """The expression and everything inside it, aliases written out."""
    found: list[Bound] = []
    for part in walk(expr):
        found.append(part)
        if isinstance(part, AliasRef):
            found.extend(_deep(items[part.name].expr, items))
    return found
