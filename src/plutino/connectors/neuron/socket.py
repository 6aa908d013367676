"""A socket of the kind *pair* of nanomsg (Scalability Protocols over TCP or a local socket), as the side that connects."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from plutino.connectors.neuron.options import PairOptions, check_protocol, check_url
from plutino.errors import TransportError
from plutino.spi import SourceContext
from plutino.spi.limits import limits
from plutino.spi.scalability import Protocol, framed, greet, next_message

HANDSHAKE_S = 5.0
EARLY = 128
"""Messages that wait for a source at most; the oldest are dropped."""

Receive = Callable[[bytes], None]


class PairSocket:
    """Messages in both directions with one peer. Opened again by the engine when it is lost."""

    def __init__(self, url: str) -> None:
        check_url(url)
        self._url = url
        self._local = urlsplit(url).scheme == "ipc"
        self._receivers: list[Receive] = []
        self._early: deque[bytes] = deque(maxlen=EARLY)
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[str] | None = None

    def subscribe(self, receive: Receive) -> None:
        """Hand each message to ``receive`` from now on, and those that came while nobody was there."""
        self._receivers.append(receive)
        while self._early:
            receive(self._early.popleft())

    def unsubscribe(self, receive: Receive) -> None:
        """Hand it none any longer."""
        if receive in self._receivers:
            self._receivers.remove(receive)

    async def open(self) -> None:
        """Connect; TransportError when nobody answers, or somebody who speaks otherwise."""
        await self.close()
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                reader, self._writer = await self._connected()
                await greet(reader, self._writer, Protocol.PAIR)
        except TimeoutError as error:
            await self.close()
            raise TransportError(f"neuron {self._url}: no answer within {HANDSHAKE_S:g} s") from error
        except (OSError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise TransportError(f"neuron {self._url}: {error}") from error
        except TransportError as error:
            await self.close()
            raise TransportError(f"neuron {self._url}: {error.message}") from error
        self._reading = asyncio.get_running_loop().create_task(self._read(reader))

    async def ping(self) -> None:
        """TransportError unless it is connected."""
        if self._reading is None or self._reading.done():
            raise TransportError(f"neuron {self._url}: nng connection is not established")

    async def wait_lost(self) -> str:
        """Why the connection was lost."""
        assert self._reading is not None
        return await asyncio.shield(self._reading)

    async def send(self, messages: Sequence[bytes]) -> None:
        """Send in order; TransportError when it is not connected."""
        await self.ping()
        assert self._writer is not None
        try:
            self._writer.write(b"".join(framed(message, local=self._local) for message in messages))
            await self._writer.drain()
        except OSError as error:
            raise TransportError(f"neuron {self._url}: {error}") from error

    async def close(self) -> None:
        """Disconnect."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self._url)
        if parts.scheme == "ipc":
            return await asyncio.open_unix_connection(parts.path)
        return await asyncio.open_connection(parts.hostname, parts.port)

    async def _read(self, reader: asyncio.StreamReader) -> str:
        """Hand on what comes, until the end; gives the reason of the end."""
        most = limits().body
        try:
            while True:
                message = await next_message(reader, local=self._local, most=most)
                if not self._receivers:
                    self._early.append(message)
                for receive in tuple(self._receivers):
                    receive(message)
        except (OSError, asyncio.IncompleteReadError) as error:
            return f"neuron {self._url}: connection closed ({error})"
        except TransportError as error:
            return f"neuron {self._url}: {error.message}"


def named(id: str, options: PairOptions, context: SourceContext) -> PairSocket:
    """A connection, with a name or shared by equal addresses."""
    check_protocol(options.protocol)
    return PairSocket(options.url)
