"""Sliding windows that keep aggregates of slices give what those that keep rows give, whatever comes in, also over a snapshot."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.in_process import registry
from plutino.compiler.buffered import compile_buffered
from plutino.compiler.rule import operator_names
from plutino.compiler.slicing import compile_slicing, slices
from plutino.execution import slices as kept
from plutino.execution.buffered import BufferedProgram
from plutino.execution.slicing import SlicingProgram
from plutino.planner import plan_rule
from plutino.planner.plan import RulePlan
from plutino.spi import DecodePlan, Program, RuleOptions
from plutino.sql import parse_select
from unit.planner.test_extensions import START, environment, shown

SQL = (
    "select avg(x) as a, sum(x) as s, max(x) as hi, min(x) as lo, count(x) as c, count(*) as n from a group by slidingwindow(ms, 20)",
    "select y, sum(x) as s, count(*) as n from a group by slidingwindow(ms, 20) over (when y > 1)",
    "select max(x) as hi, count(*) as n from a where y > 1 group by slidingwindow(ms, 20) over (when y < 3) having count(*) > 1",
)
VALUES = st.one_of(st.integers(-5, 5), st.floats(-5, 5, width=16), st.none(), st.sampled_from(["p", "q"]))
NUMBERS = st.one_of(st.integers(-5, 5), st.none())
ROWS = st.lists(st.fixed_dictionaries({"y": st.integers(0, 3)}, optional={"x": VALUES}), min_size=1, max_size=4)
STEPS = st.lists(st.tuples(st.integers(0, 15), ROWS), max_size=12)


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
        batch = decoder.decode([msgspec.json.encode(row) for row in rows])
        batch.arrival = now
        out = program.push("a", batch)
        found.append((shown(out), [] if out is None else [e.text for e in getattr(out, "errors", None) or ()]))
        if restart is not None:
            state = program.snapshot()
            program = restart()
            program.restore(state)
    return found


@pytest.mark.parametrize("sql", SQL)
@given(steps=STEPS, version=st.sampled_from(["", "v2"]), restart=st.booleans())
def test_slices_give_what_rows_give(sql: str, steps: list[tuple[int, list[dict[str, Any]]]], version: str, restart: bool) -> None:
    """With slices of three rows, so that few rows make many slices."""
    planned = plan(sql, version)
    assert slices(planned)
    names = operator_names(planned)
    rows, _ = compile_buffered(planned, names)
    sliced, _ = compile_slicing(planned, names)
    expected = run(BufferedProgram(rows), steps)
    with patch.object(kept, "SLICE_ROWS", 3):
        made = run(SlicingProgram(sliced), steps, restart=(lambda: SlicingProgram(sliced)) if restart else None)
    assert [step[1] for step in made] == [step[1] for step in expected]
    for (got, _), (want, _) in zip(made, expected, strict=True):
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            assert one == pytest.approx(other)
