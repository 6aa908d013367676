"""WebSocket clients of the data server: who is on which path, and the protocol that speaks with each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from plutino.errors import NotFoundError, PlutinoError
from plutino.rest.frames import Closing, FrameError, FrameReader, Message, Opcode, accept_key, close_frame, data_frame, frame

PENDING_LIMIT = 8 * 1024 * 1024
"""Bytes that wait for a client at most; one that does not keep up is disconnected."""

SILENCE_S = 30.0
"""A client that says nothing for so long is asked whether it is there, and disconnected after as long again."""

HEAD_LIMIT = 64 * 1024
VERSION = "13"

Receive = Callable[[bytes], None]


class Client(Protocol):
    """One connected client."""

    def send(self, frames: bytes) -> None: ...

    def end(self, closing: Closing) -> None: ...


class Room:
    """What serves one path, and who is connected to it."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.clients: set[Client] = set()

    def received(self, payload: bytes) -> None:
        """Every source on the path gets every message."""
        for member in tuple(self.members):
            if member.receive is not None:
                member.receive(payload)


class Member:
    """A source or sink in a room; implements ``spi.SocketRoom``."""

    def __init__(self, rooms: Rooms, path: str, receive: Receive | None) -> None:
        self._rooms = rooms
        self._path = path
        self._room = rooms.at(path)
        self._room.members.append(self)
        self.receive = receive

    def send(self, messages: Sequence[bytes]) -> None:
        """Send to every client that is connected now."""
        if self._room.clients:
            frames = b"".join(map(data_frame, messages))
            for client in tuple(self._room.clients):
                client.send(frames)

    def leave(self) -> None:
        """Receive no more; with the last member the clients go."""
        if self in self._room.members:
            self._room.members.remove(self)
            if not self._room.members:
                self._rooms.close(self._path)


class Rooms:
    """All paths that WebSocket clients may connect to. ``check`` refuses requests by their headers, ``limit`` is bytes of a message."""

    def __init__(self, check: Callable[[Mapping[str, str]], None], limit: int) -> None:
        self._rooms: dict[str, Room] = {}
        self._check = check
        self.limit = limit

    def at(self, path: str) -> Room:
        """The room of a path, made when it is new."""
        return self._rooms.setdefault(path, Room())

    def enter(self, path: str, headers: Mapping[str, str], client: Client) -> Room:
        """Let a client in; AccessError or NotFoundError when it may not."""
        self._check(headers)
        room = self._rooms.get(path)
        if room is None:
            raise NotFoundError("404 page not found")
        room.clients.add(client)
        return room

    def close(self, path: str) -> None:
        """Serve a path no longer."""
        room = self._rooms.pop(path, None)
        for client in tuple(room.clients) if room is not None else ():
            client.end(Closing.GOING_AWAY)


class SocketProtocol(asyncio.Protocol):
    """A connection that asked to become a WebSocket. Made by the HTTP server, which replays the request's head."""

    def __init__(self, rooms: Rooms, config: Any, server_state: Any, app_state: Any = None) -> None:
        self._rooms = rooms
        self._connections: set[Any] = server_state.connections
        self._head = bytearray()
        self._room: Room | None = None
        self._reader = FrameReader(rooms.limit)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._asked = False
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # what uvloop has is one without being derived from it
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._asked = False
        if self._room is None:
            self._head += data
            head, end, rest = bytes(self._head).partition(b"\r\n\r\n")
            if not end:
                if len(self._head) > HEAD_LIMIT:
                    self._refuse(400, "request head is too large")
                return
            self._open(head)
            data = rest
        if data and self._room is not None:
            self._read(self._room, data)

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self._room is not None:
            self._room.clients.discard(self)
        self._connections.discard(self)

    def shutdown(self) -> None:
        """The server stops."""
        self.end(Closing.GOING_AWAY)

    def send(self, frames: bytes) -> None:
        """Write what is framed already."""
        transport = self._transport
        if self._ended or transport is None:
            return
        if transport.get_write_buffer_size() + len(frames) > PENDING_LIMIT:
            self._ended = True
            transport.abort()
            return
        transport.write(frames)

    def end(self, closing: Closing) -> None:
        """Say why, and disconnect."""
        if not self._ended and self._transport is not None:
            self._ended = True
            self._transport.write(close_frame(closing))
            self._transport.close()

    def _open(self, head: bytes) -> None:
        request, *lines = head.decode("latin-1").split("\r\n")
        target = request.split(" ")[1]
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        key = headers.get("sec-websocket-key", "")
        if not request.startswith("GET ") or not key or headers.get("sec-websocket-version") != VERSION:
            self._refuse(400, f"a GET request with Sec-WebSocket-Key and Sec-WebSocket-Version: {VERSION} is expected")
            return
        try:
            self._room = self._rooms.enter(target.partition("?")[0], headers, self)
        except PlutinoError as error:
            self._refuse(error.status, error.message)
            return
        assert self._transport is not None
        answer = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_key(key)}"
        self._transport.write(answer.encode() + b"\r\n\r\n")
        self._watch()

    def _read(self, room: Room, data: bytes) -> None:
        try:
            messages = self._reader.feed(data)
        except FrameError as error:
            self.end(error.closing)
            return
        for message in messages:
            if self._ended:
                return
            self._take(room, message)

    def _take(self, room: Room, message: Message) -> None:
        match message.opcode:
            case Opcode.TEXT | Opcode.BINARY:
                room.received(message.payload)
            case Opcode.PING:
                self.send(frame(Opcode.PONG, message.payload))
            case Opcode.CLOSE:
                self.end(Closing.NORMAL)
            case _:
                """A pong: that the client spoke was noted."""

    def _watch(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(SILENCE_S, self._look)

    def _look(self) -> None:
        if self._ended:
            return
        if self._asked:
            self.end(Closing.GOING_AWAY)
            return
        self._asked = True
        self.send(frame(Opcode.PING, b""))
        self._watch()

    def _refuse(self, status: int, text: str) -> None:
        assert self._transport is not None
        self._ended = True
        body = text.encode() + b"\n"
        lines = (
            f"HTTP/1.1 {status} Refused",
            "content-type: text/plain; charset=utf-8",
            f"content-length: {len(body)}",
            "connection: close",
        )
        self._transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        self._transport.close()
