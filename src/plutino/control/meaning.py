"""Whether two texts of an object say the same."""

from __future__ import annotations

from typing import Any

import msgspec

from plutino.catalog.trigger import FIELD, RULE
from plutino.model import Ref
from plutino.model.definition import same_value

_UNREADABLE = object()


def same_meaning(ref: Ref, text: str, known: str | None) -> bool:
    """Whether two texts are equal, or hold the same JSON value. None is no text."""
    if known is None:
        return False
    if text == known:
        return True
    value = _meaning(ref, known)
    return value is not _UNREADABLE and same_value(value, _meaning(ref, text))


def _meaning(ref: Ref, text: str) -> Any:
    """The JSON value of a text; a rule that says nothing about it is started."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return _UNREADABLE
    if ref.kind == RULE and isinstance(value, dict) and value.get(FIELD) is True:
        del value[FIELD]
    return value
