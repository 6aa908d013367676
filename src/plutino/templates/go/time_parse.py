"""Text to time by a Go layout (``time.ParseInLocation``)."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from plutino.templates.go.quoting import quote_bytes as quote
from plutino.templates.go.time_layout import MONTHS, WEEKDAYS, fixed_zone, split_layout
from plutino.templates.go.values import Failure

_DIGITS: Final = re.compile(r"[0-9]+", re.ASCII)
_OFFSETS: Final = {
    3: re.compile(r"([+-])([0-9]{2})()()", re.ASCII),
    5: re.compile(r"([+-])([0-9]{2})([0-9]{2})()", re.ASCII),
    6: re.compile(r"([+-])([0-9]{2}):([0-9]{2})()", re.ASCII),
    7: re.compile(r"([+-])([0-9]{2})([0-9]{2})([0-9]{2})", re.ASCII),
    9: re.compile(r"([+-])([0-9]{2}):([0-9]{2}):([0-9]{2})", re.ASCII),
}
_ABBREVIATION: Final = re.compile(r"ChST|MeST|GMT(?:[+-][0-9]{1,2})?|[+-][0-9]{1,2}|[A-Z]{3,6}", re.ASCII)


class _Mismatch(Exception):  # noqa: N818 - internal signal
    """The text does not fit the element; the argument is the range message, empty for a plain mismatch."""


@dataclass(slots=True)
class _Parts:
    """What was read so far."""

    year: int = 0
    month: int = -1
    day: int = -1
    year_day: int = -1
    hour: int = 0
    minute: int = 0
    second: int = 0
    nanosecond: int = 0
    afternoon: bool | None = None
    utc: bool = False
    offset: int | None = None
    zone: str = ""


def parse_layout(layout: str, text: str, local: tzinfo) -> datetime:
    """The time that ``text`` tells in ``layout``, in ``local`` when it names no zone. Raises Failure with Go's text."""
    parts = _Parts()
    rest = text
    elements = split_layout(layout)
    for index, (literal, element) in enumerate(elements):
        rest, fits = _skip(rest, literal)
        if not fits:
            raise Failure(_message(text, layout, rest, literal))
        if not element:
            break
        fraction_follows = elements[index + 1][1][:1] in (".", ",")
        try:
            rest = _read(parts, element, rest, fraction_follows)
        except _Mismatch as mismatch:
            problem = str(mismatch)
            if problem:
                raise Failure(f"parsing time {quote(text)}: {problem} out of range") from None
            raise Failure(_message(text, layout, rest, element)) from None
    if rest:
        raise Failure(f"parsing time {quote(text)}: extra text: {quote(rest)}")
    return _build(parts, text, local)


def _message(text: str, layout: str, rest: str, element: str) -> str:
    return f"parsing time {quote(text)} as {quote(layout)}: cannot parse {quote(rest)} as {quote(element)}"


def _skip(text: str, literal: str) -> tuple[str, bool]:
    """``text`` after ``literal``, and whether it fits; runs of spaces match one another."""
    while literal:
        if literal[0] == " ":
            if text and text[0] != " ":
                return text, False
            literal, text = literal.lstrip(" "), text.lstrip(" ")
        elif not text or text[0] != literal[0]:
            return text, False
        else:
            literal, text = literal[1:], text[1:]
    return text, True


def _read(parts: _Parts, element: str, text: str, fraction_follows: bool) -> str:
    """Read one element; the text after it."""
    match element:
        case "2006" | "06":
            return _read_year(parts, element, text)
        case "January" | "Jan":
            parts.month, rest = _name(text, MONTHS, 3 if element == "Jan" else 0)
            parts.month += 1
            return rest
        case "Monday" | "Mon":
            return _name(text, WEEKDAYS, 3 if element == "Mon" else 0)[1]
        case "1" | "01":
            parts.month, rest = _number(text, element == "01")
            if not 1 <= parts.month <= 12:
                raise _Mismatch("month")
            return rest
        case "2" | "_2" | "02":
            parts.day, rest = _number(text.removeprefix(" ") if element == "_2" else text, element == "02")
            return rest
        case "__2" | "002":
            return _read_year_day(parts, element, text)
        case "15" | "3" | "03":
            parts.hour, rest = _number(text, element == "03")
            if parts.hour > (23 if element == "15" else 12):
                raise _Mismatch("hour")
            return rest
        case "4" | "04":
            parts.minute, rest = _number(text, element == "04")
            if parts.minute > 59:
                raise _Mismatch("minute")
            return rest
        case "5" | "05":
            return _read_second(parts, element, text, fraction_follows)
        case "PM" | "pm":
            half = text[:2]
            if half not in (("PM", "AM") if element == "PM" else ("pm", "am")):
                raise _Mismatch
            parts.afternoon = half in ("PM", "pm")
            return text[2:]
        case "MST":
            return _read_zone(parts, text)
    return _read_fraction(parts, element, text) if element[0] in ".," else _read_offset(parts, element, text)


def _read_year(parts: _Parts, element: str, text: str) -> str:
    width = len(element) if element == "2006" else 2
    digits = text[:width]
    if len(digits) < width or not digits.isascii() or not digits.isdecimal():
        raise _Mismatch
    parts.year = int(digits)
    if width == 2:
        parts.year += 1900 if parts.year >= 69 else 2000
    return text[width:]


