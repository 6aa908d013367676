"""Numbers: rounding, powers, logarithms, trigonometry, bits (sql reference §6.3).

Integers are widened to float except where a function keeps them. Results that are infinite or no number are left to whoever encodes them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from plutino.errors import EvaluationError
from plutino.model.cast import SAMEKIND, STRICT, to_float, to_int
from plutino.model.number import INT64_MAX, INT64_MIN, general_number, truncate, unsigned, wrap
from plutino.model.text import float_of, general_text, plain_text
from plutino.spi import Arg, ArgCheck, FunctionSpec, Nulls

_X = (Arg("x", ArgCheck.NUMBER),)


def _number(value: Any) -> float:
    return to_float(value, SAMEKIND)


def _ieee(operation: Callable[..., float], *args: float) -> float:
    """The result that IEEE 754 defines, also where Python raises: infinite on overflow, no number outside the domain."""
    try:
        return operation(*args)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan


def _plain(operation: Callable[[float], float]) -> Callable[[Any], float]:
    def call(value: Any) -> float:
        return _ieee(operation, _number(value))

    return call


def _or_null(operation: Callable[[float], float]) -> Callable[[Any], float | None]:
    """As ``_plain``, with null where the result is no number."""

    def call(value: Any) -> float | None:
        result = _ieee(operation, _number(value))
        return None if result != result else result

    return call


def _abs(value: Any) -> float | int:
    kind = type(value)
    if kind is float:
        number: float = value
        return abs(number)
    if kind is int:
        # The original goes through a float, which shows beyond 2^53. What has more than 64 bits is a float to begin with.
        size = abs(float_of(value))
        return truncate(size) if INT64_MIN <= value <= INT64_MAX else size
    raise EvaluationError("only float64 & int type are supported")


def _sinh(value: Any) -> float:
    x = _number(value)
    return math.copysign(_ieee(math.sinh, abs(x)), x)


def _cot(value: Any) -> float:
    tangent = _ieee(math.tan, _number(value))
    if tangent == 0:
        raise EvaluationError("out-of-range error")
    return 1 / tangent


def _ceiling(value: Any) -> float:
    x = _number(value)
    return float(math.ceil(x)) if math.isfinite(x) else x


def _floor(value: Any) -> float:
    x = _number(value)
    return float(math.floor(x)) if math.isfinite(x) else x


def _power(base: Any, exponent: Any) -> float:
    x, y = _number(base), _number(exponent)
    if x == 0 and y < 0:
        odd = y.is_integer() and y % 2 == 1
        return math.copysign(math.inf, x) if odd else math.inf
    result = _ieee(math.pow, x, y)
    return -result if result == math.inf and x < 0 and math.isfinite(x) and y % 2 == 1 else result


def _strictly_positive(value: float) -> EvaluationError:
    return EvaluationError(f"The argument must be a strictly positive number but got {general_number(value)}")


def _logarithm(value: float) -> float:
    return -math.inf if value == 0 else _ieee(math.log, value)


def _ln(value: Any) -> float:
    x = _named("ln", value)
    result = _logarithm(x)
    if result != result:
        raise _strictly_positive(x)
    return result


def _log(first: Any, second: Any = None) -> float:
    x = _named("log", first)
    if second is None:
        result = -math.inf if x == 0 else _ieee(math.log10, x)
    else:
        below = _logarithm(x)
        above = _logarithm(_named("log", second))
        result = above / below if below else (math.nan if above == 0 else math.copysign(math.inf, above))
    if result != result:
        raise _strictly_positive(x)
    return result


def _sqrt(value: Any) -> float:
    x = _named("sqrt", value)
    if x < 0:
        raise EvaluationError(f"The argument must be a positive number but got {general_number(x)}")
    return math.sqrt(x)


def _named(function: str, value: Any) -> float:
    """A number for a function whose own errors are bare: only a failed conversion names the function."""
    try:
        return _number(value)
    except EvaluationError as error:
        raise EvaluationError(f"call func {function} error: {error}") from None


def _mod(dividend: Any, divisor: Any) -> float:
    below = _number(divisor) if type(divisor) in (int, float) else 0.0
    return _ieee(math.fmod, _number(dividend), below)


def _round(value: Any, digits: Any = 0) -> float:
    ratio = _ieee(math.pow, 10.0, float(to_int(digits, SAMEKIND)))
    scaled = _half_away(_number(value) * ratio)
    return scaled / ratio if ratio else math.nan


def _half_away(value: float) -> float:
    """The nearest whole number, halves away from zero."""
    if not math.isfinite(value):
        return value
    whole = math.trunc(value)
    return float(whole + math.copysign(1, value)) if abs(value - whole) >= 0.5 else float(whole)


def _sign(value: Any) -> int:
    x = _number(value)
    return (x > 0) - (x < 0)


def _operand(value: Any, which: str) -> int:
    if type(value) in (int, float):
        try:
            return to_int(value, STRICT)
        except EvaluationError:
            pass
    raise EvaluationError(f"Expect int type for {which}operand but got {general_text(value)}")


def _bitand(left: Any, right: Any) -> int:
    return _operand(left, "the first ") & _operand(right, "the second ")


def _bitor(left: Any, right: Any) -> int:
    return _operand(left, "the first ") | _operand(right, "the second ")


def _bitxor(left: Any, right: Any) -> int:
    return _operand(left, "the first ") ^ _operand(right, "the second ")


def _bitnot(value: Any) -> int:
    return ~_operand(value, "")


_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BLANKS = " \t\n\v\f\r\x85\xa0"


def _conv(value: Any, source: Any, target: Any) -> str | None:
    from_base, to_base = to_int(source, STRICT), to_int(target, STRICT)
    signed, signed_out = from_base < 0, to_base < 0
    from_base, to_base = abs(from_base), abs(to_base)
    if not (2 <= from_base <= 36 and 2 <= to_base <= 36):
        return None
    negative, digits = _valid_prefix(plain_text(value).strip(_BLANKS), from_base)
    if not digits:
        return "0"
    number = int(digits, from_base)
    if number >= 1 << 64:
        raise EvaluationError(f'strconv.ParseUint: parsing "{digits}": value out of range')
    if signed:
        number = min(number, 1 << 63 if negative else (1 << 63) - 1)
    number = wrap(-number if negative else number)
    if signed_out:
        return ("-" if number < 0 else "") + _in_base(abs(number), to_base)
    return _in_base(unsigned(number), to_base)


def _valid_prefix(text: str, base: int) -> tuple[bool, str]:
    """Whether the number at the start of a text is negative, and its digits in this base."""
    negative = text[:1] == "-"
    body = text[1:] if text[:1] in ("-", "+") else text
    end = 0
    while end < len(body) and body[end].upper() in _DIGITS[:base]:
        end += 1
    return negative, body[:end]


def _in_base(number: int, base: int) -> str:
    digits: list[str] = []
    while number:
        number, digit = divmod(number, base)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits)) or "0"


def _of_x(
    name: str, call: Callable[..., Any], about: str, example: tuple[str, Any], synonym: str = "", returns: str = "float"
) -> FunctionSpec:
    """A function of one number that gives null for null."""
    return FunctionSpec(
        name,
        call,
        about,
        _X,
        returns=returns,
        nulls=Nulls.NULL,
        kind_blind=True,
        synonyms=(synonym,) if synonym else (),
        examples=(example,),
    )


_TRIGONOMETRY = (
    _of_x("acos", _or_null(math.acos), "Arc cosine in radians; null outside -1 to 1", ("acos(1)", 0.0)),
    _of_x("asin", _or_null(math.asin), "Arc sine in radians; null outside -1 to 1", ("asin(0)", 0.0)),
    _of_x("atan", _plain(math.atan), "Arc tangent in radians", ("atan(0)", 0.0)),
    _of_x("cos", _or_null(math.cos), "Cosine of an angle in radians", ("cos(0)", 1.0)),
    _of_x("cosh", _plain(math.cosh), "Hyperbolic cosine", ("cosh(0)", 1.0)),
    _of_x("sin", _or_null(math.sin), "Sine of an angle in radians", ("sin(0)", 0.0)),
    _of_x("sinh", _sinh, "Hyperbolic sine", ("sinh(0)", 0.0)),
    _of_x("tan", _or_null(math.tan), "Tangent of an angle in radians", ("tan(0)", 0.0)),
    _of_x("tanh", _plain(math.tanh), "Hyperbolic tangent", ("tanh(0)", 0.0)),
    _of_x("cot", _cot, "Cotangent of an angle in radians; an error where it is infinite", ("round(cot(1), 3)", 0.642)),
    _of_x("radians", _plain(lambda x: x / 180 * math.pi), "Degrees to radians", ("radians(0)", 0.0)),
    _of_x("degrees", _plain(lambda x: x * 180 / math.pi), "Radians to degrees", ("degrees(0)", 0.0)),
    FunctionSpec(
        "atan2",
        lambda y, x: math.atan2(_number(y), _number(x)),
        "Angle in radians of the point (x, y); y comes first",
        (Arg("y", ArgCheck.NUMBER), Arg("x", ArgCheck.NUMBER)),
        returns="float",
        nulls=Nulls.NULL,
        kind_blind=True,
        examples=(("atan2(0, 1)", 0.0),),
    ),
)

_ROUNDING = (
    _of_x("abs", _abs, "Absolute value; integers stay integers", ("abs(-3.7)", 3.7), returns="any"),
    _of_x("ceiling", _ceiling, "Smallest whole number that is not less", ("ceiling(1.2)", 2.0), "ceil"),
    _of_x("floor", _floor, "Largest whole number that is not greater", ("floor(-1.2)", -2.0)),
    _of_x("sign", _sign, "-1, 0 or 1 by the sign of a number", ("sign(-0.5)", -1), returns="bigint"),
    FunctionSpec(
        "round",
        _round,
        "Round to a number of decimals (0 when left out, may be negative), halves away from zero",
        (*_X, Arg("decimals", ArgCheck.NUMBER)),
        optional=1,
        returns="float",
        nulls=Nulls.NULL,
        kind_blind=True,
        examples=(("round(2.567, 2)", 2.57), ("round(-2.5)", -3.0), ("round(15, -1)", 20.0)),
    ),
)

_POWERS = (
    _of_x("exp", _plain(math.exp), "e to the power of x", ("exp(0)", 1.0)),
    FunctionSpec(
        "ln",
        _ln,
        "Natural logarithm; an error for negative numbers",
        _X,
        returns="float",
        nulls=Nulls.NULL,
        bare_errors=True,
        kind_blind=True,
        examples=(("ln(1)", 0.0),),
    ),
    FunctionSpec(
        "log",
        _log,
        "Logarithm: base 10 with one argument, else the base comes first",
        (Arg("x or base", ArgCheck.NUMBER), Arg("x", ArgCheck.NUMBER)),
        optional=1,
        returns="float",
        nulls=Nulls.NULL,
        bare_errors=True,
        kind_blind=True,
        examples=(("log(100)", 2.0), ("log(2, 8)", 3.0)),
    ),
    FunctionSpec(
        "sqrt",
        _sqrt,
        "Square root; an error for negative numbers",
        _X,
        returns="float",
        nulls=Nulls.NULL,
        bare_errors=True,
        kind_blind=True,
        examples=(("sqrt(16)", 4.0),),
    ),
    FunctionSpec(
        "power",
        _power,
        "a to the power of b",
        (Arg("a", ArgCheck.NUMBER), Arg("b", ArgCheck.NUMBER)),
        returns="float",
        nulls=Nulls.NULL,
        kind_blind=True,
        synonyms=("pow",),
        examples=(("power(2, 10)", 1024.0), ("pow(4, 0.5)", 2.0)),
    ),
    FunctionSpec(
        "mod",
        _mod,
        "Remainder of a division as float, with the sign of a; a divisor that is no number counts as 0",
        (Arg("a", ArgCheck.NUMBER), Arg("b", ArgCheck.NUMBER, ("any",))),
        returns="float",
        nulls=Nulls.NULL,
        kind_blind=True,
        examples=(("mod(-7, 3)", -1.0),),
    ),
)

_TWO_BITS = (Arg("a", ArgCheck.INT), Arg("b", ArgCheck.INT))
_BITS = (
    FunctionSpec(
        "bitand",
        _bitand,
        "Bitwise and of two whole numbers",
        _TWO_BITS,
        returns="bigint",
        nulls=Nulls.NULL,
        kind_blind=True,
        examples=(("bitand(12, 10)", 8),),
    ),
    FunctionSpec(
        "bitor",
        _bitor,
        "Bitwise or of two whole numbers",
        _TWO_BITS,
        returns="bigint",
        nulls=Nulls.NULL,
        kind_blind=True,
        examples=(("bitor(12, 10)", 14),),
    ),
    FunctionSpec(
        "bitxor",
        _bitxor,
        "Bitwise exclusive or of two whole numbers",
        _TWO_BITS,
        returns="bigint",
        nulls=Nulls.NULL,
        kind_blind=True,
        examples=(("bitxor(12, 10)", 6),),
    ),
    FunctionSpec(
        "bitnot",
        _bitnot,
        "Bitwise complement of a whole number",
        _TWO_BITS[:1],
        returns="bigint",
        nulls=Nulls.NULL,
        kind_blind=True,
        examples=(("bitnot(0)", -1),),
    ),
)

_OTHER = (
    FunctionSpec("pi", lambda: math.pi, "The number pi", returns="float", examples=(("round(pi(), 4)", 3.1416),)),
    FunctionSpec("rand", lambda: random.random(), "A random number from 0 up to, but not including, 1", returns="float", pure=False),
    FunctionSpec(
        "conv",
        _conv,
        "A number from one base (2 to 36) in another, in capitals; a negative base reads or prints with a sign; null for any other base",
        (Arg("number"), Arg("from", ArgCheck.INT), Arg("to", ArgCheck.INT)),
        returns="string",
        nulls=Nulls.NULL,
        examples=(("conv('ff', 16, 10)", "255"), ("conv('-10', 10, -16)", "-A")),
    ),
)

SPECS = (*_TRIGONOMETRY, *_ROUNDING, *_POWERS, *_BITS, *_OTHER)
