"""Frames of the WebSocket protocol (RFC 6455), as a server reads and writes them. No I/O."""

from __future__ import annotations

import base64
import hashlib
from enum import IntEnum

from msgspec import Struct

from plutino.errors import FormatError
from plutino.model.text import is_utf8

_ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTROL_LIMIT = 125
_SHORT, _LONG = 126, 127


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_OPCODES = frozenset(map(int, Opcode))


class Closing(IntEnum):
    """Why a connection is closed."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    WRONG_TEXT = 1007
    TOO_LARGE = 1009


class Message(Struct, frozen=True):
    """A whole message, or a control frame."""

    opcode: Opcode
    payload: bytes


class FrameError(FormatError):
    """A client breaks the protocol; the connection is closed with ``closing``."""

    def __init__(self, message: str, closing: Closing) -> None:
        super().__init__(message)
        self.closing = closing


class FrameReader:
    """Puts messages together from the bytes of a client. ``limit``: bytes of a message at most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._opcode = Opcode.CONTINUATION

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete with these bytes; FrameError, after which the reader is of no use."""
        self._buffer += data
        found: list[Message] = []
        while (frame := self._frame()) is not None:
            message = self._joined(*frame)
            if message is not None:
                found.append(message)
        return found

    def _frame(self) -> tuple[bool, Opcode, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        if first & 0x70 or first & 0x0F not in _OPCODES:
            raise FrameError(f"frame with first byte {first:#x}: no extension is in use", Closing.PROTOCOL_ERROR)
        if not second & 0x80:
            raise FrameError("frame without a mask: clients mask what they send", Closing.PROTOCOL_ERROR)
        opcode, size, start = Opcode(first & 0x0F), second & 0x7F, 2
        if opcode >= Opcode.CLOSE and (size > _CONTROL_LIMIT or not first & 0x80):
            raise FrameError(f"control frame {opcode.name}: up to {_CONTROL_LIMIT} bytes in one piece are expected", Closing.PROTOCOL_ERROR)
        if size >= _SHORT:
            width = 2 if size == _SHORT else 8
            if len(buffer) < start + width:
                return None
            size, start = int.from_bytes(buffer[start : start + width]), start + width
        if size + sum(map(len, self._parts)) > self._limit:
            raise FrameError(f"message of more than {self._limit} bytes", Closing.TOO_LARGE)
        end = start + 4 + size
        if len(buffer) < end:
            return None
        payload = masked(bytes(buffer[start + 4 : end]), bytes(buffer[start : start + 4]))
        del buffer[:end]
        return bool(first & 0x80), opcode, payload

    def _joined(self, final: bool, opcode: Opcode, payload: bytes) -> Message | None:
        if opcode >= Opcode.CLOSE:
            return Message(opcode, payload)
        if (opcode is Opcode.CONTINUATION) != bool(self._opcode):
            raise FrameError(f"frame {opcode.name} out of turn", Closing.PROTOCOL_ERROR)
        self._parts.append(payload)
        self._opcode = self._opcode or opcode
        if not final:
            return None
        message = Message(self._opcode, b"".join(self._parts))
        self._opcode, self._parts = Opcode.CONTINUATION, []
        if message.opcode is Opcode.TEXT and not is_utf8(message.payload):
            raise FrameError("text message that is no UTF-8", Closing.WRONG_TEXT)
        return message


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """One whole frame of a server."""
    size = len(payload)
    if size < _SHORT:
        head = bytes((0x80 | opcode, size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, _SHORT)) + size.to_bytes(2)
    else:
        head = bytes((0x80 | opcode, _LONG)) + size.to_bytes(8)
    return head + payload


def data_frame(payload: bytes) -> bytes:
    """A message as text where it is UTF-8, else as it is."""
    return frame(Opcode.TEXT if is_utf8(payload) else Opcode.BINARY, payload)


def close_frame(closing: Closing) -> bytes:
    """The frame that ends a connection."""
    return frame(Opcode.CLOSE, closing.to_bytes(2))


def accept_key(key: str) -> str:
    """The answer to a client's ``Sec-WebSocket-Key``."""
    return base64.b64encode(hashlib.sha1((key + _ACCEPT).encode()).digest()).decode()


def masked(data: bytes, mask: bytes) -> bytes:
    """Data with a mask of four bytes applied, or taken off."""
    size = len(data)
    stretched = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data) ^ int.from_bytes(stretched)).to_bytes(size)
