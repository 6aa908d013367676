"""Canonical YAML: equal values give equal bytes, and every reader of YAML 1.1 or 1.2 gives them back.

Blocks with four spaces as the original writes them, no line is folded. A text stands without quotes only where no reader could take it for
anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

INDENT = 4

# No control characters, surrogates, line breaks of any YAML version, or marks that readers refuse.
_PRINTABLE = r"\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff"
_plain = re.compile(r"[A-Za-z/_](?:[\x20-\x39\x3b-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|:(?=\S))*")
_block = re.compile(rf"[{_PRINTABLE}\n]*")
_single = re.compile(rf"[{_PRINTABLE}]*".replace(r"\t", ""))
_escaped = re.compile(rf"[^{_PRINTABLE}]".replace(r"\t", ""))
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


def to_yaml(value: Any) -> str:
    """A JSON value as a document."""
    return "\n".join([*_lines(value, 0), ""])


def to_entry(name: str, value: Any, indent: int) -> list[str]:
    """The lines of one entry of an object that stands ``indent`` spaces from the left."""
    return list(_entry(" " * indent + _text_key(name), value, indent + INDENT, indent + INDENT))


def _lines(value: Any, indent: int) -> Iterable[str]:
    match value:
        case dict() if value:
            for name, item in value.items():
                yield from _entry(" " * indent + _text_key(name), item, indent + INDENT, indent + INDENT)
        case list() if value:
            for item in value:
                yield from _item(item, indent)
        case _:
            yield from _entry("", value, indent, indent + INDENT)


def _entry(head: str, value: Any, inner: int, block: int) -> Iterable[str]:
    """``head`` with the value on the same line where it has one line, else below: collections ``inner`` spaces from the left, the lines of
    a text ``block``."""
    match value:
        case dict() | list() if value:
            yield head
            yield from _lines(value, inner)
        case str() if _is_block(value):
            stripped = value.removesuffix("\n")
            yield _behind(head, "|" if stripped != value else "|-")
            for line in stripped.split("\n"):
                yield " " * block + line if line else ""
        case _:
            yield _behind(head, _scalar(value))


def _behind(head: str, text: str) -> str:
    return f"{head} {text}" if head else text


def _item(value: Any, indent: int) -> Iterable[str]:
    """An item of a list: the first line behind the dash, the others below it."""
    dash = " " * indent + "-"
    match value:
        case dict() if value:
            first = True
            for name, item in value.items():
                head = f"{dash} {_text_key(name)}" if first else " " * (indent + 2) + _text_key(name)
                yield from _entry(head, item, indent + INDENT, indent + INDENT)
                first = False
        case list() if value:
            yield dash
            yield from _lines(value, indent + INDENT)
        case _:
            yield from _entry(dash, value, indent + INDENT, indent + INDENT)


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case float():
            # YAML 1.1 wants a point in every float.
            shown = repr(value)
            return shown if "." in shown else shown.replace("e", ".0e")
        case Mapping():
            return "{}"
        case list():
            return "[]"
        case _:
            return str(value)


@lru_cache(maxsize=4096)
def _text_key(name: str) -> str:
    return _text(name) + ":"


def _text(text: str) -> str:
    if _plain.fullmatch(text) and text[-1] != " " and " #" not in text and text.lower() not in _WORDS:
        return text
    if ('"' in text or "\\" in text) and _single.fullmatch(text):
        return "'" + text.replace("'", "''") + "'"
    quoted = json.dumps(text, ensure_ascii=False)
    return _escaped.sub(lambda m: f"\\u{ord(m[0]):04x}", quoted)


def _is_block(text: str) -> bool:
    """Whether a text of several lines can stand as it is: no reader may strip or guess anything."""
    return "\n" in text and text[0] not in " \t\n" and not text.endswith("\n\n") and _block.fullmatch(text) is not None
