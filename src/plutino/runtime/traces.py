"""Traces that were taken: trees of spans, each telling when something happened to a row and what the row was then.

Memory is bounded: so many traces of all rules together, so many spans in each place, so many characters of data in each span.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

CAPACITY = 2048
"""Traces kept; older ones give way."""

BREADTH = 64
"""Spans kept under one span, or beside each other at the root of a trace whose id comes again and again."""

CHARACTERS = 2048
"""Characters of data kept by a span."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Span(Struct):
    """One step of a trace; times in epoch microseconds."""

    name: str
    trace: str
    rule: str
    start: int
    end: int = 0
    parent: str = ""
    attributes: dict[str, Any] = {}
    links: list[str] = []
    children: list[Span] = []
    id: str = msgspec.field(default_factory=lambda: uuid4().hex[:16])

    def add(self, span: Span) -> None:
        """Something that followed from this."""
        span.parent = self.id
        if len(self.children) < BREADTH:
            self.children.append(span)

    def to_wire(self) -> dict[str, Any]:
        """The span with everything below it."""
        found: dict[str, Any] = {"name": self.name, "traceID": self.trace, "spanID": self.id}
        if self.parent:
            found["parentSpanID"] = self.parent
        if self.attributes:
            found["attribute"] = self.attributes
        if self.links:
            found["links"] = [{"TraceID": trace} for trace in self.links]
        found |= {"startTime": _moment(self.start), "endTime": _moment(self.end), "ruleID": self.rule}
        found["ChildSpan"] = [child.to_wire() for child in self.children] or None
        return found


class _Entry(Struct):
    """A trace: its spans without a parent here, and the rules that it went through."""

    roots: list[Span]
    rules: dict[str, None]


class Traces:
    """Traces by id and by rule. ``current`` is the step that is going on right now, which nested work belongs to."""

    __slots__ = ("_entries", "_rules", "clock_us", "current", "outbox", "ticks_ns")

    def __init__(self) -> None:
        self.current: Span | None = None
        self.clock_us = self.ticks_ns = 0
        """Epoch time of the last look at the clock, and the counter of the machine then."""
        self.outbox: deque[Span] | None = None
        """Where traces are put that a collector gets, None when there is none."""
        self._entries: dict[str, _Entry] = {}
        self._rules: dict[str, dict[str, None]] = {}

    def add(self, span: Span, under: Span | None) -> None:
        """Keep a span as a root of its trace, or below another one."""
        entry = self._entries.get(span.trace)
        if entry is None:
            if len(self._entries) >= CAPACITY:
                self._drop(next(iter(self._entries)))
            entry = self._entries[span.trace] = _Entry([], {})
        if under is None and self.outbox is not None:
            self.outbox.append(span)
        if under is not None:
            under.add(span)
        elif len(entry.roots) < BREADTH:
            entry.roots.append(span)
        entry.rules[span.rule] = None
        known = self._rules.setdefault(span.rule, {})
        known.pop(span.trace, None)
        known[span.trace] = None

    def get(self, trace: str) -> dict[str, Any] | None:
        """A trace on the wire; None when it is not kept. What began besides its first span stands below that."""
        entry = self._entries.get(trace)
        if entry is None or not entry.roots:
            return None
        first, *others = [root.to_wire() for root in entry.roots]
        if others:
            first["ChildSpan"] = [*(first["ChildSpan"] or ()), *others]
        return first

    def of(self, rule: str) -> Sequence[str]:
        """Ids of the traces that went through a rule, newest first."""
        return tuple(reversed(self._rules.get(rule, {})))

    def forget(self, rule: str) -> None:
        """Drop the traces of a rule."""
        for trace in self.of(rule):
            self._drop(trace)

    def _drop(self, trace: str) -> None:
        for rule in self._entries.pop(trace).rules:
            known = self._rules[rule]
            known.pop(trace, None)
            if not known:
                del self._rules[rule]


def shown(value: Any) -> str:
    """Data as a span keeps it: JSON text, or text as it was sent, cut where it is long."""
    if isinstance(value, bytes):
        text = value[: 4 * CHARACTERS].decode("utf-8", "replace")
    elif isinstance(value, str):
        text = value
    else:
        text = msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= CHARACTERS else text[:CHARACTERS] + "…"


def _moment(microseconds: int) -> str:
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat().replace("+00:00", "Z")
