"""Rules over windows that keep accumulators or slices, not rows: one stream, every window but sliding ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from plutino.execution.accumulators import GroupCode, Groups, over_nothing
from plutino.execution.closing import Closing, Ended
from plutino.execution.counts import by_operator
from plutino.execution.entry import Entry
from plutino.execution.failures import StageError
from plutino.execution.finishing import FinishCode, finish
from plutino.execution.memory import Memory, RuleClock
from plutino.execution.ordering import EventOrder
from plutino.execution.output import Output
from plutino.execution.packing import packed, value
from plutino.execution.sliced import SlicedGroups
from plutino.execution.slices import SlicesCode
from plutino.execution.stated import OpenState, OpenStates, StatesCode
from plutino.model import Batch, RowError
from plutino.spi import InputNeed


class AccumulatingCode(Struct, frozen=True):
    """A compiled rule with accumulators.

    - ``closing`` tells when the open window ends; ``states`` stands in its place for a state window
    - ``take(row, meta, whole, time, memories)``: what stands in front of the window beside the condition of ``groups``: None for a row
      that does not pass, else its analytic values. None where that is nothing
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
    closing: Callable[[], Closing] | None
    states: StatesCode | None
    take: Callable[..., tuple[Any, ...] | None] | None
    slices: SlicesCode | None
    guarded: bool
    event_time: bool
    late_tolerance: int
    idle_timeout: int
    filtered: bool
    shape: str
    json_numbers: frozenset[str] | None = frozenset()


