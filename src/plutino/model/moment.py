"""Datetimes of the dialect: reading them from text and numbers, writing them, and the zone of the server (sql reference §4.4, §6.7).

Two things are settings of the process: the zone that texts without a zone are read in, and the clock that fills in missing parts of a date
(``"03:04"`` is today). Both have a setter, so that everything else stays a function of its arguments.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from plutino.errors import EvaluationError
from plutino.model.layout import Layout, Reading, fixed_zone, offset_text, pattern_layout, read, reference_layout, write, zone_name

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)


class _Settings:
    """The zone and the clock of this process."""

    zone: tzinfo | None = None
    clock: Callable[[], int] | None = None


def set_zone(name: str) -> None:
    """Make ``name`` (IANA name, ``Local`` or ``UTC``) the zone of the process; EvaluationError for an unknown one."""
    _Settings.zone = load_zone(name)


def local_zone() -> tzinfo:
    """The zone of the process; the machine's own until ``set_zone`` is called."""
    if _Settings.zone is None:
        _Settings.zone = load_zone("Local")
    return _Settings.zone


def set_clock(now_ms: Callable[[], int] | None) -> None:
    """Take the current time (epoch ms) from ``now_ms``; None goes back to the machine's clock."""
    _Settings.clock = now_ms


def now() -> datetime:
    """The current time in the zone of the process."""
    ms = _Settings.clock() if _Settings.clock is not None else time.time_ns() // 1_000_000
    return from_epoch_ms(ms)


def load_zone(name: str) -> tzinfo:
    """The zone with this name: ``""`` and ``UTC`` are UTC, ``Local`` the machine's zone; EvaluationError ``unknown time zone X``."""
    if name in ("", "UTC"):
        return UTC
    if name == "Local":
        return _machine_zone()
    if name.startswith(("/", "\\")) or ".." in name:
        raise EvaluationError("time: invalid location name")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise EvaluationError(f"unknown time zone {name}") from None


def from_epoch_ms(ms: int) -> datetime:
    """The datetime of epoch milliseconds, in the zone of the process; EvaluationError outside the years 1 to 9999."""
    try:
        return (_EPOCH + ms * _MILLISECOND).astimezone(local_zone())
    except OverflowError:
        raise EvaluationError(f"cannot convert {ms} to a datetime; years 1 to 9999 are expected") from None


def to_epoch_ms(value: datetime) -> int:
    """Epoch milliseconds of a datetime, rounded down."""
    return (value - _EPOCH) // _MILLISECOND


def to_epoch_us(value: datetime) -> int:
    """Epoch microseconds of a datetime."""
    return (value - _EPOCH) // _MICROSECOND


def moment_text(value: datetime) -> str:
    """Go's default text (``2023-11-14 22:13:20.123 +0000 UTC``)."""
    return write(_DEFAULT, value)


def json_moment(value: datetime) -> str:
    """RFC 3339 with as much of the fraction as needed, as JSON shows a datetime (without quotes)."""
    fraction = f".{value.microsecond:06d}".rstrip("0") if value.microsecond else ""
    zone = offset_text(value, colon=True) if value.utcoffset() else "Z"
    return f"{value.year:04d}-{value.month:02d}-{value.day:02d}T{value.hour:02d}:{value.minute:02d}:{value.second:02d}{fraction}{zone}"


def format_moment(value: datetime, pattern: str) -> str:
    """A datetime in a pattern (``yyyy-MM-dd HH:mm:ss``); EvaluationError when the pattern is wrong."""
    return write(pattern_layout(pattern), value)


def parse_moment(text: str) -> datetime:
    """A datetime text in one of the accepted layouts; EvaluationError ``Can't parse string as time: X``."""
    match = _COMMON.fullmatch(text)
    if match is not None:
        quick = _from_common(match)
        if quick is not None:
            return quick
    return _parse(text, _layouts())


def parse_moment_with(text: str, pattern: str) -> datetime:
    """A datetime text in the layout of a pattern; EvaluationError when pattern or text are wrong."""
    return _parse(text, (pattern_layout(pattern),))


def _parse(text: str, layouts: tuple[Layout, ...]) -> datetime:
    for layout in layouts:
        reading = read(layout, text)
        if reading is not None:
            try:
                return _complete(reading, text)
            except (ValueError, OverflowError):
                break
    raise EvaluationError(f"Can't parse string as time: {text}")


def _complete(reading: Reading, text: str) -> datetime:
    """Fill what the text left out from the current date: a missing year, and the day where only a time was given."""
    zone = _zone_of(reading)
    year, month, day = reading.year, reading.month, reading.day
    today = now().astimezone(zone) if not year or _ONLY_TIME.fullmatch(text) else None
    if today is not None:
        if _ONLY_TIME.fullmatch(text):
            month, day = today.month, today.day
        year = year or today.year
    start = datetime(year, month, 1, reading.hour, reading.minute, reading.second, reading.microsecond, tzinfo=zone)
    return start + timedelta(days=day - 1)


