"""What kinds of resources share on the wire: ids, answers, and the property spellings of older versions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from plutino.errors import PlutinoError
from plutino.model import format_duration
from plutino.spi.resource import Answer

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

_ID = re.compile(r"[a-zA-Z0-9_\-]+")
_HTML = {"&": "&amp;", "'": "&#39;", "<": "&lt;", ">": "&gt;", '"': "&#34;"}
_DURATIONS = ("interval", "timeout", "expiration")


def check_id(name: str) -> None:
    """PlutinoError with the wire text unless ``name`` may name a stored object."""
    if not name:
        raise PlutinoError("id cannot be empty")
    if name != name.strip():
        raise PlutinoError(f"id '{name}' contains leading or trailing whitespace")
    if _ID.fullmatch(name) is None:
        raise PlutinoError(f"id '{name}' contains invalid characters: only alphanumeric, hyphens and underscores are allowed")


def with_prefix(error: PlutinoError, prefix: str, *, code: int | None = None) -> None:
    """Put ``prefix: `` before the message of an error that is about to be raised again, and give it another code if there is one."""
    error.message = f"{prefix}: {error.message}"
    error.args = (error.message,)
    if code is not None:
        error.code = code


def json_answer(value: Any, status: int = 200) -> Answer:
    """A value as compact JSON."""
    return Answer(msgspec.json.encode(value), status, JSON)


def text_answer(text: str, status: int = 200) -> Answer:
    """A text as it is."""
    return Answer(text, status)


def escaped(text: str) -> str:
    """Text with the characters that matter in HTML escaped, as some success texts are sent."""
    return re.sub(r"[&'<>\"]", lambda m: _HTML[m[0]], text)


def truth(text: str) -> bool:
    """A flag of the query string, by Go's spellings; anything else is false."""
    return text in ("1", "t", "T", "true", "TRUE", "True")


def current_spelling(connector: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Properties as the current version spells them: ``saslPassword`` is ``password``, the ``url`` of type sql is ``dburl``, and whole
    numbers for times are duration texts."""
    found = dict(properties)
    if "saslPassword" in found:
        found["password"] = found.pop("saslPassword")
    if connector == "sql" and "url" in found:
        found["dburl"] = found.pop("url")
    for name in _DURATIONS:
        if name in found:
            found[name] = _duration(found[name])
    lookup = found.get("lookup")
    if isinstance(lookup, Mapping) and "cacheTtl" in lookup:
        found["lookup"] = {**lookup, "cacheTtl": _duration(lookup["cacheTtl"])}
    return found


def _duration(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole or (isinstance(value, float) and value.is_integer()):
        return format_duration(int(value))
    return value
