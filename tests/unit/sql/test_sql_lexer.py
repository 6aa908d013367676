"""The lexer: what becomes one token, with its text and its place."""

from __future__ import annotations

import pytest

from plutino.sql.lexer import BAD, END, IDENT, INTEGER, NUMBER, SINGLE, STRING, tokenize


def kinds(text: str) -> list[str]:
    return [token[0] for token in tokenize(text)[:-1]]


def only(text: str) -> tuple[str, str]:
    token, end = tokenize(text)
    assert end[0] == END
    return token[:2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", (IDENT, "a")),
        ("Ab_9", (IDENT, "Ab_9")),
        ("`a.b c`", (IDENT, "a.b c")),
        ("`ß`", (IDENT, "ß")),
        ("`open end", (IDENT, "open end")),
        ("SeLeCt", ("SELECT", "SELECT")),
        ("ss", ("SS", "SS")),
        ("12", (INTEGER, "12")),
        ("1.5", (NUMBER, "1.5")),
        (".5", (NUMBER, ".5")),
        ("5.", (NUMBER, "5.")),
        ("1.2.3", (NUMBER, "1.2.3")),
        ("'a'", (SINGLE, "a")),
        ('"a"', (STRING, "a")),
        ("""'say "x"'""", (SINGLE, 'say "x"')),
        ('''"it's"''', (STRING, "it's")),
        (r"'it\'s'", (SINGLE, "it's")),
        (r"'it\''", (SINGLE, "it'")),
        (r'"\n\t\\\""', (STRING, '\n\t\\"')),
        (r'"\u4e2d\x41\101\U0001F600"', (STRING, "中AA😀")),
        (r'"\xe4\xb8\xad"', (STRING, "中")),
        (r'"\xff"', (STRING, "\ufffd")),
    ],
)
def test_one_token(text: str, expected: tuple[str, str]) -> None:
    """A text that is one token gives its kind and its value."""
    assert only(text) == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("'abc", '"abc'),
        ('"abc', '"abc'),
        (r"'\q'", r'invalid string: "\q"'),
        (r'"it\'s"', r'''invalid string: "it\'s"'''),
        (r'"\400"', r'invalid string: "\400"'),
        (r'"\ud800"', r'invalid string: "\ud800"'),
        (r'"\x4"', r'invalid string: "\x4"'),
        ("'a\nb'", 'invalid string: "a\nb"'),
        ("!", "!"),
        ("ä", "ä"),
        ("_a", "_"),
        ("@", "@"),
        ("``", ""),
        ("/* open", "/*"),
    ],
)
def test_no_token(text: str, shown: str) -> None:
    """What is no token becomes BAD, with what a message shows of it, and ends the list."""
    assert only(text) == (BAD, shown)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!=", ["!="]),
        ("!  =", ["!="]),
        ("< =", ["<="]),
        (">\n=", [">="]),
        ("- >", ["->"]),
        ("a - -1", [IDENT, "-", "-", INTEGER]),
        ("a -1", [IDENT, "-", INTEGER]),
        ("<>", ["<", ">"]),
        ("==", ["=", "="]),
        ("a.b", [IDENT, ".", IDENT]),
        ("a[1:2]", [IDENT, "[", INTEGER, ":", INTEGER, "]"]),
        ("1e5", [INTEGER, IDENT]),
        ("a--b\nc", [IDENT, IDENT]),
        ("a/* b */c", [IDENT, IDENT]),
        ("a/ * b **/c", [IDENT, IDENT]),
        ("a/*/ b */c", [IDENT, IDENT]),
        ("a / b", [IDENT, "/", IDENT]),
        ("", []),
        (" \t\r\n", []),
        ("a\0b", [IDENT]),
    ],
)
def test_sequences(text: str, expected: list[str]) -> None:
    """Operators may have white space inside, comments vanish, NUL ends the text."""
    assert kinds(text) == expected


def test_places() -> None:
    """A token's place covers its quotes."""
    text = " ab `c d` 'e' 1.5 - > /* x */ f"
    assert [text[start:end] for _, _, start, end in tokenize(text)] == ["ab", "`c d`", "'e'", "1.5", "- >", "f", ""]


@pytest.mark.parametrize("text", ["/*" * 50_000, "'" * 50_001, "\\" * 50_000, "'\\" * 50_000, "`" * 50_001, "- " * 50_000, "1" * 50_000])
def test_long_nonsense_is_fast(text: str) -> None:
    """No text makes the lexer look at the rest of the text again and again."""
    assert tokenize(text)[-1][0] == END
