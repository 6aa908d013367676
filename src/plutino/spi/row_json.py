"""A row as one JSON object, for sinks that take rows and send objects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec


def row_json(row: Mapping[str, Any]) -> bytes:
    """JSON of a row: whole floats without a fraction, what JSON cannot hold as null."""
    return msgspec.json.encode(_shown(row))


def _shown(value: Any) -> Any:
    match value:
        case float():
            if not math.isfinite(value):
                return None
            return int(value) if value.is_integer() and abs(value) < 1e15 else value
        case list():
            return [_shown(v) for v in value]
        case Mapping():
            return {k: _shown(v) for k, v in value.items()}
        case _:
            return value
