"""WebSocket clients of the data server, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace

from plutino.errors import AccessError
from plutino.rest.frames import Closing, Opcode, close_frame, data_frame, frame, masked
from plutino.rest.sockets import PENDING_LIMIT, Member, Rooms, SocketProtocol

MASK = b"abcd"


class FakeTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.waiting = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        """What was written since the last time."""
        found, self.written = self.written, b""
        return found


def _check(headers: Mapping[str, str]) -> None:
    if headers.get("origin") == "http://evil.example":
        raise AccessError("origin http://evil.example is not allowed", status=403)


def _sent(opcode: Opcode, payload: bytes) -> bytes:
    own = frame(opcode, payload)
    return bytes((own[0], own[1] | 0x80)) + MASK + masked(payload, MASK)


def _connect(rooms: Rooms, path: str = "/a", *lines: str, version: str = "13") -> tuple[SocketProtocol, FakeTransport]:
    protocol = SocketProtocol(rooms, None, SimpleNamespace(connections=set()))
    transport = FakeTransport()
    protocol.connection_made(transport)
    head = (f"GET {path} HTTP/1.1", "Host: localhost", f"Sec-WebSocket-Version: {version}", "Sec-WebSocket-Key: abc", *lines)
    protocol.data_received("\r\n".join(head).encode() + b"\r\n\r\n")
    return protocol, transport


async def test_messages_go_to_every_source_and_to_every_client_of_a_path() -> None:
    """And nowhere else."""
    rooms = Rooms(_check, 1000)
    first: list[bytes] = []
    second: list[bytes] = []
    other: list[bytes] = []
    source = Member(rooms, "/a", first.append)
    Member(rooms, "/a", second.append)
    Member(rooms, "/b", other.append)
    one, to_one = _connect(rooms)
    _, to_two = _connect(rooms, "/a?x=1")
    assert to_one.taken().startswith(b"HTTP/1.1 101 ")
    assert to_two.taken().startswith(b"HTTP/1.1 101 ")
    one.data_received(_sent(Opcode.TEXT, b"hello") + _sent(Opcode.BINARY, b"\xff"))
    assert first == second == [b"hello", b"\xff"]
    assert other == []
    source.send([b"x", b"y"])
    assert to_one.taken() == to_two.taken() == data_frame(b"x") + data_frame(b"y")


async def test_requests_that_are_refused() -> None:
    """Paths that nobody serves, foreign pages, other versions."""
    rooms = Rooms(_check, 1000)
    Member(rooms, "/a", None)
    for path, line, version, status in (
        ("/none", "X: y", "13", b"404"),
        ("/a", "Origin: http://evil.example", "13", b"403"),
        ("/a", "X: y", "8", b"400"),
    ):
        _, transport = _connect(rooms, path, line, version=version)
        assert transport.written.startswith(b"HTTP/1.1 " + status)
        assert transport.closed


async def test_clients_go_when_nobody_serves_the_path_and_may_come_again() -> None:
    """The last one to leave closes the door."""
    rooms = Rooms(_check, 1000)
    source, sink = Member(rooms, "/a", lambda _: None), Member(rooms, "/a", None)
    protocol, transport = _connect(rooms)
    source.leave()
    assert not transport.closed
    sink.leave()
    assert transport.closed
    assert transport.written.endswith(close_frame(Closing.GOING_AWAY))
    protocol.connection_lost(None)
    Member(rooms, "/a", None)
    assert _connect(rooms)[1].written.startswith(b"HTTP/1.1 101 ")


async def test_control_frames_and_clients_that_misbehave() -> None:
    """A ping is answered, a farewell is returned, anything else ends the connection."""
    rooms = Rooms(_check, 10)
    Member(rooms, "/a", None)
    protocol, transport = _connect(rooms)
    transport.taken()
    protocol.data_received(_sent(Opcode.PING, b"?"))
    assert transport.taken() == frame(Opcode.PONG, b"?")
    protocol.data_received(_sent(Opcode.CLOSE, b""))
    assert (transport.taken(), transport.closed) == (close_frame(Closing.NORMAL), True)
    protocol, transport = _connect(rooms)
    transport.taken()
    protocol.data_received(_sent(Opcode.TEXT, b"far too long"))
    assert (transport.taken(), transport.closed) == (close_frame(Closing.TOO_LARGE), True)


async def test_a_client_that_does_not_keep_up_is_disconnected() -> None:
    """What waits for it must not fill the memory."""
    rooms = Rooms(_check, 10)
    sink = Member(rooms, "/a", None)
    protocol, transport = _connect(rooms)
    transport.waiting = PENDING_LIMIT
    sink.send([b"x"])
    assert transport.closed
    protocol.connection_lost(None)
    assert rooms.at("/a").clients == set()


async def test_the_end_of_the_server() -> None:
    """Every client is told."""
    rooms = Rooms(_check, 10)
    Member(rooms, "/a", None)
    protocol, transport = _connect(rooms)
    protocol.shutdown()
    assert transport.written.endswith(close_frame(Closing.GOING_AWAY))
