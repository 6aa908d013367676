"""Lists: building, taking apart, searching. The functions named ``must…`` differ in the original only in how they fail."""

from __future__ import annotations

from typing import Any

from plutino.templates.functions.casts import to_int64
from plutino.templates.functions.flow import is_empty
from plutino.templates.functions.registry import define
from plutino.templates.go.comparison import deep_equal, equality_key
from plutino.templates.go.values import LISTS, Failure, ListOfLists, NilList, Uint8, kind_name
from plutino.templates.limits import Walk, check_items

NIL_POINTER = "runtime error: invalid memory address or nil pointer dereference"


def elements(value: Any, failure: str) -> list[Any]:
    """The elements of a list; ``failure`` is the refusal of other values, the kind is added."""
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, bytes):
        check_items(len(value))
        return [Uint8(b) for b in value]
    if value is None:
        raise Failure(NIL_POINTER)
    raise Failure(f"{failure} {kind_name(value)}")


@define("list tuple", "...any -> any", grows=True)
def make_list(*values: Any) -> list[Any]:
    return list(values)


@define("append push mustAppend mustPush", "any, any -> any", grows=True)
def append(values: Any, value: Any) -> list[Any]:
    found = elements(values, "Cannot push on type")
    check_items(len(found))
    return [*found, value]


@define("prepend mustPrepend", "any, any -> any", grows=True)
def prepend(values: Any, value: Any) -> list[Any]:
    found = elements(values, "Cannot prepend on type")
    check_items(len(found))
    return [value, *found]


@define("concat", "...any -> any", grows=True)
def concat(*lists: Any) -> list[Any]:
    joined: list[Any] = []
    for values in lists:
        if values is not None and not isinstance(values, (*LISTS, bytes)):
            raise Failure(f"Cannot concat type {kind_name(values)} as list")
        found = elements(values, "")
        check_items(len(joined) + len(found))
        joined += found
    return joined or NilList()


@define("first mustFirst", "any -> any")
def first(values: Any) -> Any:
    found = elements(values, "Cannot find first on type")
    return found[0] if found else None


@define("last mustLast", "any -> any")
def last(values: Any) -> Any:
    found = elements(values, "Cannot find last on type")
    return found[-1] if found else None


@define("rest mustRest", "any -> any")
def rest(values: Any) -> list[Any]:
    found = elements(values, "Cannot find rest on type")
    return [*found[1:]] if found else NilList()


@define("initial mustInitial", "any -> any")
def initial(values: Any) -> list[Any]:
    found = elements(values, "Cannot find initial on type")
    return [*found[:-1]] if found else NilList()


@define("reverse mustReverse", "any -> any")
def reverse(values: Any) -> list[Any]:
    return [*elements(values, "Cannot find reverse on type")[::-1]]


@define("compact mustCompact", "any -> any")
def compact(values: Any) -> list[Any]:
    return [v for v in elements(values, "Cannot compact on type") if not is_empty(v)]


@define("uniq mustUniq", "any -> any")
def uniq(values: Any) -> list[Any]:
    kept: list[Any] = []
    seen: set[Any] = set()
    compound: list[Any] = []
    walk = Walk()
    for value in elements(values, "Cannot find uniq on type"):
        key = equality_key(value)
        if key is not None:
            if key in seen:
                continue
            seen.add(key)
        elif any(deep_equal(value, other, walk) for other in compound):
            continue
        else:
            compound.append(value)
        kept.append(value)
    return kept


@define("without mustWithout", "any, ...any -> any")
def without(values: Any, *omitted: Any) -> list[Any]:
    walk = Walk()
    found = elements(values, "Cannot find without on type")
    return [v for v in found if not any(deep_equal(v, other, walk) for other in omitted)]


@define("has mustHas", "any, any -> bool")
def has(wanted: Any, values: Any) -> bool:
    if values is None:
        return False
    walk = Walk()
    return any(deep_equal(wanted, v, walk) for v in elements(values, "Cannot find has on type"))


@define("slice mustSlice", "any, ...any -> any")
def slice_list(values: Any, *bounds: Any) -> Any:
    found = elements(values, "list should be type of slice or array but")
    if not found:
        return None
    start = to_int64(bounds[0]) if bounds else 0
    end = to_int64(bounds[1]) if len(bounds) > 1 else len(found)
    if not 0 <= start <= end <= len(found):
        raise Failure("reflect.Value.Slice: slice index out of bounds")
    if isinstance(values, bytes):
        return values[start:end]
    part = found[start:end]
    return type(values)(part) if isinstance(values, list) else part


@define("chunk mustChunk", "int, any -> any")
def chunk(size: int, values: Any) -> ListOfLists:
    found = elements(values, "Cannot chunk type")
    if size <= 0:
        raise Failure("runtime error: makeslice: len out of range" if found else NIL_POINTER)
    return ListOfLists(found[i : i + size] for i in range(0, len(found), size))
