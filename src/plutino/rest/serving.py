"""HTTP servers on the running event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

import uvicorn

from plutino.errors import PlutinoError
from plutino.rest.exchange import Application
from plutino.rest.sockets import Rooms, SocketProtocol

KEEP_ALIVE_S = 60
GRACE_S = 3
"""How long requests under way may take when the server stops."""


class HttpServer:
    """One ASGI application on one address. Bound by the constructor, so that a port in use is found before anything else is started."""

    def __init__(
        self,
        app: Application,
        host: str,
        port: int,
        purpose: str,
        *,
        rooms: Rooms | None = None,
        before_stop: Callable[[], None] = lambda: None,
    ) -> None:
        """PlutinoError when the address cannot be had; port 0 takes a free one. ``purpose`` names the server in messages; ``rooms``
        are what WebSocket clients find; ``before_stop`` is called before requests under way are waited for."""
        self._before_stop = before_stop
        self._socket = _bound(host, port, purpose)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none" if rooms is None else cast(type[asyncio.Protocol], partial(SocketProtocol, rooms)),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Accept requests from now on."""
        self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets=[self._socket]))
        ready = asyncio.get_running_loop().create_task(self._server.ready.wait())
        await asyncio.wait((self._task, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Take no more requests, finish those under way; does nothing when not started."""
        if self._task is None:
            self._socket.close()
            return
        self._before_stop()
        self._server.should_exit = True
        await self._task
        self._task = None


class _Server(uvicorn.Server):
    """Leaves signals to the process and tells when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _bound(host: str, port: int, purpose: str) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise PlutinoError(f"{purpose}: host {host}; an address of this machine is expected ({error.strerror})") from None
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        reason = (error.strerror or str(error)).lower()
        raise PlutinoError(f"{purpose}: cannot listen on {host}:{port}, {reason}; choose another port, or stop what uses it") from None
    return bound
