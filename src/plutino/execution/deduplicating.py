"""Rows that ask for a stretch of time, given out once it has passed, with the part of it that nobody asked for before."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct

from plutino.errors import EvaluationError
from plutino.execution.failures import StageError
from plutino.execution.output import Output
from plutino.execution.state import pack_value, unpack_value
from plutino.model import Batch
from plutino.model.text import NULL_LIST
from plutino.model.value import general_text
from plutino.spi import InputNeed, Program, Suspended

Stretch = tuple[int, int]
"""Beginning and end of a piece of time; the end is outside."""


class DedupCode(Struct, frozen=True):
    """A rule with ``dedup_trigger``: ``rows`` makes the program that gives its rows, each as a message of its own.

    ``columns``: under which names these rows carry start, end and now; ``shown``: how the statement calls these.

    The pieces of time stand under ``name``. What was given out more than ``expire`` ms ago counts no more.
    """

    rows: Callable[[], Program]
    name: str
    columns: tuple[str, str, str]
    shown: tuple[str, str, str]
    expire: int
    operators: tuple[str, ...]
    need: InputNeed


class Request(Struct):
    """A row that waits until ``now`` of a later row, or the clock, has come to its ``end``."""

    start: int
    end: int
    now: int
    row: dict[str, Any]


_end = attrgetter("end")


class DedupProgram:
    """A rule with ``dedup_trigger``: rows leave in order of their ends."""

    __slots__ = ("_code", "_deadline", "_lost", "_made", "_queue", "_rows", "_taken")

    def __init__(self, code: DedupCode) -> None:
        self._code = code
        self._rows = code.rows()
        self._queue: list[Request] = []
        self._taken: list[Stretch] = []
        """What has been given out, in order and apart from each other."""
        self._deadline: int | None = None
        self._made = 0
        self._lost = 0

    @property
    def inputs(self) -> Mapping[str, InputNeed]:
        return dict.fromkeys(self._rows.inputs, self._code.need)

    @property
    def json_numbers(self) -> Collection[str] | None:
        return self._rows.json_numbers

    @property
    def operators(self) -> Sequence[str]:
        return self._code.operators

    @property
    def counters(self) -> Sequence[list[int]]:
        """Rows in, rows out, errors per operator; what waits has come in and not gone out."""
        *before, (_, asked, failed) = self._rows.counters
        return [*before, [asked, self._made, self._lost], [self._made, self._made, failed]]

    def start(self, now: int) -> None:
        self._rows.start(now)

    def push(self, stream: str, batch: Batch) -> Batch | None:
        made = self._rows.push(stream, batch)
        assert not isinstance(made, Suspended)
        if made is None:
            return None
        output = Output()
        failed = list(made.errors or ())
        for number, row in enumerate(made.dicts()):
            while failed and failed[0].at <= number:
                before = failed.pop(0)
                output.fail(StageError(before.stage, before.text))
            try:
                request = self._request(row)
            except EvaluationError as error:
                self._lost += 1
                output.fail(StageError("dedup_trigger", str(error)))
                continue
            self._queue.insert(bisect_right(self._queue, request.end, key=_end), request)
            self._trigger(request.now, batch.arrival, output)
        for each in failed:
            output.fail(StageError(each.stage, each.text))
        return self._leave(output, batch.arrival)

    def _request(self, row: dict[str, Any]) -> Request:
        values = [row.pop(column, None) for column in self._code.columns]
        times: list[int] = []
        for value, word, shown in zip(values, ("start", "end", "now"), self._code.shown, strict=True):
            if value is None:
                raise EvaluationError(f"dedup_trigger {shown} is missing")
            whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
            if not whole:
                raise EvaluationError(f"dedup_trigger {word} time {general_text(value)} is not int64")
            times.append(int(value))
        start, end, now = times
        if start >= end:
            raise EvaluationError(f"dedup_trigger start time {start} is greater than end time {end}")
        return Request(start, end, now, row)

    def _trigger(self, now: int | None, clock: int, output: Output) -> None:
        """Give out what has ended at ``now`` (None: what ends next), and set the clock for what ends then."""
        while self._queue:
            first = self._queue[0]
            now = first.end if now is None else now
            if first.end > now:
                self._deadline = clock + first.end - now
                return
            del self._queue[0]
            pieces = [{"start_key": str(low), "end_key": str(high)} for low, high in self._new(first)]
            output.rows.append({**first.row, self._code.name: pieces or NULL_LIST})
            self._made += 1
        self._deadline = None

    def _new(self, request: Request) -> list[Stretch]:
        """The parts of a request that were not given out yet; they count as given out afterwards."""
        oldest = request.now - self._code.expire
        low, high = max(request.start, oldest), request.end
        if high < oldest:
            return []
        self._taken = [taken for taken in self._taken if taken[1] >= oldest]
        found: list[Stretch] = []
        before = [taken for taken in self._taken if taken[1] <= low]
        behind = [taken for taken in self._taken if taken[0] >= high]
        at, first, last = low, low, high
        for start, end in self._taken[len(before) : len(self._taken) - len(behind)]:
            if start > at:
                found.append((at, start))
            at, first, last = max(at, end), min(first, start), max(last, end)
        if at < high:
            found.append((at, high))
        if first < last:
            self._taken = [*before, (first, last), *behind]
        return found

    @staticmethod
    def _leave(output: Output, arrival: int) -> Batch | None:
        if not output.rows and not output.errors:
            return None
        return Batch(output.rows, arrival=arrival, errors=output.errors or None)

    def advance(self, now: int) -> Batch | None:
        if self._deadline is None or now < self._deadline:
            return None
        output = Output()
        self._trigger(None, self._deadline, output)
        return self._leave(output, now)

    def next_deadline(self) -> int | None:
        return self._deadline

    def snapshot(self) -> bytes:
        queue = [[r.start, r.end, r.now, pack_value(r.row)] for r in self._queue]
        return msgspec.msgpack.encode((self._rows.snapshot(), queue, self._taken, self._deadline))

    def restore(self, state: bytes) -> None:
        if not state:
            return
        rows, queue, taken, self._deadline = msgspec.msgpack.decode(state)
        self._rows.restore(rows)
        self._queue = [Request(start, end, now, unpack_value(row)) for start, end, now, row in queue]
        self._taken = [(low, high) for low, high in taken]
