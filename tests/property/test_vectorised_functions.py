"""Functions of whole columns: the fast tier calls them once for all rows, and gets what the exact tier gets row by row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from corpus.in_process import FixedEnvironment, exact_only, registry, stream_of
from corpus.random_rules import plain
from plutino.compiler import compile_plan
from plutino.model import Batch
from plutino.planner import plan_rule
from plutino.spi import DecodePlan, Registry, RuleOptions, sql_function
from plutino.sql import parse_select

CALLS: list[int] = []


@sql_function(vectorised=True)
def fraction(above: list[float], below: list[float]) -> list[float]:
    """A fraction; there is none of zero."""
    CALLS.append(len(above))
    return [a / b for a, b in zip(above, below, strict=True)]


@sql_function(vectorised=True)
def shouted(texts: list[str]) -> list[str]:
    """In capitals."""
    CALLS.append(len(texts))
    return [text.upper() for text in texts]


@dataclass
class Extended(FixedEnvironment):
    """With the functions above."""

    @property
    def registry(self) -> Registry:
        found = registry()
        return replace(found, functions={**found.functions, "fraction": fraction, "shouted": shouted})


STREAM = stream_of("demo", '() WITH (FORMAT="json")')
ENV = Extended({STREAM.ref: STREAM})
STATEMENTS = (
    "SELECT fraction(a, b) AS f FROM demo",
    "SELECT fraction(a, b) AS f, shouted(s) AS t, a FROM demo WHERE a > 1",
    "SELECT fraction(fraction(a, 2), b) AS f FROM demo WHERE s != 'x'",
    "SELECT fraction(a + 1, b) * 2 AS f FROM demo WHERE fraction(a, b) > 1",
    "SELECT *, shouted(s) AS t FROM demo WHERE a > 1",
    "SELECT CASE WHEN a > 1 THEN fraction(a, b) ELSE 0 END AS f FROM demo",
)
rows = st.fixed_dictionaries(
    {}, optional={"a": st.sampled_from([0, 1, 2, 2.5, None]), "b": st.sampled_from([0, 4, 0.5]), "s": st.sampled_from(["x", "y"])}
)


def _results(statement: str, payloads: list[bytes], *, exact: bool) -> tuple[list[Any], list[tuple[int, str]]]:
    compiled = compile_plan(plan_rule(parse_select(statement), ENV, RuleOptions(), rule_id="r", text=statement))
    need, spec = compiled.needs["demo"], registry().formats["json"]
    plan = DecodePlan(need.columns, need.whole, {} if exact else need.kinds, STREAM.content.schema)
    program = exact_only(compiled.factory()) if exact else compiled.factory()
    program.start(0)
    batch = program.push("demo", spec.decoder(plan, spec.options()).decode(payloads))
    assert batch is None or isinstance(batch, Batch)
    return ([plain(r) for r in batch.dicts()], [(e.at, e.text) for e in batch.errors or ()]) if batch is not None else ([], [])


@given(st.sampled_from(STATEMENTS), st.lists(rows, min_size=1, max_size=6))
def test_columns_and_rows_agree(statement: str, messages: list[dict[str, Any]]) -> None:
    """Also where one row fails, or has nulls."""
    payloads = [msgspec.json.encode(m) for m in messages]
    assert _results(statement, payloads, exact=False) == _results(statement, payloads, exact=True)


def test_one_call_for_all_rows() -> None:
    """Rows that the condition keeps, and no others."""
    payloads = [msgspec.json.encode({"a": a, "b": 2, "s": "x"}) for a in range(10)]
    CALLS.clear()
    assert _results(STATEMENTS[1], payloads, exact=False)[0][0] == {"f": 1.0, "t": "X", "a": 2.0}
    assert CALLS == [8, 8]
    CALLS.clear()
    assert _results("SELECT fraction(a, b) AS f FROM demo WHERE a > 100", payloads, exact=False) == ([], [])
    assert CALLS == []
