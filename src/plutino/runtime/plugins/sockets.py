"""Ends of connections with plugins: local sockets that the engine listens on, for this user only.

Requests and replies are used upside down: the plugin's first request is a ``handshake``; after that each command of the engine is a reply,
and each answer of the plugin the next request (rest reference §5.3).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable

from plutino.errors import PlutinoError, TransportError
from plutino.spi.limits import limits
from plutino.spi.scalability import Protocol, framed, greet, next_message, split_request

FOLDER = "/tmp"
"""Where sockets lie."""

GREETING_SECONDS = 5.0
HANDSHAKE = b"h"
"""How a request begins that is no answer."""

_CREDENTIALS = struct.Struct("3i")

Allowed = Callable[[int], bool]
"""Whether a process with this id may connect."""


def socket_path(name: str) -> str:
    """The file of a socket; PlutinoError for a name that the system cannot take."""
    path = f"{FOLDER}/{name}.ipc"
    if len(os.fsencode(path)) > 100:
        raise PlutinoError(f"socket {path}: {len(path)} characters; at most 100 are possible, so a shorter name is needed")
    return path


def bound(path: str) -> socket.socket:
    """A listening socket; PlutinoError when another server uses this one. What a server left behind that is gone is taken away."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        clear(path)
        before = os.umask(0o177)
        try:
            made.bind(path)
        finally:
            os.umask(before)
        made.listen(16)
        made.setblocking(False)
    except OSError as error:
        made.close()
        raise PlutinoError(f"socket {path}: {(error.strerror or str(error)).lower()}") from error
    except PlutinoError:
        made.close()
        raise
    return made


def clear(path: str) -> None:
    """Take away a socket that nobody listens on any more; PlutinoError when somebody does, or it is no socket."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise PlutinoError(f"socket {path}: another file has this name; take it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return
    raise PlutinoError(f"socket {path}: another server listens on it; one plugin of this name can run on a machine")


class Listener:
    """One socket file with the connections on it; ``take`` gets what comes, ``gone`` the end of a connection."""

    def __init__(
        self,
        name: str,
        protocol: Protocol,
        allowed: Allowed,
        take: Callable[[asyncio.StreamWriter, bytes], Awaitable[None]],
        gone: Callable[[asyncio.StreamWriter], None] = lambda _: None,
    ) -> None:
        self.path = socket_path(name)
        self._protocol = protocol
        self._allowed = allowed
        self._take = take
        self._gone = gone
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._open: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Listen; PlutinoError when the name is taken."""
        listening = bound(self.path)
        self._inode = os.stat(self.path).st_ino
        self._server = await asyncio.start_unix_server(self._serve, sock=listening)

    def close(self) -> None:
        """Hang up, and take the socket away, unless another server has its name by now."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for writer in tuple(self._open):
            writer.close()
        with contextlib.suppress(FileNotFoundError):
            if os.stat(self.path).st_ino == self._inode:
                os.unlink(self.path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self._allowed(peer_of(writer)):
                async with asyncio.timeout(GREETING_SECONDS):
                    await greet(reader, writer, self._protocol)
                while self._server is not None:
                    await self._take(writer, await next_message(reader, local=True, most=limits().body))
        except (OSError, asyncio.IncompleteReadError, TransportError, asyncio.CancelledError):
            pass  # whoever it was can connect again, and what a plugin does not answer shows with who asked; or the loop ends
        finally:
            self._open.discard(writer)
            self._gone(writer)
            writer.close()


def peer_of(writer: asyncio.StreamWriter) -> int:
    """The process at the other end, 0 where the system does not tell."""
    made = writer.get_extra_info("socket")
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return 0
    pid: int = _CREDENTIALS.unpack(made.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))[0]
    return pid


class CommandSocket:
    """Commands to a plugin, one at a time."""

    def __init__(self, name: str, allowed: Allowed) -> None:
        self._listener = Listener(name, Protocol.REPLY, allowed, self._take, self._gone)
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()
        self._request: tuple[asyncio.StreamWriter, bytes, bytes] | None = None
        """The request that waits for a reply: connection, number, text."""
        self._closed = True

    async def open(self) -> None:
        """Listen; PlutinoError when the name is taken."""
        await self._listener.open()
        self._closed = False

    def close(self) -> None:
        """Hang up; who waits for an answer gets a TransportError."""
        self._closed = True
        self._request = None
        self._news.set()
        self._listener.close()

    async def wait_ready(self) -> None:
        """Wait until a plugin waits for a command."""
        await self._next_request()

    async def command(self, data: bytes, timeout_s: float) -> bytes:
        """The answer to a command; TimeoutError when none comes in time, TransportError when it is closed before.

        After a handshake in the place of an answer the command is sent again.
        """
        async with asyncio.timeout(timeout_s), self._turn:
            request = await self._next_request()
            while True:
                writer, number, _ = request
                self._request = None
                writer.write(framed(number + data, local=True))
                request = await self._next_request()
                if not request[2].startswith(HANDSHAKE):
                    return request[2]

    async def _next_request(self) -> tuple[asyncio.StreamWriter, bytes, bytes]:
        while self._request is None:
            if self._closed:
                raise TransportError("the process has ended")
            self._news.clear()
            await self._news.wait()
        return self._request

    async def _take(self, writer: asyncio.StreamWriter, message: bytes) -> None:
        number, text = split_request(message)
        self._request = writer, number, text
        self._news.set()

    def _gone(self, writer: asyncio.StreamWriter) -> None:
        if self._request is not None and self._request[0] is writer:
            self._request = None
