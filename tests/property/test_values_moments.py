"""Datetimes and casts: what is written reads back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plutino.errors import EvaluationError
from plutino.model.moment import from_epoch_ms, json_moment, moment_text, parse_moment, set_zone, to_epoch_ms
from plutino.model.number import divide, remainder, unsigned, wrap
from plutino.model.regex import compile_regex
from plutino.model.value import decode_base64, parse_int, plain_text, to_int

MOMENTS = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def refusal(function: Callable[[str], object], text: str) -> str | None:
    """The error text of a call, None when it succeeds."""
    try:
        function(text)
    except EvaluationError as error:
        return str(error)
    return None


@pytest.fixture(autouse=True, scope="module")
def _utc() -> Iterator[None]:
    set_zone("UTC")
    yield
    set_zone("UTC")


@given(MOMENTS)
def test_texts_read_back(moment: datetime) -> None:
    """RFC 3339 and Go's default text name the same instant when they are read."""
    assert parse_moment(json_moment(moment)) == moment
    assert parse_moment(moment_text(moment)) == moment


@given(MOMENTS, OFFSETS)
def test_offsets_survive(moment: datetime, zone: timezone) -> None:
    """A written offset is kept."""
    there = moment.astimezone(zone)
    read = parse_moment(json_moment(there))
    assert read == there
    assert read.utcoffset() == there.utcoffset()


@given(st.integers(-(10**13), 10**14))
def test_epoch_milliseconds_round_trip(ms: int) -> None:
    """Epoch milliseconds come back unchanged."""
    assert to_epoch_ms(from_epoch_ms(ms)) == ms


@given(st.text(max_size=30))
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    """No text makes the reader fail in another way."""
    assert refusal(parse_moment, text) in (None, f"Can't parse string as time: {text}")


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_integer_arithmetic(left: int, right: int) -> None:
    """Quotient and remainder belong together, and wrapping keeps 64 bits."""
    assert unsigned(wrap(left + right)) == (left + right) % 2**64
    if right:
        assert wrap(divide(left, right) * right + remainder(left, right)) == left
        assert abs(remainder(left, right)) < abs(right)
    assert parse_int(str(left)) == left
    assert to_int(plain_text(left)) == left


@given(st.text("AZaz09+/=\r\n ", max_size=16))
def test_any_text_is_base64_or_refused(text: str) -> None:
    """No text makes the decoder fail in another way, and the byte it names lies in the text or at its end."""
    fault = refusal(decode_base64, text)
    assert fault is None or 0 <= int(fault.rsplit(" ", 1)[1]) <= len(text)


@given(st.text("ab(|)[]^-*+?{}1,\\dQEpL:.$iUsm<>P=!", max_size=14))
def test_any_expression_compiles_or_is_refused(pattern: str) -> None:
    """No expression makes the reader fail in another way."""
    fault = refusal(compile_regex, pattern)
    assert fault is None or fault.startswith("error parsing regexp: ")
