"""Numbers out of any value, as the original's ``cast`` library makes them: what does not fit is 0."""

from __future__ import annotations

from typing import Any

from plutino.templates.go.durations import Duration
from plutino.templates.go.values import INT64_MAX, INT64_MIN, wrap64
from plutino.templates.language.literals import parse_float, parse_integer


def to_int64(value: Any) -> int:
    """Integers as they are, other numbers cut to whole ones, strings by Go's integer syntax (``0x1f``, ``012`` is octal)."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return 0 if isinstance(value, Duration) else wrap64(int(value))
    if isinstance(value, float):
        return float_to_int64(value)
    if isinstance(value, str):
        number = parse_integer(_without_zero_decimals(value))
        return number if number is not None and INT64_MIN <= number <= INT64_MAX else 0
    return 0


def float_to_int64(value: float) -> int:
    """The whole part; out of range (and not a number) the smallest integer, as the usual processors do."""
    if value != value or not -9.3e18 < value < 9.3e18:
        return INT64_MIN
    whole = int(value)
    return whole if INT64_MIN <= whole <= INT64_MAX else INT64_MIN


def to_float64(value: Any) -> float:
    """Numbers and strings that hold one; ``inf`` and ``nan`` count as numbers."""
    if isinstance(value, bool):
        return 1.0 if value else 0.0
    if isinstance(value, int):
        return 0.0 if isinstance(value, Duration) else float(value)
    if isinstance(value, float):
        return value
    if isinstance(value, str):
        number = parse_float(value)
        if number is not None:
            return number
        name = value.lower().lstrip("+-")
        if name in ("inf", "infinity", "nan") and len(value) - len(name) <= 1:
            return float(value)
    return 0.0


def _without_zero_decimals(text: str) -> str:
    """``12.00`` as ``12``."""
    head, point, tail = text.rpartition(".")
    return head if point and tail and not tail.strip("0") else text
