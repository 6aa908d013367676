"""Parses the statements about streams and tables: CREATE, SHOW, DESCRIBE, EXPLAIN, DROP.

Their words (``STREAM``, ``WITH``, types, options) are not reserved. What is wrong with a CREATE on its own is refused here too; whether
its format, source type and schema exist is for others to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final, NoReturn, get_args

from plutino.model.nearest import nearest
from plutino.sql.cursor import Cursor, quote
from plutino.sql.lexer import END, IDENT, INTEGER, NUMBER, SINGLE, STRING
from plutino.sql.tree import (
    ArrayType,
    ColumnDef,
    ColumnType,
    CreateStream,
    Definition,
    Describe,
    Drop,
    Explain,
    Show,
    SimpleType,
    SourceKind,
    StructType,
    TypeName,
    Value,
)

OPTIONS: Final = (
    "DATASOURCE",
    "FORMAT",
    "KEY",
    "CONF_KEY",
    "SHARED",
    "STRICT_VALIDATION",
    "TYPE",
    "TIMESTAMP",
    "TIMESTAMP_FORMAT",
    "RETAIN_SIZE",
    "SCHEMAID",
    "EXTRA",
    "VERSION",
    "TEMP",
    "KIND",
    "DELIMITER",
)
"""The options of WITH, in the order in which error messages list them."""

FLAGS: Final = frozenset(("SHARED", "STRICT_VALIDATION", "TEMP"))
LOWERED: Final = frozenset(("KIND", "VERSION"))

_KINDS: Final[dict[str, SourceKind]] = {"STREAM": "stream", "TABLE": "table"}
_SIMPLE_TYPES: Final[dict[str, TypeName]] = {name.upper(): name for name in get_args(TypeName)}
_TYPES: Final = (*_SIMPLE_TYPES, "ARRAY", "STRUCT")
_FOREIGN_TYPES: Final = {
    **dict.fromkeys(("INT", "INTEGER", "SMALLINT", "LONG"), "BIGINT"),
    **dict.fromkeys(("DOUBLE", "REAL", "NUMBER", "DECIMAL"), "FLOAT"),
    **dict.fromkeys(("TEXT", "VARCHAR", "CHAR"), "STRING"),
    **dict.fromkeys(("BOOL", "BIT"), "BOOLEAN"),
    **dict.fromkeys(("TIMESTAMP", "DATE", "TIME"), "DATETIME"),
    **dict.fromkeys(("BYTES", "BINARY", "BLOB"), "BYTEA"),
    **dict.fromkeys(("OBJECT", "MAP", "JSON"), "STRUCT"),
    **dict.fromkeys(("LIST",), "ARRAY"),
}
"""Types of other systems, and what they are called here."""

_SOURCE_NAME: Final = re.compile(r"[a-zA-Z0-9_\-]+\Z")


def definition(cursor: Cursor) -> Definition:
    """The statement whose first word is one of ``DEFINITIONS``."""
    return _PARSERS[cursor.word()](cursor)


# --- short statements -------------------------------------------------------------------------------------------------------------


def _show(cursor: Cursor) -> Show:
    start = cursor.advance()[2]
    kind = _KINDS.get(cursor.word().removesuffix("S")) if cursor.word().endswith("S") else None
    if kind is None:
        cursor.misspelt(f"found {quote(cursor.token[1].upper())}, expected keyword streams or tables.", "STREAMS", "TABLES")
    cursor.advance()
    end = cursor.end
    if cursor.kind not in (";", END):
        cursor.found("expected semicolon or EOF", ";")
    return Show(kind, (start, end))


def _describe(cursor: Cursor) -> Describe:
    start = cursor.advance()[2]
    kind = _kind(cursor)
    return Describe(kind, _source_name(cursor, kind), (start, cursor.end))


def _explain(cursor: Cursor) -> Explain:
    start = cursor.advance()[2]
    kind = _kind(cursor)
    return Explain(kind, _source_name(cursor, kind), (start, cursor.end))


def _drop(cursor: Cursor) -> Drop:
    start = cursor.advance()[2]
    kind = _kind(cursor)
    return Drop(kind, _source_name(cursor, kind), (start, cursor.end))


def _kind(cursor: Cursor) -> SourceKind:
    kind = _KINDS.get(cursor.word())
    if kind is None:
        message = f"found {quote(cursor.token[1].upper())}, expected keyword stream or table."
        cursor.misspelt(message, "STREAM", "TABLE")
    cursor.advance()
    return kind


def _source_name(cursor: Cursor, kind: SourceKind) -> str:
    if cursor.kind != IDENT:
        cursor.found(f"expected {kind} name", f"{kind} name")
    return cursor.advance()[1]


# --- CREATE -----------------------------------------------------------------------------------------------------------------------


def _create(cursor: Cursor) -> CreateStream:
    start = cursor.advance()[2]
    kind = _kind(cursor)
    name_span = cursor.token[2:4]
    name = _source_name(cursor, "stream")
    columns = _columns(cursor)
    if cursor.word() != "WITH":
        # An empty list shows the word as written, a full one in capitals.
        shown = cursor.token[1].upper() if columns else cursor.token[1]
        cursor.misspelt(f"found {quote(shown)}, expected is with.", "WITH")
    cursor.advance()
    options = _options(cursor)
    end = cursor.end
    if cursor.kind not in (";", END):
        cursor.found("expected semicolon or EOF", ";")
    if not _SOURCE_NAME.match(name):
        message = f"id '{name}' contains invalid characters: only alphanumeric, hyphens and underscores are allowed"
        cursor.fail(message, span=name_span)
    statement = CreateStream(kind, name, columns, options, (start, end))
    _check(cursor, statement)
    return statement


def _check(cursor: Cursor, statement: CreateStream) -> None:
    options = statement.options
    span = statement.span
    if options.get("KIND") == "lookup" and options.get("TYPE") == "memory" and not options.get("KEY"):
        cursor.fail('Option "key" is required for memory lookup table.', ("KEY",), span=span)
    if str(options.get("FORMAT", "")).lower() == "binary":
        if statement.kind == "table":
            cursor.fail("'binary' format is not supported for table", span=span)
        if len(statement.columns) > 1:
            cursor.fail("'binary' format stream can have only one field", span=statement.columns[1].span)
        if statement.columns and statement.columns[0].type != SimpleType("bytea"):
            cursor.fail("'binary' format stream can have only 'bytea' type field", ("BYTEA",), span=statement.columns[0].type.span)


def _columns(cursor: Cursor) -> tuple[ColumnDef, ...]:
    """A column list in parentheses, of a stream or of a STRUCT; a comma may close it."""
    if not cursor.accept("("):
        cursor.found("expected lparen after stream name", "(")
    columns: list[ColumnDef] = []
    while not cursor.accept(")"):
        columns.append(_column(cursor))
        if not cursor.accept(",") and cursor.kind != ")":
            cursor.found("expect comma or rparen", ",", ")", like=("DEFAULT",))
    return tuple(columns)


def _column(cursor: Cursor) -> ColumnDef:
    if cursor.kind != IDENT:
        cursor.found("expect stream field name", "column name")
    _, name, start, _ = cursor.advance()
    type_ = _type(cursor, _unknown_type)
    default = _default(cursor, type_) if cursor.kind == "DEFAULT" else None
    return ColumnDef(name, type_, default, (start, cursor.end))


def _type(cursor: Cursor, unknown: Callable[[Cursor], NoReturn]) -> ColumnType:
    word = cursor.word()
    simple = _SIMPLE_TYPES.get(word)
    if simple is not None:
        _, _, start, end = cursor.advance()
        return SimpleType(simple, (start, end))
    if word == "ARRAY":
        return _array(cursor)
    if word == "STRUCT":
        return _struct(cursor)
    unknown(cursor)


def _unknown_type(cursor: Cursor) -> NoReturn:
    known = "BIGINT | FLOAT | STRING | DATETIME | BOOLEAN | BYTEA | ARRAY | STRUCT"
    message = f"found {cursor.shown()}, expect valid stream field types({known})."
    foreign = _FOREIGN_TYPES.get(cursor.word())
    if foreign is None:
        near = nearest(cursor.word(), (*_TYPES, *_FOREIGN_TYPES), 1, 0.6)
        foreign = _FOREIGN_TYPES.get(near[0], near[0]) if near else None
    cursor.fail(message, _TYPES, foreign)


def _unknown_element(cursor: Cursor) -> NoReturn:
    cursor.misspelt(f"found {cursor.shown()}, expect stream data types.", *_TYPES)


def _array(cursor: Cursor) -> ArrayType:
    start = cursor.advance()[2]
    if cursor.kind != "(":
        cursor.advance()  # The dialect's origin looks one token too far.
        cursor.found("expect comma or rparen", "(")
    cursor.advance()
    cursor.nest()
    element = _type(cursor, _unknown_element)
    cursor.nesting -= 1
    if not cursor.accept(")"):
        within = "struct of array" if isinstance(element, StructType) else "array of array" if isinstance(element, ArrayType) else "array"
        cursor.found(f"expect rparen in {within} type definition", ")")
    return ArrayType(element, (start, cursor.end))


def _struct(cursor: Cursor) -> StructType:
    start = cursor.advance()[2]
    cursor.nest()
    fields = _columns(cursor)
    cursor.nesting -= 1
    if not fields:
        cursor.fail('found ")", expect stream field name.', ("column name",), span=(cursor.end - 1, cursor.end))
    if cursor.kind not in (",", ")"):
        cursor.fail(f"found {quote(cursor.token[1].upper())}, expected is with.", (",", ")"))
    return StructType(fields, (start, cursor.end))


# --- DEFAULT ----------------------------------------------------------------------------------------------------------------------

_INTEGER_TEXT: Final = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9](_?[0-9])*|0)\Z")
_FLOAT_TEXT: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
_TRUTHS: Final = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_LITERALS: Final = frozenset((INTEGER, NUMBER, STRING, SINGLE, "TRUE", "FALSE"))


def _default(cursor: Cursor, type_: ColumnType) -> Value:
    """``DEFAULT literal``, converted to the column's kind from its text, as loosely as the dialect casts text."""
    word = cursor.advance()
    sign = "-" if cursor.kind == "-" and cursor.peek() in (INTEGER, NUMBER) and cursor.advance() else ""
    if cursor.kind not in _LITERALS:
        cursor.found("expect literal value after DEFAULT", "literal")
    _, text, start, end = cursor.advance()
    text = sign + text
    span = (start, end)
    match type_:
        case SimpleType(name="string"):
            return text
        case SimpleType(name="bigint"):
            value = _integer(text)
            if value is None:
                cursor.fail(f"cannot convert string({text}) to int64", ("integer",), span=span)
            return value
        case SimpleType(name="float"):
            if not _FLOAT_TEXT.match(text) or abs(number := float(text)) == float("inf"):
                cursor.fail(f"cannot convert string({text}) to float64", ("number",), span=span)
            return number
        case SimpleType(name="boolean"):
            truth = _TRUTHS.get(text)
            if truth is None:
                cursor.fail(f"strconv.ParseBool: parsing {quote(text)}: invalid syntax", ("TRUE", "FALSE"), span=span)
            return truth
        case SimpleType(name=name):
            refused: str = name
        case ArrayType():
            refused = "*ast.ArrayType"
        case StructType():
            refused = "*ast.RecType"
    cursor.fail(f"DEFAULT clause is not supported for {refused}", span=(word[2], end))


