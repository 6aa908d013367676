"""Whatever a statement says and whatever its rows hold, nothing but our own errors comes out, and soon."""

from __future__ import annotations

import time
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from corpus.in_process import FixedEnvironment, registry, rule_options, stream_of
from corpus.random_rules import Grammar, damaged
from plutino.compiler import CompiledRule, compile_plan
from plutino.errors import FormatError, PlutinoError
from plutino.model import Batch, Ref, attribute
from plutino.planner import plan_rule
from plutino.spi import DecodePlan, Decoder
from plutino.sql import parse_select

SCHEMAS = ("", "a bigint, b float, s string, f boolean, l array(bigint), m struct(k bigint), ts bigint")
EVENT_TIME = {"isEventTime": True, "lateTolerance": "0s"}
OPTIONS: tuple[dict[str, Any], ...] = ({}, {}, EVENT_TIME, {"sendMetaToSink": True}, {"sendNilField": True})
PER_EXAMPLE = 20
"""Statements per example: making an example costs more than a rule."""
PATIENCE_S = 5.0
"""Processor time that one rule over a few rows may take, with a wide margin for a loaded machine."""


def environment(schema: str) -> FixedEnvironment:
    streams = [stream_of(name, f'({schema}) WITH (FORMAT="json", TIMESTAMP="ts")') for name in ("demo", "other")]
    return FixedEnvironment({definition.ref: definition for definition in streams})


ENVIRONMENTS = [environment(schema) for schema in SCHEMAS]


@given(st.integers(0, 2**48))
def test_only_our_errors_come_out(seed: int) -> None:
    """A statement is refused with an error of ours, or its rule runs, is interrupted and goes on; each row gives outputs or row errors."""
    for number in range(PER_EXAMPLE):
        chance = Random(seed + number)
        grammar = Grammar(chance)
        sql = damaged(chance) if chance.random() < 0.4 else grammar.statement()
        rows, env, options = grammar.rows(), chance.choice(ENVIRONMENTS), chance.choice(OPTIONS)
        started = time.process_time()
        try:
            run(sql, rows, env, options)
        except Exception as error:
            raise AssertionError(f"{sql!r} with {options} over {rows}") from error
        spent = time.process_time() - started
        assert spent < PATIENCE_S, f"{spent:.1f} s for {sql!r} with {options} over {rows}"


def run(sql: str, rows: list[bytes], env: FixedEnvironment, options: dict[str, Any]) -> None:
    """Plan, compile and run a statement; a new program goes on after each row."""
    try:
        compiled = compile_plan(plan_rule(parse_select(sql), env, rule_options(options), rule_id="r", text=sql))
    except PlutinoError:
        return
    decoders = {name: decoder_of(compiled, name, env) for name in compiled.needs}
    program = compiled.factory()
    program.start(1000)
    for number, row in enumerate(rows):
        for name, decoder in decoders.items():
            encode(program.push(name, batch_of(decoder, row, 1000 + 300 * number, timed="isEventTime" in options)))
        state = program.snapshot()
        program = compiled.factory()
        program.start(9999)
        program.restore(state)
    for _ in range(5):
        deadline = program.next_deadline()
        if deadline is None:
            break
        encode(program.advance(deadline))


def decoder_of(compiled: CompiledRule, name: str, env: FixedEnvironment) -> Decoder:
    need, spec = compiled.needs[name], registry().formats["json"]
    content = env.definitions[Ref("stream", name)].content
    return spec.decoder(DecodePlan(need.columns, need.whole, need.kinds, content.schema), spec.options())


def batch_of(decoder: Decoder, row: bytes, arrival: int, *, timed: bool) -> Batch:
    batch = decoder.decode([row])
    batch.arrival, batch.meta = arrival, {"topic": "t"}
    if timed:
        times = [getattr(r, attribute("ts"), None) for r in batch.rows]
        batch.times = [int(t) if type(t) in (int, float) and abs(t) < 1e15 else arrival for t in times]
    return batch


def encode(output: Any) -> None:
    """What comes out can be written, or says why it cannot."""
    encoder = registry().formats["json"].encoder(None)
    for row in () if output is None or output.passthrough else output.rows:
        try:
            encoder.encode_rows([row])
        except FormatError:
            continue
