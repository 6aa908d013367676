"""What a window gathers between two boundaries: accumulators per group, or the rows themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from plutino.execution.aggregates import Accumulator, Gathered
from plutino.execution.failures import FAST_FAILURES
from plutino.execution.state import pack_row, pack_value, unpack_row, unpack_value

Span = tuple[int, int]
"""A window's start and end, epoch milliseconds."""


class GroupCode(Struct, frozen=True):
    """The compiled functions of an aggregating window.

    - ``fast_buckets(rows)``: ``{key: rows}`` of the rows that pass; ``fast_values``: per aggregate ``f(rows) -> values`` (None counts
      rows); ``fast_buckets`` is None where the rule has no fast tier
    - ``exact(row, meta, whole)``: None for a row that is filtered out, else ``(key, values, others)`` with the first argument of each
      aggregate and the tuple of its further ones
    - ``emit(row, meta, whole, results, span)``: the output row of a group, from its first row
    - ``accumulators``: per aggregate a factory
    """

    fast_buckets: Callable[[Sequence[Any]], dict[Any, list[Any]]] | None
    fast_values: tuple[Callable[[Sequence[Any]], list[Any]] | None, ...]
    exact: Callable[[Any, Mapping[str, Any], Any], tuple[Any, tuple[Any, ...], tuple[Any, ...]] | None]
    emit: Callable[[Any, Mapping[str, Any], Any, Any, Span], Any]
    accumulators: tuple[Callable[[], Accumulator], ...]
    grouped: bool
    empty_row: Any


class RowsCode(Struct, frozen=True):
    """The compiled functions of a window that gives its rows: ``exact(row, meta, whole)`` says whether a row passes."""

    fast_keep: Callable[[Sequence[Any]], list[Any]] | None
    exact: Callable[[Any, Mapping[str, Any], Any], bool]
    emit: Callable[[Any, Mapping[str, Any], Any, Sequence[Any], Span], Any]


class Collector(Protocol):
    """The contents of one open window."""

    def add_fast(self, rows: Sequence[Any]) -> int | None:
        """Take rows in the fast tier: how many passed, or None (and nothing taken) when they belong to the exact tier."""
        ...

    def add(self, row: Any, meta: Mapping[str, Any], whole: Any) -> bool:
        """Take one row in the exact tier: whether it passed. StageError when it failed."""
        ...

    def emit(self, span: Span) -> list[Any]:
        """The output rows of the window, which is empty afterwards. StageError replaces all of them."""
        ...

    def is_empty(self) -> bool: ...

    def snapshot(self) -> Any: ...

    def restore(self, state: Any) -> None: ...


class _Group:
    __slots__ = ("accumulators", "meta", "row", "whole")

    def __init__(self, row: Any, meta: Mapping[str, Any], whole: Any, accumulators: list[Accumulator]) -> None:
        self.row = row
        self.meta = meta
        self.whole = whole
        self.accumulators = accumulators


class GroupCollector:
    """One set of accumulators per group key, in order of first appearance."""

    __slots__ = ("_code", "_groups")

    def __init__(self, code: GroupCode) -> None:
        self._code = code
        self._groups: dict[Any, _Group] = {}

    def add_fast(self, rows: Sequence[Any]) -> int | None:
        code = self._code
        if code.fast_buckets is None:
            return None
        try:
            buckets = code.fast_buckets(rows)
            values = [[None if f is None else f(bucket) for f in code.fast_values] for bucket in buckets.values()]
        except FAST_FAILURES:
            return None
        passed = 0
        for (key, bucket), columns in zip(buckets.items(), values, strict=True):
            group = self._groups.get(key) or self._open(key, bucket[0], {}, None)
            passed += len(bucket)
            for accumulator, column in zip(group.accumulators, columns, strict=True):
                accumulator.fold(bucket if column is None else column)
        return passed

    def add(self, row: Any, meta: Mapping[str, Any], whole: Any) -> bool:
        taken = self._code.exact(row, meta, whole)
        if taken is None:
            return False
        key, values, others = taken
        group = self._groups.get(key) or self._open(key, row, meta, whole)
        for i, accumulator in enumerate(group.accumulators):
            if isinstance(accumulator, Gathered):
                accumulator.attend(others[i])
            accumulator.fold((values[i],))
        return True

    def _open(self, key: Any, row: Any, meta: Mapping[str, Any], whole: Any) -> _Group:
        group = self._groups[key] = _Group(row, meta, whole, [make() for make in self._code.accumulators])
        return group

    def emit(self, span: Span) -> list[Any]:
        code, groups = self._code, self._groups
        self._groups = {}
        if not groups:
            return [] if code.grouped else [code.emit(code.empty_row, {}, {}, [None] * len(code.accumulators), span)]
        return [code.emit(g.row, g.meta, g.whole, _Results(g.accumulators), span) for g in groups.values()]

    def is_empty(self) -> bool:
        return not self._groups

    def snapshot(self) -> Any:
        return [
            [pack_value(key), pack_row(g.row), pack_value(dict(g.meta)), pack_value(g.whole), [a.snapshot() for a in g.accumulators]]
            for key, g in self._groups.items()
        ]

    def restore(self, state: Any) -> None:
        self._groups = {}
        for key, row, meta, whole, states in state:
            group = self._open(_hashable(unpack_value(key)), unpack_row(row), unpack_value(meta), unpack_value(whole))
            for accumulator, kept in zip(group.accumulators, states, strict=True):
                accumulator.restore(kept)


class _Results:
    """The aggregate results of a group, computed where the select list asks for them, so that a failure names its item."""

    __slots__ = ("_accumulators",)

    def __init__(self, accumulators: list[Accumulator]) -> None:
        self._accumulators = accumulators

    def __getitem__(self, index: int) -> Any:
        return self._accumulators[index].result()


class RowCollector:
    """The rows of a window, in order."""

    __slots__ = ("_code", "_rows")

    def __init__(self, code: RowsCode) -> None:
        self._code = code
        self._rows: list[tuple[Any, Mapping[str, Any], Any]] = []

    def add_fast(self, rows: Sequence[Any]) -> int | None:
        if self._code.fast_keep is None:
            return None
        try:
            kept = self._code.fast_keep(rows)
        except FAST_FAILURES:
            return None
        self._rows.extend((row, {}, None) for row in kept)
        return len(kept)

    def add(self, row: Any, meta: Mapping[str, Any], whole: Any) -> bool:
        passed = self._code.exact(row, meta, whole)
        if passed:
            self._rows.append((row, meta, whole))
        return passed

    def emit(self, span: Span) -> list[Any]:
        rows, self._rows = self._rows, []
        return [self._code.emit(row, meta, whole, (), span) for row, meta, whole in rows]

    def is_empty(self) -> bool:
        return not self._rows

    def snapshot(self) -> Any:
        return [[pack_row(row), pack_value(dict(meta)), pack_value(whole)] for row, meta, whole in self._rows]

    def restore(self, state: Any) -> None:
        self._rows = [(unpack_row(row), unpack_value(meta), unpack_value(whole)) for row, meta, whole in state]


def _hashable(key: Any) -> Any:
    return tuple(_hashable(part) for part in key) if isinstance(key, list) else key
