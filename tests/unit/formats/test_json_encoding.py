"""Rows to JSON, as Go's encoder prints them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from msgspec import UNSET

from plutino.errors import FormatError
from plutino.formats.json import JSON
from plutino.model import row_type
from plutino.model.value import Span, Weekday

ENCODER = JSON.encoder(JSON.options())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (20.0, "20"),
        (-0.5, "-0.5"),
        (1e6, "1000000"),
        (0.00001, "0.00001"),
        (1e-7, "1e-7"),
        ([1.0, {"k": 2.0}], '[1,{"k":2}]'),
        ("1.0,", '"1.0,"'),
        ('say "2.0," now', '"say \\"2.0,\\" now"'),
        ("back\\", '"back\\\\"'),
        ("null", '"null"'),
        (None, "null"),
        (b"hi", '"aGk="'),
        (True, "true"),
        (2**63, "9223372036854775808"),
        ("<é>", '"<é>"'),
        (Weekday.Tuesday, "2"),
        (Span(1500), "1500"),
        (datetime(2024, 2, 29, 13, 14, 15, tzinfo=UTC), '"2024-02-29T13:14:15Z"'),
        (datetime(2024, 2, 29, 13, 14, 15, 120000, tzinfo=UTC), '"2024-02-29T13:14:15.12Z"'),
        (datetime(2024, 2, 29, 13, 14, 15, 120000, tzinfo=timezone(timedelta(hours=-5))), '"2024-02-29T13:14:15.12-05:00"'),
        ([datetime(2024, 2, 29, 0, 0, 0, 100, tzinfo=UTC)], '["2024-02-29T00:00:00.0001Z"]'),
        ("2024-02-29T13:14:15.120000Z", '"2024-02-29T13:14:15.120000Z"'),
    ],
)
def test_values(value: Any, text: str) -> None:
    """A value has one text: in a struct, in a dict, in a list and alone."""
    row = row_type(("a", "b"))(value, 3.0)
    expected = f'{{"a":{text},"b":3}}'.encode()
    assert ENCODER.encode_rows([row, {"a": value, "b": 3.0}]) == [expected, expected]
    assert ENCODER.encode_list([row]) == b"[" + expected + b"]"
    assert ENCODER.encode_value(value) == text.encode()
    assert ENCODER.encode_value([value, None]) == f"[{text},null]".encode()


@pytest.mark.parametrize(("value", "text"), [(float("nan"), "NaN"), (float("inf"), "+Inf"), (float("-inf"), "-Inf")])
def test_numbers_that_json_cannot_hold(value: float, text: str) -> None:
    """Infinite and undefined numbers are errors, also deep inside."""
    for rows in ([{"a": value}], [row_type(("a",))(value)], [{"a": None}, {"a": [{"k": value}]}]):
        with pytest.raises(FormatError) as refusal:
            ENCODER.encode_rows(rows)
        assert str(refusal.value) == f"json: unsupported value: {text}"
    with pytest.raises(FormatError):
        ENCODER.encode_value([value])


def test_missing_columns_are_left_out() -> None:
    """UNSET columns do not appear, nulls do."""
    row = row_type(("a", "b"))
    assert ENCODER.encode_rows([row(), row(UNSET, None)]) == [b"{}", b'{"b":null}']


def test_many_rows_keep_their_order() -> None:
    """Each row is one message, whatever had to be put right in its neighbours."""
    row = row_type(("a", "s"))
    rows = [row(float(i), "x.0,y\n" if i % 3 else None) for i in range(50)]
    lines = ENCODER.encode_rows(rows)
    assert lines == [b'{"a":%d,"s":%s}' % (i, b'"x.0,y\\n"' if i % 3 else b"null") for i in range(50)]
    assert ENCODER.encode_list(rows) == b"[" + b",".join(lines) + b"]"
    assert ENCODER.encode_rows([]) == []
    assert ENCODER.encode_list([]) == b"[]"


def test_other_objects_are_refused() -> None:
    """What is no value of the dialect cannot be encoded."""
    with pytest.raises(FormatError, match="unsupported type"):
        ENCODER.encode_rows([{"a": object()}])
