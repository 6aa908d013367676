"""No text makes the parser fail in any way but its own, and what it accepts it can write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from plutino.errors import SqlSyntaxError, explanation
from plutino.sql import is_select, parse_expression, parse_select, parse_statement, to_sql
from plutino.sql.lexer import KEYWORDS, tokenize

WORDS = (
    *sorted(KEYWORDS),
    *("create", "stream", "table", "with", "show", "streams", "describe", "drop", "bigint", "array", "struct", "string", "FORMAT", "TYPE"),
    *("a", "b1", "`x y`", "s.a", "1", "0", "-1", "1.5", ".5", "9223372036854775808", "'t'", '"t"', "'\\n'", "'\\q'", "'open", "`open"),
    *("tumblingwindow", "countwindow", "statewindow", "count", "*", "(", ")", "[", "]", ",", ":", ";", ".", "->", "- >", "--", "/*", "*/"),
    *("=", "!=", "!", "<", "< =", ">", "+", "-", "/", "%", "&", "|", "^", "#", "\n", "\0", "ä", "\\"),
)
STATEMENTS = (
    "select a, f(b.c, *) over (partition by d when e > 1) as x, * except(a) replace(b as c) from s as t left join u on t.a = u.b "
    "where a->b[0:1] in (1, 'x') and c not between -1 and 2.5 or d like '%' group by a, hoppingwindow(ss, 1, 2) filter (where a) "
    "having count(*) > 1 order by a desc, b limit 10;",
    "select case a when 1 then b else c end invisible, case when a = b then 1 end from `x y` cross join a/b/# group by statewindow(a, b)",
    'create table s (a bigint default 5, b struct(c array(string), d float), ) with (FORMAT="json" SHARED=true, EXTRA="{\\"a\\":1}")',
)

word_texts = st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A good statement with some of its tokens removed, repeated, exchanged or replaced."""
    text = draw(st.sampled_from(STATEMENTS))
    parts = [text[start:end] for _, _, start, end in tokenize(text)]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(parts) - 1))
        what = draw(st.sampled_from(("remove", "repeat", "exchange", "replace")))
        if what == "remove":
            del parts[at : at + draw(st.integers(1, 3))]
        elif what == "repeat":
            parts[at:at] = parts[at : at + 2]
        elif what == "exchange":
            parts[at], parts[at - 1] = parts[at - 1], parts[at]
        else:
            parts[at] = draw(st.sampled_from(WORDS))
        if not parts:
            break
    return " ".join(parts)


def check(parse: Callable[[str], Any], text: str) -> None:
    try:
        tree = parse(text)
    except SqlSyntaxError as refused:
        place = refused.position
        if place is None or not 0 <= place.start <= place.end <= len(text):
            raise AssertionError(f"an error without a place: {refused.message!r}, {place}") from refused
        if not explanation(refused):
            raise AssertionError(f"an error without an explanation: {refused.message!r}") from refused
        return
    assert parse(to_sql(tree)) == tree


@given(st.text() | word_texts | damaged())
def test_statements(text: str) -> None:
    """Any text is a statement or a syntax error with a place."""
    check(parse_statement, text)


@given(st.text() | word_texts.map("select ".__add__) | damaged())
def test_queries(text: str) -> None:
    """Any text is a query or a syntax error with a place."""
    check(parse_select, text)
    is_select(text)


@given(st.text() | word_texts)
def test_expressions(text: str) -> None:
    """Any text is an expression or a syntax error with a place."""
    check(parse_expression, text)


@given(word_texts.map(lambda words: f"create stream s ({words}") | word_texts.map(lambda words: f"create stream s (a {words}) with ()"))
def test_definitions(text: str) -> None:
    """Any column list is one or a syntax error with a place."""
    check(parse_statement, text)
