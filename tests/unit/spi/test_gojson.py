"""JSON as Go reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plutino.spi.gojson import ANY, DURATION, GoJsonError, Shape, bind, decode

INNER = Shape("server.Inner", {"n": "int"})
SHAPE = Shape(
    "server.Body", {"text": "string", "count": "int", "inner": INNER, "inners": (INNER,), "wait": DURATION, "any": ANY, "flag": "bool"}
)


def _refusal(text: str, exact: bool) -> str:
    with pytest.raises(GoJsonError) as caught:
        decode(text, exact=exact)
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ('{"a":1} x', "invalid character 'x' after top-level value"),
        ("nojson", "invalid character 'o' in literal null (expecting 'u')"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("{1}", "invalid character '1' looking for beginning of object key string"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ('"a\nb"', "invalid character '\\n' in string literal"),
        ('"\\q"', "invalid character 'q' in string escape code"),
        ('"\\u12x4"', "invalid character 'x' in \\u hexadecimal character escape"),
        ("-x", "invalid character 'x' in numeric literal"),
        ("1.x", "invalid character 'x' after decimal point in numeric literal"),
        ("1ex", "invalid character 'x' in exponent of numeric literal"),
        ("01", "invalid character '1' after top-level value"),
        ("'", "invalid character '\\'' looking for beginning of value"),
        ("1e999", "json: cannot unmarshal number 1e999 into Go value of type float64"),
        ("NaN", "invalid character 'N' looking for beginning of value"),
    ],
)
def test_syntax_errors(text: str, message: str) -> None:
    """The texts are Go's."""
    assert _refusal(text, exact=True) == message


def test_ends_of_a_stream_have_names_of_their_own() -> None:
    """A decoder tells nothing from half a value."""
    assert _refusal("", exact=False) == "EOF"
    assert _refusal(" {", exact=False) == "unexpected EOF"


def test_a_decoder_stops_after_the_first_value() -> None:
    """What follows is not looked at."""
    assert decode('{"a":1} trailing', exact=False) == {"a": 1}
    assert decode(b"5{", exact=False) == 5


def test_broken_text_is_repaired() -> None:
    """Bytes that are no UTF-8 and halves of surrogate pairs become the replacement character."""
    assert decode(b'"\xff"', exact=True) == "�"
    assert decode('"\\ud800x"', exact=True) == "�x"


def test_whole_numbers_keep_every_digit() -> None:
    """Also beyond 64 bits."""
    assert decode("9007199254740993", exact=True) == 9007199254740993
    assert decode("123456789012345678901234567890", exact=True) == 123456789012345678901234567890


def test_deep_nesting_is_refused() -> None:
    """No stack is exhausted."""
    assert _refusal("[" * 100_000, exact=True) == "exceeded max depth"


def test_fields_match_in_any_case_and_null_leaves_them_out() -> None:
    """Unknown ones are ignored."""
    body = {"TEXT": "t", "Count": 3, "inner": {"N": 1}, "inners": [{"n": 2}, None], "wait": "1s", "any": [1], "flag": None, "more": 1}
    assert bind(body, SHAPE) == {"text": "t", "count": 3, "inner": {"n": 1}, "inners": [{"n": 2}], "wait": "1s", "any": [1]}
    assert bind(None, SHAPE) == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "array into Go value of type server.Body"),
        ("x", "string into Go value of type server.Body"),
        ({"text": 5}, "number into Go struct field Body.text of type string"),
        ({"count": 1.5}, "number 1.5 into Go struct field Body.count of type int"),
        ({"count": True}, "bool into Go struct field Body.count of type int"),
        ({"inner": 1}, "number into Go struct field Body.inner of type server.Inner"),
        ({"inner": {"n": "x"}}, "string into Go struct field Inner.inner.n of type int"),
        ({"inners": {}}, "object into Go struct field Body.inners of type []server.Inner"),
        ({"wait": True}, "bool into Go struct field Body.wait of type duration"),
    ],
)
def test_types_that_do_not_fit(body: Any, message: str) -> None:
    """The texts are Go's."""
    with pytest.raises(GoJsonError) as caught:
        bind(body, SHAPE)
    assert caught.value.message == f"json: cannot unmarshal {message}"


@given(st.text(alphabet='{}[]",:truefalsn0123456789.eE+-\\u \n', max_size=40), st.booleans())
def test_any_text_is_a_value_or_an_error(text: str, exact: bool) -> None:
    """Nothing else is raised, and what is accepted is what Python's own reader says."""
    try:
        value = decode(text, exact=exact)
    except GoJsonError:
        return
    if exact:
        assert value == json.loads(text)


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_a_value_or_an_error(data: bytes, exact: bool) -> None:
    """Nothing else is raised."""
    try:
        decode(data, exact=exact)
    except GoJsonError:
        return
