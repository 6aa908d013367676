"""The wire text of plans, and the names of the operators that carry them out, as the original has them."""

from __future__ import annotations

import json

import pytest

from corpus.in_process import FixedEnvironment, rule_options, stream_of
from plutino.compiler.rule import operator_names
from plutino.planner import RulePlan, plan_rule
from plutino.planner.explain import explain
from plutino.sql import parse_select

STREAMS = {
    "demo": '(a bigint, b string, ts bigint) with (DATASOURCE="d", TYPE="memory", TIMESTAMP="ts")',
    "other": '(a bigint, c string) with (DATASOURCE="o", TYPE="memory")',
    "third": '(a bigint) with (DATASOURCE="t", TYPE="memory")',
    "loose": '() with (DATASOURCE="l", TYPE="memory")',
}
ENV = FixedEnvironment({(d := stream_of(name, text)).ref: d for name, text in STREAMS.items()})


def _plan(sql: str, *, event_time: bool = False) -> RulePlan:
    plan = plan_rule(parse_select(sql), ENV, rule_options({"isEventTime": event_time}), rule_id="r")
    assert isinstance(plan, RulePlan)
    return plan


def _lines(sql: str, *, event_time: bool = False) -> list[tuple[str, str]]:
    found = [json.loads(line) for line in explain(_plan(sql, event_time=event_time)).split("\n")]
    return [(line["op"], line["info"]) for line in found]


DEMO = "StreamName: demo, StreamFields:[ a, b, ts ]"


