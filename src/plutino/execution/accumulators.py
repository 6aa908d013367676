"""The groups of an open window as accumulators, one set per group key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, TypeAlias

from msgspec import Struct

from plutino.execution.aggregates import Accumulator, Gathered, kinds_of
from plutino.execution.entry import Entry, pack_entry, unpack_entry
from plutino.execution.failures import FAST_FAILURES, StageError
from plutino.execution.finishing import Pair
from plutino.execution.state import pack_value, unpack_value

PENDING_ROWS = 2048
"""So many rows of groups wait for being folded: values of one group together cost less than row by row."""
Position: TypeAlias = "int | Sequence[int]"
"""Where rows stand: their time, or their number; one for all rows, or one each."""


class GroupCode(Struct, frozen=True):
    """How rows go into accumulators.

    - ``fast(rows)``: the rows that pass, their keys (None without GROUP BY), and a list of values per distinct argument of the
      aggregates; None where the rule has no fast tier
    - ``columns``: per aggregate the number of its argument among these, None where it counts rows
    - ``exact(entry, memories)``: None for a row that is filtered out, else ``(key, values, others)`` with the first argument of each
      aggregate and the tuple of its further ones
    - ``accumulators``: per aggregate a factory
    """

    fast: Callable[[Sequence[Any]], tuple[Sequence[Any], Sequence[Any] | None, Sequence[Sequence[Any]]]] | None
    columns: tuple[int | None, ...]
    exact: Callable[[Entry, Sequence[Any]], tuple[Any, tuple[Any, ...], tuple[Any, ...]] | None]
    accumulators: tuple[Callable[[], Accumulator], ...]
    grouped: bool
    empty: Entry


class _Group:
    """A group's aggregates by number, each computed where it is asked for, so that a failure names its item."""

    __slots__ = ("_columns", "accumulators")

    def __init__(self, code: GroupCode) -> None:
        self.accumulators = [make() for make in code.accumulators]
        self._columns = code.columns

    def fold(self, lists: Sequence[Sequence[Any]]) -> None:
        """Take values: a list per argument, or one list as long as there are rows."""
        kinds = [kinds_of(values) for values in lists]
        for column, accumulator in zip(self._columns, self.accumulators, strict=True):
            accumulator.fold(lists[column or 0], kinds[column or 0])

    def __getitem__(self, index: int) -> Any:
        return self.accumulators[index].result()


