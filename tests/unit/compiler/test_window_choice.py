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


@pytest.mark.parametrize("event_time", [False, True])
@pytest.mark.parametrize("key", ["", "k, "])
@pytest.mark.parametrize("condition", ["", " filter (where v > 1)"])
@pytest.mark.parametrize(
    "window",
    [
        "tumblingwindow(ss, 1)",
        "hoppingwindow(ss, 2, 1)",
        "slidingwindow(ss, 1){}",
        "slidingwindow(ss, 1){} over (when v > 1)",
        "slidingwindow(ss, 1, 1){}",
        "sessionwindow(ss, 10, 1)",
        "countwindow(10)",
        "countwindow(10, 3)",
        "statewindow(v > 1, v > 3)",
        "statewindow(v > 1){} over (partition by k)",
    ],
)
@pytest.mark.parametrize("beside", ["", ", row_number() as no", ", lag(v) as l", ", meta(topic) as t", ", *"])
def test_aggregates_that_can_be_put_together_need_no_rows(window: str, beside: str, condition: str, key: str, event_time: bool) -> None:
    """With groups and without, whatever else is asked of a group, and of the one row that stands for it."""
    window = window.format(condition) if "{}" in window else window + condition
    sql = f"select avg(v) as m, max(v) as hi, count(*) as n{beside} from a where v > 0 group by {key}{window} having count(*) > 1"
    assert form(sql, event_time=event_time) in CHEAP


@pytest.mark.parametrize(
    "sql",
    [
        "select collect(v) as l from a group by hoppingwindow(ss, 2, 1)",
        "select * from a group by countwindow(3, 1)",
        "select sum(v - window_start()) as s from a group by tumblingwindow(ss, 1)",
    ],
)
def test_others_keep_their_rows(sql: str) -> None:
    """Aggregates of whole lists, rows that are given out themselves, and arguments that are known when the window ends."""
    assert form(sql) == "BufferedProgram"


def test_conditions_over_whole_rows() -> None:
    """A sliding window knows the rows that its condition reads."""
    rule = compiled("select count(*) as n from a where to_json(*) like '%x%' group by slidingwindow(ss, 1)")
    assert push(rule, started(rule), "a", {"s": "x"}, {"s": "y"}, {"o": "x"}) == [{"n": 1}, {"n": 1}, {"n": 2}]
