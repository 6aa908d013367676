"""Both ways to be connected: serving a path of the data server, and being the client of another server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from plutino.connectors.websocket.options import SessionOptions, check_session
from plutino.errors import TransportError
from plutino.model.text import is_utf8
from plutino.spi import HttpIngress, SocketRoom, SourceContext
from plutino.spi.limits import limits
from plutino.spi.options import ssl_context

if TYPE_CHECKING:
    import aiohttp

HANDSHAKE_S = 3.0
HEARTBEAT_S = 30.0
"""Another server that does not answer for so long is gone."""

Receive = Callable[[bytes], None]


class WebSocketSession:
    """One path, served or called. Sources subscribe, sinks send; a connection that is lost is opened again by the engine."""

    def __init__(self, options: SessionOptions, path: str, ingress: HttpIngress, allow_file: Callable[[str], str]) -> None:
        self._options = options
        self._path = path
        self._ingress = ingress
        self._allow_file = allow_file
        self._receivers: list[Receive] = []
        self._room: SocketRoom | None = None
        self._client: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[str] | None = None

    @property
    def address(self) -> str:
        """Where it is connected to."""
        return f"{self._options.scheme}://{self._options.addr}{self._path}" if self._options.addr else self._path

    def subscribe(self, receive: Receive) -> None:
        """Hand each message to ``receive`` from now on."""
        self._receivers.append(receive)

    def unsubscribe(self, receive: Receive) -> None:
        """Hand it none any longer."""
        if receive in self._receivers:
            self._receivers.remove(receive)

    async def open(self) -> None:
        """Serve the path, or connect; TransportError when the other server does not let us in."""
        if not self._options.addr:
            if self._room is None:
                self._room = self._ingress.sockets(self._path, self._received)
            return
        await self.close()
        import aiohttp

        tls = ssl_context(self._options.tls, self._allow_file) if self._options.scheme == "wss" else True
        headers = [(name, value) for name, values in self._options.request_header.items() for value in values]
        self._client = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                self._socket = await self._client.ws_connect(
                    self.address, headers=headers, ssl=tls, heartbeat=HEARTBEAT_S, max_msg_size=limits().body
                )
        except TimeoutError as error:
            await self.close()
            raise TransportError(f"websocket {self.address}: no answer within {HANDSHAKE_S:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            await self.close()
            raise TransportError(f"websocket {self.address}: {error}") from error
        self._reading = asyncio.get_running_loop().create_task(self._read(self._socket))

    async def ping(self) -> None:
        """TransportError unless the connection stands; a served path always does."""
        if self._options.addr and (self._socket is None or self._socket.closed):
            raise TransportError(f"websocket {self.address} is not connected")

    async def wait_lost(self) -> str:
        """Why the connection to the other server was lost; a served path is never lost."""
        if self._reading is None:
            await asyncio.get_running_loop().create_future()
            raise AssertionError("nobody fulfils this future")
        return await asyncio.shield(self._reading)

    async def send(self, messages: Sequence[bytes]) -> None:
        """To everybody who is connected, or to the other server; TransportError when that is not there."""
        if self._room is not None:
            self._room.send(messages)
            return
        await self.ping()
        assert self._socket is not None
        sent = 0
        try:
            for message in messages:
                if is_utf8(message):
                    await self._socket.send_str(message.decode())
                else:
                    await self._socket.send_bytes(message)
                sent += 1
        except (ConnectionError, RuntimeError) as error:
            raise TransportError(f"websocket {self.address}: {error}", delivered=sent) from error

    async def close(self) -> None:
        """Serve the path no longer, or disconnect."""
        room, self._room = self._room, None
        if room is not None:
            room.leave()
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        client, self._client, self._socket = self._client, None, None
        if client is not None:
            await client.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> str:
        """Hand on what comes, until the end; gives the reason of the end."""
        import aiohttp

        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._received(message.data.encode())
            elif message.type is aiohttp.WSMsgType.BINARY:
                self._received(message.data)
        fault = socket.exception()
        return f"websocket {self.address}: closed with code {socket.close_code}" + (f", {fault}" if fault else "")

    def _received(self, payload: bytes) -> None:
        for receive in tuple(self._receivers):
            receive(payload)


def named(id: str, options: SessionOptions, context: SourceContext) -> WebSocketSession:
    """A connection with a name."""
    check_session(options, options.endpoint)
    return WebSocketSession(options, options.endpoint, context.ingress, context.allow_file)