class Groups:
    """The open window: one set of accumulators per group key, in order of first appearance.

    Values wait in lists until there are many of them or the window closes: what has few rows needs no accumulators at all. A row that
    fails behind the window fails the whole window: its error waits until the window closes.
    """

    __slots__ = ("_code", "_failures", "_firsts", "_groups", "_lists", "_memories", "_pending", "_width")

    def __init__(self, code: GroupCode, memories: Sequence[Any]) -> None:
        self._code = code
        self._memories = memories
        self._width = max((1, *(column + 1 for column in code.columns if column is not None)))
        self._firsts: dict[Any, Entry] = {}
        self._groups: dict[Any, _Group] = {}
        """What has been folded."""
        self._lists = self._none_waiting()
        self._pending = 0
        self._failures: dict[str, str] = {}
        """Per stage the first failure."""

    def _none_waiting(self) -> list[defaultdict[Any, list[Any]]]:
        """Per argument the values that wait, by group."""
        return [defaultdict(list) for _ in range(self._width)]

    def add_fast(self, rows: Sequence[Any], at: Position) -> int | None:
        """Take rows in the fast tier: how many passed, or None (and nothing taken) when they belong to the exact tier."""
        if self._code.fast is None:
            return None
        try:
            kept, keys, columns = self._code.fast(rows)
        except FAST_FAILURES:
            return None
        if not kept:
            return 0
        if keys is None:
            if () not in self._firsts:
                self._firsts[()] = Entry(kept[0], _one(at), {}, None)
            self._group(()).fold(columns or (kept,))
        else:
            self._spread(kept, keys, columns or (keys,), _one(at))
        return len(kept)

    def _spread(self, rows: Sequence[Any], keys: Sequence[Any], columns: Sequence[Sequence[Any]], time: int) -> None:
        """Put the values of rows to those that wait in their groups."""
        firsts = self._firsts
        for key, row in zip(keys, rows, strict=True):
            if key not in firsts:
                firsts[key] = Entry(row, time, {}, None)
        for lists, column in zip(self._lists, columns, strict=True):
            for key, value in zip(keys, column, strict=True):
                lists[key].append(value)
        self._pending += len(keys)
        if self._pending >= PENDING_ROWS:
            self._settle()

    def _settle(self) -> None:
        """Fold what waits."""
        if self._pending:
            lists, self._lists, self._pending = self._lists, self._none_waiting(), 0
            for key in lists[0]:
                self._group(key).fold([own[key] for own in lists])

    def _group(self, key: Any) -> _Group:
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(self._code)
        return group

    def add(self, entry: Entry, place: int) -> bool:
        """Take one row in the exact tier: whether it passed. StageError when it failed."""
        taken = self._code.exact(entry, self._memories)
        if taken is None:
            return False
        self._settle()
        key, values, others = taken
        self._firsts.setdefault(key, entry)
        for i, accumulator in enumerate(self._group(key).accumulators):
            if isinstance(accumulator, Gathered):
                accumulator.attend(others[i])
            accumulator.fold((values[i],))
        return True

    def fail(self, error: StageError, place: int) -> None:
        """A row has failed that stands in the window."""
        self._failures.setdefault(error.stage, str(error))

    def close(self, oldest: int) -> list[Pair]:
        """The groups with their first rows; the window is empty afterwards. StageError when one of its rows has failed.

        Conditions are asked before keys are computed, so their failures come first.
        """
        failures, self._failures = self._failures, {}
        results = None if self._groups or failures else self._of_each()
        if results is None:
            self._settle()
            results = [self._groups[key] for key in self._firsts] if not failures else []
        firsts = self._firsts
        self._firsts, self._groups, self._lists, self._pending = {}, {}, self._none_waiting(), 0
        for stage in ("filter", *failures):
            if stage in failures:
                raise StageError(stage, failures[stage])
        return list(zip(firsts.values(), results, strict=True))

    def _of_each(self) -> Iterable[Any] | None:
        """The results of all groups, where nothing has been folded yet and no value is doubtful."""
        if not self._code.accumulators:
            return [()] * len(self._firsts)
        lists = [list(own.values()) for own in self._lists]
        kinds = [set(map(type, chain.from_iterable(own))) for own in lists]
        found: list[list[Any]] = []
        for column, make in zip(self._code.columns, self._code.accumulators, strict=True):
            results = make().of_each(lists[column or 0], kinds[column or 0])
            if results is None:
                return None
            found.append(results)
        return zip(*found, strict=True)

    def snapshot(self) -> Any:
        self._settle()
        groups = [
            [pack_value(key), pack_entry(first), [a.snapshot() for a in self._groups[key].accumulators]]
            for key, first in self._firsts.items()
        ]
        return [groups, self._failures]

    def restore(self, state: Any) -> None:
        groups, self._failures = state
        for packed, first, states in groups:
            key = hashable(unpack_value(packed))
            self._firsts[key] = unpack_entry(first)
            for accumulator, kept in zip(self._group(key).accumulators, states, strict=True):
                accumulator.restore(kept)


def over_nothing(code: GroupCode) -> Pair:
    """The row of a window without rows: aggregates are null, also ``count``; other functions decide themselves (``collect`` shows a
    null)."""
    made = [make() for make in code.accumulators]
    return code.empty, [m.result() if isinstance(m, Gathered) else None for m in made]


def hashable(key: Any) -> Any:
    """A group key that was packed."""
    return tuple(hashable(part) for part in key) if isinstance(key, list) else key


def _one(at: Position) -> int:
    return at if isinstance(at, int) else at[0]
