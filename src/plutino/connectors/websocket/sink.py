"""WebSocket sink: each result is one message."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from plutino.connectors.websocket.options import WebSocketSinkOptions, check_session
from plutino.connectors.websocket.session import WebSocketSession
from plutino.spi import SinkContext


class WebSocketSink:
    """Sends to all clients of a path that are connected at the time, or to another server."""

    def __init__(self, options: WebSocketSinkOptions, context: SinkContext) -> None:
        self._path = options.session.endpoint
        check_session(options.session, self._path)
        self._options = options
        self._context = context
        self._session: WebSocketSession | None = None
        self._shared = False

    async def open(self) -> None:
        """Connect, unless the connection is a shared one."""
        shared = self._context.connection()
        if shared is not None:
            assert isinstance(shared, WebSocketSession)
            self._session, self._shared = shared, True
            await shared.ping()
            return
        if self._session is None:
            self._session = WebSocketSession(self._options.session, self._path, self._context.ingress, self._context.allow_file)
        await self._session.open()

    def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> Awaitable[None] | None:
        """Send all in order."""
        assert self._session is not None
        return self._session.send(items)

    async def close(self) -> None:
        """Disconnect, unless the connection is a shared one."""
        session, self._session = self._session, None
        if session is not None and not self._shared:
            await session.close()
