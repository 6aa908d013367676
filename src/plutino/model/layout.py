"""Layouts: how a datetime is written, for reading and writing.

There are two notations. Go's reference time (``2006-01-02 15:04:05``) is used by the fixed list of accepted layouts; pattern letters
(``yyyy-MM-dd HH:mm:ss``) are what statements use (sql reference §4.4, §6.7). Both compile to the same parts. Unlike the original,
literal text of a pattern is never read as a reference time, and a fraction after a written dot (``ss.SSS``) prints one dot.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from msgspec import Struct

from plutino.errors import EvaluationError

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Part(Struct, frozen=True):
    """One piece of a layout.

    ``code`` is its spelling in Go's reference time, ``""`` for literal ``text``; ``digits`` counts fraction digits.
    """

    code: str
    text: str = ""
    digits: int = 0


Layout = tuple[Part, ...]


class Reading:
    """The fields that a layout found in a text; a month and day of 1 and a year of 0 stand where it found none."""

    __slots__ = ("day", "hour", "microsecond", "minute", "month", "offset", "pm", "second", "year", "zone")

    def __init__(self) -> None:
        self.year = 0
        self.month = 0
        self.day = 0
        self.hour = 0
        self.minute = 0
        self.second = 0
        self.microsecond = 0
        self.pm: bool | None = None
        self.offset: int | None = None
        """Seconds east of UTC."""
        self.zone = ""
        """Zone abbreviation as written."""


_CHUNK = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|_2|0[1-6]|15|[1-5]|PM|pm|-07:00|-0700|-07|Z07:00|Z0700|Z07|[.,](?:0+|9+)(?!\d)",
)


@lru_cache(maxsize=256)
def reference_layout(text: str) -> Layout:
    """The parts of a layout in Go's notation."""
    parts: list[Part] = []
    end = 0
    for match in _CHUNK.finditer(text):
        if match.start() > end:
            parts.append(Part("", text[end : match.start()]))
        code = match[0]
        if code[0] in ".,":
            parts.append(Part(code[:2], code[0], len(code) - 1))
        else:
            parts.append(Part(code))
        end = match.end()
    if end < len(text):
        parts.append(Part("", text[end:]))
    return tuple(parts)


# Letter -> (longest run that counts, spellings by run length, 1-based); a run of any other length vanishes, as in the original.
_LETTERS: dict[str, tuple[int, dict[int, str]]] = {
    "M": (5, {1: "1", 2: "01", 3: "Jan", 4: "January"}),
    "d": (3, {1: "2", 2: "02"}),
    "h": (3, {1: "03", 2: "03"}),
    "m": (3, {1: "4", 2: "04"}),
    "s": (3, {1: "5", 2: "05"}),
    "X": (4, {1: "-07", 2: "-0700", 3: "-07:00"}),
    "a": (1, {1: "PM"}),
    "z": (1, {1: "MST"}),
    "Z": (1, {1: "-0700"}),
}


@lru_cache(maxsize=256)
def pattern_layout(pattern: str) -> Layout:
    """The parts of a pattern (``yyyy-MM-dd HH:mm:ss``); EvaluationError when it has a letter count that means nothing."""
    parts: list[Part] = []
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        if letter in _LETTERS:
            longest, spellings = _LETTERS[letter]
            run = _run(pattern, at, longest)
            at += run
            if run in spellings:
                parts.append(Part(spellings[run]))
        elif letter in "yY":
            run = _run(pattern, at, 5)
            if run not in (2, 4):
                raise EvaluationError(f"invalid time format {letter * run} for Y/y")
            at += run
            parts.append(Part("2006" if run == 4 else "06"))
        elif letter == "E":
            run = _run(pattern, at, 5)
            if run not in (3, 4):
                raise EvaluationError(f"invalid time format {letter * run} for E")
            at += run
            parts.append(Part("Mon" if run == 3 else "Monday"))
        elif letter == "H":
            run = _run(pattern, at, 3)
            if run != 2:
                raise EvaluationError(f"invalid time format {letter * run} of H, only HH is supported")
            at += run
            parts.append(Part("15"))
        elif letter == "S":
            run = _run(pattern, at, len(pattern))
            at += run
            parts.append(_fraction(parts, run))
        else:
            at = _literal(pattern, at, parts)
    return tuple(parts)


def _run(pattern: str, at: int, longest: int) -> int:
    """How often the letter at ``at`` repeats, at most ``longest``."""
    end = at + 1
    while end < len(pattern) and end - at < longest and pattern[end] == pattern[at]:
        end += 1
    return end - at


def _fraction(parts: list[Part], digits: int) -> Part:
    """A fraction part; it takes over a dot that the pattern wrote just before."""
    if parts and not parts[-1].code and parts[-1].text[-1:] in (".", ","):
        before = parts.pop()
        if before.text[:-1]:
            parts.append(Part("", before.text[:-1]))
        return Part(before.text[-1] + "0", before.text[-1], digits)
    return Part(".0", ".", digits)


