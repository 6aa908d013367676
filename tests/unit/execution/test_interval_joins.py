"""Joins without a window: rows of two streams that lie close in time."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from plutino.compiler import compile_plan
from plutino.errors import PlanError
from plutino.model import Batch, row_type
from plutino.model.row import from_dicts
from plutino.planner import plan_rule
from plutino.planner.explain import explain
from plutino.spi import Program, RuleOptions
from plutino.sql import parse_select
from unit.planner.test_extensions import START, compiled, environment, push, shown, started

INNER = "select a.n as l, b.n as r from a inner join b on a.k = b.k within (ms, 10)"


def feed(rule: Any, program: Program, *rows: tuple[int, str, int]) -> list[Any]:
    """Rows as time after the start, stream and number; all of one key."""
    return [row for at, stream, n in rows for row in push(rule, program, stream, {"k": 1, "n": n}, at=START + at)]


def test_pairs_come_once_with_the_later_row() -> None:
    """Both directions, and the distance itself counts."""
    rule = compiled(INNER)
    program = started(rule)
    assert feed(rule, program, (0, "a", 1)) == []
    assert feed(rule, program, (10, "b", 2)) == [{"l": 1, "r": 2}]
    assert feed(rule, program, (11, "b", 3)) == []
    assert feed(rule, program, (20, "a", 4)) == [{"l": 4, "r": 2}, {"l": 4, "r": 3}]
    assert feed(rule, program, (40, "b", 5)) == []


def test_the_condition_decides() -> None:
    """Rows of other keys are no partners."""
    rule = compiled(INNER)
    program = started(rule)
    push(rule, program, "a", {"k": 1, "n": 1})
    assert push(rule, program, "b", {"k": 2, "n": 2}) == []
    assert push(rule, program, "b", {"k": 1, "n": 3}) == [{"l": 1, "r": 3}]


@pytest.mark.parametrize(("kind", "kept", "other", "lone"), [("left", "a", "b", {"l": 1}), ("right", "b", "a", {"r": 1})])
def test_outer_joins_wait_for_partners(kind: str, kept: str, other: str, lone: dict[str, int]) -> None:
    """A row without partner is given when none can come any more."""
    rule = compiled(INNER.replace("inner", kind))
    program = started(rule)
    assert feed(rule, program, (0, kept, 1)) == []
    assert program.next_deadline() == START + 11
    assert shown(program.advance(START + 9)) == []
    assert shown(program.advance(START + 10)) == []
    assert shown(program.advance(START + 11)) == [lone]
    assert feed(rule, program, (20, other, 2), (25, kept, 3), (30, other, 4)) == []
    pairs = shown(program.advance(START + 36))
    assert [sorted(pair.values()) for pair in pairs] == [[2, 3], [3, 4]]
    assert program.next_deadline() is None


def test_a_state_goes_on_elsewhere() -> None:
    """Rows that wait for partners are part of the snapshot."""
    for sql in (INNER, INNER.replace("inner", "left")):
        rule = compiled(sql)
        program, other = started(rule), started(rule)
        feed(rule, program, (0, "a", 1), (1, "b", 2), (2, "a", 3))
        other.restore(program.snapshot())
        for later in (program, other):
            out = feed(rule, later, (8, "b", 4)) + shown(later.advance(START + 50))
            assert {(row.get("l"), row.get("r")) for row in out} >= {(1, 4), (3, 4)}


def test_event_time_sorts_first() -> None:
    """Pairs follow the rows' own times; a row waits for the watermark of both streams."""
    env = environment("a", "b")
    for ref, definition in env.definitions.items():
        timed = replace(definition.content, options={**definition.content.options, "TIMESTAMP": "t"})
        env.definitions[ref] = replace(definition, content=timed)
    options = RuleOptions(is_event_time=True, late_tolerance=0)
    rule = compile_plan(plan_rule(parse_select(INNER), env, options, rule_id="r", text=INNER))
    program = started(rule)
    out: list[Any] = []
    for stream, time in (("a", 5), ("b", 12), ("b", 30), ("a", 26), ("a", 100), ("b", 100)):
        columns = rule.needs[stream].columns
        rows = from_dicts(row_type(columns), [{"k": 1, "n": time, "t": time}])
        out += shown(program.push(stream, Batch(rows, arrival=START, times=[time])))
    assert out == [{"l": 5, "r": 12}, {"l": 26, "r": 30}, {"l": 100, "r": 100}]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (INNER + " group by tumblingwindow(ss, 1)", "without a window"),
        ("select * from a full join b on a.k = b.k within (ss, 1)", "not with FULL JOIN"),
        ("select * from a cross join b within (ss, 1)", "not with CROSS JOIN"),
    ],
)
def test_what_an_interval_cannot_do_is_refused(sql: str, told: str) -> None:
    """With the reason."""
    with pytest.raises(PlanError, match=told):
        compiled(sql)


def test_explain_names_the_interval() -> None:
    """As the window that it is."""
    env = environment("a", "b")
    shown_plan = explain(plan_rule(parse_select(INNER), env, RuleOptions(), rule_id="r", text=INNER))
    assert "windowType:INTERVAL" in shown_plan
