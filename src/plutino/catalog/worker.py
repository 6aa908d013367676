"""One thread for blocking work, and awaiting that is not interrupted half-way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """A thread that does one job after the other, in order of the calls."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, job: Callable[[], T]) -> T:
        """The result of ``job``, which once started is awaited to its end even when the caller is cancelled."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, job)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if not future.cancel():
                await asyncio.wait((future,))
            raise

    def close(self) -> None:
        """End the thread when its jobs are done."""
        self._executor.shutdown(wait=True)


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end; a cancellation of the caller takes effect afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
    result = task.result()
    if cancelled is not None:
        raise cancelled
    return result
