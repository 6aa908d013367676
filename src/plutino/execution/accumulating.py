"""Rules over windows that keep accumulators, not rows: aggregates over tumbling and count windows of one stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from plutino.execution.aggregates import Accumulator, Gathered
from plutino.execution.alignment import first_boundary
from plutino.execution.entry import Entry, pack_entry, unpack_entry
from plutino.execution.failures import FAST_FAILURES, StageError
from plutino.execution.finishing import FinishCode, Pair, finish
from plutino.execution.memory import Memory, RuleClock
from plutino.execution.ordering import EventOrder
from plutino.execution.output import Output
from plutino.execution.state import pack_value, unpack_value
from plutino.model import Batch, RowError
from plutino.spi import InputNeed


class GroupCode(Struct, frozen=True):
    """How rows go into accumulators.

    - ``fast_buckets(rows)``: ``{key: rows}`` of the rows that pass; ``fast_values``: per aggregate ``f(rows) -> values`` (None counts
      rows); ``fast_buckets`` is None where the rule has no fast tier
    - ``exact(entry, memories)``: None for a row that is filtered out, else ``(key, values, others)`` with the first argument of each
      aggregate and the tuple of its further ones
    - ``accumulators``: per aggregate a factory
    """

    fast_buckets: Callable[[Sequence[Any]], dict[Any, list[Any]]] | None
    fast_values: tuple[Callable[[Sequence[Any]], list[Any]] | None, ...]
    exact: Callable[[Entry, Sequence[Any]], tuple[Any, tuple[Any, ...], tuple[Any, ...]] | None]
    accumulators: tuple[Callable[[], Accumulator], ...]
    grouped: bool
    empty: Entry


class AccumulatingCode(Struct, frozen=True):
    """A compiled rule with accumulators.

    ``unit``/``step``/``length`` of a tumbling window in ms, or ``count`` rows of a count window. ``filtered``: the condition stands behind
    the window, so that a window without rows is not given out. ``shape`` is equal for two versions whose state is compatible.
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
    count: int
    guarded: bool
    event_time: bool
    late_tolerance: int
    filtered: bool
    shape: str
    json_numbers: frozenset[str] | None = frozenset()


class _Group:
    __slots__ = ("accumulators", "first")

    def __init__(self, first: Entry, accumulators: list[Accumulator]) -> None:
        self.first = first
        self.accumulators = accumulators

    def __getitem__(self, index: int) -> Any:
        """The result of aggregate ``index``, computed where it is asked for, so that a failure names its item."""
        return self.accumulators[index].result()


class Groups:
    """The open window: one set of accumulators per group key, in order of first appearance.

    A row that fails behind the window fails the whole window: its error waits until the window closes.
    """

    __slots__ = ("_code", "_failures", "_groups", "_memories")

    def __init__(self, code: GroupCode, memories: Sequence[Any]) -> None:
        self._code = code
        self._memories = memories
        self._groups: dict[Any, _Group] = {}
        self._failures: dict[str, str] = {}
        """Per stage the first failure."""

    def add_fast(self, rows: Sequence[Any], time: int) -> int | None:
        """Take rows in the fast tier: how many passed, or None (and nothing taken) when they belong to the exact tier."""
        code = self._code
        if code.fast_buckets is None:
            return None
        try:
            buckets = code.fast_buckets(rows)
            values = [[None if f is None else f(bucket) for f in code.fast_values] for bucket in buckets.values()]
        except FAST_FAILURES:
            return None
        passed = 0
        for (key, bucket), columns in zip(buckets.items(), values, strict=True):
            group = self._groups.get(key) or self._open(key, Entry(bucket[0], time, {}, None))
            passed += len(bucket)
            for accumulator, column in zip(group.accumulators, columns, strict=True):
                accumulator.fold(bucket if column is None else column)
        return passed

    def add(self, entry: Entry) -> bool:
        """Take one row in the exact tier: whether it passed. StageError when it failed."""
        taken = self._code.exact(entry, self._memories)
        if taken is None:
            return False
        key, values, others = taken
        group = self._groups.get(key) or self._open(key, entry)
        for i, accumulator in enumerate(group.accumulators):
            if isinstance(accumulator, Gathered):
                accumulator.attend(others[i])
            accumulator.fold((values[i],))
        return True

    def _open(self, key: Any, first: Entry) -> _Group:
        group = self._groups[key] = _Group(first, [make() for make in self._code.accumulators])
        return group

    def fail(self, error: StageError) -> None:
        """A row has failed that stands in the window."""
        self._failures.setdefault(error.stage, str(error))

    def close(self) -> list[Pair]:
        """The groups with their first rows; the window is empty afterwards. StageError when one of its rows has failed.

        Conditions are asked before keys are computed, so their failures come first.
        """
        groups, failures = self._groups, self._failures
        self._groups, self._failures = {}, {}
        for stage in ("filter", *failures):
            if stage in failures:
                raise StageError(stage, failures[stage])
        if not groups and not self._code.grouped:
            return [(self._code.empty, [_over_nothing(make()) for make in self._code.accumulators])]
        return [(group.first, group) for group in groups.values()]

    def is_empty(self) -> bool:
        return not self._groups and not self._failures

    def snapshot(self) -> Any:
        groups = [[pack_value(key), pack_entry(g.first), [a.snapshot() for a in g.accumulators]] for key, g in self._groups.items()]
        return [groups, self._failures]

    def restore(self, state: Any) -> None:
        groups, self._failures = state
        self._groups = {}
        for key, first, states in groups:
            group = self._open(_hashable(unpack_value(key)), unpack_entry(first))
            for accumulator, kept in zip(group.accumulators, states, strict=True):
                accumulator.restore(kept)


