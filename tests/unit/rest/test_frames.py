"""Frames of the WebSocket protocol."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plutino.rest.frames import Closing, FrameError, FrameReader, Message, Opcode, accept_key, close_frame, data_frame, frame, masked

MASK = b"\x01\x02\x03\x04"


def sent(opcode: int, payload: bytes, *, final: bool = True, mask: bytes = MASK) -> bytes:
    """A frame of a client."""
    own = frame(Opcode(opcode), payload)
    head = own[: len(own) - len(payload)]
    first = head[0] if final else head[0] & 0x7F
    return bytes((first, head[1] | 0x80)) + head[2:] + mask + masked(payload, mask)


@given(st.lists(st.binary(max_size=70_000), min_size=1, max_size=3), st.binary(min_size=4, max_size=4), st.integers(1, 5000))
def test_messages_arrive_whole_however_they_are_cut(payloads: list[bytes], mask: bytes, step: int) -> None:
    """Of any size, in any pieces."""
    stream = b"".join(sent(Opcode.BINARY, payload, mask=mask) for payload in payloads)
    reader, found = FrameReader(100_000), []
    for at in range(0, len(stream), step):
        found += reader.feed(stream[at : at + step])
    assert found == [Message(Opcode.BINARY, payload) for payload in payloads]


def test_parts_are_joined_and_control_frames_come_between() -> None:
    """As the protocol allows."""
    stream = sent(1, b"ab", final=False) + sent(9, b"?") + sent(0, b"c", final=False) + sent(0, b"d") + sent(8, b"")
    assert FrameReader(10).feed(stream) == [Message(Opcode.PING, b"?"), Message(Opcode.TEXT, b"abcd"), Message(Opcode.CLOSE, b"")]


@pytest.mark.parametrize(
    ("stream", "closing"),
    [
        (frame(Opcode.TEXT, b"a"), Closing.PROTOCOL_ERROR),
        (b"\xc1" + sent(1, b"a")[1:], Closing.PROTOCOL_ERROR),
        (b"\x83" + sent(1, b"a")[1:], Closing.PROTOCOL_ERROR),
        (sent(0, b"a"), Closing.PROTOCOL_ERROR),
        (sent(1, b"a", final=False) + sent(1, b"b"), Closing.PROTOCOL_ERROR),
        (sent(9, b"a", final=False), Closing.PROTOCOL_ERROR),
        (sent(9, b"a" * 126), Closing.PROTOCOL_ERROR),
        (sent(1, b"\xff"), Closing.WRONG_TEXT),
        (sent(2, b"a" * 101), Closing.TOO_LARGE),
        (sent(2, b"a" * 60, final=False) + sent(0, b"a" * 60), Closing.TOO_LARGE),
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(stream: bytes, closing: Closing) -> None:
    """With the reason that the protocol has for it."""
    with pytest.raises(FrameError) as caught:
        FrameReader(100).feed(stream)
    assert caught.value.closing is closing


def test_frames_of_the_server() -> None:
    """Text where it is text; no mask; the lengths of the protocol."""
    assert data_frame(b"abc") == b"\x81\x03abc"
    assert data_frame("ä".encode()) == b"\x81\x02" + "ä".encode()
    assert data_frame(b"\xff") == b"\x82\x01\xff"
    assert data_frame(b"a" * 126)[:4] == b"\x81\x7e\x00\x7e"
    assert data_frame(b"a" * 65_536)[:10] == b"\x81\x7f" + (65_536).to_bytes(8)
    assert close_frame(Closing.NORMAL) == b"\x88\x02\x03\xe8"
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
