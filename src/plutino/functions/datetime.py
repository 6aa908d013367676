"""Dates and times (sql reference §6.7).

A DATE argument is a datetime, epoch milliseconds or a text in an accepted layout. Fields are read in the value's own zone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from plutino.errors import EvaluationError
from plutino.model.cast import STRICT, to_datetime, to_int
from plutino.model.duration import parse_nanoseconds
from plutino.model.layout import DAYS, MONTHS, days_in
from plutino.model.moment import format_moment, from_epoch_ms, load_zone, now, to_epoch_us
from plutino.model.text import Span, Weekday, general_text
from plutino.spi import Arg, ArgCheck, FunctionSpec, Nulls
from plutino.spi.function import Literal

_SECONDS = "yyyy-MM-dd HH:mm:ss"
_DAY = "yyyy-MM-dd"


def _clock(pattern: str) -> Callable[..., str]:
    """The current time in a pattern, with a number of fraction digits on demand."""

    def call(digits: Any = 0) -> str:
        places = to_int(digits, STRICT)
        if not 0 <= places <= 6:
            raise EvaluationError(f"precision {places}; 0 to 6 is expected")
        return format_moment(now(), pattern + "S" * places)

    return call


def _format_time(value: Any, pattern: Any) -> str:
    return format_moment(to_datetime(value), general_text(pattern))


def _shifted(value: datetime, by: timedelta) -> datetime:
    """A moment later by a length of time, in its own zone (also across a change of the clocks)."""
    try:
        return (value.astimezone(UTC) + by).astimezone(value.tzinfo)
    except OverflowError:
        raise EvaluationError("the result lies outside of the years 1 to 9999") from None


def _date_calc(value: Any, duration: Any) -> str:
    moment = to_datetime(value)
    try:
        nanoseconds = parse_nanoseconds(general_text(duration))
    except ValueError as error:
        raise EvaluationError(str(error)) from None
    return format_moment(_shifted(moment, timedelta(microseconds=nanoseconds // 1000)), _SECONDS)


def _date_diff(start: Any, end: Any) -> Span:
    return Span((to_epoch_us(to_datetime(end)) - to_epoch_us(to_datetime(start))) * 1000)


def _of_moment(read: Callable[[datetime], Any]) -> Callable[[Any], Any]:
    def call(value: Any) -> Any:
        return read(to_datetime(value))

    return call


def _last_day(value: datetime) -> str:
    return format_moment(value.replace(day=days_in(value.year, value.month)), _DAY)


def _from_days(value: Any) -> str | None:
    days = to_int(value, STRICT)
    if days == 0:
        return None
    try:
        return (date(1970, 1, 1) + timedelta(days=days - 1)).isoformat()
    except OverflowError:
        raise EvaluationError("the result lies outside of the years 1 to 9999") from None


def _from_unix_time(value: Any) -> str | None:
    seconds = to_int(value, STRICT)
    return None if seconds == 0 else format_moment(from_epoch_ms(seconds * 1000), _SECONDS)


def _to_seconds(value: Any) -> int:
    return to_epoch_us(to_datetime(value)) // 1_000_000


def _convert_tz(value: Any, zone: Any) -> datetime:
    moment = to_datetime(value)
    return moment.astimezone(load_zone(general_text(zone)))


def _check_duration(args: Sequence[Literal]) -> str | None:
    return None if args[1].known and isinstance(args[1].value, str) else "Expect string type for parameter 2"


_D = Arg("date", ArgCheck.DATETIME)
_LATE = "2024-02-29 13:14:15.678901"


def _field(
    name: str, read: Callable[[datetime], Any], about: str, expected: Any, synonym: str = "", returns: str = "bigint"
) -> FunctionSpec:
    """A function that reads one field of a date."""
    example = (f"{name}(cast('{_LATE}', 'datetime'))", expected)
    synonyms = (synonym,) if synonym else ()
    return FunctionSpec(name, _of_moment(read), about, (_D,), returns=returns, synonyms=synonyms, examples=(example,))


_FIELDS = (
    _field("day_name", lambda t: DAYS[t.weekday()], "English name of the day of the week", "Thursday", returns="string"),
    _field("month_name", lambda t: MONTHS[t.month - 1], "English name of the month", "February", returns="string"),
    _field("day_of_month", lambda t: t.day, "Day of the month, from 1", 29, "day"),
    _field("day_of_year", lambda t: t.timetuple().tm_yday, "Day of the year, from 1", 60),
    _field("month", lambda t: t.month, "Month, from 1", 2),
    _field("hour", lambda t: t.hour, "Hour, 0 to 23", 13),
    _field("minute", lambda t: t.minute, "Minute, 0 to 59", 14),
    _field("second", lambda t: t.second, "Second, 0 to 59", 15),
    _field("microsecond", lambda t: t.microsecond, "Microseconds within the second", 678901),
    _field(
        "day_of_week",
        lambda t: Weekday(t.isoweekday() % 7),
        "Day of the week, 0 for Sunday; neither compared nor calculated with",
        Weekday.Thursday,
        returns="any",
    ),
    _field("last_day", _last_day, "Last day of the month", "2024-02-29", returns="string"),
)

_DIGITS = (Arg("digits", ArgCheck.INT),)
_NOW = (
    FunctionSpec(
        "now",
        _clock(_SECONDS),
        "Current date and time, with up to 6 digits of a second",
        _DIGITS,
        optional=1,
        returns="string",
        pure=False,
        synonyms=("current_timestamp", "local_time", "local_timestamp"),
        count_error="too many arguments",
    ),
    FunctionSpec(
        "cur_time",
        _clock("HH:mm:ss"),
        "Current time of day, with up to 6 digits of a second",
        _DIGITS,
        optional=1,
        returns="string",
        pure=False,
        synonyms=("current_time",),
        count_error="too many arguments",
    ),
    FunctionSpec("cur_date", lambda: format_moment(now(), _DAY), "Current date", returns="string", pure=False, synonyms=("current_date",)),
)

_CALCULATION = (
    FunctionSpec(
        "format_time",
        _format_time,
        "A date in a pattern of letters (yyyy-MM-dd HH:mm:ss)",
        (_D, Arg("pattern", ArgCheck.STRING)),
        returns="string",
        nulls=Nulls.NULL,
        examples=((f"format_time(cast('{_LATE}', 'datetime'), 'HH:mm dd.MM.yyyy')", "13:14 29.02.2024"),),
    ),
    FunctionSpec(
        "date_calc",
        _date_calc,
        "A date later (or earlier) by a length of time such as 1h30m or -90s",
        (_D, Arg("duration", ArgCheck.STRING)),
        returns="string",
        validate=_check_duration,
        examples=((f"date_calc(cast('{_LATE}', 'datetime'), '1h30m')", "2024-02-29 14:44:15"),),
    ),
    FunctionSpec(
        "date_diff",
        _date_diff,
        "Length of time from one date to another; shown in nanoseconds, neither compared nor calculated with",
        (_D, Arg("end", ArgCheck.DATETIME)),
        examples=(("cast(date_diff(cast(0, 'datetime'), cast(1500, 'datetime')), 'string')", "1.5s"),),
    ),
    FunctionSpec(
        "from_days",
        _from_days,
        "The date of a day that counts from 1 for 1970-01-01; null for 0",
        (Arg("days", ArgCheck.DATETIME),),
        returns="string",
        nulls=Nulls.NULL,
        examples=(("from_days(bitor(2, 0))", "1970-01-02"),),
    ),
    FunctionSpec(
        "from_unix_time",
        _from_unix_time,
        "Date and time of Unix seconds; null for 0",
        (Arg("seconds", ArgCheck.DATETIME),),
        returns="string",
        nulls=Nulls.NULL,
        examples=(("length(from_unix_time(bitor(1700000000, 0)))", 19),),
    ),
    FunctionSpec(
        "to_seconds",
        _to_seconds,
        "Unix seconds of a date",
        (Arg("date"),),
        returns="bigint",
        nulls=Nulls.NULL,
        examples=(("to_seconds('2024-01-01T00:00:00Z')", 1704067200),),
    ),
    FunctionSpec(
        "convert_tz",
        _convert_tz,
        "The same moment in another time zone",
        (_D, Arg("zone", ArgCheck.STRING)),
        returns="datetime",
        nulls=Nulls.NULL,
        examples=(("convert_tz(cast('2024-02-29T13:14:15Z', 'datetime'), 'Asia/Tokyo')", "2024-02-29T22:14:15+09:00"),),
    ),
)

SPECS = (*_FIELDS, *_NOW, *_CALCULATION)
