"""A lenient JSON reader for payloads that the fast decoder refuses, with the error texts of the original's parser (sql reference §4.2).

It takes what the original takes beyond the standard: leading zeros, ``NaN`` and ``inf``, numbers of any size, unknown escapes (kept as
text), raw control characters, half surrogate pairs (kept as text) and bytes that are no UTF-8. Numbers keep their spelling, because a
BIGINT column is judged by it.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from plutino.errors import FormatError
from plutino.model.text import bytes_text, quote

MAX_DEPTH = 300


class Number(Struct, frozen=True):
    """A number as it is written."""

    text: str


class Object(Struct, frozen=True):
    """An object: its keys and values in order, repeated keys included."""

    pairs: tuple[tuple[str, Any], ...]


def parse(payload: bytes) -> Any:
    """The value of a payload: Number, str, bool, None, list or Object; FormatError when it cannot be read."""
    text = bytes_text(payload)
    start = _skip(text, 0)
    try:
        value, end = _value(text, start, 0)
    except _StopError as stop:
        raise FormatError(f"cannot parse JSON: {stop.text}; unparsed tail: {_shown(stop.tail)}") from None
    end = _skip(text, end)
    if end < len(text):
        raise FormatError(f"unexpected tail: {_shown(text[end:])}")
    return value


class _StopError(Exception):
    def __init__(self, text: str, tail: str) -> None:
        super().__init__(text)
        self.text = text
        self.tail = tail


_WHITE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NUMBER = re.compile(r"[0-9.eE+-]*")
_WORDS = (("true", True), ("false", False), ("null", None))


def _skip(text: str, at: int) -> int:
    match = _WHITE.match(text, at)
    return match.end() if match is not None else at


def _value(text: str, at: int, depth: int) -> tuple[Any, int]:
    if at >= len(text):
        raise _StopError("cannot parse empty string", "")
    if depth >= MAX_DEPTH:
        raise _StopError(f"too big depth for the nested JSON; it exceeds {MAX_DEPTH}", text[at:])
    head = text[at]
    if head == "{":
        return _within("cannot parse object", _object, text, at + 1, depth + 1)
    if head == "[":
        return _within("cannot parse array", _array, text, at + 1, depth + 1)
    if head == '"':
        return _within("cannot parse string", _string, text, at + 1, depth)
    if head in "tfn":
        for word, value in _WORDS:
            if text.startswith(word, at):
                return value, at + len(word)
        if text[at : at + 3].lower() == "nan":
            return Number(text[at : at + 3]), at + 3
        raise _StopError(f"unexpected value found: {quote(text[at:])}", text[at:])
    return _within("cannot parse number", _number, text, at, depth)


def _within(what: str, reader: Any, text: str, at: int, depth: int) -> tuple[Any, int]:
    try:
        value, end = reader(text, at, depth)
        return value, end
    except _StopError as stop:
        raise _StopError(f"{what}: {stop.text}", stop.tail) from None


def _array(text: str, at: int, depth: int) -> tuple[list[Any], int]:
    at = _skip(text, at)
    if at >= len(text):
        raise _StopError("missing ']'", "")
    if text[at] == "]":
        return [], at + 1
    values: list[Any] = []
    while True:
        value, at = _within("cannot parse array value", _value, text, _skip(text, at), depth)
        values.append(value)
        at = _skip(text, at)
        if at >= len(text):
            raise _StopError("unexpected end of array", "")
        if text[at] == "]":
            return values, at + 1
        if text[at] != ",":
            raise _StopError("missing ',' after array value", text[at:])
        at += 1


def _object(text: str, at: int, depth: int) -> tuple[Object, int]:
    at = _skip(text, at)
    if at >= len(text):
        raise _StopError("missing '}'", "")
    if text[at] == "}":
        return Object(()), at + 1
    pairs: list[tuple[str, Any]] = []
    while True:
        at = _skip(text, at)
        if text[at : at + 1] != '"':
            raise _StopError('cannot find opening \'"" for object key', text[at:])
        key, at = _within("cannot parse object key", _string, text, at + 1, depth)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise _StopError("missing ':' after object key", text[at:])
        value, at = _within("cannot parse object value", _value, text, _skip(text, at + 1), depth)
        pairs.append((key, value))
        at = _skip(text, at)
        if at >= len(text):
            raise _StopError("unexpected end of object", "")
        if text[at] == "}":
            return Object(tuple(pairs)), at + 1
        if text[at] != ",":
            raise _StopError("missing ',' after object value", text[at:])
        at += 1


def _string(text: str, at: int, _depth: int) -> tuple[str, int]:
    match = _STRING.match(text, at)
    if match is None:
        raise _StopError("missing closing '\"'", "")
    return _unescape(match[0][:-1]), match.end()


def _number(text: str, at: int, _depth: int) -> tuple[Number, int]:
    match = _NUMBER.match(text, at)
    end = match.end() if match is not None else at
    if end == len(text):
        return Number(text[at:]), end
    if end == at or (end == at + 1 and text[at] in "+-"):
        if text[end : end + 3].lower() in ("inf", "nan"):
            return Number(text[at : end + 3]), end + 3
        raise _StopError(f"unexpected char: {quote(text[at])}", text[at:])
    return Number(text[at:end]), end


_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})(?:\\u([0-9a-fA-F]{4}))?|(.))", re.DOTALL)
_SIMPLE = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _unescape(raw: str) -> str:
    if "\\" not in raw:
        return raw
    parts: list[str] = []
    at = 0
    while (match := _ESCAPE.search(raw, at)) is not None:
        parts.append(raw[at : match.start()])
        text, at = _escaped(match)
        parts.append(text)
    parts.append(raw[at:])
    return "".join(parts)


def _escaped(match: re.Match[str]) -> tuple[str, int]:
    """The text of one escape, and where it ends."""
    if match[1] is None:
        return _SIMPLE.get(match[3], match[0]), match.end()
    code = int(match[1], 16)
    after_first = match.start() + 6
    if not 0xD800 <= code < 0xE000:
        return chr(code), after_first
    if match[2] is None:
        return "\\u" + match[1], after_first
    low = int(match[2], 16)
    if code < 0xDC00 and 0xDC00 <= low < 0xE000:
        return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)), match.end()
    return "\ufffd", match.end()


def _shown(tail: str) -> str:
    """The rest of a text as errors quote it: its first and last 40 bytes when it is long."""
    raw = tail.encode()
    return quote(tail if len(raw) <= 80 else bytes_text(raw[:40]) + "..." + bytes_text(raw[-40:]))
