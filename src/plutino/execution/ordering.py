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

    With ``idle`` (ms, by the clock) a stream that has had no row for so long is waited for no more. When none is left, event time goes on
    with the clock, from the greatest time seen, until the next row comes.
    """

    __slots__ = ("_greatest", "_idle", "_now", "_seen", "_started", "_streams", "_tolerance", "_waiting", "dropped", "watermark")

    def __init__(self, tolerance: int, streams: Sequence[int] = (0,), idle: int = 0) -> None:
        self._tolerance = tolerance
        self._streams = streams
        self._idle = idle
        self._greatest: dict[int, int] = {}
        self._waiting: list[Entry] = []
        self._started = 0
        self._seen: dict[int, int] = {}
        """When the latest row of a stream came."""
        self._now = 0
        """The clock when it was looked at last."""
        self.dropped = 0
        self.watermark: int | None = None
        """Everything up to here has been released; None before every stream has had a row."""

    def begin(self, now: int) -> None:
        """Rows are waited for from now on."""
        self._started = self._now = now

    def take(self, stream: int, entries: Sequence[Entry], arrival: int) -> list[Entry]:
        """Take rows of one stream that came at ``arrival``; the result are the rows that the watermark releases, in order of time."""
        if entries:
            self._seen[stream], self._now = arrival, arrival
        if len(entries) > 1 and len(self._streams) == 1 and not self._idle and self._is_ordered(stream, entries):
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

    def elapse(self, now: int) -> list[Entry] | None:
        """The rows that leave because nothing has come for a while; None where the watermark stays where it is."""
        if not self._idle:
            return None
        self._now = max(self._now, now)
        return self._release() if self._settle() else None

    def deadline(self, wanted: int | None) -> int | None:
        """When ``elapse`` must be asked next, where event time ``wanted`` is waited for; None when the clock changes nothing."""
        if not self._idle or not self._greatest:
            return None
        if self._waiting:
            wanted = self._waiting[0].time if wanted is None else min(wanted, self._waiting[0].time)
        if wanted is None:
            return None
        ends = [self._last(stream) + self._idle for stream in self._streams]
        awake = [end for end in ends if end > self._now]
        if awake:
            return min(awake)
        return max(wanted + self._tolerance - max(self._greatest.values()) + max(ends), self._now + 1)

    def _last(self, stream: int) -> int:
        return self._seen.get(stream, self._started)

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
        """Bring the watermark up to date: whether it has moved on."""
        before, mark = self.watermark, self._mark()
        if mark is None or (before is not None and mark <= before):
            return False
        self.watermark = mark
        return True

    def _mark(self) -> int | None:
        """How far event time has come."""
        greatest, awake, past = self._greatest, self._streams, 0
        if self._idle and greatest:
            awake = [stream for stream in awake if self._now - self._last(stream) < self._idle]
            if not awake:
                past = self._now - self._idle - max(map(self._last, self._streams))
                return max(greatest.values()) - self._tolerance + past
        if any(stream not in greatest for stream in awake):
            return None
        return min(greatest[stream] for stream in awake) - self._tolerance

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

    def counts(self, arrived: int) -> list[int]:
        """Of the operator: rows in, out and failed, and how many came too late; ``arrived`` have left it."""
        return [arrived + len(self._waiting) + self.dropped, arrived, 0, self.dropped]

    def snapshot(self) -> Any:
        return [list(self._greatest.items()), [pack_entry(e) for e in self._waiting], self.watermark]

    def restore(self, state: Any) -> None:
        greatest, waiting, self.watermark = state
        self._greatest = dict(greatest)
        self._waiting = [unpack_entry(e) for e in waiting]
