"""Secrets in texts that do not parse: statements and JSON with quotes too few or too many, or cut off.

Nothing tells there where a value begins and ends. So everything that it may be is taken for one, rather too much than too little: it is
blanked out of messages about such a text, and nothing else is done with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from plutino.spi.json_text import decoded
from plutino.spi.secrets import MASK, holds_headers, is_open, is_secret_header, names_secrets, secret_number, surely_secret

_MARKS = "\"'`\\"
_UNMARKED = str.maketrans("", "", _MARKS)
_NAMED = re.compile(r"(?<![\w.$\"'`\\-])([\w.$\"'`\\-]++)[ \t\r\n]{0,8}+(?:=>|[:=]{1,2})")
"""A name as written, quotes and backslashes included, and what stands between it and its value."""

_OPENING = re.compile(r"[\s\"'`\\]{0,64}")
_QUOTE = re.compile(r"(\\*)([\"'`])")
_BARE = re.compile(r"[^\s\"'`\\]*")
_GOES_ON = re.compile(r"[\"'`\\]+[^\s,;:(){}\[\]\"'`\\]")
"""Marks in the midst of a word."""

_SCHEME = re.compile(r"\b(?:bearer|basic|digest)[\s\"'`\\]+([^\s\"'`\\,;]{8,})", re.IGNORECASE)
_ADDRESSES = (
    re.compile(r"://[\"'`\\]*[^\s:@/]{0,64}:(?!\d{1,5}(?:[/?\"'`\\]|$))([^\s,{}]{1,200})@"),
    re.compile(r"://[\"'`\\]*([^\s:@/\"'`\\]{8,200})@"),
    re.compile(r"://[\"'`\\]*[^\s:@/\"'`\\]{1,64}:(?!\d{1,5}(?:[/?\"'`\\]|$))([^\s,{}]{4,200})\Z"),  # cut off
    re.compile(r"(?<![\w/.$-])[\w.$-]{1,64}:(?!//)([^\s,;\"'`\\{}]{4,200})@(?=[\w\[(.-])"),
)
"""What stands before the host of an address or a DSN."""

_SCHEMES = frozenset(("bearer", "basic", "digest"))
_WORDS = frozenset(("null", "true", "false", "none"))
_NUMBER = re.compile(r"-?[\d.]+(?:[eE][-+]?\d+)?")
_PIECE = re.compile(r"\w{8,}")
_SHORTEST = 4
_LONGEST_NAME = 80
_EXTENSIONS = 8


def secrets_behind_names(text: str, declared: Collection[str] = ()) -> set[str]:
    """Everything in a text that may be the value of what is called like a secret, and passwords in addresses.

    ``declared``: lower-case names of options that are secret although they do not sound so.
    """
    found: set[str] = set()
    unmarked = text.translate(_UNMARKED)
    plain = unmarked.lower()
    headers = "header" in plain
    if names_secrets(plain) or headers or any(name in plain for name in declared):
        for match in _NAMED.finditer(text):
            name = match[1][-_LONGEST_NAME:].translate(_UNMARKED).lstrip("$.-")
            if _names_secret(name, headers, declared):
                for value in _values(text, match.end()):
                    found.update(_forms(value, name))
    if "@" in unmarked or "://" in unmarked:
        for each in (text, unmarked):
            found.update(form for pattern in _ADDRESSES for match in pattern.finditer(each) for form in _forms(match[1], "password"))
    if "b" in plain or "d" in plain:
        found.update(form for match in _SCHEME.finditer(text) for form in _forms(match[1], "token"))
    return found


def _names_secret(name: str, headers: bool, declared: Collection[str]) -> bool:
    if surely_secret(name) or name.lower() in declared:
        return True
    return headers and name[:2].lower() == "x-" and not holds_headers(name) and is_secret_header(name)


def _values(text: str, at: int) -> Iterator[str]:
    """What may be the value that begins at an offset."""
    opening = _OPENING.match(text, at)
    assert opening is not None
    start, marks = opening.end(), opening[0].rstrip()
    bare = _BARE.match(text, start)
    assert bare is not None
    word = text[start : _extended(text, bare.end())]
    yield word
    yield bare[0]
    if word.translate(_UNMARKED).lower() in _SCHEMES:
        yield from _values(text, start + len(word))
    if marks and marks[-1] in "\"'`":
        quote = marks[-1]
        depth = len(marks) - 1 - len(marks[:-1].rstrip("\\"))
        end = _closing(text, start, quote, depth)
        yield text[start:end]
        yield text[start : _extended(text, end)]


def _closing(text: str, start: int, quote: str, depth: int) -> int:
    """Where a text ends that began with a quote behind ``depth`` backslashes."""
    for match in _QUOTE.finditer(text, start):
        size = len(match[1])
        if match[2] == quote and (size % 2 == 0 if depth == 0 else size <= depth):
            return match.start()
    return len(text)


def _extended(text: str, end: int) -> int:
    """The end of a value, where quotes and backslashes in the midst of a word belong to it."""
    for _ in range(_EXTENSIONS):
        if _GOES_ON.match(text, end) is None:
            break
        opening = _OPENING.match(text, end)
        assert opening is not None
        further = _BARE.match(text, opening.end())
        assert further is not None
        end = further.end()
    return end


def _forms(value: str, name: str) -> Iterator[str]:
    """A value as a message may show it: whole, without what follows it, with its escapes read, and in words."""
    value = value.strip()
    if len(value) < _SHORTEST or value == MASK or is_open(value) or value[0] in "{[" or value.lower() in _WORDS:
        return
    if _NUMBER.fullmatch(value) and not secret_number(name):
        return
    first = re.split(r"[\s,;&]", value, maxsplit=1)[0]
    for form in (value, value.rstrip(",;:)}]>"), first, first.rstrip(",;:)}]>"), value.lstrip("*&!|>%@")):
        yield form
        yield form.replace("\\", "")
        yield form.translate(_UNMARKED)
        read = decoded(f'"{form}"') if "\\" in form else form
        if isinstance(read, str):
            yield read
    yield from _PIECE.findall(first)
