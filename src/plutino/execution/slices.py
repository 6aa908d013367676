"""The rows of a window that moves forward, as slices: columns of what aggregates need, with the aggregates of every full slice.

A result puts together the rest of the first slice and what is kept of all slices behind it: two steps however many rows the window
holds. A row costs eight bytes per column, and eight for its place; a column whose values are all the same costs nothing.

Sums of floats: over at most ``EXACT_ROWS`` rows, or wherever a window is told to be ``exact``, they are added from left to right as over
kept rows; beyond that the last digit may differ, as parts are summed apart.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice, repeat
from math import isqrt
from typing import Any, TypeAlias

from msgspec import Struct

from plutino.execution.aggregates import Accumulator
from plutino.execution.columns import Column, Same, Texts, argument, read_column, shown, write_column
from plutino.execution.entry import Entry, pack_entry, unpack_entry
from plutino.execution.packing import Packing, Written

SLICE_ROWS = 128
LONG_SLICE_ROWS = 1024
"""Between these lies the length of slices: the more rows a group has, the longer they are."""
_BALANCE = 12
"""To put two slices together costs as much as so many rows. Now and then all rows of one slice are looked at, now and then all slices."""
EXACT_ROWS = 64
Merged: TypeAlias = list[Accumulator | None]
"""Per aggregate what several slices give together; None where they cannot be put together (kinds of values differ), and where rows are
counted, as slices know how many they have."""


class SlicesCode(Struct, frozen=True):
    """What slices hold.

    - ``makers``: what makes each aggregate; ``columns``: per aggregate the number of its argument, None where rows are counted
    - ``loose``: per argument, whether whole numbers mean floats
    - ``shown``: the columns that the output reads of the first row beside the aggregates; ``entries``: it reads more of it than columns
    - ``exact``: every result adds up all rows, from left to right
    """

    makers: tuple[Callable[[], Accumulator], ...]
    columns: tuple[int | None, ...]
    loose: tuple[bool, ...]
    shown: tuple[str, ...]
    entries: bool
    exact: bool

    @property
    def kept(self) -> tuple[str, ...]:
        """What is kept of rows beside arguments, by name; ``*`` for all of it."""
        return ("*",) if self.entries else self.shown


class Slice:
    """Up to ``size`` rows: their places (times, or numbers), order among all groups, and columns: arguments, then what is shown.

    ``entries``: the rows with everything, where the output reads more of them.
    """

    __slots__ = ("columns", "entries", "order", "own", "places", "size")

    def __init__(self, size: int, columns: list[Column | None], entries: list[Entry] | None) -> None:
        self.size = size
        self.places: array[int] = array("q")
        self.order: array[int] = array("q")
        self.columns = columns
        self.entries = entries
        self.own: Merged = []
        """The aggregates, once it is full."""

    def values(self, column: int, low: int = 0) -> Sequence[Any]:
        """The values of one argument from row ``low`` on."""
        held: Any = self.columns[column] or ()
        found: Sequence[Any] = held[low:] if low else held
        return found

    def value(self, column: int, row: int) -> Any:
        """One value of a column."""
        held: Any = self.columns[column]
        return held.value if held.__class__ is Same else held[row]

    def written(self) -> Written:
        """What writes the rows that there are now."""
        return partial(_write, self, len(self.places), list(self.columns))


def _write(part: Slice, count: int | None, columns: Sequence[Column | None], out: Packing) -> None:
    """Write a slice with these columns; of one that grows meanwhile the first ``count`` rows."""
    out.begin(4)
    out.numbers(part.places if count is None else part.places[:count])
    out.numbers(part.order if count is None else part.order[:count])
    out.begin(len(columns))
    for column in columns:
        write_column(column, count, out)
    if part.entries is None:
        out.value(None)
        return
    entries = part.entries if count is None else part.entries[:count]
    out.begin(len(entries))
    for entry in entries:
        out.value(pack_entry(entry))


class Slices:
    """The rows of one group."""

    __slots__ = ("_back", "_behind", "_code", "_folded", "_front", "_rows", "_slices", "_suffixes", "_texts")

    def __init__(self, code: SlicesCode, texts: Texts) -> None:
        self._code = code
        self._texts = texts
        self._slices: deque[Slice] = deque()
        self._rows = 0
        # the slices between first and last as a queue of two stacks: suffixes of the older ones, and the sum of the newer ones
        self._front: list[Merged] = []
        self._back: Merged | None = None
        self._behind: Merged | None = None
        """All slices behind the first one, up to row ``_folded`` of the last; None when it must be made anew."""
        self._folded = 0
        self._suffixes: dict[int, Any] = {}
        """By aggregate the suffixes of the first slice, once it is complete and they are asked for."""

    def add(self, count: int, columns: Sequence[Sequence[Any]], places: Sequence[int] | int, order: Sequence[int]) -> None:
        """Take so many rows: their arguments, then what is shown of them. Their places do not go back; one for all or one each.
        ``order``: among the rows of all groups, nothing where there is one group."""
        if count == 1:
            self.add_one(columns, places if isinstance(places, int) else places[0], order, None)
            return
        low = 0
        self._rows += count
        while low < count:
            last = self._open()
            held = len(last.places)
            high = min(count, low + last.size - held)
            last.places.extend(repeat(places, high - low) if isinstance(places, int) else places[low:high])
            last.order.extend(order[low:high])
            for i, column in enumerate(columns):
                self._extend(last, i, column if high - low == count else column[low:high], held)
            low = high

    def add_one(self, columns: Sequence[Sequence[Any]], place: int, order: Sequence[int], entry: Entry | None) -> None:
        """Take one row; ``entry`` where the output reads more than columns."""
        self._rows += 1
        last = self._open()
        count = len(last.places)
        last.places.append(place)
        last.order.extend(order)
        for i, column in enumerate(columns):
            held: Any = last.columns[i]
            value = column[0]
            if held.__class__ is array and held.typecode == "d" and value.__class__ is float:  # what is most usual
                held.append(value)
            else:
                self._extend(last, i, column, count)
        if last.entries is not None and entry is not None:
            last.entries.append(entry)

    def _extend(self, last: Slice, number: int, values: Sequence[Any], held: int) -> None:
        """More values of a column that has ``held`` of them."""
        loose, before = self._code.loose, last.columns[number]
        if number < len(loose):
            last.columns[number] = argument(before, values, loose[number], self._texts)
        else:
            last.columns[number] = shown(before, values, held, self._texts)

    def _open(self) -> Slice:
        """The last slice, a new one when it is full, or complete because its suffixes are known."""
        complete = len(self._slices) == 1 and self._suffixes
        if self._slices and not complete and len(self._slices[-1].places) < self._slices[-1].size:
            return self._slices[-1]
        return self._next()

    def _next(self) -> Slice:
        """A new last slice; the one before is complete, and has its place between first and last."""
        if len(self._slices) > 1:
            if self._behind is not None:
                self._fold_behind()
            own = self._slices[-1].own = self._of(self._slices[-1])
            self._back = own if self._back is None else self._merged(self._back, own)
        self._folded = 0
        code = self._code
        size = min(LONG_SLICE_ROWS, max(SLICE_ROWS, isqrt(_BALANCE * self._rows)))
        self._slices.append(Slice(size, [None] * (len(code.loose) + len(code.shown)), [] if code.entries else None))
        return self._slices[-1]

    def _fold_behind(self) -> Merged:
        """Bring the aggregates of all slices behind the first one up to date."""
        behind, last = self._behind, self._slices[-1]
        if behind is None:
            behind = self._behind = self._between()
            self._folded = 0
        if self._folded < len(last.places):
            for made, column in zip(behind, self._code.columns, strict=True):
                if made is not None and column is not None:
                    made.fold(last.values(column, self._folded))
            self._folded = len(last.places)
        return behind

    def _between(self) -> Merged:
        """The slices between the first and the last, put together anew."""
        front, back = self._front[-1] if self._front else None, self._back
        found: Merged = [None if column is None else make() for make, column in zip(self._code.makers, self._code.columns, strict=True)]
        for part in (front, back):
            if part is not None:
                found = self._merged(found, part)
        return found

    def _of(self, part: Slice) -> Merged:
        found: Merged = []
        for make, column in zip(self._code.makers, self._code.columns, strict=True):
            made = None if column is None else make()
            if made is not None and column is not None:
                made.fold(part.values(column))
            found.append(made)
        return found

    def _merged(self, first: Merged, second: Merged) -> Merged:
        return [self._both(i, a, b) for i, (a, b) in enumerate(zip(first, second, strict=True))]

    def _both(self, index: int, first: Accumulator | None, second: Accumulator | None) -> Accumulator | None:
        if first is None or second is None:
            return None
        made = self._code.makers[index]()
        return made if made.merge(first) and made.merge(second) else None

    def forget(self, oldest: int) -> None:
        """Drop slices whose rows all stand before ``oldest``."""
        while self._slices and self._slices[0].places[-1] < oldest:
            if len(self._slices) > 2:
                if not self._front:
                    self._flip()
                self._front.pop()
            self._rows -= len(self._slices.popleft().places)
            self._suffixes, self._behind = {}, None

    def _flip(self) -> None:
        """Make the suffixes of all slices between the first and the last."""
        suffix: Merged | None = None
        for part in reversed(list(islice(self._slices, 1, len(self._slices) - 1))):
            suffix = part.own if suffix is None else self._merged(part.own, suffix)
            self._front.append(suffix)
        self._back = None

    def since(self, oldest: int) -> Window | None:
        """What the window holds from place ``oldest`` on, None when that is nothing. Valid until rows are added."""
        self.forget(oldest)
        return Window(self, bisect_left(self._slices[0].places, oldest)) if self._slices else None

    def entry(self, low: int) -> Entry | None:
        """The first row, where entries are kept."""
        entries = self._slices[0].entries
        return None if entries is None else entries[low]

    def shown(self, low: int) -> list[Any]:
        """What is shown of the first row."""
        first, begin = self._slices[0], len(self._code.loose)
        return [first.value(i, low) for i in range(begin, len(first.columns))]

    def order(self, low: int) -> int:
        """Where the first row stands among those of all groups."""
        return self._slices[0].order[low]

    def result(self, index: int, low: int) -> Any:
        """One aggregate over the rows from row ``low`` of the first slice on."""
        code = self._code
        column = code.columns[index]
        if column is None:
            return self._rows - low
        if code.exact or self._rows - low <= EXACT_ROWS:
            return self._whole(index, column, low)
        made = code.makers[index]()
        suffixes = self._suffixes.get(index, self)
        if suffixes is self:
            suffixes = self._suffixes[index] = made.suffixes(self._slices[0].values(column))
        if suffixes is None:
            made.fold(self._slices[0].values(column, low))
        else:
            made.lead(suffixes, low)
        if len(self._slices) > 1:
            part = (self._behind if self._behind and self._folded == len(self._slices[-1].places) else self._fold_behind())[index]
            if part is None or not made.merge(part):
                return self._whole(index, column, low)
        return made.result()

    def _whole(self, index: int, column: int, low: int) -> Any:
        """One aggregate over every row."""
        made = self._code.makers[index]()
        for part in self._slices:
            made.fold(part.values(column, low))
            low = 0
        return made.result()

    def written(self) -> list[Written]:
        """What writes each slice as it is now; full ones do not change any more."""
        if not self._slices:
            return []
        return [
            *(partial(_write, part, None, part.columns) for part in islice(self._slices, len(self._slices) - 1)),
            self._slices[-1].written(),
        ]

    def restore(self, state: Any) -> None:
        """Take over slices that were written."""
        for places, order, columns, entries in state:
            part = self._next()
            part.places.frombytes(places)
            part.order.frombytes(order)
            part.columns = [read_column(c, self._texts) for c in columns]
            part.entries = None if entries is None else [unpack_entry(e) for e in entries]
            self._rows += len(part.places)


class Window:
    """The aggregates of a window by number, each computed when it is asked for."""

    __slots__ = ("_low", "_slices")

    def __init__(self, slices: Slices, low: int) -> None:
        self._slices = slices
        self._low = low

    @property
    def entry(self) -> Entry | None:
        """The first row, where entries are kept."""
        return self._slices.entry(self._low)

    @property
    def shown(self) -> list[Any]:
        """What is shown of the first row."""
        return self._slices.shown(self._low)

    @property
    def order(self) -> int:
        """Where the first row stands among those of all groups."""
        return self._slices.order(self._low)

    def __getitem__(self, index: int) -> Any:
        return self._slices.result(index, self._low)
