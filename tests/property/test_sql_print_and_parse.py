"""Whatever tree can be built is written so that it reads the same again."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from plutino.sql import parse_expression, parse_select, parse_statement, to_sql
from plutino.sql.lexer import KEYWORDS
from plutino.sql.tree import (
    ArrayType,
    Arrow,
    ArrowLiteral,
    Between,
    Binary,
    Branch,
    Call,
    Case,
    Column,
    ColumnDef,
    ColumnType,
    CreateStream,
    Describe,
    Drop,
    Explain,
    Expr,
    Field,
    In,
    Index,
    IsNull,
    Join,
    Like,
    Literal,
    Over,
    Select,
    Show,
    SimpleType,
    Slice,
    SortKey,
    Source,
    Statement,
    StructType,
    TimeUnit,
    Union,
    Wildcard,
    Window,
)

names = st.one_of(
    st.from_regex(r"\A[A-Za-z][A-Za-z0-9_]{0,5}\Z"),
    st.sampled_from(sorted(KEYWORDS)).map(str.lower),
    st.text(st.characters(exclude_characters="`\0", exclude_categories=("Cs",)), min_size=1, max_size=6),
)
functions = st.sampled_from(("count", "my_func", "select", "Für alle"))
integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
literals = st.one_of(integers, floats, st.booleans(), st.text(max_size=8)).map(Literal)
columns = st.builds(Column, st.none() | names, names)


def lists(items: st.SearchStrategy[Expr], minimum: int = 0) -> st.SearchStrategy[tuple[Expr, ...]]:
    return st.lists(items, min_size=minimum, max_size=3).map(tuple)


def paths(bases: st.SearchStrategy[Expr], indices: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    return st.one_of(
        st.builds(Arrow, bases, names),
        st.builds(ArrowLiteral, bases, literals),
        st.builds(Index, bases, indices),
        st.builds(Slice, bases, st.none() | indices, st.none() | indices),
    )


def sort_keys(exprs: st.SearchStrategy[Expr]) -> st.SearchStrategy[tuple[SortKey, ...]]:
    """Keys must begin with a name."""
    named = columns | st.builds(Call, functions, lists(exprs))
    keys = st.one_of(named, paths(named, exprs), st.builds(Binary, st.sampled_from(("+", "*", "=")), columns, exprs))
    return st.lists(st.builds(SortKey, keys, st.booleans()), max_size=2).map(tuple)


def overs(exprs: st.SearchStrategy[Expr]) -> st.SearchStrategy[Over]:
    """At least one part."""
    return st.builds(Over, lists(exprs, 1), sort_keys(exprs), st.none() | exprs) | st.builds(Over, st.just(()), sort_keys(exprs), exprs)


def without_star(expr: Expr) -> Expr:
    """A star takes no alias."""
    return Column(None, "star") if isinstance(expr, Wildcard) else expr


def fields(exprs: st.SearchStrategy[Expr]) -> st.SearchStrategy[Field]:
    return st.builds(Field, exprs, st.none(), st.booleans()) | st.builds(Field, exprs.map(without_star), names, st.booleans())


def wildcards(exprs: st.SearchStrategy[Expr]) -> st.SearchStrategy[Wildcard]:
    items = st.builds(Field, exprs.map(without_star), names, st.booleans())
    return st.builds(Wildcard, st.none() | names, st.lists(names, max_size=2).map(tuple), st.lists(items, max_size=2).map(tuple))


def cases(exprs: st.SearchStrategy[Expr]) -> st.SearchStrategy[Case]:
    conditions = st.one_of(
        st.booleans().map(Literal),
        st.builds(Binary, st.sampled_from(("AND", "OR", "=", "!=", "<", "<=", ">", ">=")), exprs, exprs),
        st.builds(Like, exprs, exprs, st.booleans()),
        st.builds(Between, exprs, exprs, exprs, st.booleans()),
    )
    searched = st.lists(st.builds(Branch, conditions, exprs), min_size=1, max_size=2).map(tuple)
    simple = st.lists(st.builds(Branch, exprs, exprs), min_size=1, max_size=2).map(tuple)
    return st.builds(Case, st.none(), searched, st.none() | exprs) | st.builds(Case, exprs, simple, st.none() | exprs)


def larger(exprs: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    operators = ("AND", "OR", "=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "&", "|", "^")
    computed_lists = columns | paths(columns, exprs) | st.builds(Call, functions, lists(exprs))
    return st.one_of(
        st.builds(Binary, st.sampled_from(operators), exprs, exprs),
        paths(exprs, exprs),
        st.builds(Call, functions, lists(exprs), st.none() | overs(exprs)),
        st.builds(Call, functions, st.tuples(columns) | st.tuples(columns, exprs), st.none(), st.just(True)),
        st.builds(IsNull, exprs, st.booleans()),
        st.builds(In, exprs, lists(exprs, 1) | computed_lists, st.booleans()),
        st.builds(Between, exprs, exprs, exprs, st.booleans()),
        st.builds(Like, exprs, exprs, st.booleans()),
        cases(exprs),
        wildcards(exprs),
    )


exprs: st.SearchStrategy[Expr] = st.recursive(columns | literals, larger, max_leaves=12)


def windows() -> st.SearchStrategy[Window]:
    units = st.sampled_from(("dd", "hh", "mi", "ss", "ms")).map(TimeUnit)
    lengths = st.integers(1, 2**40).map(Literal)
    counts = st.integers(1, 100).flatmap(lambda n: st.tuples(st.just(Literal(n)), st.integers(0, n).map(Literal)))
    shapes = st.one_of(
        st.tuples(st.just("tumblingwindow"), st.tuples(units, lengths)),
        st.tuples(st.sampled_from(("hoppingwindow", "slidingwindow", "sessionwindow")), st.tuples(units, lengths, lengths)),
        st.tuples(st.just("slidingwindow"), st.tuples(units, lengths)),
        st.tuples(st.just("countwindow"), counts),
        st.tuples(st.just("countwindow"), st.tuples(lengths)),
        st.tuples(st.just("statewindow"), st.tuples(exprs) | st.tuples(exprs, exprs)),
    )
    optional = st.none() | exprs
    return st.builds(
        lambda shape, condition, when, partition: Window(shape[0], shape[1], condition, when, partition),
        shapes,
        optional,
        optional,
        lists(exprs),
    )


sources = st.builds(Source, names | st.just("a/b/+/#") | st.just("/a/1"), st.none() | names)
joins = st.one_of(
    st.builds(Join, st.sampled_from(("INNER", "LEFT", "RIGHT", "FULL")), sources, st.none() | exprs),
    st.builds(Join, st.just("CROSS"), sources),
    st.builds(Join, st.just("LEFT"), sources, exprs, latest=st.just(True)),
    st.builds(Join, st.just("INNER"), sources, exprs, st.tuples(st.sampled_from(("mi", "ss", "ms")), st.integers(1, 1000))),
)


@st.composite
def selects(draw: st.DrawFn) -> Select:
    window = draw(st.none() | windows())
    dimensions = exprs if window is None else exprs | windows()
    return Select(
        fields=tuple(draw(st.lists(fields(exprs), min_size=1, max_size=3))),
        source=draw(sources),
        joins=tuple(draw(st.lists(joins, max_size=2))),
        where=draw(st.none() | exprs),
        group_by=draw(lists(dimensions)),
        window=window,
        having=draw(st.none() | exprs),
        qualify=draw(st.none() | exprs),
        order_by=draw(sort_keys(exprs)),
        limit=draw(st.none() | integers),
    )


def column_defs(types: st.SearchStrategy[ColumnType]) -> st.SearchStrategy[ColumnDef]:
    with_default = st.one_of(
        st.builds(ColumnDef, names, st.just(SimpleType("bigint")), integers),
        st.builds(ColumnDef, names, st.just(SimpleType("float")), floats),
        st.builds(ColumnDef, names, st.just(SimpleType("string")), st.text(max_size=8)),
        st.builds(ColumnDef, names, st.just(SimpleType("boolean")), st.booleans()),
    )
    return with_default | st.builds(ColumnDef, names, types)


types: st.SearchStrategy[ColumnType] = st.recursive(
    st.sampled_from(("bigint", "float", "string", "bytea", "datetime", "boolean")).map(SimpleType),
    lambda inner: st.builds(ArrayType, inner) | st.builds(StructType, st.lists(column_defs(inner), min_size=1, max_size=3).map(tuple)),
    max_leaves=6,
)
options = st.fixed_dictionaries(
    {},
    optional={
        "DATASOURCE": st.text(max_size=8),
        "FORMAT": st.sampled_from(("json", "JSON", "nosuch")),
        "KEY": st.text(max_size=8),
        "SHARED": st.booleans(),
        "RETAIN_SIZE": st.integers(0, 10**9),
        "EXTRA": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2).map(json.dumps),
        "VERSION": st.from_regex(r"\A[a-z0-9.]{0,5}\Z"),
    },
)
source_names = st.from_regex(r"\A[A-Za-z0-9_\-]{1,8}\Z")
kinds = st.sampled_from(("stream", "table"))
statements: st.SearchStrategy[Statement] = st.one_of(
    st.builds(CreateStream, kinds, source_names, st.lists(column_defs(types), max_size=3).map(tuple), options),
    st.builds(Show, kinds),
    *(st.builds(kind, kinds, names) for kind in (Describe, Explain, Drop)),
)


@given(exprs)
def test_expressions(tree: Expr) -> None:
    """Expressions survive being written and read."""
    assert parse_expression(to_sql(tree)) == tree


@given(windows())
def test_windows(tree: Window) -> None:
    """Windows survive being written and read."""
    assert parse_expression(to_sql(tree)) == tree


@given(selects())
def test_selects(tree: Select) -> None:
    """Queries survive being written and read."""
    text = to_sql(tree)
    assert parse_select(text) == tree
    assert hash(parse_select(text)) == hash(tree)


@settings(max_examples=25)
@given(st.lists(selects(), min_size=2, max_size=2), names)
def test_unions_and_queries_in_from(parts: list[Select], name: str) -> None:
    """Several queries together, and a query as a source of another, survive being written and read."""
    union = Union(tuple(parts))
    assert parse_select(to_sql(union)) == union
    nested = Select(parts[0].fields, Source(name, None, union))
    assert parse_select(to_sql(nested)) == nested


@given(statements)
def test_definitions(tree: Statement) -> None:
    """Statements about streams survive being written and read, with their options in order."""
    found = parse_statement(to_sql(tree))
    assert found == tree
    if isinstance(found, CreateStream) and isinstance(tree, CreateStream):
        assert list(found.options) == list(tree.options)
