"""Long work on the event loop, in slices."""

from __future__ import annotations

import asyncio
from time import perf_counter

from plutino.control.progress import Progress

SLICE_SECONDS = 0.003
_ROUNDS = 3
"""Turns of the event loop in a rest: a message is read in one, wakes its feed in the next, and is worked on in the third."""


class Pacer:
    """Tells a loop over many objects when it has worked long enough, so that running rules keep their latency.

    ``if pacer.due(): await pacer.rest()`` costs next to nothing while it is not due. With a ``progress``, ``rest`` ends the work once that
    is cancelled, so it is given only where nothing has changed yet.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress
        self._until = perf_counter() + SLICE_SECONDS

    def due(self) -> bool:
        """Whether the slice is used up."""
        return perf_counter() >= self._until

    async def rest(self) -> None:
        """Let everything else run; CancellationError when the work is cancelled."""
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        if self._progress is not None:
            self._progress.check()
        self._until = perf_counter() + SLICE_SECONDS
