"""Which rules of a feed a batch can concern at all: their guards as sorted constants and dictionaries.

With hundreds of rules of one shape (``x > constant``, ``id = constant``) on a stream, the cost of a batch grows with the rules that match,
not with all of them. A guard speaks only of values of its constant's type: rows with any other value go to every rule of the column.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from plutino.model import Batch, attribute
from plutino.runtime.guards import OPS, Call, Selection, family_of, pick
from plutino.runtime.twins import EqualTwins, RangeTwins, Twin
from plutino.spi import Guard


class PredicateIndex:
    """The calls of a feed, arranged by guard. ``all`` holds every call, ``free`` those that see every batch."""

    __slots__ = ("_columns", "all", "free")

    def __init__(self, calls: Iterable[Call]) -> None:
        self.all: list[Call] = list(calls)
        self.free: list[Call] = []
        columns: dict[tuple[str, frozenset[type]], list[tuple[Guard, Call]]] = {}
        for call in self.all:
            guard: Guard | None = call[2].need.guard
            family = family_of(guard)
            if guard is None or family is None:
                self.free.append(call)
            else:
                columns.setdefault((guard.column, family), []).append((guard, call))
        self._columns = [ColumnIndex(column, family, entries) for (column, family), entries in columns.items()]

    def select(self, batch: Batch) -> list[Selection]:
        """Who must see what: the batch, some of its rows in order, or an output that is theirs."""
        found: list[Selection] = []
        if self.free:
            found.append((self.free, batch, None))
        one = len(batch.rows) == 1
        for column in self._columns:
            if one:
                column.select_one(batch, found)
            else:
                column.select_many(batch, found)
        return found


class ColumnIndex:
    """Guards on one column whose constants are numbers, or texts."""

    __slots__ = ("_all", "_equal", "_equal_twins", "_every_equal", "_every_range", "_family", "_get", "_range_twins", "_ranges")

    def __init__(self, column: str, family: frozenset[type], entries: Sequence[tuple[Guard, Call]]) -> None:
        self._get = attrgetter(attribute(column))
        self._family = family
        self._all = [call for _, call in entries]
        self._every_range = [call for guard, call in entries if guard.op != "="]
        self._every_equal = _by_constant((guard, call) for guard, call in entries if guard.op == "=")
        self._range_twins: list[RangeTwins] = []
        self._equal_twins: list[EqualTwins] = []
        alone: dict[str, list[tuple[Guard, Call]]] = {op: [] for op in OPS}
        for (op, twin), members in _by_twin(entries):
            if twin is None or len(members) == 1:
                alone[op] += members
            elif op == "=":
                self._equal_twins.append(EqualTwins(twin, members))
            else:
                self._range_twins.append(RangeTwins(twin, op, members))
        self._ranges = [Range(op, members) for op, members in alone.items() if op != "=" and members]
        self._equal = _by_constant(alone["="])

    def select_one(self, batch: Batch, found: list[Selection]) -> None:
        """As ``select_many`` for a batch of one row."""
        value = self._get(batch.rows[0])
        if type(value) not in self._family:
            found.append((self._all, batch, None))
            return
        for ranges in self._range_twins:
            ranges.select_one(value, batch, found)
        for equals in self._equal_twins:
            equals.select_one(value, batch, found)
        if self._equal:
            equal = self._equal.get(value)
            if equal is not None:
                found.append((equal, batch, None))
        for alone in self._ranges:
            alone.select(value, value, batch, found)

    def select_many(self, batch: Batch, found: list[Selection]) -> None:
        """Append what the rows can concern."""
        values = list(map(self._get, batch.rows))
        if not self._family.issuperset(map(type, values)):
            self._select_mixed(values, batch, found)
            return
        low, high = min(values), max(values)
        if low != low or high != high:  # not a number: nothing can be told from the extremes
            found.append((self._all, batch, None))
            return
        for ranges in self._range_twins:
            ranges.select_many(values, low, high, batch, found)
        for equals in self._equal_twins:
            equals.select_many(values, batch, found)
        for alone in self._ranges:
            alone.select(low, high, batch, found)
        if self._equal:
            for value, indices in _groups(values, range(len(values)), self._equal).items():
                found.append((self._equal[value], batch if len(indices) == len(values) else pick(batch, indices), None))

    def _select_mixed(self, values: list[Any], batch: Batch, found: list[Selection]) -> None:
        """Some values are of another type: those rows go to every rule, the others where they can matter."""
        if self._every_range:
            found.append((self._every_range, batch, None))
        if not self._every_equal:
            return
        table, family = self._every_equal, self._family
        others = [i for i, value in enumerate(values) if type(value) not in family]
        groups = _groups(values, (i for i, value in enumerate(values) if type(value) in family), table)
        for value, indices in groups.items():
            found.append((table[value], pick(batch, sorted(indices + others)), None))
        rest = [call for constant, calls in table.items() if constant not in groups for call in calls]
        if rest:
            found.append((rest, pick(batch, others), None))


class Range:
    """Guards with one of the comparisons ``> >= < <=`` that share nothing: constants and calls in ascending order."""

    __slots__ = ("_bisect", "_calls", "_constants", "_rising")

    def __init__(self, op: str, entries: Sequence[tuple[Guard, Call]]) -> None:
        ordered = sorted(((guard.constant, call) for guard, call in entries), key=lambda pair: pair[0])
        self._constants = [constant for constant, _ in ordered]
        self._calls = [call for _, call in ordered]
        self._rising = op in (">", ">=")
        self._bisect = bisect_left if op in (">", "<=") else bisect_right

    def select(self, low: Any, high: Any, batch: Batch, found: list[Selection]) -> None:
        """Append the calls that values from ``low`` to ``high`` can concern."""
        if self._rising:
            at = self._bisect(self._constants, high)
            if at:
                found.append((self._calls[:at], batch, None))
        else:
            at = self._bisect(self._constants, low)
            if at < len(self._calls):
                found.append((self._calls[at:], batch, None))


def _by_twin(entries: Sequence[tuple[Guard, Call]]) -> Iterable[tuple[tuple[str, Twin | None], list[tuple[Guard, Call]]]]:
    found: dict[tuple[str, int], list[tuple[Guard, Call]]] = {}
    for guard, call in entries:
        found.setdefault((guard.op, id(call[2].need.twin)), []).append((guard, call))
    return [((op, members[0][1][2].need.twin), members) for (op, _), members in found.items()]


def _by_constant(entries: Iterable[tuple[Guard, Call]]) -> dict[Any, list[Call]]:
    found: dict[Any, list[Call]] = {}
    for guard, call in entries:
        found.setdefault(guard.constant, []).append(call)
    return found


def _groups(values: list[Any], indices: Iterable[int], table: dict[Any, list[Call]]) -> dict[Any, list[int]]:
    """Indices of the values that are keys of a table, by value."""
    found: dict[Any, list[int]] = {}
    for i in indices:
        value = values[i]
        if value in table:
            found.setdefault(value, []).append(i)
    return found
