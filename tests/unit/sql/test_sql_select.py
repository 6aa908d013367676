"""SELECT: clauses and their order."""

from __future__ import annotations

import pytest

from plutino.sql import is_select, parse_select, parse_statement, to_sql
from plutino.sql.tree import Binary, Call, Column, Field, Join, Literal, Select, SortKey, Source, TimeUnit, Wildcard, Window

A = Column(None, "a")
ONE = Literal(1)


def test_all_clauses() -> None:
    """Each clause has its field."""
    found = parse_select(
        "select a as x, count(*) invisible from s as t left join u on t.a = u.a cross join v where a > 1 "
        "group by a, tumblingwindow(ss, 1), 1 having a > 1 order by a desc, b limit 1;"
    )
    assert found == Select(
        fields=(Field(A, "x"), Field(Call("count", (Wildcard(None),)), None, True)),
        source=Source("s", "t"),
        joins=(Join("LEFT", Source("u"), Binary("=", Column("t", "a"), Column("u", "a"))), Join("CROSS", Source("v"))),
        where=Binary(">", A, ONE),
        group_by=(A, ONE),
        window=Window("tumblingwindow", (TimeUnit("ss"), ONE)),
        having=Binary(">", A, ONE),
        order_by=(SortKey(A, True), SortKey(Column(None, "b"))),
        limit=1,
    )
    assert parse_statement(to_sql(found)) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select a from s", "SELECT a FROM s"),
        ("select a as `select` from `from`", "SELECT a AS `select` FROM `from`"),
        ("select a from a/b/+/#", "SELECT a FROM a/b/+/#"),
        ("select a from a / b", "SELECT a FROM a/b"),
        ("select a from `a/1`", "SELECT a FROM `a/1`"),
        ("select a from `my-stream`", "SELECT a FROM `my-stream`"),
        ("select a from s group by countwindow(2), countwindow(3)", "SELECT a FROM s GROUP BY countwindow(2), countwindow(3)"),
        ("select a from s order by", "SELECT a FROM s"),
        ("select a from s order by a asc b,,c desc", "SELECT a FROM s ORDER BY a, b, c DESC"),
        ("select a from s order by ss", "SELECT a FROM s ORDER BY `ss`"),
        ("select a from s order by f(a) -1", "SELECT a FROM s ORDER BY f(a) - 1"),
        ("select a from s limit -1", "SELECT a FROM s LIMIT -1"),
        ("select a from s limit 0", "SELECT a FROM s LIMIT 0"),
        ("select a from s inner join t", "SELECT a FROM s INNER JOIN t"),
        ("select a from s full join t on a = b", "SELECT a FROM s FULL JOIN t ON a = b"),
        ("select\n-- one\na/* two */from s", "SELECT a FROM s"),
        ("select * from s; -- done", "SELECT * FROM s"),
    ],
)
def test_written_form(text: str, expected: str) -> None:
    """A query is written in one way."""
    found = parse_select(text)
    assert to_sql(found) == expected
    assert parse_select(expected) == found


def test_further_windows_stay_dimensions() -> None:
    """The first window is the query's; another one is kept for the planner to judge."""
    found = parse_select("select a from s group by a, countwindow(2), countwindow(3)")
    assert found.window == Window("countwindow", (Literal(2),))
    assert found.group_by == (A, Window("countwindow", (Literal(3),)))


def test_spans_of_clauses() -> None:
    """Fields, sources and sort keys know their text, and the query its own without the semicolon."""
    text = "  select a as b from s as t order by a desc ;"
    found = parse_select(text)
    nodes = (found, found.fields[0], found.source, found.order_by[0])
    written = [text[node.span[0] : node.span[1]] for node in nodes]
    assert written == ["select a as b from s as t order by a desc", "a as b", "s as t", "a desc"]


def test_is_select() -> None:
    """The first word decides."""
    assert is_select(" /* x */ Select nonsense")
    assert not is_select("selct a from s")
    assert not is_select("")


def test_trees_are_hashable() -> None:
    """Equal queries are one key, wherever their words stand."""
    assert len({parse_select("select a from s where a > 1"), parse_select("SELECT a\nFROM s WHERE a>1")}) == 1
