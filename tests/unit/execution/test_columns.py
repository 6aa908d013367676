"""Columns of slices: what they become when values come in, and what is left of them after a snapshot."""

from __future__ import annotations

from array import array
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from plutino.execution.aggregates import Failed
from plutino.execution.columns import KNOWN_TEXTS, Column, Same, Texts, argument, read_column, shown, write_column
from plutino.execution.packing import Packing, packed, value
from plutino.model.text import Weekday


def column_of(*portions: list[Any]) -> Column:
    """A column that is given out, after these portions of values."""
    column, held, texts = None, 0, Texts()
    for values in portions:
        column = shown(column, values, held, texts)
        held += len(values)
    assert column is not None
    return column


def restored(column: Column, count: int | None = None) -> Column | None:
    """A column that was written and read again."""
    out = Packing()
    write_column(column, count, out)
    return read_column(msgspec.msgpack.decode(out.done()), Texts())


@pytest.mark.parametrize(
    ("portions", "expected"),
    [
        ([["a", "a"], ["a"]], Same("a")),
        ([[1], [1, 1]], Same(1)),
        ([[None], [None]], Same(None)),
        ([[UNSET, UNSET]], Same(UNSET)),
        ([[True, True]], Same(True)),
        ([[1, 1], [2]], array("q", [1, 1, 2])),
        ([[1.5], [1.5]], array("d", [1.5, 1.5])),
        ([["a"], ["b", None]], ["a", "b", None]),
        ([[2**70], [1]], [2**70, 1]),
        ([[1], [2, 2**70]], [1, 2, 2**70]),
        ([[[1], {"a": 2}]], [[1], {"a": 2}]),
    ],
)
def test_a_column_takes_the_smallest_form(portions: list[list[Any]], expected: Column) -> None:
    """One value, packed numbers, or a list; a snapshot keeps it."""
    column = column_of(*portions)
    assert column == expected
    assert type(column) is type(expected)
    assert restored(column) == expected


@pytest.mark.parametrize("values", [[1, 1.0, True], [0.0, -0.0], [None, UNSET], [UNSET, None], [1, True], [Weekday(1), 1], [[1], [1.0]]])
def test_values_that_are_equal_but_not_the_same_stay_what_they_are(values: list[Any]) -> None:
    """Whether they come together or one after the other, also over a snapshot."""
    for column in (column_of(values), column_of(*([v] for v in values))):
        for made in (column, restored(column)):
            assert isinstance(made, list | array)
            assert list(map(repr, made)) == list(map(repr, values))


def test_missing_arguments_are_null_and_those_that_failed_say_why() -> None:
    """Aggregates do not ask whether a value was missing or null."""
    column = argument(None, [1.5, UNSET, Failed("no")], False, Texts())
    made = restored(column)
    assert isinstance(made, list)
    assert made[:2] == [1.5, None]
    assert made[2].text == "no"


def test_a_column_that_has_grown_is_written_as_it_was() -> None:
    """What was taken at a moment has so many values, whatever the column has become."""
    texts = Texts()
    for before, more in (([1, 2], [3]), ([1, 2], ["x"]), ([0.5], [1.5]), (["a", "b"], ["c"]), (["a"], ["b"])):
        column = shown(None, before, 0, texts)
        shown(column, more, len(before), texts)
        assert restored(column, len(before)) in (array("q", [1, 2]), array("d", [0.5]), ["a", "b"], Same("a"))


def test_equal_texts_are_kept_once() -> None:
    """As long as not too many others have come between."""
    texts = Texts()
    first, second = (texts.shared(["".join(("a", "b"))])[0] for _ in range(2))
    assert first is second
    texts.shared([str(i) for i in range(KNOWN_TEXTS + 1)])
    assert texts.shared(["".join(("a", "b"))]) == ["ab"]


def test_a_state_is_one_value() -> None:
    """Whatever it is written of, as it was when it was taken."""
    kept = [1, 2]
    parts = [value({"a": kept}), value(None), lambda out: out.numbers(array("q", [7]))]
    kept.append(3)
    assert msgspec.msgpack.decode(packed(parts)) == [{"a": [1, 2]}, None, array("q", [7]).tobytes()]
