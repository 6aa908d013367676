"""Lists of strings: split, join, sort."""

from __future__ import annotations

from typing import Any

from plutino.templates.functions.registry import define
from plutino.templates.functions.text import string_value
from plutino.templates.go.values import LISTS, NilStringList, StringList, StringMap, utf8
from plutino.templates.limits import check_items, join_parts


def strings_of(value: Any) -> StringList:
    """The elements of a list as texts, without nil; any other value is a list of one."""
    if isinstance(value, StringList):
        return value
    if isinstance(value, LISTS):
        return StringList([v if type(v) is str else string_value(v) for v in value if v is not None])
    if isinstance(value, bytes):
        return StringList([str(b) for b in value])
    return StringList() if value is None else StringList((string_value(value),))


def split_text(text: str, separator: str, limit: int = -1) -> list[str]:
    """``strings.SplitN``: an empty separator splits into characters, a limit of 0 gives nothing."""
    if limit == 0:
        return []
    if separator:
        if limit < 0:
            check_items(text.count(separator))
        else:
            check_items(min(limit, len(text)))
        return text.split(separator, limit - 1 if limit > 0 else -1)
    check_items(len(text) if limit < 0 else min(limit, len(text)))
    if limit < 0 or limit >= len(text):
        return list(text)
    return [*text[: limit - 1], text[limit - 1 :]]


@define("toStrings", "any -> any")
def to_strings(value: Any) -> StringList:
    return strings_of(value)


@define("join", "string, any -> string", grows=True)
def join(separator: str, values: Any) -> str:
    parts = strings_of(values)
    return join_parts(parts, separator)


@define("split", "string, string -> any", grows=True)
def split(separator: str, text: str) -> StringMap:
    return StringMap({f"_{i}": part for i, part in enumerate(split_text(text, separator))})


@define("splitn", "string, int, string -> any", grows=True)
def splitn(separator: str, limit: int, text: str) -> StringMap:
    return StringMap({f"_{i}": part for i, part in enumerate(split_text(text, separator, limit))})


@define("splitList", "string, string -> any", grows=True)
def split_list(separator: str, text: str) -> StringList:
    return StringList(split_text(text, separator))


@define("sortAlpha", "any -> any")
def sort_alpha(values: Any) -> StringList:
    if not isinstance(values, (*LISTS, bytes)):
        return StringList((string_value(values),))
    parts = strings_of(values)
    ordered = sorted(parts) if all(map(str.isascii, parts)) else sorted(parts, key=utf8)
    if isinstance(values, StringList | NilStringList):
        # The original sorts a list of strings in place.
        values[:] = ordered
    return StringList(ordered)
