"""Operators of the expressions in JSON paths: numbers, texts, comparison, logic and matching."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from plutino.errors import EvaluationError
from plutino.model.regex import compile_regex
from plutino.model.text import describe

Expression = Callable[[Any, Any], Any]
"""Gets the root and the current value, gives a value; EvaluationError when operands do not fit."""

_NUMBERS: dict[str, Callable[[float, float], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else math.nan if a == 0 or a != a else math.copysign(math.inf, a),
    "%": lambda a, b: math.fmod(a, b) if b else math.nan,
    "**": lambda a, b: a**b,
    "|": lambda a, b: float(int(a) | int(b)),
    "&": lambda a, b: float(int(a) & int(b)),
    "^": lambda a, b: float(int(a) ^ int(b)),
}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def operation(operator: str, left: Expression, right: Expression) -> Expression:
    """The expression ``left operator right``."""
    if operator in ("&&", "||"):
        return _logic(operator == "||", left, right)
    if operator == "??":
        return lambda root, current: first if (first := left(root, current)) is not None else right(root, current)
    return lambda root, current: _apply(operator, left(root, current), right(root, current))


def _logic(ends_with: bool, left: Expression, right: Expression) -> Expression:
    """``||`` and ``&&``: the right side counts only when the left one does not decide."""

    def evaluate(root: Any, current: Any) -> bool:
        first = left(root, current)
        if type(first) is not bool:
            raise EvaluationError(f"unexpected {describe(first)} expected bool")
        if first is ends_with:
            return first
        second = right(root, current)
        if type(second) is not bool:
            raise EvaluationError(f"unexpected {describe(second)} expected bool")
        return second

    return evaluate


def _apply(operator: str, left: Any, right: Any) -> Any:
    if operator in ("==", "!="):
        return _same(left, right) is (operator == "==")
    if operator == "in":
        if type(right) is not list:
            raise EvaluationError(f"expected type []interface{{}} for in operator but got {describe(right)}")
        return any(_same(left, element) for element in right)
    if operator in ("=~", "!~"):
        if type(left) is not str or type(right) is not str:
            raise _unfit(operator, left, right)
        return compile_regex(right).fits(left) is (operator == "=~")
    numbers = type(left) in (int, float) and type(right) in (int, float)
    texts = type(left) is str and type(right) is str
    if operator in _COMPARISONS and (numbers or texts):
        return _COMPARISONS[operator](left, right)
    if operator == "+" and texts:
        return left + right
    if operator in _NUMBERS and numbers:
        try:
            return _NUMBERS[operator](float(left), float(right))
        except (ArithmeticError, ValueError):
            return math.inf if operator == "**" else math.nan
    raise _unfit(operator, left, right)


def _unfit(operator: str, left: Any, right: Any) -> EvaluationError:
    return EvaluationError(f"invalid operation {describe(left)} {operator} {describe(right)}")


def _same(left: Any, right: Any) -> bool:
    """Equality by value, where numbers of both kinds are equal and booleans are no numbers."""
    if type(left) is bool or type(right) is bool:
        return left is right
    return bool(left == right)
