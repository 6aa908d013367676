"""Go's comparisons: the basic kinds of ``eq`` and ``lt``, and ``reflect.DeepEqual``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from plutino.templates.go.values import NIL_LISTS, Failure, NilMap, Stringer, kind_name, type_name, utf8
from plutino.templates.go.verbs import sprintf
from plutino.templates.limits import Walk

_NO_KIND: Final = ""
_KINDS: Final = {
    "bool": "bool",
    "int": "int",
    "int64": "int",
    "uint8": "uint",
    "uint64": "uint",
    "float64": "float",
    "complex128": "complex",
    "string": "string",
}


def equal(first: Any, second: Any) -> bool:
    """``eq first second``; raises Failure when Go cannot compare the types."""
    if type(first) is type(second) and type(first) in (str, float, int, bool):
        return bool(first == second)
    kind_a, kind_b = kind_name(first), kind_name(second)
    a, b = _KINDS.get(kind_a, _NO_KIND), _KINDS.get(kind_b, _NO_KIND)
    if a != b:
        if {a, b} == {"int", "uint"}:
            return bool(first == second)
        if first is not None and second is not None:
            raise Failure(f"incompatible types for comparison: {type_name(first)} and {type_name(second)}")
        return False
    if a:
        return bool(first == second)
    if kind_a != kind_b and "invalid" not in (kind_a, kind_b):
        raise Failure(sprintf("non-comparable types %s: %T, %T: %v", (first, first, second, second)))
    if _is_nil(first) or _is_nil(second):
        return _is_nil(first) == _is_nil(second)
    if kind_b in ("slice", "map"):
        raise Failure(sprintf("non-comparable type %s: %T", (second, second)))
    if isinstance(first, datetime) and isinstance(second, datetime):
        return _aware(first) == _aware(second)
    return first is second


def less(first: Any, second: Any) -> bool:
    """``lt first second``; raises Failure when Go cannot order the types."""
    if type(first) is type(second) and type(first) in (float, int):
        return bool(first < second)
    a = _KINDS.get(kind_name(first), _NO_KIND)
    b = _KINDS.get(kind_name(second), _NO_KIND)
    if not a or not b:
        raise Failure("invalid type for comparison")
    if a != b and {a, b} != {"int", "uint"}:
        raise Failure(f"incompatible types for comparison: {type_name(first)} and {type_name(second)}")
    if a in ("bool", "complex"):
        raise Failure("invalid type for comparison")
    if a == "string" and not (first.isascii() and second.isascii()):
        return utf8(first) < utf8(second)
    return bool(first < second)


def deep_equal(first: Any, second: Any, walk: Walk) -> bool:
    """Same type and same value, all the way down."""
    if first is second:
        return first == first or not isinstance(first, float)
    if first is None or second is None or type_name(first) != type_name(second):
        return False
    if isinstance(first, list | tuple):
        if len(first) != len(second) or _is_nil(first) != _is_nil(second):
            return False
        walk.visit(len(first))
        return all(deep_equal(a, b, walk) for a, b in zip(first, second, strict=True))
    if isinstance(first, dict):
        if len(first) != len(second) or _is_nil(first) != _is_nil(second):
            return False
        walk.visit(len(first))
        return all(key in second and deep_equal(value, second[key], walk) for key, value in first.items())
    walk.visit(0)
    if isinstance(first, datetime):
        return _aware(first) == _aware(second) and first.tzinfo == second.tzinfo
    return bool(first == second)


def equality_key(value: Any) -> Any:
    """A hashable key that is equal when ``deep_equal`` is true; ``None`` for values that must be compared one by one."""
    if value is None:
        return ("nil",)
    if isinstance(value, list | tuple | dict | datetime | bytearray) or value != value:
        return None
    if isinstance(value, Stringer):
        return (value.go_type, value.text())
    return (type_name(value), value)


def _is_nil(value: Any) -> bool:
    return value is None or isinstance(value, (*NIL_LISTS, NilMap))


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
