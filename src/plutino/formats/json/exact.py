"""The exact rules by which a JSON value becomes a value of a declared column, or of a schemaless one (sql reference §4.2).

FormatError carries the wire text; one bad value loses the whole message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from plutino.errors import EvaluationError, FormatError
from plutino.formats.json.lenient import Number, Object, parse
from plutino.model import ANY, DataType, Schema, TypeName
from plutino.model.cast import parse_bool, to_bytea
from plutino.model.number import INT64_MAX, INT64_MIN
from plutino.model.text import general_text, quote

Wanted = Mapping[str, DataType] | None
"""Types of the columns to keep; None keeps every key."""


def declared(schema: Schema) -> dict[str, DataType]:
    """The declared types by column name (the last one wins)."""
    return {column.name: column.type for column in schema.columns}


def read_records(payload: bytes, wanted: Wanted) -> list[dict[str, Any]]:
    """The rows of a payload: one of an object, one per element of a list of objects; FormatError when it holds anything else."""
    tree = parse(payload)
    if isinstance(tree, Object):
        return [_record(tree, wanted)]
    if isinstance(tree, list):
        for element in tree:
            if not isinstance(element, Object):
                raise FormatError(f"value doesn't contain object; it contains {_kind(element)}")
        return [_record(element, wanted) for element in tree]
    raise FormatError("only map[string]interface{} and []map[string]interface{} is supported")


def _record(node: Object, wanted: Wanted) -> dict[str, Any]:
    if wanted is None:
        return {key: _free(value) for key, value in node.pairs}
    return {key: _typed(key, value, wanted[key]) for key, value in node.pairs if key in wanted}


def _free(node: Any) -> Any:
    """The value of a schemaless column."""
    if isinstance(node, Number):
        return _number(node.text)
    if isinstance(node, Object):
        return {key: _free(value) for key, value in node.pairs}
    if isinstance(node, list):
        return [_free(value) for value in node]
    return node


def _typed(name: str, node: Any, kind: DataType) -> Any:
    """The value of a declared column; ``name`` is what error texts call it."""
    if node is None:
        return None
    if kind.name is TypeName.ANY:
        return _free(node)
    if isinstance(node, Number):
        return _typed_number(name, node, kind)
    if isinstance(node, bool):
        if kind.name is TypeName.BOOLEAN:
            return node
    elif isinstance(node, str):
        return _typed_text(name, node, kind)
    elif isinstance(node, Object):
        if kind.name is TypeName.STRUCT:
            return _record(node, {field.name: field.type for field in kind.fields} if kind.fields else None)
    elif kind.name is TypeName.ARRAY:
        return [_typed("array", element, kind.element or ANY) for element in node]
    raise _mismatch(name, node, kind)


def _typed_number(name: str, node: Number, kind: DataType) -> Any:
    match kind.name:
        case TypeName.BIGINT:
            return _int64(node.text)
        case TypeName.FLOAT | TypeName.DATETIME:
            return float(_float(node.text))
        case TypeName.STRING:
            return general_text(float(_float(node.text)))
        case TypeName.BOOLEAN:
            return _float(node.text) != 0
        case _:
            raise _mismatch(name, node, kind)


def _typed_text(name: str, node: str, kind: DataType) -> Any:
    match kind.name:
        case TypeName.STRING | TypeName.DATETIME:
            return node
        case TypeName.BYTEA:
            return to_bytea(node)
        case TypeName.BOOLEAN:
            try:
                return parse_bool(node)
            except EvaluationError as error:
                raise FormatError(str(error)) from None
        case _:
            raise _mismatch(name, node, kind)


def _kind(node: Any) -> str:
    """The JSON type of a node as error texts name it."""
    if isinstance(node, Number):
        return "number"
    if isinstance(node, Object):
        return "object"
    if isinstance(node, list):
        return "array"
    if isinstance(node, str):
        return "string"
    return "null" if node is None else ("true" if node else "false")


def _mismatch(name: str, node: Any, kind: DataType) -> FormatError:
    return FormatError(f"{name} has wrong type:{_kind(node)}, expect:{kind.name.value}")


_WHOLE = re.compile(r"-?\d+", re.ASCII)


def _number(text: str) -> int | float:
    """A schemaless number: whole numbers stay integers, so that their digits survive."""
    return int(text) if _WHOLE.fullmatch(text) else _float(text)


def _int64(text: str) -> int:
    """The integer of a BIGINT column; only digits count, ``1.0`` and ``1e3`` are refused."""
    match = _WHOLE.match(text)
    if match is None:
        raise FormatError(f"cannot parse int64 from {quote(text)}")
    value = int(match[0])
    if match.end() < len(text) and len(match[0].lstrip("-")) <= 18:
        raise FormatError(f"unparsed tail left after parsing int64 form {quote(text)}: {quote(text[match.end() :])}")
    if match.end() < len(text):
        raise FormatError(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax")
    if not INT64_MIN <= value <= INT64_MAX:
        raise FormatError(f"strconv.ParseInt: parsing {quote(text)}: value out of range")
    return value


_DIGITS = re.compile(r"(-?)(\d*)(?:(\.)(\d*))?(?:([eE])([+-]?)(\d*))?", re.ASCII)


def _float(text: str) -> float:
    """A float by the rules of the original's parser, with its error texts."""
    match = _DIGITS.match(text)
    if match is None or text in ("", "-"):
        raise FormatError(f"cannot parse float64 from {quote(text)}" if text else "cannot parse float64 from empty string")
    _sign, whole, dot, fraction, exponent, _exponent_sign, power = match.groups()
    if dot and not whole and not fraction:
        raise FormatError(f"missing integer and fractional part in {quote(text)}")
    if not whole and not dot:
        return _special(text)
    if exponent and not power:
        raise FormatError(f"cannot parse exponent in {quote(text)}")
    if match.end() < len(text):
        raise FormatError(f"cannot parse float64 from {quote(text)}")
    return float(text)


def _special(text: str) -> float:
    """``inf``, ``NaN`` and the like."""
    rest = text.removeprefix("-").removeprefix("+")
    if rest.lower() in ("inf", "infinity"):
        return float("-inf") if text[0] == "-" else float("inf")
    if rest.lower() == "nan":
        return float("nan")
    raise FormatError(f"unparsed tail left after parsing float64 from {quote(text)}: {quote(rest)}")
