"""Base64 and base32."""

from __future__ import annotations

import base64

from plutino.templates.functions.registry import define
from plutino.templates.go.values import from_utf8, utf8
from plutino.templates.limits import check_text

_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_BASE32 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


@define("b64enc", "string -> string", grows=True)
def b64enc(text: str) -> str:
    check_text(len(text))
    return base64.b64encode(utf8(text)).decode()


@define("b64dec", "string -> string")
def b64dec(text: str) -> str:
    """A fault is the result, as text."""
    data = decode_base64(text)
    return from_utf8(data) if isinstance(data, bytes) else data


@define("b32enc", "string -> string", grows=True)
def b32enc(text: str) -> str:
    check_text(len(text))
    return base64.b32encode(utf8(text)).decode()


@define("b32dec", "string -> string")
def b32dec(text: str) -> str:
    """A fault is the result, as text."""
    joined = utf8(text.replace("\r", "").replace("\n", ""))
    good, place = _check_base32(joined)
    if not good:
        return f"illegal base32 data at input byte {place}"
    return from_utf8(base64.b32decode(joined[:place]))


def decode_base64(text: str) -> bytes | str:
    """The bytes, or Go's text of what is wrong."""
    data = utf8(text)
    fault = _base64_fault(data)
    return base64.b64decode(data) if fault is None else f"illegal base64 data at input byte {fault}"


def _base64_fault(data: bytes) -> int | None:
    """The byte where Go's decoder stops; ``None`` when all is well. Line ends do not count as data."""
    places = [i for i, b in enumerate(data) if b not in b"\r\n"]
    for index, place in enumerate(places):
        if data[place] in _BASE64:
            continue
        inside = index % 4
        if data[place] != 61 or inside < 2:
            return place
        after = index + 1
        if inside == 2:
            if after == len(places):
                return len(data)
            if data[places[after]] != 61:
                return places[after] - 1
            after += 1
        return places[after] if after < len(places) else None
    rest = len(places) % 4
    return len(data) - rest if rest else None


def _check_base32(data: bytes) -> tuple[bool, int]:
    """Whether the data are good, and where they end (what follows the padding is ignored) or where Go's decoder stops."""
    length = len(data)
    for index, byte in enumerate(data):
        inside, left = index % 8, length - index - 1
        if byte == 61 and inside >= 2 and left < 8:
            if left + inside < 7:
                return False, length
            wrong = next((k for k in range(7 - inside) if data[index + 1 + k] != 61), None)
            if wrong is not None:
                return False, index + wrong
            return (False, index) if inside in (3, 6) else (True, index + 8 - inside)
        if byte not in _BASE32:
            return False, index
    rest = length % 8
    return rest == 0, length - rest
