"""Rules over sliding windows that keep aggregates of slices, not rows: one stream, no delay, processing time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from plutino.errors import EvaluationError
from plutino.execution.accumulators import GroupCode
from plutino.execution.entry import Entry
from plutino.execution.failures import FAST_FAILURES, StageError
from plutino.execution.finishing import FinishCode, finish
from plutino.execution.memory import Memory, RuleClock
from plutino.execution.output import Output
from plutino.execution.sliced import SlicedGroups
from plutino.execution.slices import SlicesCode
from plutino.model import Batch, RowError
from plutino.spi import InputNeed


class SlicingCode(Struct, frozen=True):
    """A compiled rule over a sliding window of ``length`` ms, aggregated by slices.

    - ``when(entry, memories)``: whether a row triggers (None: every row does); ``triggers(rows)``: which of many do, in the fast tier
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
    slices: SlicesCode
    guarded: bool
    shape: str
    json_numbers: frozenset[str] | None = frozenset()


class SlicingProgram:
    """A rule over a sliding window. Each triggering row gives one message, as long as any row of its window passes the condition.

    A row whose condition fails stays in the window, and fails every message that it is part of.
    """

    __slots__ = ("_code", "_counts", "_memories", "_open")

    def __init__(self, code: SlicingCode) -> None:
        self._code = code
        self._memories: list[Any] = [make() for make in code.memories]
        self._open = SlicedGroups(code.groups, code.slices, self._memories)
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
        return [[arrived, fired, failed] if name.endswith("_window") else [fired, fired - lost, lost] for name in self._code.operators]

    def start(self, now: int) -> None:
        clock = self._memories[0]
        assert isinstance(clock, RuleClock)
        clock.started = clock.started or now

    def push(self, stream: str, batch: Batch) -> Batch | None:
        output = Output()
        if batch.errors:
            output.errors.extend(RowError(0, e.text, e.stage) for e in batch.errors)
        self._open.tidy(self._oldest(batch.arrival))
        low = 0
        for i in self._triggers(batch):
            self._add(batch, low, i + 1)
            self._fire(batch.arrival, output)
            low = i + 1
        self._add(batch, low, len(batch.rows))
        return output.batch(batch.arrival)

    def _oldest(self, time: int) -> int:
        """The first moment of the window that ends at ``time``."""
        return time - self._code.length + (not self._code.inclusive)

    def _triggers(self, batch: Batch) -> Sequence[int]:
        """The numbers of the rows that trigger."""
        code = self._code
        if code.when is None:
            return range(len(batch.rows))
        if code.triggers is not None and (batch.guarded or not code.guarded):
            try:
                return code.triggers(batch.rows)
            except FAST_FAILURES:
                pass  # these rows belong to the exact tier
        return [i for i, row in enumerate(batch.rows) if self._triggered(row, batch.arrival)]

    def _triggered(self, row: Any, time: int) -> bool:
        """Whether a row triggers; a condition that fails or is no condition does not."""
        assert self._code.when is not None
        try:
            return self._code.when(Entry(row, time, {}, None), self._memories) is True
        except EvaluationError:
            return False

    def _add(self, batch: Batch, low: int, high: int) -> None:
        if low == high:
            return
        rows = batch.rows if high - low == len(batch.rows) else batch.rows[low:high]
        self._counts[0] += len(rows)
        if batch.guarded or not self._code.guarded:
            passed = self._open.add_fast(rows, batch.arrival)
            if passed is not None:
                self._counts[1] += passed
                return
        for row in rows:
            try:
                self._counts[1] += self._open.add(Entry(row, batch.arrival, {}, None), batch.arrival)
            except StageError as error:
                self._counts[2] += 1
                self._open.fail(error, batch.arrival)

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
        return msgspec.msgpack.encode(([memory.snapshot() for memory in self._memories], self._open.snapshot()))

    def restore(self, state: bytes) -> None:
        if not state:
            return
        memories, kept = msgspec.msgpack.decode(state)
        for memory, each in zip(self._memories, memories, strict=True):
            memory.restore(each)
        self._open.restore(kept)
