"""The three texts of values, and their names in error messages."""

from __future__ import annotations

from typing import Any

import pytest

from plutino.model.moment import parse_moment
from plutino.model.number import divide, json_number, remainder, truncate, wrap
from plutino.model.value import Span, Weekday, as_float, bytes_text, describe, general_text, go_type_name, plain_text, quote


@pytest.mark.parametrize(
    ("value", "general", "plain"),
    [
        (1234567.0, "1.234567e+06", "1234567"),
        (1000000.0, "1e+06", "1000000"),
        (999999.0, "999999", "999999"),
        (123456789.0, "1.23456789e+08", "123456789"),
        (0.0001, "0.0001", "0.0001"),
        (0.00001, "1e-05", "0.00001"),
        (1.5e-7, "1.5e-07", "0.00000015"),
        (1e21, "1e+21", "1000000000000000000000"),
        (1.5e300, "1.5e+300", "15" + "0" * 299),
        (-2.5, "-2.5", "-2.5"),
        (3.0, "3", "3"),
        (-0.0, "-0", "-0"),
        (float("inf"), "+Inf", "+Inf"),
        (float("-inf"), "-Inf", "-Inf"),
        (float("nan"), "NaN", "NaN"),
        (1000000, "1000000", "1000000"),
        (True, "true", "true"),
        (None, "<nil>", ""),
        ("text", "text", "text"),
        ([1, "a", None], "[1 a <nil>]", "[1 a <nil>]"),
        ([], "[]", "[]"),
        ({"b": 1.5, "a": {"k": True}}, "map[a:map[k:true] b:1.5]", "map[a:map[k:true] b:1.5]"),
        (b"hi", "[104 105]", "hi"),
        (Weekday.Monday, "Monday", "Monday"),
        (Span(1_500_000_000), "1.5s", "1.5s"),
    ],
)
def test_texts(value: Any, general: str, plain: str) -> None:
    """General text has exponents early, plain text never."""
    assert general_text(value) == general
    assert plain_text(value) == plain


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1500, "1.5µs"),
        (1_000_000, "1ms"),
        (-90_000_000_000, "-1m30s"),
        (86_400_000_000_000, "24h0m0s"),
        (3_600_000_000_001, "1h0m0.000000001s"),
    ],
)
def test_span_text(nanoseconds: int, text: str) -> None:
    """Lengths of time read as Go prints durations."""
    assert str(Span(nanoseconds)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "int64(5)"),
        (1e6, "float64(1e+06)"),
        ("abc", "string(abc)"),
        (None, "<nil>(<nil>)"),
        (False, "bool(false)"),
        ([1], "[]interface {}([1])"),
        ({"k": 1}, "map[string]interface {}(map[k:1])"),
        (b"a", "[]uint8([97])"),
        (Span(10**6), "time.Duration(1ms)"),
        (Weekday.Sunday, "time.Weekday(Sunday)"),
    ],
)
def test_describe(value: Any, text: str) -> None:
    """Error texts name the Go type and the value."""
    assert describe(value) == text


def test_datetime_has_go_name_and_text() -> None:
    """A datetime in an error text shows zone and offset."""
    moment = parse_moment("2023-11-14T22:13:20.123+02:00")
    assert go_type_name(moment) == "time.Time"
    assert general_text(moment) == "2023-11-14 22:13:20.123 +0200 +0200"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (20.0, "20"),
        (0.1, "0.1"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-10, "1.5e-10"),
        (1e20, "100000000000000000000"),
        (1.2345678901234567e20, "123456789012345670000"),
        (1e21, "1e+21"),
        (-0.0, "-0"),
    ],
)
def test_json_number(value: float, text: str) -> None:
    """JSON numbers read as Go's encoder prints them."""
    assert json_number(value) == text


def test_integers_are_64_bits_wide() -> None:
    """Sums wrap around, quotients truncate toward zero, remainders have the sign of the dividend."""
    assert wrap(2**63) == -(2**63)
    assert wrap(-(2**63) - 1) == 2**63 - 1
    assert divide(-7, 2) == -3
    assert divide(-(2**63), -1) == -(2**63)
    assert remainder(-7, 2) == -1
    assert remainder(7, -2) == 1
    assert truncate(-3.99) == -3
    assert truncate(float("nan")) == truncate(1e300) == -(2**63)


def test_schemaless_numbers_become_floats() -> None:
    """Whole numbers of JSON are floats for the dialect, inside lists and maps too, except ids that no float can hold."""
    assert general_text(as_float(1_000_000)) == "1e+06"
    value = {"a": [1, True, "1", None], "id": 2**53 + 1}
    result = as_float(value)
    assert [type(v) for v in result["a"]] == [float, bool, str, type(None)]
    assert result["id"] == 2**53 + 1
    assert type(value["a"][0]) is int


def test_bytes_that_are_no_text_are_replaced_one_by_one() -> None:
    """Each byte that is no UTF-8 becomes one replacement character, as Go prints it."""
    assert bytes_text("日".encode()[:2] + b"a") == "\ufffd\ufffda"


def test_quote() -> None:
    """Quoted text has Go's escapes."""
    assert quote('a"b\\\n\x01é') == '"a\\"b\\\\\\n\\x01é"'
