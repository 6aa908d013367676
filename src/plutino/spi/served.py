"""Connections of connectors that serve paths of the data server themselves."""

from __future__ import annotations

import asyncio


class ServedPath:
    """A connection that is only the name of a path: there is nothing to keep open, and nothing that is lost."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def open(self) -> None:
        """Nothing to open: sources and sinks serve the path."""

    async def ping(self) -> None:
        """Always there."""

    async def wait_lost(self) -> str:
        """Never lost."""
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody fulfils this future")

    async def close(self) -> None:
        """Nothing to close."""
