"""Joins of the rows of one window (sql reference §5.7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from plutino.errors import EvaluationError
from plutino.execution.entry import Entry
from plutino.execution.equality import KeyIndex
from plutino.execution.failures import StageError
from plutino.model.value import describe

FEW_ROWS = 8
"""So many rows are asked one by one sooner than looked up."""
Row = tuple[Entry, ...]
"""One entry per source of the statement; a source that has no part in the row stands with its empty entry."""


class JoinCode(Struct, frozen=True):
    """One join: ``right`` is the number of the source that is joined, ``on(row, memories)`` the condition's value (None: always true).

    ``left_key(row)``/``right_key(row)``: where the condition demands an equality of one term of each side, its two values, so that
    partners are found by look-up; the condition is still asked for those.
    """

    kind: str
    right: int
    on: Callable[[Row, Sequence[Any]], Any] | None
    left_key: Callable[[Row], Any] | None = None
    right_key: Callable[[Row], Any] | None = None


def join_all(sources: Sequence[Sequence[Entry]], empty: Row, joins: Sequence[JoinCode], memories: Sequence[Any]) -> list[Row]:
    """The joined rows of a window; ``sources`` holds its entries by source, ``empty`` an entry without columns per source."""
    rows = [_with(empty, 0, entry) for entry in sources[0]]
    for join in joins:
        rows = _join(rows, [_with(empty, join.right, entry) for entry in sources[join.right]], join, memories)
    return rows


def _with(row: Row, source: int, entry: Entry) -> Row:
    return (*row[:source], entry, *row[source + 1 :])


def _join(left: Sequence[Row], right: Sequence[Row], join: JoinCode, memories: Sequence[Any]) -> list[Row]:
    at = join.right
    if join.kind == "RIGHT":
        return _right_join(left, right, join, memories)
    partners = _partners(right, join.right_key, join.left_key)
    out: list[Row] = []
    used: set[int] = set()
    for row in left:
        found = False
        for i, partner in partners(row):
            made = _with(row, at, partner[at])
            if _matches(made, join, memories):
                found = True
                used.add(i)
                out.append(made)
        if not found and join.kind in ("LEFT", "FULL"):
            out.append(row)
    if join.kind == "FULL":
        out.extend(partner for i, partner in enumerate(right) if i not in used)
    return out


def _right_join(left: Sequence[Row], right: Sequence[Row], join: JoinCode, memories: Sequence[Any]) -> list[Row]:
    partners = _partners(left, join.left_key, join.right_key)
    out: list[Row] = []
    for partner in right:
        made = [_with(row, join.right, partner[join.right]) for _, row in partners(partner)]
        out.extend([row for row in made if _matches(row, join, memories)] or [partner])
    return out


def _partners(
    rows: Sequence[Row], key: Callable[[Row], Any] | None, other: Callable[[Row], Any] | None
) -> Callable[[Row], Sequence[tuple[int, Row]]]:
    """Numbered candidates among ``rows`` for a row of the other side: all of them, or those whose key may equal its own."""
    everything = list(enumerate(rows))
    if key is None or other is None or len(rows) < FEW_ROWS:
        return lambda row: everything
    own, others = key, other
    index = KeyIndex(lambda numbered: own(numbered[1]), everything)

    def candidates(row: Row) -> Sequence[tuple[int, Row]]:
        found = index.candidates(others(row))
        return everything if found is None else found

    return candidates


def _matches(row: Row, join: JoinCode, memories: Sequence[Any]) -> bool:
    return join.on is None or is_match(row, join.on, memories)


def is_match(row: Row, on: Callable[[Row, Sequence[Any]], Any], memories: Sequence[Any]) -> bool:
    """Whether a joined row fulfils the condition; StageError when that cannot be told."""
    try:
        value = on(row, memories)
    except EvaluationError as error:
        raise StageError("join", f"run Join error: {error}") from error
    if value is True:
        return True
    if value is False or value is None:
        return False
    raise StageError("join", f"run Join error: invalid join condition that returns non-bool value {describe(value)}")
