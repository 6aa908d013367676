"""From the rows of a window to its groups (sql reference §3.9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from plutino.errors import EvaluationError
from plutino.execution.aggregates import checked, group_text
from plutino.execution.entry import Span
from plutino.execution.failures import StageError
from plutino.execution.finishing import Pair


class AggregatesCode(Struct, frozen=True):
    """Aggregates over a list of rows: per aggregate ``arguments(e, x, s)`` gives ``(value, further arguments)``, ``functions`` compute.

    Of further arguments those of the first row count, but with ``whole`` the last one is the list of the whole rows. With ``folding`` the
    function looks itself at arguments that failed.
    """

    arguments: tuple[Callable[..., tuple[Any, tuple[Any, ...]]], ...]
    functions: tuple[Callable[..., Any], ...]
    whole: tuple[bool, ...]
    folding: tuple[bool, ...]


class Results:
    """The aggregates of one group, computed where they are asked for, so that a failure names its item."""

    __slots__ = ("_code", "_memories", "_rows", "_span")

    def __init__(self, code: AggregatesCode, rows: Sequence[Any], span: Span, memories: Sequence[Any]) -> None:
        self._code = code
        self._rows = rows
        self._span = span
        self._memories = memories

    def __getitem__(self, index: int) -> Any:
        arguments = self._code.arguments[index]
        taken = [arguments(row, self._span, self._memories) for row in self._rows]
        others = taken[0][1] if taken else ()
        if self._code.whole[index]:
            others = (*others[:-1], [further[-1] for _, further in taken])
        values = [value for value, _ in taken]
        return self._code.functions[index](values if self._code.folding[index] else checked(values), *others)


class GroupingCode(Struct, frozen=True):
    """Group keys (``keys(e, x, s)``, None: no GROUP BY) and aggregates.

    ``grouped`` False: every row of the window stays, with aggregates over all of them.
    """

    keys: Callable[..., tuple[Any, ...]] | None
    aggregates: AggregatesCode
    grouped: bool


def group(code: GroupingCode, rows: Sequence[Any], empty: Any, span: Span, memories: Sequence[Any]) -> list[Pair]:
    """The groups of a window in order of first appearance, each with its first row.

    A window without rows has no group under GROUP BY, and one of the row ``empty`` without.
    """
    if not code.grouped:
        results = Results(code.aggregates, rows, span, memories)
        return [(row, results) for row in rows]
    if code.keys is None:
        return [(rows[0] if rows else empty, Results(code.aggregates, rows, span, memories))]
    groups: dict[Any, list[Any]] = {}
    for row in rows:
        try:
            key = tuple(map(group_text, code.keys(row, span, memories)))
        except EvaluationError as error:
            raise StageError("aggregate", f"run Group By error: {error}") from error
        groups.setdefault(key, []).append(row)
    return [(members[0], Results(code.aggregates, members, span, memories)) for members in groups.values()]
