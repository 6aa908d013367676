"""Processes that one test has for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.harness import Server


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start a server with a data folder of its own: ``new_server("--option", ...)``; to be killed and restarted at will."""
    started: list[Server] = []

    def start(*options: str) -> Server:
        server = Server(tmp_path / f"data{len(started)}", *options)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()
