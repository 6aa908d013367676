"""Where templates differ from the original on purpose (``docs/differences.md``); limits and hidden surroundings have files of their own."""

from __future__ import annotations

from datetime import UTC

import pytest

from plutino.templates import Host, compile_template


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{{keys (dict "b" 1 "a" 2 "c" 3)}}', "[a b c]"),
        ('{{values (dict "b" 1 "a" 2 "c" 3)}}', "[2 1 3]"),
    ],
)
def test_keys_and_values_come_in_order(template: str, expected: str) -> None:
    """The original gives them in any order, so that a result cannot be compared with the one before."""
    assert compile_template(template).render({}) == expected


def test_times_without_year_are_in_year_four() -> None:
    """Python's calendar has no year 0; year 4 has the same days, and the time of day is what such texts are about."""
    host = Host(zone=UTC)
    assert compile_template('{{toDate "15:04" "12:30" | date "3:04PM"}}', host).render({}) == "12:30PM"
    assert compile_template('{{toDate "Jan 2" "Feb 29" | date "2006-01-02"}}', host).render({}) == "0004-02-29"


def test_times_have_microseconds() -> None:
    """Digits beyond microseconds are dropped."""
    template = '{{toDate "15:04:05.999999999" "12:30:00.123456789" | date "05.999999999"}}'
    assert compile_template(template, Host(zone=UTC)).render({}) == "00.123456"
