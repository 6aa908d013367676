"""Event time with sources that fall silent: ``idleTimeout``, and the count of rows that come too late."""

from __future__ import annotations

from typing import Any

import pytest

from corpus.in_process import FixedEnvironment, compile_keeping_rows
from plutino.compiler import CompiledRule, compile_plan
from plutino.execution.entry import Entry
from plutino.execution.ordering import EventOrder
from plutino.model import Batch
from plutino.planner import RulePlan, plan_rule
from plutino.spi import Program, RuleOptions
from plutino.sql import parse_select
from property.test_window_forms import decoder_of, environment, shown

ENVIRONMENT: FixedEnvironment = environment("")
IDLE = 300


def rule(sql: str, *, keeping: bool = False, idle: int = IDLE, tolerance: int = 0) -> tuple[CompiledRule, Program]:
    options = RuleOptions(is_event_time=True, late_tolerance=tolerance, idle_timeout=idle)
    plan = plan_rule(parse_select(sql), ENVIRONMENT, options, rule_id="r")
    assert isinstance(plan, RulePlan)
    compiled = compile_keeping_rows(plan) if keeping else compile_plan(plan)
    program = compiled.factory()
    program.start(10_000)
    return compiled, program


def push(compiled: CompiledRule, program: Program, at: int, *times: int) -> list[Any]:
    batch = decoder_of(compiled, ENVIRONMENT).decode([b'{"a": 1}'] * len(times))
    batch.arrival, batch.times = at, list(times)
    return shown(program.push("demo", batch))


def until(program: Program, end: int) -> list[tuple[int, list[Any]]]:
    """What time alone brings out, and when."""
    found = []
    while (due := program.next_deadline()) is not None and due <= end:
        out = program.advance(due)
        if out is not None:
            found.append((due, shown(out)))
    return found


@pytest.mark.parametrize("keeping", [False, True])
def test_windows_of_a_silent_source_close(keeping: bool) -> None:
    """Event time goes on with the clock, from the last row on, once the source has been silent for long enough."""
    compiled, program = rule("SELECT count(*) AS n, window_end() AS e FROM demo GROUP BY tumblingwindow(ss, 1)", keeping=keeping)
    assert push(compiled, program, 10_100, 5_200, 5_700) == []
    assert until(program, 11_000) == [(10_700, [[{"n": 2, "e": 6_000}]])]  # 300 ms of silence, and 300 ms to the boundary
    # a row that was away for as long as the source was silent is not late, nor is one from before the watermark taken
    assert push(compiled, program, 11_000, 6_600) == []
    assert push(compiled, program, 11_000, 5_990) == []
    assert until(program, 13_000)[0] == (11_700, [[{"n": 1, "e": 7_000}]])


def test_without_the_option_windows_wait() -> None:
    """As in the original."""
    compiled, program = rule("SELECT count(*) AS n FROM demo GROUP BY tumblingwindow(ss, 1)", idle=0)
    push(compiled, program, 10_100, 5_200)
    assert program.next_deadline() is None


@pytest.mark.parametrize(
    ("window", "end"), [("sessionwindow(ss, 10, 1)", 11_401), ("slidingwindow(ms, 500, 200)", 10_600), ("hoppingwindow(ss, 2, 1)", 11_400)]
)
@pytest.mark.parametrize("keeping", [False, True])
def test_every_window_closes(window: str, end: int, keeping: bool) -> None:
    compiled, program = rule(f"SELECT count(*) AS n FROM demo GROUP BY {window}", keeping=keeping)
    push(compiled, program, 10_100, 5_000)
    assert until(program, end - 1) == []
    assert until(program, end) == [(end, [[{"n": 1}]])]


def test_rows_without_a_window_leave() -> None:
    """They waited for the tolerance only."""
    compiled, program = rule("SELECT a FROM demo", tolerance=1000)
    assert push(compiled, program, 10_000, 5_000) == []
    assert until(program, 20_000) == [(11_300, [[{"a": 1}]])]
    assert program.next_deadline() is None


def test_a_silent_stream_holds_the_others_back_no_more() -> None:
    """It is waited for until it has been silent for long enough, and then again from its next row on."""
    order = EventOrder(0, (0, 1), IDLE)
    order.begin(1_000)
    assert order.take(0, [Entry("a", 50, {}, None)], 1_100) == []
    assert order.deadline(None) == 1_300
    assert [e.row for e in order.elapse(1_300) or ()] == ["a"]
    assert [e.row for e in order.take(0, [Entry("b", 60, {}, None)], 1_310)] == ["b"]
    assert order.take(1, [Entry("late", 40, {}, None), Entry("c", 60, {}, None)], 1_320) == []
    assert order.dropped == 1
    assert order.take(0, [Entry("d", 90, {}, None)], 1_330) == []
    assert [e.row for e in order.take(1, [Entry("e", 80, {}, None)], 1_340)] == ["c", "e"]
    assert order.watermark == 80


def test_late_rows_are_counted() -> None:
    """At the watermark: rows in, rows out, failed, too late."""
    compiled, program = rule("SELECT count(*) AS n FROM demo GROUP BY countwindow(2)", idle=0)
    push(compiled, program, 10_000, 100, 300, 200, 400, 150)
    assert next(zip(program.operators, program.counters, strict=True)) == ("3_watermark", [5, 3, 0, 2])


def test_silence_is_counted_anew_after_a_restart() -> None:
    """Time that the rule was away is no silence: what comes right after it is not late."""
    sql = "SELECT count(*) AS n, window_end() AS e FROM demo GROUP BY tumblingwindow(ss, 1)"
    compiled, program = rule(sql)
    push(compiled, program, 10_100, 5_200)
    again = compiled.factory()
    again.start(50_000)
    again.restore(program.snapshot())
    assert push(compiled, again, 50_001, 5_300, 6_500) == [[{"n": 2, "e": 6_000}]]
    assert isinstance(again.push("demo", Batch([], arrival=50_002)), Batch | None)
