"""Event-time order: rows wait until the watermark has passed them and leave sorted (sql reference §5.5)."""

from __future__ import annotations

from bisect import insort
from typing import Any

import msgspec

from plutino.execution.state import pack_row, unpack_row
from plutino.model import Batch


class EventOrder:
    """The rows of one stream that wait for the watermark: the greatest time seen less ``tolerance`` (ms).

    Rows older than the watermark are dropped. Rows of equal time keep their order of arrival.
    """

    __slots__ = ("_arrivals", "_greatest", "_tolerance", "_waiting", "dropped")

    def __init__(self, tolerance: int) -> None:
        self._tolerance = tolerance
        self._greatest: int | None = None
        self._arrivals = 0
        self._waiting: list[tuple[int, int, Any, Any, Any]] = []
        self.dropped = 0

    @property
    def watermark(self) -> int | None:
        """Everything up to here has been released; None before the first row."""
        return None if self._greatest is None else self._greatest - self._tolerance

    def push(self, batch: Batch) -> Batch | None:
        """Take rows with their ``times``; the result holds what the watermark releases, in order of time."""
        times = batch.times or [batch.arrival] * len(batch.rows)
        for i, (time, row) in enumerate(zip(times, batch.rows, strict=True)):
            mark = self.watermark
            if mark is not None and time < mark:
                self.dropped += 1
                continue
            whole = batch.record(i) if batch.whole is not None or batch.records is not None else None
            insort(self._waiting, (time, self._arrivals, row, dict(batch.meta_of(i)), whole), key=_position)
            self._arrivals += 1
            if self._greatest is None or time > self._greatest:
                self._greatest = time
        return self._release(batch)

    def _release(self, batch: Batch) -> Batch | None:
        mark = self.watermark
        count = 0
        for entry in self._waiting:
            if mark is None or entry[0] > mark:
                break
            count += 1
        released, self._waiting = self._waiting[:count], self._waiting[count:]
        if not released and not batch.errors:
            return None
        wholes = [entry[4] for entry in released]
        return Batch(
            [entry[2] for entry in released],
            records=wholes if batch.whole is not None or batch.records is not None else None,
            arrival=batch.arrival,
            times=[entry[0] for entry in released],
            meta=[entry[3] for entry in released],
            guarded=batch.guarded,
            errors=batch.errors,
        )

    def snapshot(self) -> bytes:
        waiting = [(time, pack_row(row), meta, whole) for time, _, row, meta, whole in self._waiting]
        return msgspec.msgpack.encode((self._greatest, waiting))

    def restore(self, state: bytes) -> None:
        self._greatest, waiting = msgspec.msgpack.decode(state)
        self._waiting = [(time, i, unpack_row(row), meta, whole) for i, (time, row, meta, whole) in enumerate(waiting)]
        self._arrivals = len(self._waiting)


def _position(entry: tuple[int, int, Any, Any, Any]) -> tuple[int, int]:
    return entry[0], entry[1]
