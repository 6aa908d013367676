"""Texts of the dialect's values, and their type names (sql reference §3.6, §4.1, §4.5).

Values are ``int`` (bigint), ``float``, ``str``, ``bool``, ``None``, aware ``datetime``, ``bytes``, ``list``, ``dict``, and the two kinds
that only date functions give: ``Span`` and ``Weekday``; some functions give a ``NullList``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from enum import IntEnum
from typing import Any

from plutino.model.moment import moment_text
from plutino.model.number import EXACT_FLOAT_INT, INT64_MAX, INT64_MIN, general_number, plain_number


class Weekday(IntEnum):
    """A day of the week; the dialect neither compares it nor calculates with it, JSON shows its number."""

    Sunday = 0
    Monday = 1
    Tuesday = 2
    Wednesday = 3
    Thursday = 4
    Friday = 5
    Saturday = 6


class Span:
    """A length of time in nanoseconds; the dialect neither compares it nor calculates with it, JSON shows its number."""

    __slots__ = ("nanoseconds",)

    def __init__(self, nanoseconds: int) -> None:
        self.nanoseconds = nanoseconds

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Span) and self.nanoseconds == other.nanoseconds

    def __hash__(self) -> int:
        return hash(("Span", self.nanoseconds))

    def __repr__(self) -> str:
        return f"Span({self.nanoseconds})"

    def __str__(self) -> str:
        """Go's text of a duration (``1.5s``, ``24h0m0s``)."""
        return _span_text(self.nanoseconds)


class NullList:
    """An empty list that JSON shows as null, as Go shows a list that was never made. Equal to an empty list."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NullList) or other == []

    def __hash__(self) -> int:
        return hash("NullList")

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __str__(self) -> str:
        return "[]"


NULL_LIST = NullList()

_GO_NAMES: dict[type, str] = {
    int: "int64",
    float: "float64",
    str: "string",
    bool: "bool",
    type(None): "<nil>",
    datetime: "time.Time",
    bytes: "[]uint8",
    list: "[]interface {}",
    dict: "map[string]interface {}",
    Weekday: "time.Weekday",
    Span: "time.Duration",
    NullList: "[]interface {}",
}


def go_type_name(value: Any) -> str:
    """The type name that error texts show (``int64``, ``time.Time``, ``map[string]interface {}``)."""
    return _GO_NAMES.get(type(value)) or type(value).__name__


def describe(value: Any) -> str:
    """A value in error texts: ``int64(5)``, ``string(abc)``, ``<nil>(<nil>)``."""
    return f"{go_type_name(value)}({general_text(value)})"


def general_text(value: Any) -> str:
    """Go's ``%v``: concat, hashing, grouping keys, error texts."""
    writer = _GENERAL.get(type(value))
    return writer(value) if writer is not None else str(value)


def plain_text(value: Any) -> str:
    """The text that a cast to string gives: as ``general_text``, but numbers without exponent, null empty and bytes as their text."""
    writer = _PLAIN.get(type(value))
    return writer(value) if writer is not None else general_text(value)


def bytes_text(value: bytes) -> str:
    """Bytes read as UTF-8; each byte that is none becomes U+FFFD."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("utf-8", "surrogateescape").translate(_LONE)


def quote(text: str) -> str:
    """Go's ``%q``: the text in double quotes with escapes."""
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _escape(c)) for c in text) + '"'


def as_float(value: Any) -> Any:
    """A value of schemaless JSON as the dialect sees it: whole numbers are floats, also inside lists and maps.

    Inside lists and maps integers that a float cannot hold exactly stay as they are, so that 64-bit ids survive being copied.
    """
    kind = type(value)
    if kind is int:
        return float_of(value)
    if kind is list:
        return [_inner_float(v) for v in value]
    if kind is dict:
        return {k: _inner_float(v) for k, v in value.items()}
    return value


def float_of(value: int) -> float:
    """An integer as float; infinite beyond the range of floats."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _inner_float(value: Any) -> Any:
    if type(value) is int and (value > EXACT_FLOAT_INT or value < -EXACT_FLOAT_INT) and INT64_MIN <= value <= INT64_MAX:
        return value
    return as_float(value)


def _list_text(value: list[Any]) -> str:
    return "[" + " ".join(map(general_text, value)) + "]"


def _map_text(value: dict[Any, Any]) -> str:
    return "map[" + " ".join(f"{k}:{general_text(value[k])}" for k in sorted(value)) + "]"


def _bytes_list_text(value: bytes) -> str:
    return "[" + " ".join(map(str, value)) + "]"


def _bool_text(value: bool) -> str:
    return "true" if value else "false"


_GENERAL: dict[type, Callable[[Any], str]] = {
    str: str,
    int: str,
    float: general_number,
    bool: _bool_text,
    type(None): lambda _: "<nil>",
    datetime: moment_text,
    bytes: _bytes_list_text,
    list: _list_text,
    dict: _map_text,
    Weekday: lambda day: str(day.name),
}
_PLAIN: dict[type, Callable[[Any], str]] = {
    str: str,
    int: str,
    float: plain_number,
    bool: _bool_text,
    type(None): lambda _: "",
    bytes: bytes_text,
}
_LONE = dict.fromkeys(range(0xDC80, 0xDD00), "\ufffd")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v"}


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _span_text(nanoseconds: int) -> str:
    if nanoseconds == 0:
        return "0s"
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    for unit, size in (("ns", 1000), ("µs", 10**6), ("ms", 10**9)):
        if rest < size:
            return f"{sign}{_decimal(rest, size // 1000)}{unit}"
    minutes, rest = divmod(rest, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else (f"{minutes}m" if minutes else "")
    return f"{sign}{head}{_decimal(rest, 10**9)}s"


def _decimal(value: int, unit: int) -> str:
    """``value / unit`` (a power of ten) as a decimal without trailing zeros."""
    whole, fraction = divmod(value, unit)
    if not fraction:
        return str(whole)
    return f"{whole}." + f"{fraction:0{len(str(unit)) - 1}d}".rstrip("0")


def is_utf8(payload: bytes) -> bool:
    """Whether bytes are a text."""
    if payload.isascii():
        return True
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