def _over_nothing(accumulator: Accumulator) -> Any:
    """An aggregate over no rows at all: null, also for ``count``; other functions decide themselves (``collect`` shows a null)."""
    return accumulator.result() if isinstance(accumulator, Gathered) else None


def _hashable(key: Any) -> Any:
    return tuple(_hashable(part) for part in key) if isinstance(key, list) else key


class AccumulatingProgram:
    """A rule whose windows hold accumulators.

    In processing time a boundary that was missed (the clock jumped) fires once, then the next boundary in the future counts. In event
    time the watermark drives the boundaries, one output per step, also across gaps.
    """

    __slots__ = ("_boundary", "_code", "_counts", "_held", "_memories", "_open", "_order", "_start", "_trusted")

    def __init__(self, code: AccumulatingCode) -> None:
        self._code = code
        self._memories: list[Any] = [make() for make in code.memories]
        self._open = Groups(code.groups, self._memories)
        self._order = EventOrder(code.late_tolerance) if code.event_time else None
        self._trusted = True
        """Event time: every row that may still wait for the watermark has come in a batch that keeps the promise of the fast tier."""
        self._boundary: int | None = None
        self._start = 0
        self._held = 0
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
            if name.endswith("_window"):
                behind = True
                found.append([passed, fired, 0])
            else:
                found.append([fired, fired - lost, lost] if behind else [arrived, passed, failed])
        return found

    def start(self, now: int) -> None:
        clock = self._memories[0]
        assert isinstance(clock, RuleClock)
        if not clock.started:
            clock.started = now
            if not self._code.count and self._order is None:
                self._begin(now)

    def _begin(self, now: int) -> None:
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
            self._add(batch.rows, None, batch, output)
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
                    self._fire(self._start, self._boundary, output)
        self._add_entries(entries[low:], batch, output)
        mark = self._order.watermark
        while self._boundary is not None and mark is not None and mark >= self._boundary:
            self._fire(self._start, self._boundary, output)

    def _entry(self, batch: Batch, i: int) -> Entry:
        need, times = self._code.need, batch.times
        time = batch.arrival if times is None else times[i]
        return Entry(batch.rows[i], time, batch.meta_of(i) if need.meta else {}, batch.record(i) if need.whole else None)

    def _add_entries(self, entries: list[Entry], batch: Batch, output: Output) -> None:
        if entries:
            self._add([e.row for e in entries], entries, batch, output)

    def _counted(self, rows: list[Any], entries: list[Entry] | None, batch: Batch, output: Output) -> None:
        """Rows of a count window: every ``count`` rows that arrive, whether they pass or not, close one."""
        low, count = 0, self._code.count
        while low < len(rows):
            high = min(len(rows), low + count - self._held)
            if self._held == 0:
                self._start = batch.arrival if entries is None else entries[low].time
            part = rows if high - low == len(rows) else rows[low:high]
            self._add(part, None if entries is None else entries[low:high], batch, output, offset=low)
            self._held += high - low
            if self._held == count:
                self._held = 0
                self._fire(self._start, batch.arrival if entries is None else entries[high - 1].time, output)
            low = high

    def _add(self, rows: list[Any], entries: list[Entry] | None, batch: Batch, output: Output, offset: int = 0) -> None:
        """Put rows into the open window; ``entries`` where they were made already, else the rows stand in the batch from ``offset`` on."""
        self._counts[0] += len(rows)
        if (batch.guarded if entries is None else self._trusted) or not self._code.guarded:
            passed = self._open.add_fast(rows, batch.arrival if entries is None or not entries else entries[0].time)
            if passed is not None:
                self._counts[1] += passed
                return
        for i in range(len(rows)):
            try:
                kept = self._open.add(self._entry(batch, offset + i) if entries is None else entries[i])
            except StageError as error:
                if error.stage == "filter" and not self._code.filtered:
                    self._counts[2] += 1
                    output.fail(error)
                else:
                    self._counts[1] += 1
                    self._open.fail(error)
            else:
                self._counts[1] += kept

    def _fire(self, start: int, end: int, output: Output) -> None:
        """Close the open window; a tumbling window's next boundary is one length later."""
        code = self._code
        if not code.count:
            self._start, self._boundary = end, end + code.length
        if code.filtered and self._open.is_empty():
            return
        self._counts[3] += 1
        try:
            rows = finish(code.finish, self._open.close(), (start, end, end), self._memories)
        except StageError as error:
            self._counts[4] += 1
            output.fail(error)
            return
        if rows or (rows is not None and not code.groups.grouped):
            output.rows.extend(rows)
            output.sizes.append(len(rows))

    def _fire_due(self, now: int, output: Output) -> None:
        if self._boundary is not None and now >= self._boundary:
            self._fire(self._start, self._boundary, output)
            behind = now - self._boundary
            if behind >= 0:
                self._boundary += (behind // self._code.length + 1) * self._code.length

    def advance(self, now: int) -> Batch | None:
        if self._order is not None or self._code.count:
            return None
        output = Output()
        self._fire_due(now, output)
        return output.batch(now)

    def next_deadline(self) -> int | None:
        return self._boundary if self._order is None else None

    def snapshot(self) -> bytes:
        order = None if self._order is None else self._order.snapshot()
        memories = [memory.snapshot() for memory in self._memories]
        return msgspec.msgpack.encode((self._start, self._boundary, self._held, order, self._open.snapshot(), memories))

    def restore(self, state: bytes) -> None:
        if not state:
            return
        self._start, self._boundary, self._held, order, contents, memories = msgspec.msgpack.decode(state)
        self._open.restore(contents)
        if self._order is not None and order is not None:
            self._order.restore(order)
            self._trusted = False
        for memory, kept in zip(self._memories, memories, strict=True):
            memory.restore(kept)
