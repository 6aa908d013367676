"""Event-time order: rows wait until the watermark has passed them and leave sorted (sql reference §5.5)."""

from __future__ import annotations

from bisect import bisect_right, insort
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

    __slots__ = ("_greatest", "_streams", "_tolerance", "_waiting", "dropped")

    def __init__(self, tolerance: int, streams: int = 1) -> None:
        self._tolerance = tolerance
        self._streams = streams
        self._greatest: dict[int, int] = {}
        self._waiting: list[Entry] = []
        self.dropped = 0

    @property
    def watermark(self) -> int | None:
        """Everything up to here has been released; None before every stream has had a row."""
        return min(self._greatest.values()) - self._tolerance if len(self._greatest) == self._streams else None

    def take(self, stream: int, entries: Sequence[Entry]) -> list[Entry]:
        """Take rows of one stream; the result are the rows that the watermark releases, in order of time."""
        released: list[Entry] = []
        for entry in entries:
            mark = self.watermark
            if mark is not None and entry.time < mark:
                self.dropped += 1
                continue
            insort(self._waiting, entry, key=_time)
            self._greatest[stream] = max(entry.time, self._greatest.get(stream, entry.time))
            if self.watermark != mark:
                released += self._release()
        return released

    def _release(self) -> list[Entry]:
        mark = self.watermark
        if mark is None:
            return []
        count = bisect_right(self._waiting, mark, key=_time)
        released, self._waiting = self._waiting[:count], self._waiting[count:]
        return released

    def snapshot(self) -> Any:
        return [[[i, t] for i, t in self._greatest.items()], [pack_entry(e) for e in self._waiting]]

    def restore(self, state: Any) -> None:
        greatest, waiting = state
        self._greatest = dict(greatest)
        self._waiting = [unpack_entry(e) for e in waiting]
