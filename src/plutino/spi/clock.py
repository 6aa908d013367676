"""Time as an argument: nothing but a Clock tells the engine what time it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Protocol


class Clock(Protocol):
    """Wall time and waiting. Tests inject ``plutino.testing.FakeClock``."""

    def now_ms(self) -> int:
        """Epoch milliseconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; a cancelled wait raises ``asyncio.CancelledError``."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def ticks(clock: Clock, interval_ms: int) -> AsyncIterator[int]:
    """Now, then every ``interval_ms`` (more than 0) from now on, as epoch ms.

    Ticks do not drift; those that were missed because the reader was busy are left out.
    """
    due = clock.now_ms()
    while True:
        yield due
        now = clock.now_ms()
        due += max(1, -(-(now - due) // interval_ms)) * interval_ms
        await clock.sleep((due - now) / 1000)
