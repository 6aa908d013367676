"""Datetimes: reading, writing, zones and the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from plutino.errors import EvaluationError
from plutino.model.moment import (
    format_moment,
    from_epoch_ms,
    json_moment,
    load_zone,
    moment_text,
    parse_moment,
    parse_moment_with,
    set_clock,
    set_zone,
    to_epoch_ms,
)
from plutino.model.value import to_datetime

NOW = 1_710_504_896_789  # 2024-03-15 12:14:56.789 UTC


@pytest.fixture(autouse=True)
def _utc() -> Iterator[None]:
    set_zone("UTC")
    set_clock(lambda: NOW)
    yield
    set_zone("UTC")
    set_clock(None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-29", "2024-02-29T00:00:00Z"),
        ("2024-2-9", "2024-02-09T00:00:00Z"),
        ("2024-02-29 13", "2024-02-29T13:00:00Z"),
        ("2024-02-29 13:14", "2024-02-29T13:14:00Z"),
        ("2024-02-29 13:14:15", "2024-02-29T13:14:15Z"),
        ("2024-02-29 13:14:15.678901", "2024-02-29T13:14:15.678901Z"),
        ("2024-02-29 13:14:15.5", "2024-02-29T13:14:15.5Z"),
        ("2024-02-29T13:14:15", "2024-02-29T13:14:15Z"),
        ("2024-02-29T13:14:15Z", "2024-02-29T13:14:15Z"),
        ("2024-02-29T13:14:15.120Z", "2024-02-29T13:14:15.12Z"),
        ("2024-02-29T13:14:15+02:00", "2024-02-29T13:14:15+02:00"),
        ("2024-02-29T13:14:15+0530", "2024-02-29T13:14:15+05:30"),
        ("2024-02-29T13:14:15-05", "2024-02-29T13:14:15-05:00"),
        ("2024/02/29 01:02:03", "2024-02-29T01:02:03Z"),
        ("2/29/2024", "2024-02-29T00:00:00Z"),
        ("20240229", "2024-02-29T00:00:00Z"),
        ("2024.02.29", "2024-02-29T00:00:00Z"),
        ("2024", "2024-01-01T00:00:00Z"),
        ("Mon Jan  2 15:04:05 2006", "2006-01-02T15:04:05Z"),
        ("Mon, 02 Jan 2006 15:04:05 -0700", "2006-01-02T15:04:05-07:00"),
        ("2023-11-14 22:13:20.123 +0000 UTC", "2023-11-14T22:13:20.123Z"),
        ("3:04PM", "2024-01-01T15:04:00Z"),
        ("03:04", "2024-03-15T03:04:00Z"),
        ("12", "2024-03-15T12:00:00Z"),
        ("3-4", "2024-03-04T00:00:00Z"),
    ],
)
def test_accepted_texts(text: str, expected: str) -> None:
    """Every accepted layout is read, and what it leaves out comes from today."""
    assert json_moment(parse_moment(text)) == expected


@pytest.mark.parametrize(
    "text", ["", "soon", "1700000000000", "2023-02-30", "2024-13-01", "2024-02-29 25:00:00", "2024-02-29 13:14:15Z", "24:61"]
)
def test_refused_texts(text: str) -> None:
    """Texts in no layout or out of range are refused."""
    with pytest.raises(EvaluationError) as refusal:
        parse_moment(text)
    assert str(refusal.value) == f"Can't parse string as time: {text}"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyy-MM-dd HH:mm:ss", "2024-02-29 13:04:05"),
        ("YY/M/d", "24/2/29"),
        ("hh:mm:ss a", "01:04:05 PM"),
        ("h m s", "01 4 5"),
        ("EEE d MMM yyyy", "Thu 29 Feb 2024"),
        ("EEEE, dd MMMM", "Thursday, 29 February"),
        ("G", "AD"),
        ("HH:mm:ssSSS", "13:04:05.678"),
        ("ss.SSS", "05.678"),
        ("ssSSSSSS", "05.678901"),
        ("SSS", ".678"),
        ("Z X XX XXX z", "+0000 +00 +0000 +00:00 UTC"),
        ("yyyy'y'MM'm'", "2024y02m"),
        ("''HH", "'13"),
        ("'Jan 15 PM'", "Jan 15 PM"),
        (r"\yHH", "y13"),
        ("MMMMMddd", ""),
        ("", ""),
        ("HH:mm x 2006", "13:04 x 2006"),
    ],
)
def test_patterns(pattern: str, text: str) -> None:
    """Pattern letters write their part, everything else is literal."""
    assert format_moment(parse_moment("2024-02-29T13:04:05.678901Z"), pattern) == text


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyy", "invalid time format yyy for Y/y"),
        ("YYYYY", "invalid time format YYYYY for Y/y"),
        ("H", "invalid time format H of H, only HH is supported"),
        ("E", "invalid time format E for E"),
        ("HH'", "invalid time format HH'; the quote at its end opens no text"),
    ],
)
def test_wrong_patterns(pattern: str, text: str) -> None:
    """A letter count that means nothing is an error."""
    with pytest.raises(EvaluationError) as refusal:
        format_moment(from_epoch_ms(0), pattern)
    assert str(refusal.value) == text


def test_pattern_reads_and_falls_back() -> None:
    """A column's pattern is tried first, then the accepted layouts; with a fraction it reads one dot."""
    assert json_moment(to_datetime("05/02/2024 10", "dd/MM/yyyy HH")) == "2024-02-05T10:00:00Z"
    assert json_moment(to_datetime("2024-01-01", "dd/MM/yyyy HH")) == "2024-01-01T00:00:00Z"
    assert json_moment(parse_moment_with("12:01:02.345", "HH:mm:ss.SSS"))[10:] == "T12:01:02.345Z"


def test_epoch_milliseconds() -> None:
    """Numbers are epoch milliseconds; fractions of one are cut."""
    assert json_moment(to_datetime(1700000000123)) == "2023-11-14T22:13:20.123Z"
    assert json_moment(to_datetime(1.5)) == "1970-01-01T00:00:00.001Z"
    assert json_moment(to_datetime(-1000)) == "1969-12-31T23:59:59Z"
    assert to_epoch_ms(from_epoch_ms(-1)) == -1
    with pytest.raises(EvaluationError, match="years 1 to 9999"):
        from_epoch_ms(10**18)


def test_zone_of_the_process() -> None:
    """Zone-less texts and numbers are in the configured zone, and an offset that agrees with it is that zone."""
    set_zone("Asia/Shanghai")
    assert json_moment(parse_moment("2024-02-29 13:14:15")) == "2024-02-29T13:14:15+08:00"
    assert json_moment(from_epoch_ms(0)) == "1970-01-01T08:00:00+08:00"
    assert moment_text(parse_moment("2024-02-29T13:14:15+08:00")).endswith("+0800 CST")
    assert moment_text(parse_moment("2024-02-29T13:14:15+05:30")).endswith("+0530 +0530")


def test_zones() -> None:
    """Zones have IANA names; empty is UTC."""
    assert load_zone("").utcoffset(None) == timedelta()
    assert json_moment(from_epoch_ms(0).astimezone(load_zone("Asia/Tokyo"))) == "1970-01-01T09:00:00+09:00"
    for name, text in (("Mars/Base", "unknown time zone Mars/Base"), ("../etc/passwd", "time: invalid location name")):
        with pytest.raises(EvaluationError) as refusal:
            load_zone(name)
        assert str(refusal.value) == text
