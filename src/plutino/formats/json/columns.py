"""From declared columns and assumed kinds to the types that the fast decoder checks."""

from __future__ import annotations

from collections.abc import Mapping
from types import GenericAlias
from typing import Annotated, Any, TypedDict

from msgspec import Meta

from plutino.model import ANY, DataType, TypeName

_typed_dict: Any = TypedDict
"""Makes types of columns that are known at run time only."""

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

_KINDS: dict[str, Any] = {
    "number": int | float | None,
    "float": Annotated[int, Meta(ge=-(2**53), le=2**53)] | float | None,
    "string": str | None,
    "boolean": bool | None,
    "scalar": int | float | str | None,
}
_PLAIN: dict[TypeName, Any] = {
    TypeName.BIGINT: Int64 | None,
    TypeName.FLOAT: float | None,
    TypeName.STRING: str | None,
    TypeName.BOOLEAN: bool | None,
    TypeName.DATETIME: float | str | None,
    TypeName.BYTEA: str | None,
    TypeName.ANY: Any,
}
_KEEPS: dict[TypeName, tuple[str, ...]] = {
    TypeName.BIGINT: ("number", "scalar"),
    TypeName.FLOAT: ("float", "number", "scalar"),
    TypeName.STRING: ("string", "scalar"),
    TypeName.BOOLEAN: ("boolean",),
}


def kind_type(kind: str | None) -> Any:
    """The type of a schemaless column of which the fast tier assumes ``kind``."""
    return _KINDS.get(kind, Any) if kind is not None else Any


def column_type(kind: DataType) -> Any:
    """The type that accepts exactly what the declared type accepts without conversion (and null); the rest needs the exact rules."""
    if kind.name is TypeName.ARRAY:
        return GenericAlias(list, (column_type(kind.element or ANY),)) | None
    if kind.name is TypeName.STRUCT:
        if not kind.fields:
            return dict[str, Any] | None
        fields = {field.name: column_type(field.type) for field in kind.fields}
        return _typed_dict("Fields", fields, total=False) | None
    return _PLAIN[kind.name]


def record_type(columns: Mapping[str, DataType]) -> Any:
    """A type of dicts with the declared columns; other keys are dropped."""
    return _typed_dict("Record", {name: column_type(kind) for name, kind in columns.items()}, total=False)


def keeps_kinds(columns: Mapping[str, DataType], kinds: Mapping[str, str]) -> bool:
    """Whether the declared types alone keep the promise of the assumed kinds."""
    return all(name in columns and kind in _KEEPS.get(columns[name].name, ()) for name, kind in kinds.items())


def has_bytea(kind: DataType) -> bool:
    """Whether values of this type hold bytes, which arrive as text and need converting."""
    if kind.name is TypeName.BYTEA:
        return True
    if kind.element is not None and has_bytea(kind.element):
        return True
    return any(has_bytea(field.type) for field in kind.fields)
