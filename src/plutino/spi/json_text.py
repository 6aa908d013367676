"""JSON texts changed in place: single values are replaced, everything else stays as its author wrote it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

Path = tuple[str, ...]

DEEPEST = 512
"""Levels of a text that are looked into."""

_TOKEN = re.compile(r"[ \t\r\n]*(?:([{}\[\],:])|(\"(?:[^\"\\]|\\.)*\")|([^\s{}\[\],:\"]+))", re.DOTALL)
_LOADS = json.JSONDecoder(strict=False).decode


class Leaf(Struct, frozen=True, gc=False):
    """One scalar of a JSON text: ``path`` has member names and list positions, ``raw`` the token as written between two offsets."""

    path: Path
    raw: str
    start: int
    end: int

    @property
    def value(self) -> Any:
        """What the token means; UNSET when that is nothing."""
        return decoded(self.raw)


def leaves(text: str) -> Iterator[Leaf]:
    """Every scalar of a JSON text, in order. A text that is no JSON ends where it stops to be any."""
    path: list[str | int] = []
    expecting_name = False
    at = 0
    while (match := _TOKEN.match(text, at)) is not None:
        at = match.end()
        mark = match[1]
        if mark is None:
            raw = match[2] or match[3]
            if expecting_name:
                name = decoded(raw)
                path[-1] = name if isinstance(name, str) else raw
                expecting_name = False
            else:
                yield Leaf(tuple(map(str, path)), raw, at - len(raw), at)
            continue
        match mark:
            case "{" | "[" if len(path) >= DEEPEST:
                return
            case "{":
                path.append("")
                expecting_name = True
            case "[":
                path.append(0)
            case "}" | "]":
                if not path:
                    return
                path.pop()
                expecting_name = False
            case ",":
                if not path:
                    return
                last = path[-1]
                if isinstance(last, int):
                    path[-1] = last + 1
                else:
                    expecting_name = True


def rewritten(text: str, change: Callable[[Leaf], str | None]) -> str:
    """``text`` with the tokens of its scalars replaced by what ``change`` gives; None leaves one as it is."""
    parts: list[str] = []
    at = 0
    for leaf in leaves(text):
        token = change(leaf)
        if token is not None:
            parts += (text[at : leaf.start], token)
            at = leaf.end
    return "".join((*parts, text[at:])) if parts else text


def with_member(text: str, name: str, value: str) -> str:
    """The text of an object with another value of its text member ``name``, in whatever case that is written."""
    return rewritten(text, lambda leaf: encoded(value) if len(leaf.path) == 1 and leaf.path[0].lower() == name.lower() else None)


def decoded(raw: str) -> Any:
    """The value of a scalar token; UNSET when it is none."""
    try:
        return _LOADS(raw)
    except (ValueError, RecursionError):
        return msgspec.UNSET


def encoded(value: str) -> str:
    """The token of a text value."""
    return msgspec.json.encode(value).decode() if _is_encodable(value) else json.dumps(value)


def _is_encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def inner(value: Any) -> bool:
    """Whether a text value is itself a JSON object or list, as options hold them now and then."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return False
    try:
        _LOADS(value)
    except (ValueError, RecursionError):
        return False
    return True
