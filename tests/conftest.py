"""What every test shares: the hypothesis profile, and one broker and one server per session, started on first use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from e2e.harness import Broker, Server, empty

# A run on a loaded machine is slow, not wrong: no deadline per example.
settings.register_profile("plutino", deadline=None, max_examples=100, print_blob=True)
settings.load_profile("plutino")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real mosquitto on a free loopback port."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server for the whole session, in whatever state other tests have left it."""
    server = Server(tmp_path_factory.mktemp("server") / "data")
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(running_server: Server) -> Server:
    """The server of the session, without any definition."""
    if running_server.process is None or running_server.process.poll() is not None:
        running_server.start()
    empty(running_server)
    return running_server