def _integer(text: str) -> int | None:
    """A 64-bit integer in any of Go's notations (leading ``0x``, ``0b``, ``0o`` and ``0`` for octal), None for other text."""
    if len(text) > 70 or not _INTEGER_TEXT.match(text):
        return None
    digits = text.lstrip("+-")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1] in "01234567"
    value = int(digits, 8) if octal else int(digits, 0)
    value = -value if text[0] == "-" else value
    return value if -(2**63) <= value < 2**63 else None


# --- WITH -------------------------------------------------------------------------------------------------------------------------


def _options(cursor: Cursor) -> dict[str, str | bool | int]:
    """The options in parentheses; commas are optional and may be repeated."""
    if not cursor.accept("("):
        cursor.found("expect stream options", "(")
    options: dict[str, str | bool | int] = {}
    while not cursor.accept(")"):
        if cursor.accept(","):
            continue
        name = cursor.word()
        if name not in OPTIONS:
            shown = quote(cursor.token[1].upper())
            cursor.misspelt(f"found {shown}, unknown option keys({'|'.join(OPTIONS)}).", *OPTIONS)
        cursor.advance()
        if not cursor.accept("="):
            cursor.found("expect equals(=) in options", "=")
        options.pop(name, None)
        options[name] = _option(cursor, name)
    return options


