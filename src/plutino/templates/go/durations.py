"""Go's ``time.Duration``, and the two enumerations of ``time`` that print as names."""

from __future__ import annotations

import re
from typing import Final

from plutino.templates.go.quoting import quote_bytes as quote
from plutino.templates.go.time_layout import MONTHS, WEEKDAYS
from plutino.templates.go.values import Failure

SECOND: Final = 1_000_000_000
_UNITS: Final = {"ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
_PART: Final = re.compile(r"([0-9]*)(\.[0-9]*)?([^.0-9]*)", re.ASCII)
_LIMIT: Final = 1 << 63
_MAX_LENGTH: Final = 512
"""Characters of a duration."""


class Duration(int):
    """Nanoseconds; prints as ``1h2m3s``."""

    go_type = "time.Duration"
    go_kind = "int64"

    def text(self) -> str:
        """What ``String()`` gives."""
        return duration_text(int(self))


class Month(int):
    """1 to 12; prints as the English name."""

    go_type = "time.Month"
    go_kind = "int"

    def text(self) -> str:
        """What ``String()`` gives."""
        return MONTHS[self - 1]


class Weekday(int):
    """0 (Sunday) to 6; prints as the English name."""

    go_type = "time.Weekday"
    go_kind = "int"

    def text(self) -> str:
        """What ``String()`` gives."""
        return WEEKDAYS[self]


def duration_text(nanoseconds: int) -> str:
    """``1h2m3.5s``; below a second in ms, µs or ns."""
    sign = "-" if nanoseconds < 0 else ""
    amount = abs(nanoseconds)
    if amount == 0:
        return "0s"
    if amount < SECOND:
        for unit, size in (("ms", 1_000_000), ("µs", 1000), ("ns", 1)):
            if amount >= size:
                return f"{sign}{_decimal(amount, size)}{unit}"
    seconds, fraction = divmod(amount, SECOND)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(seconds * SECOND + fraction, SECOND)}s"
    if minutes or hours:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else sign + text


def parse_duration(text: str) -> Duration:
    """``time.ParseDuration``; raises Failure with Go's text."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return Duration(0)
    if not rest or len(rest) > _MAX_LENGTH:
        raise Failure(f"time: invalid duration {quote(text[:_MAX_LENGTH])}")
    total = 0
    while rest:
        found = _PART.match(rest)
        if found is None or found[0] == "" or not (found[1] or (found[2] or "")[1:]):
            raise Failure(f"time: invalid duration {quote(text)}")
        whole, fraction, unit = found[1], (found[2] or "")[1:], found[3]
        if not unit:
            raise Failure(f"time: missing unit in duration {quote(text)}")
        if unit not in _UNITS:
            raise Failure(f"time: unknown unit {quote(unit)} in duration {quote(text)}")
        if len(whole) > 19:
            raise Failure(f"time: invalid duration {quote(text)}")
        total += int(whole or 0) * _UNITS[unit]
        if fraction:
            digits = fraction[:18]
            total += int(float(int(digits)) * (float(_UNITS[unit]) / float(10 ** len(digits))))
        if total > _LIMIT:
            raise Failure(f"time: invalid duration {quote(text)}")
        rest = rest[found.end() :]
    if text.startswith("-"):
        return Duration(-total)
    if total >= _LIMIT:
        raise Failure(f"time: invalid duration {quote(text)}")
    return Duration(total)


def _decimal(amount: int, size: int) -> str:
    """``amount / size`` without trailing zeros; ``size`` is a power of ten."""
    whole, rest = divmod(amount, size)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).zfill(len(str(size)) - 1).rstrip('0')}"
