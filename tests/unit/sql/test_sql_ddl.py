"""Statements about streams and tables."""

from __future__ import annotations

import pytest

from plutino.sql import parse_statement, to_sql
from plutino.sql.tree import ArrayType, ColumnDef, CreateStream, Describe, Drop, Explain, Show, SimpleType, Statement, StructType


def test_create_with_everything() -> None:
    """Columns, nested types, defaults and options in the order written."""
    found = parse_statement(
        "create Stream demo (a BIGINT default 5, s string default 'x', "
        "m struct(k float, l array(array(struct(z boolean)))), ) "
        'with (datasource="a/b" FORMAT="JSON",, shared="true", retain_size="3", kind="SCAN", strict_validation=FALSE, shared=false);'
    )
    inner = StructType((ColumnDef("z", SimpleType("boolean")),))
    assert found == CreateStream(
        "stream",
        "demo",
        (
            ColumnDef("a", SimpleType("bigint"), 5),
            ColumnDef("s", SimpleType("string"), "x"),
            ColumnDef("m", StructType((ColumnDef("k", SimpleType("float")), ColumnDef("l", ArrayType(ArrayType(inner)))))),
        ),
        {"DATASOURCE": "a/b", "FORMAT": "JSON", "RETAIN_SIZE": 3, "KIND": "scan", "STRICT_VALIDATION": False, "SHARED": False},
    )
    assert isinstance(found, CreateStream)
    assert list(found.options) == ["DATASOURCE", "FORMAT", "RETAIN_SIZE", "KIND", "STRICT_VALIDATION", "SHARED"]
    assert parse_statement(to_sql(found)) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("show streams", Show("stream")),
        ("SHOW TABLES;", Show("table")),
        ("describe stream demo", Describe("stream", "demo")),
        ("describe table demo and what follows", Describe("table", "demo")),
        ("explain stream `my-demo`", Explain("stream", "my-demo")),
        ("drop table demo;", Drop("table", "demo")),
        ("create table t () with ()", CreateStream("table", "t")),
        ("create stream s () with () ; ignored", CreateStream("stream", "s")),
        ("create stream `a-b_1` () with ()", CreateStream("stream", "a-b_1")),
        ('create stream s () with (FORMAT="xml", TYPE="nosuch", KIND="other")', None),
        ('create stream s (a bytea) with (FORMAT="Binary")', None),
        ('create stream s () with (EXTRA="{\\"a\\": 1}")', None),
        ("create stream s (a bigint, a string, select_ float) with ()", None),
    ],
)
def test_accepted(text: str, expected: Statement | None) -> None:
    """What is accepted is written so that it reads the same again."""
    found = parse_statement(text)
    assert expected is None or found == expected
    assert parse_statement(to_sql(found)) == found


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("bigint default 0x1f", None),
        ("bigint default '0x1f'", 31),
        ("bigint default '0b11'", 3),
        ("bigint default '010'", 8),
        ("bigint default '1_000'", 1000),
        ("bigint default -7", -7),
        ("float default '1.5'", 1.5),
        ("float default 2", 2.0),
        ("float default -.5", -0.5),
        ("float default '1e3'", 1000.0),
        ("string default 5", "5"),
        ("string default true", "TRUE"),
        ("boolean default 'f'", False),
        ("boolean default 1", True),
        ("boolean default True", True),
    ],
)
def test_defaults(column: str, value: object) -> None:
    """A default is converted from its text to the column's kind."""
    text = f"create stream s (a {column}) with ()"
    if value is None:
        with pytest.raises(Exception, match="expect comma or rparen"):
            parse_statement(text)
        return
    found = parse_statement(text)
    assert isinstance(found, CreateStream)
    assert found.columns[0].default == value
    assert type(found.columns[0].default) is type(value)
    assert parse_statement(to_sql(found)) == found


def test_types_are_written_in_lower_case() -> None:
    """A type is written as DESCRIBE shows it."""
    found = parse_statement("create stream s (a ARRAY(STRUCT(b BIGINT, C FLOAT))) with ()")
    assert isinstance(found, CreateStream)
    assert to_sql(found.columns[0].type) == "array(struct(b bigint, C float))"
