"""As-of joins: each row with the latest row of another stream that has its key."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from plutino.compiler import compile_plan
from plutino.errors import PlanError, SqlSyntaxError
from plutino.model import Batch, row_type
from plutino.model.row import from_dicts
from plutino.planner import plan_rule
from plutino.planner.explain import explain
from plutino.spi import Program, RuleOptions
from plutino.sql import parse_select, to_sql
from unit.planner.test_extensions import START, compiled, environment, push, shown, started

SQL = "select a.n as l, b.n as r from a asof join b on a.k = b.k"
LEFT = SQL.replace("asof", "asof left")
AGED = LEFT + " within (ms, 10)"


def feed(rule: Any, program: Program, *rows: tuple[int, str, Any, int]) -> list[Any]:
    """Rows as time after the start, stream, key and number."""
    return [row for at, stream, k, n in rows for row in push(rule, program, stream, {"k": k, "n": n}, at=START + at)]


def test_the_latest_row_of_the_key_counts() -> None:
    """Rows of the other stream bring nothing out, and may be used by many."""
    rule = compiled(SQL)
    program = started(rule)
    rows = (
        (0, "a", 1, 0),
        (1, "b", 1, 10),
        (2, "b", 2, 20),
        (3, "a", 1, 1),
        (4, "b", 1, 11),
        (5, "a", 1, 2),
        (6, "a", 2, 3),
        (9, "a", 3, 4),
    )
    assert feed(rule, program, *rows) == [{"l": 1, "r": 10}, {"l": 2, "r": 11}, {"l": 3, "r": 20}]
    assert program.next_deadline() is None


def test_left_joins_give_every_row() -> None:
    """Also those whose key is unknown or null."""
    rule = compiled(LEFT)
    rows = ((0, "a", 1, 0), (1, "b", 1, 10), (1, "b", None, 11), (2, "a", None, 1), (3, "a", 1.0, 2), (4, "a", "1", 3), (5, "a", True, 4))
    assert feed(rule, started(rule), *rows) == [{"l": 0}, {"l": 1}, {"l": 2, "r": 10}, {"l": 3}, {"l": 4}]


def test_partners_may_be_too_old() -> None:
    """WITHIN says how old; the distance itself counts."""
    rule = compiled(AGED)
    program = started(rule)
    rows = ((0, "b", 1, 10), (5, "b", 2, 20), (10, "a", 1, 0), (11, "a", 1, 1), (12, "a", 2, 2), (16, "a", 2, 3))
    assert feed(rule, program, *rows) == [{"l": 0, "r": 10}, {"l": 1}, {"l": 2, "r": 20}, {"l": 3}]


def test_a_state_goes_on_elsewhere() -> None:
    """The latest row of each key is part of the snapshot."""
    for sql in (SQL, AGED):
        rule = compiled(sql)
        program, other = started(rule), started(rule)
        feed(rule, program, (0, "b", 1, 10), (1, "b", 2, 20), (2, "b", 1, 11))
        other.restore(program.snapshot())
        for later in (program, other):
            assert feed(rule, later, (5, "a", 1, 0), (6, "a", 2, 1)) == [{"l": 0, "r": 11}, {"l": 1, "r": 20}]


def test_event_time_decides_what_came_before() -> None:
    """Whatever the order of arrival."""
    env = environment("a", "b")
    for ref, definition in env.definitions.items():
        timed = replace(definition.content, options={**definition.content.options, "TIMESTAMP": "t"})
        env.definitions[ref] = replace(definition, content=timed)
    rule = compile_plan(plan_rule(parse_select(SQL), env, RuleOptions(is_event_time=True, late_tolerance=0), rule_id="r", text=SQL))
    program = started(rule)
    out: list[Any] = []
    for stream, time in (("a", 5), ("b", 7), ("b", 3), ("b", 9), ("a", 8), ("a", 100), ("b", 100)):
        rows = from_dicts(row_type(rule.needs[stream].columns), [{"k": 1, "n": time, "t": time}])
        out += shown(program.push(stream, Batch(rows, arrival=START, times=[time])))
    assert out == [{"l": 8, "r": 7}, {"l": 100, "r": 9}]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (SQL + " group by tumblingwindow(ss, 1)", "without a window"),
        (SQL.replace("asof", "asof right"), "not with RIGHT JOIN"),
        (SQL.replace("a.k = b.k", "a.k > b.k"), "one equality"),
        (SQL.replace("a.k = b.k", "a.k = b.k and a.n = b.n"), "one equality"),
        (SQL.replace("a.k = b.k", "a.k = a.n"), "one equality"),
        (SQL.replace("on a.k = b.k", ""), "one equality"),
    ],
)
def test_what_it_cannot_do_is_refused(sql: str, told: str) -> None:
    """With the reason."""
    with pytest.raises(PlanError, match=told):
        compiled(sql)


def test_the_word_is_not_reserved() -> None:
    """It is found in front of a join alone, and printed there."""
    assert to_sql(parse_select("select asof from a asof inner join b as asof on a.k = asof.k")) == (
        "SELECT asof FROM a ASOF INNER JOIN b AS asof ON a.k = asof.k"
    )
    with pytest.raises(SqlSyntaxError):
        parse_select("select * from a asof b")
    plan = plan_rule(parse_select(SQL), environment("a", "b"), RuleOptions(), rule_id="r", text=SQL)
    assert "windowType:ASOF" in explain(plan)
