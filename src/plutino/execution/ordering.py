"""Event-time order: rows wait until the watermark has passed them and leave sorted (sql reference §5.5)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from plutino.execution.entry import Entry, pack_entry, unpack_entry

_time = attrgetter("time")


class EventOrder:
    """The rows that wait for the watermark: the least, over all streams, of the greatest time seen less ``tolerance`` (ms).

    A stream without rows yet holds the watermark back. Rows older than the watermark are dropped, and counted. Rows of equal time keep
    their order of arrival. Rows are released when the watermark moves on, not by a row that leaves it where it was.
    """

    __slots__ = ("_greatest", "_streams", "_tolerance", "_waiting", "dropped", "watermark")

    def __init__(self, tolerance: int, streams: int = 1) -> None:
        self._tolerance = tolerance
        self._streams = streams
        self._greatest: dict[int, int] = {}
        self._waiting: list[Entry] = []
        self.dropped = 0
        self.watermark: int | None = None
        """Everything up to here has been released; None before every stream has had a row."""

    def take(self, stream: int, entries: Sequence[Entry]) -> list[Entry]:
        """Take rows of one stream; the result are the rows that the watermark releases, in order of time."""
        if len(entries) > 1 and self._streams == 1 and self._is_ordered(stream, entries):
            return self._take_ordered(stream, entries)
        released: list[Entry] = []
        for entry in entries:
            time = entry.time
            if self.watermark is not None and time < self.watermark:
                self.dropped += 1
                continue
            if self._waiting and self._waiting[-1].time > time:
                insort(self._waiting, entry, key=_time)
            else:
                self._waiting.append(entry)
            if self._advance(stream, time):
                released += self._release()
        return released

    def _is_ordered(self, stream: int, entries: Sequence[Entry]) -> bool:
        """Whether no row is older than the one before it, nor than all that have come."""
        before = self._greatest.get(stream, entries[0].time)
        for entry in entries:
            if entry.time < before:
                return False
            before = entry.time
        return True

    def _take_ordered(self, stream: int, entries: Sequence[Entry]) -> list[Entry]:
        """The same for rows of a single stream that come in order: only the first of those with the last time moves the watermark."""
        last = entries[-1].time
        moving = bisect_left(entries, last, key=_time) + 1
        self._waiting += entries[:moving]
        released = self._release() if self._advance(stream, last) else []
        self._waiting += entries[moving:]
        return released

    def _advance(self, stream: int, time: int) -> bool:
        """Whether the watermark moves on with a row of this time."""
        greatest = self._greatest
        if time <= greatest.get(stream, time - 1):
            return False
        greatest[stream] = time
        return self._settle()

    def _settle(self) -> bool:
        before = self.watermark
        if len(self._greatest) == self._streams:
            self.watermark = min(self._greatest.values()) - self._tolerance
        return self.watermark != before

    def _release(self) -> list[Entry]:
        mark, waiting = self.watermark, self._waiting
        if mark is None or not waiting or waiting[0].time > mark:
            return []
        if waiting[-1].time <= mark:
            self._waiting = []
            return waiting
        count = bisect_right(waiting, mark, key=_time)
        self._waiting = waiting[count:]
        return waiting[:count]

    def snapshot(self) -> Any:
        return [[[i, t] for i, t in self._greatest.items()], [pack_entry(e) for e in self._waiting]]

    def restore(self, state: Any) -> None:
        greatest, waiting = state
        self._greatest = dict(greatest)
        self._settle()
        self._waiting = [unpack_entry(e) for e in waiting]
