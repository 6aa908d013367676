"""Rules over sliding windows that keep aggregates of slices, not rows: one stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from plutino.errors import EvaluationError
from plutino.execution.accumulators import GroupCode
from plutino.execution.counts import by_operator
from plutino.execution.entry import Entry, Span
from plutino.execution.failures import FAST_FAILURES, StageError
from plutino.execution.finishing import FinishCode, finish
from plutino.execution.memory import Memory, RuleClock
from plutino.execution.ordering import EventOrder
from plutino.execution.output import Output
from plutino.execution.packing import packed, value
from plutino.execution.sliced import SlicedGroups
from plutino.execution.slices import SlicesCode
from plutino.model import Batch, RowError
from plutino.spi import InputNeed


class SlicingCode(Struct, frozen=True):
    """A compiled rule over a sliding window of ``length`` ms (and ``delay`` ms behind its trigger), aggregated by slices.

    - ``second``: version 2 of the window, ``twice``: it is given out before and after the delay (``windows.sliding.SlidingWindow``)
    - ``when(entry, memories)``: whether a row triggers (None: every row does); ``triggers(rows)``: which of many do, in the fast tier
    - ``take(row, meta, whole, time, memories)``: the analytic values of a row, None for one that does not pass the conditions in front of
      the window (None: there is nothing in front); ``admits(rows)``: those that pass, in the fast tier
    - ``slices``: how the rows are kept
    - ``shape`` is equal for two versions whose state is compatible
    """

    groups: GroupCode
    finish: FinishCode
    memories: tuple[Callable[[], Memory], ...]
    stream: str
    need: InputNeed
    operators: tuple[str, ...]
    length: int
    delay: int
    second: bool
    twice: bool
    when: Callable[[Entry, Sequence[Any]], Any] | None
    triggers: Callable[[Sequence[Any]], list[int]] | None
    take: Callable[..., tuple[Any, ...] | None] | None
    admits: Callable[[Sequence[Any]], list[Any]] | None
    slices: SlicesCode
    guarded: bool
    event_time: bool
    late_tolerance: int
    idle_timeout: int
    shape: str
    json_numbers: frozenset[str] | None = frozenset()


class SlicingProgram:
    """A rule over a sliding window. Each triggering row gives one message, as long as any row of its window passes the condition.

    A row whose condition fails stays in the window, and fails every message that it is part of.
    """

    __slots__ = ("_ahead", "_closed", "_code", "_counts", "_memories", "_open", "_order", "_pending", "_plain", "_trusted", "_waits")

    def __init__(self, code: SlicingCode) -> None:
        self._code = code
        self._memories: list[Any] = [make() for make in code.memories]
        self._open = SlicedGroups(code.groups, code.slices, self._memories)
        self._ahead = SlicedGroups(code.groups, code.slices, self._memories) if code.twice else None
        """The rows behind triggers, where these have messages of their own."""
        self._order = EventOrder(code.late_tolerance, idle=code.idle_timeout) if code.event_time else None
        self._waits = code.delay > 0 or code.event_time
        """In event time a window waits for the watermark, so that rows of the same time that come behind its trigger are in it."""
        self._closed = code.second or code.twice or not code.delay
        """Whether rows at the end of a window are inside."""
        self._pending: deque[int] = deque()
        """The times of triggers whose windows have not ended."""
        self._plain = code.groups.fast is not None and not (code.need.meta or code.need.whole)
        """Whether rows can be taken as they are, many at once."""
        self._trusted = True
        """Event time: every row that may still wait for the watermark has come in a batch that keeps the promise of the fast tier."""
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
        """The window takes rows and gives windows, everything behind it counts windows."""
        arrived, _, failed, fired, lost = self._counts
        numbers = [arrived, arrived, 0], [arrived, fired, failed], [fired, fired - lost, lost]
        return by_operator(self._code.operators, *numbers, order=self._order)

    def start(self, now: int) -> None:
        clock = self._memories[0]
        assert isinstance(clock, RuleClock)
        clock.started = clock.started or now
        if self._order is not None:
            self._order.begin(now)

    def push(self, stream: str, batch: Batch) -> Batch | None:
        output = Output()
        if batch.errors:
            output.errors.extend(RowError(0, e.text, e.stage) for e in batch.errors)
        if self._order is None:
            self._fire_due(batch.arrival, output)
            self._tidy(batch.arrival)
            rows = self._admitted(batch)
            if rows is not None:
                self._take(rows, batch.arrival, output)
            else:
                for i in range(len(batch.rows)):
                    self._take_one(self._entry(batch, i), batch.guarded, output)
        else:
            self._take_ordered(batch, self._order, output)
        return output.batch(batch.arrival)

    def _admitted(self, batch: Batch) -> list[Any] | None:
        """The rows of a batch that pass what stands in front of the window; None where that must be asked of each."""
        code = self._code
        if not self._plain or (code.guarded and not batch.guarded):
            return None
        if code.take is None:
            return batch.rows
        try:
            return None if code.admits is None else code.admits(batch.rows)
        except FAST_FAILURES:
            return None

    def _take(self, rows: list[Any], time: int, output: Output) -> None:
        """Rows that have come at one time, in the fast tier; each trigger sees those up to it, unless it waits."""
        low = 0
        for i in self._triggers(rows, time):
            if not self._waits or self._ahead is not None:
                self._add(rows[low : i + 1], time)
                low = i + 1
            self._trigger(time, output)
        self._add(rows[low:] if low else rows, time)

    def _triggers(self, rows: Sequence[Any], time: int) -> Sequence[int]:
        """The numbers of the rows that trigger."""
        code = self._code
        if code.when is None:
            return range(len(rows))
        if code.triggers is not None:
            try:
                return code.triggers(rows)
            except FAST_FAILURES:
                pass  # these rows belong to the exact tier
        return [i for i, row in enumerate(rows) if self._triggered(Entry(row, time, {}, None))]

    def _add(self, rows: Sequence[Any], time: int) -> None:
        for groups in (self._open,) if self._ahead is None else (self._open, self._ahead):
            passed = groups.add_fast(rows, time) if rows else 0
            if passed is None:
                for row in rows:
                    self._add_one(groups, Entry(row, time, {}, None))
        self._counts[0] += len(rows)

    def _take_ordered(self, batch: Batch, order: EventOrder, output: Output) -> None:
        """Rows in the order of their own times, row by row: what a window holds does not depend on how rows come together."""
        self._elapse(order, batch.arrival, output)
        self._trusted = self._trusted and batch.guarded
        for i in range(len(batch.rows)):
            self._let_in(order, order.take(0, (self._entry(batch, i),), batch.arrival), output)

    def _elapse(self, order: EventOrder, now: int, output: Output) -> None:
        """Take the rows that are waited with no longer, and give out what ends with them."""
        released = order.elapse(now)
        if released is not None:
            self._let_in(order, released, output)

    def _let_in(self, order: EventOrder, released: Sequence[Entry], output: Output) -> None:
        for entry in released:
            self._take_one(entry, self._trusted, output)
        if order.watermark is not None:
            self._fire_due(order.watermark, output)
            self._tidy(order.watermark)

    def _entry(self, batch: Batch, i: int) -> Entry:
        need, times = self._code.need, batch.times
        time = batch.arrival if times is None or self._order is None else times[i]
        return Entry(batch.rows[i], time, batch.meta_of(i) if need.meta else {}, batch.record(i) if need.whole else None)

    def _take_one(self, entry: Entry, guarded: bool, output: Output) -> None:
        """One row: does it pass what stands in front of the window, does it end windows, and does it trigger?"""
        code = self._code
        if code.take is not None:
            try:
                values = code.take(entry.row, entry.meta, entry.whole, entry.time, self._memories)
            except StageError as error:
                self._counts[2] += 1
                output.fail(error)
                return
            if values is None:
                return
            entry.values = values
        if self._pending:
            self._fire_due(entry.time - self._closed, output)
        if self._plain and (guarded or not code.guarded):
            self._take([entry.row], entry.time, output)
            return
        triggered = self._triggered(entry)
        for groups in (self._open,) if self._ahead is None else (self._open, self._ahead):
            self._add_one(groups, entry)
        self._counts[0] += 1
        if triggered:
            self._trigger(entry.time, output)

    def _triggered(self, entry: Entry) -> bool:
        """Whether a row triggers; a condition that fails or is no condition does not."""
        if self._code.when is None:
            return True
        try:
            return self._code.when(entry, self._memories) is True
        except EvaluationError:
            return False

    def _add_one(self, groups: SlicedGroups, entry: Entry) -> None:
        try:
            groups.add(entry, entry.time)
        except StageError as error:
            self._counts[2] += groups is self._open
            groups.fail(error, entry.time)

    def _trigger(self, time: int, output: Output) -> None:
        """A row has triggered: its window is given out now, or once its end has come, or both."""
        code = self._code
        if self._waits:
            self._pending.append(time)
        if not self._waits or code.twice:
            self._fire(self._open, self._oldest(time), (time - code.length, time, time), output)

    def _fire_due(self, now: int, output: Output) -> None:
        """Give out the windows that have ended by ``now``."""
        pending, code = self._pending, self._code
        while pending and pending[0] + code.delay <= now:
            trigger = pending.popleft()
            end = trigger + code.delay
            if self._ahead is not None:
                self._fire(self._ahead, trigger + 1, (trigger, end, trigger), output)
            else:
                self._fire(self._open, self._oldest(trigger), (trigger - code.length, end, end), output)

    def _oldest(self, trigger: int) -> int:
        """The first moment of a window."""
        return trigger - self._code.length + (self._code.second or self._code.twice)

    def _tidy(self, now: int) -> None:
        """Drop what no later window holds."""
        self._open.tidy(self._oldest(now if self._ahead is not None or not self._pending else self._pending[0]))
        if self._ahead is not None:
            self._ahead.tidy(self._pending[0] if self._pending else now)

    def _fire(self, groups: SlicedGroups, oldest: int, span: Span, output: Output) -> None:
        code = self._code
        self._counts[3] += 1
        try:
            pairs = groups.close(oldest)
            rows = finish(code.finish, pairs, span, self._memories) if pairs else None
        except StageError as error:
            self._counts[4] += 1
            output.fail(error)
            return
        if rows or (rows is not None and not code.groups.grouped):
            output.rows.extend(rows)
            output.sizes.append(len(rows))

    def advance(self, now: int) -> Batch | None:
        output = Output()
        if self._order is not None:
            self._elapse(self._order, now, output)
        else:
            self._fire_due(now, output)
        return output.batch(now)

    def next_deadline(self) -> int | None:
        due = self._pending[0] + self._code.delay if self._pending else None
        return due if self._order is None else self._order.deadline(due)

    def snapshot(self) -> bytes:
        return self.capture()()

    def capture(self) -> Callable[[], bytes]:
        """What encodes the state as it is now (``spi.Capturing``)."""
        order = None if self._order is None else self._order.snapshot()
        rest = [[memory.snapshot() for memory in self._memories], order, list(self._pending)]
        kept = [value(rest), self._open.written(), value(None) if self._ahead is None else self._ahead.written()]
        return partial(packed, kept)

    def restore(self, state: bytes) -> None:
        if not state:
            return
        (memories, order, pending), kept, ahead = msgspec.msgpack.decode(state)
        for memory, each in zip(self._memories, memories, strict=True):
            memory.restore(each)
        self._open.restore(kept)
        if self._ahead is not None:
            self._ahead.restore(ahead)
        if self._order is not None and order is not None:
            self._order.restore(order)
            self._trusted = False
        self._pending = deque(pending)
