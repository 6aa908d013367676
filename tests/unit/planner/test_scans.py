"""What a plan asks of the decoder."""

from __future__ import annotations

import pytest

from corpus.in_process import FixedEnvironment, rule_options, stream_of
from plutino.compiler import compile_plan
from plutino.planner import plan_rule
from plutino.planner.explain import explain
from plutino.sql import parse_select

DEMO = stream_of("demo", '(a bigint, b string, c float, d boolean) WITH (FORMAT="json")')
ENV = FixedEnvironment({DEMO.ref: DEMO})


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("select count(*) as n from demo", set()),
        ("select count(*) as n from demo group by tumblingwindow(ss, 1)", set()),
        ("select b, count(*) as n from demo where c > 1 group by b, tumblingwindow(ss, 1)", {"b", "c"}),
        ("select max(a) as m, count(*) as n from demo group by countwindow(3, 1)", {"a"}),
        ("select a from demo where count(*) > 0 group by countwindow(2)", {"a"}),
        ("select a as x, x + 1 as y from demo group by countwindow(2) order by c", {"a", "c"}),
        ("select lag(a) over (partition by b when d) as l from demo", {"a", "b", "d"}),
        ("select collect(*) as n from demo group by countwindow(3)", {"a", "b", "c", "d"}),
        ("select * from demo group by countwindow(3)", {"a", "b", "c", "d"}),
    ],
)
def test_a_rule_reads_the_columns_that_it_names(sql: str, columns: set[str]) -> None:
    """Only named columns are decoded; counting rows reads nothing of them."""
    compiled = compile_plan(plan_rule(parse_select(sql), ENV, rule_options({}), rule_id="r"))
    assert set(compiled.needs["demo"].columns) == columns


def test_explanations_name_what_a_star_stands_for() -> None:
    """The wire text of a plan names every column for count(*), as the original does."""
    plan = plan_rule(parse_select("select b, count(*) as n from demo group by b, countwindow(2)"), ENV, rule_options({}), rule_id="r")
    assert "StreamFields:[ a, b, c, d ]" in explain(plan)
