"""JSON in and out."""

from __future__ import annotations

from typing import Any

from plutino.templates.functions.registry import define
from plutino.templates.go.json import decode, encode, indent
from plutino.templates.go.values import Failure
from plutino.templates.limits import LimitExceeded


@define("toJson json", "any -> string")
def to_json(value: Any) -> str:
    """Empty when the value has no JSON form."""
    try:
        return encode(value)
    except LimitExceeded:
        raise
    except Failure:
        return ""


@define("mustToJson", "any -> string")
def must_to_json(value: Any) -> str:
    return encode(value)


@define("toPrettyJson", "any -> string", grows=True)
def to_pretty_json(value: Any) -> str:
    try:
        return indent(encode(value))
    except LimitExceeded:
        raise
    except Failure:
        return ""


@define("mustToPrettyJson", "any -> string", grows=True)
def must_to_pretty_json(value: Any) -> str:
    return indent(encode(value))


@define("toRawJson mustToRawJson", "any -> string")
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
