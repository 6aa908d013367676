"""Interval joins: rows of two streams that lie close in time, without a window of the statement."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from operator import attrgetter
from typing import Any

from plutino.execution.entry import Entry, pack_entry, unpack_entry
from plutino.execution.windows.operator import Fired

_time = attrgetter("time")


class IntervalWindow:
    """Gives each row together with the rows of the other stream that are at most ``distance`` ms away.

    Inner joins (``outer`` None) need no waiting: the later row of each pair brings it out. With an outer join the rows of source number
    ``outer`` wait until ``distance`` has passed, as only then it is known whether a partner comes; each is given out once, with all its
    partners.
    """

    def __init__(self, distance: int, outer: int | None) -> None:
        self._distance = distance
        self._outer = outer
        self._entries: dict[int, list[Entry]] = {}
        self._waiting: deque[Entry] = deque()

    def start(self, now: int) -> None:
        """Nothing depends on when the rule begins."""

    def add(self, entry: Entry) -> list[Fired]:
        fired = self.advance(entry.time - 1)
        self._forget(entry.time)
        if self._outer is None:
            partners = self._partners(entry)
            if partners:
                fired.append(self._fired(partners, entry, partners[0].time, entry.time))
        elif entry.source == self._outer:
            self._waiting.append(entry)
        self._entries.setdefault(entry.source, []).append(entry)
        return fired

    def advance(self, now: int) -> list[Fired]:
        fired: list[Fired] = []
        while self._waiting and self._waiting[0].time + self._distance <= now:
            entry = self._waiting.popleft()
            fired.append(self._fired(self._partners(entry), entry, entry.time - self._distance, entry.time + self._distance))
        return fired

    @staticmethod
    def _fired(partners: list[Entry], entry: Entry, start: int, end: int) -> Fired:
        return Fired([*partners, entry], start, end, entry.time)

    def _partners(self, entry: Entry) -> list[Entry]:
        found: list[Entry] = []
        for source, entries in self._entries.items():
            if source != entry.source:
                low = bisect_left(entries, entry.time - self._distance, key=_time)
                high = bisect_right(entries, entry.time + self._distance, key=_time)
                found += entries[low:high]
        return found

    def _forget(self, now: int) -> None:
        """Drop rows that no later pair can hold, a block at a time."""
        oldest = (self._waiting[0].time if self._waiting else now) - self._distance
        for entries in self._entries.values():
            gone = bisect_left(entries, oldest, key=_time)
            if gone > 64 or gone * 2 > len(entries):
                del entries[:gone]

    def deadline(self) -> int | None:
        return self._waiting[0].time + self._distance if self._waiting else None

    def snapshot(self) -> Any:
        entries = [pack_entry(e) for held in self._entries.values() for e in held]
        return [len(self._waiting), entries]

    def restore(self, state: Any) -> None:
        waiting, packed = state
        self._entries = {}
        for each in packed:
            entry = unpack_entry(each)
            self._entries.setdefault(entry.source, []).append(entry)
        held = [] if self._outer is None else self._entries.get(self._outer, [])
        self._waiting = deque(held[len(held) - waiting :])
