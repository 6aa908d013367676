"""WebSocket source: each message is one payload."""

from __future__ import annotations

from typing import Any

from plutino.connectors.websocket.options import WebSocketSourceOptions, check_session
from plutino.connectors.websocket.session import WebSocketSession
from plutino.errors import TransportError
from plutino.spi import Delivery, Inlet, SourceContext


class WebSocketSource:
    """Receives from the clients of a path, or from another server. The senders cannot wait: what a full engine drops is counted."""

    def __init__(self, options: WebSocketSourceOptions, datasource: str, context: SourceContext) -> None:
        self._path = datasource or options.session.endpoint
        check_session(options.session, self._path)
        self._options = options
        self._context = context

    async def run(self, inlet: Inlet, resume: Any) -> None:
        """Receive until cancelled, or until the connection is lost."""
        shared = self._context.connection()
        if shared is None:
            session = WebSocketSession(self._options.session, self._path, self._context.ingress, self._context.allow_file)
        else:
            assert isinstance(shared, WebSocketSession)
            session = shared

        def receive(payload: bytes) -> None:
            inlet.offer(Delivery(payloads=[payload]))

        session.subscribe(receive)
        try:
            if shared is None:
                await session.open()
            inlet.connected()
            raise TransportError(await session.wait_lost())
        finally:
            session.unsubscribe(receive)
            if shared is None:
                await session.close()
