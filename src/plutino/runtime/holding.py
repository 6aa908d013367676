"""Batches of a sink: messages wait until enough are there, or until the first has waited long enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plutino.runtime.acks import Receipt
from plutino.runtime.backlog import Parcel
from plutino.runtime.deadlines import Timer
from plutino.runtime.facilities import Facilities
from plutino.runtime.transform import SinkPlan
from plutino.spi import Encoder


class Holding:
    """What one outlet holds back; ``send`` takes each batch as one message, ``failed`` the defect of a batch that time has sent."""

    __slots__ = ("_encoder", "_facilities", "_failed", "_held", "_plan", "_send", "_timer")

    def __init__(
        self,
        plan: SinkPlan,
        encoder: Encoder | None,
        facilities: Facilities,
        send: Callable[[list[Any], list[Any] | None, list[Receipt]], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._plan = plan
        self._encoder = encoder
        self._facilities = facilities
        self._send = send
        self._failed = failed
        self._held: Parcel | None = None
        self._timer: Timer | None = None

    @property
    def count(self) -> int:
        """Messages that wait for a batch to fill."""
        return 0 if self._held is None else len(self._held.items)

    def add(self, items: list[Any], properties: list[Any] | None, receipts: list[Receipt]) -> None:
        """Hold messages with the receipts of their delivery; what is a batch then is sent."""
        held = self._held
        if held is None:
            held = self._held = Parcel([], None if properties is None else [], [])
            self._arm()
        held.items += items
        if held.properties is not None and properties is not None:
            held.properties += properties
        held.receipts += receipts
        size = self._plan.options.batch_size
        while size and len(held.items) >= size:
            self._send_first(held, size)

    def when_sent(self, receipt: Receipt) -> None:
        """Hold a receipt until everything that waits now is sent."""
        if self._held is not None:
            receipt.hold()
            self._held.receipts.append(receipt)

    def flush(self) -> None:
        """Send what waits."""
        if self._held is not None:
            self._send_first(self._held, len(self._held.items))

    def close(self) -> None:
        """Send what waits; there will be no more."""
        self.flush()
        if self._timer is not None:
            self._facilities.deadlines.arm(self._timer, None)

    def _send_first(self, held: Parcel, count: int) -> None:
        """Send the first ``count`` held messages as one; the properties are those of its last row."""
        items, held.items = held.items[:count], held.items[count:]
        properties = None
        if held.properties is not None:
            properties, held.properties = [held.properties[count - 1]], held.properties[count:]
        receipts: list[Receipt] = []
        if not held.items:
            receipts, self._held = held.receipts, None
            if self._timer is not None:
                self._facilities.deadlines.arm(self._timer, None)
        self._send([self._plan.combine(self._encoder, items)], properties, receipts)

    def _arm(self) -> None:
        interval = self._plan.options.linger_interval
        if interval:
            if self._timer is None:
                self._timer = Timer(self._lingered)
            self._facilities.deadlines.arm(self._timer, self._facilities.clock.now_ms() + interval)

    def _lingered(self, now: int) -> None:
        flow = self._facilities.flow
        flow.lossy, flow.receipt, flow.now = True, None, now
        try:
            self.flush()
        except Exception as error:  # supervisor: a defect in one sink stops its rule, nothing else
            self._failed(error)
