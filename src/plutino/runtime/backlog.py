"""Messages that wait for a sink: the parcels, and the bounded buffer in front of an outlet's sink.

The cache of ``enableCache`` is this buffer, in memory: it does not survive a restart of the process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from plutino.runtime.acks import Receipt

MERGE = 1024
"""Waiting messages that are handed to the sink with one write."""


class Parcel(Struct, gc=False):
    """Messages that wait, with their properties and the deliveries that they belong to."""

    items: list[Any]
    properties: list[Any] | None
    receipts: list[Receipt]

    def release(self) -> None:
        """The messages are sent, or dropped for good: their deliveries need not wait for them."""
        receipts: list[Receipt] = self.receipts
        self.receipts = []
        for receipt in receipts:
            receipt.release()

    def keep(self, start: int, end: int) -> None:
        """Forget all messages but those from ``start`` to before ``end``."""
        self.items = self.items[start:end]
        self.properties = self.properties[start:end] if self.properties is not None else None


class Backlog:
    """Parcels in the order in which they are to be sent.

    ``count`` messages wait, ``limit`` may; ``crowded(full)`` is called when that many do, and when half of them are gone.
    """

    __slots__ = ("_crowded", "_limit", "_parcels", "count", "full")

    def __init__(self, limit: int, crowded: Callable[[bool], None]) -> None:
        self.count = 0
        self.full = False
        self._limit = limit
        self._crowded = crowded
        self._parcels: deque[Parcel] | None = None

    @property
    def room(self) -> int:
        """Messages that still fit."""
        return max(self._limit - self.count, 0)

    @property
    def last(self) -> Parcel | None:
        """What will be sent last."""
        return self._parcels[-1] if self._parcels else None

    def add(self, parcel: Parcel) -> None:
        """Send this after all others."""
        if self._parcels is None:
            self._parcels = deque()
        self._parcels.append(parcel)
        self._change(len(parcel.items))

    def put_back(self, parcel: Parcel) -> None:
        """Send this before all others, as it was taken out and not sent."""
        if self._parcels is None:
            self._parcels = deque()
        self._parcels.appendleft(parcel)
        self._change(len(parcel.items))

    def collect(self) -> Parcel | None:
        """The next messages to send together, None when nothing waits."""
        parcels = self._parcels
        if not parcels:
            self._parcels = None
            return None
        parcel = parcels.popleft()
        while parcels and len(parcel.items) < MERGE:
            following = parcels.popleft()
            parcel.items = parcel.items + following.items
            if parcel.properties is not None and following.properties is not None:
                parcel.properties = parcel.properties + following.properties
            parcel.receipts += following.receipts
        self._change(-len(parcel.items))
        return parcel

    def clear(self) -> list[Parcel]:
        """Everything that waits, which is here no more."""
        left = list(self._parcels or ())
        self._parcels = None
        self._change(-self.count)
        return left

    def _change(self, difference: int) -> None:
        self.count += difference
        if not self.full and self.count >= self._limit:
            self.full = True
            self._crowded(True)
        elif self.full and self.count <= self._limit // 2:
            self.full = False
            self._crowded(False)
