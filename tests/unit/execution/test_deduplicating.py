"""``dedup_trigger``: rows ask for stretches of time, and leave with what nobody asked for before."""

from __future__ import annotations

from typing import Any

import pytest

from plutino.compiler import CompiledRule
from plutino.errors import PlanError, SqlSyntaxError
from plutino.model import Batch, row_type
from plutino.model.row import from_dicts
from plutino.spi import Program
from unit.planner.test_extensions import START, compiled, push, shown, started

SQL = "select rule, dedup_trigger(begin, finish, ts, 99999) as ranges from a"


def row(begin: Any, finish: Any, ts: Any, rule: str = "r") -> dict[str, Any]:
    return {"begin": begin, "finish": finish, "ts": ts, "rule": rule}


def pieces(*stretches: tuple[int, int]) -> list[dict[str, str]]:
    return [{"start_key": str(low), "end_key": str(high)} for low, high in stretches]


def given_out(rule: CompiledRule, program: Program, *rows: dict[str, Any]) -> list[Any]:
    """Per row the pieces of what it brings out; every row has ended when it comes."""
    return [[list(out["ranges"]) for out in push(rule, program, "a", each)] for each in rows]


def test_a_row_leaves_when_its_end_has_come() -> None:
    """By the time that a later row tells, in order of the ends; each with the part that is new."""
    rule = compiled(SQL)
    program = started(rule)
    assert push(rule, program, "a", row(100, 200, 150, "x")) == []
    assert push(rule, program, "a", row(110, 210, 160, "x")) == []
    assert push(rule, program, "a", row(90, 180, 180, "y")) == [{"rule": "y", "ranges": pieces((90, 180))}]
    assert push(rule, program, "a", row(1700, 1800, 1800, "y")) == [
        {"rule": "x", "ranges": pieces((180, 200))},
        {"rule": "x", "ranges": pieces((200, 210))},
        {"rule": "y", "ranges": pieces((1700, 1800))},
    ]
    assert program.next_deadline() is None


def test_the_clock_goes_on_where_rows_do_not_come() -> None:
    """What is left until the end of the first row passes by itself, then until the end of the next."""
    rule = compiled(SQL)
    program = started(rule)
    push(rule, program, "a", row(100, 200, 150))
    push(rule, program, "a", row(100, 230, 160))
    assert program.next_deadline() == START + 40
    assert shown(program.advance(START + 39)) == []
    assert shown(program.advance(START + 40)) == [{"rule": "r", "ranges": pieces((100, 200))}]
    assert program.next_deadline() == START + 70
    assert shown(program.advance(START + 75)) == [{"rule": "r", "ranges": pieces((200, 230))}]


def test_gaps_between_what_was_given_out_are_filled() -> None:
    """Several pieces in order; nothing new is null."""
    rule = compiled(SQL)
    rows = [row(b, e, 1000) for b, e in ((100, 200), (50, 70), (250, 270), (80, 260), (280, 290), (60, 275), (35, 285), (40, 60))]
    assert given_out(rule, started(rule), *rows) == [
        [pieces((100, 200))],
        [pieces((50, 70))],
        [pieces((250, 270))],
        [pieces((80, 100), (200, 250))],
        [pieces((280, 290))],
        [pieces((70, 80), (270, 275))],
        [pieces((35, 50), (275, 280))],
        [[]],
    ]


def test_what_is_expired_counts_no_more() -> None:
    """Stretches end where the time to live has passed, and what was given out before that is forgotten."""
    rule = compiled(SQL.replace("99999", "100"))
    rows = [row(100, 200, 200), row(50, 210, 210), row(10, 20, 300), row(150, 400, 450), row(400, 500, 1000)]
    assert given_out(rule, started(rule), *rows) == [[pieces((100, 200))], [pieces((200, 210))], [[]], [pieces((350, 400))], [[]]]


def test_a_state_goes_on_elsewhere() -> None:
    """Rows that wait, the clock, and what was given out."""
    rule = compiled("select *, dedup_trigger(begin, finish, ts, 1000) from a where ts > 0")
    program, other = started(rule), started(rule)
    push(rule, program, "a", row(100, 200, 200), row(150, 400, 250), row(0, 1, 0))
    other.restore(program.snapshot())
    expected = [{**row(150, 400, 250), "dedup_trigger": pieces((200, 400))}]
    assert shown(program.advance(START + 200)) == shown(other.advance(START + 200)) == expected


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"begin": 1, "ts": 3}, "dedup_trigger finish is missing"),
        (row(5, 3, 3), "dedup_trigger start time 5 is greater than end time 3"),
        (row(5, 5, 3), "dedup_trigger start time 5 is greater than end time 5"),
        (row("x", 5, 3), "dedup_trigger start time x is not int64"),
        (row(1, 1.5, 3), "dedup_trigger end time 1.5 is not int64"),
        (row(1, 2, True), "dedup_trigger now time true is not int64"),
    ],
)
def test_rows_that_say_no_stretch_fail(bad: dict[str, Any], told: str) -> None:
    """With what is wrong; the others go on."""
    rule = compiled(SQL)
    program = started(rule)
    columns = rule.needs["a"].columns

    out = program.push("a", Batch(from_dicts(row_type(columns), [bad, row(1, 2, 2)]), arrival=START))
    assert isinstance(out, Batch)
    assert [error.text for error in out.errors or ()] == [told]
    assert shown(out) == [{"rule": "r", "ranges": pieces((1, 2))}]
    assert program.operators == ("3_dedup_trigger", "4_project")
    assert list(program.counters) == [[2, 1, 1], [1, 1, 0]]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select dedup_trigger(a, b, c) from a", "Expect 4 arguments but found 3"),
        ("select dedup_trigger(a, b + 1, c, 5) from a", "Expect column for parameter 2"),
        ("select dedup_trigger(a, b, c, d) from a", "Expect int literal for parameter 4"),
        ("select dedup_trigger(a, b, c, 5) from a group by countwindow(2)", "the rows of one stream as they come"),
        ("select dedup_trigger(a, b, c, 5) as x, dedup_trigger(a, b, c, 5) as y from a", "stands twice"),
    ],
)
def test_what_it_cannot_do_is_refused(sql: str, told: str) -> None:
    """With the reason."""
    with pytest.raises((PlanError, SqlSyntaxError), match=told):
        compiled(sql)
