"""Time that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
import itertools

TURNS = 25
"""Turns of the event loop that follow each wake-up, so that what was woken gets to its next wait."""


class FakeClock:
    """A ``spi.Clock`` whose time is a number: ``now_ms`` never changes by itself, and ``sleep`` waits for ``advance``."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now = now_ms
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        """Epoch milliseconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until time has advanced that far; 0 or less lets others run once."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + max(1, round(seconds * 1000)), next(self._order), woken))
        await woken

    async def advance(self, ms: int) -> None:
        """Let ``ms`` pass: sleepers wake in order of their time (also those who lie down meanwhile), each before time goes on."""
        target = self._now + ms
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, woken = heapq.heappop(self._sleepers)
            if woken.done():
                continue
            self._now = max(self._now, due)
            woken.set_result(None)
            await self._settle()
        self._now = target
        await self._settle()

    def move(self, ms: int) -> None:
        """Change the time without waking anybody: for code that only asks what time it is."""
        self._now += ms

    @property
    def sleeping(self) -> int:
        """How many wait."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def _settle(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)
