"""Whether the state of one version of a rule fits the next, and if not, why."""

from __future__ import annotations

import pytest

from plutino.compiler import why_other
from unit.planner.test_extensions import compiled

OLD = "select k, sum(v) as s from a where v > 0 group by k, countwindow(5)"


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (OLD, ""),
        ("select k as key, sum(v) + 1 as s from a where v > 7 group by k, countwindow(5) having sum(v) > 2", ""),
        (OLD.replace("5", "6"), "its window is another"),
        (OLD.replace("countwindow(5)", "countwindow(5) filter (where v > 1)"), "its window is another"),
        (OLD.replace("group by k,", "group by v,"), "it groups by something else"),
        (OLD.replace("sum(v)", "max(v)"), "its aggregates are others"),
        (OLD.replace("where v > 0 ", ""), "a condition has come or gone"),
        (OLD.replace("from a", "from b"), "it reads other streams or columns"),
        (OLD.replace("select k,", "select k, lag(k) as l,"), "its analytic functions are others"),
        ("select s from (" + OLD + ") as q", "it reads other streams or columns"),
    ],
)
def test_the_reason_names_what_its_author_changed(new: str, why: str) -> None:
    """What is computed of the same state may change."""
    assert why_other(compiled(OLD).shape, compiled(new).shape) == why


def test_parts_of_a_rule_are_compared_one_by_one() -> None:
    """The window of the inner query differs."""
    inner = "select q.s from ({}) as q"
    assert why_other(compiled(inner.format(OLD)).shape, compiled(inner.format(OLD.replace("5", "6"))).shape) == "its window is another"


def test_windows_that_share_rows_keep_no_columns_but_those_that_are_shown() -> None:
    """So a state without a column does not fit a version that shows it."""
    old = "select sum(v) as s from a group by k, slidingwindow(ss, 5)"
    assert (
        why_other(compiled(old).shape, compiled(old.replace("select", "select k,")).shape)
        == "it shows other columns of the rows in its window"
    )
    assert why_other(compiled(old).shape, compiled(old.replace("sum(v)", "sum(v) + 1")).shape) == ""
