"""When sessions end, for windows that keep no rows."""

from __future__ import annotations

from typing import Any

from plutino.execution.alignment import first_boundary


class SessionClock:
    """The open session: rows that follow each other within ``timeout`` ms.

    At aligned ticks every ``longest`` ms a session that has lasted that long is cut; the next one then starts at the tick. The rules are
    those of ``SessionWindow`` in processing time, where every tick is told before the rows behind it, so that a cut parts no rows. (In
    event time a row may come exactly when pause and tick end, and be behind the cut.)
    """

    __slots__ = ("_first", "_last", "_longest", "_start", "_step", "_tick", "_timeout", "_unit")

    def __init__(self, unit: str, step: int, longest: int, timeout: int) -> None:
        self._unit = unit
        self._step = step
        self._longest = longest
        self._timeout = timeout
        self._first: int | None = None
        self._last = 0
        self._start: int | None = None
        self._tick: int | None = None

    def begin(self, now: int) -> None:
        """The rule begins."""
        self._tick = first_boundary(self._unit, self._step, now)

    def extend(self, time: int) -> None:
        """A row belongs to the session; those that end before it have been asked for."""
        self._start = time if self._start is None else self._start
        self._first = time if self._first is None else self._first
        self._last = time

    def next(self, now: int) -> tuple[int, int] | None:
        """Start and end of a session that has ended at ``now``; None when the open one goes on."""
        while True:
            pause = None if self._first is None else self._last + self._timeout
            tick = self._tick
            if pause is not None and pause <= now and (tick is None or pause <= tick):
                return self._ended(pause, None)
            if tick is None or tick > now:
                return None
            self._tick = tick + self._longest
            if self._first is not None and tick - self._first >= self._longest:
                return self._ended(tick, tick)
            if self._first is None and self._tick <= now:
                self._tick += ((now - self._tick) // self._longest + 1) * self._longest

    def _ended(self, end: int, following: int | None) -> tuple[int, int]:
        assert self._start is not None
        start, self._start, self._first = self._start, following, None
        return start, end

    def deadline(self) -> int | None:
        """When ``next`` must be asked, in processing time."""
        if self._first is None:
            return None
        pause = self._last + self._timeout
        return pause if self._tick is None else min(pause, self._tick)

    def snapshot(self) -> Any:
        return [self._first, self._last, self._start, self._tick]

    def restore(self, state: Any) -> None:
        self._first, self._last, self._start, self._tick = state
