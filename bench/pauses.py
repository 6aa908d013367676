"""How long running rules wait while something else goes on in the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

TICK_S = 0.001


class Pauses:
    """Delays of what wanted to run each millisecond, in seconds."""

    def __init__(self) -> None:
        self.delays: list[float] = []

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = perf_counter() + TICK_S
            await asyncio.sleep(TICK_S)
            self.delays.append(max(0.0, perf_counter() - due))

    def share(self, share: float) -> float:
        """The delay that this share of ticks stays under."""
        return sorted(self.delays)[min(len(self.delays) - 1, int(len(self.delays) * share))]


@asynccontextmanager
async def pauses() -> AsyncIterator[Pauses]:
    """Measure while the block runs."""
    found = Pauses()
    task = asyncio.create_task(found.run())
    try:
        yield found
        await asyncio.sleep(2 * TICK_S)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
