"""QUALIFY: what holds of the rows that are given out, asked when their items are known."""

from __future__ import annotations

from typing import Any

import pytest

from plutino.compiler import compile_plan
from plutino.errors import PlanError, SqlSyntaxError
from plutino.model import Batch, row_type
from plutino.model.row import from_dicts
from plutino.planner import plan_rule
from plutino.planner.explain import explain
from plutino.spi import RuleOptions
from plutino.sql import parse_select, to_sql
from unit.planner.test_extensions import START, compiled, environment, push, shown, started


def given_out(sql: str, rows: list[dict[str, Any]]) -> list[Any]:
    rule = compiled(sql)
    return push(rule, started(rule), "a", *rows)


def test_aliases_and_analytic_functions_are_known() -> None:
    """The state of analytic functions goes on with rows that are left out."""
    sql = "select t - lag(t) as step from a qualify step > 2 or lag(t) is null"
    assert given_out(sql, [{"t": 1}, {"t": 2}, {"t": 5}, {"t": 9}, {"t": 9}]) == [{}, {"step": 3}, {"step": 4}]


def test_a_call_of_its_own() -> None:
    """What QUALIFY calls need not be shown; a star stays as it is."""
    rows = [{"k": 1, "v": 1}, {"k": 2, "v": 1}, {"k": 1, "v": 1, "o": "x"}, {"k": 1, "v": 3, "o": "y"}]
    sql = "select * from a where k = 1 qualify had_changed(true, v) = true"
    assert given_out(sql, rows) == [{"k": 1, "v": 1}, {"k": 1, "v": 3, "o": "y"}]


@pytest.mark.parametrize("number", ["n", "row_number() over (partition by k order by v desc)"])
def test_the_best_of_each_partition(number: str) -> None:
    """Row numbers, by their alias or by themselves; ORDER BY and LIMIT see what is left."""
    rows = [{"k": k, "v": v} for k, v in ((1, 5), (2, 1), (1, 7), (2, 3), (3, 0))]
    item = ", row_number() over (partition by k order by v desc) as n invisible" if number == "n" else ""
    sql = f"select k, v{item} from a group by countwindow(5) qualify {number} = 1 order by v desc limit 2"
    assert given_out(sql, rows) == [{"k": 1, "v": 7}, {"k": 2, "v": 3}]


@pytest.mark.parametrize("window", ["countwindow(4)", "tumblingwindow(ms, 10)", "hoppingwindow(ms, 10, 10)", "slidingwindow(ms, 100)"])
def test_groups_by_what_is_shown_of_them(window: str) -> None:
    """Unlike HAVING it may ask for anything; a window of which nothing is left is not sent."""
    for wanted, expected in (("x", [{"k": "x", "s": 3}]), ("z", [])):
        rule = compiled(f"select k, sum(v) as s from a group by k, {window} qualify k = '{wanted}' and s < 10 and count(*) = 2")
        program = started(rule)
        rows = [{"k": k, "v": v} for k, v in (("x", 1), ("y", 5), ("y", 7), ("x", 2))]
        out = push(rule, program, "a", *rows)
        deadline = program.next_deadline()
        if deadline is not None:
            last = program.advance(START + 20)
            assert isinstance(last, Batch) if expected else last is None
            out += shown(last)
        assert out == expected


def test_what_fails_fails_its_row() -> None:
    """With the clause in the text; a null is not true."""
    rule = compiled("select v from a qualify v > 1")
    rows = from_dicts(row_type(rule.needs["a"].columns), [{"v": 2}, {"v": "x"}, {}, {"v": 1}])
    out = started(rule).push("a", Batch(rows, arrival=START))
    assert isinstance(out, Batch)
    assert shown(out) == [{"v": 2}]
    assert [(error.stage, error.text) for error in out.errors or ()] == [
        ("qualify", "run Qualify error: invalid operation string(x) > int64(1)")
    ]


def test_hits_are_the_rows_that_pass() -> None:
    """``last_hit_count`` counts in its own clause."""
    sql = "select v from a qualify v > 1 and last_hit_count() < 2"
    assert given_out(sql, [{"v": 2}, {"v": 0}, {"v": 3}, {"v": 4}]) == [{"v": 2}, {"v": 3}]


def test_the_word_is_not_reserved() -> None:
    """Columns and streams may be called so; the clause has its place behind HAVING."""
    assert given_out("select qualify from a where qualify > 1 qualify qualify < 3", [{"qualify": n} for n in (1, 2, 3)]) == [{"qualify": 2}]
    for wrong in ("select a from a order by a qualify a > 1", "select a from a qualify", "select a from a qualify a > 1 where a > 2"):
        with pytest.raises(SqlSyntaxError):
            parse_select(wrong)
    assert given_out("select v from a qualify (v > 1)", [{"v": 1}, {"v": 2}]) == [{"v": 2}]
    text = "SELECT v FROM a GROUP BY COUNTWINDOW(2) HAVING count(*) > 1 QUALIFY v > 1 ORDER BY v ASC LIMIT 1"
    assert to_sql(parse_select(to_sql(parse_select(text)))) == to_sql(parse_select(text))


def test_set_returning_functions_stand_in_the_select_list() -> None:
    """As in every other clause."""
    with pytest.raises((PlanError, SqlSyntaxError), match="srf"):
        compiled("select v from a qualify unnest(v) = 1")


def test_explanations_show_it() -> None:
    """With the projection."""
    sql = "select v from a qualify v > 1"
    plan = plan_rule(parse_select(sql), environment("a"), RuleOptions(), rule_id="r", text=sql)
    assert "Qualify:{ binaryExpr:{ a.v > 1 } }" in explain(plan)
    assert compile_plan(plan).columns == ("v",)


def test_groups_are_numbered_by_their_aggregates() -> None:
    """The group with the largest sum, by alias or by the aggregate itself."""
    rows = [{"k": 1, "v": 2}, {"k": 2, "v": 5}, {"k": 1, "v": 9}, {"k": 2, "v": 1}]
    for order in ("s", "sum(v)"):
        sql = f"select k, sum(v) as s from a group by k, countwindow(4) qualify row_number() over (order by {order} desc) = 1"
        assert given_out(sql, rows) == [{"k": 1, "s": 11}]
