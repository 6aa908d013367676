"""Ticks and the clock that stands still."""

from __future__ import annotations

import asyncio

from plutino.spi.clock import ticks
from plutino.testing import FakeClock


async def test_ticks_do_not_drift_and_leave_out_what_was_missed() -> None:
    """A reader that is busy for two and a half intervals gets the next tick on the grid."""
    clock = FakeClock(0)
    seen: list[int] = []

    async def read() -> None:
        async for now in ticks(clock, 100):
            seen.append(now)
            if len(seen) == 2:
                await clock.sleep(0.25)

    reading = asyncio.ensure_future(read())
    await clock.advance(1000)
    reading.cancel()
    assert seen[:4] == [0, 100, 400, 500]
    assert seen[-1] == 1000


async def test_sleepers_wake_in_order_and_see_their_time() -> None:
    """Also those who lie down again meanwhile."""
    clock = FakeClock(0)
    seen: list[tuple[str, int]] = []

    async def sleeper(name: str, seconds: float, times: int) -> None:
        for _ in range(times):
            await clock.sleep(seconds)
            seen.append((name, clock.now_ms()))

    tasks = [asyncio.ensure_future(sleeper("slow", 0.3, 1)), asyncio.ensure_future(sleeper("fast", 0.1, 4))]
    await clock.advance(350)
    assert seen == [("fast", 100), ("fast", 200), ("slow", 300), ("fast", 300)]
    assert clock.now_ms() == 350
    assert clock.sleeping == 1
    await clock.advance(100)
    await asyncio.gather(*tasks)
