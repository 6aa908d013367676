"""Joins of the rows of one window (sql reference §5.7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from plutino.errors import EvaluationError
from plutino.execution.entry import Entry
from plutino.execution.failures import StageError
from plutino.model.value import describe

Row = tuple[Entry, ...]
"""One entry per source of the statement; a source that has no part in the row stands with its empty entry."""


class JoinCode(Struct, frozen=True):
    """One join: ``right`` is the number of the source that is joined, ``on(row, memories)`` the condition's value (None: always true).

    ``left_key(row)``/``right_key(row)``: where the condition is an equality of one term of each side, its two values, so that partners
    are found by look-up; the condition is still asked for those.
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
    partners = _partners(right, join)
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
    out: list[Row] = []
    for partner in right:
        found = [made for row in left if _matches(made := _with(row, join.right, partner[join.right]), join, memories)]
        out.extend(found or [partner])
    return out


def _partners(right: Sequence[Row], join: JoinCode) -> Callable[[Row], Sequence[tuple[int, Row]]]:
    """Candidates for a left row: all of the right side, or those with an equal key of one kind."""
    everything = list(enumerate(right))
    left_key, right_key = join.left_key, join.right_key
    if left_key is None or right_key is None or len(right) < 8:
        return lambda row: everything
    keys = [right_key(partner) for partner in right]
    kinds = set(map(type, keys))
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind not in (int, float, str):
        return lambda row: everything
    index: dict[Any, list[tuple[int, Row]]] = {}
    for key, partner in zip(keys, everything, strict=True):
        index.setdefault(key, []).append(partner)

    def candidates(row: Row) -> Sequence[tuple[int, Row]]:
        key = left_key(row)
        return index.get(key, ()) if type(key) is kind else everything

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
