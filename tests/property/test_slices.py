"""Windows that keep aggregates of slices give what those that keep rows give, whatever comes in, also over a snapshot."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.in_process import registry
from plutino.compiler.buffered import compile_buffered
from plutino.compiler.rule import compile_plan, generate, operator_names
from plutino.execution import slices as kept
from plutino.execution.accumulating import AccumulatingCode
from plutino.execution.buffered import BufferedProgram
from plutino.execution.slicing import SlicingCode
from plutino.planner import plan_rule
from plutino.planner.plan import RulePlan
from plutino.spi import Capturing, DecodePlan, Program, RuleOptions
from plutino.sql import parse_select
from unit.planner.test_extensions import START, environment, shown

SQL = (
    "select avg(x) as a, sum(x) as s, max(x) as hi, min(x) as lo, count(x) as c, count(*) as n from a group by slidingwindow(ms, 20)",
    "select y, sum(x) as s, count(*) as n from a group by slidingwindow(ms, 20) over (when y > 1)",
    "select max(x) as hi, count(*) as n from a where y > 1 group by slidingwindow(ms, 20) over (when y < 3) having count(*) > 1",
    "select y, avg(x) as a, max(x) as hi, count(*) as n from a group by y, slidingwindow(ms, 20)",
    "select sum(x) + 1 as s, count(x) as c from a where y > 0 group by x, y, slidingwindow(ms, 20) having count(*) > 1",
    "select y, min(x) as lo from a group by y, slidingwindow(ms, 20) over (when y > 1) order by y desc limit 2",
    "select avg(x) as a, max(x) as hi, count(*) as n, window_start() as b, window_end() as e from a group by hoppingwindow(ms, 20, 7)",
    "select y, sum(x) as s, min(x) as lo, count(*) as n from a where y > 0 group by y, hoppingwindow(ms, 100, 5)",
    "select x, y, count(*) as n from a group by hoppingwindow(ms, 5, 20)",
    "select sum(x) as s, max(x) as hi, count(*) as n, window_start() as b, window_end() as e from a group by countwindow(5, 2)",
    "select y, avg(x) as a, count(x) as n from a where y > 0 group by y, countwindow(7, 1)",
    "select y, avg(x) as a, max(x) as hi from a group by y, countwindow(40, 2) having sum(x) > 2",
    "select x, count(*) as n, max(y) as hi from a group by x, slidingwindow(ms, 20)",
    "select x, sum(y) as s, y + 1 as z from a group by slidingwindow(ms, 40) over (when y > 1)",
    "select x, y, count(*) as n from a group by x, hoppingwindow(ms, 20, 7) order by y",
)
VALUES = st.one_of(st.integers(-5, 5), st.floats(-5, 5), st.none(), st.sampled_from(["p", "q", True, False, 1, 1.0, 0.0, -0.0, 2**64, [1]]))
NUMBERS = st.one_of(st.floats(-5, 5), st.integers(-5, 5))
READINGS = st.one_of(NUMBERS, st.none())


def steps_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[int, list[dict[str, Any]]]]]:
    rows = st.lists(st.fixed_dictionaries({"y": st.integers(0, 3)}, optional={"x": values}), min_size=1, max_size=4)
    return st.lists(st.tuples(st.integers(0, 15), rows), max_size=20)


STEPS = st.one_of(steps_of(NUMBERS), steps_of(READINGS), steps_of(VALUES))


def plan(sql: str, version: str) -> RulePlan:
    made = plan_rule(parse_select(sql), environment("a"), RuleOptions(window_version=version), rule_id="r", text=sql)
    assert isinstance(made, RulePlan)
    return made


def run(program: Program, steps: list[tuple[int, list[dict[str, Any]]]], *, restart: Any = None) -> list[Any]:
    """What leaves, per step: rows, or the errors' texts."""
    need, spec = program.inputs["a"], registry().formats["json"]
    decoder = spec.decoder(DecodePlan(need.columns, need.whole, need.kinds), msgspec.convert({}, spec.options))
    program.start(START)
    found, now = [], START
    for wait, rows in steps:
        now += wait
        deadline = program.next_deadline()
        while deadline is not None and deadline <= now:
            found.append(given_out(program.advance(deadline)))
            deadline = program.next_deadline()
        batch = decoder.decode([msgspec.json.encode(row) for row in rows])
        batch.arrival = now
        found.append(given_out(program.push("a", batch)))
        if restart is not None:
            assert isinstance(program, Capturing)
            encode = program.capture()
            program.push("a", batch)  # what comes in meanwhile is not part of the state
            state = encode()
            program = restart()
            program.restore(state)
    return found


def given_out(out: Any) -> tuple[list[Any], list[int], list[str]]:
    """Rows, messages and errors."""
    return shown(out), [] if out is None else list(out.sizes or ()), [] if out is None else [e.text for e in out.errors or ()]


@pytest.mark.parametrize("sql", SQL)
@given(steps=STEPS, version=st.sampled_from(["", "v2"]), restart=st.booleans(), exact_rows=st.sampled_from([0, 4, 64]))
def test_slices_give_what_rows_give(
    sql: str, steps: list[tuple[int, list[dict[str, Any]]]], version: str, restart: bool, exact_rows: int
) -> None:
    """With slices of three rows, so that few rows make many slices. Where all rows are added up, sums are equal to the last digit."""
    planned = plan(sql, version)
    names = operator_names(planned)
    code, _ = generate(planned, names)
    assert isinstance(code, SlicingCode | AccumulatingCode)
    assert code.slices is not None
    rows, _ = compile_buffered(planned, names)
    make = compile_plan(planned).factory
    expected = run(BufferedProgram(rows), steps)
    with patch.multiple(kept, SLICE_ROWS=3, LONG_SLICE_ROWS=3, EXACT_ROWS=exact_rows):
        made = run(make(), steps, restart=make if restart else None)
    assert [step[1:] for step in made] == [step[1:] for step in expected]
    for (got, *_), (want, *_) in zip(made, expected, strict=True):
        if exact_rows == 64 or code.slices.exact:
            assert got == want
            continue
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            assert list(one) == list(other)
            assert all(map(alike, one.values(), other.values())), (one, other)


def alike(one: Any, other: Any) -> bool:
    """Whether two values are the same, floats but for the last digits."""
    if isinstance(one, float) and isinstance(other, float):
        return bool(one == pytest.approx(other))
    return repr(one) == repr(other)


@pytest.mark.parametrize(
    "window", ["sessionwindow(ms, 40, 8)", "sessionwindow(ms, 10, 14)", "sessionwindow(ms, 7, 3)", "tumblingwindow(ms, 20)"]
)
@given(steps=STEPS, restart=st.booleans())
def test_accumulators_give_what_rows_give(window: str, steps: list[tuple[int, list[dict[str, Any]]]], restart: bool) -> None:
    """Where windows share no rows; sessions end by themselves, and are cut when they last too long."""
    sql = f"select y, sum(x) as s, count(*) as n, window_start() as b, window_end() as e from a where y > 0 group by y, {window}"
    planned = plan(sql, "")
    names = operator_names(planned)
    assert isinstance(generate(planned, names)[0], AccumulatingCode)
    rows, _ = compile_buffered(planned, names)
    make = compile_plan(planned).factory
    assert run(make(), steps, restart=make if restart else None) == run(BufferedProgram(rows), steps)
