"""The groups of an open window as accumulators, one set per group key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from plutino.execution.aggregates import Accumulator, Gathered, Kinds, kinds_of
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
    """A group's aggregates by number. ``lists`` holds, per argument, values that are not folded yet.

    As long as nothing has been folded there are no accumulators: what has few rows needs none.
    """

    __slots__ = ("_kinds", "accumulators", "code", "first", "lists")

    def __init__(self, code: GroupCode, first: Entry, lists: list[list[Any]]) -> None:
        self.code = code
        self.first = first
        self.lists = lists
        self.accumulators: list[Accumulator] | None = None
        self._kinds: dict[int, Kinds] = {}

    def fold(self, lists: Sequence[Sequence[Any]]) -> None:
        """Take values: a list per argument, or one list as long as there are rows."""
        kinds = [kinds_of(values) for values in lists]
        for column, accumulator in zip(self.code.columns, self.made(), strict=True):
            accumulator.fold(lists[column or 0], kinds[column or 0])

    def made(self) -> list[Accumulator]:
        """The accumulators, in which ``lists`` are not."""
        if self.accumulators is None:
            self.accumulators = [make() for make in self.code.accumulators]
        return self.accumulators

    def settle(self) -> None:
        if self.lists and self.lists[0]:
            self.fold(self.lists)
            for values in self.lists:
                values.clear()

    def __getitem__(self, index: int) -> Any:
        """The result of aggregate ``index``, computed where it is asked for, so that a failure names its item."""
        if self.accumulators is not None:
            return self.accumulators[index].result()
        column = self.code.columns[index]
        if column is None:
            return len(self.lists[0])
        values, kinds = self.lists[column], self._kinds.get(column)
        if kinds is None:
            kinds = self._kinds[column] = kinds_of(values)
        made = self.code.accumulators[index]()
        made.fold(values, kinds)
        return made.result()


class Groups:
    """The open window: one set of accumulators per group key, in order of first appearance.

    A row that fails behind the window fails the whole window: its error waits until the window closes.
    """

    __slots__ = ("_code", "_failures", "_groups", "_lists", "_memories", "_pending", "_width")

    def __init__(self, code: GroupCode, memories: Sequence[Any]) -> None:
        self._code = code
        self._memories = memories
        self._width = max((1, *(column + 1 for column in code.columns if column is not None)))
        self._groups: dict[Any, _Group] = {}
        self._lists: list[dict[Any, list[Any]]] = [{} for _ in range(self._width)]
        """Per argument the list of each group, the same that the group itself has."""
        self._pending = 0
        self._failures: dict[str, str] = {}
        """Per stage the first failure."""

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
            group = self._groups.get(()) or self._open((), Entry(kept[0], _one(at), {}, None))
            group.fold(columns or (kept,))
        else:
            self._spread(kept, keys, columns or (keys,), _one(at))
        return len(kept)

    def _spread(self, rows: Sequence[Any], keys: Sequence[Any], columns: Sequence[Sequence[Any]], time: int) -> None:
        """Put the values of rows to those that wait in their groups."""
        new = set(keys).difference(self._groups)
        if new:
            for key, row in zip(keys, rows, strict=True):
                if key in new:
                    new.remove(key)
                    self._open(key, Entry(row, time, {}, None))
        for lists, column in zip(self._lists, columns, strict=True):
            for key, value in zip(keys, column, strict=True):
                lists[key].append(value)
        self._pending += len(keys)
        if self._pending >= PENDING_ROWS:
            self._settle()

    def _settle(self) -> None:
        if self._pending:
            self._pending = 0
            for group in self._groups.values():
                group.settle()

    def add(self, entry: Entry, place: int) -> bool:
        """Take one row in the exact tier: whether it passed. StageError when it failed."""
        taken = self._code.exact(entry, self._memories)
        if taken is None:
            return False
        self._settle()
        key, values, others = taken
        group = self._groups.get(key) or self._open(key, entry)
        for i, accumulator in enumerate(group.made()):
            if isinstance(accumulator, Gathered):
                accumulator.attend(others[i])
            accumulator.fold((values[i],))
        return True

    def _open(self, key: Any, first: Entry) -> _Group:
        own: list[list[Any]] = [[] for _ in self._lists]
        for lists, mine in zip(self._lists, own, strict=True):
            lists[key] = mine
        group = self._groups[key] = _Group(self._code, first, own)
        return group

    def fail(self, error: StageError, place: int) -> None:
        """A row has failed that stands in the window."""
        self._failures.setdefault(error.stage, str(error))

    def close(self, oldest: int) -> list[Pair]:
        """The groups with their first rows; the window is empty afterwards. StageError when one of its rows has failed.

        Conditions are asked before keys are computed, so their failures come first.
        """
        groups, failures = self._groups, self._failures
        if any(group.accumulators is not None for group in groups.values()):
            self._settle()
        self._groups, self._failures, self._pending = {}, {}, 0
        self._lists = [{} for _ in self._lists]
        for stage in ("filter", *failures):
            if stage in failures:
                raise StageError(stage, failures[stage])
        return [(group.first, group) for group in groups.values()]

    def snapshot(self) -> Any:
        self._settle()
        groups = [[pack_value(key), pack_entry(g.first), [a.snapshot() for a in g.made()]] for key, g in self._groups.items()]
        return [groups, self._failures]

    def restore(self, state: Any) -> None:
        groups, self._failures = state
        for key, first, states in groups:
            group = self._open(hashable(unpack_value(key)), unpack_entry(first))
            for accumulator, kept in zip(group.made(), states, strict=True):
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
