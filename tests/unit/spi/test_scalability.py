"""Greeting and framing of the Scalability Protocols."""

from __future__ import annotations

import asyncio

import pytest

from plutino.errors import TransportError
from plutino.spi.scalability import Protocol, framed, next_message, split_request


def test_greetings_name_the_protocol() -> None:
    """The eight bytes are those of nanomsg."""
    assert Protocol.PAIR.greeting == b"\x00SP\x00\x00\x10\x00\x00"
    assert Protocol.REPLY.greeting == b"\x00SP\x00\x00\x31\x00\x00"
    assert [protocol.peer.peer for protocol in Protocol] == list(Protocol)


@pytest.mark.parametrize("local", [True, False])
async def test_messages_have_their_length_in_front(local: bool) -> None:
    """On local sockets behind a mark; what was framed is read again, also when it is empty."""
    reader = asyncio.StreamReader()
    reader.feed_data(framed(b"abc", local=local) + framed(b"", local=local))
    assert framed(b"abc", local=local).endswith(b"\x00\x00\x00\x00\x00\x00\x00\x03abc")
    assert [await next_message(reader, local=local, most=3) for _ in range(2)] == [b"abc", b""]


@pytest.mark.parametrize("frame", [framed(b"abcd", local=True), b"\x02" + framed(b"abc", local=False)])
async def test_what_is_too_long_or_no_frame_is_refused(frame: bytes) -> None:
    """Before any of it is read."""
    reader = asyncio.StreamReader()
    reader.feed_data(frame)
    with pytest.raises(TransportError, match="at most 3 are taken"):
        await next_message(reader, local=True, most=3)


def test_requests_begin_with_their_number() -> None:
    """And those of the sockets that they came through."""
    assert split_request(b"\x80\x00\x00\x01handshake") == (b"\x80\x00\x00\x01", b"handshake")
    assert split_request(b"\x00\x00\x00\x07\x80\x00\x00\x01") == (b"\x00\x00\x00\x07\x80\x00\x00\x01", b"")
    for wrong in (b"", b"\x80\x00", b"\x00\x00\x00\x01text"):
        with pytest.raises(TransportError):
            split_request(wrong)
