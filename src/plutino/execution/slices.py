"""The rows of a window that moves forward, as slices: columns of what aggregates need, with the aggregates of every full slice.

A result puts together the rest of the first slice and what is kept of all slices behind it: two steps however many rows the window
holds. A row costs eight bytes per column, and eight for its place.

Sums of floats: over at most ``EXACT_ROWS`` rows, or wherever a window is told to be ``exact``, they are added from left to right as over
kept rows; beyond that the last digit may differ, as parts are summed apart.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice, repeat
from typing import Any, Literal, TypeAlias

from msgspec import UNSET, Struct

from plutino.execution.aggregates import Accumulator, Failed
from plutino.execution.entry import pack_entry, unpack_entry
from plutino.execution.state import pack_row, pack_value, unpack_row, unpack_value

SLICE_ROWS = 512
EXACT_ROWS = 64
Column: TypeAlias = "array[float] | array[int] | list[Any]"
Merged: TypeAlias = list[Accumulator | None]
"""Per aggregate what several slices give together; None where they cannot be put together (kinds of values differ)."""


class SlicesCode(Struct, frozen=True):
    """What slices hold.

    - ``makers``: what makes each aggregate; ``columns``: per aggregate the number of its argument, None where rows are counted
    - ``loose``: per argument, whether whole numbers mean floats
    - ``keeps``: what the output reads of the first row beside the aggregates: nothing, its columns, or more (the whole entry)
    - ``exact``: every result adds up all rows, from left to right
    """

    makers: tuple[Callable[[], Accumulator], ...]
    columns: tuple[int | None, ...]
    loose: tuple[bool, ...]
    keeps: Literal["nothing", "rows", "entries"]
    exact: bool


class Slice:
    """Up to ``SLICE_ROWS`` rows: their places (times, or numbers), order among all groups, arguments, and what is kept of the rows."""

    __slots__ = ("columns", "order", "own", "places", "rows")

    def __init__(self, columns: list[Column | None], rows: list[Any] | None) -> None:
        self.places: array[int] = array("q")
        self.order: array[int] = array("q")
        self.columns = columns
        self.rows = rows
        self.own: Merged = []
        """The aggregates, once it is full."""

    def values(self, column: int | None, low: int = 0) -> Sequence[Any]:
        """The values of one argument from row ``low`` on; without argument as many values as there are rows."""
        found: Sequence[Any] = self.places if column is None else self.columns[column] or ()
        return found[low:] if low else found


class Slices:
    """The rows of one group."""

    __slots__ = ("_back", "_behind", "_code", "_folded", "_front", "_rows", "_slices", "_suffixes")

    def __init__(self, code: SlicesCode) -> None:
        self._code = code
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

    def add(self, rows: Sequence[Any], columns: Sequence[Sequence[Any]], places: Sequence[int] | int, order: Sequence[int]) -> None:
        """Take rows with their arguments. Their places do not go back; one for all or one each. ``order``: among the rows of all groups,
        nothing where there is one group."""
        low, count = 0, len(rows)
        self._rows += count
        if count == 1:
            self._add_one(rows[0], columns, places if isinstance(places, int) else places[0], order)
            return
        while low < count:
            last = self._open()
            high = min(count, low + SLICE_ROWS - len(last.places))
            last.places.extend(repeat(places, high - low) if isinstance(places, int) else places[low:high])
            last.order.extend(order[low:high])
            for i, column in enumerate(columns):
                part = column if high - low == count else column[low:high]
                last.columns[i] = _extended(last.columns[i], part, self._code.loose[i])
            if last.rows is not None:
                last.rows.extend(rows if high - low == count else rows[low:high])
            low = high

    def _add_one(self, row: Any, columns: Sequence[Sequence[Any]], place: int, order: Sequence[int]) -> None:
        last = self._open()
        last.places.append(place)
        last.order.extend(order)
        for i, column in enumerate(columns):
            held: Any = last.columns[i]
            value = column[0]
            if held.__class__ is array and held.typecode == "d" and value.__class__ is float:  # what is most usual
                held.append(value)
            else:
                last.columns[i] = _extended(held, column, self._code.loose[i])
        if last.rows is not None:
            last.rows.append(row)

    def _open(self) -> Slice:
        """The last slice, a new one when it is full, or complete because its suffixes are known."""
        complete = len(self._slices) == 1 and self._suffixes
        if self._slices and not complete and len(self._slices[-1].places) < SLICE_ROWS:
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
        self._slices.append(Slice([None] * len(code.loose), [] if code.keeps != "nothing" else None))
        return self._slices[-1]

    def _fold_behind(self) -> Merged:
        """Bring the aggregates of all slices behind the first one up to date."""
        behind, last = self._behind, self._slices[-1]
        if behind is None:
            behind = self._behind = self._between()
            self._folded = 0
        if self._folded < len(last.places):
            for made, column in zip(behind, self._code.columns, strict=True):
                if made is not None:
                    made.fold(last.values(column, self._folded))
            self._folded = len(last.places)
        return behind

    def _between(self) -> Merged:
        """The slices between the first and the last, put together anew."""
        front, back = self._front[-1] if self._front else None, self._back
        found: Merged = [make() for make in self._code.makers]
        for part in (front, back):
            if part is not None:
                found = self._merged(found, part)
        return found

    def _of(self, part: Slice) -> Merged:
        found: Merged = []
        for make, column in zip(self._code.makers, self._code.columns, strict=True):
            made = make()
            made.fold(part.values(column))
            found.append(made)
        return found

    def _merged(self, first: Merged, second: Merged) -> Merged:
        return [self._both(i, a, b) for i, (a, b) in enumerate(zip(first, second, strict=True))]

    def _both(self, index: int, first: Accumulator | None, second: Accumulator | None) -> Accumulator | None:
        made = self._code.makers[index]()
        return made if first is not None and second is not None and made.merge(first) and made.merge(second) else None

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

    def first(self, low: int) -> Any:
        """The first row, where rows are kept."""
        rows = self._slices[0].rows
        return None if rows is None else rows[low]

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
            return self._whole(index, low)
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
                return self._whole(index, low)
        return made.result()

    def _whole(self, index: int, low: int) -> Any:
        """One aggregate over every row."""
        made, column = self._code.makers[index](), self._code.columns[index]
        for part in self._slices:
            made.fold(part.values(column, low))
            low = 0
        return made.result()

    def _pack(self, row: Any) -> Any:
        return pack_entry(row) if self._code.keeps == "entries" else pack_row(row)

    def _unpack(self, packed: Any) -> Any:
        return unpack_entry(packed) if self._code.keeps == "entries" else unpack_row(packed)

    def snapshot(self) -> Any:
        return [
            [
                part.places.tobytes(),
                part.order.tobytes(),
                [_pack(c) for c in part.columns],
                None if part.rows is None else [self._pack(r) for r in part.rows],
            ]
            for part in self._slices
        ]

    def restore(self, state: Any) -> None:
        for places, order, columns, rows in state:
            part = self._next()
            part.places.frombytes(places)
            part.order.frombytes(order)
            part.columns = [_unpack(c) for c in columns]
            part.rows = None if rows is None else [self._unpack(r) for r in rows]
            self._rows += len(part.places)


class Window:
    """The aggregates of a window by number, each computed when it is asked for."""

    __slots__ = ("_low", "_slices")

    def __init__(self, slices: Slices, low: int) -> None:
        self._slices = slices
        self._low = low

    @property
    def first(self) -> Any:
        """The first row, None where rows are not kept."""
        return self._slices.first(self._low)

    @property
    def order(self) -> int:
        """Where the first row stands among those of all groups."""
        return self._slices.order(self._low)

    def __getitem__(self, index: int) -> Any:
        return self._slices.result(index, self._low)


def _extended(column: Column | None, values: Sequence[Any], loose: bool) -> Column:
    """A column with further values: packed numbers while all are of one kind, else a list."""
    kinds = set(map(type, values))
    code = "d" if kinds <= ({int, float} if loose else {float}) else "q" if kinds == {int} else ""
    if column is None:
        column = _empty(code)
    if isinstance(column, array) and column.typecode != code:
        column = column.tolist()
    if isinstance(column, list):
        column.extend([None if v is UNSET else v for v in values])
        return column
    held = len(column)
    try:
        column.extend(values)
    except OverflowError:
        return [*column.tolist()[:held], *values]
    return column


def _empty(code: str) -> Column:
    return array("d") if code == "d" else array("q") if code == "q" else []


def _pack(column: Column | None) -> Any:
    if column is None:
        return None
    if isinstance(column, array):
        return [column.typecode, column.tobytes()]
    return ["", [[1, v.text] if isinstance(v, Failed) else [0, pack_value(v)] for v in column]]


def _unpack(packed: Any) -> Column | None:
    if packed is None:
        return None
    code, held = packed
    column = _empty(code)
    if isinstance(column, array):
        column.frombytes(held)
        return column
    return [Failed(v) if failed else unpack_value(v) for failed, v in held]
