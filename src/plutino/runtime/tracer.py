"""A tracer: goes with the rows of one run, one after another, and writes down what becomes of each.

Nothing here runs for a rule that is not traced: the tracer stands in the place of the program's ``push`` and of the sinks' ``take``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Any, Protocol
from uuid import uuid4

from plutino.model import Batch, RowError
from plutino.runtime.facilities import Facilities
from plutino.runtime.guards import pick
from plutino.runtime.sinks import Outlet
from plutino.runtime.traces import Span, shown
from plutino.spi import Program

HEAD = "head"
"""Strategy: only rows that bring a trace id. Any other: every row."""

LINKS = 128
"""Rows that a later output is linked to, at most."""

Push = Callable[[str, Batch], Batch | None]
Counters = Sequence[tuple[int, int, int]]


class Traced(Protocol):
    """What a tracer needs of a run."""

    @property
    def rule(self) -> str: ...

    @property
    def program(self) -> Program: ...

    @property
    def outlets(self) -> Sequence[Outlet]: ...

    @property
    def stateful(self) -> bool:
        """Whether the program keeps rows, or something of them."""
        ...

    @property
    def operator_names(self) -> Sequence[str]:
        """The operators as the status calls them."""
        ...

    def part_for(self, number: int, out: Batch) -> Batch | None:
        """What an outlet gets of an output."""
        ...

    def report(self, errors: Sequence[RowError]) -> None:
        """Count rows that failed."""
        ...

    def emit(self, out: Batch) -> None:
        """Hand an output to every sink and listener."""
        ...


class Tracer:
    """Traces the rows of a run. ``strategy`` is ``always`` or ``head``."""

    __slots__ = ("_clock", "_head", "_open", "_run", "_traces", "_unanswered")

    def __init__(self, run: Traced, strategy: str, facilities: Facilities) -> None:
        self._run = run
        self._head = strategy == HEAD
        self._clock = facilities.clock
        self._traces = facilities.traces
        self._open: Span | None = None
        """The last step of the row that is being pushed."""
        self._unanswered: deque[str] = deque(maxlen=LINKS)
        """Traces of rows that gave no output yet, and may be in a window."""

    def way_in(self, push: Push) -> Push:
        """``push`` row by row, with its output handed on from here."""

        def push_each(stream: str, batch: Batch) -> None:
            for i in range(len(batch.rows)):
                self._push(push, stream, batch if len(batch.rows) == 1 else pick(batch, (i,)))

        return push_each

    def emit(self, out: Batch) -> None:
        """Hand an output to every sink: as a step of its row's trace, or in a trace of its own when it is a window's."""
        step = self._open
        if step is not None:
            self._send(out, step)
            return
        if self._head and not self._unanswered:
            for number, outlet in enumerate(self._run.outlets):
                part = self._run.part_for(number, out)
                if part is not None:
                    outlet.take(part)
            return
        self._watch()
        names = self._run.operator_names
        span = self._begin(names[-1] if names else self._run.rule, uuid4().hex, _outcome(out), self._traces.current)
        span.links = self._answered()
        self._send(out, span)
        span.end = self._now()

    # -- inside

    def _push(self, push: Push, stream: str, row: Batch) -> None:
        trace = self._trace_of(row)
        if trace is None:
            self._hand(push(stream, row))
            return
        outer, saved = self._traces.current, self._open
        self._watch()
        root = self._begin(stream, trace, {"data": shown(row.record(0))}, outer)
        before = _copy(self._run.program.counters)
        try:
            out = push(stream, row)
            self._open = self._operators(root, before, out)
            if out is None and self._run.stateful:
                self._unanswered.append(trace)
            self._hand(out)
        finally:
            root.end = self._now()
            self._open = saved

    def _hand(self, out: Batch | None) -> None:
        if out is not None:
            if out.errors:
                self._run.report(out.errors)
            self._run.emit(out)

    def _trace_of(self, row: Batch) -> str | None:
        """The id of the trace that a row belongs to, None when it is not to be traced."""
        if self._traces.current is not None:
            return self._traces.current.trace
        brought = row.meta_of(0).get("traceId")
        if isinstance(brought, str) and 0 < len(brought) <= 64:
            return brought
        return None if self._head else uuid4().hex

    def _operators(self, root: Span, before: Counters, out: Batch | None) -> Span:
        """A span for each operator that the row came to, one below the other; the last one is returned."""
        step, now = root, self._now()
        for name, old, new in zip(self._run.operator_names, before, self._run.program.counters, strict=True):
            if new[0] == old[0]:
                continue
            span = Span(name, root.trace, root.rule, root.start, now, attributes={"in": new[0] - old[0], "out": new[1] - old[1]})
            step.add(span)
            step = span
        if out is not None and step is not root:
            step.attributes |= _outcome(out)
            if out.sizes is not None:
                step.links = self._answered()
        return step

    def _answered(self) -> list[str]:
        """The traces whose rows may be in an output now, which are forgotten."""
        found = list(dict.fromkeys(self._unanswered))
        self._unanswered.clear()
        return found

    def _send(self, out: Batch, step: Span) -> None:
        outer = self._traces.current
        for number, outlet in enumerate(self._run.outlets):
            part = self._run.part_for(number, out)
            if part is None:
                continue
            messages = None if part.errors else outlet.messages_of(part)
            attributes = _outcome(part) if messages is None else {"data": _joined(messages)}
            span = Span(outlet.plan.request.name, step.trace, step.rule, self._now(), attributes=attributes)
            step.add(span)
            self._traces.current = span
            try:
                outlet.take(part)
            finally:
                self._traces.current = outer
                span.end = self._now()
                if outlet.waiting:
                    span.attributes["waiting"] = outlet.waiting

    def _begin(self, name: str, trace: str, attributes: dict[str, Any], under: Span | None) -> Span:
        span = Span(name, trace, self._run.rule, self._now(), attributes=attributes)
        if under is not None and under.trace != trace:
            under = None
        self._traces.add(span, under)
        return span

    def _watch(self) -> None:
        """Read the clock; ``_now`` counts on from here, finer than the clock does. Nested work counts on from where it is called."""
        if self._traces.current is None:
            self._traces.clock_us, self._traces.ticks_ns = self._clock.now_ms() * 1000, perf_counter_ns()

    def _now(self) -> int:
        return self._traces.clock_us + (perf_counter_ns() - self._traces.ticks_ns) // 1000


def _copy(counters: Sequence[Any]) -> Counters:
    return [(rows_in, rows_out, errors) for rows_in, rows_out, errors, *_ in counters]


def _outcome(out: Batch) -> dict[str, Any]:
    """What left the program, as attributes."""
    found: dict[str, Any] = {}
    rows = out.dicts()
    if rows or out.sizes is not None:
        found["data"] = shown(rows[0] if out.sizes is None and len(rows) == 1 else rows)
    if out.errors:
        found["error"] = out.errors[0].text
    return found


def _joined(messages: Sequence[Any]) -> str:
    return shown(messages[0]) if len(messages) == 1 else shown("\n".join(map(shown, messages)))
