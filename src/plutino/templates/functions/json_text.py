"""JSON in and out."""

from __future__ import annotations

from typing import Any

from plutino.templates.functions.registry import define
from plutino.templates.go_json import decode, encode, indent
from plutino.templates.values import Failure


@define("toJson json", "any -> string", deep=True)
def to_json(value: Any) -> str:
    """Empty when the value has no JSON form."""
    try:
        return encode(value)
    except Failure:
        return ""


@define("mustToJson", "any -> string", deep=True)
def must_to_json(value: Any) -> str:
    return encode(value)


@define("toPrettyJson", "any -> string", deep=True)
def to_pretty_json(value: Any) -> str:
    try:
        return indent(encode(value))
    except Failure:
        return ""


@define("mustToPrettyJson", "any -> string", deep=True)
def must_to_pretty_json(value: Any) -> str:
    return indent(encode(value))


@define("toRawJson mustToRawJson", "any -> string", deep=True)
def to_raw_json(value: Any) -> str:
    return encode(value, escape_html=False)


@define("fromJson", "string -> any")
def from_json(text: str) -> Any:
    """Nil when the text is no JSON."""
    try:
        return decode(text)
    except Failure:
        return None


@define("mustFromJson", "string -> any")
def must_from_json(text: str) -> Any:
    return decode(text)
