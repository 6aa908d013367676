"""Rows and values as msgpack, for snapshots. Never pickle."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET

from plutino.model import column_names, row_type, to_dict
from plutino.model.moment import load_zone
from plutino.model.text import NULL_LIST, NullList, Span, Weekday

_KIND = "\x00kind"
"""Key of the maps that stand for what msgpack has no form for; a map of a row that has it is wrapped itself."""


def pack_value(value: Any) -> Any:
    """A dialect value as msgpack can hold it."""
    match value:
        case None | bool() | float() | str() | bytes():
            return value
        case Weekday():
            return {_KIND: "weekday", "is": int(value)}
        case int():
            return value if -(2**63) <= value < 2**63 else {_KIND: "int", "is": str(value)}
        case list() | tuple():
            return [pack_value(v) for v in value]
        case dict():
            packed = {k: pack_value(v) for k, v in value.items()}
            return {_KIND: "map", "is": packed} if _KIND in packed else packed
        case datetime():
            return {_KIND: "datetime", "is": value.isoformat(), "zone": getattr(value.tzinfo, "key", None)}
        case Span():
            return {_KIND: "span", "is": value.nanoseconds}
        case NullList():
            return {_KIND: "null list"}
        case _:
            return value


def unpack_value(value: Any) -> Any:
    """What ``pack_value`` packed."""
    if isinstance(value, list):
        return [unpack_value(v) for v in value]
    if not isinstance(value, dict):
        return value
    match value.get(_KIND):
        case None:
            return {k: unpack_value(v) for k, v in value.items()}
        case "map":
            return {k: unpack_value(v) for k, v in value["is"].items()}
        case "int":
            return int(value["is"])
        case "weekday":
            return Weekday(value["is"])
        case "datetime":
            moment = datetime.fromisoformat(value["is"])
            return moment if value["zone"] is None else moment.astimezone(load_zone(value["zone"]))
        case "span":
            return Span(value["is"])
        case _:
            return NULL_LIST


def pack_row(row: Any) -> tuple[list[str], dict[str, Any]]:
    """A row struct as its columns and its values."""
    return list(column_names(type(row))), pack_value(to_dict(row))


def unpack_row(packed: Any) -> Any:
    """What ``pack_row`` packed, with its missing columns."""
    names, values = packed
    values = unpack_value(values)
    return row_type(names)(*[values.get(n, UNSET) for n in names])