def _literal(pattern: str, at: int, parts: list[Part]) -> int:
    """Add the literal text at ``at`` to ``parts``; the result is where it ends."""
    letter = pattern[at]
    if letter == "'":
        if at + 1 >= len(pattern):
            raise EvaluationError(f"invalid time format {pattern}; the quote at its end opens no text")
        if pattern[at + 1] == "'":
            text, end = "'", at + 2
        else:
            close = pattern.find("'", at + 1)
            close = len(pattern) if close < 0 else close
            text, end = pattern[at + 1 : close], close + 1
    elif letter == "\\":
        if at + 1 >= len(pattern):
            raise EvaluationError(f"invalid time format {pattern}; a character is expected after the backslash at its end")
        text, end = pattern[at + 1], at + 2
    elif letter == "G":
        text, end = "AD", at + 1
    else:
        text, end = letter, at + 1
    if parts and not parts[-1].code:
        parts[-1] = Part("", parts[-1].text + text)
    else:
        parts.append(Part("", text))
    return end


def write(layout: Layout, value: datetime) -> str:
    """A datetime in a layout."""
    return "".join(part.text if not part.code else _WRITERS[part.code](value, part.digits) for part in layout)


def zone_name(value: datetime) -> str:
    """The zone abbreviation; ``""`` for a bare offset."""
    name = value.tzname() or ""
    return "" if name.startswith("UTC") and value.tzinfo is not UTC and value.utcoffset() != timedelta() else name


