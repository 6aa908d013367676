"""Casts between the types of the dialect at three levels of strictness (sql reference §4.3).

Every function raises EvaluationError with the wire text when the value does not convert.
"""

from __future__ import annotations

import base64
import math
import re
from datetime import datetime
from enum import IntEnum
from typing import Any

from plutino.errors import EvaluationError
from plutino.model.moment import from_epoch_ms, parse_moment, parse_moment_with
from plutino.model.number import INT64_MAX, INT64_MIN, truncate
from plutino.model.text import bytes_text, describe, float_of, general_text, plain_text, quote


class Level(IntEnum):
    """How far a cast may go: only what loses nothing, any number, anything that can be read as the type."""

    STRICT = 0
    SAMEKIND = 1
    ALL = 2


STRICT = Level.STRICT
SAMEKIND = Level.SAMEKIND
ALL = Level.ALL


def to_int(value: Any, level: Level = ALL, target: str = "int") -> int:
    """A 64-bit integer; ``target`` is the type name of the error text (``int``, ``int64``)."""
    kind = type(value)
    if kind is int:
        return int(value)
    if kind is float:
        if level >= SAMEKIND or (math.isfinite(value) and value.is_integer()):
            return truncate(value)
    elif level >= ALL:
        if kind is bool:
            return 1 if value else 0
        if value is None:
            return 0
        if kind is str:
            parsed = parse_int(value)
            if parsed is not None:
                return parsed
    raise _refused(value, target)


def to_float(value: Any, level: Level = ALL, target: str = "float64") -> float:
    """A float."""
    kind = type(value)
    if kind is float:
        return float(value)
    if kind is int and level >= SAMEKIND:
        return float_of(value)
    if level >= ALL:
        if kind is bool:
            return 1.0 if value else 0.0
        if value is None:
            return 0.0
        if kind is str:
            parsed = parse_float(value)
            if parsed is not None:
                return parsed
    raise _refused(value, target)


def to_bool(value: Any, level: Level = ALL) -> bool:
    """A boolean."""
    kind = type(value)
    if kind is bool:
        return bool(value)
    if level >= ALL:
        if kind is int or kind is float:
            return bool(value != 0)
        if value is None:
            return False
        if kind is str:
            return parse_bool(value)
    raise _refused(value, "bool")


def to_text(value: Any, level: Level = ALL) -> str:
    """A text; below ``ALL`` only from text and bytes."""
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is bytes:
        return bytes_text(value)
    if level >= ALL:
        return plain_text(value)
    raise _refused(value, "string")


def to_bytes(value: Any, level: Level = ALL) -> bytes:
    """Bytes; above ``STRICT`` also the UTF-8 bytes of a text."""
    if type(value) is bytes:
        return value
    if type(value) is str and level >= SAMEKIND:
        return value.encode("utf-8", "surrogatepass")
    raise _refused(value, "bytes")


def to_bytea(value: Any, level: Level = ALL) -> bytes:
    """Bytes; a text is read as base64, and above ``STRICT`` as itself when it is none."""
    if type(value) is bytes:
        return value
    if type(value) is str:
        try:
            return decode_base64(value)
        except EvaluationError:
            if level is STRICT:
                raise _refused(value, "bytea") from None
            return value.encode("utf-8", "surrogatepass")
    raise _refused(value, "bytea")


def to_datetime(value: Any, pattern: str = "") -> datetime:
    """A datetime from epoch milliseconds, a datetime or a text; ``pattern`` is tried before the fixed list of layouts (§4.4)."""
    kind = type(value)
    if isinstance(value, datetime):
        return value
    if kind is int or kind is float:
        return from_epoch_ms(truncate(value) if kind is float else value)
    if kind is str:
        if pattern:
            try:
                return parse_moment_with(value, pattern)
            except EvaluationError:
                return parse_moment(value)
        return parse_moment(value)
    raise EvaluationError(f"unsupported type to convert to timestamp {general_text(value)}")


def parse_int(text: str) -> int | None:
    """An integer text as Go reads it with base 0 (``0x1f``, ``0b1``, ``010`` octal, ``1_000``), None when it is none or too large."""
    if _INT.fullmatch(text) is None:
        return None
    sign, body = (text[0], text[1:]) if text[0] in "+-" else ("", text)
    if len(body) > 1 and body[0] == "0" and body[1] in "01234567_":
        body = "0o" + body[1:].lstrip("_")
    value = int(body, 0)
    value = -value if sign == "-" else value
    return value if INT64_MIN <= value <= INT64_MAX else None


def parse_float(text: str) -> float | None:
    """A float text as Go reads it, None when it is none or too large."""
    if _FLOAT.fullmatch(text):
        value = float(text)
        return value if math.isfinite(value) else None
    if _HEX_FLOAT.fullmatch(text):
        try:
            return float.fromhex(text.replace("_", ""))
        except OverflowError:
            return None
    if _INFINITE.fullmatch(text):
        return float(text)
    return None


def parse_bool(text: str) -> bool:
    """A boolean text; EvaluationError with Go's wording when it is none."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise EvaluationError(f"strconv.ParseBool: parsing {quote(text)}: invalid syntax")


def decode_base64(text: str) -> bytes:
    """Strict base64 (line breaks aside); EvaluationError names the first byte that is wrong."""
    raw = text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(raw.translate(None, b"\r\n"), validate=True)
    except ValueError:
        raise EvaluationError(f"illegal base64 data at input byte {_bad_base64_byte(raw)}") from None


def _bad_base64_byte(raw: bytes) -> int:
    """Where Go's decoder stops: it reads four letters at a time and allows padding only at the end."""
    at = 0
    while at < len(raw):
        count = 0
        while count < 4:
            if at == len(raw):
                return at - count
            letter = raw[at : at + 1]
            at += 1
            if letter in (b"\r", b"\n"):
                continue
            if letter in _BASE64:
                count += 1
                continue
            if letter != b"=" or count < 2:
                return at - 1
            if count == 2:
                at = _skip_breaks(raw, at)
                if at == len(raw):
                    return at
                if raw[at : at + 1] != b"=":
                    return at - 1
                at += 1
            return _skip_breaks(raw, at)
    return at


def _skip_breaks(raw: bytes, at: int) -> int:
    while raw[at : at + 1] in (b"\r", b"\n"):
        at += 1
    return at


def _refused(value: Any, target: str) -> EvaluationError:
    return EvaluationError(f"cannot convert {describe(value)} to {target}")


_INT = re.compile(r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:\d(?:_?\d)*\.?(?:\d(?:_?\d)*)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?", re.ASCII)
_HEX_FLOAT = re.compile(r"[+-]?0[xX](?:(?:_?[0-9a-fA-F])+\.?[0-9a-fA-F_]*|\.[0-9a-fA-F]+)[pP][+-]?\d+", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?|nan", re.ASCII | re.IGNORECASE)
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))
_BASE64 = frozenset(bytes([c]) for c in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
