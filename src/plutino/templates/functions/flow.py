"""Defaults, choices, and stopping."""

from __future__ import annotations

from typing import Any

from plutino.templates.functions.registry import define
from plutino.templates.go.values import Failure


def is_empty(value: Any) -> bool:
    """Nil, zero, false, and what has no elements. Times and other structs are never empty."""
    return not value


@define("default", "any, ...any -> any")
def default(otherwise: Any, *given: Any) -> Any:
    return otherwise if not given or is_empty(given[0]) else given[0]


@define("empty", "any -> bool")
def empty(value: Any) -> bool:
    return is_empty(value)


@define("coalesce", "...any -> any")
def coalesce(*values: Any) -> Any:
    return next((v for v in values if not is_empty(v)), None)


@define("all", "...any -> bool")
def all_set(*values: Any) -> bool:
    return not any(is_empty(v) for v in values)


@define("any", "...any -> bool")
def any_set(*values: Any) -> bool:
    return any(not is_empty(v) for v in values)


@define("ternary", "any, any, bool -> any")
def ternary(if_true: Any, if_false: Any, test: bool) -> Any:
    return if_true if test else if_false


@define("fail", "string -> string")
def fail(message: str) -> str:
    raise Failure(message)
