"""When a scheduled rule runs: cron with a duration, date ranges, or a duration alone (runtime reference §5.5).

Driven by timers, not by a patrol: windows begin and end on time, and a rule that its user stopped stays stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from msgspec import Struct

from plutino.errors import PlutinoError
from plutino.runtime.cron import Cron, parse_cron
from plutino.spi import RuleOptions

_FORMAT = "%Y-%m-%d %H:%M:%S"


class Verdict(Struct, frozen=True):
    """Whether a rule should run now, and when to ask again (epoch ms, None: never)."""

    run: bool
    again: int | None


class Schedule(Struct, frozen=True):
    """The schedule of one rule: ``ranges`` are half-open ``(begin, end)`` in epoch ms; ``duration`` in ms."""

    cron: Cron | None
    duration: int
    ranges: tuple[tuple[int, int], ...]
    zone: tzinfo

    @property
    def windowed(self) -> bool:
        """Whether the rule runs in windows (else only ``duration`` limits one run)."""
        return (self.cron is not None and self.duration > 0) or bool(self.ranges)

    def verdict(self, now: int) -> Verdict:
        """What holds at ``now``; only for windowed schedules."""
        inside, edge = self._in_ranges(now)
        if self.cron is None or self.duration <= 0:
            return Verdict(inside, edge)
        last = self.cron.last_before(now, self.zone)
        if last is not None and now < last + self.duration:
            again = last + self.duration
            return Verdict(inside, again if edge is None else min(again, edge))
        upcoming = self.cron.next_after(now, self.zone)
        return Verdict(False, _earliest(upcoming, edge))

    def next_start(self, now: int) -> int:
        """``nextStartTimestamp`` of the status: the next cron instant in ms, 0 without cron and duration or outside the ranges."""
        if self.cron is None or self.duration <= 0 or not self._in_ranges(now)[0]:
            return 0
        return self.cron.next_after(now, self.zone) or 0

    def _in_ranges(self, now: int) -> tuple[bool, int | None]:
        if not self.ranges:
            return True, None
        edges = [edge for begin, end in self.ranges for edge in (begin, end) if edge > now]
        return any(begin <= now < end for begin, end in self.ranges), min(edges, default=None)


def schedule_of(options: RuleOptions, zone: tzinfo) -> Schedule | None:
    """The schedule that a rule's options ask for, None when they ask for none; PlutinoError when one is wrong."""
    if not options.cron and not options.duration and not options.cron_datetime_range:
        return None
    cron = parse_cron(options.cron) if options.cron else None
    ranges = tuple(_range(entry, zone) for entry in options.cron_datetime_range)
    schedule = Schedule(cron, options.duration, ranges, zone)
    return schedule if schedule.windowed or schedule.duration > 0 else None


def _range(entry: Any, zone: tzinfo) -> tuple[int, int]:
    if not isinstance(entry, Mapping):
        raise PlutinoError(f"cronDatetimeRange: {entry!r}; begin and end are expected")
    begin, end = entry.get("beginTimestamp"), entry.get("endTimestamp")
    if isinstance(begin, int | float) and isinstance(end, int | float) and begin > 0 and end > 0:
        first, last = int(begin), int(end)
    else:
        first, last = _moment(entry.get("begin"), zone), _moment(entry.get("end"), zone)
    if first > last:
        raise PlutinoError("begin time shouldn't after end time")
    return first, last


def _moment(text: Any, zone: tzinfo) -> int:
    try:
        return int(datetime.strptime(str(text), _FORMAT).replace(tzinfo=zone).timestamp() * 1000)
    except ValueError:
        raise PlutinoError(f"cronDatetimeRange: {text!r}; a time like 2024-01-02 08:00:00 is expected") from None


def _earliest(*times: int | None) -> int | None:
    return min((t for t in times if t is not None), default=None)
