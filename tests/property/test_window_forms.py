"""Windows give the same in every form: accumulators or slices in either tier, or kept rows; row by row, or many at once, or interrupted."""

from __future__ import annotations

from random import Random
from typing import Any
from unittest.mock import patch

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from corpus.in_process import FixedEnvironment, compile_keeping_rows, exact_only, registry, rule_options, stream_of
from corpus.random_rules import plain
from plutino.compiler import CompiledRule, compile_plan
from plutino.errors import PlutinoError
from plutino.execution import accumulators
from plutino.execution.accumulators import PENDING_ROWS
from plutino.model import Batch, Ref, attribute
from plutino.planner import RulePlan, plan_rule
from plutino.spi import DecodePlan, Decoder, Program
from plutino.sql import parse_select

SCHEMAS = ("", "a bigint, b float, s string, f boolean, ts bigint")
PER_EXAMPLE = 10
HOPPING = ("hoppingwindow(ms, 1000, 300)", "hoppingwindow(ms, 300, 700)", "hoppingwindow(ms, 400, 20)")
SESSIONS = ("sessionwindow(ms, 1000, 300)", "sessionwindow(ss, 2, 1)", "sessionwindow(ms, 5000, 450)")
TIMED = (*HOPPING, *SESSIONS, "tumblingwindow(ss, 1)", "tumblingwindow(ms, 300)", "slidingwindow(ss, 1)", "slidingwindow(ms, 100)")
DELAYED = ("slidingwindow(ms, 500, 300)", "slidingwindow(ss, 1, 1)", "slidingwindow(ms, 100, 400)")
STATES = ("statewindow(a > 1, f)", "statewindow(b > 1)", "statewindow(a = 1, a = 2) over (partition by s)", "statewindow(lag(a) > 1, f)")
WINDOWS = ("countwindow(3)", "countwindow(1)", "countwindow(4, 2)", "countwindow(3, 1)", *TIMED, *DELAYED, *STATES)
FOLDED = ("count(*)", "count({})", "sum({})", "avg({})", "max({})", "min({})")
AGGREGATES = (*FOLDED, "collect({})", "last_value({}, true)", "stddev({})", "median({})")
CASE = "case when f = true then a else 0 end"
ANALYTIC = ("lag(a)", "acc_sum(a)", "had_changed(true, s)", "lag(b, 2) OVER (PARTITION BY s)", "latest(a) OVER (WHEN a > 1)")
ARGUMENTS = ("a", "b", "s", "f", "a + b", "a * 2", "a / b", "m->k", "length(s)", "abs(a)", "upper(s)", CASE, "a > b", "a - lag(a)")
BESIDE = (
    *("a", "s", "window_start() AS ws", "window_end() AS we", "upper(s) AS u", "row_number() AS no", "meta(topic) AS t"),
    *("event_time() AS et", "*", *ANALYTIC),
)
CONDITIONS = (
    "a > 1",
    "b < 1.0",
    "s = 'x'",
    "f",
    "a in (1, 2)",
    "s like 'a%'",
    "a between 0 and b",
    "a > 's'",
    "a / b > 0",
    "to_json(*) like '%x%'",
)
VALUES: tuple[Any, ...] = (0, 1, 2, 3, -1, 0.5, 2.0, 9007199254740993, "x", "ab", True, False, None, [1])
USUAL: dict[str, tuple[Any, ...]] = {"a": (1, 2, 3, -4), "b": (0.5, 2.0, 1.25), "s": ("x", "ab"), "f": (True, False)}

Arrivals = list[tuple[int, list[dict[str, Any]]]]
"""Rows that arrive together, with the time of their arrival."""


def environment(schema: str) -> FixedEnvironment:
    definition = stream_of("demo", f'({schema}) WITH (FORMAT="json", TIMESTAMP="ts")')
    return FixedEnvironment({definition.ref: definition})


ENVIRONMENTS = [environment(schema) for schema in SCHEMAS]


def statement(chance: Random) -> str:
    """A rule whose window may do without its rows."""
    items = [f"{aggregate(chance)}{chance.choice(('', ' + 1'))} AS x{i}" for i in range(chance.randint(1, 4))]
    items += chance.sample(BESIDE, chance.randint(0, 2))
    where = f" WHERE {chance.choice(CONDITIONS)}" if chance.random() < 0.5 else ""
    key = chance.choice(("", "", "s, ", "a, ", "f, ", "s, a, ", "a % 2, "))
    tail = chance.choice(
        ("", "", " HAVING count(*) > 1", " ORDER BY s", " HAVING sum(a) > 1", " LIMIT 1", " QUALIFY x0 > 1", " QUALIFY s = 'x' LIMIT 1")
    )
    when = f" OVER (WHEN {chance.choice(CONDITIONS)})" if chance.random() < 0.3 else ""
    window, *over = chance.choice(WINDOWS).partition(" over ")
    window += f" FILTER (WHERE {chance.choice(CONDITIONS)})" if chance.random() < 0.2 else ""
    window += "".join(over)
    return f"SELECT {', '.join(items)} FROM demo{where} GROUP BY {key}{window}{when if window.startswith('sliding') else ''}{tail}"


def aggregate(chance: Random) -> str:
    return chance.choice(AGGREGATES).format(chance.choice(ARGUMENTS))


