"""The select list as explanations have it: in which order, and what stands before a wildcard.

The original sorts aliases when all columns are known, and forgets about single columns of a row once it has come to a wildcard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plutino.planner.bound import AggregateCall, AggregateRef, AliasRef, AnalyticCall, AnalyticRef, Bound, ColumnRef, Item, WholeRow, walk


def as_listed(items: Sequence[Item], place: int | None, *, schemaless: bool) -> list[Item | None]:
    """Items in the order of explanations; None is the wildcard, which was written at ``place``."""
    written: list[Item | None] = [i for i in items if not i.of_star]
    if place is not None:
        written.insert(sum(not i.of_star for i in items[:place]), None)
    if schemaless:
        return written
    degrees: dict[str, int] = {}
    aliased = [i for i in written if i is not None and i.aliased]
    for item in aliased:
        used = {part.name for part in walk(item.expr) if isinstance(part, ColumnRef | AliasRef)}
        degrees[item.name] = max((degrees[name] + 1 for name in used if name in degrees), default=0)
    aliased.sort(key=lambda i: (degrees[i.name], i.name))
    return [*aliased, *(i for i in written if i is None or not i.aliased)]


def before_wildcard(
    listed: Sequence[Item | None], aggregates: Sequence[AggregateCall], analytics: Sequence[AnalyticCall]
) -> list[ColumnRef] | None:
    """The columns that are read by what stands before the first wildcard, also one that is an argument; None without a wildcard."""
    found: list[ColumnRef] = []
    for item in listed:
        for part in () if item is None else _parts(item.expr, aggregates, analytics):
            if isinstance(part, WholeRow):
                return found
            if isinstance(part, ColumnRef):
                found.append(part)
        if item is None:
            return found
    return None


def _parts(expr: Bound, aggregates: Sequence[AggregateCall], analytics: Sequence[AnalyticCall]) -> Iterator[Bound]:
    for part in walk(expr):
        yield part
        if isinstance(part, AggregateRef):
            args: tuple[Bound, ...] = aggregates[part.index].args
        elif isinstance(part, AnalyticRef):
            args = analytics[part.index].args
        else:
            continue
        for arg in args:
            yield from _parts(arg, aggregates, analytics)
