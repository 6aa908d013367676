"""Which windows keep accumulators or slices, and which keep their rows."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from plutino.compiler import compile_plan
from plutino.planner import plan_rule
from plutino.spi import RuleOptions
from plutino.sql import parse_select
from unit.planner.test_extensions import compiled, environment, push, started

CHEAP = ("AccumulatingProgram", "SlicingProgram")


def form(sql: str, *, event_time: bool = False) -> str:
    env = environment("a")
    for ref, definition in env.definitions.items():
        timed = replace(definition.content, options={**definition.content.options, "TIMESTAMP": "t"})
        env.definitions[ref] = replace(definition, content=timed)
    plan = plan_rule(parse_select(sql), env, RuleOptions(is_event_time=event_time), rule_id="r", text=sql)
    return type(compile_plan(plan).factory()).__name__


@pytest.mark.parametrize("key", ["", "k, "])
@pytest.mark.parametrize(
    ("window", "event_time_too"),
    [
        ("tumblingwindow(ss, 1)", True),
        ("tumblingwindow(ss, 1) filter (where v > 1)", False),
        ("hoppingwindow(ss, 2, 1)", True),
        ("slidingwindow(ss, 1)", True),
        ("slidingwindow(ss, 1) over (when v > 1)", True),
        ("slidingwindow(ss, 1) filter (where v > 1)", False),
        ("sessionwindow(ss, 10, 1)", False),
        ("countwindow(10)", True),
        ("countwindow(10, 3)", True),
    ],
)
def test_aggregates_that_can_be_put_together_need_no_rows(key: str, window: str, event_time_too: bool) -> None:
    """With groups and without."""
    sql = f"select avg(v) as m, max(v) as hi, count(*) as n from a where v > 0 group by {key}{window} having count(*) > 1"
    assert form(sql) in CHEAP
    assert (form(sql, event_time=True) in CHEAP) is event_time_too


@pytest.mark.parametrize(
    "sql",
    [
        "select collect(v) as l from a group by hoppingwindow(ss, 2, 1)",
        "select * from a group by countwindow(3, 1)",
        "select sum(v) as s from a group by slidingwindow(ss, 1, 1)",
        "select sum(v - lag(v)) as s from a group by slidingwindow(ss, 1)",
        "select sum(v) as s from a where to_json(*) like '%x%' group by slidingwindow(ss, 1)",
        "select sum(v) as s from a group by statewindow(v > 1, v > 3)",
    ],
)
def test_others_keep_their_rows(sql: str) -> None:
    """Aggregates of whole lists, whole rows, and what rows remember."""
    assert form(sql) == "BufferedProgram"


def test_conditions_over_whole_rows() -> None:
    """A sliding window knows the rows that its condition reads."""
    rule = compiled("select count(*) as n from a where to_json(*) like '%x%' group by slidingwindow(ss, 1)")
    assert push(rule, started(rule), "a", {"s": "x"}, {"s": "y"}, {"o": "x"}) == [{"n": 1}, {"n": 1}, {"n": 2}]
