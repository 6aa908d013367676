"""The dialect's operators to the letter, for the exact tier of generated code (sql reference §3.6, §3.7).

Operands are dialect values; ``None`` is null. Whatever the dialect refuses raises EvaluationError with its wording.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from msgspec import UNSET

from plutino.errors import EvaluationError
from plutino.execution.arithmetic import add, bit_and, bit_or, bit_xor, div, mod, mul, sub
from plutino.execution.failures import refused
from plutino.execution.patterns import like_regex
from plutino.model.moment import from_epoch_ms
from plutino.model.number import INT64_MAX, INT64_MIN
from plutino.model.value import as_float, describe, float_of, general_text, to_datetime

_NUMBERS = frozenset((int, float))
_PLAIN = frozenset((int, float, str, bool))


# --- reading ----------------------------------------------------------------------------------------------------------------------


def loose(value: Any) -> Any:
    """A schemaless column's value: missing is null, whole numbers are floats, also inside lists and maps.

    What a float does not hold exactly stays as it is as long as it has 64 bits.
    """
    if value is UNSET:
        return None
    kind = type(value)
    if kind is int:
        if -9007199254740992 <= value <= 9007199254740992:
            return float(value)
        return value if INT64_MIN <= value <= INT64_MAX else float_of(value)
    return as_float(value) if kind is list or kind is dict else value


def plain(value: Any) -> Any:
    """A typed column's value: missing is null."""
    return None if value is UNSET else value


def shown(value: Any) -> Any:
    """What an expression shows in the output: null is absent."""
    return UNSET if value is None else value


def filled(value: Any) -> Any:
    """A plain column under ``sendNilField``: missing is null."""
    return None if value is UNSET else value


def first_of(*values: Any) -> Any:
    """An unqualified column among several schemaless sources: the first that has it."""
    for value in values:
        if value is not UNSET:
            return value
    return UNSET


# --- comparison -------------------------------------------------------------------------------------------------------------------


def _comparable(op: str, left: Any, right: Any) -> tuple[Any, Any]:
    """Both sides in one comparable kind."""
    a, b = type(left), type(right)
    if a is b and (a is int or a is float or a is str):
        return left, right
    if a in _NUMBERS and b in _NUMBERS:
        return float(left), float(right)
    if a is bool and b is bool and op in ("=", "!="):
        return left, right
    if isinstance(left, datetime) and isinstance(right, datetime):
        return left, right
    if isinstance(left, datetime) and (b in _NUMBERS or b is str):
        return left, _moment(op, left, right, right)
    if isinstance(right, datetime) and a in _NUMBERS:
        return from_epoch_ms(int(left)), right
    raise refused(op, left, right)


def _moment(op: str, left: Any, right: Any, value: Any) -> datetime:
    try:
        return to_datetime(value)
    except EvaluationError as error:
        raise refused(op, left, right) from error