def offset_text(value: datetime, colon: bool = False, minutes: bool = True) -> str:
    """The offset from UTC (``+0800``)."""
    seconds = int((value.utcoffset() or timedelta()).total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("+", seconds)
    hours, rest = divmod(seconds // 60, 60)
    return f"{sign}{hours:02d}" + ((f":{rest:02d}" if colon else f"{rest:02d}") if minutes else "")


def _write_fraction(value: datetime, digits: int) -> str:
    return f"{value.microsecond * 1000:09d}"[:digits].ljust(digits, "0")


def _write_trimmed(value: datetime, digits: int) -> str:
    text = f"{value.microsecond * 1000:09d}"[:digits].rstrip("0")
    return text and "." + text


def _write_z(value: datetime, colon: bool = False, minutes: bool = True) -> str:
    return offset_text(value, colon, minutes) if value.utcoffset() else "Z"


_WRITERS: dict[str, Callable[[datetime, int], str]] = {
    "2006": lambda v, _: f"{v.year:04d}",
    "06": lambda v, _: f"{v.year % 100:02d}",
    "1": lambda v, _: str(v.month),
    "01": lambda v, _: f"{v.month:02d}",
    "Jan": lambda v, _: MONTHS[v.month - 1][:3],
    "January": lambda v, _: MONTHS[v.month - 1],
    "2": lambda v, _: str(v.day),
    "_2": lambda v, _: f"{v.day:2d}",
    "02": lambda v, _: f"{v.day:02d}",
    "Mon": lambda v, _: DAYS[v.weekday()][:3],
    "Monday": lambda v, _: DAYS[v.weekday()],
    "15": lambda v, _: f"{v.hour:02d}",
    "3": lambda v, _: str(v.hour % 12 or 12),
    "03": lambda v, _: f"{v.hour % 12 or 12:02d}",
    "4": lambda v, _: str(v.minute),
    "04": lambda v, _: f"{v.minute:02d}",
    "5": lambda v, _: str(v.second),
    "05": lambda v, _: f"{v.second:02d}",
    "PM": lambda v, _: "AM" if v.hour < 12 else "PM",
    "pm": lambda v, _: "am" if v.hour < 12 else "pm",
    "MST": lambda v, _: zone_name(v) or offset_text(v),
    "-0700": lambda v, _: offset_text(v),
    "-07:00": lambda v, _: offset_text(v, colon=True),
    "-07": lambda v, _: offset_text(v, minutes=False),
    "Z0700": lambda v, _: _write_z(v),
    "Z07:00": lambda v, _: _write_z(v, colon=True),
    "Z07": lambda v, _: _write_z(v, minutes=False),
    ".0": lambda v, n: "." + _write_fraction(v, n),
    ",0": lambda v, n: "," + _write_fraction(v, n),
    ".9": _write_trimmed,
    ",9": _write_trimmed,
}

# What a part accepts. A written fraction may always follow the seconds, even where the layout names none.
_READERS: dict[str, str] = {
    "2006": r"(?P<year>\d{4})",
    "06": r"(?P<shortyear>\d{2})",
    "1": r"(?P<month>\d{1,2})",
    "01": r"(?P<month>\d{2})",
    "Jan": "(?P<monthname>" + "|".join(m[:3] for m in MONTHS) + ")",
    "January": "(?P<monthname>" + "|".join(MONTHS) + ")",
    "2": r"(?P<day>\d{1,2})",
    "_2": r" ?(?P<day>\d{1,2})",
    "02": r"(?P<day>\d{2})",
    "Mon": "(?:" + "|".join(d[:3] for d in DAYS) + ")",
    "Monday": "(?:" + "|".join(DAYS) + ")",
    "15": r"(?P<hour>\d{1,2})",
    "3": r"(?P<hour12>\d{1,2})",
    "03": r"(?P<hour12>\d{2})",
    "4": r"(?P<minute>\d{1,2})",
    "04": r"(?P<minute>\d{2})",
    "5": r"(?P<second>\d{1,2})",
    "05": r"(?P<second>\d{2})",
    "PM": r"(?P<half>(?-i:AM|PM))",
    "pm": r"(?P<half>(?-i:am|pm))",
    "MST": r"(?P<zone>(?-i:UTC|ChST|MeST|GMT(?:[+-]\d{1,2})?|[+-]\d{2}|[A-Z]{4}T|[A-Z]{3}T|WITA|[A-Z]{3}))",
    "-0700": r"(?P<offset>[+-]\d{4})",
    "-07:00": r"(?P<offset>[+-]\d{2}:\d{2})",
    "-07": r"(?P<offset>[+-]\d{2})",
    "Z0700": r"(?P<offset>(?-i:Z)|[+-]\d{4})",
    "Z07:00": r"(?P<offset>(?-i:Z)|[+-]\d{2}:\d{2})",
    "Z07": r"(?P<offset>(?-i:Z)|[+-]\d{2})",
}


@lru_cache(maxsize=256)
def _reader(layout: Layout) -> re.Pattern[str] | None:
    """The expression that reads a layout; None when a field stands twice in it (such layouts only write)."""
    pieces: list[str] = []
    for index, part in enumerate(layout):
        following = layout[index + 1] if index + 1 < len(layout) else None
        if not part.code:
            pieces.append(_literal_reader(part.text))
        elif part.code[1:] == "0" and part.code[0] in ".,":
            pieces.append(rf"[.,](?P<fraction>\d{{{part.digits}}})")
        elif part.code[1:] == "9" and part.code[0] in ".,":
            pieces.append(r"(?:[.,](?P<fraction>\d+))?")
        else:
            pieces.append(_READERS[part.code])
            if part.code in ("5", "05") and not (following and following.code[:1] in (".", ",")):
                pieces.append(r"(?:[.,](?P<fraction>\d+))?")
    try:
        return re.compile("".join(pieces), re.IGNORECASE | re.ASCII)
    except re.error:
        return None


def _literal_reader(text: str) -> str:
    """Literal text is matched exactly (letter case too), but a run of blanks stands for any run, also for none at the end of the text."""
    return "".join("(?: +|$)" if run.isspace() else f"(?-i:{re.escape(run)})" for run in re.findall(r" +|[^ ]+", text))


def read(layout: Layout, text: str) -> Reading | None:
    """The fields of ``text`` when the layout fits the whole of it and every field is in range, else None."""
    reader = _reader(layout)
    match = reader.fullmatch(text) if reader is not None else None
    if match is None:
        return None
    found = match.groupdict()
    reading = Reading()
    if found.get("year"):
        reading.year = int(found["year"])
    elif found.get("shortyear"):
        year = int(found["shortyear"])
        reading.year = year + (1900 if year >= 69 else 2000)
    reading.month = _month(found)
    reading.day = int(found.get("day") or 1)
    reading.minute = int(found.get("minute") or 0)
    reading.second = int(found.get("second") or 0)
    reading.microsecond = int((found.get("fraction") or "0")[:6].ljust(6, "0"))
    hour = _hour(found)
    if hour is None or not 1 <= reading.month <= 12 or reading.minute > 59 or reading.second > 59:
        return None
    reading.hour = hour
    if not 1 <= reading.day <= days_in(reading.year, reading.month):
        return None
    reading.zone = found.get("zone") or ""
    offset = found.get("offset")
    if offset:
        reading.offset = _offset(offset)
    return reading


def days_in(year: int, month: int) -> int:
    """Number of days of a month."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _month(found: dict[str, str | None]) -> int:
    name = found.get("monthname")
    if name:
        return next(i for i, m in enumerate(MONTHS, 1) if m[:3].lower() == name[:3].lower())
    return int(found.get("month") or 1)


def _hour(found: dict[str, str | None]) -> int | None:
    """The hour of the day, None when it is out of range."""
    half = (found.get("half") or "").upper()
    if found.get("hour12"):
        hour = int(found["hour12"] or 0)
        if hour > 12:
            return None
    else:
        hour = int(found.get("hour") or 0)
        if hour > 23:
            return None
    if half == "PM" and hour < 12:
        return hour + 12
    return 0 if half == "AM" and hour == 12 else hour


def _offset(text: str) -> int:
    if text == "Z":
        return 0
    digits = text[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
    return -seconds if text[0] == "-" else seconds


def fixed_zone(seconds: int) -> tzinfo:
    """A zone without a name at this many seconds east of UTC."""
    from datetime import timezone

    return timezone(timedelta(seconds=seconds)) if seconds else UTC
