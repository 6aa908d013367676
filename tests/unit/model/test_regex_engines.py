"""Both engines for regular expressions: Python's for harmless patterns, the machine for the others."""

from __future__ import annotations

import re

import pytest

from plutino.errors import EvaluationError
from plutino.model.regex import compile_regex
from plutino.model.regex.machine import Machine
from plutino.model.regex.parser import parse_pattern
from plutino.model.regex.translate import open_repeats, to_python


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a+b*", 2),
        ("[a-z]+@[a-z]+", 2),
        ("a{2}", 2),
        ("abc", 0),
        ("(a|b)+", None),
        ("(a+)+", None),
        ("(a?)*", None),
        ("(ab)+", 1),
        ("(?:a{2}b)+", 1),
        ("(a{1,2})+", None),
    ],
)
def test_dangerous_patterns_are_known(pattern: str, expected: int | None) -> None:
    """Only repetitions of something that fits in one way are left to a backtracking engine."""
    assert open_repeats(parse_pattern(pattern).part) == expected


@pytest.mark.parametrize("pattern", ["a", "a*", "(a)(b)?", "a|ab", "a*?b", "(a|b)*?c", "^a|b$", r"\ba+\b", "(?m)^a$", "a{1,3}", "x*y*"])
@pytest.mark.parametrize("text", ["", "a", "ab", "abab", "aaab", "b a\nab", "xxyy", "cab c"])
def test_both_engines_agree(pattern: str, text: str) -> None:
    """The machine finds what Python's engine finds, groups included."""
    parsed = parse_pattern(pattern)
    found = re.compile(to_python(parsed.part)).search(text)
    expected = None if found is None else tuple(edge for group in range(parsed.groups + 1) for edge in found.span(group))
    assert Machine(parsed.part, parsed.groups).search(text, 0, [10_000]) == expected


def test_the_machine_stops_when_it_takes_too_long() -> None:
    """A search has a budget."""
    parsed = parse_pattern("(a*)*b")
    with pytest.raises(EvaluationError, match="takes too long"):
        Machine(parsed.part, parsed.groups).search("a" * 1000, 0, [100])


def test_compiled_patterns_are_kept() -> None:
    """The same pattern is parsed once."""
    assert compile_regex("a+") is compile_regex("a+")
