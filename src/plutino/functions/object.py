"""Maps (sql reference §6.5). Keys keep the order in which they came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plutino.errors import EvaluationError
from plutino.model.text import general_text
from plutino.spi import Arg, FunctionSpec, Nulls
from plutino.spi.function import Literal


def _map(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise EvaluationError("the argument should be map[string]interface{}")
    return value


def _from_pairs(pairs: Any) -> dict[str, Any]:
    if type(pairs) is not list:
        raise EvaluationError("first argument should be array of interface{}")
    made: dict[str, Any] = {}
    for pair in pairs:
        if type(pair) is not dict:
            raise EvaluationError("array item should be map[string]interface{}")
        if pair.keys() != {"key", "value"} or type(pair["key"]) is not str:
            raise EvaluationError("array item should be key-value pair")
        made[pair["key"]] = pair["value"]
    return made


def _object(keys: Any, values: Any) -> dict[str, Any]:
    if type(keys) is not list or any(type(k) is not str for k in keys):
        raise EvaluationError("first argument should be []string")
    if type(values) is not list:
        raise EvaluationError("second argument should be []interface{}")
    if len(keys) != len(values):
        raise EvaluationError("the length of the arguments should be same")
    return dict(zip(keys, values, strict=True))


def _zip(pairs: Any) -> dict[str, Any]:
    if type(pairs) is not list:
        raise EvaluationError("each argument should be [][2]interface{}")
    made: dict[str, Any] = {}
    for pair in pairs:
        if pair is None:
            continue
        if type(pair) is not list or len(pair) != 2:
            raise EvaluationError("each argument should be [][2]interface{}")
        if type(pair[0]) is not str:
            raise EvaluationError("the first element in the list item should be string")
        made[pair[0]] = pair[1]
    return made


def _concat(*maps: Any) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for value in maps:
        if value is None:
            continue
        if type(value) is not dict:
            raise EvaluationError(f"the argument should be map[string]interface{{}}, got {general_text(value)}")
        joined.update(value)
    return joined


def _construct(*args: Any) -> dict[str, Any]:
    if len(args) % 2:
        raise EvaluationError("the args must be key value pairs")
    made: dict[str, Any] = {}
    for key, value in zip(args[::2], args[1::2], strict=True):
        if key is None:
            continue
        if type(key) is not str:
            raise EvaluationError(f"key {general_text(key)} is not a string")
        made[key] = value
    return made


def _check_pairs(args: Sequence[Literal]) -> str | None:
    if len(args) % 2:
        return "the args must be key value pairs"
    return None


def _erase(value: Any, *keys: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise EvaluationError(f"the first argument should be map[string]interface{{}}, got {general_text(value)}")
    if len(keys) != 1:
        raise EvaluationError(f"the argument number should be 2, got {len(keys) + 1}")
    unwanted = keys[0]
    if type(unwanted) not in (str, list):
        raise EvaluationError("the argument should be slice or string")
    names = unwanted if type(unwanted) is list else [unwanted]
    return {k: v for k, v in value.items() if k not in names}


def _size(value: Any) -> int:
    if value is None:
        return 0
    if type(value) is not dict:
        raise EvaluationError(f"the first argument should be map[string]any, got {general_text(value)}")
    return len(value)


def _pick(value: Any, *keys: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if type(value) is not dict:
        raise EvaluationError(f"the first argument should be map[string]interface{{}}, got {general_text(value)}")
    picked: dict[str, Any] = {}
    for key in keys:
        for name in key if type(key) is list else (key,):
            if type(name) is str:
                _pick_one(value, name.split("."), picked)
    return picked


def _pick_one(source: dict[str, Any], path: list[str], picked: dict[str, Any]) -> None:
    """Copy what a path leads to, under the same path; nothing when it leads nowhere."""
    value: Any = source
    for name in path:
        if type(value) is not dict or name not in value:
            return
        value = value[name]
    target = picked
    for name in path[:-1]:
        inner = target.get(name)
        inner = dict(inner) if type(inner) is dict else {}
        target[name] = inner
        target = inner
    target[path[-1]] = value


_M = (Arg("map", takes=("struct",)),)

SPECS = (
    FunctionSpec(
        "keys",
        lambda value: list(_map(value)),
        "Keys of a map",
        _M,
        returns="array",
        nulls=Nulls.NULL,
        examples=(("keys(object_construct('a', 1, 'b', 2))", ["a", "b"]),),
    ),
    FunctionSpec(
        "values",
        lambda value: list(_map(value).values()),
        "Values of a map",
        _M,
        returns="array",
        nulls=Nulls.NULL,
        examples=(("values(object_construct('a', 1, 'b', 2))", [1, 2]),),
    ),
    FunctionSpec(
        "items",
        lambda value: [[k, v] for k, v in _map(value).items()],
        "Keys and values of a map as lists of two",
        _M,
        returns="array",
        nulls=Nulls.NULL,
        examples=(("items(object_construct('a', 1))", [["a", 1]]),),
    ),
    FunctionSpec(
        "object",
        _object,
        "A map of a list of keys and a list of values",
        (Arg("keys", takes=("array",)), Arg("values", takes=("array",))),
        returns="struct",
        nulls=Nulls.NULL,
        examples=(("object(array_create('a', 'b'), array_create(1, 2))", {"a": 1, "b": 2}),),
    ),
    FunctionSpec(
        "zip",
        _zip,
        "A map of a list of keys and values, two by two",
        (Arg("pairs", takes=("array",)),),
        returns="struct",
        nulls=Nulls.NULL,
        examples=(("zip(array_create(array_create('a', 1)))", {"a": 1}),),
    ),
    FunctionSpec(
        "kvpair_array_to_obj",
        _from_pairs,
        "A map of a list of maps with key and value",
        (Arg("pairs", takes=("array",)),),
        returns="struct",
        nulls=Nulls.NULL,
        examples=(("kvpair_array_to_obj(array_create(object_construct('key', 'a', 'value', 1)))", {"a": 1}),),
    ),
    FunctionSpec(
        "obj_to_kvpair_array",
        lambda value: [{"key": k, "value": v} for k, v in _map(value).items()],
        "A list of maps with key and value of a map",
        _M,
        returns="array",
        nulls=Nulls.NULL,
        examples=(("obj_to_kvpair_array(object_construct('a', 1))", [{"key": "a", "value": 1}]),),
    ),
    FunctionSpec(
        "object_concat",
        _concat,
        "All maps in one; later keys win, nulls are left out",
        (*_M, Arg("other", takes=("struct",))),
        variadic=True,
        returns="struct",
        examples=(("object_concat(object_construct('a', 1), object_construct('a', 2))", {"a": 2}),),
    ),
    FunctionSpec(
        "object_construct",
        _construct,
        "A map of keys and values; a pair with a null key is left out",
        (Arg("key"), Arg("value")),
        variadic=True,
        returns="struct",
        validate=_check_pairs,
        examples=(("object_construct('a', 1, 'b', null)", {"a": 1, "b": None}),),
    ),
    FunctionSpec(
        "erase",
        _erase,
        "A map without a key or a list of keys",
        (*_M, Arg("key or keys")),
        variadic=True,
        returns="struct",
        nulls=Nulls.NULL,
        examples=(("erase(object_construct('a', 1, 'b', 2), 'a')", {"b": 2}),),
    ),
    FunctionSpec(
        "object_size",
        _size,
        "Number of keys of a map; 0 for null",
        _M,
        returns="bigint",
        examples=(("object_size(object_construct('a', 1, 'b', 2))", 2),),
    ),
    FunctionSpec(
        "object_pick",
        _pick,
        "A map with the given keys only; a dotted key picks inside of a map",
        (*_M, Arg("key or keys")),
        variadic=True,
        returns="struct",
        examples=(
            ("object_pick(object_construct('a', 1, 'b', 2), 'a')", {"a": 1}),
            ("object_pick(object_construct('m', object_construct('x', 1, 'y', 2)), 'm.x')", {"m": {"x": 1}}),
        ),
    ),
)
