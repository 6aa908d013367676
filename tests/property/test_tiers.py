"""The fast tier and the exact tier compute the same, whatever the rule and the rows."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from corpus.in_process import FixedEnvironment, registry
from plutino.compiler import compile_plan
from plutino.errors import PlutinoError
from plutino.model import Batch, Definition, Ref
from plutino.planner import plan_rule
from plutino.resources.stream.content import content_of
from plutino.spi import DecodePlan, RuleOptions
from plutino.sql import parse_select, parse_statement, tree

COLUMNS = ("a", "b", "s", "f")
SCHEMAS = ("", "a bigint, b float, s string, f boolean")

literals = st.one_of(
    st.integers(-5, 5).map(str),
    st.sampled_from(["0.5", "2.0", "-1.25"]),
    st.sampled_from(["'x'", "'ab'", "''"]),
    st.sampled_from(["true", "false"]),
)
columns = st.sampled_from(COLUMNS)
operands = st.one_of(columns, literals)


def _binary(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operator = st.sampled_from(["+", "-", "*", "/", "%", "=", "!=", "<", "<=", ">", ">=", "AND", "OR"])
    return st.tuples(inner, operator, inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")


def _others(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(columns, literals, literals).map(lambda t: f"({t[0]} between {t[1]} and {t[2]})"),
        st.tuples(columns, st.lists(literals, min_size=1, max_size=3)).map(lambda t: f"({t[0]} in ({', '.join(t[1])}))"),
        st.tuples(columns, st.lists(literals, min_size=1, max_size=3)).map(lambda t: f"({t[0]} not in ({', '.join(t[1])}))"),
        st.tuples(columns, st.sampled_from(["'a%'", "'_'", "'%b'"])).map(lambda t: f"({t[0]} like {t[1]})"),
        st.tuples(inner, literals).map(lambda t: f"(case when {t[0]} = {t[1]} then 1 else 2 end)"),
    )


expressions = st.recursive(operands, lambda inner: st.one_of(_binary(inner), _others(inner)), max_leaves=6)
values = st.one_of(
    st.integers(-5, 5),
    st.sampled_from([0.5, 2.0, -1.25, 1e300]),
    st.sampled_from(["x", "ab", ""]),
    st.booleans(),
    st.none(),
    st.just([1]),
    st.just({"k": 1}),
)
usual = {"a": st.integers(-5, 5), "b": st.sampled_from([0.5, 2.0]), "s": st.sampled_from(["x", "ab"]), "f": st.booleans()}
rows = st.lists(st.one_of(st.fixed_dictionaries(usual), st.dictionaries(columns, values)), min_size=1, max_size=6)


def _environment(schema: str) -> FixedEnvironment:
    text = f'create stream demo ({schema}) with (DATASOURCE="t", FORMAT="json")'
    statement = parse_statement(text)
    assert isinstance(statement, tree.CreateStream)
    ref = Ref("stream", "demo")
    return FixedEnvironment({ref: Definition(ref, text, content_of(statement))})


ENVIRONMENTS = {schema: _environment(schema) for schema in SCHEMAS}


def _results(batch: Batch | None) -> tuple[list[Any], list[tuple[int, str]]]:
    if batch is None:
        return [], []
    rows = batch.dicts()
    return [_plain(row) for row in rows], [(e.at, e.text) for e in batch.errors or ()]


def _plain(value: Any) -> Any:
    """Values by what they mean on the wire: whole floats are integers, not-a-number equals itself."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return "nan" if math.isnan(value) else float(value)


@given(schema=st.sampled_from(SCHEMAS), where=expressions, item=expressions, records=rows)
def test_fast_and_exact_tier_agree(schema: str, where: str, item: str, records: list[dict[str, Any]]) -> None:
    """A generated rule over generated rows gives the same rows and the same errors in both tiers."""
    sql = f"select a, {item} as x, s as t from demo where {where}"
    try:
        compiled = compile_plan(plan_rule(parse_select(sql), ENVIRONMENTS[schema], RuleOptions(), rule_id="r"))
    except PlutinoError:
        return
    need = compiled.needs["demo"]
    content = ENVIRONMENTS[schema].definitions[Ref("stream", "demo")].content
    spec = registry().formats["json"]
    decoder = spec.decoder(DecodePlan(need.columns, need.whole, need.kinds, content.schema), msgspec.convert({}, spec.options))
    payloads = [msgspec.json.encode(record) for record in records]
    fast, exact = decoder.decode(payloads), decoder.decode(payloads)
    exact.guarded = False
    program = compiled.factory()
    expected = _results(_forced_exact(compiled.factory(), exact))
    assert _results(program.push("demo", fast)) == expected


def _forced_exact(program: Any, batch: Batch) -> Batch | None:
    program._fast = None
    result: Batch | None = program.push("demo", batch)
    return result
