"""Long work on the event loop, in slices."""

from __future__ import annotations

import asyncio
from time import perf_counter

SLICE_SECONDS = 0.004


class Pacer:
    """Tells a loop over many objects when it has worked long enough, so that running rules keep their latency.

    ``if pacer.due(): await pacer.rest()`` costs next to nothing while it is not due.
    """

    def __init__(self) -> None:
        self._until = perf_counter() + SLICE_SECONDS

    def due(self) -> bool:
        """Whether the slice is used up."""
        return perf_counter() >= self._until

    async def rest(self) -> None:
        """Let everything else run once."""
        await asyncio.sleep(0)
        self._until = perf_counter() + SLICE_SECONDS
