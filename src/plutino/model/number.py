"""Numbers of the dialect: 64-bit integers that wrap around, and the three texts of a float (sql reference §3.6, §4.5)."""

from __future__ import annotations

import math

_SPAN = 1 << 64
_HALF = 1 << 63

INT64_MIN = -_HALF
INT64_MAX = _HALF - 1
EXACT_FLOAT_INT = 1 << 53
"""Every integer up to this size has a float of its own."""


def wrap(value: int) -> int:
    """``value`` as a 64-bit integer, in two's complement as Go's arithmetic leaves it."""
    if -_HALF <= value < _HALF:
        return value
    return (value + _HALF) % _SPAN - _HALF


def unsigned(value: int) -> int:
    """The 64 bits of ``value`` read without a sign."""
    return value % _SPAN


def divide(left: int, right: int) -> int:
    """Integer quotient, truncated toward zero; ``right`` must not be zero."""
    quotient = abs(left) // abs(right)
    return wrap(quotient if (left < 0) == (right < 0) else -quotient)


def remainder(left: int, right: int) -> int:
    """Integer remainder with the sign of ``left``; ``right`` must not be zero."""
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def truncate(value: float) -> int:
    """A float as a 64-bit integer, truncated; what does not fit (infinite, not a number) is the smallest one, as Go has it on x86-64."""
    if not math.isfinite(value):
        return INT64_MIN
    whole = int(value)
    return whole if INT64_MIN <= whole <= INT64_MAX else INT64_MIN


def general_number(value: float) -> str:
    """Go's ``%v`` of a float: shortest digits, with an exponent below 1e-4 and from 1e6 (``1e+06``, ``1.5``, ``+Inf``)."""
    if value != value or value in (math.inf, -math.inf):
        return _special(value)
    text = repr(value)
    if -1e6 < value < 1e6:
        return text[:-2] if text.endswith(".0") else text
    if "e" in text:
        return text
    sign, body = ("-", text[1:]) if text[0] == "-" else ("", text)
    whole, fraction = body.split(".")
    digits = (whole + fraction).rstrip("0")
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{sign}{mantissa}e+{len(whole) - 1:02d}"


def plain_number(value: float) -> str:
    """Decimal text of a float, never with an exponent (``1000000``, ``0.00001``); what casts to text give."""
    if value != value or value in (math.inf, -math.inf):
        return _special(value)
    text = repr(value)
    if "e" in text:
        return _expand(text)
    return text[:-2] if text.endswith(".0") else text


def json_number(value: float) -> str:
    """A finite float as Go's JSON encoder prints it: ``20``, ``0.00001``; an exponent below 1e-6 and from 1e21 (``1e+21``, ``1e-7``)."""
    text = repr(value)
    if "e" not in text:
        return text[:-2] if text.endswith(".0") else text
    if 1e-6 <= abs(value) < 1e21:
        return _expand(text)
    mantissa, exponent = text.split("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:].lstrip('0')}"


def _special(value: float) -> str:
    return "NaN" if value != value else ("+Inf" if value > 0 else "-Inf")


def _expand(text: str) -> str:
    """Python's exponent form as a plain decimal with the same digits."""
    mantissa, exponent_text = text.split("e")
    exponent = int(exponent_text)
    sign, mantissa = ("-", mantissa[1:]) if mantissa[0] == "-" else ("", mantissa)
    whole, _, fraction = mantissa.partition(".")
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - len(whole))}{whole}{fraction}"
    digits = whole + fraction
    return sign + digits.ljust(exponent + len(whole), "0")
