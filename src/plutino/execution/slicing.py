"""Rules over sliding windows that keep aggregates of slices, not rows: one stream, no groups, no delay, processing time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from plutino.errors import EvaluationError
from plutino.execution.accumulating import GroupCode
from plutino.execution.entry import Entry
from plutino.execution.failures import FAST_FAILURES, StageError
from plutino.execution.finishing import FinishCode, finish
from plutino.execution.memory import Memory, RuleClock
from plutino.execution.output import Output
from plutino.execution.slices import Slices
from plutino.model import Batch, RowError
from plutino.spi import InputNeed


class SlicingCode(Struct, frozen=True):
    """A compiled rule over a sliding window of ``length`` ms, aggregated by slices.

    - ``when(entry, memories)``: whether a row triggers (None: every row does); ``triggers(rows)``: which of many do, in the fast tier
    - ``inclusive``: rows exactly ``length`` ms old are inside
    - per aggregate: ``counted``, it counts rows; ``loose``, whole numbers mean floats
    - ``keeps_rows``: the first row is shown beside the aggregates
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
    counted: tuple[bool, ...]
    loose: tuple[bool, ...]
    keeps_rows: bool
    guarded: bool
    shape: str
    json_numbers: frozenset[str] | None = frozenset()


class Failures(Struct):
    """Rows that follow each other and fail alike, the last of them at ``time``."""

    time: int
    stage: str
    text: str


class SlicingProgram:
    """A rule over a sliding window. Each triggering row gives one message, as long as any row of its window passes the condition.

    A row whose condition fails stays in the window, and fails every message that it is part of.
    """

    __slots__ = ("_code", "_counts", "_failures", "_memories", "_slices")

    def __init__(self, code: SlicingCode) -> None:
        self._code = code
        self._memories: list[Any] = [make() for make in code.memories]
        self._slices = Slices(code.groups.accumulators, code.loose, code.keeps_rows)
        self._failures: deque[Failures] = deque()
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
        self._slices.forget(batch.arrival - self._code.length, inclusive=self._code.inclusive)
        low = 0
        for i in self._triggers(batch):
            self._add(batch, low, i + 1)
            self._fire(batch.arrival, output)
            low = i + 1
        self._add(batch, low, len(batch.rows))
        return output.batch(batch.arrival)

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
        if (batch.guarded or not self._code.guarded) and self._add_fast(rows, batch.arrival):
            return
        for row in rows:
            try:
                taken = self._code.groups.exact(Entry(row, batch.arrival, {}, None), self._memories)
            except StageError as error:
                self._counts[2] += 1
                self._keep_failure(batch.arrival, error)
                continue
            if taken is not None:
                self._counts[1] += 1
                columns = [None if counted else (v,) for v, counted in zip(taken[1], self._code.counted, strict=True)]
                self._slices.add([row], columns, batch.arrival)

    def _keep_failure(self, time: int, error: StageError) -> None:
        last = self._failures[-1] if self._failures else None
        if last is not None and (last.stage, last.text) == (error.stage, str(error)):
            last.time = time
        else:
            self._failures.append(Failures(time, error.stage, str(error)))

    def _failure(self, oldest: int) -> StageError | None:
        """The first failure that is inside of a window."""
        while self._failures and (self._failures[0].time < oldest if self._code.inclusive else self._failures[0].time <= oldest):
            self._failures.popleft()
        return StageError(self._failures[0].stage, self._failures[0].text) if self._failures else None

    def _add_fast(self, rows: Sequence[Any], time: int) -> bool:
        """Take rows in the fast tier; False (and nothing taken) when they belong to the exact one."""
        code = self._code.groups
        if code.fast_buckets is None:
            return False
        try:
            kept = code.fast_buckets(rows).get((), ())
            columns = [None if f is None else f(kept) for f in code.fast_values]
        except FAST_FAILURES:
            return False
        self._counts[1] += len(kept)
        self._slices.add(kept, columns, time)
        return True

    def _fire(self, time: int, output: Output) -> None:
        code = self._code
        self._counts[3] += 1
        failure = self._failure(time - code.length)
        if failure is not None:
            self._counts[4] += 1
            output.fail(failure)
            return
        window = self._slices.since(time - code.length, inclusive=code.inclusive)
        if window is None:
            return
        first = code.groups.empty if window.first is None else Entry(window.first, time, {}, None)
        try:
            rows = finish(code.finish, [(first, window)], (time - code.length, time, time), self._memories)
        except StageError as error:
            self._counts[4] += 1
            output.fail(error)
            return
        if rows is not None:
            output.rows.extend(rows)
            output.sizes.append(len(rows))

    def advance(self, now: int) -> Batch | None:
        """Nothing happens by time alone."""
        return None

    def next_deadline(self) -> int | None:
        return None

    def snapshot(self) -> bytes:
        failures = [[f.time, f.stage, f.text] for f in self._failures]
        return msgspec.msgpack.encode(([memory.snapshot() for memory in self._memories], self._slices.snapshot(), failures))

    def restore(self, state: bytes) -> None:
        if not state:
            return
        memories, slices, failures = msgspec.msgpack.decode(state)
        self._failures = deque(Failures(*failure) for failure in failures)
        for memory, kept in zip(self._memories, memories, strict=True):
            memory.restore(kept)
        self._slices.restore(slices)
