"""Lists (sql reference §6.5). Lists are never changed in place; numbers are equal by value, whatever their kind."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from plutino.errors import EvaluationError
from plutino.model.cast import STRICT, to_int
from plutino.model.extreme import extreme
from plutino.model.text import NULL_LIST, NullList, general_text, plain_text
from plutino.spi import Arg, FunctionKind, FunctionSpec, Nulls
from plutino.spi.discovery import scan

_MOST_ELEMENTS = 1_000_000


def _list(value: Any, which: str) -> list[Any]:
    if type(value) is not list:
        raise EvaluationError(f"{which} argument should be array of interface{{}}")
    return value


def _key(value: Any) -> Any:
    """Something hashable that is equal for equal values: numbers by value, everything else by kind and value."""
    kind = type(value)
    if kind is int or kind is float:
        return ("number", value)
    if kind is list:
        return ("list", tuple(map(_key, value)))
    if kind is dict:
        return ("map", frozenset((k, _key(v)) for k, v in value.items()))
    return (kind.__name__, value)


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Values without repetitions, in order of their first occurrence; lists and maps all stay."""
    seen: set[Any] = set()
    kept: list[Any] = []
    for value in values:
        if type(value) in (list, dict):
            kept.append(value)
            continue
        key = _key(value)
        if key not in seen:
            seen.add(key)
            kept.append(value)
    return kept


def _keys(values: Iterable[Any]) -> set[Any]:
    return set(map(_key, values))


def _position(values: Any, wanted: Any) -> int:
    if values is None:
        return -1
    key = _key(wanted)
    return next((i for i, v in enumerate(_list(values, "first")) if _key(v) == key), -1)


def _last_position(values: Any, wanted: Any) -> int:
    if values is None:
        return -1
    elements = _list(values, "first")
    key = _key(wanted)
    return next((i for i in range(len(elements) - 1, -1, -1) if _key(elements[i]) == key), -1)


def _element_at(values: Any, place: Any) -> Any:
    if type(values) is list:
        index = to_int(place, STRICT)
        if not -len(values) <= index < len(values):
            raise EvaluationError("index out of range")
        return values[index]
    if type(values) is dict:
        if type(place) is not str:
            raise EvaluationError("second argument should be string")
        return values.get(place)
    raise EvaluationError("first argument should be []interface{} or map[string]interface{}")


def _contains(values: Any, wanted: Any) -> bool:
    return values is not None and _position(values, wanted) >= 0


def _contains_any(values: Any, wanted: Any) -> bool:
    if values is None:
        return False
    return not _keys(_list(values, "first")).isdisjoint(_keys(_list(wanted, "second")))


def _remove(values: Any, unwanted: Any) -> list[Any] | None:
    if values is None:
        return None
    key = _key(unwanted)
    return [v for v in _list(values, "first") if _key(v) != key]


def _intersect(first: Any, second: Any) -> list[Any]:
    keys = _keys(_list(first, "first"))
    return _distinct(v for v in _list(second, "second") if _key(v) in keys)


def _union(first: Any, second: Any) -> list[Any]:
    left = [] if first is None else _list(first, "first")
    right = [] if second is None else _list(second, "second")
    return _distinct([*left, *right])


def _except(first: Any, second: Any) -> list[Any] | None:
    if first is None:
        return None
    keys = set() if second is None else _keys(_list(second, "second"))
    return _distinct(v for v in _list(first, "first") if _key(v) not in keys)


def _extreme(largest: bool) -> Callable[[Any], Any]:
    def call(values: Any) -> Any:
        return extreme(_list(values, "first"), largest)

    return call


def _whole(value: Any, which: str) -> int:
    if type(value) in (int, float):
        try:
            return to_int(value, STRICT)
        except EvaluationError:
            pass
    raise EvaluationError(f"{which} argument should be int")


def _repeat(value: Any, count: Any) -> list[Any]:
    times = _whole(count, "second")
    if not 0 <= times <= _MOST_ELEMENTS:
        raise EvaluationError(f"second argument {times}; 0 to {_MOST_ELEMENTS} is expected")
    return [value] * times


