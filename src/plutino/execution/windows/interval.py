"""Interval joins: rows of two streams that lie close in time, without a window of the statement."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from plutino.execution.entry import Entry, pack_entry, unpack_entry
from plutino.execution.equality import KeyIndex
from plutino.execution.windows.operator import Fired

_time = attrgetter("time")


class IntervalWindow:
    """Gives each row together with the rows of the other stream that are at most ``distance`` ms away.

    Inner joins (``outer`` None) need no waiting: the later row of each pair brings it out. With an outer join the rows of source number
    ``outer`` wait until ``distance`` has passed, as only then it is known whether a partner comes; each is given out once, with all its
    partners.

    ``keys``: by source the value that the join's equality compares, where it demands one; a row then comes with those rows only that
    the equality may join with it.
    """

    def __init__(self, distance: int, outer: int | None, keys: Mapping[int, Callable[[Entry], Any]] | None = None) -> None:
        self._distance = distance
        self._outer = outer
        self._keys = keys
        self._entries: dict[int, list[Entry]] = {}
        self._indexes: dict[int, KeyIndex[Entry]] = {}
        self._waiting: deque[Entry] = deque()

    def start(self, now: int) -> None:
        """Nothing depends on when the rule begins."""

    def add(self, entry: Entry) -> list[Fired]:
        fired = self.advance(entry.time)
        self._forget(entry.time)
        if self._outer is None:
            partners = self._partners(entry)
            if partners:
                fired.append(self._fired(partners, entry, self._earliest(entry), entry.time))
        elif entry.source == self._outer:
            self._waiting.append(entry)
        self._keep(entry)
        return fired

    def _keep(self, entry: Entry) -> None:
        self._entries.setdefault(entry.source, []).append(entry)
        if self._keys is not None:
            if entry.source not in self._indexes:
                self._indexes[entry.source] = KeyIndex(self._keys[entry.source])
            self._indexes[entry.source].add(entry)

    def advance(self, now: int) -> list[Fired]:
        fired: list[Fired] = []
        # A row that comes when exactly so much time has passed is near enough still.
        while self._waiting and self._waiting[0].time + self._distance < now:
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
                near = entries if self._keys is None else self._indexes[source].candidates(self._keys[entry.source](entry))
                near = entries if near is None else near
                low = bisect_left(near, entry.time - self._distance, key=_time)
                high = bisect_right(near, entry.time + self._distance, key=_time)
                found += near[low:high]
        return found

    def _earliest(self, entry: Entry) -> int:
        """When the first row of the other stream came that is near enough, of whatever key; there is one."""
        others = next(entries for source, entries in self._entries.items() if source != entry.source)
        return others[bisect_left(others, entry.time - self._distance, key=_time)].time

    def _forget(self, now: int) -> None:
        """Drop rows that no later pair can hold, a block at a time."""
        oldest = (self._waiting[0].time if self._waiting else now) - self._distance
        for source, entries in self._entries.items():
            if not entries or entries[0].time >= oldest:
                continue
            gone = bisect_left(entries, oldest, key=_time)
            if gone > 64 or gone * 2 > len(entries):
                if self._keys is not None:
                    self._indexes[source].drop(entries[:gone])
                del entries[:gone]

    def deadline(self) -> int | None:
        return self._waiting[0].time + self._distance + 1 if self._waiting else None

    def snapshot(self) -> Any:
        entries = [pack_entry(e) for held in self._entries.values() for e in held]
        return [len(self._waiting), entries]

    def restore(self, state: Any) -> None:
        waiting, packed = state
        self._entries, self._indexes = {}, {}
        for each in packed:
            self._keep(unpack_entry(each))
        held = [] if self._outer is None else self._entries.get(self._outer, [])
        self._waiting = deque(held[len(held) - waiting :])
