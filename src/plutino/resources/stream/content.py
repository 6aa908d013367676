"""CREATE statements as definitions: the syntax tree becomes plain content."""

from __future__ import annotations

from typing import assert_never

from msgspec import UNSET

from plutino.model import Column, DataType, Schema, StreamContent, TypeName
from plutino.sql import tree


def content_of(statement: tree.CreateStream) -> StreamContent:
    """What a CREATE statement says, free of syntax."""
    options = {name: value if isinstance(value, bool) else str(value) for name, value in statement.options.items()}
    return StreamContent(statement.name, statement.kind == "table", Schema(_columns(statement.columns)), options)


def _columns(columns: tuple[tree.ColumnDef, ...]) -> tuple[Column, ...]:
    return tuple(Column(c.name, _type(c.type), UNSET if c.default is None else c.default) for c in columns)


def _type(node: tree.ColumnType) -> DataType:
    match node:
        case tree.SimpleType(name):
            return DataType(TypeName(name))
        case tree.ArrayType(element):
            return DataType(TypeName.ARRAY, element=_type(element))
        case tree.StructType(fields):
            return DataType(TypeName.STRUCT, fields=_columns(fields))
        case _:
            assert_never(node)
