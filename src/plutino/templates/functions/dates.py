"""Dates and durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from plutino.templates.functions.registry import define
from plutino.templates.go.durations import SECOND, Duration, duration_text, parse_duration
from plutino.templates.go.methods import aware, difference, shift, unix_micros
from plutino.templates.go.time_layout import ZERO_TIME, format_layout, in_zone
from plutino.templates.go.time_parse import parse_layout
from plutino.templates.go.values import INT64_MAX, INT64_MIN, Failure, Int, wrap64
from plutino.templates.host import Host, find_zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(host: Host, value: Any) -> datetime:
    """A time, or seconds since 1970; anything else is now."""
    if isinstance(value, datetime):
        return aware(value)
    if type(value) in (int, Int):
        try:
            return _EPOCH + timedelta(seconds=value)
        except OverflowError:
            raise Failure(f"time out of range: {value} s") from None
    return host.now()


def _format(host: Host, layout: str, value: Any, zone: str) -> str:
    there = host.zone if zone == "Local" else find_zone(zone) or UTC
    return format_layout(in_zone(_moment(host, value), there), layout)


@define("now", "-> any", host=True)
def now(host: Host) -> datetime:
    return host.now()


@define("date", "string, any -> string", host=True)
def date(host: Host, layout: str, value: Any) -> str:
    return _format(host, layout, value, "Local")


@define("dateInZone date_in_zone", "string, any, string -> string", host=True)
def date_in_zone(host: Host, layout: str, value: Any, zone: str) -> str:
    return _format(host, layout, value, zone)


@define("htmlDate", "any -> string", host=True)
def html_date(host: Host, value: Any) -> str:
    return _format(host, "2006-01-02", value, "Local")


@define("htmlDateInZone", "any, string -> string", host=True)
def html_date_in_zone(host: Host, value: Any, zone: str) -> str:
    return _format(host, "2006-01-02", value, zone)


@define("dateModify date_modify", "string, time -> any")
def date_modify(duration: str, value: datetime) -> datetime:
    try:
        change = parse_duration(duration)
    except Failure:
        return value
    return shift(value, change)


@define("mustDateModify must_date_modify", "string, time -> any")
def must_date_modify(duration: str, value: datetime) -> datetime:
    return shift(value, parse_duration(duration))


@define("toDate", "string, string -> any", host=True)
def to_date(host: Host, layout: str, text: str) -> datetime:
    try:
        return parse_layout(layout, text, host.zone)
    except Failure:
        return ZERO_TIME


@define("mustToDate", "string, string -> any", host=True)
def must_to_date(host: Host, layout: str, text: str) -> datetime:
    return parse_layout(layout, text, host.zone)


@define("unixEpoch", "time -> string")
def unix_epoch(value: datetime) -> str:
    return str(unix_micros(value) // 1_000_000)


@define("ago", "any -> string", host=True)
def ago(host: Host, value: Any) -> str:
    passed = int(difference(host.now(), _moment(host, value)))
    # To whole seconds, halves away from zero.
    seconds = (abs(passed) + SECOND // 2) // SECOND
    return duration_text(seconds * SECOND if passed >= 0 else -seconds * SECOND)


@define("duration", "any -> string")
def duration(value: Any) -> str:
    seconds = 0
    if isinstance(value, str):
        digits = value[1:] if value[:1] in ("+", "-") else value
        if digits.isascii() and digits.isdecimal():
            seconds = int(digits[:20]) * (-1 if value.startswith("-") else 1)
            seconds = max(INT64_MIN, min(seconds, INT64_MAX))
    elif type(value) is int:
        seconds = value
    return duration_text(wrap64(seconds * SECOND))


@define("durationRound", "any -> string", host=True)
def duration_round(host: Host, value: Any) -> str:
    amount = 0
    if isinstance(value, str):
        try:
            amount = int(parse_duration(value))
        except Failure:
            amount = 0
    elif isinstance(value, datetime):
        amount = int(difference(host.now(), value))
    elif type(value) is int:
        amount = value
    amount = abs(int(Duration(amount)))
    hour = 3600 * SECOND
    for unit, size in (("y", 8760 * hour), ("mo", 720 * hour), ("d", 24 * hour), ("h", hour), ("m", 60 * SECOND), ("s", SECOND)):
        if amount > size:
            return f"{amount // size}{unit}"
    return "0s"
