"""Base64 and base32."""

from __future__ import annotations

import base64
import binascii
import re

from plutino.templates.functions.registry import define
from plutino.templates.values import from_utf8, utf8

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", re.ASCII)
_BASE32 = re.compile(r"(?:[A-Z2-7]{8})*(?:[A-Z2-7]{2}======|[A-Z2-7]{4}====|[A-Z2-7]{5}===|[A-Z2-7]{7}=)?", re.ASCII)


@define("b64enc", "string -> string")
def b64enc(text: str) -> str:
    return base64.b64encode(utf8(text)).decode()


@define("b64dec", "string -> string")
def b64dec(text: str) -> str:
    """A fault is the result, as text."""
    data = decode_base64(text)
    return from_utf8(data) if isinstance(data, bytes) else data


@define("b32enc", "string -> string")
def b32enc(text: str) -> str:
    return base64.b32encode(utf8(text)).decode()


@define("b32dec", "string -> string")
def b32dec(text: str) -> str:
    """A fault is the result, as text."""
    joined = text.replace("\r", "").replace("\n", "")
    good = _BASE32.match(joined)
    end = good.end() if good else 0
    if end < len(joined):
        return f"illegal base32 data at input byte {_place(text, _fault(joined, end, 8, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'))}"
    return from_utf8(base64.b32decode(joined))


def decode_base64(text: str) -> bytes | str:
    """The bytes, or Go's text of what is wrong."""
    joined = text.replace("\r", "").replace("\n", "")
    good = _BASE64.match(joined)
    end = good.end() if good else 0
    if end < len(joined):
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        return f"illegal base64 data at input byte {_place(text, _fault(joined, end, 4, letters))}"
    try:
        return base64.b64decode(joined)
    except binascii.Error as fault:
        return str(fault)


def _fault(text: str, good: int, group: int, letters: str) -> int:
    """The byte where Go's decoder stops: the first wrong one, or the start of an incomplete group at the end."""
    start = good - good % group
    if good and text[good - 1] == "=":
        return good
    for index in range(start, len(text)):
        c = text[index]
        if c == "=" and index - start >= 2:
            tail = text[index : start + group]
            wrong = next((i for i, t in enumerate(tail) if t != "="), None)
            return index + wrong if wrong is not None else len(text) if len(tail) < group - (index - start) else index
        if c not in letters:
            return len(utf8(text[:index]))
    return max(start, len(text) - len(text) % group)


def _place(text: str, index: int) -> int:
    """An offset in the text without line ends, as offset in the whole text."""
    seen = -1
    for at, c in enumerate(text):
        if c not in "\r\n":
            seen += 1
            if seen == index:
                return at
    return len(text)
