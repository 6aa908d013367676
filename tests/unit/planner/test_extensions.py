"""What the dialect has beyond the original: IS NULL, DISTINCT in aggregates, UNION ALL, queries in FROM."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from corpus.in_process import FixedEnvironment, registry
from plutino.compiler import CompiledRule, compile_plan
from plutino.errors import PlanError, SqlSyntaxError
from plutino.model import Batch, Definition, Ref
from plutino.planner import plan_rule
from plutino.planner.explain import explain
from plutino.resources.stream.content import content_of
from plutino.spi import DecodePlan, Program, RuleOptions, Suspended
from plutino.sql import parse_select, parse_statement, sources_of, tree

START = 1_700_000_000_000


def environment_with(texts: Iterable[str]) -> FixedEnvironment:
    """The streams and tables of these statements."""
    env = FixedEnvironment()
    for text in texts:
        statement = parse_statement(text)
        assert isinstance(statement, tree.CreateStream)
        ref = Ref(statement.kind, statement.name)
        env.definitions[ref] = Definition(ref, text, content_of(statement))
    return env


def environment(*names: str) -> FixedEnvironment:
    """Schemaless streams with these names."""
    return environment_with(f'create stream {name} () with (DATASOURCE="t", FORMAT="json")' for name in names)


def compiled(sql: str) -> CompiledRule:
    return compile_plan(plan_rule(parse_select(sql), environment("a", "b"), RuleOptions(), rule_id="r", text=sql))


def push(rule: CompiledRule, program: Program, stream: str, *rows: dict[str, Any], at: int = START) -> list[Any]:
    """The rows that leave when rows come in."""
    need, spec = rule.needs[stream], registry().formats["json"]
    decoder = spec.decoder(DecodePlan(need.columns, need.whole, need.kinds), msgspec.convert({}, spec.options))
    batch = decoder.decode([msgspec.json.encode(row) for row in rows])
    batch.arrival = at
    return shown(program.push(stream, batch))


def shown(output: Batch | Suspended | None) -> list[Any]:
    assert not isinstance(output, Suspended)
    return [] if output is None else output.dicts()


def started(rule: CompiledRule) -> Program:
    program: Program = rule.factory()
    program.start(START)
    return program


@pytest.mark.parametrize(
    ("condition", "passes"),
    [("x is null", [2, 3]), ("x is not null", [1]), ("x is null and y = 1", [3]), ("x + 1 is null", [2, 3])],
)
def test_is_null_tests_for_null_and_missing(condition: str, passes: list[int]) -> None:
    """A null and a missing key are null, anything else is not."""
    rule = compiled(f"select n from a where {condition}")
    rows = ({"n": 1, "x": 5, "y": 1}, {"n": 2, "x": None, "y": 0}, {"n": 3, "y": 1})
    assert [row["n"] for row in push(rule, started(rule), "a", *rows)] == passes


def test_distinct_takes_each_value_once() -> None:
    """Nulls and repeated values are left out."""
    rule = compiled("select count(distinct x) as n, sum(distinct x) as s, count(x) as c from a group by countwindow(5)")
    rows = [{"x": x} for x in (1, 2, 1, None, 2)]
    assert push(rule, started(rule), "a", *rows) == [{"n": 2, "s": 3, "c": 4}]


def test_distinct_is_for_aggregates() -> None:
    """Anywhere else it is refused."""
    with pytest.raises(PlanError, match="no aggregate function"):
        compiled("select lower(distinct x) as n from a")


def test_union_all_gives_the_rows_of_all_queries() -> None:
    """Each query reads its own stream; one stream may stand in several."""
    rule = compiled("select x as v from a where x > 1 union all select y as v from b union all select x * 10 as v from a")
    assert rule.streams == ("a", "b")
    program = started(rule)
    assert push(rule, program, "a", {"x": 1}, {"x": 2}) == [{"v": 2}, {"v": 10}, {"v": 20}]
    assert push(rule, program, "b", {"y": 7}) == [{"v": 7}]


def test_a_query_in_from_is_a_source() -> None:
    """Filters, names and aggregates of the inner query are done before the outer one."""
    rule = compiled("select t.k, t.d + 1 as e from (select k, x * 2 as d from a where x > 1) as t where d < 10")
    program = started(rule)
    assert push(rule, program, "a", {"k": "p", "x": 1}, {"k": "q", "x": 2}, {"k": "r", "x": 6}) == [{"k": "q", "e": 5}]


def test_aggregates_over_aggregates() -> None:
    """A window over the output of a window."""
    rule = compiled("select max(n) as most from (select k, count(*) as n from a group by k, countwindow(3)) as t group by countwindow(2)")
    program = started(rule)
    assert push(rule, program, "a", {"k": "p"}, {"k": "p"}, {"k": "q"}) == [{"most": 2}]
    fresh = rule.factory()
    fresh.restore(program.snapshot())
    assert push(rule, fresh, "a", {"k": "p"}, {"k": "p"}, {"k": "p"}) == []
    assert push(rule, fresh, "a", {"k": "z"}, {"k": "z"}, {"k": "z"}) == [{"most": 3}]


def test_unknown_columns_of_a_query_in_from_are_found() -> None:
    """The columns of the inner query are known."""
    with pytest.raises(PlanError) as caught:
        compiled("select t.temprature from (select x as temperature from a) as t")
    assert caught.value.suggestion == "temperature"


def test_a_query_in_from_needs_a_name() -> None:
    """Without AS it is refused."""
    with pytest.raises(SqlSyntaxError, match="needs a name"):
        parse_select("select x from (select x from a)")


def test_sources_are_found_inside() -> None:
    """Streams of inner queries count as sources of the rule."""
    query = parse_select("select x from (select x from a union all select x from b) as t union all select y from c")
    assert sources_of(query) == ("a", "b", "c")


def test_plans_show_what_is_inside() -> None:
    """An inner query stands below the projection that reads it."""
    env = environment("a", "b")
    plan = plan_rule(parse_select("select x from (select x from a union all select x from b) as t"), env, RuleOptions(), rule_id="r")
    assert [line.strip().split('"')[3] for line in explain(plan).splitlines()] == [
        "ProjectPlan_0",
        "UnionPlan_1",
        "ProjectPlan_2",
        "DataSourcePlan_3",
        "ProjectPlan_4",
        "DataSourcePlan_5",
    ]


@pytest.mark.parametrize(
    "window",
    [
        "tumblingwindow(dd, 100000000)",
        "hoppingwindow(dd, 1, 9999999999)",
        "sessionwindow(dd, 9223372036854775807, 1)",
        "slidingwindow(ss, 1, 9999999999999)",
    ],
)
def test_windows_last_a_century_at_most(window: str) -> None:
    """Dates would end before they do."""
    with pytest.raises(PlanError, match=r"at most \d+ are possible"):
        compiled(f"select count(*) as n from a group by {window}")


def test_replace_adds_or_overwrites() -> None:
    """A name that no column has is a new column."""
    rule = compiled("select * replace (v * 2 as v, v as w) from a")
    assert push(rule, started(rule), "a", {"v": 1}) == [{"v": 2, "w": 1}]
