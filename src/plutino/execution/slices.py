"""The rows of a sliding window as slices: columns of what aggregates need, with the aggregates of every full slice.

A result takes the part of the first slice that is still inside, what is kept of the slices behind it, and the last, open slice: a bounded
number of steps however many rows the window holds. A row costs eight bytes per column, and eight for its time.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, TypeAlias

from msgspec import UNSET

from plutino.execution.aggregates import Accumulator, Failed
from plutino.execution.state import pack_row, pack_value, unpack_row, unpack_value

SLICE_ROWS = 512
Column: TypeAlias = "array[float] | array[int] | list[Any]"
Merged: TypeAlias = list[Accumulator | None]
"""Per aggregate what several slices give together; None where they cannot be put together (kinds of values differ)."""


class Slice:
    """Up to ``SLICE_ROWS`` rows: times, arguments of the aggregates (None: the rows are counted), and the rows where they are shown."""

    __slots__ = ("columns", "rows", "times")

    def __init__(self, columns: list[Column | None], rows: list[Any] | None) -> None:
        self.times: array[int] = array("q")
        self.columns = columns
        self.rows = rows

    def values(self, index: int, low: int = 0) -> Sequence[Any]:
        """The values of one aggregate from row ``low`` on."""
        column = self.columns[index]
        found: Sequence[Any] = self.times if column is None else column
        return found[low:] if low else found


class Slices:
    """The rows of a window that only moves forward. ``loose``: per aggregate, whether whole numbers mean floats."""

    __slots__ = ("_back", "_front", "_keeps_rows", "_loose", "_makers", "_slices")

    def __init__(self, makers: Sequence[Callable[[], Accumulator]], loose: Sequence[bool], keeps_rows: bool) -> None:
        self._makers = makers
        self._loose = loose
        self._keeps_rows = keeps_rows
        self._slices: deque[Slice] = deque()
        # the slices between first and last as a queue of two stacks: suffixes of the older ones, and the sum of the newer ones
        self._front: list[Merged] = []
        self._back: Merged | None = None

    def add(self, rows: Sequence[Any], columns: Sequence[Sequence[Any] | None], time: int) -> None:
        """Take rows of one time with the arguments of each aggregate."""
        low = 0
        while low < len(rows):
            last = self._open()
            high = min(len(rows), low + SLICE_ROWS - len(last.times))
            last.times.extend([time] * (high - low))
            for i, column in enumerate(columns):
                if column is not None:
                    last.columns[i] = _extended(last.columns[i], column[low:high], self._loose[i])
            if last.rows is not None:
                last.rows.extend(rows[low:high])
            low = high

    def _open(self) -> Slice:
        """The last slice, a new one when it is full."""
        return self._slices[-1] if self._slices and len(self._slices[-1].times) < SLICE_ROWS else self._next()

    def _next(self) -> Slice:
        """A new last slice; the one before is complete, and has its place between first and last."""
        if len(self._slices) > 1:
            own: Merged = [self._of(self._slices[-1], i) for i in range(len(self._makers))]
            self._back = own if self._back is None else self._merged(self._back, own)
        self._slices.append(Slice([None] * len(self._makers), [] if self._keeps_rows else None))
        return self._slices[-1]

    def _of(self, part: Slice, index: int) -> Accumulator | None:
        made = self._makers[index]()
        made.fold(part.values(index))
        return made

    def _merged(self, first: Merged, second: Merged) -> Merged:
        return [self._both(i, a, b) for i, (a, b) in enumerate(zip(first, second, strict=True))]

    def _both(self, index: int, first: Accumulator | None, second: Accumulator | None) -> Accumulator | None:
        made = self._makers[index]()
        return made if first is not None and second is not None and made.merge(first) and made.merge(second) else None

    def forget(self, oldest: int, *, inclusive: bool) -> None:
        """Drop slices whose rows are all older than ``oldest`` (``inclusive`` False: or as old)."""
        while self._slices and (self._slices[0].times[-1] < oldest if inclusive else self._slices[0].times[-1] <= oldest):
            if len(self._slices) > 2:
                if not self._front:
                    self._flip()
                self._front.pop()
            self._slices.popleft()

    def _flip(self) -> None:
        """Make the suffixes of all slices between the first and the last."""
        suffix: Merged | None = None
        for part in reversed(list(islice(self._slices, 1, len(self._slices) - 1))):
            own: Merged = [self._of(part, i) for i in range(len(self._makers))]
            suffix = own if suffix is None else self._merged(own, suffix)
            self._front.append(suffix)
        self._back = None

    def since(self, oldest: int, *, inclusive: bool) -> Window | None:
        """What the window holds from ``oldest`` on, None when that is nothing. Valid until rows are added."""
        self.forget(oldest, inclusive=inclusive)
        if not self._slices:
            return None
        low = (bisect_left if inclusive else bisect_right)(self._slices[0].times, oldest)
        return Window(self, low)

    def first(self, low: int) -> Any:
        """The first row, where rows are kept."""
        rows = self._slices[0].rows
        return None if rows is None else rows[low]

    def result(self, index: int, low: int) -> Any:
        """One aggregate over the rows from row ``low`` of the first slice on."""
        made = self._makers[index]()
        made.fold(self._slices[0].values(index, low))
        for kept in (self._front[-1] if self._front else None, self._back):
            if kept is not None:
                part = kept[index]
                if part is None or not made.merge(part):
                    return self._whole(index, low)
        if len(self._slices) > 1:
            made.fold(self._slices[-1].values(index))
        return made.result()

    def _whole(self, index: int, low: int) -> Any:
        """One aggregate over every row."""
        made = self._makers[index]()
        for part in self._slices:
            made.fold(part.values(index, low))
            low = 0
        return made.result()

    def snapshot(self) -> Any:
        return [
            [part.times.tobytes(), [_pack(c) for c in part.columns], None if part.rows is None else [pack_row(r) for r in part.rows]]
            for part in self._slices
        ]

    def restore(self, state: Any) -> None:
        self._slices, self._front, self._back = deque(), [], None
        for times, columns, rows in state:
            part = self._next()
            part.times.frombytes(times)
            part.columns = [_unpack(c) for c in columns]
            part.rows = None if rows is None else [unpack_row(r) for r in rows]


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
