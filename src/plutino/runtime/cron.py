"""Cron expressions: five fields (minute, hour, day of month, month, day of week), descriptors such as ``@daily``, and ``@every 1h``.

As in Vixie cron, when both day fields are restricted a day matches when either does. Times are wall times of a zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from plutino.errors import PlutinoError
from plutino.model import parse_duration

_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = {name: i for i, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)}
_DAYS = {name: i for i, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_YEARS = 8
"""How far to look for an instant: the 29th of February may be eight years away."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression; ``every`` ms instead of the fields for ``@every``."""

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = False
    """A day field is ``*``: the other one decides alone."""
    every: int = 0

    def next_after(self, ms: int, zone: tzinfo) -> int | None:
        """The first instant later than ``ms`` (epoch ms), None when there is none within years."""
        if self.every:
            return (ms // self.every + 1) * self.every
        start = datetime.fromtimestamp(ms // 1000, zone).replace(second=0, microsecond=0)
        for day in _days(start, 1):
            if self._day_matches(day):
                for at in self._times(day, zone, reverse=False):
                    if at > ms:
                        return at
        return None

    def last_before(self, ms: int, zone: tzinfo) -> int | None:
        """The latest instant not later than ``ms`` (epoch ms), None when there is none within years."""
        if self.every:
            return ms // self.every * self.every
        start = datetime.fromtimestamp(ms // 1000, zone).replace(second=0, microsecond=0)
        for day in _days(start, -1):
            if self._day_matches(day):
                for at in self._times(day, zone, reverse=True):
                    if at <= ms:
                        return at
        return None

    def _day_matches(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_month and by_week if self.any_day else by_month or by_week

    def _times(self, day: datetime, zone: tzinfo, *, reverse: bool) -> list[int]:
        """Epoch ms of the matching times of a day; a wall time that a change of clocks skips is left out."""
        found = []
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                stamp = wall.timestamp()
                if datetime.fromtimestamp(stamp, zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
                    found.append(int(stamp) * 1000)
        return sorted(found, reverse=reverse)


def parse_cron(text: str) -> Cron:
    """Read an expression; PlutinoError that names the field when it is wrong."""
    expression = text.strip()
    if expression.startswith("@every "):
        try:
            every = parse_duration(expression[7:].strip())
        except ValueError as error:
            raise PlutinoError(f"failed to parse duration {expression}: {error}") from None
        if every < 1000:
            raise PlutinoError(f"cron {expression}: {every} ms; at least one second is expected")
        return Cron(every=every)
    if expression.startswith("@"):
        found = _DESCRIPTORS.get(expression.lower())
        if found is None:
            raise PlutinoError(f"unrecognized descriptor: {expression}")
        expression = found
    fields = expression.split()
    if len(fields) != 5:
        raise PlutinoError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, hours, days, months, weekdays = (_field(part, *spec) for part, spec in zip(fields, _FIELDS, strict=True))
    any_day = fields[2].startswith(("*", "?")) or fields[4].startswith(("*", "?"))
    return Cron(minutes, hours, days, months, weekdays, any_day)


def _field(text: str, name: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step_text = part.partition("/")
        step = _number(step_text, name, {}) if step_text else 1
        if step < 1:
            raise PlutinoError(f"cron {name}: step {step_text}; a positive number is expected")
        if span in ("*", "?"):
            first, last = low, high
        else:
            head, _, tail = span.partition("-")
            first = _number(head, name, names)
            last = _number(tail, name, names) if tail else (high if step_text else first)
        if name == "day of week" and last == 7:
            # Sunday may be written as 7
            found.add(0)
            last = 6
            if first == 7:
                continue
        if first < low or last > high or first > last:
            raise PlutinoError(f"cron {name}: {part}; {low} to {high} is expected")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, name: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not text.isascii() or not text.isdigit():
        raise PlutinoError(f"failed to parse int from {text}: cron {name}; a number is expected")
    return int(text)


def _days(start: datetime, step: int) -> Iterator[datetime]:
    first = datetime(start.year, start.month, start.day)
    return (first + timedelta(days=step * i) for i in range(366 * _YEARS))
