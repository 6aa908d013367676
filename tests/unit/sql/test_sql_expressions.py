"""Expressions: precedence, paths, predicates, calls."""

from __future__ import annotations

import pytest

from plutino.errors import SqlSyntaxError
from plutino.sql import parse_expression, to_sql
from plutino.sql.tree import (
    Arrow,
    ArrowLiteral,
    Binary,
    Call,
    Column,
    Expr,
    In,
    Index,
    Literal,
    Over,
    Slice,
    SortKey,
    TimeUnit,
    Wildcard,
    Window,
)


def column(name: str) -> Column:
    return Column(None, name)


A, B, C = column("a"), column("b"), column("c")
ONE = Literal(1)


def full(text: str) -> str:
    """The expression with every operator in parentheses."""

    def show(node: Expr) -> str:
        if isinstance(node, Binary):
            return f"({show(node.left)} {node.op} {show(node.right)})"
        return to_sql(node)

    return show(parse_expression(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a or b and c", "(a OR (b AND c))"),
        ("a and b or c", "((a AND b) OR c)"),
        ("a - b - c", "((a - b) - c)"),
        ("a + b * c", "(a + (b * c))"),
        ("a | b & c ^ d", "((a | (b & c)) ^ d)"),
        ("a = b + 1 and c < 2", "((a = (b + 1)) AND (c < 2))"),
        ("a = b = c", "((a = b) = c)"),
        ("(a + b) * c", "((a + b) * c)"),
        ("a * m->k", "(a * m->k)"),
        ("a % l[0] * 2", "((a % l[0]) * 2)"),
        ("a - -1", "(a - -1)"),
        ("a -1", "(a - 1)"),
        ("a -.5", "(a - 0.5)"),
        ("- 5 * a", "(-5 * a)"),
        ("a + *", "(a + *)"),
    ],
)
def test_precedence(text: str, expected: str) -> None:
    """Operators bind by level and to the left; paths bind tightest."""
    assert full(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b", Column("a", "b")),
        ("a.`b.c`", Column("a", "b.c")),
        ("a.b.c", Arrow(Column("a", "b"), "c")),
        ("a->b", Arrow(A, "b")),
        ("a->b.c", Arrow(Arrow(A, "b"), "c")),
        ("a[0]", Index(A, Literal(0))),
        ("a[-1]", Index(A, Literal(-1))),
        ("a[i + 1]->b", Arrow(Index(A, Binary("+", column("i"), ONE)), "b")),
        ("a[]", Slice(A, None, None)),
        ("a[:]", Slice(A, None, None)),
        ("a[1:]", Slice(A, ONE, None)),
        ("a[:b]", Slice(A, None, B)),
        ("a[1:-1]", Slice(A, ONE, Literal(-1))),
        ("a[1.5]", Index(A, Literal(1.5))),
        ("f(a)->b", Arrow(Call("f", (A,)), "b")),
        ("(a + b)->c", Arrow(Binary("+", A, B), "c")),
        ("a->1", ArrowLiteral(A, ONE)),
        ("ss", column("ss")),
        ("Ss.MI->dd", Arrow(Column("Ss", "MI"), "dd")),
    ],
)
def test_paths(text: str, expected: Expr) -> None:
    """Dots and arrows make the same node, except that one dot is a qualified column; unit words are columns."""
    assert parse_expression(text) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("007", 7),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("1.50", 1.5),
        ("-.25", -0.25),
        ("TRUE", True),
        ("False", False),
        ("'x'", "x"),
    ],
)
def test_literals(text: str, value: object) -> None:
    """Literals keep their kind."""
    found = parse_expression(text)
    assert isinstance(found, Literal)
    assert found.value == value
    assert type(found.value) is type(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a in (1, b)", "a IN (1, b)"),
        ("a not in b->c", "a NOT IN b->c"),
        ("a in b + c", "a IN b + c"),
        ("a between 1 and 2 + 3", "a BETWEEN 1 AND 2 + 3"),
        ("a not between 1 and 2 and b", "a NOT BETWEEN 1 AND 2 AND b"),
        ("a like 'x%' or b", "a LIKE 'x%' OR b"),
        ("a not like b", "a NOT LIKE b"),
        ("a in (1) = true", "a IN (1) = TRUE"),
        ("a = (b in (1))", "a = (b IN (1))"),
        ("case when a > 1 then 2 end", "CASE WHEN a > 1 THEN 2 END"),
        ("case a when 1 then 'x' when b then 'y' else 'z' end", "CASE a WHEN 1 THEN 'x' WHEN b THEN 'y' ELSE 'z' END"),
        ("case when a in (1) then 1 when (true) then 2 end", "CASE WHEN a IN (1) THEN 1 WHEN TRUE THEN 2 END"),
        ("cOUNT(*)", "cOUNT(*)"),
        ("f()", "f()"),
        ("f(a, b,)", "f(a, b)"),
        ("`my f`(a)", "`my f`(a)"),
        ("s.* except(a b, c)", "s.* EXCEPT(a, b, c)"),
        ("* except() replace(a + 1 as a, f(b) as c) except(d)", "* EXCEPT(d) REPLACE(a + 1 AS a, f(b) AS c)"),
        ("abs(ss)", "abs(`ss`)"),
    ],
)
def test_predicates_calls_and_stars(text: str, expected: str) -> None:
    """Whatever is read is written in one way."""
    found = parse_expression(text)
    assert to_sql(found) == expected
    assert parse_expression(expected) == found


