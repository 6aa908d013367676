"""Strings: cutting, searching, replacing, quoting."""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

from plutino.templates.functions.registry import define
from plutino.templates.go.printing import plain_text
from plutino.templates.go.quoting import quote as go_quote
from plutino.templates.go.values import Failure, Stringer, byte_length, from_utf8, utf8
from plutino.templates.limits import check_text, join_parts

SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
"""Unicode white space (``unicode.IsSpace``); ``str.strip`` without argument takes more."""


def string_value(value: Any) -> str:
    """The text of any value: strings and bytes as they are, all else as printed."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return from_utf8(value)
    return value.text() if isinstance(value, Stringer) else plain_text(value)


@define("hello", "-> string")
def hello() -> str:
    return "Hello!"


@define("toString", "any -> string")
def to_string(value: Any) -> str:
    return string_value(value)


@define("trim", "string -> string")
def trim(text: str) -> str:
    return text.strip(SPACE)


@define("trimAll trimall", "string, string -> string")
def trim_all(characters: str, text: str) -> str:
    return text.strip(characters) if characters else text


@define("trimSuffix", "string, string -> string")
def trim_suffix(suffix: str, text: str) -> str:
    return text.removesuffix(suffix)


@define("trimPrefix", "string, string -> string")
def trim_prefix(prefix: str, text: str) -> str:
    return text.removeprefix(prefix)


@define("repeat", "int, string -> string", grows=True)
def repeat(count: int, text: str) -> str:
    if count < 0:
        raise Failure("strings: negative Repeat count")
    check_text(len(text) * count)
    return text * count


@define("substr", "int, int, string -> string")
def substr(start: int, end: int, text: str) -> str:
    data = utf8(text)
    length = len(data)
    if start < 0:
        if not 0 <= end <= length:
            bounds = f":{end}] with length {length}" if end >= 0 else f":{end}]"
            raise Failure(f"runtime error: slice bounds out of range [{bounds}")
        return from_utf8(data[:end])
    if end < 0 or end > length:
        if start > length:
            raise Failure(f"runtime error: slice bounds out of range [{start}:{length}]")
        return from_utf8(data[start:])
    if start > end:
        raise Failure(f"runtime error: slice bounds out of range [{start}:{end}]")
    return from_utf8(data[start:end])


@define("trunc", "int, string -> string")
def trunc(length: int, text: str) -> str:
    if text.isascii():
        return text[length:] if length < 0 < len(text) + length else text[:length] if length >= 0 else text
    data = utf8(text)
    return from_utf8(data[length:] if length < 0 < len(data) + length else data[:length] if length >= 0 else data)


@define("abbrev", "int, string -> string")
def abbrev(width: int, text: str) -> str:
    return text if width < 4 else abbreviate(text, 0, width)


@define("abbrevboth", "int, int, string -> string")
def abbrevboth(left: int, right: int, text: str) -> str:
    return text if right < 4 or (left > 0 and right < 7) else abbreviate(text, left, right)


def abbreviate(text: str, offset: int, width: int) -> str:
    """``text`` in at most ``width`` bytes, with dots where something is left out; ``offset`` stays visible."""
    data = utf8(text)
    length = len(data)
    if length <= width:
        return text
    offset = min(offset, length)
    if length - offset < width - 3:
        offset = length - (width - 3)
    if offset <= 4:
        return from_utf8(data[: width - 3] + b"...")
    if width < 7:
        return ""
    if offset + width - 3 < length:
        return "..." + abbreviate(from_utf8(data[offset:]), 0, width - 3)
    return from_utf8(b"..." + data[length - (width - 3) :])


@define("contains", "string, string -> bool")
def contains(part: str, text: str) -> bool:
    return part in text


@define("hasPrefix", "string, string -> bool")
def has_prefix(part: str, text: str) -> bool:
    return text.startswith(part)


@define("hasSuffix", "string, string -> bool")
def has_suffix(part: str, text: str) -> bool:
    return text.endswith(part)


@define("replace", "string, string, string -> string", grows=True)
def replace(old: str, new: str, text: str) -> str:
    if len(new) > len(old):
        check_text(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


@define("quote", "...any -> string", grows=True)
def quote(*values: Any) -> str:
    return join_parts([go_quote(string_value(v)) for v in values if v is not None], " ")


@define("squote", "...any -> string", grows=True)
def squote(*values: Any) -> str:
    return join_parts([f"'{plain_text(v)}'" for v in values if v is not None], " ")


@define("cat", "...any -> string", grows=True)
def cat(*values: Any) -> str:
    return join_parts([plain_text(v) for v in values if v is not None], " ")


@define("indent", "int, string -> string", grows=True)
def indent(spaces: int, text: str) -> str:
    if spaces < 0:
        raise Failure("strings: negative Repeat count")
    check_text(len(text) + spaces * (text.count("\n") + 1))
    pad = " " * spaces
    return pad + text.replace("\n", "\n" + pad)


@define("nindent", "int, string -> string", grows=True)
def nindent(spaces: int, text: str) -> str:
    return "\n" + indent(spaces, text)


@define("plural", "string, string, int -> string")
def plural(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


@define("wrap", "int, string -> string", grows=True)
def wrap(width: int, text: str) -> str:
    return _wrap(text, width, "\n", False)


@define("wrapWith", "int, string, string -> string", grows=True)
def wrap_with(width: int, separator: str, text: str) -> str:
    return _wrap(text, width, separator or "\n", True)


def _wrap(text: str, width: int, line_end: str, break_words: bool) -> str:
    """Break ``text`` at spaces so that lines have at most ``width`` bytes; words that are longer are broken or left."""
    data, end_of_line = utf8(text), utf8(line_end)
    width = max(width, 1)
    check_text(len(data) + (len(data) // width + data.count(b" ") + 1) * len(end_of_line))
    parts: list[bytes] = []
    at, length = 0, len(data)
    while length - at > width:
        if data[at] == 32:
            at += 1
            continue
        space = data.rfind(b" ", at, at + width + 1)
        if space < 0 and break_words:
            parts += (data[at : at + width], end_of_line)
            at += width
            continue
        if space < 0:
            space = data.find(b" ", at + width)
        if space < 0:
            break
        parts += (data[at:space], end_of_line)
        at = space + 1
    parts.append(data[at:])
    return from_utf8(b"".join(parts))


@define("initials", "string -> string")
def initials(text: str) -> str:
    found: list[str] = []
    after_gap = True
    # Byte by byte, each byte a character of its own, as the original does.
    for code in utf8(text):
        c = chr(code)
        if c in SPACE:
            after_gap = True
        elif after_gap:
            found.append(c)
            after_gap = False
    return "".join(found)


@define("nospace", "string -> string")
def nospace(text: str) -> str:
    if not any(c in SPACE for c in text) and text.isascii():
        return text
    kept = "".join([chr(b) for b in utf8(text) if chr(b) not in SPACE])
    return text if len(kept) == byte_length(text) else kept


@define("sha1sum", "string -> string")
def sha1sum(text: str) -> str:
    return hashlib.sha1(utf8(text), usedforsecurity=False).hexdigest()


@define("sha256sum", "string -> string")
def sha256sum(text: str) -> str:
    return hashlib.sha256(utf8(text)).hexdigest()


@define("sha512sum", "string -> string")
def sha512sum(text: str) -> str:
    return hashlib.sha512(utf8(text)).hexdigest()


@define("adler32sum", "string -> string")
def adler32sum(text: str) -> str:
    return str(zlib.adler32(utf8(text)))
