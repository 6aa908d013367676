"""What Go says about a text that is no JSON."""

from __future__ import annotations

import re
from typing import Final

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_WORDS: Final = {"t": "true", "f": "false", "n": "null"}


class _Fault(Exception):  # noqa: N818 - internal signal
    """The first fault; the argument is Go's text."""


def find_fault(text: str) -> str:
    """The fault that Go's scanner reports for ``text``; empty when it sees none. It reads a space where the text ends inside a token."""
    try:
        _scan(text)
    except _Fault as fault:
        return str(fault)
    return ""


def _scan(text: str) -> None:
    """Go through the text; open lists and maps are kept on a stack."""
    at = _skip(text, 0)
    waiting: list[str] = []
    while True:
        # Here a value begins.
        at = _skip(text, at)
        c = text[at : at + 1]
        if c in ("{", "["):
            following = _skip(text, at + 1)
            closing = "}" if c == "{" else "]"
            if text[following : following + 1] != closing:
                waiting.append(closing)
                at = _key(text, following, "looking for beginning of object key string") if c == "{" else following
                continue
            at = following + 1
        else:
            at = _scalar(text, at)
        while True:
            # Here a value has ended.
            at = _skip(text, at)
            c = text[at : at + 1]
            if not waiting:
                if c:
                    raise _refuse(c, "after top-level value")
                return
            if c == ",":
                at = _skip(text, at + 1)
                if waiting[-1] == "}":
                    at = _key(text, at, "looking for beginning of object key string")
                break
            if c != waiting[-1]:
                raise _refuse(c, "after object key:value pair" if waiting[-1] == "}" else "after array element")
            waiting.pop()
            at += 1


def _key(text: str, at: int, context: str) -> int:
    if text[at : at + 1] != '"':
        raise _refuse(text[at : at + 1], context)
    at = _skip(text, _string(text, at))
    if text[at : at + 1] != ":":
        raise _refuse(text[at : at + 1], "after object key")
    return at + 1


def _scalar(text: str, at: int) -> int:
    c = text[at : at + 1]
    if c == '"':
        return _string(text, at)
    if c in _WORDS and c:
        word = _WORDS[c]
        for index, expected in enumerate(word):
            found = text[at + index : at + index + 1]
            if found != expected:
                raise _refuse(found or " ", f"in literal {word} (expecting {_shown(expected)})")
        return at + len(word)
    if c == "-" or (c.isascii() and c.isdecimal()):
        return _number(text, at)
    raise _refuse(c, "looking for beginning of value")


def _number(text: str, at: int) -> int:
    found = _NUMBER.match(text, at)
    if found is None:
        raise _refuse(text[at + 1 : at + 2] or " ", "in numeric literal")
    end = found.end()
    tail = text[end : end + 1]
    if tail == "." and "." not in found[0] and "e" not in found[0].lower():
        raise _refuse(text[end + 1 : end + 2] or " ", "after decimal point in numeric literal")
    if tail in ("e", "E") and "e" not in found[0].lower():
        sign = text[end + 1 : end + 2] in ("+", "-")
        raise _refuse(text[end + 1 + sign : end + 2 + sign] or " ", "in exponent of numeric literal")
    return end


def _string(text: str, at: int) -> int:
    found = _STRING.match(text, at)
    end = found.end() if found else at
    c = text[end : end + 1]
    if c == '"':
        return end + 1
    if c != "\\":
        raise _refuse(c, "in string literal")
    escape = text[end + 1 : end + 2]
    if escape != "u":
        raise _refuse(escape or " ", "in string escape code")
    for index in range(end + 2, end + 6):
        digit = text[index : index + 1]
        if digit not in "0123456789abcdefABCDEF" or not digit:
            raise _refuse(digit or " ", "in \\u hexadecimal character escape")
    return end + 6


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _refuse(c: str, context: str) -> _Fault:
    if not c:
        return _Fault("unexpected end of JSON input")
    return _Fault(f"invalid character {_shown(c)} {context}")


def _shown(c: str) -> str:
    if c == "'":
        return "'\\''"
    if c == '"':
        return "'\"'"
    # Go looks at bytes here.
    first = c.encode("utf-8", "surrogatepass")[0]
    if first >= 128:
        return f"'{chr(first)}'" if first != 0xAD and first >= 0xA1 else f"'\\u{first:04x}'"
    simple = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "\0": "\\x00", "\x07": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v"}
    return f"'{simple.get(c, c if ' ' <= c < chr(127) else f'{chr(92)}x{first:02x}')}'"
