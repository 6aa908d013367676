"""The groups of a window that moves forward: hopping, sliding, or counting rows; one set of slices per group key."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any, TypeAlias

from msgspec import Struct

from plutino.execution.accumulators import PENDING_ROWS, GroupCode, Position, hashable
from plutino.execution.columns import Texts
from plutino.execution.entry import Entry
from plutino.execution.failures import FAST_FAILURES, StageError
from plutino.execution.finishing import Pair
from plutino.execution.packing import Packing, Written
from plutino.execution.slices import Slices, SlicesCode, Window
from plutino.execution.state import pack_value, unpack_value
from plutino.model import attribute, row_type

TIDY_ROWS = 1024
"""Rows after which what is too old is dropped, also where no window is given out; where there are more groups, so many rows."""


Portion: TypeAlias = tuple[Sequence[Any], Sequence[Sequence[Any]], Position]
"""Keys of rows, their columns (arguments, then what is shown), and their places."""


class Failures(Struct):
    """Rows that follow each other and fail alike, the last of them at ``place``."""

    place: int
    stage: str
    text: str


class SlicedGroups:
    """The rows of the last while by group. Every row has a place: its time, or its number; places do not go back. What comes in small
    batches waits until a window is asked for, or there is more of it, as many rows of a group together cost less.

    A row that fails behind the window fails every window that it is part of.
    """

    __slots__ = (
        *("_added", "_code", "_failures", "_getters", "_groups", "_memories", "_order", "_pending", "_row", "_slices", "_sources"),
        *("_texts", "_waiting"),
    )

    def __init__(self, code: GroupCode, slices: SlicesCode, memories: Sequence[Any]) -> None:
        self._code = code
        self._slices = slices
        self._memories = memories
        self._sources = tuple(code.columns.index(i) for i in range(len(slices.loose)))
        """Per argument the first aggregate that takes it."""
        self._getters = tuple(attrgetter(attribute(name)) for name in slices.shown)
        self._row = row_type(slices.shown)
        """Rows of what is shown."""
        self._texts = Texts()
        self._groups: dict[Any, Slices] = {}
        self._failures: deque[Failures] = deque()
        self._order = 0
        self._added = 0
        self._waiting: list[Portion] = []
        self._pending = 0
        """How many rows wait."""

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
        places = at if isinstance(at, int) or len(kept) == len(rows) else _places_of(kept, rows, at)
        if self._getters:
            columns = [*columns, *(list(map(get, kept)) for get in self._getters)]
        if keys is None:
            self._group(()).add(len(kept), columns, places, ())
        else:
            self._waiting.append((keys, columns, places))
            self._pending += len(kept)
            if self._pending >= PENDING_ROWS:
                self._settle()
        self._added += len(kept)
        return len(kept)

    def _settle(self) -> None:
        """Give what waits to its groups."""
        waiting = self._waiting
        if not waiting:
            return
        self._waiting, self._pending = [], 0
        if len(waiting) == 1:
            self._spread(*waiting[0])
            return
        keys = [key for portion in waiting for key in portion[0]]
        columns = [list(chain.from_iterable(parts)) for parts in zip(*(portion[1] for portion in waiting), strict=True)]
        places: list[int] = []
        for own, _, at in waiting:
            places += [at] * len(own) if isinstance(at, int) else at
        self._spread(keys, columns, places)

    def _spread(self, keys: Sequence[Any], columns: Sequence[Sequence[Any]], places: Position) -> None:
        """Give rows to their groups."""
        chosen: dict[Any, list[int]] = {}
        for i, key in enumerate(keys):
            if key in chosen:
                chosen[key].append(i)
            else:
                chosen[key] = [i]
        for key, own in chosen.items():
            parts = [[column[i] for i in own] for column in columns]
            order = [self._order + i for i in own]
            self._group(key).add(len(own), parts, places if isinstance(places, int) else [places[i] for i in own], order)
        self._order += len(keys)

    def add(self, entry: Entry, place: int) -> bool:
        """Take one row in the exact tier: whether it passed. StageError when it failed."""
        taken = self._code.exact(entry, self._memories)
        if taken is None:
            return False
        self._settle()
        key, values, _ = taken
        columns = [(values[i],) for i in self._sources]
        columns += [(get(entry.row),) for get in self._getters]
        order = (self._order,) if self._code.grouped else ()
        self._group(key).add_one(columns, place, order, entry)
        self._order += 1
        self._added += 1
        return True

    def _group(self, key: Any) -> Slices:
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Slices(self._slices, self._texts)
        return group

    def fail(self, error: StageError, place: int) -> None:
        """A row has failed that stands in the window."""
        last = self._failures[-1] if self._failures else None
        if last is not None and (last.stage, last.text) == (error.stage, str(error)):
            last.place = place
        else:
            self._failures.append(Failures(place, error.stage, str(error)))

    def tidy(self, oldest: int) -> None:
        """Drop what stands before ``oldest``, if much has come since the last time."""
        if self._added >= TIDY_ROWS and self._added >= len(self._groups):
            self._added = 0
            self._since(oldest)

    def close(self, oldest: int) -> list[Pair]:
        """The groups of the rows from ``oldest`` on, in the order of their first rows. StageError when one of those rows has failed.

        Conditions are asked before keys are computed, so their failures come first.
        """
        while self._failures and self._failures[0].place < oldest:
            self._failures.popleft()
        if self._failures:
            found = next((f for f in self._failures if f.stage == "filter"), self._failures[0])
            raise StageError(found.stage, found.text)
        windows = self._since(oldest)
        if len(windows) > 1:
            windows.sort(key=_order)
        return [(self._first_of(window), window) for window in windows]

    def _first_of(self, window: Window) -> Entry:
        """What can be asked of the first row of a window."""
        if self._getters:
            return Entry(self._row(*window.shown), 0, {}, None)
        return window.entry or self._code.empty

    def _since(self, oldest: int) -> list[Window]:
        self._settle()
        windows: list[Window] = []
        gone: list[Any] = []
        for key, group in self._groups.items():
            window = group.since(oldest)
            if window is None:
                gone.append(key)
            else:
                windows.append(window)
        for key in gone:
            del self._groups[key]
        return windows

    def written(self) -> Written:
        """What writes the groups as they are now."""
        self._settle()
        groups = [(key, slices.written()) for key, slices in self._groups.items()]
        return partial(_write, groups, [[f.place, f.stage, f.text] for f in self._failures], self._order)

    def restore(self, state: Any) -> None:
        """Take over what was written."""
        groups, failures, self._order = state
        self._groups = {}
        for key, kept in groups:
            self._group(hashable(unpack_value(key))).restore(kept)
        self._failures = deque(Failures(*failure) for failure in failures)


def _write(groups: Sequence[tuple[Any, Sequence[Written]]], failures: list[Any], order: int, out: Packing) -> None:
    out.begin(3)
    out.begin(len(groups))
    for key, slices in groups:
        out.begin(2)
        out.value(pack_value(key))
        out.begin(len(slices))
        for write in slices:
            write(out)
    out.value(failures)
    out.value(order)


def _order(window: Window) -> int:
    return window.order


def _places_of(kept: Sequence[Any], rows: Sequence[Any], places: Sequence[int]) -> list[int]:
    """The places of those rows that passed."""
    found: list[int] = []
    pairs = zip(rows, places, strict=True)
    for row in kept:
        found.append(next(place for other, place in pairs if other is row))
    return found