def _option(cursor: Cursor, name: str) -> str | bool | int:
    if cursor.kind not in (STRING, "TRUE", "FALSE"):
        advice = f'write it between double quotes: "{cursor.token[1]}"' if cursor.kind in (SINGLE, IDENT, INTEGER) else None
        cursor.found("expect string or boolean value in option", '"text"', "TRUE", "FALSE", advice=advice)
    text = cursor.token[1]
    value: str | bool | int = text.lower() if name in LOWERED else text
    if name in FLAGS:
        if text.upper() not in ("TRUE", "FALSE"):
            cursor.found(f"expect TRUE/FALSE value in {name} option", "TRUE", "FALSE")
        value = text.upper() == "TRUE"
    elif name == "RETAIN_SIZE":
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            cursor.found("expect number value in RETAIN_SIZE option", "integer")
        value = int(text)
    elif name == "EXTRA" and text and not _is_json_object(text):
        cursor.fail("invalid extra option, expect JSON string", ("JSON object",))
    cursor.advance()
    return value


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


_PARSERS: Final[dict[str, Callable[[Cursor], Definition]]] = {
    "CREATE": _create,
    "SHOW": _show,
    "DESCRIBE": _describe,
    "EXPLAIN": _explain,
    "DROP": _drop,
}
DEFINITIONS: Final = frozenset(_PARSERS)
"""The first words of these statements."""
