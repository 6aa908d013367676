"""Joins that look partners up give what joins give that ask every pair, whatever the keys are, also over a snapshot."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from plutino.compiler.buffered import compile_buffered
from plutino.compiler.rule import operator_names
from plutino.execution import joining
from plutino.execution.buffered import BufferedCode, BufferedProgram
from plutino.model import Batch, row_type
from plutino.model.row import from_dicts
from plutino.planner import plan_rule
from plutino.planner.plan import RulePlan
from plutino.spi import RuleOptions
from plutino.sql import parse_select
from unit.planner.test_extensions import START, environment, shown

ON = ("a.k = b.k", "b.k = a.k and a.n > b.n")
KINDS = ("inner", "left", "right")
SHOWN = "a.n as l, b.n as r, a.k as lk, b.k as rk"
NUMBERS = st.sampled_from([0, 1, 1.0, 2, 2.5, None, 2**53 + 1, 2**53, 2.0**53])
KEYS = st.one_of(NUMBERS, st.sampled_from(["x", "y", "1", None]), st.sampled_from([True, False, 1, "x", None, [1]]))


def arrivals(keys: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[int, str, dict[str, Any]]]]:
    rows = st.fixed_dictionaries({"n": st.integers(0, 3)}, optional={"k": keys})
    return st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["a", "b"]), rows), max_size=40)


ARRIVALS = st.one_of(arrivals(NUMBERS), arrivals(st.sampled_from(["x", "y", None])), arrivals(st.booleans()), arrivals(KEYS))


def code_of(sql: str) -> BufferedCode:
    plan = plan_rule(parse_select(sql), environment("a", "b"), RuleOptions(), rule_id="r", text=sql)
    assert isinstance(plan, RulePlan)
    return compile_buffered(plan, operator_names(plan))[0]


def run(code: BufferedCode, steps: list[tuple[int, str, dict[str, Any]]], *, restart: bool = False) -> list[Any]:
    """Rows and errors, step by step."""
    program, now, found = BufferedProgram(code), START, []
    program.start(START)

    def take(out: Any) -> None:
        found.append((shown(out), [] if out is None else [e.text for e in out.errors or ()]))

    for wait, stream, row in steps:
        now += wait
        deadline = program.next_deadline()
        while deadline is not None and deadline <= now:
            take(program.advance(deadline))
            deadline = program.next_deadline()
        rows = from_dicts(row_type(program.inputs[stream].columns), [row])
        take(program.push(stream, Batch(rows, records=[row], arrival=now)))
        if restart:
            state = program.snapshot()
            program = BufferedProgram(code)
            program.restore(state)
    take(program.advance(now + 100))
    return [step for step in found if step != ([], [])]


@pytest.mark.parametrize("on", ON)
@pytest.mark.parametrize("kind", [*KINDS, "full"])
@given(steps=ARRIVALS)
def test_joins_in_windows(kind: str, on: str, steps: list[tuple[int, str, dict[str, Any]]]) -> None:
    """Rows, order and errors of a join with look-ups are those of nested loops."""
    code = code_of(f"select {SHOWN}, window_start() as s from a {kind} join b on {on} group by tumblingwindow(ms, 25)")
    loops = replace(code, joins=tuple(replace(join, left_key=None, right_key=None) for join in code.joins))
    assert code.joins[0].left_key is not None
    with patch.object(joining, "FEW_ROWS", 0):
        assert run(code, steps) == run(loops, steps)


@pytest.mark.parametrize("on", ON)
@pytest.mark.parametrize("kind", KINDS)
@given(steps=ARRIVALS, restart=st.booleans())
def test_joins_in_time(kind: str, on: str, steps: list[tuple[int, str, dict[str, Any]]], restart: bool) -> None:
    """Rows of two streams that are close in time find each other by their keys as they do one by one."""
    code = code_of(f"select {SHOWN}, window_start() as s from a {kind} join b on {on} within (ms, 10)")
    operator = code.window
    assert isinstance(operator, partial)
    assert operator.args[1] is not None
    loops = replace(
        code,
        window=partial(operator.func, operator.args[0], None),
        joins=tuple(replace(join, left_key=None, right_key=None) for join in code.joins),
    )
    assert run(code, steps, restart=restart) == run(loops, steps)
