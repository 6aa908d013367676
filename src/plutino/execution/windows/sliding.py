"""Sliding windows: the rows around each triggering row."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from plutino.errors import EvaluationError
from plutino.execution.entry import Entry, pack_entry, unpack_entry
from plutino.execution.windows.operator import Fired

_time = attrgetter("time")


class SlidingWindow:
    """For every row that ``when`` takes, the rows around it; rows that do not trigger are kept all the same.

    Without delay these are [t - length, t], with it [t - length, t + delay), given out when the delay has passed. Version 2 leaves the
    lower bound out and takes the upper one in. ``twice``: (t - length, t] at once, and (t, t + delay] when the delay has passed.
    """

    def __init__(
        self,
        length: int,
        delay: int,
        when: Callable[[Entry, Sequence[Any]], Any] | None,
        memories: Sequence[Any],
        *,
        second_version: bool,
        event_time: bool = False,
        twice: bool = False,
    ) -> None:
        self._length = length
        self._delay = delay
        self._when = when
        self._memories = memories
        self._second = second_version
        self._twice = twice and delay > 0
        self._waits = delay > 0 or event_time
        """In event time a window waits for the watermark, so that rows of the same time that come behind its trigger are in it."""
        self._entries: list[Entry] = []
        self._pending: list[int] = []

    def start(self, now: int) -> None:
        """Nothing depends on when the rule begins."""

    def add(self, entry: Entry) -> list[Fired]:
        fired = self.advance(entry.time - 1)
        self._entries.append(entry)
        if not self._triggers(entry):
            self._forget(entry.time)
            return fired
        if not self._waits:
            fired.append(self._window(entry.time, entry.time, closed=True))
        else:
            self._pending.append(entry.time)
            if self._twice:
                fired.append(self._window(entry.time, entry.time, closed=True))
        self._forget(entry.time)
        return fired

    def _triggers(self, entry: Entry) -> bool:
        """Whether a row triggers; a condition that fails or is no condition does not."""
        if self._when is None:
            return True
        try:
            return self._when(entry, self._memories) is True
        except EvaluationError:
            return False

    def advance(self, now: int) -> list[Fired]:
        fired: list[Fired] = []
        while self._pending and self._pending[0] + self._delay <= now:
            trigger = self._pending.pop(0)
            fired.append(self._window(trigger, trigger + self._delay, closed=self._second or self._twice or not self._delay))
        if fired:
            self._forget(now)
        return fired

    def _window(self, trigger: int, end: int, *, closed: bool) -> Fired:
        start = trigger - self._length
        if self._twice and end != trigger:
            start = trigger
        low = (bisect_right if self._second or self._twice else bisect_left)(self._entries, start, key=_time)
        high = (bisect_right if closed else bisect_left)(self._entries, end, key=_time)
        return Fired(self._entries[low:high], start, end, trigger if self._twice else end)

    def _forget(self, now: int) -> None:
        """Drop rows that no later window can hold, a block at a time."""
        oldest = (self._pending[0] if self._pending else now) - self._length
        gone = bisect_left(self._entries, oldest, key=_time)
        if gone > 64 or gone * 2 > len(self._entries):
            del self._entries[:gone]

    def deadline(self) -> int | None:
        return self._pending[0] + self._delay if self._pending else None

    def snapshot(self) -> Any:
        return [self._pending, [pack_entry(e) for e in self._entries]]

    def restore(self, state: Any) -> None:
        self._pending, entries = state
        self._entries = [unpack_entry(e) for e in entries]
