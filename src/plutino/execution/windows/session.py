"""Session windows: rows until a pause, or until they have gone on for too long."""

from __future__ import annotations

from typing import Any

from plutino.execution.alignment import first_boundary
from plutino.execution.entry import Entry, pack_entry, unpack_entry
from plutino.execution.windows.operator import Fired


class SessionWindow:
    """Rows that follow each other within ``timeout`` ms.

    At aligned ticks every ``longest`` ms a session that has lasted that long is cut: the rows before the tick go out, the rest stays.
    """

    def __init__(self, unit: str, step: int, longest: int, timeout: int, *, event_time: bool) -> None:
        self._unit = unit
        self._step = step
        self._longest = longest
        self._timeout = timeout
        self._event_time = event_time
        self._entries: list[Entry] = []
        self._tick: int | None = None
        self._start: int | None = None

    def start(self, now: int) -> None:
        self._tick = first_boundary(self._unit, self._step, now)

    def add(self, entry: Entry) -> list[Fired]:
        if self._tick is None:
            self.start(entry.time)
        fired = self.advance(entry.time)
        if self._start is None:
            self._start = entry.time
        self._entries.append(entry)
        return fired

    def advance(self, now: int) -> list[Fired]:
        fired: list[Fired] = []
        while True:
            pause = self._entries[-1].time + self._timeout if self._entries else None
            tick = self._tick
            if pause is not None and pause <= now and (tick is None or pause <= tick):
                if self._event_time and pause == now:
                    # a row that comes exactly when the pause ends still belongs to the session
                    return fired
                fired.append(self._close(pause))
            elif tick is not None and tick <= now:
                self._tick = tick + self._longest
                fired += self._cut(tick)
                if not self._entries:
                    self._skip(now)
            else:
                return fired

    def _skip(self, now: int) -> None:
        """No session is open: the ticks until now cut nothing."""
        if self._tick is not None and self._tick <= now:
            self._tick += ((now - self._tick) // self._longest + 1) * self._longest

    def _close(self, end: int) -> Fired:
        start = self._start if self._start is not None else self._entries[0].time
        inside, self._entries, self._start = self._entries, [], None
        return Fired(inside, start, end, end)

    def _cut(self, tick: int) -> list[Fired]:
        start = self._start
        if not self._entries or start is None or tick - self._entries[0].time < self._longest:
            return []
        inside = [e for e in self._entries if e.time < tick]
        self._entries = [e for e in self._entries if e.time >= tick]
        self._start = tick
        return [Fired(inside, start, tick, tick)] if inside else []

    def deadline(self) -> int | None:
        if not self._entries:
            return None
        pause = self._entries[-1].time + self._timeout
        return pause if self._tick is None else min(pause, self._tick)

    def snapshot(self) -> Any:
        return [self._tick, self._start, [pack_entry(e) for e in self._entries]]

    def restore(self, state: Any) -> None:
        self._tick, self._start, entries = state
        self._entries = [unpack_entry(e) for e in entries]
