"""Casts at each level of strictness, with the wire's error texts."""

from __future__ import annotations

from typing import Any

import pytest

from plutino.errors import EvaluationError
from plutino.model.value import (
    ALL,
    SAMEKIND,
    STRICT,
    Level,
    decode_base64,
    parse_float,
    parse_int,
    to_bool,
    to_bytea,
    to_bytes,
    to_datetime,
    to_float,
    to_int,
    to_text,
)


@pytest.mark.parametrize(
    ("value", "level", "expected"),
    [
        (5, STRICT, 5),
        (5.0, STRICT, 5),
        (-3.99, SAMEKIND, -3),
        ("0x1f", ALL, 31),
        ("010", ALL, 8),
        ("0b101", ALL, 5),
        ("1_000", ALL, 1000),
        ("+5", ALL, 5),
        (True, ALL, 1),
        (None, ALL, 0),
    ],
)
def test_to_int(value: Any, level: Level, expected: int) -> None:
    """Integers come from what the level allows."""
    assert to_int(value, level) == expected


@pytest.mark.parametrize(
    ("value", "level", "text"),
    [
        (5.5, STRICT, "cannot convert float64(5.5) to int"),
        ("5", SAMEKIND, "cannot convert string(5) to int"),
        ("abc", ALL, "cannot convert string(abc) to int"),
        ("1.5", ALL, "cannot convert string(1.5) to int"),
        (" 5", ALL, "cannot convert string( 5) to int"),
        ("", ALL, "cannot convert string() to int"),
        ("9223372036854775808", ALL, "cannot convert string(9223372036854775808) to int"),
        ([1], ALL, "cannot convert []interface {}([1]) to int"),
        (None, STRICT, "cannot convert <nil>(<nil>) to int"),
    ],
)
def test_to_int_refuses(value: Any, level: Level, text: str) -> None:
    """What is no integer at a level says so."""
    with pytest.raises(EvaluationError) as refusal:
        to_int(value, level)
    assert str(refusal.value) == text


def test_target_names_the_type() -> None:
    """The error text names the integer type that was wanted."""
    with pytest.raises(EvaluationError, match=r"^cannot convert string\(red\) to int64$"):
        to_int("red", ALL, "int64")


@pytest.mark.parametrize(
    ("text", "value"), [("2.5", 2.5), ("-1e3", -1000.0), (".5", 0.5), ("5.", 5.0), ("0x1p-2", 0.25), ("Inf", float("inf"))]
)
def test_float_texts(text: str, value: float) -> None:
    """Floats are read as Go reads them."""
    assert to_float(text) == value


@pytest.mark.parametrize("text", ["", "0x10", "abc", "1e400", " 1", "1__0", "--1"])
def test_no_float_texts(text: str) -> None:
    """Texts that Go refuses are refused."""
    assert parse_float(text) is None
    with pytest.raises(EvaluationError, match=r"to float64$"):
        to_float(text)


@pytest.mark.parametrize("text", ["08", "_1", "1_", "0x", "1 ", "٣"])
def test_no_integer_texts(text: str) -> None:
    """Odd spellings are no integers."""
    assert parse_int(text) is None


@pytest.mark.parametrize(("value", "expected"), [("t", True), ("FALSE", False), ("True", True), (-2.5, True), (0, False), (None, False)])
def test_to_bool(value: Any, expected: bool) -> None:
    """Numbers and Go's spellings are booleans."""
    assert to_bool(value) is expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("yes", 'strconv.ParseBool: parsing "yes": invalid syntax'),
        ([True], "cannot convert []interface {}([true]) to bool"),
    ],
)
def test_to_bool_refuses(value: Any, text: str) -> None:
    """A text that is no boolean is refused with Go's wording."""
    with pytest.raises(EvaluationError) as refusal:
        to_bool(value)
    assert str(refusal.value) == text


def test_to_text() -> None:
    """Below the loosest level only text and bytes are text."""
    assert to_text(b"hi", STRICT) == "hi"
    assert to_text(1e6, ALL) == "1000000"
    assert to_text({"k": 1}, ALL) == "map[k:1]"
    with pytest.raises(EvaluationError, match=r"cannot convert int64\(5\) to string"):
        to_text(5, SAMEKIND)


def test_to_bytes_and_bytea() -> None:
    """Bytes take a text raw, BYTEA takes it as base64 where it is some."""
    assert to_bytes("aGk=", SAMEKIND) == b"aGk="
    assert to_bytea("aGk=") == b"hi"
    assert to_bytea("plain text") == b"plain text"
    for refused in ("plain text", 12.0):
        with pytest.raises(EvaluationError, match=r"to bytea$"):
            to_bytea(refused, STRICT)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        *(("!!", 0), ("a", 0), ("ab", 0), ("abc", 0), ("a===", 1), ("aGk", 0)),
        *(("aGk=x", 4), ("ab=c", 2), ("ab=", 3), ("aGVs!G8=", 4), ("aG\nk=x", 5)),
    ],
)
def test_bad_base64_names_the_byte(text: str, at: int) -> None:
    """The first byte that is no base64 is named as Go's decoder counts."""
    with pytest.raises(EvaluationError, match=rf"^illegal base64 data at input byte {at}$"):
        decode_base64(text)


def test_base64_may_have_line_breaks() -> None:
    """Line breaks inside base64 are skipped."""
    assert decode_base64("aGVs\r\nbG8=") == b"hello"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unsupported type to convert to timestamp <nil>"),
        (True, "unsupported type to convert to timestamp true"),
        ([1], "unsupported type to convert to timestamp [1]"),
        ("soon", "Can't parse string as time: soon"),
    ],
)
def test_to_datetime_refuses(value: Any, text: str) -> None:
    """What is no datetime says so."""
    with pytest.raises(EvaluationError) as refusal:
        to_datetime(value)
    assert str(refusal.value) == text
