"""Every function that is found keeps the contract, and its examples hold in statements, in both tiers of the generated code."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any

import msgspec
import pytest

from corpus.in_process import FixedEnvironment, exact_only, registry, rule_options, stream_of
from plutino.compiler import compile_plan
from plutino.model import Batch, Ref
from plutino.model.moment import json_moment
from plutino.planner import plan_rule
from plutino.spi import DecodePlan, FunctionKind, FunctionSpec
from plutino.sql import parse_select

DEMO = stream_of("demo", '() WITH (FORMAT="json")')
ENV = FixedEnvironment({DEMO.ref: DEMO})
SPECS = {spec.name: spec for spec in registry().functions.values()}
EXAMPLES = [(spec, text, expected) for spec in SPECS.values() for text, expected in spec.examples]
OVER_ROWS = [(spec, *example) for spec in SPECS.values() for example in spec.over_rows]
OF_THE_PROCESS = {"row_number", "window_start", "window_end", "window_trigger", "event_time", "rule_id", "rule_start"}


def run(sql: str, values: tuple[Any, ...], *, exact: bool) -> list[dict[str, Any]]:
    """The output rows of a statement over rows with a column ``x`` that came with an MQTT topic; nulls stand as nulls."""
    compiled = compile_plan(plan_rule(parse_select(sql), ENV, rule_options({"sendNilField": True}), rule_id="r"))
    need, spec = compiled.needs["demo"], registry().formats["json"]
    content = ENV.definitions[Ref("stream", "demo")].content
    decoder = spec.decoder(DecodePlan(need.columns, need.whole, need.kinds, content.schema), spec.options())
    program = exact_only(compiled.factory()) if exact else compiled.factory()
    program.start(1000)
    batch = decoder.decode([msgspec.json.encode({"x": value}) for value in values])
    batch.meta = {"topic": "hall/1"}
    output = program.push("demo", batch)
    assert isinstance(output, Batch)
    assert not output.errors
    return output.dicts()


def same(got: Any, wanted: Any) -> bool:
    """Equal in value, moments by their text."""
    if isinstance(got, datetime):
        got = json_moment(got)
    if isinstance(wanted, float) and isinstance(got, int | float):
        return math.isclose(got, wanted, rel_tol=1e-12)
    return bool(got == wanted) and isinstance(got, bool) == isinstance(wanted, bool)


@pytest.mark.parametrize("exact", [False, True], ids=["fast", "exact"])
@pytest.mark.parametrize(("spec", "text", "expected"), EXAMPLES, ids=[text for _, text, _ in EXAMPLES])
def test_example_in_a_statement(spec: FunctionSpec, text: str, expected: Any, exact: bool) -> None:
    """An example gives in a rule what the docs say."""
    [row] = run(f"select {text} as y from demo", (1,), exact=exact)
    assert same(row["y"], expected)


@pytest.mark.parametrize("exact", [False, True], ids=["fast", "exact"])
@pytest.mark.parametrize(("spec", "text", "values", "expected"), OVER_ROWS, ids=[f"{text} {values}" for _, text, values, _ in OVER_ROWS])
def test_example_over_rows(spec: FunctionSpec, text: str, values: tuple[Any, ...], expected: Any, exact: bool) -> None:
    """An aggregate gives its value over a window, any other function a value per row, or the rows that it makes."""
    if spec.kind is FunctionKind.AGGREGATE:
        [row] = run(f"select {text} as y from demo group by countwindow({len(values)})", values, exact=exact)
        assert same(row["y"], expected)
    elif all(isinstance(value, dict) for value in expected):
        assert run(f"select {text} from demo", values, exact=exact) == expected
    else:
        found = [row["y"] for row in run(f"select {text} as y from demo", values, exact=exact)]
        assert len(found) == len(expected)
        assert all(map(same, found, expected))


@pytest.mark.parametrize("spec", [pytest.param(spec, id=name) for name, spec in SPECS.items()])
def test_function_keeps_the_contract(spec: FunctionSpec) -> None:
    """Names are what the parser takes, arguments are named, and what a function does is said and shown."""
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in (spec.name, *spec.synonyms))
    assert spec.about
    assert "\n" not in spec.about
    assert not spec.about.endswith(".")
    assert len({arg.name for arg in spec.args}) == len(spec.args)
    assert 0 <= spec.optional <= len(spec.args)
    shown = spec.examples or spec.over_rows or spec.kind is FunctionKind.CONTEXT or spec.name in OF_THE_PROCESS
    assert shown or not spec.pure