def _read_year_day(parts: _Parts, element: str, text: str) -> str:
    if element == "__2":
        text = text.removeprefix(" ").removeprefix(" ")
    found = _DIGITS.match(text)
    digits = found[0][:3] if found else ""
    if not digits or (element == "002" and len(digits) != 3):
        raise _Mismatch
    parts.year_day = int(digits)
    return text[len(digits) :]


def _read_second(parts: _Parts, element: str, text: str, fraction_follows: bool) -> str:
    parts.second, rest = _number(text, element == "05")
    if parts.second > 59:
        raise _Mismatch("second")
    if not fraction_follows and len(rest) >= 2 and rest[0] in ".," and rest[1] in "0123456789":
        return _read_fraction(parts, ".9", rest)
    return rest


def _read_fraction(parts: _Parts, element: str, text: str) -> str:
    found = _DIGITS.match(text, 1) if text[:1] in (".", ",") else None
    if element[1] == "9":
        if found is None:
            return text
        digits = found[0]
    else:
        digits = text[1 : len(element)]
        if text[:1] not in (".", ",") or len(digits) < len(element) - 1 or not digits.isascii() or not digits.isdecimal():
            raise _Mismatch
    parts.nanosecond = int(digits[:9].ljust(9, "0"))
    return text[1 + len(digits) :]


def _read_offset(parts: _Parts, element: str, text: str) -> str:
    if element[0] == "Z" and text.startswith("Z"):
        parts.utc = True
        return text[1:]
    found = _OFFSETS[len(element)].match(text)
    if found is None:
        raise _Mismatch
    hours, minutes, seconds = (int(g or 0) for g in found.groups()[1:])
    for value, limit, name in ((hours, 24, "hour"), (minutes, 60, "minute"), (seconds, 60, "second")):
        if value > limit:
            raise _Mismatch(f"time zone offset {name}")
    parts.offset = (hours * 60 + minutes) * 60 + seconds
    if found[1] == "-":
        parts.offset = -parts.offset
    return text[found.end() :]


def _read_zone(parts: _Parts, text: str) -> str:
    if text.startswith("UTC"):
        parts.utc = True
        return text[3:]
    found = _ABBREVIATION.match(text)
    name = found[0] if found else ""
    if name.isalpha() and not name.startswith(("GMT", "ChST", "MeST")):
        fits = len(name) == 3 or (len(name) == 5 and name[4] == "T") or (len(name) == 4 and (name[3] == "T" or name == "WITA"))
        name = name if fits else ""
    if not name:
        raise _Mismatch
    parts.zone = name
    return text[len(name) :]


def _number(text: str, fixed: bool) -> tuple[int, str]:
    """One or two digits, exactly two when ``fixed``."""
    found = _DIGITS.match(text)
    digits = found[0][:2] if found else ""
    if not digits or (fixed and len(digits) != 2):
        raise _Mismatch
    return int(digits), text[len(digits) :]


def _name(text: str, names: tuple[str, ...], length: int) -> tuple[int, str]:
    """The index of the name that ``text`` begins with, in any case."""
    for index, full in enumerate(names):
        name = full[:length] if length else full
        if text[: len(name)].lower() == name.lower():
            return index, text[len(name) :]
    raise _Mismatch


def _build(parts: _Parts, text: str, local: tzinfo) -> datetime:
    hour = parts.hour
    if parts.afternoon and hour < 12:
        hour += 12
    elif parts.afternoon is False and hour == 12:
        hour = 0
    month, day = _date(parts, text)
    # Python's calendar has no year 0, which Go takes when the layout has none: year 4 is the first that has the same days.
    year = parts.year or 4
    if not 1 <= day <= calendar.monthrange(year, month)[1]:
        raise Failure(f"parsing time {quote(text)}: day out of range")
    plain = datetime(year, month, day, hour, parts.minute, parts.second, parts.nanosecond // 1000)
    if parts.utc:
        return plain.replace(tzinfo=UTC)
    try:
        if parts.offset is not None:
            moment = plain.replace(tzinfo=UTC) - timedelta(seconds=parts.offset)
            there = moment.astimezone(local)
            if there.utcoffset() == timedelta(seconds=parts.offset) and parts.zone in ("", there.tzname()):
                return there
            return moment.astimezone(fixed_zone(parts.zone, parts.offset))
        if parts.zone:
            here = plain.replace(tzinfo=local)
            if here.tzname() == parts.zone:
                return here
            shift = int(parts.zone[3:] or 0) * 3600 if parts.zone.startswith("GMT") else 0
            return plain.replace(tzinfo=UTC).astimezone(fixed_zone(parts.zone, shift))
    except OverflowError:
        raise Failure(f"parsing time {quote(text)}: year out of range") from None
    return plain.replace(tzinfo=local)


def _date(parts: _Parts, text: str) -> tuple[int, int]:
    """Month and day, out of the day of the year where that is given."""
    if parts.year_day < 0:
        return (1 if parts.month < 0 else parts.month), (1 if parts.day < 0 else parts.day)
    leap = calendar.isleap(parts.year)
    if not 1 <= parts.year_day <= (366 if leap else 365):
        raise Failure(f"parsing time {quote(text)}: day-of-year out of range")
    there = datetime(2000 if leap else 2001, 1, 1) + timedelta(days=parts.year_day - 1)
    if parts.month not in (-1, there.month):
        raise Failure(f"parsing time {quote(text)}: day-of-year does not match month")
    if parts.day not in (-1, there.day):
        raise Failure(f"parsing time {quote(text)}: day-of-year does not match day")
    return there.month, there.day
