"""Tumbling windows: what they gather, when they fire, and that their state survives."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from corpus.in_process import FixedEnvironment, registry
from plutino.compiler import compile_plan
from plutino.model import Batch, Definition, Ref
from plutino.model.moment import set_zone
from plutino.planner import plan_rule
from plutino.resources.stream.content import content_of
from plutino.spi import DecodePlan, Program, RuleOptions
from plutino.sql import parse_select, parse_statement, tree

START = 1_700_000_000_000
ROWS: list[dict[str, Any]] = [
    {"k": "x", "v": 1, "ts": 0},
    {"k": "y", "v": 4, "ts": 200},
    {"k": "x", "v": 2.5, "ts": 900},
    {"k": None, "v": 7, "ts": 1100},
    {"v": 3, "ts": 1200},
    {"k": "x", "ts": 2500},
    {"k": "y", "v": -1, "ts": 4100},
]


class Harness:
    """One compiled rule and the decoder that feeds it."""

    def __init__(self, sql: str, options: RuleOptions | None = None, columns: str = "") -> None:
        set_zone("UTC")
        text = f'create stream demo ({columns}) with (DATASOURCE="t", FORMAT="json", TIMESTAMP="ts")'
        statement = parse_statement(text)
        assert isinstance(statement, tree.CreateStream)
        ref = Ref("stream", "demo")
        env = FixedEnvironment({ref: Definition(ref, text, content_of(statement))})
        self.compiled = compile_plan(plan_rule(parse_select(sql), env, options or RuleOptions(), rule_id="r"))
        need = self.compiled.needs["demo"]
        spec = registry().formats["json"]
        plan = DecodePlan(need.columns, need.whole, need.kinds, env.definitions[ref].content.schema)
        self.decoder = spec.decoder(plan, msgspec.convert({}, spec.options))

    def program(self) -> Program:
        program: Program = self.compiled.factory()
        program.start(START)
        return program

    def batch(self, rows: list[dict[str, Any]], *, guarded: bool = True) -> Batch:
        batch = self.decoder.decode([msgspec.json.encode(r) for r in rows])
        batch.arrival = START + int(rows[-1]["ts"])
        batch.times = [START + int(r["ts"]) for r in rows]
        batch.guarded = batch.guarded and guarded
        return batch


def windows(batch: Batch | None) -> list[list[dict[str, Any]]]:
    """Output rows per window."""
    if batch is None:
        return []
    rows, found = batch.dicts(), []
    for size in batch.sizes or ():
        found.append(rows[:size])
        rows = rows[size:]
    return found


RESULTS = "count(*) as n, count(v) as c, sum(v) as s, avg(v) as a, min(v) as lo, max(v) as hi"
AGGREGATES = f"select k, {RESULTS} from demo group by k, tumblingwindow(ss, 1)"
EVENT_TIME = RuleOptions(is_event_time=True, late_tolerance=0)


@pytest.mark.parametrize("guarded", [True, False])
def test_processing_time_groups_by_key_until_the_boundary(guarded: bool) -> None:
    """Rows before the boundary are one window per key, in order of first appearance; null and missing keys are one group."""
    harness = Harness(AGGREGATES)
    program = harness.program()
    assert program.next_deadline() == START + 1000
    assert program.push("demo", harness.batch(ROWS[:3], guarded=guarded)) is None
    fired = windows(program.push("demo", harness.batch(ROWS[3:5], guarded=guarded)))
    assert fired == [
        [
            {"k": "x", "n": 2, "c": 2, "s": 3.5, "a": 1.75, "lo": 1, "hi": 2.5},
            {"k": "y", "n": 1, "c": 1, "s": 4, "a": 4, "lo": 4, "hi": 4},
        ]
    ]
    assert windows(program.advance(START + 2000)) == [[{"k": None, "n": 2, "c": 2, "s": 10, "a": 5, "lo": 3, "hi": 7}]]
    assert program.next_deadline() == START + 3000


def test_windows_without_rows_still_fire() -> None:
    """An ungrouped aggregate gives one row without the results that are null, a rowwise window gives an empty list."""
    harness = Harness("select count(*) as n, 1 as one, window_start() as w from demo group by tumblingwindow(ss, 1)")
    assert windows(harness.program().advance(START + 1000)) == [[{"one": 1, "w": START}]]
    harness = Harness("select v from demo group by tumblingwindow(ss, 1)")
    assert windows(harness.program().advance(START + 1000)) == [[]]


def test_a_clock_that_jumps_fires_once() -> None:
    """Missed boundaries give one window, and the next boundary lies ahead."""
    harness = Harness("select count(*) as n from demo group by tumblingwindow(ss, 1)")
    program = harness.program()
    program.push("demo", harness.batch(ROWS[:1]))
    assert windows(program.advance(START + 5300)) == [[{"n": 1}]]
    assert program.next_deadline() == START + 6000


def test_event_time_follows_the_watermark_and_drops_late_rows() -> None:
    """Windows close when later rows have come, gaps give empty windows, rows behind the watermark are dropped."""
    harness = Harness("select sum(v) as s from demo group by tumblingwindow(ss, 1)", EVENT_TIME)
    program = harness.program()
    out = windows(program.push("demo", harness.batch([ROWS[1], ROWS[0], ROWS[5]])))
    assert out[:2] == [[{"s": 4}], [{}]]
    assert windows(program.push("demo", harness.batch([ROWS[2], ROWS[6]]))) == [[{}], [{}]]


@pytest.mark.parametrize("sql", [AGGREGATES, "select v, k, v * 2 as w from demo where v > 0 group by tumblingwindow(ss, 1)"])
@pytest.mark.parametrize("options", [RuleOptions(), EVENT_TIME], ids=["processing time", "event time"])
def test_a_snapshot_at_every_row_changes_nothing(sql: str, options: RuleOptions) -> None:
    """Saving the state after each row and going on in a fresh program gives the output of an uninterrupted run."""
    harness = Harness(sql, options)
    whole, resumed = harness.program(), harness.program()
    for row in ROWS:
        expected = windows(whole.push("demo", harness.batch([row])))
        successor = harness.compiled.factory()
        successor.restore(resumed.snapshot())
        resumed = successor
        assert windows(resumed.push("demo", harness.batch([row]))) == expected
    assert windows(resumed.advance(START + 10_000)) == windows(whole.advance(START + 10_000))


def test_a_value_that_cannot_be_summed_fails_the_window() -> None:
    """One text among the numbers replaces the window by an error with the dialect's words."""
    harness = Harness("select sum(v) as s from demo group by tumblingwindow(ss, 1)")
    program = harness.program()
    program.push("demo", harness.batch([{"v": "foo", "ts": 1}]))
    fired = program.advance(START + 1000)
    assert fired is not None
    assert fired.errors is not None
    assert "found invalid arg string(foo)" in fired.errors[0].text
    assert windows(program.advance(START + 2000)) == [[{}]]


def test_integers_stay_integers_and_average_like_them() -> None:
    """Declared BIGINT columns sum and average as 64-bit integers."""
    harness = Harness("select sum(v) as s, avg(v) as a from demo group by tumblingwindow(ss, 1)", columns="v bigint, ts bigint")
    program = harness.program()
    program.push("demo", harness.batch([{"v": 1, "ts": 1}, {"v": 2, "ts": 2}]))
    assert windows(program.advance(START + 1000)) == [[{"s": 3, "a": 1}]]


def test_count_windows_begin_with_their_first_row() -> None:
    """Whether rows are kept or not; the end is that of the last row."""
    for item in ("count(*) as n", "v"):
        harness = Harness(f"select {item}, window_start() as b, window_end() as e from demo group by countwindow(3, 2)")
        program = harness.program()
        fired = [window for row in ROWS[:4] for window in windows(program.push("demo", harness.batch([row])))]
        assert {(row["b"] - START, row["e"] - START) for row in fired[0]} == {(200, 1100)}
