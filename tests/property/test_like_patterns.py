"""LIKE patterns: the same as their plain meaning, and never slow."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plutino.execution.patterns import like_regex


def plain(pattern: str) -> re.Pattern[str]:
    """A pattern without escapes, read one character after the other."""
    return re.compile("".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in pattern))


@given(st.text("ab%_\n.", max_size=8), st.text("ab\n.", max_size=10))
def test_a_pattern_means_what_it_says(pattern: str, text: str) -> None:
    """Looking for each part as early as possible loses no match."""
    assert (like_regex(pattern).fullmatch(text) is None) is (plain(pattern).fullmatch(text) is None)


@pytest.mark.parametrize("pattern", ["%a%a%a%a%a%a%a%a%a%a%b%", "a%a%a%a%a%a%a%a%a%b", "%_a%_a%_a%_a%_a%_a%b"])
def test_no_pattern_takes_for_ever(pattern: str) -> None:
    """These would take years on an engine that looks everywhere again."""
    assert like_regex(pattern).fullmatch("a" * 2000) is None
