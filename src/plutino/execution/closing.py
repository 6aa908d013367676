"""When windows without rows end: at boundaries of the clock, after a pause, or with so many rows.

The rules are those of the operators in ``execution.windows``, which keep their rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from plutino.execution.accumulators import Position
from plutino.execution.alignment import first_boundary


class Ended(NamedTuple):
    """A window that ends: its start and end (epoch ms), and the place of its oldest row, where windows share rows."""

    start: int
    end: int
    oldest: int


class Closing(Protocol):
    """Tells when the open window ends. Rows come in the order of their times."""

    def begin(self, now: int) -> None:
        """The rule begins (in event time: with the first row)."""
        ...

    def due(self, now: int, *, row: bool) -> Ended | None:
        """A window that ends before a row of this time comes (``row``), or as time has come to ``now``; None when there is no further."""
        ...

    def until(self, times: Sequence[int], low: int) -> int:
        """Up to which row the rows from ``low`` on belong to the open window. Asked when nothing is due before row ``low``."""
        ...

    def places(self, times: Sequence[int], low: int, high: int) -> Position:
        """Where these rows stand, for windows that share rows."""
        ...

    def took(self, times: Sequence[int], low: int, high: int) -> Ended | None:
        """These rows belong to the open window; the window when they complete it."""
        ...

    def deadline(self) -> int | None:
        """When ``due`` must be asked next, in processing time."""
        ...

    def snapshot(self) -> Any: ...

    def restore(self, state: Any) -> None: ...


class BoundaryClosing:
    """Tumbling and hopping windows, which end every ``hop`` ms.

    In processing time a boundary that was missed (the clock jumped) ends one window, then the next boundary in the future counts. In
    event time there is one window per step, also across gaps. A hopping window starts one length before its end, another where the last
    one ended.
    """

    __slots__ = ("_boundary", "_event_time", "_hop", "_length", "_sharing", "_start", "_step", "_unit")

    def __init__(self, unit: str, step: int, length: int, hop: int, *, sharing: bool, event_time: bool) -> None:
        self._unit = unit
        self._step = step
        self._length = length
        self._hop = hop
        self._sharing = sharing
        self._event_time = event_time
        self._boundary: int | None = None
        self._start = 0

    def begin(self, now: int) -> None:
        self._start = now
        self._boundary = first_boundary(self._unit, self._step, now)

    def due(self, now: int, *, row: bool) -> Ended | None:
        end = self._boundary
        if end is None:
            if not row:
                return None
            self.begin(now)
            end = self._boundary
            assert end is not None
        if now < end:
            return None
        low = end - self._length
        start, self._start = self._start, end
        following = end + self._hop
        if not self._event_time and now >= following:
            following += ((now - following) // self._hop + 1) * self._hop
        self._boundary = following
        return Ended(low if self._sharing else start, end, low)

    def until(self, times: Sequence[int], low: int) -> int:
        assert self._boundary is not None
        return bisect_left(times, self._boundary, low) if times[-1] >= self._boundary else len(times)

    def places(self, times: Sequence[int], low: int, high: int) -> Position:
        return times[low:high] if self._event_time else times[low]

    def took(self, times: Sequence[int], low: int, high: int) -> None:
        return None

    def deadline(self) -> int | None:
        return self._boundary

    def snapshot(self) -> Any:
        return [self._start, self._boundary]

    def restore(self, state: Any) -> None:
        self._start, self._boundary = state


class SessionClosing:
    """Rows that follow each other within ``timeout`` ms.

    At aligned ticks every ``longest`` ms a session that has lasted that long is cut; the next one then starts at the tick. In event time
    a row that comes exactly when the pause ends still belongs to the session.
    """

    __slots__ = ("_event_time", "_first", "_last", "_longest", "_start", "_step", "_tick", "_timeout", "_unit")

    def __init__(self, unit: str, step: int, longest: int, timeout: int, *, event_time: bool) -> None:
        self._unit = unit
        self._step = step
        self._longest = longest
        self._timeout = timeout
        self._event_time = event_time
        self._first: int | None = None
        self._last = 0
        self._start: int | None = None
        self._tick: int | None = None

    def begin(self, now: int) -> None:
        self._tick = first_boundary(self._unit, self._step, now)

    def due(self, now: int, *, row: bool) -> Ended | None:
        if row and self._tick is None:
            self.begin(now)
        while True:
            pause = None if self._first is None else self._last + self._timeout
            tick = self._tick
            if pause is not None and pause <= now and (tick is None or pause <= tick):
                if not self._event_time or pause < now:
                    return self._ended(pause, None)
                if not (row and tick == now):
                    return None
                # where pause and tick end with this row, it belongs to the session that begins at the tick, if one does
            if tick is None or tick > now:
                return None
            self._tick = tick + self._longest
            if self._first is not None and tick - self._first >= self._longest:
                return self._ended(tick, tick)
            if self._first is None and self._tick <= now:
                self._tick += ((now - self._tick) // self._longest + 1) * self._longest

    def _ended(self, end: int, following: int | None) -> Ended:
        assert self._start is not None
        start, self._start, self._first = self._start, following, None
        return Ended(start, end, 0)

    def until(self, times: Sequence[int], low: int) -> int:
        if times[-1] == times[low]:
            return len(times)
        assert self._tick is not None
        before = times[low]
        for i in range(low + 1, len(times)):
            time = times[i]
            if time - before > self._timeout or time >= self._tick:
                return i
            before = time
        return len(times)

    def places(self, times: Sequence[int], low: int, high: int) -> Position:
        return times[low]

    def took(self, times: Sequence[int], low: int, high: int) -> None:
        self._start = times[low] if self._start is None else self._start
        self._first = times[low] if self._first is None else self._first
        self._last = times[high - 1]

    def deadline(self) -> int | None:
        if self._first is None:
            return None
        pause = self._last + self._timeout
        return pause if self._tick is None else min(pause, self._tick)

    def snapshot(self) -> Any:
        return [self._first, self._last, self._start, self._tick]

    def restore(self, state: Any) -> None:
        self._first, self._last, self._start, self._tick = state


class CountClosing:
    """Every ``every`` rows, once there have been ``count``, the latest ``count`` of them. Start is the time of the first row."""

    __slots__ = ("_count", "_every", "_held", "_number", "_start", "_times")

    def __init__(self, count: int, every: int) -> None:
        self._count = count
        self._every = every
        self._held = 0
        """Rows since the last window."""
        self._number = 0
        """Rows that have come."""
        self._start = 0
        self._times: deque[int] | None = deque(maxlen=count) if every < count else None
        """When the latest rows came, where windows share rows."""

    def begin(self, now: int) -> None:
        """Nothing depends on when the rule begins."""

    def due(self, now: int, *, row: bool) -> None:
        return None

    def until(self, times: Sequence[int], low: int) -> int:
        return min(len(times), low + self._every - self._held)

    def places(self, times: Sequence[int], low: int, high: int) -> Position:
        return range(self._number, self._number + high - low)

    def took(self, times: Sequence[int], low: int, high: int) -> Ended | None:
        if not self._held:
            self._start = times[low]
        if self._times is not None:
            self._times.extend(times[low:high])
        self._held += high - low
        self._number += high - low
        if self._held < self._every:
            return None
        self._held = 0
        if self._number < self._count:
            return None
        return Ended(self._start if self._times is None else self._times[0], times[high - 1], self._number - self._count)

    def deadline(self) -> int | None:
        return None

    def snapshot(self) -> Any:
        return [self._held, self._number, self._start, list(self._times or ())]

    def restore(self, state: Any) -> None:
        self._held, self._number, self._start, times = state
        if self._times is not None:
            self._times.extend(times)
