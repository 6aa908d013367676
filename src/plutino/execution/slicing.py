"""Rules over sliding windows that keep aggregates of slices, not rows: one stream, no delay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct

from plutino.errors import EvaluationError
from plutino.execution.accumulators import GroupCode
from plutino.execution.counts import by_operator
from plutino.execution.entry import Entry
from plutino.execution.failures import FAST_FAILURES, StageError
from plutino.execution.finishing import FinishCode, finish
from plutino.execution.memory import Memory, RuleClock
from plutino.execution.ordering import EventOrder
from plutino.execution.output import Output
from plutino.execution.sliced import SlicedGroups
from plutino.execution.slices import SlicesCode
from plutino.model import Batch, RowError
from plutino.spi import InputNeed

_time = attrgetter("time")


class SlicingCode(Struct, frozen=True):
    """A compiled rule over a sliding window of ``length`` ms, aggregated by slices.

    - ``when(entry, memories)``: whether a row triggers (None: every row does); ``triggers(rows)``: which of many do, in the fast tier
    - ``admit(entry, memories)``: whether a row passes the window's own FILTER (None: there is none); ``admits(rows)``: those that do, in
      the fast tier
    - ``inclusive``: rows exactly ``length`` ms old are inside
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
    inclusive: bool
    when: Callable[[Entry, Sequence[Any]], Any] | None
    triggers: Callable[[Sequence[Any]], list[int]] | None
    admit: Callable[[Entry, Sequence[Any]], Any] | None
    admits: Callable[[Sequence[Any]], list[Any]] | None
    slices: SlicesCode
    guarded: bool
    event_time: bool
    late_tolerance: int
    shape: str
    json_numbers: frozenset[str] | None = frozenset()


class SlicingProgram:
    """A rule over a sliding window. Each triggering row gives one message, as long as any row of its window passes the condition.

    A row whose condition fails stays in the window, and fails every message that it is part of.
    """

    __slots__ = ("_code", "_counts", "_memories", "_open", "_order", "_trusted")

    def __init__(self, code: SlicingCode) -> None:
        self._code = code
        self._memories: list[Any] = [make() for make in code.memories]
        self._open = SlicedGroups(code.groups, code.slices, self._memories)
        self._order = EventOrder(code.late_tolerance) if code.event_time else None
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
        return by_operator(self._code.operators, [arrived, arrived, 0], [arrived, fired, failed], [fired, fired - lost, lost])

    def start(self, now: int) -> None:
        clock = self._memories[0]
        assert isinstance(clock, RuleClock)
        clock.started = clock.started or now

    def push(self, stream: str, batch: Batch) -> Batch | None:
        output = Output()
        if batch.errors:
            output.errors.extend(RowError(0, e.text, e.stage) for e in batch.errors)
        if self._order is None:
            self._open.tidy(self._oldest(batch.arrival))
            self._filter(batch.rows, batch.arrival, batch.guarded, output)
        else:
            self._take_ordered(batch, self._order, output)
        return output.batch(batch.arrival)

    def _filter(self, rows: list[Any], time: int, guarded: bool, output: Output) -> None:
        """Take the rows that pass the window's own FILTER; one that fails is told in its place."""
        code = self._code
        if code.admit is None:
            self._take(rows, time, guarded, output)
            return
        if code.admits is not None and (guarded or not code.guarded):
            try:
                kept = code.admits(rows)
            except FAST_FAILURES:
                pass  # these rows belong to the exact tier
            else:
                self._take(kept, time, guarded, output)
                return
        for row in rows:
            try:
                admitted = code.admit(Entry(row, time, {}, None), self._memories)
            except StageError as error:
                self._counts[2] += 1
                output.fail(error)
            else:
                if admitted:
                    self._take([row], time, guarded, output)

    def _take(self, rows: list[Any], time: int, guarded: bool, output: Output) -> None:
        """Rows that have come at one time; each trigger sees those up to it."""
        low = 0
        for i in self._triggers(rows, time, guarded):
            self._add(rows[low : i + 1], time, guarded)
            self._fire(time, output)
            low = i + 1
        self._add(rows[low:] if low else rows, time, guarded)

    def _take_ordered(self, batch: Batch, order: EventOrder, output: Output) -> None:
        """Rows in the order of their own times; each trigger sees those of its time that the watermark has released together.

        Row by row: what a window holds does not depend on how rows come together.
        """
        self._trusted = self._trusted and batch.guarded
        for i, row in enumerate(batch.rows):
            entry = Entry(row, batch.arrival if batch.times is None else batch.times[i], {}, None)
            for time, entries in groupby(order.take(0, (entry,)), _time):
                rows = [e.row for e in entries]
                triggered = len(self._triggers(rows, time, self._trusted))
                self._add(rows, time, self._trusted)
                for _ in range(triggered):
                    self._fire(time, output)
                self._open.tidy(self._oldest(time))

    def _oldest(self, time: int) -> int:
        """The first moment of the window that ends at ``time``."""
        return time - self._code.length + (not self._code.inclusive)

    def _triggers(self, rows: Sequence[Any], time: int, guarded: bool) -> Sequence[int]:
        """The numbers of the rows that trigger."""
        code = self._code
        if code.when is None:
            return range(len(rows))
        if code.triggers is not None and (guarded or not code.guarded):
            try:
                return code.triggers(rows)
            except FAST_FAILURES:
                pass  # these rows belong to the exact tier
        return [i for i, row in enumerate(rows) if self._triggered(row, time)]

    def _triggered(self, row: Any, time: int) -> bool:
        """Whether a row triggers; a condition that fails or is no condition does not."""
        assert self._code.when is not None
        try:
            return self._code.when(Entry(row, time, {}, None), self._memories) is True
        except EvaluationError:
            return False

    def _add(self, rows: Sequence[Any], time: int, guarded: bool) -> None:
        if not rows:
            return
        self._counts[0] += len(rows)
        if guarded or not self._code.guarded:
            passed = self._open.add_fast(rows, time)
            if passed is not None:
                self._counts[1] += passed
                return
        for row in rows:
            try:
                self._counts[1] += self._open.add(Entry(row, time, {}, None), time)
            except StageError as error:
                self._counts[2] += 1
                self._open.fail(error, time)

    def _fire(self, time: int, output: Output) -> None:
        code = self._code
        self._counts[3] += 1
        try:
            pairs = self._open.close(self._oldest(time))
            rows = finish(code.finish, pairs, (time - code.length, time, time), self._memories) if pairs else None
        except StageError as error:
            self._counts[4] += 1
            output.fail(error)
            return
        if rows or (rows is not None and not code.groups.grouped):
            output.rows.extend(rows)
            output.sizes.append(len(rows))

    def advance(self, now: int) -> Batch | None:
        """Nothing happens by time alone."""
        return None

    def next_deadline(self) -> int | None:
        return None

    def snapshot(self) -> bytes:
        order = None if self._order is None else self._order.snapshot()
        return msgspec.msgpack.encode(([memory.snapshot() for memory in self._memories], self._open.snapshot(), order))

    def restore(self, state: bytes) -> None:
        if not state:
            return
        memories, kept, order = msgspec.msgpack.decode(state)
        if self._order is not None and order is not None:
            self._order.restore(order)
            self._trusted = False
        for memory, each in zip(self._memories, memories, strict=True):
            memory.restore(each)
        self._open.restore(kept)