def test_over() -> None:
    """OVER holds its parts; the planner says which function may have which."""
    found = parse_expression("f(a) over (partition by b, c order by d desc e when a > 1)")
    keys = (SortKey(column("d"), True), SortKey(column("e")))
    assert found == Call("f", (A,), Over((B, C), keys, Binary(">", A, ONE)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TumblingWindow(SS, 10)", Window("tumblingwindow", (TimeUnit("ss"), Literal(10)))),
        ("hoppingwindow(mi, 1, 5)", Window("hoppingwindow", (TimeUnit("mi"), ONE, Literal(5)))),
        ("slidingwindow(ms, 5, 0)", Window("slidingwindow", (TimeUnit("ms"), Literal(5), Literal(0)))),
        ("sessionwindow(hh, 2, 1)", Window("sessionwindow", (TimeUnit("hh"), Literal(2), ONE))),
        ("countwindow(3, 0)", Window("countwindow", (Literal(3), Literal(0)))),
        ("statewindow(ss = 1)", Window("statewindow", (Binary("=", column("ss"), ONE),))),
        ("statewindow(a, b) over (partition by c)", Window("statewindow", (A, B), partition_by=(C,))),
        ("countwindow(1) filter (where a) over ()", Window("countwindow", (ONE,), A)),
        ("slidingwindow(ss, 1) over (when a partition by b)", Window("slidingwindow", (TimeUnit("ss"), ONE), None, A, (B,))),
    ],
)
def test_windows(text: str, expected: Window) -> None:
    """Window constructors become windows wherever they stand; only their direct arguments are time units."""
    assert parse_expression(text) == expected
    assert parse_expression(to_sql(expected)) == expected


def test_spans() -> None:
    """Every node knows its text; parentheses belong to what is built on them."""
    text = "(a + b) * f(c)[1] = 'x'"
    found = parse_expression(text)
    assert isinstance(found, Binary)
    product = found.left
    assert isinstance(product, Binary)

    def written(node: Expr) -> str:
        return text[node.span[0] : node.span[1]]

    assert [written(node) for node in (found, product, product.left, product.right, found.right)] == [
        text,
        "(a + b) * f(c)[1]",
        "a + b",
        "f(c)[1]",
        "'x'",
    ]


def test_equality_knows_kinds_and_ignores_places() -> None:
    """Trees are equal when they say the same; 1, 1.0 and TRUE are not the same."""
    assert parse_expression("a  + 1") == parse_expression("a+1")
    assert hash(parse_expression("a  + 1")) == hash(parse_expression("a+1"))
    literals = {parse_expression(text) for text in ("1", "1.0", "true", "'1'", "1")}
    assert len(literals) == 4
    assert parse_expression("a.b") != parse_expression("a->b")
    assert parse_expression("a in (b)") != parse_expression("a in b")
    assert In(A, (B,)) != In(A, (B,), True)
    assert Wildcard(None) != A


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5_000,
        "f(" * 5_000,
        "a[" * 5_000,
        "case when " * 5_000,
        "* replace(" * 5_000,
        "f() over (order by " * 5_000,
        "countwindow(1) filter(where " * 5_000,
        "a in (" * 5_000,
        "a or " * 5_000 + "a",
        "a" + "->b" * 5_000,
        "(" * 60 + "a" + " + b)" * 60 + " + c" * 150,
    ],
)
def test_too_deep(text: str) -> None:
    """A text that would make a tree too high for those who walk it is refused."""
    with pytest.raises(SqlSyntaxError, match="nested too deeply"):
        parse_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 90 + "a" + ")" * 90,
        "a" + " - -1" * 198,
        " or ".join(f"a = {number}" for number in range(195)),
        "(" * 60 + "a" + " + b)" * 60 + " + c" * 130,
        "+".join(["(" * 50 + "a" + ")" * 50] * 10),
        "f(" * 90 + ")" * 90,
        f"a in ({', '.join(map(str, range(5_000)))})",
    ],
)
def test_deep_enough(text: str) -> None:
    """What people write is not too deep, and can be walked."""
    found = parse_expression(text)
    again = parse_expression(to_sql(found))
    assert again == found
    assert hash(again) == hash(found)
