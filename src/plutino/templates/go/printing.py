"""What an action prints: Go's ``%v``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from plutino.templates.go.time_layout import format_layout
from plutino.templates.go.values import (
    MISSING,
    NO_VALUE,
    Int,
    IntList,
    ListOfLists,
    NilList,
    NilMap,
    NilStringList,
    Rows,
    Stringer,
    StringList,
    StringMap,
    Uint8,
    Uint64,
    type_name,
)
from plutino.templates.limits import Walk

_TIME_TEXT: Final = "2006-01-02 15:04:05.999999999 -0700 MST"


def float_text(value: float) -> str:
    """Shortest digits; with an exponent below 1e-4 and from 1e6 on... of the digits' own choice, as Go's ``%v``."""
    if 1e-4 <= value < 1e6 or -1e6 < value <= -1e-4:
        text = repr(value)
        return text[:-2] if text.endswith(".0") else text
    if value == 0:
        return "-0" if str(value).startswith("-") else "0"
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    negative, digits, exponent = shortest(value)
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    sign = "-" if exponent < 0 else "+"
    return f"{'-' if negative else ''}{mantissa}e{sign}{abs(exponent):02d}"


def shortest(value: float) -> tuple[bool, str, int]:
    """Sign, shortest digits and decimal exponent of a finite number: ``-12.5`` is ``(True, "125", 1)``."""
    text = repr(value)
    negative = text.startswith("-")
    mantissa, _, power = text.lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    exponent = int(power or 0) + len(whole) - 1
    if whole == "0":
        exponent -= len(fraction) - len(fraction.lstrip("0")) + 1
        exponent += len(whole) - 1
    digits = digits.rstrip("0") or "0"
    return negative, digits, exponent if digits != "0" else 0


def time_text(value: datetime) -> str:
    """Go's text of a time."""
    return format_layout(value if value.tzinfo is not None else value.replace(tzinfo=UTC), _TIME_TEXT)


def complex_text(value: complex) -> str:
    """``(1+2i)``"""
    imaginary = float_text(value.imag)
    return f"({float_text(value.real)}{'' if imaginary[0] in '+-' else '+'}{imaginary}i)"


def show(value: Any) -> str:
    """The text of a value that an action prints; nil is ``<no value>``."""
    writer = _SHOW.get(type(value))
    return writer(value) if writer is not None else _nested(value, Walk())


def plain_text(value: Any) -> str:
    """``fmt.Sprint`` of one value: as ``show``, but nil is ``<nil>``."""
    return "<nil>" if value is None or value is MISSING else show(value)


def _bool_text(value: bool) -> str:
    return "true" if value else "false"


def _no_value(_value: Any) -> str:
    return NO_VALUE


def _text(value: str) -> str:
    return value


_SCALARS: Final[dict[type, Callable[[Any], str]]] = {
    str: _text,
    int: int.__repr__,
    Int: int.__repr__,
    Uint8: int.__repr__,
    Uint64: int.__repr__,
    float: float_text,
    bool: _bool_text,
    datetime: time_text,
    complex: complex_text,
}


def _nested(value: Any, walk: Walk) -> str:
    """The text of a part of a list or map, where nil is ``<nil>``."""
    writer = _SCALARS.get(type(value))
    if writer is not None:
        return writer(value)
    if value is None or value is MISSING:
        return "<nil>"
    if isinstance(value, dict):
        walk.visit(len(value))
        return f"map[{' '.join([f'{k if type(k) is str else _nested(k, walk)}:{_nested(value[k], walk)}' for k in sorted_keys(value)])}]"
    if isinstance(value, list | tuple):
        walk.visit(len(value))
        return f"[{' '.join([_nested(v, walk) for v in value])}]"
    if isinstance(value, bytes | bytearray):
        walk.visit(len(value))
        return f"[{' '.join(map(str, value))}]"
    if isinstance(value, Stringer):
        return value.text()
    for base, of_base in _SCALARS.items():
        if isinstance(value, base):
            return of_base(value)
    return f"{{{type_name(value)}}}"


def sorted_keys(value: dict[Any, Any]) -> Iterable[Any]:
    """The keys of a map in Go's order."""
    try:
        return sorted(value)
    except TypeError:
        return sorted(value, key=str)


def _top(value: Any) -> str:
    return _nested(value, Walk())


_SHOW: Final[dict[type, Callable[[Any], str]]] = {
    **_SCALARS,
    type(None): _no_value,
    type(MISSING): _no_value,
    **dict.fromkeys((list, dict, tuple, bytes, Rows, StringList, IntList, ListOfLists, NilList, NilStringList, NilMap, StringMap), _top),
}
