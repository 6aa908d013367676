"""Types and kinds of values."""

from __future__ import annotations

from typing import Any

from plutino.templates.functions.registry import define
from plutino.templates.go.comparison import deep_equal as same
from plutino.templates.go.values import kind_name, type_name
from plutino.templates.limits import Walk


def _type_of(value: Any) -> str:
    return "<nil>" if value is None else type_name(value)


@define("typeOf", "any -> string")
def type_of(value: Any) -> str:
    return _type_of(value)


@define("typeIs", "string, any -> bool")
def type_is(name: str, value: Any) -> bool:
    return name == _type_of(value)


@define("typeIsLike", "string, any -> bool")
def type_is_like(name: str, value: Any) -> bool:
    return _type_of(value) in (name, "*" + name)


@define("kindOf", "any -> string")
def kind_of(value: Any) -> str:
    return kind_name(value)


@define("kindIs", "string, any -> bool")
def kind_is(name: str, value: Any) -> bool:
    return name == kind_name(value)


@define("deepEqual", "any, any -> bool")
def deep_equal(a: Any, b: Any) -> bool:
    return same(a, b, Walk())
