"""Tumbling windows: rows between two boundaries, in processing time or event time (sql reference §5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from plutino.execution.alignment import first_boundary
from plutino.execution.collecting import Collector
from plutino.execution.failures import StageError
from plutino.execution.ordering import EventOrder
from plutino.model import Batch, RowError
from plutino.spi import InputNeed


class WindowCode(Struct, frozen=True):
    """A compiled rule with a window.

    ``filtered``: a condition stands behind the window, so that an empty result is not sent; ``grouped``: windows without rows give nothing.
    ``shape`` is equal for two versions whose state is compatible.
    """

    collector: Callable[[], Collector]
    stream: str
    need: InputNeed
    operators: tuple[str, ...]
    unit: str
    step: int
    length: int
    guarded: bool
    event_time: bool
    late_tolerance: int
    filtered: bool
    grouped: bool
    shape: str
    json_numbers: frozenset[str] | None = frozenset()


class _Output:
    """Windows that fired during one call."""

    __slots__ = ("errors", "rows", "sizes")

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.sizes: list[int] = []
        self.errors: list[RowError] = []

    def batch(self, arrival: int) -> Batch | None:
        if not self.sizes and not self.errors:
            return None
        return Batch(self.rows, arrival=arrival, sizes=self.sizes, errors=self.errors or None)


class WindowProgram:
    """A rule over a tumbling window.

    In processing time a boundary that was missed (the clock jumped) fires once, then the next boundary in the future counts. In event
    time the watermark drives the boundaries, one output per step, also across gaps.
    """

    __slots__ = ("_boundary", "_code", "_counts", "_open", "_order", "_start")

    def __init__(self, code: WindowCode) -> None:
        self._code = code
        self._open = code.collector()
        self._order = EventOrder(code.late_tolerance) if code.event_time else None
        self._boundary: int | None = None
        self._start = 0
        self._counts = [0, 0, 0, 0, 0]

    @property
    def inputs(self) -> Mapping[str, InputNeed]:
        return {self._code.stream: self._code.need}

    @property
    def json_numbers(self) -> frozenset[str] | None:
        return self._code.json_numbers

    @property
    def operators(self) -> Sequence[str]:
        return self._code.operators

    @property
    def counters(self) -> Sequence[list[int]]:
        """Per operator: what stands before the window counts rows, the window takes rows and gives windows, the rest windows."""
        arrived, passed, failed, fired, lost = self._counts
        found: list[list[int]] = []
        behind = False
        for name in self._code.operators:
            kind = name.split("_", 1)[1]
            if kind == "window":
                behind = True
                found.append([passed, fired, 0])
            elif behind:
                found.append([fired, fired - lost, lost])
            else:
                found.append([arrived, passed, failed])
        return found

    def start(self, now: int) -> None:
        if self._order is None and self._boundary is None:
            self._start = now
            self._boundary = first_boundary(self._code.unit, self._code.step, now)

    def push(self, stream: str, batch: Batch) -> Batch | None:
        output = _Output()
        output.errors.extend(RowError(0, e.text, e.stage) for e in batch.errors or ())
        if self._order is None:
            self._fire_due(batch.arrival, output)
            self._take(batch, 0, len(batch.rows), output)
        else:
            self._push_ordered(batch, output)
        return output.batch(batch.arrival)

    def _push_ordered(self, batch: Batch, output: _Output) -> None:
        assert self._order is not None
        released = self._order.push(batch)
        if released is not None and released.rows:
            times = released.times or []
            if self._boundary is None:
                self._start = times[0]
                self._boundary = first_boundary(self._code.unit, self._code.step, times[0])
            low = 0
            for high, time in enumerate(times):
                if time >= self._boundary:
                    self._take(released, low, high, output)
                    low = high
                    while time >= self._boundary:
                        self._fire(self._boundary, output)
            self._take(released, low, len(times), output)
        mark = self._order.watermark
        while self._boundary is not None and mark is not None and mark >= self._boundary:
            self._fire(self._boundary, output)

    def _take(self, batch: Batch, low: int, high: int, output: _Output) -> None:
        """Put rows ``low`` to ``high`` into the open window."""
        if low == high:
            return
        rows = batch.rows if high - low == len(batch.rows) else batch.rows[low:high]
        self._counts[0] += len(rows)
        if batch.guarded or not self._code.guarded:
            passed = self._open.add_fast(rows)
            if passed is not None:
                self._counts[1] += passed
                return
        need = self._code.need
        for i in range(low, high):
            try:
                kept = self._open.add(batch.rows[i], batch.meta_of(i) if need.meta else {}, batch.record(i) if need.whole else None)
            except StageError as error:
                self._counts[2] += 1
                output.errors.append(RowError(len(output.rows), str(error), error.stage))
            else:
                self._counts[1] += kept

    def _fire(self, boundary: int, output: _Output) -> None:
        """Close the open window at ``boundary``; the next one ends one length later."""
        span = (self._start, boundary)
        self._start, self._boundary = boundary, boundary + self._code.length
        if self._code.filtered and self._open.is_empty():
            return
        try:
            rows = self._open.emit(span)
        except StageError as error:
            self._counts[4] += 1
            output.errors.append(RowError(len(output.rows), str(error), error.stage))
            return
        self._counts[3] += 1
        if rows or not self._code.grouped:
            output.rows.extend(rows)
            output.sizes.append(len(rows))

    def _fire_due(self, now: int, output: _Output) -> None:
        if self._boundary is not None and now >= self._boundary:
            self._fire(self._boundary, output)
            behind = now - self._boundary
            if behind >= 0:
                self._boundary += (behind // self._code.length + 1) * self._code.length

    def advance(self, now: int) -> Batch | None:
        if self._order is not None:
            return None
        output = _Output()
        self._fire_due(now, output)
        return output.batch(now)

    def next_deadline(self) -> int | None:
        return self._boundary if self._order is None else None

    def snapshot(self) -> bytes:
        order = b"" if self._order is None else self._order.snapshot()
        return msgspec.msgpack.encode((self._start, self._boundary, order, self._open.snapshot()))

    def restore(self, state: bytes) -> None:
        if not state:
            return
        self._start, self._boundary, order, contents = msgspec.msgpack.decode(state)
        self._open.restore(contents)
        if self._order is not None and order:
            self._order.restore(order)