@pytest.mark.parametrize(
    ("sql", "lines"),
    [
        ("select * from loose", [("ProjectPlan_0", "Fields:[ * ]"), ("DataSourcePlan_1", "StreamName: loose")]),
        (
            "select a from other limit 2",
            [("ProjectPlan_0", "Fields:[ other.a ], Limit:2"), ("DataSourcePlan_1", "StreamName: other, StreamFields:[ a ]")],
        ),
        (
            "select a, row_number() + 1 as n from other",
            [
                (
                    "ProjectPlan_0",
                    "Fields:[ $$alias.n,aliasRef:binaryExpr:{ Call:{ name:bypass, args:[wf_row_number_1] } + 1 }, other.a ]",
                ),
                ("WindowFuncPlan_1", "windowFuncField:{name:wf_row_number_1, expr:Call:{ name:row_number }}"),
                ("DataSourcePlan_2", "StreamName: other, StreamFields:[ a ]"),
            ],
        ),
        (
            "select *, b + 1 as c from loose where a > 1",
            [
                ("ProjectPlan_0", "Fields:[ *, $$alias.c,aliasRef:binaryExpr:{ loose.b + 1 } ]"),
                ("FilterPlan_1", "Condition:{ binaryExpr:{ loose.a > 1 } }, "),
                ("DataSourcePlan_2", "StreamName: loose"),
            ],
        ),
        (
            "select b, a as z, count(*) as n, c from loose group by countwindow(2)",
            [
                (
                    "ProjectPlan_0",
                    "Fields:[ loose.b, $$alias.z,aliasRef:loose.a, $$alias.n,aliasRef:Call:{ name:count, args:[*] }, loose.c ]",
                ),
                ("WindowPlan_1", "{ length:2, windowType:COUNT_WINDOW, limit: 0 }"),
                ("DataSourcePlan_2", "StreamName: loose, StreamFields:[ a, b ]"),
            ],
        ),
        (
            "select c, *, a as z, z + 1 as b, a + 1 as y from other",
            [
                (
                    "ProjectPlan_0",
                    "Fields:[ $$alias.y,aliasRef:binaryExpr:{ other.a + 1 }, $$alias.z,aliasRef:other.a, "
                    "$$alias.b,aliasRef:binaryExpr:{ $$alias.z,aliasRef:other.a + 1 }, other.c, * ]",
                ),
                ("DataSourcePlan_1", "StreamName: other, StreamFields:[ a, c ]"),
            ],
        ),
        (
            "select unnest(x) as u from loose limit 3",
            [
                ("ProjectSetPlan_0", "SrfMap:{key:u}, EnableLimit:true"),
                ("ProjectPlan_1", "Fields:[ $$alias.u,aliasRef:Call:{ name:unnest, args:[loose.x] } ]"),
                ("DataSourcePlan_2", "StreamName: loose, StreamFields:[ x ]"),
            ],
        ),
        (
            "select latest(lag(a)) over (when a > 1) as l from other where lag(c) = 'x'",
            [
                (
                    "ProjectPlan_0",
                    "Fields:[ $$alias.l,aliasRef:Call:{ name:latest, args:[Call:{ name:lag, args:[other.a] }], "
                    "when:{ binaryExpr:{ other.a > 1 } } } ]",
                ),
                ("FilterPlan_1", "Condition:{ binaryExpr:{ Call:{ name:lag, args:[other.c] } = x } }, "),
                (
                    "AnalyticFuncsPlan_2",
                    "Funcs:[ Call:{ name:lag, args:[other.c] } ], FieldFuncs:[ Call:{ name:lag, args:[other.a] }, "
                    "Call:{ name:latest, args:[Call:{ name:lag, args:[other.a] }], when:{ binaryExpr:{ other.a > 1 } } } ]",
                ),
                ("DataSourcePlan_3", "StreamName: other, StreamFields:[ a, c ]"),
            ],
        ),
        (
            "select demo.b from demo inner join other on demo.a = other.a left join third on third.a = demo.a group by countwindow(2)",
            [
                ("ProjectPlan_0", "Fields:[ demo.b ]"),
                (
                    "JoinPlan_1",
                    "Joins:[ { joinType:INNER_JOIN, binaryExpr:{ demo.a = other.a } }, "
                    "{ joinType:LEFT_JOIN, binaryExpr:{ third.a = demo.a } } ]",
                ),
                ("WindowPlan_2", "{ length:2, windowType:COUNT_WINDOW, limit: 0 }"),
                ("DataSourcePlan_3", "StreamName: demo, StreamFields:[ a, b ]"),
                ("DataSourcePlan_4", "StreamName: other, StreamFields:[ a ]"),
                ("DataSourcePlan_5", "StreamName: third, StreamFields:[ a ]"),
            ],
        ),
        (
            "select count(*) from demo group by countwindow(2) filter (where a > 1)",
            [
                ("ProjectPlan_0", "Fields:[ Call:{ name:count, args:[*] } ]"),
                ("WindowPlan_1", "{ length:2, windowType:COUNT_WINDOW, condition:binaryExpr:{ demo.a > 1 }, limit: 0 }"),
                ("DataSourcePlan_2", DEMO),
            ],
        ),
    ],
)
def test_plans_are_worded_as_the_original_does(sql: str, lines: list[tuple[str, str]]) -> None:
    """Every node has its line."""
    assert _lines(sql) == lines


@pytest.mark.parametrize(
    ("sql", "middle", "windowed"),
    [
        ("select a from demo where a > 1", ["FilterPlan_1"], "false"),
        ("select count(*) from demo group by tumblingwindow(ss, 1)", ["WindowPlan_1"], "true"),
    ],
)
def test_event_time_has_a_place_that_keeps_it(sql: str, middle: list[str], windowed: str) -> None:
    """Directly above what is read."""
    lines = _lines(sql, event_time=True)
    assert [name for name, _ in lines[1:-2]] == middle
    assert lines[-2] == (f"WatermarkPlan_{len(lines) - 2}", f"Emitters:[ demo ], SendWatermark:{windowed}")


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("select count(*) from demo group by countwindow(2) filter (where a > 1)", ("3_windowFilter", "3_window", "4_project")),
        (
            "select demo.b from demo inner join other on demo.a = other.a inner join third on third.a = demo.a group by countwindow(2)",
            ("3_window", "4_join", "5_project"),
        ),
    ],
)
def test_operators_are_named_as_in_the_original(sql: str, names: tuple[str, ...]) -> None:
    """A window and its filter share their number; all joins are one operator."""
    assert operator_names(_plan(sql)) == names
