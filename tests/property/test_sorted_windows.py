"""ORDER BY sorts as the dialect compares, where Python's own order does as well as where it does not."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from plutino.errors import EvaluationError
from plutino.execution import finishing
from plutino.execution.finishing import FinishCode, finish

NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from([1.0, 2.5, float("inf"), float("nan")]))
COLUMN = st.sampled_from([NUMBERS, st.integers(0, 2), st.sampled_from(["a", "b", ""]), st.sampled_from([None, 1, "a", True])])


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    columns = [draw(COLUMN) for _ in range(2)]
    return draw(st.lists(st.tuples(*columns), max_size=12))


@given(keys=tables(), descending=st.tuples(st.booleans(), st.booleans()))
def test_python_sorts_as_the_dialect_does(keys: list[tuple[Any, ...]], descending: tuple[bool, bool]) -> None:
    """Both ways of sorting give the same rows, and fail for the same."""
    code = FinishCode(emit=lambda e, *_: e, order=lambda e, *_: keys[e], descending=descending)

    def given_out() -> Any:
        try:
            return finish(code, [(number, ()) for number in range(len(keys))], (0, 0, 0), ())
        except EvaluationError as error:
            return str(error)

    quick = given_out()
    with patch.object(finishing, "_is_plain", lambda values: False):
        assert quick == given_out()
