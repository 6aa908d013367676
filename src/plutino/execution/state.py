"""Rows and values as msgpack, for snapshots. Never pickle."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET

from plutino.model import column_names, row_type, to_dict

_DATETIME = "\x00datetime"
_BIG = "\x00int"


def pack_value(value: Any) -> Any:
    """A dialect value as msgpack can hold it."""
    if isinstance(value, datetime):
        return {_DATETIME: value.isoformat()}
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, list | tuple):
            return [pack_value(v) for v in value]
        return {k: pack_value(v) for k, v in value.items()} if isinstance(value, dict) else value
    return value if -(2**63) <= value < 2**63 else {_BIG: str(value)}


def unpack_value(value: Any) -> Any:
    """What ``pack_value`` packed."""
    if isinstance(value, list):
        return [unpack_value(v) for v in value]
    if isinstance(value, dict):
        if _DATETIME in value:
            return datetime.fromisoformat(value[_DATETIME])
        if _BIG in value:
            return int(value[_BIG])
        return {k: unpack_value(v) for k, v in value.items()}
    return value


def pack_row(row: Any) -> tuple[list[str], dict[str, Any]]:
    """A row struct as its columns and its values."""
    return list(column_names(type(row))), pack_value(to_dict(row))


def unpack_row(packed: Any) -> Any:
    """What ``pack_row`` packed, with its missing columns."""
    names, values = packed
    values = unpack_value(values)
    return row_type(names)(*[values.get(n, UNSET) for n in names])
