"""Methods that templates may call on values: times, durations, versions (``{{ .ts.Format "2006" }}``, ``{{ now.UnixMilli }}``)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from plutino.templates.go.durations import Duration, Month, Weekday, duration_text
from plutino.templates.go.printing import time_text
from plutino.templates.go.time_layout import ZERO_TIME, day_of_year, format_layout
from plutino.templates.go.values import Failure, Int
from plutino.templates.go.versions import Version


class Method(NamedTuple):
    """One method: its parameters after the receiver as Python class and Go type."""

    parameters: tuple[tuple[type, str], ...]
    call: Callable[..., Any]


def find_method(receiver: Any, name: str) -> Method | None:
    """The method ``name`` of a value, or ``None``."""
    if not name[:1].isupper():
        return None
    if isinstance(receiver, datetime):
        return _TIME.get(name)
    if isinstance(receiver, Duration):
        return _DURATION.get(name)
    if isinstance(receiver, Version):
        return _VERSION.get(name)
    if isinstance(receiver, Month | Weekday):
        return _NAMED.get(name)
    return None


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def unix_micros(value: datetime) -> int:
    """Microseconds since 1970."""
    return (aware(value) - _EPOCH) // timedelta(microseconds=1)


def aware(value: datetime) -> datetime:
    """A time with a zone; UTC where it has none."""
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def shift(value: datetime, nanoseconds: int) -> datetime:
    """``value`` later by ``nanoseconds``, as an instant."""
    try:
        zone = aware(value).tzinfo
        return (aware(value).astimezone(UTC) + timedelta(microseconds=nanoseconds // 1000)).astimezone(zone)
    except OverflowError:
        raise Failure("time out of range") from None


def difference(later: datetime, earlier: datetime) -> Duration:
    """``later - earlier`` in nanoseconds."""
    return Duration((aware(later) - aware(earlier)) // timedelta(microseconds=1) * 1000)


def _add_date(value: datetime, years: int, months: int, days: int) -> datetime:
    index = value.year * 12 + value.month - 1 + years * 12 + months
    try:
        return value.replace(year=index // 12, month=index % 12 + 1, day=1) + timedelta(days=value.day - 1 + days)
    except (OverflowError, ValueError):
        raise Failure("time out of range") from None


_INTEGER: Final = (Int, "int")
_MOMENT: Final = (datetime, "time.Time")
_TIME: Final[dict[str, Method]] = {
    "Year": Method((), lambda t: Int(t.year)),
    "Month": Method((), lambda t: Month(t.month)),
    "Day": Method((), lambda t: Int(t.day)),
    "Hour": Method((), lambda t: Int(t.hour)),
    "Minute": Method((), lambda t: Int(t.minute)),
    "Second": Method((), lambda t: Int(t.second)),
    "Nanosecond": Method((), lambda t: Int(t.microsecond * 1000)),
    "YearDay": Method((), lambda t: Int(day_of_year(t))),
    "Weekday": Method((), lambda t: Weekday(t.isoweekday() % 7)),
    "Unix": Method((), lambda t: unix_micros(t) // 1_000_000),
    "UnixMilli": Method((), lambda t: unix_micros(t) // 1000),
    "UnixMicro": Method((), unix_micros),
    "UnixNano": Method((), lambda t: unix_micros(t) * 1000),
    "UTC": Method((), lambda t: aware(t).astimezone(UTC)),
    "IsZero": Method((), lambda t: aware(t) == ZERO_TIME),
    "String": Method((), time_text),
    "Format": Method(((str, "string"),), lambda t, layout: format_layout(aware(t), layout)),
    "After": Method((_MOMENT,), lambda t, u: aware(t) > aware(u)),
    "Before": Method((_MOMENT,), lambda t, u: aware(t) < aware(u)),
    "Equal": Method((_MOMENT,), lambda t, u: aware(t) == aware(u)),
    "Compare": Method((_MOMENT,), lambda t, u: Int((aware(t) > aware(u)) - (aware(t) < aware(u)))),
    "Sub": Method((_MOMENT,), difference),
    "Add": Method(((Duration, "time.Duration"),), lambda t, d: shift(t, int(d))),
    "AddDate": Method((_INTEGER, _INTEGER, _INTEGER), _add_date),
}
_DURATION: Final[dict[str, Method]] = {
    "Hours": Method((), lambda d: int(d) / 3.6e12),
    "Minutes": Method((), lambda d: int(d) / 6e10),
    "Seconds": Method((), lambda d: int(d) / 1e9),
    "Milliseconds": Method((), lambda d: int(int(d) / 1_000_000)),
    "Microseconds": Method((), lambda d: int(int(d) / 1000)),
    "Nanoseconds": Method((), int),
    "String": Method((), lambda d: duration_text(int(d))),
}
_VERSION: Final[dict[str, Method]] = {
    "Major": Method((), lambda v: v.major),
    "Minor": Method((), lambda v: v.minor),
    "Patch": Method((), lambda v: v.patch),
    "Prerelease": Method((), lambda v: v.prerelease),
    "Metadata": Method((), lambda v: v.metadata),
    "Original": Method((), lambda v: v.original),
    "String": Method((), lambda v: v.text()),
    "IncMajor": Method((), lambda v: v.next_major()),
    "IncMinor": Method((), lambda v: v.next_minor()),
    "IncPatch": Method((), lambda v: v.next_patch()),
    "Compare": Method(((Version, "*semver.Version"),), lambda v, w: Int(v.compare(w))),
    "Equal": Method(((Version, "*semver.Version"),), lambda v, w: v.compare(w) == 0),
    "LessThan": Method(((Version, "*semver.Version"),), lambda v, w: v.compare(w) < 0),
    "GreaterThan": Method(((Version, "*semver.Version"),), lambda v, w: v.compare(w) > 0),
}
_NAMED: Final[dict[str, Method]] = {"String": Method((), lambda n: n.text())}
