"""Types of values as far as a statement and its declared columns tell them; ANY where they do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from plutino.errors import ProvisionError
from plutino.model import ANY, DataType, StreamContent, TypeName
from plutino.spi import ArgCheck, Environment, FunctionSpec
from plutino.spi.layers import source_properties

_FIXED: Final[Mapping[str, DataType]] = {
    kind.value: DataType(kind)
    for kind in (TypeName.BIGINT, TypeName.FLOAT, TypeName.STRING, TypeName.BOOLEAN, TypeName.ARRAY, TypeName.STRUCT)
}
_LITERALS: Final = {bool: TypeName.BOOLEAN, int: TypeName.BIGINT, float: TypeName.FLOAT, str: TypeName.STRING}
_NUMBERS: Final = frozenset((TypeName.BIGINT, TypeName.FLOAT))
_TAKEN: Final[Mapping[ArgCheck, tuple[str, ...]]] = {
    ArgCheck.NUMBER: ("bigint", "float"),
    ArgCheck.INT: ("bigint", "float"),
    ArgCheck.DATETIME: ("datetime", "string", "bigint", "float"),
}
"""What functions work with when rows come, by what they refuse of literals. A text is asked of literals only."""


def is_known(kind: DataType) -> bool:
    """Whether values are surely of this type. Moments and bytes come in several shapes."""
    return kind.name.value in _FIXED


def named(kind: DataType) -> str:
    """A type in words: arrays and structs with what is inside, where that is known."""
    if (kind.name is TypeName.ARRAY and kind.element is None) or (kind.name is TypeName.STRUCT and not kind.fields):
        return kind.name.value
    return str(kind)


def of_literal(value: Any) -> DataType:
    """The type of a literal."""
    return DataType(_LITERALS[type(value)])


def of_name(name: str) -> DataType:
    """The type that a function says it returns."""
    return _FIXED.get(name, ANY)


def element_of(kind: DataType) -> DataType:
    """The type of the elements of a list."""
    return ANY if kind.element is None else kind.element


def of_arithmetic(left: DataType, right: DataType) -> DataType:
    """What comes out of ``+ - * / %``: whole numbers stay whole."""
    if left.name not in _NUMBERS or right.name not in _NUMBERS:
        return ANY
    return left if left == right else DataType(TypeName.FLOAT)


def comparable(left: DataType, right: DataType, *, ordered: bool = False) -> bool:
    """Whether values of these types may be comparable (sql reference §3.6); ``ordered``: by less and more."""
    for kind in (left, right):
        if kind.name in (TypeName.ARRAY, TypeName.STRUCT) or (ordered and kind.name is TypeName.BOOLEAN):
            return False
    if not is_known(left) or not is_known(right):
        return True
    return left.name is right.name or (left.name in _NUMBERS and right.name in _NUMBERS)


def accepted(spec: FunctionSpec, position: int) -> tuple[str, ...]:
    """Names of the types that an argument of a function may have; nothing when it may have any."""
    if not spec.args:
        return ()
    arg = spec.args[min(position, len(spec.args) - 1)]
    taken = arg.takes or _TAKEN.get(arg.check, ())
    return () if TypeName.ANY.value in taken else taken


def typed_columns(content: StreamContent, env: Environment) -> bool:
    """Whether the columns of a stream surely hold values of the declared types.

    JSON is read by them, and STRICT_VALIDATION checks them. Sources that give rows of their own, and other formats, keep what they have.
    """
    if content.flag("STRICT_VALIDATION"):
        return True
    connector = env.registry.connectors.get(content.connector)
    if connector is None or connector.source is None or connector.source.delivers != "bytes" or content.format != "json":
        return False
    try:
        properties, _ = source_properties(content, env)
    except ProvisionError:
        return False
    given = {name.lower(): value for name, value in properties.items()}
    # Tables of text give rows, and what is merged, or a payload inside of another, is read without the columns.
    return given.get("filetype") != "csv" and not given.get("mergefield") and not given.get("payloadformat")
