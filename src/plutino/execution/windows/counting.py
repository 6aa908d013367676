"""Count windows: the last ``length`` rows, every ``every`` rows."""

from __future__ import annotations

from typing import Any

from plutino.execution.entry import Entry, pack_entry, unpack_entry
from plutino.execution.windows.operator import Fired


class CountWindow:
    """Every ``every`` rows, once ``length`` are held, the latest ``length`` of them.

    Start is the time of the first row, end that of the last.
    """

    def __init__(self, length: int, every: int) -> None:
        self._length = length
        self._every = every
        self._since = 0
        self._entries: list[Entry] = []

    def start(self, now: int) -> None:
        """Nothing depends on when the rule begins."""

    def add(self, entry: Entry) -> list[Fired]:
        self._entries.append(entry)
        self._since += 1
        if self._since < self._every:
            return []
        self._since = 0
        if len(self._entries) < self._length:
            return []
        inside = self._entries[-self._length :]
        self._entries = self._entries[len(self._entries) - self._length + 1 :] if self._every < self._length else []
        return [Fired(inside, inside[0].time, entry.time, entry.time)]

    def advance(self, now: int) -> list[Fired]:
        return []

    def deadline(self) -> int | None:
        return None

    def snapshot(self) -> Any:
        return [self._since, [pack_entry(e) for e in self._entries]]

    def restore(self, state: Any) -> None:
        self._since, entries = state
        self._entries = [unpack_entry(e) for e in entries]
