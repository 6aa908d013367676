"""What every window operator does."""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct

from plutino.execution.entry import Entry


class Fired(Struct):
    """A window that closes: its rows in order, and its start, end and trigger (epoch ms)."""

    entries: list[Entry]
    start: int
    end: int
    trigger: int


class WindowOperator(Protocol):
    """Gathers entries. Times never go back: in processing time they are arrivals, in event time rows come sorted by their own time.

    The operator is told the kind of time when it is made. ``advance`` says that time has come to ``now``: the clock, or the watermark.
    """

    def start(self, now: int) -> None:
        """The rule begins; called once, with the clock. Not called in event time, nor after ``restore``."""
        ...

    def add(self, entry: Entry) -> list[Fired]:
        """Take a row; the result are windows that close before it or with it. StageError when it is not clear where the row belongs."""
        ...

    def advance(self, now: int) -> list[Fired]:
        """Windows that close because time has passed."""
        ...

    def deadline(self) -> int | None:
        """When ``advance`` must be called next, in processing time."""
        ...

    def snapshot(self) -> Any:
        """The state as a msgpack value."""
        ...

    def restore(self, state: Any) -> None: ...
