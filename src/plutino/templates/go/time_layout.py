"""Go's time layouts (``2006-01-02 15:04:05``): times to text and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final

from plutino.templates.go.values import Failure

MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MAX_LAYOUT: Final = 2048
"""Characters of a layout."""
ZERO_TIME: Final = datetime(1, 1, 1, tzinfo=UTC)

RFC3339_NANO: Final = "2006-01-02T15:04:05.999999999Z07:00"

ELEMENT: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|002|0[1-6]|15|1|2006|2|__2|_2(?!006)|3|4|5|PM|pm"
    r"|-070000|-07:00:00|-0700|-07:00|-07|Z070000|Z07:00:00|Z0700|Z07:00|Z07|[.,](?:0+|9+)(?![0-9])",
    re.ASCII,
)


def format_layout(value: datetime, layout: str) -> str:
    """``value`` in Go's layout; it must have a zone."""
    parts: list[str] = []
    for literal, element in split_layout(layout):
        parts.append(literal)
        if element:
            parts.append(_format(value, element))
    return "".join(parts)


def split_layout(layout: str) -> tuple[tuple[str, str], ...]:
    """The layout as pairs of literal text and the element after it; the last element is empty."""
    if len(layout) > _MAX_LAYOUT:
        raise Failure(f"time layout too long: {len(layout)} characters; at most {_MAX_LAYOUT}")
    return _split(layout)


@lru_cache(maxsize=256)
def _split(layout: str) -> tuple[tuple[str, str], ...]:
    parts: list[tuple[str, str]] = []
    at = 0
    for match in ELEMENT.finditer(layout):
        parts.append((layout[at : match.start()], match[0]))
        at = match.end()
    parts.append((layout[at:], ""))
    return tuple(parts)


def in_zone(value: datetime, zone: tzinfo) -> datetime:
    """``value`` in another zone; the ends of the calendar stay in UTC."""
    try:
        return value.astimezone(zone)
    except OverflowError:
        return value


def offset_seconds(value: datetime) -> int:
    """Seconds east of UTC."""
    return int((value.utcoffset() or timedelta()).total_seconds())


def zone_name(value: datetime) -> str:
    """The abbreviation of the zone, ``+0200`` where it has none."""
    name = value.tzname() or ""
    if name and not name.startswith(("UTC+", "UTC-")):
        return name
    return _offset_text(offset_seconds(value), "-0700")


def day_of_year(value: datetime) -> int:
    """1 to 366."""
    return value.timetuple().tm_yday


def _format(value: datetime, element: str) -> str:
    writer = _WRITERS.get(element)
    if writer is not None:
        return writer(value)
    if element[0] in ".,":
        digits = f"{value.microsecond:06d}000"[: len(element) - 1].ljust(len(element) - 1, "0")
        if element[1] == "9":
            digits = digits.rstrip("0")
            return element[0] + digits if digits else ""
        return element[0] + digits
    offset = offset_seconds(value)
    return "Z" if element[0] == "Z" and offset == 0 else _offset_text(offset, element)


def _offset_text(offset: int, element: str) -> str:
    sign = "-" if offset < 0 else "+"
    minutes, seconds = divmod(abs(offset), 60)
    hours, minutes = divmod(minutes, 60)
    colon = ":" if ":" in element else ""
    text = f"{sign}{hours:02d}"
    if len(element) > 3:
        text += f"{colon}{minutes:02d}"
    return text + f"{colon}{seconds:02d}" if len(element) >= 7 else text


def _hour12(value: datetime) -> int:
    return value.hour % 12 or 12


_WRITERS: Final[dict[str, Callable[[datetime], str]]] = {
    "January": lambda t: MONTHS[t.month - 1],
    "Jan": lambda t: MONTHS[t.month - 1][:3],
    "1": lambda t: str(t.month),
    "01": lambda t: f"{t.month:02d}",
    "Monday": lambda t: WEEKDAYS[t.isoweekday() % 7],
    "Mon": lambda t: WEEKDAYS[t.isoweekday() % 7][:3],
    "2": lambda t: str(t.day),
    "_2": lambda t: f"{t.day:2d}",
    "02": lambda t: f"{t.day:02d}",
    "__2": lambda t: f"{day_of_year(t):3d}",
    "002": lambda t: f"{day_of_year(t):03d}",
    "15": lambda t: f"{t.hour:02d}",
    "3": lambda t: str(_hour12(t)),
    "03": lambda t: f"{_hour12(t):02d}",
    "4": lambda t: str(t.minute),
    "04": lambda t: f"{t.minute:02d}",
    "5": lambda t: str(t.second),
    "05": lambda t: f"{t.second:02d}",
    "2006": lambda t: f"{t.year:04d}",
    "06": lambda t: f"{t.year % 100:02d}",
    "PM": lambda t: "PM" if t.hour >= 12 else "AM",
    "pm": lambda t: "pm" if t.hour >= 12 else "am",
    "MST": zone_name,
}


def fixed_zone(name: str, offset: int) -> tzinfo:
    """A zone of its own for an offset read from a text; offsets of a day and more count as none."""
    if abs(offset) >= 86400:
        raise Failure("time zone offset out of range")
    if name:
        return timezone(timedelta(seconds=offset), name)
    return timezone(timedelta(seconds=offset))
