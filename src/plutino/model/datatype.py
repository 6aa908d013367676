"""Column types of streams and tables, and schemas made of them (dialect: sql reference §2.1, §4.1)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import UNSET, Struct


class TypeName(StrEnum):
    """The type names of the dialect; ``ANY`` is the type of a schemaless column."""

    BIGINT = "bigint"
    FLOAT = "float"
    STRING = "string"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    BYTEA = "bytea"
    ARRAY = "array"
    STRUCT = "struct"
    ANY = "any"


class DataType(Struct, frozen=True):
    """A type: ``element`` is set for arrays, ``fields`` for structs."""

    name: TypeName
    element: DataType | None = None
    fields: tuple[Column, ...] = ()

    def __str__(self) -> str:
        if self.name is TypeName.ARRAY and self.element is not None:
            return f"array({self.element})"
        if self.name is TypeName.STRUCT:
            return "struct(" + ", ".join(f"{c.name} {c.type}" for c in self.fields) + ")"
        return self.name.value


class Column(Struct, frozen=True):
    """A declared column; ``default`` is UNSET where the definition gives none."""

    name: str
    type: DataType
    default: Any = UNSET


ANY = DataType(TypeName.ANY)


class Schema(Struct, frozen=True):
    """The declared columns of a stream or table, in order; empty means schemaless."""

    columns: tuple[Column, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.columns)

    def get(self, name: str) -> Column | None:
        """The column with this exact name (the last one wins when a name is declared twice)."""
        for column in reversed(self.columns):
            if column.name == name:
                return column
        return None

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order of declaration, each once."""
        return tuple(dict.fromkeys(c.name for c in self.columns))
