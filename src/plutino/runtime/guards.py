"""Which rules of a feed a batch can concern at all: their guards as sorted constants and dictionaries.

With hundreds of rules of one shape (``x > constant``, ``id = constant``) on a stream, the cost of a batch grows with the rules that match,
not with all of them. A guard speaks only of values of its constant's type: rows with any other value go to every rule of the column.
Where every row of a batch is known to satisfy a guard, rules that are twins (``InputNeed.twin``) need not do the same work again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Protocol

from msgspec import UNSET

from plutino.model import Batch, attribute
from plutino.spi import Guard

NUMBERS = frozenset({int, float})
TEXTS = frozenset({str})

_EXACT = 2**53
"""Beyond this the dialect compares numbers as rounded floats: such constants are no help."""


class Guarded(Protocol):
    """Something with a guard: the place of a rule on a feed."""

    @property
    def guard(self) -> Guard | None: ...


Call = tuple[Callable[[str, Batch], Any], Callable[[Any], None], Any]
"""``(push, emit, place)`` of one rule, ready to be called."""


Selection = tuple[Sequence[Call], Batch, bool]
"""Calls, the rows that they must see, and whether each of these rows is known to satisfy the guard of each call."""


class PredicateIndex:
    """The calls of a feed, arranged by guard. ``all`` holds every call, ``free`` those that see every batch."""

    __slots__ = ("_columns", "all", "free")

    def __init__(self, calls: Iterable[tuple[Guard | None, Call]]) -> None:
        self.all: list[Call] = []
        self.free: list[Call] = []
        columns: dict[tuple[str, frozenset[type]], list[tuple[Guard, Call]]] = {}
        for guard, call in calls:
            self.all.append(call)
            family = _family(guard)
            if guard is None or family is None:
                self.free.append(call)
            else:
                columns.setdefault((guard.column, family), []).append((guard, call))
        self._columns = [ColumnIndex(column, family, entries) for (column, family), entries in columns.items()]

    def select(self, batch: Batch) -> list[Selection]:
        """Who must see what: the batch, or some of its rows in order."""
        found: list[Selection] = []
        if self.free:
            found.append((self.free, batch, False))
        one = len(batch.rows) == 1
        for column in self._columns:
            if one:
                column.select_one(batch, found)
            else:
                column.select_many(batch, found)
        return found


class ColumnIndex:
    """Guards on one column whose constants are numbers, or texts."""

    __slots__ = ("_all", "_equal", "_family", "_get", "_greater", "_greater_equal", "_less", "_less_equal", "_ranges")

    def __init__(self, column: str, family: frozenset[type], entries: Sequence[tuple[Guard, Call]]) -> None:
        self._get = attrgetter(attribute(column))
        self._family = family
        self._all = [call for _, call in entries]
        self._greater = _sorted(entries, ">")
        self._greater_equal = _sorted(entries, ">=")
        self._less = _sorted(entries, "<")
        self._less_equal = _sorted(entries, "<=")
        self._ranges = [call for guard, call in entries if guard.op != "="]
        self._equal: dict[Any, list[Call]] = {}
        for guard, call in entries:
            if guard.op == "=":
                self._equal.setdefault(guard.constant, []).append(call)

    def select_one(self, batch: Batch, found: list[Selection]) -> None:
        """As ``select_many`` for a batch of one row."""
        value = self._get(batch.rows[0])
        if type(value) not in self._family:
            found.append((self._all, batch, False))
            return
        if self._equal:
            equal = self._equal.get(value)
            if equal is not None:
                found.append((equal, batch, True))
        if self._ranges:
            self._select_ranges(value, value, batch, found)

    def select_many(self, batch: Batch, found: list[Selection]) -> None:
        """Append what the rows can concern."""
        values = list(map(self._get, batch.rows))
        pure = self._family.issuperset(map(type, values))
        if self._ranges:
            if pure:
                self._select_ranges(min(values), max(values), batch, found)
            else:
                found.append((self._ranges, batch, False))
        if self._equal:
            self._select_equal(values, pure, batch, found)

    def _select_ranges(self, low: Any, high: Any, batch: Batch, found: list[Selection]) -> None:
        """Calls that every row satisfies, and calls that some may satisfy; those that none can are left out."""
        if low != low or high != high:  # not a number: nothing can be told from the extremes
            found.append((self._ranges, batch, False))
            return
        for (constants, calls), bisect in ((self._greater, bisect_left), (self._greater_equal, bisect_right)):
            if constants and (some := bisect(constants, high)):
                every = some if low == high else bisect(constants, low)
                if every:
                    found.append((calls[:every], batch, True))
                if every < some:
                    found.append((calls[every:some], batch, False))
        for (constants, calls), bisect in ((self._less, bisect_right), (self._less_equal, bisect_left)):
            if constants and (some := bisect(constants, low)) < len(constants):
                every = some if low == high else bisect(constants, high)
                if every < len(constants):
                    found.append((calls[every:], batch, True))
                if some < every:
                    found.append((calls[some:every], batch, False))

    def _select_equal(self, values: list[Any], pure: bool, batch: Batch, found: list[Selection]) -> None:
        table: dict[Any, list[Call]] = self._equal
        groups: dict[Any, list[int]] = {}
        others: list[int] = []
        if pure:
            for i, value in enumerate(values):
                if value in table:
                    groups.setdefault(value, []).append(i)
        else:
            family = self._family
            for i, value in enumerate(values):
                if type(value) not in family:
                    others.append(i)
                elif value in table:
                    groups.setdefault(value, []).append(i)
        count = len(values)
        for value, indices in groups.items():
            wanted = sorted(indices + others) if others else indices
            found.append((table[value], batch if len(wanted) == count else pick(batch, wanted), not others))
        if others:
            rest = [call for constant, calls in table.items() if constant not in groups for call in calls]
            if rest:
                found.append((rest, pick(batch, others), False))


def pick(batch: Batch, indices: Sequence[int]) -> Batch:
    """Some rows of a batch, with everything that belongs to them."""
    rows, payloads, records, times, meta = batch.rows, batch.payloads, batch.records, batch.times, batch.meta
    return Batch(
        [rows[i] for i in indices],
        payloads=None if payloads is None else [payloads[i] for i in indices],
        records=None if records is None else [records[i] for i in indices],
        whole=batch.whole,
        arrival=batch.arrival,
        times=None if times is None else [times[i] for i in indices],
        meta=[meta[i] for i in indices] if isinstance(meta, list) else meta,
        guarded=batch.guarded,
    )


def _family(guard: Guard | None) -> frozenset[type] | None:
    """The types that a guard speaks of, None when it cannot be used."""
    if guard is None or guard.op not in ("=", ">", ">=", "<", "<=") or guard.constant is UNSET:
        return None
    kind = type(guard.constant)
    if kind is str:
        return TEXTS
    if kind in NUMBERS and -_EXACT < guard.constant < _EXACT:
        return NUMBERS
    return None


def _sorted(entries: Sequence[tuple[Guard, Call]], op: str) -> tuple[list[Any], list[Call]]:
    chosen = sorted(((guard.constant, call) for guard, call in entries if guard.op == op), key=lambda pair: pair[0])
    return [constant for constant, _ in chosen], [call for _, call in chosen]
