"""Columns of slices: packed numbers while all values are of one kind, one value while all are the same, else a list.

Columns only grow, at their end; an operation that gives another column leaves the one before as it is, up to the length that it had.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import repeat
from types import NoneType
from typing import Any, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from plutino.execution.aggregates import Failed
from plutino.execution.packing import Packing
from plutino.execution.state import pack_value, unpack_value

KNOWN_TEXTS = 4096
"""So many different texts are remembered, so that equal ones are one object."""


class Same(Struct, frozen=True, gc=False):
    """A column whose values are all this one."""

    value: Any


Column: TypeAlias = "array[float] | array[int] | list[Any] | Same"

_FLOATS = frozenset((float,))
_INTS = frozenset((int,))
_NUMBERS = frozenset((int, float))
_REPEATED = frozenset((str, int, bool, NoneType, UnsetType))
"""Kinds of values that are the same when they are equal; floats are not: there are two zeros."""
_PLAIN = frozenset((str, int, float, bool, NoneType))
"""Kinds of values that msgpack tells apart by itself."""


class Texts:
    """Texts that were met lately: a text that comes again is kept once."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def shared(self, values: Sequence[Any]) -> list[Any]:
        """Values, with texts among them that are known already."""
        known = self._known
        if len(known) > KNOWN_TEXTS:
            known.clear()
        return [known.setdefault(v, v) if v.__class__ is str else v for v in values]


def argument(column: Column | None, values: Sequence[Any], loose: bool, texts: Texts) -> Column:
    """A column of arguments with further values; missing ones are null. ``loose``: whole numbers mean floats."""
    kinds = set(map(type, values))
    if UnsetType in kinds:
        values = [None if v is UNSET else v for v in values]
    code = "d" if kinds <= (_NUMBERS if loose else _FLOATS) else "q" if kinds == _INTS else ""
    return _extended(column, values, code, texts)


def shown(column: Column | None, values: Sequence[Any], held: int, texts: Texts) -> Column:
    """A column that is given out, with further values behind the ``held`` ones that it has; every value stays what it is."""
    kinds = set(map(type, values))
    if column is None or isinstance(column, Same):
        first = values[0] if column is None else column.value
        alike = kinds == {type(first)} and kinds <= _REPEATED and values.count(first) == len(values)
        if alike:
            return Same(texts.shared((first,))[0]) if column is None else column
        if column is not None:
            values, column = [*repeat(first, held), *values], None
            kinds.add(type(first))
    return _extended(column, values, "d" if kinds == _FLOATS else "q" if kinds == _INTS else "", texts)


def _extended(column: Column | None, values: Sequence[Any], code: str, texts: Texts) -> Column:
    """``code``: how the values can be packed, empty where they cannot."""
    if column is None:
        column = _empty(code)
    if isinstance(column, array) and column.typecode != code:
        column = column.tolist()
    if isinstance(column, list):
        column.extend(texts.shared(values))
        return column
    assert isinstance(column, array)
    held = len(column)
    try:
        column.extend(values)
    except OverflowError:
        return [*column.tolist()[:held], *values]
    return column


def _empty(code: str) -> Column:
    return array("d") if code == "d" else array("q") if code == "q" else []


def write_column(column: Column | None, count: int | None, out: Packing) -> None:
    """Write the first ``count`` values of a column, all of them when that is None."""
    match column:
        case None:
            out.value(None)
        case Same(value=value):
            out.value(["same", [_tagged(value)]])
        case array():
            out.begin(2)
            out.value(column.typecode)
            out.numbers(column if count is None else column[:count])
        case _:
            _write_list(column if count is None else column[:count], out)


def _write_list(column: list[Any], out: Packing) -> None:
    if set(map(type, column)) <= _PLAIN:
        try:
            out.value(["plain", column])
            return
        except OverflowError:
            pass  # a whole number that msgpack has no form for
    out.value(["list", list(map(_tagged, column))])


def _tagged(value: Any) -> list[Any]:
    if value is UNSET:
        return [2, None]
    return [1, value.text] if isinstance(value, Failed) else [0, pack_value(value)]


def _untagged(packed: list[Any]) -> Any:
    tag, value = packed
    return UNSET if tag == 2 else Failed(value) if tag == 1 else unpack_value(value)


def read_column(packed: Any, texts: Texts) -> Column | None:
    """What ``write_column`` wrote."""
    if packed is None:
        return None
    code, held = packed
    if code == "same":
        return Same(texts.shared((_untagged(held[0]),))[0])
    column = _empty(code)
    if isinstance(column, array):
        column.frombytes(held)
        return column
    return texts.shared(held if code == "plain" else list(map(_untagged, held)))
