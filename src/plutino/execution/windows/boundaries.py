"""Windows that close at boundaries of the clock: tumbling and hopping."""

from __future__ import annotations

from typing import Any

from plutino.execution.alignment import first_boundary
from plutino.execution.entry import Entry, pack_entry, unpack_entry
from plutino.execution.windows.operator import Fired


class BoundaryWindow:
    """Every ``hop`` ms the rows of the last ``length`` ms: [T - length, T). Tumbling windows have a hop of their length.

    In processing time missed boundaries (the clock jumped) give one window; in event time there is one per step, also across gaps. A
    hopping window starts one length before its end; the first start of a tumbling window is the start of the rule or the first row.
    """

    def __init__(self, unit: str, step: int, length: int, hop: int, *, event_time: bool, hopping: bool = False) -> None:
        self._unit = unit
        self._step = step
        self._length = length
        self._hop = hop
        self._event_time = event_time
        self._hopping = hopping
        self._boundary: int | None = None
        self._previous = 0
        self._entries: list[Entry] = []

    def start(self, now: int) -> None:
        self._previous = now
        self._boundary = first_boundary(self._unit, self._step, now)

    def add(self, entry: Entry) -> list[Fired]:
        if self._boundary is None:
            self.start(entry.time)
        fired = self.advance(entry.time)
        self._entries.append(entry)
        return fired

    def advance(self, now: int) -> list[Fired]:
        fired: list[Fired] = []
        while self._boundary is not None and now >= self._boundary:
            fired.append(self._fire(self._boundary))
            behind = now - self._boundary
            if not self._event_time and behind >= 0:
                self._boundary += (behind // self._hop + 1) * self._hop
        return fired

    def _fire(self, boundary: int) -> Fired:
        tumbling = not self._hopping
        low = boundary - self._length
        inside = [e for e in self._entries if e.time < boundary and (tumbling or e.time >= low)]
        keep_from = boundary if tumbling else boundary + self._hop - self._length
        self._entries = [e for e in self._entries if e.time >= keep_from]
        start = self._previous if tumbling else low
        self._previous, self._boundary = boundary, boundary + self._hop
        return Fired(inside, start, boundary, boundary)

    def deadline(self) -> int | None:
        return self._boundary

    def snapshot(self) -> Any:
        return [self._boundary, self._previous, [pack_entry(e) for e in self._entries]]

    def restore(self, state: Any) -> None:
        self._boundary, self._previous, entries = state
        self._entries = [unpack_entry(e) for e in entries]
