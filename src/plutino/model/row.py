"""Rows: compact structs that the decoder makes and generated code reads.

A row holds only the columns in use. Every column name of the process has one attribute (``c0``, ``c1``, …), the same in every
row type, so that generated code holds no user text and fits each row type that has the column. An attribute is ``UNSET`` when
the column is missing and ``None`` when it is null. Row types are interned: equal columns give the same class.

Structs with ``gc=False`` decode, read and encode faster than dicts, and the collector never sees them. Values come from decoders or
expressions, which make no cycles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Union

import msgspec
from msgspec import UNSET, Struct, UnsetType

_attributes: dict[str, str] = {}
_types: dict[tuple[tuple[str, ...], tuple[Any, ...] | None], type[Struct]] = {}
_names: dict[type, tuple[str, ...]] = {}


def attribute(name: str) -> str:
    """The attribute under which every row type keeps the column ``name``."""
    found = _attributes.get(name)
    if found is None:
        found = _attributes[name] = f"c{len(_attributes)}"
    return found


def row_type(names: Sequence[str], types: Sequence[Any] | None = None) -> type[Struct]:
    """The row class with these columns, in this order.

    ``types`` are Python types for the decoder, one per column, ``Any`` when left out; ``UNSET`` is always allowed, as it stands for a
    missing key. Column names must be distinct.
    """
    key = (tuple(names), None if types is None else tuple(types))
    found = _types.get(key)
    if found is None:
        kinds = types if types is not None else [Any] * len(names)
        fields = [(attribute(n), k if k is Any else Union[k, UnsetType], UNSET) for n, k in zip(names, kinds, strict=True)]  # noqa: UP007
        found = msgspec.defstruct("Row", fields, gc=False, rename={attribute(n): n for n in names})
        _types[key] = found
        _names[found] = tuple(names)
    return found


def column_names(row: type[Struct]) -> tuple[str, ...]:
    """The column names of a row class made by ``row_type``."""
    return _names[row]


def to_dict(row: Any) -> dict[str, Any]:
    """A row as ``{column: value}`` without missing columns; a dict is returned as it is."""
    if type(row) is dict:
        return row
    values = msgspec.structs.astuple(row)
    return {n: v for n, v in zip(_names[type(row)], values, strict=True) if v is not UNSET}


def from_dicts(row: type[Struct], records: Iterable[dict[str, Any]]) -> list[Any]:
    """Rows of class ``row`` out of whole records, one each."""
    names = _names[row]
    return [row(*[record.get(n, UNSET) for n in names]) for record in records]
