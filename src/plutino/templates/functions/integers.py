"""Mathematics on integers: 64 bits, overflow wraps."""

from __future__ import annotations

import re
from typing import Any

from plutino.templates.functions.casts import to_int64
from plutino.templates.functions.registry import define
from plutino.templates.go.printing import plain_text
from plutino.templates.go.values import INT64_MAX, INT64_MIN, Failure, Int, IntList, wrap64
from plutino.templates.host import Host
from plutino.templates.limits import check_items


@define("add", "...any -> int64")
def add(*values: Any) -> int:
    return wrap64(sum([to_int64(v) for v in values]))


@define("add1", "any -> int64")
def add1(value: Any) -> int:
    return wrap64(to_int64(value) + 1)


@define("sub", "any, any -> int64")
def sub(a: Any, b: Any) -> int:
    return wrap64(to_int64(a) - to_int64(b))


@define("mul", "any, ...any -> int64")
def mul(value: Any, *others: Any) -> int:
    product = to_int64(value)
    for other in others:
        product = wrap64(product * to_int64(other))
    return product


@define("div", "any, any -> int64")
def div(a: Any, b: Any) -> int:
    dividend, divisor = to_int64(a), to_int64(b)
    if divisor == 0:
        raise Failure("runtime error: integer divide by zero")
    quotient = abs(dividend) // abs(divisor)
    return wrap64(quotient if (dividend < 0) == (divisor < 0) else -quotient)


@define("mod", "any, any -> int64")
def mod(a: Any, b: Any) -> int:
    dividend, divisor = to_int64(a), to_int64(b)
    if divisor == 0:
        raise Failure("runtime error: integer divide by zero")
    rest = abs(dividend) % abs(divisor)
    return -rest if dividend < 0 else rest


@define("max biggest", "any, ...any -> int64")
def largest(value: Any, *others: Any) -> int:
    return max([to_int64(value), *[to_int64(v) for v in others]])


@define("min", "any, ...any -> int64")
def smallest(value: Any, *others: Any) -> int:
    return min([to_int64(value), *[to_int64(v) for v in others]])


@define("int", "any -> int")
def to_int(value: Any) -> int:
    return to_int64(value)


@define("int64", "any -> int64")
def int64(value: Any) -> int:
    return to_int64(value)


@define("atoi", "string -> int")
def atoi(text: str) -> int:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits.isascii() or not digits.isdecimal():
        return 0
    number = 1 << 64 if len(digits.lstrip("0")) > 19 else int(digits)
    if text.startswith("-"):
        number = -number
    # Out of range the original gives the nearest integer.
    return min(max(number, INT64_MIN), INT64_MAX)


@define("toDecimal", "any -> int64")
def to_decimal(value: Any) -> int:
    text = plain_text(value)
    if re.fullmatch(r"[+-]?[0-7]{1,22}", text, re.ASCII) is None:
        return 0
    number = int(text, 8)
    return number if INT64_MIN <= number <= INT64_MAX else 0


@define("until", "int -> any", grows=True)
def until(count: int) -> IntList:
    return until_step(0, count, -1 if count < 0 else 1)


@define("untilStep", "int, int, int -> any", grows=True)
def until_step(start: int, stop: int, step: int) -> IntList:
    # Counting away from the end gives nothing.
    if (stop < start and step >= 0) or (stop >= start and step <= 0):
        return IntList()
    steps = range(start, stop, step)
    check_items(_length(start, stop, step))
    return IntList(map(Int, steps))


@define("seq", "...int -> string", grows=True)
def seq(*bounds: int) -> str:
    match bounds:
        case (end,):
            start, step = 1, -1 if end < 1 else 1
        case (start, end):
            step = -1 if end < start else 1
        case (start, step, end):
            if end < start and step > 0:
                return ""
        case _:
            return ""
    numbers = until_step(start, end + (-1 if end < start else 1), step)
    return " ".join(map(str, numbers))


@define("randInt", "int, int -> int", host=True)
def rand_int(host: Host, low: int, high: int) -> int:
    if high <= low:
        raise Failure("invalid argument to Intn")
    return host.random.randrange(low, high)


def _length(start: int, stop: int, step: int) -> int:
    """``len(range(…))`` for any numbers."""
    return max(0, -(-(stop - start) // step) if step > 0 else -(-(start - stop) // -step))
