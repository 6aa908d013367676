"""Rules over windows that keep accumulators or slices, not rows: one stream, tumbling, hopping, session and count windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from plutino.execution.accumulators import GroupCode, Groups, over_nothing
from plutino.execution.alignment import first_boundary
from plutino.execution.counts import by_operator
from plutino.execution.entry import Entry
from plutino.execution.failures import StageError
from plutino.execution.finishing import FinishCode, finish
from plutino.execution.memory import Memory, RuleClock
from plutino.execution.ordering import EventOrder
from plutino.execution.output import Output
from plutino.execution.sessions import SessionClock
from plutino.execution.sliced import SlicedGroups
from plutino.execution.slices import SlicesCode
from plutino.model import Batch, RowError
from plutino.spi import InputNeed


class AccumulatingCode(Struct, frozen=True):
    """A compiled rule with accumulators.

    - ``unit``/``step``/``length``/``hop`` of a tumbling or hopping window in ms, or ``count`` rows of a count window ``every`` so many
    - ``timeout`` of a session window (in processing time), which lasts ``length`` at most
    - ``slices``: how windows that share rows with each other keep them, None where they do not
    - ``filtered``: the condition stands behind the window, so that a window without rows is not given out
    - ``shape`` is equal for two versions whose state is compatible
    """

    groups: GroupCode
    finish: FinishCode
    memories: tuple[Callable[[], Memory], ...]
    stream: str
    need: InputNeed
    operators: tuple[str, ...]
    unit: str
    step: int
    length: int
    hop: int
    count: int
    every: int
    timeout: int
    slices: SlicesCode | None
    guarded: bool
    event_time: bool
    late_tolerance: int
    filtered: bool
    shape: str
    json_numbers: frozenset[str] | None = frozenset()


class AccumulatingProgram:
    """A rule whose windows hold accumulators.

    In processing time a boundary that was missed (the clock jumped) fires once, then the next boundary in the future counts. In event
    time the watermark drives the boundaries, one output per step, also across gaps.
    """

    __slots__ = (
        "_boundary",
        "_code",
        "_counts",
        "_held",
        "_memories",
        "_number",
        "_open",
        "_order",
        "_sessions",
        "_start",
        "_times",
        "_trusted",
    )

    def __init__(self, code: AccumulatingCode) -> None:
        self._code = code
        self._memories: list[Any] = [make() for make in code.memories]
        self._open: Groups | SlicedGroups = (
            Groups(code.groups, self._memories) if code.slices is None else SlicedGroups(code.groups, code.slices, self._memories)
        )
        self._order = EventOrder(code.late_tolerance) if code.event_time else None
        self._trusted = True
        """Event time: every row that may still wait for the watermark has come in a batch that keeps the promise of the fast tier."""
        self._boundary: int | None = None
        self._start = 0
        self._held = 0
        """Rows of a count window since the last one."""
        self._number = 0
        """Rows that have come to a count window."""
        self._times: deque[int] = deque(maxlen=code.count or 1)
        """When the rows of a count window came, where windows share rows."""
        self._sessions: SessionClock | None = None
        if code.timeout:
            self._sessions = SessionClock(code.unit, code.step, code.length, code.timeout)
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
        return by_operator(self._code.operators, [arrived, passed, failed], [passed, fired, 0], [fired, fired - lost, lost])

    def start(self, now: int) -> None:
        clock = self._memories[0]
        assert isinstance(clock, RuleClock)
        if not clock.started:
            clock.started = now
            if not self._code.count and self._order is None:
                self._begin(now)

    def _begin(self, now: int) -> None:
        if self._sessions is not None:
            self._sessions.begin(now)
            return
        self._start = now
        self._boundary = first_boundary(self._code.unit, self._code.step, now)

    def push(self, stream: str, batch: Batch) -> Batch | None:
        output = Output()
        if batch.errors:
            output.errors.extend(RowError(0, e.text, e.stage) for e in batch.errors)
        if self._order is not None:
            self._push_ordered(batch, output)
        elif self._code.count:
            self._counted(batch.rows, None, batch, output)
        else:
            self._fire_due(batch.arrival, output)
            before = self._counts[1]
            self._add(batch.rows, None, batch, output)
            if self._sessions is not None and self._counts[1] > before:
                self._sessions.extend(batch.arrival)
        return output.batch(batch.arrival)

    def _push_ordered(self, batch: Batch, output: Output) -> None:
        assert self._order is not None
        self._trusted = self._trusted and batch.guarded
        entries = self._order.take(0, [self._entry(batch, i) for i in range(len(batch.rows))])
        if self._code.count:
            self._counted([e.row for e in entries], entries, batch, output)
            return
        if entries and self._boundary is None:
            self._begin(entries[0].time)
        low = 0
        for high, entry in enumerate(entries):
            if self._boundary is not None and entry.time >= self._boundary:
                self._add_entries(entries[low:high], batch, output)
                low = high
                while entry.time >= self._boundary:
                    self._fire_boundary(self._boundary, output)
        self._add_entries(entries[low:], batch, output)
        mark = self._order.watermark
        while self._boundary is not None and mark is not None and mark >= self._boundary:
            self._fire_boundary(self._boundary, output)

    def _entry(self, batch: Batch, i: int) -> Entry:
        need, times = self._code.need, batch.times
        time = batch.arrival if times is None else times[i]
        return Entry(batch.rows[i], time, batch.meta_of(i) if need.meta else {}, batch.record(i) if need.whole else None)

    def _add_entries(self, entries: list[Entry], batch: Batch, output: Output) -> None:
        if entries:
            self._add([e.row for e in entries], entries, batch, output)

    def _counted(self, rows: list[Any], entries: list[Entry] | None, batch: Batch, output: Output) -> None:
        """Rows of a count window: every so many rows that arrive, whether they pass or not, give one."""
        code, low = self._code, 0
        while low < len(rows):
            high = min(len(rows), low + code.every - self._held)
            if self._held == 0:
                self._start = batch.arrival if entries is None else entries[low].time
            part = rows if high - low == len(rows) else rows[low:high]
            if code.slices is not None:
                self._times.extend([batch.arrival] * len(part) if entries is None else [e.time for e in entries[low:high]])
            self._add(part, None if entries is None else entries[low:high], batch, output, offset=low)
            self._held += high - low
            self._number += high - low
            if self._held == code.every:
                self._held = 0
                end = batch.arrival if entries is None else entries[high - 1].time
                if self._number >= code.count:
                    start = self._start if code.slices is None else self._times[0]
                    self._fire(start, end, self._number - code.count, output)
            low = high

    def _add(self, rows: list[Any], entries: list[Entry] | None, batch: Batch, output: Output, offset: int = 0) -> None:
        """Put rows into the open window; ``entries`` where they were made already, else the rows stand in the batch from ``offset`` on."""
        if not rows:
            return
        self._counts[0] += len(rows)
        places: int | Sequence[int] = batch.arrival if entries is None else [e.time for e in entries]
        if self._code.count:
            places = range(self._number, self._number + len(rows))
        if (batch.guarded if entries is None else self._trusted) or not self._code.guarded:
            passed = self._open.add_fast(rows, places)
            if passed is not None:
                self._counts[1] += passed
                return
        for i in range(len(rows)):
            place = places if isinstance(places, int) else places[i]
            try:
                kept = self._open.add(self._entry(batch, offset + i) if entries is None else entries[i], place)
            except StageError as error:
                if error.stage == "windowFilter" or (error.stage == "filter" and not self._code.filtered):
                    self._counts[2] += 1
                    output.fail(error)
                else:
                    self._counts[1] += 1
                    self._open.fail(error, place)
            else:
                self._counts[1] += kept

    def _fire_boundary(self, end: int, output: Output) -> None:
        """Give out the window that ends at a boundary; a hopping window starts one length before, another where the last one ended."""
        code = self._code
        low = end - code.length
        start = self._start if code.slices is None else low
        self._start, self._boundary = end, end + code.hop
        self._fire(start, end, low, output)

    def _fire(self, start: int, end: int, oldest: int, output: Output) -> None:
        """Give out the window of the rows from ``oldest`` on."""
        code = self._code
        try:
            pairs = self._open.close(oldest)
            if not pairs and code.filtered:
                return
            if not pairs and not code.groups.grouped:
                pairs = [over_nothing(code.groups)]
            rows = finish(code.finish, pairs, (start, end, end), self._memories)
        except StageError as error:
            self._counts[3] += 1
            self._counts[4] += 1
            output.fail(error)
            return
        self._counts[3] += 1
        if rows or (rows is not None and not code.groups.grouped):
            output.rows.extend(rows)
            output.sizes.append(len(rows))

    def _fire_due(self, now: int, output: Output) -> None:
        """Give out what has ended: all sessions, but one window at most where a clock has passed several boundaries."""
        while self._sessions is not None and (ended := self._sessions.next(now)) is not None:
            self._fire(*ended, 0, output)
        if self._boundary is not None and now >= self._boundary:
            self._fire_boundary(self._boundary, output)
            behind = now - self._boundary
            if behind >= 0:
                self._boundary += (behind // self._code.hop + 1) * self._code.hop

    def advance(self, now: int) -> Batch | None:
        if self._order is not None or self._code.count:
            return None
        output = Output()
        self._fire_due(now, output)
        return output.batch(now)

    def next_deadline(self) -> int | None:
        if self._order is not None:
            return None
        return self._boundary if self._sessions is None else self._sessions.deadline()

    def snapshot(self) -> bytes:
        order = None if self._order is None else self._order.snapshot()
        memories = [memory.snapshot() for memory in self._memories]
        counted = (self._held, self._number, list(self._times))
        sessions = None if self._sessions is None else self._sessions.snapshot()
        return msgspec.msgpack.encode((self._start, self._boundary, counted, sessions, order, self._open.snapshot(), memories))

    def restore(self, state: bytes) -> None:
        if not state:
            return
        self._start, self._boundary, counted, sessions, order, contents, memories = msgspec.msgpack.decode(state)
        self._held, self._number, times = counted
        self._times.extend(times)
        if self._sessions is not None:
            self._sessions.restore(sessions)
        self._open.restore(contents)
        if self._order is not None and order is not None:
            self._order.restore(order)
            self._trusted = False
        for memory, kept in zip(self._memories, memories, strict=True):
            memory.restore(kept)