def _sequence(start: Any, stop: Any, step: Any = None) -> list[int]:
    first, last = _whole(start, "first"), _whole(stop, "second")
    by = (1 if first <= last else -1) if step is None else _whole(step, "third")
    if by == 0:
        raise EvaluationError("invalid step: should not be zero")
    if (last - first) * by < 0:
        raise EvaluationError(f"invalid step: {by} does not lead from {first} to {last}")
    numbers = range(first, last + (1 if by > 0 else -1), by)
    if len(numbers) > _MOST_ELEMENTS:
        raise EvaluationError(f"sequence of {len(numbers)} elements; at most {_MOST_ELEMENTS} are allowed")
    return list(numbers)


def _cardinality(values: Any) -> int:
    return sum(1 for v in _list(values, "first") if v is not None)


def _flatten(values: Any) -> list[Any]:
    flat: list[Any] = []
    for value in _list(values, "first"):
        flat.extend(value if type(value) is list else (value,))
    return flat


@lru_cache(maxsize=1)
def _functions() -> Mapping[str, FunctionSpec]:
    """All built-in functions, for array_map."""
    package = __name__.rpartition(".")[0]
    return {name: spec for spec in scan(package, FunctionSpec) for name in (spec.name, *spec.synonyms)}


def _map(name: Any, values: Any) -> list[Any]:
    spec = _functions().get(name) if type(name) is str else None
    if spec is None:
        raise EvaluationError(f"unknown built-in function: {general_text(name)}.")
    if spec.kind is not FunctionKind.SCALAR:
        raise EvaluationError("first argument should be a scalar function.")
    if not len(spec.args) - spec.optional <= 1 <= len(spec.args):
        raise EvaluationError(f"validate {name} arguments failed")
    return [spec.call(v) for v in _list(values, "second")]


def _join(values: Any, separator: Any, null_text: Any = "") -> str:
    for which, text in (("second", separator), ("third", null_text)):
        if type(text) is not str:
            raise EvaluationError(f"{which} argument should be string")
    texts = [null_text if v is None else plain_text(v) for v in _list(values, "first") if v is not None or null_text]
    return str(separator).join(texts)


def _shuffle(values: Any) -> list[Any]:
    return random.sample(_list(values, "first"), len(values))


def _sort(values: Any) -> list[Any]:
    if type(values) is not list:
        raise EvaluationError("array elements should be array")
    return sorted(values, key=general_text)


def _concat(*lists: Any) -> list[Any] | NullList:
    joined: list[Any] = []
    for values in lists:
        if values is None:
            continue
        if type(values) is not list:
            raise EvaluationError("array elements should be array")
        joined.extend(values)
    return joined or NULL_LIST


_A = Arg("list", takes=("array",))
_X = Arg("value")
_NUMBER = ("bigint", "float")


def _spec(
    name: str,
    call: Callable[..., Any],
    about: str,
    args: Sequence[Arg],
    returns: str,
    nulls: Nulls,
    *examples: tuple[str, Any],
    optional: int = 0,
) -> FunctionSpec:
    return FunctionSpec(name, call, about, tuple(args), optional=optional, returns=returns, nulls=nulls, examples=examples)


_SEARCH = (
    _spec(
        "array_position",
        _position,
        "Position of the first occurrence of a value, -1 when there is none",
        (_A, _X),
        "bigint",
        Nulls.CALL,
        ("array_position(array_create(3, 1, 3), 3)", 0),
    ),
    _spec(
        "array_last_position",
        _last_position,
        "Position of the last occurrence of a value, -1 when there is none",
        (_A, _X),
        "bigint",
        Nulls.CALL,
        ("array_last_position(array_create(3, 1, 3), 3)", 2),
    ),
    _spec(
        "element_at",
        _element_at,
        "Element of a list by position (negative from the end), or value of a map by key",
        (Arg("list or map", takes=("array", "struct")), Arg("place", takes=("bigint", "float", "string"))),
        "any",
        Nulls.NULL,
        ("element_at(array_create('a', 'b'), -1)", "b"),
    ),
    _spec(
        "array_contains",
        _contains,
        "Whether a value is in a list",
        (_A, _X),
        "boolean",
        Nulls.CALL,
        ("array_contains(array_create(1, 2), 2.0)", True),
    ),
    _spec(
        "array_contains_any",
        _contains_any,
        "Whether two lists have a value in common",
        (_A, Arg("other", takes=("array",))),
        "boolean",
        Nulls.CALL,
        ("array_contains_any(array_create(1, 2), array_create(2, 3))", True),
    ),
    _spec("array_max", _extreme(True), "Largest element of a list", (_A,), "any", Nulls.NULL, ("array_max(array_create(3, 1, 2))", 3)),
    _spec("array_min", _extreme(False), "Smallest element of a list", (_A,), "any", Nulls.NULL, ("array_min(array_create(3, 1, 2))", 1)),
    _spec(
        "array_cardinality",
        _cardinality,
        "Number of elements that are not null",
        (_A,),
        "bigint",
        Nulls.ZERO,
        ("array_cardinality(array_create(1, 2))", 2),
    ),
)