class AccumulatingProgram:
    """A rule whose windows hold accumulators."""

    __slots__ = ("_closing", "_code", "_counts", "_memories", "_open", "_order", "_states", "_trusted")

    def __init__(self, code: AccumulatingCode) -> None:
        self._code = code
        self._memories: list[Any] = [make() for make in code.memories]
        self._closing = None if code.closing is None else code.closing()
        opened = partial(Groups, code.groups, self._memories)
        self._states = None if code.states is None else OpenStates(code.states, self._memories, opened)
        self._open: Groups | SlicedGroups = self._opened()
        self._order = EventOrder(code.late_tolerance, idle=code.idle_timeout) if code.event_time else None
        self._trusted = True
        """Event time: every row that may still wait for the watermark has come in a batch that keeps the promise of the fast tier."""
        self._counts = [0, 0, 0, 0, 0]

    def _opened(self) -> Groups | SlicedGroups:
        """An empty window."""
        code = self._code
        return Groups(code.groups, self._memories) if code.slices is None else SlicedGroups(code.groups, code.slices, self._memories)

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
        numbers = [arrived, passed, failed], [passed, fired, 0], [fired, fired - lost, lost]
        return by_operator(self._code.operators, *numbers, order=self._order)

    def start(self, now: int) -> None:
        clock = self._memories[0]
        assert isinstance(clock, RuleClock)
        if not clock.started:
            clock.started = now
            if self._order is None and self._closing is not None:
                self._closing.begin(now)
        if self._order is not None:
            self._order.begin(now)

    def push(self, stream: str, batch: Batch) -> Batch | None:
        output = Output()
        if batch.errors:
            output.errors.extend(RowError(0, e.text, e.stage) for e in batch.errors)
        if self._order is not None:
            self._push_ordered(batch, self._order, output)
            return output.batch(batch.arrival)
        self._fire_due(batch.arrival, output)
        if self._code.take is not None or self._states is not None:
            self._admit([self._entry(batch, i) for i in range(len(batch.rows))], batch, output)
        elif batch.rows:
            self._pour(batch.rows, None, [batch.arrival] * len(batch.rows), batch, output)
        return output.batch(batch.arrival)

    def _push_ordered(self, batch: Batch, order: EventOrder, output: Output) -> None:
        """Rows in the order of their own times. One by one where any of them may be refused in front of the window, as errors stand
        between the windows that are given out before and after them."""
        self._elapse(order, batch.arrival, output)
        self._trusted = self._trusted and batch.guarded
        entries = [self._entry(batch, i) for i in range(len(batch.rows))]
        for portion in [entries] if self._code.take is None else [[entry] for entry in entries]:
            self._let_in(order, order.take(0, portion, batch.arrival), batch, output)

    def _elapse(self, order: EventOrder, now: int, output: Output) -> None:
        """Take the rows that are waited with no longer, and give out what ends with them."""
        released = order.elapse(now)
        if released is not None:
            self._let_in(order, released, Batch([], arrival=now), output)

    def _let_in(self, order: EventOrder, released: list[Entry], batch: Batch, output: Output) -> None:
        self._admit(released, batch, output)
        if order.watermark is not None:
            self._fire_due(order.watermark, output)

    def _entry(self, batch: Batch, i: int) -> Entry:
        need, times = self._code.need, batch.times
        time = batch.arrival if times is None or self._order is None else times[i]
        return Entry(batch.rows[i], time, batch.meta_of(i) if need.meta else {}, batch.record(i) if need.whole else None)

    def _admit(self, entries: list[Entry], batch: Batch, output: Output) -> None:
        """Put rows into the window that pass what stands in front of it."""
        take = self._code.take
        if take is None:
            self._pour_entries(entries, batch, output)
            return
        admitted: list[Entry] = []
        for entry in entries:
            try:
                values = take(entry.row, entry.meta, entry.whole, entry.time, self._memories)
            except StageError as error:
                self._pour_entries(admitted, batch, output)
                admitted = []
                self._refuse(error, output)
                continue
            if values is None:
                self._counts[0] += 1
                continue
            entry.values = values
            admitted.append(entry)
        self._pour_entries(admitted, batch, output)

    def _refuse(self, error: StageError, output: Output) -> None:
        """A row has failed in front of the window."""
        self._counts[0] += 1
        self._counts[2] += 1
        output.fail(error)

    def _pour_entries(self, entries: list[Entry], batch: Batch, output: Output) -> None:
        if not entries:
            return
        if self._states is not None:
            self._follow(self._states, entries, batch, output)
        else:
            self._pour([e.row for e in entries], entries, [e.time for e in entries], batch, output)

    def _follow(self, states: OpenStates, entries: list[Entry], batch: Batch, output: Output) -> None:
        """Put rows into the state windows that they belong to, those of a window together."""
        taken: dict[int, tuple[OpenState, list[Entry]]] = {}
        for entry in entries:
            try:
                taking, ending = states.place(entry)
            except StageError as error:
                self._refuse(error, output)
                continue
            if ending is not None and ending is not taking:
                self._end(ending, entry.time, taken, batch, output)
            if taking is None:
                self._counts[0] += 1
                self._counts[1] += 1
                continue
            taken.setdefault(id(taking), (taking, []))[1].append(entry)
            if ending is taking:
                self._end(taking, entry.time, taken, batch, output)
        for state, own in taken.values():
            self._add(state.groups, [e.row for e in own], own, own[0].time, batch, output)

    def _end(self, state: OpenState, end: int, taken: dict[int, tuple[OpenState, list[Entry]]], batch: Batch, output: Output) -> None:
        """Give out a state window, with those of ``taken`` that are its rows."""
        _, own = taken.pop(id(state), (state, []))
        if own:
            self._add(state.groups, [e.row for e in own], own, own[0].time, batch, output)
        self._fire(Ended(state.start, end, 0), state.groups, output)

    def _pour(self, rows: list[Any], entries: list[Entry] | None, times: list[int], batch: Batch, output: Output) -> None:
        """Put rows into the open window, and give it out whenever it ends; ``entries`` where they were made already."""
        closing, low = self._closing, 0
        assert closing is not None
        while low < len(rows):
            while (ended := closing.due(times[low], row=True)) is not None:
                self._fire(ended, self._open, output)
            high = closing.until(times, low)
            part = rows if high - low == len(rows) else rows[low:high]
            own = None if entries is None else entries[low:high]
            passed = self._add(self._open, part, own, closing.places(times, low, high), batch, output, low)
            if passed or self._code.filtered:
                ended = closing.took(times, low, high)
                if ended is not None:
                    self._fire(ended, self._open, output)
            low = high

    def _add(
        self,
        groups: Groups | SlicedGroups,
        rows: list[Any],
        entries: list[Entry] | None,
        places: int | Sequence[int],
        batch: Batch,
        output: Output,
        offset: int = 0,
    ) -> int:
        """Give rows to a window: how many passed. Without ``entries`` the rows stand in the batch from ``offset`` on."""
        self._counts[0] += len(rows)
        if (batch.guarded if self._order is None else self._trusted) or not self._code.guarded:
            passed = groups.add_fast(rows, places)
            if passed is not None:
                self._counts[1] += passed
                return passed
        passed = 0
        for i in range(len(rows)):
            place = places if isinstance(places, int) else places[i]
            try:
                passed += groups.add(self._entry(batch, offset + i) if entries is None else entries[i], place)
            except StageError as error:
                if error.stage == "windowFilter" or (error.stage == "filter" and not self._code.filtered):
                    self._counts[2] += 1
                    output.fail(error)
                else:
                    passed += 1
                    groups.fail(error, place)
        self._counts[1] += passed
        return passed

    def _fire(self, ended: Ended, groups: Groups | SlicedGroups, output: Output) -> None:
        """Give out a window."""
        code, (start, end, oldest) = self._code, ended
        try:
            pairs = groups.close(oldest)
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
        """Give out what has ended as time has come to ``now``."""
        closing = self._closing
        while closing is not None and (ended := closing.due(now, row=False)) is not None:
            self._fire(ended, self._open, output)

    def advance(self, now: int) -> Batch | None:
        output = Output()
        if self._order is not None:
            self._elapse(self._order, now, output)
        else:
            self._fire_due(now, output)
        return output.batch(now)

    def next_deadline(self) -> int | None:
        due = None if self._closing is None else self._closing.deadline()
        return due if self._order is None else self._order.deadline(due)

    def snapshot(self) -> bytes:
        return self.capture()()

    def capture(self) -> Callable[[], bytes]:
        """What encodes the state as it is now (``spi.Capturing``)."""
        rest = [None if part is None else part.snapshot() for part in (self._closing, self._states, self._order)]
        contents = self._open.written() if isinstance(self._open, SlicedGroups) else value(self._open.snapshot())
        return partial(packed, [value([rest, [memory.snapshot() for memory in self._memories]]), contents])

    def restore(self, state: bytes) -> None:
        if not state:
            return
        ((closing, states, order), memories), contents = msgspec.msgpack.decode(state)
        if self._closing is not None:
            self._closing.restore(closing)
        if self._states is not None:
            self._states.restore(states)
        self._open.restore(contents)
        if self._order is not None and order is not None:
            self._order.restore(order)
            self._trusted = False
        for memory, kept in zip(self._memories, memories, strict=True):
            memory.restore(kept)
