"""Deadlines of the whole process in one heap, with one waiting task: windows, lingering batches, checkpoints, schedules."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

from plutino.spi import Clock


class Timer:
    """One thing that is due at a time; owned by who set it, armed again and again."""

    __slots__ = ("action", "due")

    def __init__(self, action: Callable[[int], None]) -> None:
        self.action = action
        self.due: int | None = None
        """Epoch ms, None while nothing is due."""


class Deadlines:
    """Calls ``timer.action(now)`` when a timer is due, from the event loop. Actions must not raise.

    Arming is cheap and leaves stale heap entries behind, which are skipped (an entry counts only while it equals its timer's ``due``).
    """

    __slots__ = ("_clock", "_heap", "_order", "_task", "_wake_at")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, int, Timer]] = []
        self._order = itertools.count()
        self._task: asyncio.Task[None] | None = None
        self._wake_at: int | None = None

    def arm(self, timer: Timer, due: int | None) -> None:
        """Call the timer's action at ``due`` (epoch ms) instead of when it was due before; None disarms it."""
        if due == timer.due:
            return
        timer.due = due
        if due is None:
            return
        heapq.heappush(self._heap, (due, next(self._order), timer))
        if self._wake_at is None or due < self._wake_at:
            self._wait_again()

    def fire(self, now: int) -> None:
        """Run everything that is due at ``now``, in order."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            due, _, timer = heapq.heappop(heap)
            if timer.due == due:
                timer.due = None
                timer.action(now)

    def close(self) -> None:
        """Forget all timers."""
        self._heap.clear()
        if self._task is not None:
            self._task.cancel()
        self._task, self._wake_at = None, None

    def _next_due(self) -> int | None:
        heap = self._heap
        while heap and heap[0][2].due != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def _wait_again(self) -> None:
        """Replace the waiting task: something is due earlier than what it waits for."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        self._wake_at = self._next_due()
        if self._wake_at is not None:
            self._task = asyncio.get_running_loop().create_task(self._wait(self._wake_at))

    async def _wait(self, due: int) -> None:
        next_due: int | None = due
        while next_due is not None:
            self._wake_at = next_due
            ahead = next_due - self._clock.now_ms()
            if ahead > 0:
                await self._clock.sleep(ahead / 1000)
            self._wake_at = 0  # what is armed while timers run is seen below, without another task
            self.fire(self._clock.now_ms())
            next_due = self._next_due()
        self._task, self._wake_at = None, None