def _zone_of(reading: Reading) -> tzinfo:
    """The zone of a reading: the local one where it agrees with what was written, else the written offset."""
    local = local_zone()
    if reading.offset is None and not reading.zone:
        return local
    at = datetime(max(reading.year, 1), reading.month, min(reading.day, 28), reading.hour, reading.minute, tzinfo=local)
    if reading.offset is not None:
        agrees = at.utcoffset() == timedelta(seconds=reading.offset)
        return local if agrees else fixed_zone(reading.offset)
    if reading.zone == "UTC":
        return UTC
    names = {zone_name(at.replace(month=month)) for month in (at.month, 1, 7)}
    if reading.zone in names:
        return local
    hours = re.search(r"[+-]\d+$", reading.zone)
    return fixed_zone(int(hours[0]) * 3600 if hours else 0)


def _from_common(match: re.Match[str]) -> datetime | None:
    """A datetime in the two most usual layouts, the same as the fixed list gives; None when a field is out of range."""
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    micros = int(fraction[1:7].ljust(6, "0")) if fraction else 0
    try:
        if hour is None:
            return datetime(int(year), int(month), int(day), tzinfo=local_zone())
        fields = (int(year), int(month), int(day), int(hour), int(minute), int(second), micros)
        if not zone:
            return datetime(*fields, tzinfo=local_zone())
        if zone == "Z":
            return datetime(*fields, tzinfo=UTC)
        seconds = (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60) * (-1 if zone[0] == "-" else 1)
        value = datetime(*fields, tzinfo=local_zone())
        return value if value.utcoffset() == timedelta(seconds=seconds) else value.replace(tzinfo=fixed_zone(seconds))
    except ValueError:
        return None


def _machine_zone() -> tzinfo:
    """The machine's zone as Go finds it: the variable TZ, else /etc/localtime, else UTC."""
    name = os.environ.get("TZ")
    if name is not None:
        try:
            return load_zone(name.removeprefix(":")) if name != "Local" else UTC
        except EvaluationError:
            return UTC
    try:
        link = os.path.realpath("/etc/localtime")
        if "/zoneinfo/" in link:
            return load_zone(link.split("/zoneinfo/", 1)[1].removeprefix("posix/").replace("Etc/UTC", "UTC"))
        with open("/etc/localtime", "rb") as file:
            return ZoneInfo.from_file(file, key="Local")
    except (OSError, ValueError, EvaluationError):
        return UTC


def _layouts() -> tuple[Layout, ...]:
    if not _compiled:
        _compiled.extend(reference_layout(text) for text in _ACCEPTED)
    return tuple(_compiled)


_compiled: list[Layout] = []
_ACCEPTED = (
    *("2006", "2006-1", "2006-1-2", "2006-1-2 15", "2006-1-2 15:4", "2006-1-2 15:4:5", "1-2", "15:4:5", "15:4", "15"),
    *("15:4:5 Jan 2, 2006 MST", "2006-01-02 15:04:05.999999999 -0700 MST", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07"),
    *("2006.1.2", "2006.1.2 15:04:05", "2006.01.02", "2006.01.02 15:04:05", "2006.01.02 15:04:05.999999999"),
    *("1/2/2006", "1/2/2006 15:4:5", "2006/01/02", "20060102", "2006/01/02 15:04:05"),
    *("Mon Jan _2 15:04:05 2006", "Mon Jan _2 15:04:05 MST 2006", "Mon Jan 02 15:04:05 -0700 2006"),
    *("02 Jan 06 15:04 MST", "02 Jan 06 15:04 -0700", "Monday, 02-Jan-06 15:04:05 MST"),
    *("Mon, 02 Jan 2006 15:04:05 MST", "Mon, 02 Jan 2006 15:04:05 -0700", "2006-01-02T15:04:05Z07:00"),
    *("2006-01-02T15:04:05.999999999Z07:00", "3:04PM", "Jan _2 15:04:05", "Jan _2 15:04:05.000", "Jan _2 15:04:05.000000"),
    "Jan _2 15:04:05.000000000",
    *("2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05"),
)
_DEFAULT = reference_layout("2006-01-02 15:04:05.999999999 -0700 MST")
_COMMON = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:(?: (?=[\d:.]+$)|T)(\d\d):(\d\d):(\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)
_ONLY_TIME = re.compile(r"\s*\d{1,2}(?:(?::\d{1,2})*|(?::\d{1,2}){2}\.\d+)\s*", re.ASCII)
