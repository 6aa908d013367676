"""The dialect's arithmetic to the letter: numbers and bits (sql reference §3.6)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from plutino.errors import EvaluationError
from plutino.execution.failures import refused
from plutino.model.number import divide, remainder, wrap

_NUMBERS = frozenset((int, float))


def add(left: Any, right: Any) -> Any:
    a, b = type(left), type(right)
    if a is float and b is float:
        return left + right
    if a is int and b is int:
        return wrap(left + right)
    if left is None or right is None:
        return None
    if a in _NUMBERS and b in _NUMBERS:
        return float(left) + float(right)
    raise refused("+", left, right)


def sub(left: Any, right: Any) -> Any:
    a, b = type(left), type(right)
    if a is float and b is float:
        return left - right
    if a is int and b is int:
        return wrap(left - right)
    if left is None or right is None:
        return None
    if a in _NUMBERS and b in _NUMBERS:
        return float(left) - float(right)
    raise refused("-", left, right)


def mul(left: Any, right: Any) -> Any:
    a, b = type(left), type(right)
    if a is float and b is float:
        return left * right
    if a is int and b is int:
        return wrap(left * right)
    if left is None or right is None:
        return None
    if a in _NUMBERS and b in _NUMBERS:
        return float(left) * float(right)
    raise refused("*", left, right)


def wide_add(left: Any, right: Any) -> Any:
    """A sum with numbers of schemaless rows: beyond 64 bits it is a float."""
    return _narrow(left + right) if type(left) is int and type(right) is int else add(left, right)


def wide_sub(left: Any, right: Any) -> Any:
    """A difference with numbers of schemaless rows."""
    return _narrow(left - right) if type(left) is int and type(right) is int else sub(left, right)


def wide_mul(left: Any, right: Any) -> Any:
    """A product with numbers of schemaless rows."""
    return _narrow(left * right) if type(left) is int and type(right) is int else mul(left, right)


def _narrow(value: int) -> int | float:
    return value if -(2**63) <= value < 2**63 else float(value)


WIDE: Mapping[str, Callable[[Any, Any], Any]] = {"+": wide_add, "-": wide_sub, "*": wide_mul}


def div(left: Any, right: Any) -> Any:
    """Integers truncate toward zero."""
    if left is None or right is None:
        return None
    a, b = type(left), type(right)
    if a not in _NUMBERS or b not in _NUMBERS:
        raise refused("/", left, right)
    if right == 0:
        raise EvaluationError("divided by zero")
    if a is int and b is int:
        return divide(left, right)
    return float(left) / float(right)


def mod(left: Any, right: Any) -> Any:
    """The sign follows the dividend."""
    if left is None or right is None:
        return None
    a, b = type(left), type(right)
    if a not in _NUMBERS or b not in _NUMBERS:
        raise refused("%", left, right)
    if right == 0:
        raise EvaluationError("divided by zero")
    if a is int and b is int:
        return remainder(left, right)
    return math.fmod(left, right) if math.isfinite(left) else math.nan


def _bits(op: str, left: Any, right: Any, of_ints: Callable[[int, int], int], of_bools: Callable[[bool, bool], bool]) -> Any:
    if left is None or right is None:
        return False
    a, b = type(left), type(right)
    if a is int and b is int:
        return of_ints(left, right)
    if a is bool and b is bool:
        return of_bools(left, right)
    raise refused(op, left, right)


def bit_and(left: Any, right: Any) -> Any:
    return _bits("&", left, right, int.__and__, lambda a, b: a and b)


def bit_or(left: Any, right: Any) -> Any:
    return _bits("|", left, right, int.__or__, lambda a, b: a or b)


def bit_xor(left: Any, right: Any) -> Any:
    return _bits("^", left, right, int.__xor__, lambda a, b: a != b)
