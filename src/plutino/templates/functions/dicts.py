"""Maps: building, reading, merging."""

from __future__ import annotations

from typing import Any

from plutino.templates.functions.flow import is_empty
from plutino.templates.functions.registry import define
from plutino.templates.functions.text import string_value
from plutino.templates.go.printing import sorted_keys
from plutino.templates.go.values import LISTS, Failure, NilMap, StringList, type_name
from plutino.templates.limits import Walk


@define("dict", "...any -> any", grows=True)
def make_dict(*pairs: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for index in range(0, len(pairs), 2):
        made[string_value(pairs[index])] = pairs[index + 1] if index + 1 < len(pairs) else ""
    return made


@define("get", "map, string -> any")
def get(values: dict[str, Any], key: str) -> Any:
    return values.get(key, "")


@define("set", "map, string, any -> any", grows=True)
def set_key(values: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    _writable(values)[key] = value
    return values


@define("unset", "map, string -> any")
def unset(values: dict[str, Any], key: str) -> dict[str, Any]:
    values.pop(key, None)
    return values


@define("hasKey", "map, string -> bool")
def has_key(values: dict[str, Any], key: str) -> bool:
    return key in values


@define("pluck", "string, ...map -> any")
def pluck(key: str, *maps: dict[str, Any]) -> list[Any]:
    return [m[key] for m in maps if key in m]


@define("keys", "...map -> any")
def keys(*maps: dict[str, Any]) -> StringList:
    """In order; the original gives them in any order."""
    return StringList(key for m in maps for key in sorted_keys(m))


@define("values", "map -> any")
def values_of(values: dict[str, Any]) -> list[Any]:
    """In the order of the keys; the original gives them in any order."""
    return [values[key] for key in sorted_keys(values)]


@define("pick", "map, ...string -> any")
def pick(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


@define("omit", "map, ...string -> any")
def omit(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in names}


@define("dig", "...any -> any")
def dig(*arguments: Any) -> Any:
    if len(arguments) < 3:
        raise Failure("dig needs at least three arguments")
    *names, otherwise, found = arguments
    for name in [] if not isinstance(found, dict) else names:
        if not isinstance(name, str):
            raise Failure(_conversion(name, "string"))
    for index, name in enumerate(names):
        if not isinstance(found, dict):
            raise Failure(_conversion(found, "map[string]interface {}"))
        if name not in found:
            return otherwise
        if index == len(names) - 1:
            return found[name]
        found = found[name]
    return otherwise


@define("merge mustMerge", "map, ...map -> any", grows=True)
def merge(target: dict[str, Any], *sources: dict[str, Any]) -> dict[str, Any]:
    """Add what is missing or empty in ``target``, which is changed; maps in maps are merged."""
    walk = Walk()
    for source in sources:
        _merge(_writable(target) if source else target, source, False, walk)
    return target


@define("mergeOverwrite mustMergeOverwrite", "map, ...map -> any", grows=True)
def merge_overwrite(target: dict[str, Any], *sources: dict[str, Any]) -> dict[str, Any]:
    """As ``merge``, but the last one wins; empty values of the sources overwrite too."""
    walk = Walk()
    for source in sources:
        _merge(_writable(target) if source else target, source, True, walk)
    return target


def _merge(target: dict[str, Any], source: dict[str, Any], overwrite: bool, walk: Walk) -> None:
    walk.visit(len(source))
    for key, value in list(source.items()):
        if value is None:
            if overwrite:
                target[key] = None
            continue
        present = target.get(key)
        if isinstance(value, dict) and isinstance(present, dict) and type(value) is type(present):
            if present is not value:
                _merge(present, value, overwrite, walk)
            if not is_empty(present):
                continue
        if isinstance(value, LISTS) and not is_empty(present) and not overwrite:
            continue
        if overwrite or is_empty(present):
            target[key] = value


@define("deepCopy mustDeepCopy", "any -> any")
def deep_copy(value: Any) -> Any:
    if value is None:
        # The original stumbles over nil.
        raise Failure("reflect: call of reflect.Value.Type on zero Value")
    return _copy(value, Walk())


def _copy(value: Any, walk: Walk) -> Any:
    if isinstance(value, dict):
        walk.visit(len(value))
        return type(value)({key: _copy(v, walk) for key, v in value.items()})
    if isinstance(value, list):
        walk.visit(len(value))
        return type(value)([_copy(v, walk) for v in value])
    return value


def _writable(values: dict[str, Any]) -> dict[str, Any]:
    if isinstance(values, NilMap):
        raise Failure("assignment to entry in nil map")
    return values


def _conversion(value: Any, wanted: str) -> str:
    shown = "nil" if value is None else type_name(value)
    return f"interface conversion: interface {{}} is {shown}, not {wanted}"