def eq(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return False
    if type(left) is type(right) and type(left) in _PLAIN:
        return bool(left == right)
    a, b = _comparable("=", left, right)
    return bool(a == b)


def ne(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return False
    a, b = _comparable("!=", left, right)
    return bool(a != b)


def lt(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return False
    a, b = _comparable("<", left, right)
    return bool(a < b)


def le(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return False
    a, b = _comparable("<=", left, right)
    return bool(a <= b)


def gt(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return False
    a, b = _comparable(">", left, right)
    return bool(a > b)


def ge(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return False
    a, b = _comparable(">=", left, right)
    return bool(a >= b)


# --- logic ------------------------------------------------------------------------------------------------------------------------


def both(left: Any, right: Any) -> bool:
    """AND, where the left side was not false; null gives false."""
    if left is None or right is None:
        return False
    if type(left) is bool and type(right) is bool:
        return left and right
    raise refused("AND", left, right)


def either(left: Any, right: Any) -> bool:
    """OR, where the left side was not true; null gives false."""
    if left is None or right is None:
        return False
    if type(left) is bool and type(right) is bool:
        return left or right
    raise refused("OR", left, right)


def holds(value: Any) -> bool:
    """Whether a condition's value keeps the row: true does, false and null do not, anything else is refused."""
    if value is True:
        return True
    if value is False or value is None:
        return False
    raise EvaluationError(f"invalid condition that returns non-bool value {describe(value)}")


OPERATORS: Mapping[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "=": ("eq", eq),
    "!=": ("ne", ne),
    "<": ("lt", lt),
    "<=": ("le", le),
    ">": ("gt", gt),
    ">=": ("ge", ge),
    "+": ("add", add),
    "-": ("sub", sub),
    "*": ("mul", mul),
    "/": ("div", div),
    "%": ("mod", mod),
    "&": ("bit_and", bit_and),
    "|": ("bit_or", bit_or),
    "^": ("bit_xor", bit_xor),
}


# --- predicates -------------------------------------------------------------------------------------------------------------------


def between(value: Any, low: Any, high: Any, negated: bool) -> bool:
    if value is None or low is None or high is None:
        return False
    inside = _reaches(value, low) and _reaches(value, high, upper=True)
    return inside is not negated


def _reaches(value: Any, bound: Any, upper: bool = False) -> bool:
    """Whether a value is not below a bound (``upper``: not above it)."""
    try:
        a, b = _comparable("<", value, bound)
    except EvaluationError as error:
        raise EvaluationError(f"between operator cannot compare {describe(value)} and {describe(bound)}") from error
    return bool(a <= b if upper else b <= a)


def member(value: Any, choices: Any, negated: bool) -> bool:
    """IN: a null value is in nothing and out of nothing; null elements never match."""
    if value is None:
        return False
    if choices is None:
        return negated
    if not isinstance(choices, list | tuple):
        raise EvaluationError(f"IN operator right operand expects a list, but found {general_text(choices)}")
    try:
        found = any(eq(value, choice) for choice in choices)
    except EvaluationError as error:
        raise EvaluationError(f"evaluate in expression error: {error}") from error
    return found is not negated


def like(value: Any, pattern: Any, negated: bool) -> bool:
    """LIKE with a pattern that is computed per row."""
    if not isinstance(value, str):
        raise EvaluationError(f"LIKE operator left operand expects string, but found {general_text(value)}")
    if not isinstance(pattern, str):
        raise EvaluationError(f"invalid LIKE pattern, must be a string but got {general_text(pattern)}")
    return (like_regex(pattern).fullmatch(value) is not None) is not negated


def matches(value: Any, regex: Any, negated: bool) -> bool:
    """LIKE with a constant pattern, compiled beforehand."""
    if not isinstance(value, str):
        raise EvaluationError(f"LIKE operator left operand expects string, but found {general_text(value)}")
    return (regex.fullmatch(value) is not None) is not negated


def same(value: Any, choice: Any) -> bool:
    """CASE value WHEN choice."""
    try:
        return eq(value, choice)
    except EvaluationError as error:
        raise EvaluationError(f"evaluate case expression error: {error}") from error


# --- functions --------------------------------------------------------------------------------------------------------------------


def bail() -> Any:
    """A value broke an assumption of the fast tier."""
    raise TypeError("not the assumed type")


def guarded_call(name: str, function: Callable[..., Any], nulls: str, bare: bool) -> Callable[..., Any]:
    """A SQL function as generated code calls it: null guard first, failures named (sql reference §6.1)."""
    instead = {"null": None, "false": False, "zero": 0}
    guard, given = nulls in instead, instead.get(nulls)
    prefix = "" if bare else f"call func {name} error: "

    def call(*args: Any) -> Any:
        if guard:
            for arg in args:
                if arg is None or arg == [] or arg == {}:
                    return given
        try:
            return function(*args)
        except EvaluationError as error:
            raise EvaluationError(f"{prefix}{error}") from error
        except (ArithmeticError, ValueError) as error:
            raise EvaluationError(f"{prefix}{error}") from error

    return call
