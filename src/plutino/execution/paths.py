"""Paths into values: keys, elements, parts of lists, metadata."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from plutino.errors import EvaluationError
from plutino.model.value import describe, general_text


def key(base: Any, name: str) -> Any:
    """``base->name``: null for a missing key and for a base that is no map and no list."""
    if isinstance(base, dict):
        return base.get(name)
    if isinstance(base, list):
        raise EvaluationError(f"the result {general_text(base)} is not a type of map[string]interface{{}}")
    return None


def no_key(base: Any) -> Any:
    """``base->1``."""
    raise EvaluationError("the right expression is not a field reference node")


def _list_of(base: Any, first: int, second: int) -> list[Any]:
    if isinstance(base, list):
        return base
    if isinstance(base, dict):
        raise EvaluationError("[] is an invalid operation for map[string]interface {}")
    raise EvaluationError(f"invalid operation {describe(base)} [] *xsql.BracketEvalResult(&{{{first} {second}}})")


def _position(value: Any) -> int:
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return int(value)
    raise EvaluationError("invalid evaluation result - <nil>")


def element(base: Any, index: Any) -> Any:
    if base is None:
        return None
    at = _position(index)
    items = _list_of(base, at, at)
    size = len(items)
    if at >= size or at < -size:
        raise EvaluationError(f"out of index: {at} of {size}")
    return items[at]


def part(base: Any, start: Any, end: Any, open_end: bool) -> Any:
    """``base[start:end]``; ``open_end`` says that no end was written."""
    if base is None:
        return None
    first = _position(start)
    last = -(2**31) if open_end else _position(end)
    items = _list_of(base, first, last)
    size = len(items)
    if not open_end and first >= 0 and last >= 0 and first > last:
        raise EvaluationError(f"start cannot be greater than end. start:{first}  end:{last}")
    low = first + size if first < 0 else first
    if low < 0 or low >= size:
        raise EvaluationError(f"start value is out of index: {first} of {size}")
    high = size if open_end else (last + size if last < 0 else last)
    if high > size:
        raise EvaluationError(f"end value is out of index: {last} of {size}")
    return items[low : max(low, high)]


def metadata(meta: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The value under a path of keys; null where a step is missing."""
    found: Any = meta
    for step in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(step)
    return dict(found) if isinstance(found, Mapping) else found
