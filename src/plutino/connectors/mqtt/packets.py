"""MQTT packets as bytes: taking PUBLISH packets apart in runs of one topic, and putting many of them together.

This is where the time per message goes, so messages are never objects: a run keeps the payloads of consecutive packets with one topic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class MalformedError(Exception):
    """The broker sent what is no MQTT packet; the connection must be closed."""


class Extra(NamedTuple):
    """What only some messages have: ``at`` is its place in the run's payloads, first byte of the packet, packet id, raw properties."""

    at: int
    first: int
    packet_id: int
    properties: bytes


class Run:
    """Consecutive messages with one topic. ``extras`` is empty for plain messages with qos 0."""

    __slots__ = ("extras", "payloads", "topic")

    def __init__(self, topic: bytes) -> None:
        self.topic = topic
        self.payloads: list[bytes] = []
        self.extras: list[Extra] = []


def take_packets(data: bytes, version5: bool, runs: list[Run], other: Callable[[int, bytes], None]) -> tuple[int, int]:
    """Read whole packets: PUBLISH goes to ``runs``, all else to ``other(first byte, body)``.

    Returns how many bytes were used, and how many the packet after them needs (2 when that is unknown yet).
    """
    position, length = 0, len(data)
    frame = b"\xff\xff\xff"  # no packet begins its body like this: topics are shorter than 65535 bytes
    run = Run(b"")
    append = run.payloads.append
    while length - position >= 2:
        first, size, start = data[position], data[position + 1], position + 2
        if size > 127:
            size, start = _long_size(data, position, length)
            if start == 0:
                return position, 6
        end = start + size
        if end > length:
            return position, end - position
        if first & 0xF0 != 0x30:
            other(first, data[start:end])
        else:
            if not data.startswith(frame, start):
                topic_end = start + 2 + (data[start] << 8 | data[start + 1])
                if topic_end > end:
                    raise MalformedError("topic is longer than its packet")
                frame = data[start:topic_end]
                run = Run(frame[2:])
                append = run.payloads.append
                runs.append(run)
            body = start + len(frame)
            if first == 0x30 and not version5:
                append(data[body:end])
            elif first == 0x30 and body < end and data[body] == 0:
                append(data[body + 1 : end])
            else:
                _take_extra(data, body, end, first, version5, run)
        position = end
    return position, 2


def _long_size(data: bytes, position: int, length: int) -> tuple[int, int]:
    """Remaining length in more than one byte, and where the body starts (0: not all there yet)."""
    size = data[position + 1] & 127
    for i in range(2, 5):
        if position + i >= length:
            return 0, 0
        byte = data[position + i]
        size |= (byte & 127) << (7 * (i - 1))
        if byte < 128:
            return size, position + i + 1
    raise MalformedError("remaining length has more than four bytes")


def _take_extra(data: bytes, body: int, end: int, first: int, version5: bool, run: Run) -> None:
    packet_id, properties = 0, b""
    if first & 6:
        packet_id = data[body] << 8 | data[body + 1]
        body += 2
    if version5:
        size, body = take_varint(data, body)
        properties = data[body : body + size]
        body += size
    if body > end:
        raise MalformedError("properties are longer than their packet")
    if first & 6 or properties:
        run.extras.append(Extra(len(run.payloads), first, packet_id, properties))
    run.payloads.append(data[body:end])


def take_varint(data: bytes, position: int) -> tuple[int, int]:
    """A variable byte integer and the place after it."""
    value = 0
    for i in range(4):
        if position + i >= len(data):
            break
        byte = data[position + i]
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            return value, position + i + 1
    raise MalformedError("variable byte integer does not end")


def varint(value: int) -> bytes:
    """A variable byte integer."""
    found = bytearray()
    while True:
        value, byte = value >> 7, value & 127
        found.append(byte | 128 if value else byte)
        if not value:
            return bytes(found)


_PROPERTY_SIZE = {1: 1, 2: 4, 35: 2}


def user_properties(block: bytes) -> dict[str, str]:
    """The user properties in the property block of a PUBLISH packet."""
    found: dict[str, str] = {}
    position = 0
    while position < len(block):
        kind = block[position]
        position += 1
        if kind in _PROPERTY_SIZE:
            position += _PROPERTY_SIZE[kind]
        elif kind == 11:
            _, position = take_varint(block, position)
        elif kind in (3, 8, 9):
            _, position = _take_text(block, position)
        elif kind == 38:
            name, position = _take_text(block, position)
            value, position = _take_text(block, position)
            found[name.decode(errors="replace")] = value.decode(errors="replace")
        else:
            raise MalformedError(f"property {kind} in a PUBLISH packet")
    return found


def _take_text(block: bytes, position: int) -> tuple[bytes, int]:
    end = position + 2 + int.from_bytes(block[position : position + 2], "big")
    if end > len(block):
        raise MalformedError("text is longer than its packet")
    return block[position + 2 : end], end


def text(value: str) -> bytes:
    """A string as MQTT writes it: two bytes of length, then UTF-8."""
    encoded = value.encode()
    if len(encoded) > 65535:
        raise ValueError("an MQTT string has at most 65535 bytes")
    return len(encoded).to_bytes(2, "big") + encoded


def property_block(user: dict[str, str]) -> bytes:
    """The property block of a version 5 PUBLISH packet with these user properties."""
    block = b"".join(b"\x26" + text(k) + text(v) for k, v in user.items())
    return varint(len(block)) + block


class Header:
    """Builds PUBLISH packets of one topic, qos and property block; heads are kept, as payloads often have few sizes."""

    __slots__ = ("_after", "_first", "_heads", "_topic", "qos")

    def __init__(self, topic: str, qos: int, retained: bool, properties: bytes) -> None:
        self.qos = qos
        self._first = bytes((0x30 | qos << 1 | retained,))
        self._topic = text(topic)
        self._after = properties
        self._heads: dict[int, bytes] = {}

    def join(self, payloads: list[bytes]) -> bytes:
        """Packets with qos 0, one after the other."""
        heads = self._heads
        parts: list[bytes] = []
        for payload in payloads:
            size = len(payload)
            head = heads.get(size)
            if head is None:
                head = self._head(size)
            parts.append(head)
            parts.append(payload)
        return b"".join(parts)

    def numbered(self, payload: bytes, packet_id: int) -> bytes:
        """One packet with qos 1 or 2."""
        size = len(self._topic) + 2 + len(self._after) + len(payload)
        return b"".join((self._first, varint(size), self._topic, packet_id.to_bytes(2, "big"), self._after, payload))

    def _head(self, size: int) -> bytes:
        if len(self._heads) > 1000:
            self._heads.clear()
        head = self._first + varint(size + len(self._topic) + len(self._after)) + self._topic + self._after
        self._heads[size] = head
        return head
