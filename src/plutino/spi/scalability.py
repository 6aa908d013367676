"""Scalability Protocols (nanomsg, nng) on a byte stream: greeting and framing, without any socket.

Both sides begin with eight bytes that name the protocol. Then each message has its length in front, in eight bytes; on local sockets a byte
with the value 1 stands before it. Messages of requests and replies begin with numbers of four bytes: those of the sockets in between, and
that of the request, which has its highest bit set.
"""

from __future__ import annotations

import asyncio
from enum import IntEnum

from plutino.errors import TransportError

GREETING_SIZE = 8

LOCAL_MARK = b"\x01"
"""Stands in front of each message on a local socket."""

_START = b"\x00SP\x00"
_HOPS = 8
"""Sockets that a request may have come through."""


class Protocol(IntEnum):
    """What an end of a connection is; ``peer`` may be at the other."""

    PAIR = 0x10
    REQUEST = 0x30
    REPLY = 0x31
    PUSH = 0x50
    PULL = 0x51

    @property
    def peer(self) -> Protocol:
        """What the other end must be."""
        return _PEERS[self]

    @property
    def greeting(self) -> bytes:
        """The first bytes of this end."""
        return _START + self.to_bytes(2) + b"\x00\x00"


_PEERS = {
    Protocol.PAIR: Protocol.PAIR,
    Protocol.REQUEST: Protocol.REPLY,
    Protocol.REPLY: Protocol.REQUEST,
    Protocol.PUSH: Protocol.PULL,
    Protocol.PULL: Protocol.PUSH,
}


def framed(message: bytes, *, local: bool) -> bytes:
    """A message as it goes over the wire."""
    return (LOCAL_MARK if local else b"") + len(message).to_bytes(8) + message


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: Protocol) -> None:
    """Exchange greetings; TransportError when the other end is something else, IncompleteReadError when it hangs up."""
    writer.write(protocol.greeting)
    answer = await reader.readexactly(GREETING_SIZE)
    if answer != protocol.peer.greeting:
        raise TransportError(f"greeted with {answer.hex()}; a socket of the kind {protocol.peer.name.lower()} is expected")


async def next_message(reader: asyncio.StreamReader, *, local: bool, most: int) -> bytes:
    """The next message; TransportError for one of more than ``most`` bytes, IncompleteReadError at the end."""
    mark = LOCAL_MARK if local else b""
    head = await reader.readexactly(len(mark) + 8)
    size = int.from_bytes(head[len(mark) :])
    if not head.startswith(mark) or size > most:
        raise TransportError(f"a message of {size} bytes; at most {most} are taken")
    return await reader.readexactly(size)


def split_request(message: bytes) -> tuple[bytes, bytes]:
    """The numbers in front of a request, which its reply begins with, and the request itself; TransportError for no request."""
    for end in range(4, min(len(message), 4 * _HOPS) + 1, 4):
        if message[end - 4] & 0x80:
            return message[:end], message[end:]
    raise TransportError(f"a message of {len(message)} bytes without the number of its request")
