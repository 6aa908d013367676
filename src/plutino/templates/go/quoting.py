"""Go's quoted strings (``strconv.Quote``) and what counts as printable."""

from __future__ import annotations

import unicodedata
from typing import Final

_ESCAPES: Final = {7: "\\a", 8: "\\b", 12: "\\f", 10: "\\n", 13: "\\r", 9: "\\t", 11: "\\v"}
_PRINTABLE: Final = frozenset("LMNPS")


def is_print(c: str) -> bool:
    """Letters, marks, numbers, punctuation, symbols and the ASCII space."""
    return c == " " or unicodedata.category(c)[0] in _PRINTABLE


def quote(text: str, *, ascii_only: bool = False, mark: str = '"') -> str:
    """``text`` as a Go literal; bytes that are no UTF-8 (lone surrogates here) print as ``\\x..``."""
    if text.isascii() and text.isprintable() and "\\" not in text and mark not in text:
        return f"{mark}{text}{mark}"
    return mark + "".join(_character(c, mark, ascii_only) for c in text) + mark


def quote_character(code: int, *, ascii_only: bool = False) -> str:
    """A code point as a Go character literal."""
    if code > 0x10FFFF or code < 0 or 0xD800 <= code <= 0xDFFF:
        code = 0xFFFD
    return quote(chr(code), ascii_only=ascii_only, mark="'")


def quote_bytes(text: str) -> str:
    """``text`` as the ``time`` package quotes it: all that is not ASCII byte by byte."""
    data = text.encode("utf-8", "surrogateescape")
    return '"' + "".join(f"\\x{b:02x}" if b >= 128 or b < 32 else f"\\{chr(b)}" if b in b'"\\' else chr(b) for b in data) + '"'


def can_backquote(text: str) -> bool:
    """Whether a raw literal can hold ``text`` on one line."""
    return all(c == "\t" or (c >= " " and c not in "`\x7f\ufeff" and not "\ud800" <= c <= "\udfff") for c in text)


def _character(c: str, mark: str, ascii_only: bool) -> str:
    code = ord(c)
    if c in (mark, "\\"):
        return "\\" + c
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if 0xD800 <= code <= 0xDFFF:
        return "\\ufffd"
    if is_print(c) and (code < 128 or not ascii_only):
        return c
    if code in _ESCAPES:
        return _ESCAPES[code]
    if code < 32 or code == 127:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
