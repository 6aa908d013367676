"""``strconv.FormatFloat``: the forms e, E, f, g, G, x, X and b."""

from __future__ import annotations

import math

from plutino.templates.go.printing import shortest


def format_float(value: float, form: str, precision: int) -> str:
    """``value`` in a form; a precision of -1 takes the fewest digits that tell it."""
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    match form:
        case "e" | "E":
            text = _exponent(value, precision)
        case "f":
            text = f"{value:.{precision}f}" if precision >= 0 else _plain(*shortest(value))
        case "g" | "G":
            text = _general(value, precision)
        case "x" | "X":
            text = _hexadecimal(value, precision)
        case _:
            return _binary(value)
    return text.upper() if form.isupper() else text


def _exponent(value: float, precision: int) -> str:
    if precision >= 0:
        mantissa, _, power = f"{value:.{precision}e}".partition("e")
        return f"{mantissa}e{power[0]}{power[1:].lstrip('0').rjust(2, '0')}"
    negative, digits, exponent = shortest(value)
    return _scientific(negative or _is_minus_zero(value), digits, exponent)


def _general(value: float, precision: int) -> str:
    if precision < 0:
        negative, digits, exponent = shortest(value)
        negative = negative or _is_minus_zero(value)
        if exponent < -4 or exponent >= 6:
            # The fewest digits count with precision 6 here, but a number with more digits than that keeps them.
            return _scientific(negative, digits, exponent)
        return _plain(negative, digits, exponent)
    precision = precision or 1
    mantissa, _, power = f"{abs(value):.{precision - 1}e}".partition("e")
    exponent = int(power)
    digits = mantissa.replace(".", "").rstrip("0") or "0"
    negative = math.copysign(1, value) < 0
    limit = precision
    if limit > len(digits) and len(digits) >= exponent + 1:
        limit = len(digits)
    if exponent < -4 or exponent >= limit:
        return _scientific(negative, digits, exponent)
    return _plain(negative, digits, exponent)


def _scientific(negative: bool, digits: str, exponent: int) -> str:
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{'-' if negative else ''}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _plain(negative: bool, digits: str, exponent: int) -> str:
    sign = "-" if negative else ""
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    fraction = digits[exponent + 1 :]
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole


def _hexadecimal(value: float, precision: int) -> str:
    """``0x1.8p+01``"""
    sign = "-" if math.copysign(1, value) < 0 else ""
    fraction, exponent = math.frexp(abs(value))
    if fraction == 0:
        digits = "." + "0" * precision if precision > 0 else ""
        return f"{sign}0x0{digits}p+00"
    bits, exponent = int(fraction * (1 << 53)), exponent - 1
    if 0 <= precision < 13:
        drop = 4 * (13 - precision)
        kept, rest = bits >> drop, bits & ((1 << drop) - 1)
        half = 1 << (drop - 1)
        kept += rest > half or (rest == half and kept & 1)
        bits = kept << drop
        if bits >= 1 << 53:
            bits >>= 1
            exponent += 1
    digits = f"{bits & ((1 << 52) - 1):013x}"
    digits = digits.rstrip("0") if precision < 0 else digits[:precision].ljust(precision, "0")
    power = f"{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return f"{sign}0x1{'.' + digits if digits else ''}p{power}"


def _binary(value: float) -> str:
    """``4503599627370496p-52``"""
    sign = "-" if math.copysign(1, value) < 0 else ""
    fraction, exponent = math.frexp(abs(value))
    if fraction == 0:
        return f"{sign}0p-1074"
    exponent = max(exponent - 53, -1074)
    mantissa = int(math.ldexp(abs(value), -exponent))
    return f"{sign}{mantissa}p{exponent:+d}"


def _is_minus_zero(value: float) -> bool:
    return value == 0 and math.copysign(1, value) < 0
