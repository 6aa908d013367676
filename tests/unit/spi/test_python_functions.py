"""Python functions declared for SQL."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from plutino.errors import EvaluationError, PlutinoError
from plutino.spi import ArgCheck, FunctionSpec, Nulls, sql_function


@sql_function()
def mixed(number: float, count: int, text: str = "x", flag: bool = True) -> str:
    """All kinds of values.

    More about it.
    """
    return f"{number!r} {count!r} {text} {flag}"


@sql_function("total", pure=False)
def added_up(*values: float) -> float:
    """A sum."""
    return sum(values)


@sql_function()
def kept(value: str | None, anything: Any) -> Any:
    """Takes nulls."""
    return [value, anything]


@sql_function(vectorised=True)
def scaled(values: list[float], by: list[int]) -> list[float]:
    """Products."""
    return [value * factor for value, factor in zip(values, by, strict=True)]


def test_the_signature_is_the_declaration() -> None:
    """Names, checks, optional and repeated arguments, the result and what it is for."""
    assert isinstance(mixed, FunctionSpec)
    assert (mixed.name, mixed.about, mixed.returns, mixed.optional, mixed.variadic) == ("mixed", "All kinds of values", "string", 2, False)
    assert [(a.name, a.check) for a in mixed.args] == [
        ("number", ArgCheck.NUMBER),
        ("count", ArgCheck.INT),
        ("text", ArgCheck.STRING),
        ("flag", ArgCheck.BOOL),
    ]
    assert (added_up.name, added_up.variadic, added_up.pure, added_up.kind_blind) == ("total", True, False, False)
    assert (mixed.nulls, kept.nulls, kept.args[1].check, kept.returns) == (Nulls.NULL, Nulls.CALL, ArgCheck.ANY, "any")
    assert (scaled.args[0].check, scaled.args[1].check, scaled.returns) == (ArgCheck.NUMBER, ArgCheck.INT, "float")


def test_values_come_as_they_are_annotated() -> None:
    """Whole numbers fit both kinds of numbers; results too."""
    assert mixed(1, 2.0) == "1.0 2 x True"
    assert added_up(1, 2.5, 3) == 6.5
    assert kept(None, [1]) == [None, [1]]
    assert scaled(2, 3.0) == 6.0
    assert scaled.call_many is not None
    assert scaled.call_many([1, 2.5], [2, 2]) == [2.0, 5.0]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: mixed(1.0, 2.5), "expect int for count but got float(2.5)"),
        (lambda: mixed("a", 1), "expect float for number but got str('a')"),
        (lambda: mixed(True, 1), "expect float for number but got bool(True)"),
        (lambda: scaled("a", 1), "expect float for values but got str('a')"),
    ],
)
def test_values_that_do_not_fit(call: Any, text: str) -> None:
    """The error of the row says which argument it was."""
    with pytest.raises(EvaluationError) as caught:
        call()
    assert str(caught.value) == text


def test_what_a_function_raises_is_an_error_of_the_row() -> None:
    """Whatever it is; also a result that is none."""

    @sql_function()
    def failing(what: str) -> float:
        if what == "key":
            raise KeyError("nothing there")
        if what == "end":
            sys.exit(3)
        if what == "stop":
            raise KeyboardInterrupt
        return "no number"  # type: ignore[return-value]

    with pytest.raises(EvaluationError, match="nothing there"):
        failing("key")
    with pytest.raises(EvaluationError, match="expect float for the result but got str"):
        failing("else")
    with pytest.raises(EvaluationError, match="SystemExit: 3"):
        failing("end")
    with pytest.raises(KeyboardInterrupt):
        failing("stop")


def test_what_a_generator_raises_is_an_error_of_the_row() -> None:
    """A vectorised function may give its results one by one."""

    @sql_function(vectorised=True)
    def late(values: list[float]) -> list[float]:
        return (1 / value for value in values)  # type: ignore[return-value]

    assert late.call_many is not None
    assert late.call_many([1, 2]) == [1.0, 0.5]
    with pytest.raises(EvaluationError, match="ZeroDivisionError"):
        late.call_many([1, 0])


def test_any_number_of_arguments() -> None:
    """None at all, unless it is columns that are wanted; defaults in front of them may be left out."""

    @sql_function()
    def joined(first: str, separator: str = "-", *others: str) -> str:
        return separator.join((first, *others))

    @sql_function(vectorised=True)
    def widest(*columns: list[float]) -> list[float]:
        return [max(row) for row in zip(*columns, strict=True)]

    assert added_up.optional == len(added_up.args)
    assert added_up() == 0.0
    assert (joined.optional, joined("a"), joined("a", "+", "b", "c")) == (2, "a", "a+b+c")
    assert (widest.optional, widest(1, 3, 2)) == (0, 3.0)


def test_a_column_for_each_row() -> None:
    """A vectorised function that gives too little is an error; arrays are taken as lists."""

    class Array(list[float]):
        def tolist(self) -> list[float]:
            return list(self)

    @sql_function(vectorised=True)
    def short(values: list[float]) -> list[float]:
        return Array(values[:1])

    assert short.call_many is not None
    assert short.call_many([1]) == [1.0]
    with pytest.raises(EvaluationError, match="short gave 1 results for 2 rows"):
        short.call_many([1.0, 2.0])


def test_signatures_that_sql_cannot_call() -> None:
    """They are refused where they are declared."""

    def by_name(*, key: str) -> str:
        return key

    def no_lists(value: float) -> float:
        return value

    def nothing() -> list[float]:
        return []

    for function, vectorised, text in (
        (by_name, False, "by position"),
        (no_lists, True, r"such as list\[float\]"),
        (nothing, True, "column"),
    ):
        with pytest.raises(PlutinoError, match=text):
            sql_function(vectorised=vectorised)(function)