_MAKING = (
    FunctionSpec(
        "array_create",
        lambda *values: [v for v in values if v is not None] or None,
        "A list of the arguments that are not null; null when none is left",
        (_X,),
        variadic=True,
        returns="array",
        examples=(("array_create(1, null, 'a')", [1, "a"]),),
    ),
    _spec(
        "repeat",
        _repeat,
        "A list that holds a value several times",
        (_X, Arg("count", takes=_NUMBER)),
        "array",
        Nulls.NULL,
        ("repeat('x', 2)", ["x", "x"]),
    ),
    _spec(
        "sequence",
        _sequence,
        "Whole numbers from one to another, both included",
        (Arg("start", takes=_NUMBER), Arg("stop", takes=_NUMBER), Arg("step", takes=_NUMBER)),
        "array",
        Nulls.NULL,
        ("sequence(3, 1)", [3, 2, 1]),
        ("sequence(1, 6, 2)", [1, 3, 5]),
        optional=1,
    ),
    FunctionSpec(
        "array_concat",
        _concat,
        "All lists one after the other; nulls are left out",
        (_A,),
        variadic=True,
        returns="array",
        examples=(("array_concat(array_create(1), null, array_create(2))", [1, 2]),),
    ),
)

_CHANGING = (
    _spec(
        "array_remove",
        _remove,
        "A list without a value",
        (_A, _X),
        "array",
        Nulls.CALL,
        ("array_remove(array_create(1, 2, 1), 1)", [2]),
    ),
    _spec(
        "array_intersect",
        _intersect,
        "Values that two lists have in common, in the order of the second",
        (_A, Arg("other", takes=("array",))),
        "array",
        Nulls.NULL,
        ("array_intersect(array_create(1, 2, 3), array_create(3, 2))", [3, 2]),
    ),
    _spec(
        "array_union",
        _union,
        "Values of two lists, each once",
        (_A, Arg("other", takes=("array",))),
        "array",
        Nulls.CALL,
        ("array_union(array_create(1, 2), array_create(2, 3))", [1, 2, 3]),
    ),
    _spec(
        "array_except",
        _except,
        "Values of a list that are not in another, each once",
        (_A, Arg("other", takes=("array",))),
        "array",
        Nulls.CALL,
        ("array_except(array_create(1, 2, 2), array_create(1))", [2]),
    ),
    _spec(
        "array_flatten",
        _flatten,
        "A list of lists as one list; deeper lists stay",
        (_A,),
        "array",
        Nulls.NULL,
        ("array_flatten(array_create(array_create(1, 2), 3))", [1, 2, 3]),
    ),
    _spec(
        "array_distinct",
        lambda values: _distinct(_list(values, "first")),
        "Values of a list, each once",
        (_A,),
        "array",
        Nulls.NULL,
        ("array_distinct(array_create(1, 2, 1))", [1, 2]),
    ),
    _spec(
        "array_map",
        _map,
        "A list with a function of one argument applied to each element",
        (Arg("function name", takes=("string",)), _A),
        "array",
        Nulls.NULL,
        ("array_map('upper', array_create('a', 'b'))", ["A", "B"]),
    ),
    _spec(
        "array_join",
        _join,
        "Texts of all elements, put together with a separator; nulls are left out or replaced",
        (_A, Arg("separator", takes=("string",)), Arg("text for null")),
        "string",
        Nulls.NULL,
        ("array_join(array_create('x', 1, 2.5), '-')", "x-1-2.5"),
        optional=1,
    ),
    FunctionSpec("array_shuffle", _shuffle, "A list in random order", (_A,), returns="array", nulls=Nulls.NULL, pure=False),
    _spec(
        "array_sort",
        _sort,
        "A list in order of the texts of its elements",
        (_A,),
        "array",
        Nulls.NULL,
        ("array_sort(array_create(10, 9, 2))", [10, 2, 9]),
    ),
)

SPECS = (*_SEARCH, *_MAKING, *_CHANGING)
