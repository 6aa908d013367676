"""RE2 expressions: what is refused, and where Python would match otherwise."""

from __future__ import annotations

import pytest

from plutino.errors import EvaluationError
from plutino.model.regex import compile_regex


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("[", "missing closing ]: `[`"),
        ("a[b", "missing closing ]: `[b`"),
        ("(", "missing closing ): `(`"),
        ("a)", "unexpected ): `a)`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a|*", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a*+", "invalid nested repetition operator: `*+`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        (r"\Z", r"invalid escape sequence: `\Z`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?<!a)", "invalid named capture: `(?<!a)`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        (r"\p{Nope}", r"invalid character class range: `\p{Nope}`"),
    ],
)
def test_refused(pattern: str, fault: str) -> None:
    """What RE2 refuses is refused with its wording."""
    with pytest.raises(EvaluationError) as refusal:
        compile_regex(pattern)
    assert str(refusal.value) == f"error parsing regexp: {fault}"


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^a.*z$", "a1z\n", None),
        (r"\d+", "\u06635", "5"),
        (r"\w+", "\u00e9a_1", "a_1"),
        (r"\s", "\x0b", None),
        ("a(?i)b|c", "xC", "C"),
        ("a(?i)b|c", "AB", None),
        ("(?i:a)b", "Ab", "Ab"),
        ("(?U)a+", "aaa", "a"),
        ("(?U)a+?", "aaa", "aaa"),
        ("(?m)^b$", "a\nb\nc", "b"),
        (".", "\n", None),
        ("(?s).", "\n", "\n"),
        (r"\Qa.b\E+", "a.bbb", "a.bbb"),
        ("a{,2}", "a{,2}", "a{,2}"),
        (r"\x41\x{42}\103", "ABC", "ABC"),
        ("[]a]+", "]a", "]a"),
        ("[^\\d]+", "12ab", "ab"),
        ("[[:alpha:][:digit:]]+", "-a1-", "a1"),
        ("[[:^alpha:]]+", "ab1", "1"),
        (r"\p{Lu}+\pN", "\u00c4\u00d61", "\u00c4\u00d61"),
        (r"\p{Greek}", "a\u03b1", "\u03b1"),
        ("(?P<n>a)(?<m>b)", "ab", "ab"),
        ("x|", "y", ""),
    ],
)
def test_found(pattern: str, text: str, found: str | None) -> None:
    """The first match is RE2's."""
    span = compile_regex(pattern).find(text)
    assert (None if span is None else text[span[0] : span[1]]) == found
    assert compile_regex(pattern).fits(text) is (found is not None)


def test_empty_matches_next_to_a_match_do_not_count() -> None:
    """An empty match directly after another one is no match of its own."""
    assert list(compile_regex("x*").find_all("abxd")) == [(0, 0), (1, 1), (2, 3), (4, 4)]


@pytest.mark.parametrize(
    ("pattern", "text", "replacement", "result"),
    [
        ("x*", "abxd", "-", "-a-b-d-"),
        (r"(\w)(\d)", "a1 b2", "$2$1", "1a 2b"),
        (r"(?P<n>\w)", "ab", "${n}$n$$|$1x|$9", "aa$||bb$||"),
        ("a", "banana", r"\1", r"b\1n\1n\1"),
    ],
)
def test_replacement(pattern: str, text: str, replacement: str, result: str) -> None:
    """Dollars name groups as Go expands them; backslashes mean nothing."""
    regex = compile_regex(pattern)
    assert regex.replace(text, lambda span: regex.expand(replacement, text, span)) == result
