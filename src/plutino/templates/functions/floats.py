"""Mathematics on floating point numbers; sums and products are worked out in decimals, so that 0.1 + 0.2 is 0.3."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final

from plutino.templates.functions.casts import to_float64
from plutino.templates.functions.registry import define
from plutino.templates.go.values import Failure

_EXACT: Final = Context(prec=1400, Emax=999999, Emin=-999999)
"""Enough digits for any product of a few numbers; longer ones are rounded."""
_DIVISION_PLACES: Final = 16


def _decimal(value: Any) -> Decimal:
    number = to_float64(value)
    if not math.isfinite(number):
        raise Failure(f"Cannot create a Decimal from {'NaN' if number != number else '+Inf' if number > 0 else '-Inf'}")
    return Decimal(repr(number))


def _float(value: Decimal) -> float:
    """The nearest number; decimals have no minus zero."""
    return float(value) + 0.0


@define("addf", "...any -> float64")
def addf(*values: Any) -> float:
    total = Decimal(0)
    for value in values:
        total = _EXACT.add(total, _decimal(value))
    return _float(total)


@define("add1f", "any -> float64")
def add1f(value: Any) -> float:
    return _float(_EXACT.add(_decimal(value), Decimal(1)))


@define("subf", "any, ...any -> float64")
def subf(value: Any, *others: Any) -> float:
    total = _decimal(value)
    for other in others:
        total = _EXACT.subtract(total, _decimal(other))
    return _float(total)


@define("mulf", "any, ...any -> float64")
def mulf(value: Any, *others: Any) -> float:
    product = _decimal(value)
    for other in others:
        product = _EXACT.multiply(product, _decimal(other))
    return _float(product)


@define("divf", "any, ...any -> float64")
def divf(value: Any, *others: Any) -> float:
    quotient = _decimal(value)
    for other in others:
        divisor = _decimal(other)
        if not divisor:
            raise Failure("decimal division by 0")
        quotient = _EXACT.divide(quotient, divisor)
        exponent = quotient.as_tuple().exponent
        assert isinstance(exponent, int), "finite numbers have an exponent"
        if -exponent > _DIVISION_PLACES:
            quotient = quotient.quantize(Decimal(1).scaleb(-_DIVISION_PLACES), ROUND_HALF_UP, _EXACT)
    return _float(quotient)


@define("maxf", "any, ...any -> float64")
def maxf(value: Any, *others: Any) -> float:
    numbers = [to_float64(value), *[to_float64(v) for v in others]]
    return math.nan if any(n != n for n in numbers) and math.inf not in numbers else max(numbers)


@define("minf", "any, ...any -> float64")
def minf(value: Any, *others: Any) -> float:
    numbers = [to_float64(value), *[to_float64(v) for v in others]]
    return math.nan if any(n != n for n in numbers) and -math.inf not in numbers else min(numbers)


@define("float64", "any -> float64")
def float64(value: Any) -> float:
    return to_float64(value)


@define("floor", "any -> float64")
def floor(value: Any) -> float:
    number = to_float64(value)
    return math.copysign(float(math.floor(number)), number) if math.isfinite(number) else number


@define("ceil", "any -> float64")
def ceil(value: Any) -> float:
    number = to_float64(value)
    if not math.isfinite(number):
        return number
    return math.copysign(float(math.ceil(number)), number)


@define("round", "any, int, ...float64 -> float64")
def round_number(value: Any, places: int, *from_fraction: float) -> float:
    """Round up from a fraction of .5, or the one given; whole numbers are left alone."""
    limit = from_fraction[0] if from_fraction else 0.5
    number = to_float64(value)
    try:
        power = math.pow(10.0, places)
    except OverflowError:
        power = math.inf
    shifted = power * number
    if not math.isfinite(shifted):
        return _divide(shifted, power)
    fraction = math.modf(shifted)[0]
    rounded = math.ceil(shifted) if fraction >= limit else math.floor(shifted)
    return _divide(math.copysign(float(rounded), shifted) if not rounded else float(rounded), power)


def _divide(a: float, b: float) -> float:
    """Go's division: by zero gives an infinity."""
    if b != 0:
        return a / b if not (math.isinf(a) and math.isinf(b)) else math.nan
    return math.nan if a == 0 or a != a else math.copysign(math.inf, a)