def rows(chance: Random) -> Arrivals:
    """Batches of rows; most values are usual, and times move on."""
    odd, time, batches = chance.choice((0.0, 0.05, 0.3)), 1000, []
    for number in range(chance.randint(1, 4)):
        batch: list[dict[str, Any]] = []
        for _ in range(chance.randint(1, 6)):
            row = {n: chance.choice(VALUES if chance.random() < odd else usual) for n, usual in USUAL.items() if chance.random() < 0.95}
            time += chance.choice((0, 1, 100, 400, 1000, -200))
            batch.append({**row, "m": {"k": chance.choice(USUAL["a"])}, "ts": time})
        batches.append((1000 + 400 * number, batch))
    return batches


@given(st.integers(0, 2**48))
def test_every_form_gives_the_same(seed: int) -> None:
    """The cheapest form, its exact tier, kept rows, single rows and a restart before each batch all give the same windows and errors."""
    for number in range(PER_EXAMPLE):
        chance = Random(seed + number)
        sql, batches, env = statement(chance), rows(chance), chance.choice(ENVIRONMENTS)
        options: dict[str, Any] = {"sendSlidingWindowTwice": True} if chance.random() < 0.3 else {}
        if chance.random() < 0.4:
            options |= {"isEventTime": True, "lateTolerance": chance.choice(("0s", "500ms"))}
            options |= {"idleTimeout": chance.choice(("150ms", "1s"))} if chance.random() < 0.3 else {}
        compare_forms(sql, batches, env, options)


def compare_forms(sql: str, batches: Arrivals, env: FixedEnvironment, options: dict[str, Any]) -> None:
    try:
        plan = plan_rule(parse_select(sql), env, rule_options(options), rule_id="r")
    except PlutinoError:
        return
    assert isinstance(plan, RulePlan)
    cheapest, keeping = compile_plan(plan), compile_keeping_rows(plan)
    singles = [(arrival, [row]) for arrival, batch in batches for row in batch]
    expected = run(keeping, batches, env, options)
    forms = {
        "cheapest": run(cheapest, batches, env, options),
        "exact": run(cheapest, batches, env, options, exact=True),
        "interrupted": run(cheapest, batches, env, options, interrupted=True),
        "in portions": run(cheapest, batches, env, options, portion=3),
        "kept rows, interrupted": run(keeping, batches, env, options, interrupted=True),
        # of a batch the rows that could not be read are told first
        "row by row": apart(run(cheapest, singles, env, options)),
        "kept rows, row by row": apart(run(keeping, singles, env, options)),
    }
    if "idleTimeout" in options:  # silence is counted anew after a restart
        del forms["interrupted"], forms["kept rows, interrupted"]
    for name, given_out in forms.items():
        wanted = apart(expected) if name.endswith("row by row") else expected
        assert given_out == wanted, f"{name}: {sql!r} with {options} over {batches}\n  {given_out}\n  {wanted}"


def apart(messages: list[Any]) -> list[Any]:
    """The windows, and behind them the errors."""
    return [m for m in messages if not isinstance(m, str)] + sorted(m for m in messages if isinstance(m, str))


def run(
    compiled: CompiledRule,
    batches: Arrivals,
    env: FixedEnvironment,
    options: dict[str, Any],
    *,
    exact: bool = False,
    interrupted: bool = False,
    portion: int = PENDING_ROWS,
) -> list[Any]:
    """The windows and errors that a rule gives out, in order. ``portion``: so many rows wait for being folded."""

    def make() -> Program:
        return exact_only(compiled.factory()) if exact else compiled.factory()

    decoder, program = decoder_of(compiled, env), make()
    program.start(1000)
    found: list[Any] = []
    for arrival, records in batches:
        if interrupted:
            state = program.snapshot()
            program = make()
            program.start(77_777)
            program.restore(state)
        batch = decoder.decode([msgspec.json.encode(record) for record in records])
        batch.arrival, batch.meta = arrival, {"topic": f"t{arrival}"}
        if "isEventTime" in options:
            batch.times = [getattr(row, attribute("ts")) for row in batch.rows]
        while (deadline := program.next_deadline()) is not None and deadline <= arrival:
            found += shown(program.advance(deadline))
        with patch.object(accumulators, "PENDING_ROWS", portion):
            found += shown(program.push("demo", batch))
    for _ in range(3):
        deadline = program.next_deadline()
        if deadline is not None:
            found += shown(program.advance(deadline))
    return found


def decoder_of(compiled: CompiledRule, env: FixedEnvironment) -> Decoder:
    need, spec = compiled.needs["demo"], registry().formats["json"]
    content = env.definitions[Ref("stream", "demo")].content
    return spec.decoder(DecodePlan(need.columns, need.whole, need.kinds, content.schema), spec.options())


def shown(output: Any) -> list[Any]:
    """The messages of a batch as lists of rows, errors by their texts between them."""
    if output is None:
        return []
    assert isinstance(output, Batch)
    records, messages, start = [plain(row) for row in output.dicts()], [], 0
    for size in output.sizes or ():
        messages.append(records[start : start + size])
        start += size
    for moved, error in enumerate(output.errors or ()):
        # what exactly an aggregate finds wrong is worded by the form
        messages.insert(error.at + moved, error.text.partition("err:")[0].partition("call func")[0])
    return messages
