"""Lookup joins inside a program: what is asked, what waits, and in which order it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from corpus.in_process import FixedEnvironment, registry
from plutino.compiler import compile_plan
from plutino.compiler.describe import describe
from plutino.errors import PlanError, TransportError
from plutino.execution.buffered import BufferedProgram
from plutino.model import Batch, Definition, Ref
from plutino.model.moment import set_zone
from plutino.planner import plan_rule
from plutino.planner.explain import explain
from plutino.resources.stream.content import content_of
from plutino.spi import DecodePlan, LookupAnswer, LookupCall, RuleOptions, Suspended
from plutino.spi.suspension import same_value
from plutino.sql import parse_select, parse_statement, tree

START = 1_700_000_000_000
DEVICES: list[dict[str, Any]] = [
    {"id": 1, "name": "pump", "hall": "a"},
    {"id": 2, "name": "fan", "hall": "b"},
    {"id": 2, "name": "fan2", "hall": "a"},
]
HALLS: list[dict[str, Any]] = [{"hall": "a", "chief": "Ann"}, {"hall": "b", "chief": "Bob"}]
TABLES = {"devices": DEVICES, "halls": HALLS}
JOIN = "select demo.x, devices.name from demo inner join devices on demo.id = devices.id"


class Harness:
    """A compiled rule over the stream ``demo`` and the lookup tables ``devices`` and ``halls``."""

    def __init__(self, sql: str, *, columns: str = "", event_time: bool = False) -> None:
        set_zone("UTC")
        texts = {
            Ref("stream", "demo"): f'create stream demo ({columns}) with (DATASOURCE="t", FORMAT="json", TIMESTAMP="ts")',
            Ref("table", "devices"): 'create table devices () with (DATASOURCE="d", TYPE="memory", KIND="lookup", KEY="id")',
            Ref("table", "halls"): 'create table halls () with (DATASOURCE="h", TYPE="simulator", KIND="lookup")',
        }
        definitions = {}
        for ref, text in texts.items():
            statement = parse_statement(text)
            assert isinstance(statement, tree.CreateStream)
            definitions[ref] = Definition(ref, text, content_of(statement))
        options = RuleOptions(is_event_time=event_time, late_tolerance=0)
        self.plan = plan_rule(parse_select(sql), FixedEnvironment(definitions), options, rule_id="r")
        self.compiled = compile_plan(self.plan)
        need = self.compiled.needs["demo"]
        spec = registry().formats["json"]
        schema = definitions[Ref("stream", "demo")].content.schema
        self.decoder = spec.decoder(DecodePlan(need.columns, need.whole, need.kinds, schema), msgspec.convert({}, spec.options))

    def program(self) -> BufferedProgram:
        program = self.compiled.factory()
        assert isinstance(program, BufferedProgram)
        program.start(START)
        return program

    def batch(self, *rows: dict[str, Any]) -> Batch:
        batch = self.decoder.decode([msgspec.json.encode(r) for r in rows])
        batch.arrival = START + int(rows[-1].get("ts", 0))
        batch.times = [START + int(r.get("ts", 0)) for r in rows]
        return batch


def answers(suspended: Any) -> list[list[LookupAnswer]]:
    """What the tables say."""
    assert isinstance(suspended, Suspended)
    return [[_rows(call, query) for query in call.queries] for call in suspended.calls]


def _rows(call: LookupCall, query: Sequence[Any]) -> LookupAnswer:
    rows = TABLES[call.table]
    return [r for r in rows if all(same_value(r.get(k), v) for k, v in zip(call.keys, query, strict=True))]


def settle(program: BufferedProgram, out: Any) -> Batch | None:
    """Answer until something leaves."""
    while isinstance(out, Suspended):
        out = program.resume(out.token, answers(out))
    assert out is None or isinstance(out, Batch)
    return out


def messages(batch: Batch | None) -> list[Any]:
    """The messages of an output with its errors between them."""
    if batch is None:
        return []
    rows, found, at = batch.dicts(), [], 0
    errors = list(batch.errors or ())
    for size in batch.sizes if batch.sizes is not None else [1] * len(rows):
        while errors and errors[0].at <= at:
            found.append(errors.pop(0).text)
        found.append(rows[at : at + size])
        at += size
    return found + [error.text for error in errors]


def run(sql: str, *rows: dict[str, Any], **options: Any) -> list[Any]:
    """Push rows as one batch and answer what is asked."""
    harness = Harness(sql, **options)
    program = harness.program()
    return messages(settle(program, program.push("demo", harness.batch(*rows))))


def test_an_inner_join_gives_a_message_per_row_with_all_its_partners() -> None:
    """Rows without partner vanish; several partners are rows of one message."""
    assert run(JOIN, {"x": 1, "id": 2}, {"x": 2, "id": 9}, {"x": 3, "id": 1}) == [
        [{"x": 1, "name": "fan"}, {"x": 1, "name": "fan2"}],
        [{"x": 3, "name": "pump"}],
    ]


def test_a_left_join_keeps_rows_without_partner() -> None:
    """The table's columns are absent then."""
    sql = JOIN.replace("inner", "left")
    assert run(sql, {"x": 1, "id": 9}, {"x": 2, "id": 1}) == [[{"x": 1}], [{"x": 2, "name": "pump"}]]


@pytest.mark.parametrize("kind", ["right", "full"])
def test_every_other_join_is_inner(kind: str) -> None:
    """As in the original."""
    assert run(JOIN.replace("inner", kind), {"x": 1, "id": 9}, {"x": 2, "id": 1}) == [[{"x": 2, "name": "pump"}]]


def test_equal_queries_are_asked_once() -> None:
    """One call per push, one query per distinct value, only the columns in use."""
    harness = Harness(JOIN)
    out = harness.program().push("demo", harness.batch({"x": 1, "id": 2}, {"x": 2, "id": 2}, {"x": 3, "id": 1}))
    assert out == Suspended(0, (LookupCall("devices", ("name",), ("id",), ((2.0,), (1.0,))),))


def test_a_star_asks_for_all_columns() -> None:
    """The first source wins where names clash, and its number keeps its kind."""
    assert run("select * from demo inner join devices on demo.id = devices.id", {"id": 1, "hall": "z"}) == [
        [{"id": 1, "hall": "z", "name": "pump"}]
    ]


def test_a_null_key_asks_nothing_and_matches_nothing() -> None:
    """Neither does a missing one."""
    assert run(JOIN, {"x": 1, "id": None}, {"x": 2}) == []
    assert run(JOIN.replace("inner", "left"), {"x": 1, "id": None}) == [[{"x": 1}]]


def test_further_terms_of_a_left_join_belong_to_the_join() -> None:
    """Rows whose partners do not fulfil them survive without partner."""
    sql = "select x, devices.name from demo left join devices on demo.id = devices.id and devices.hall >= demo.h"
    assert run(sql, {"x": 1, "id": 2, "h": "b"}, {"x": 2, "id": 1, "h": "b"}) == [[{"x": 1, "name": "fan"}], [{"x": 2}]]


def test_keys_are_found_on_both_sides_and_under_and() -> None:
    """Two keys in written order; expressions and constants are values."""
    sql = 'select x, devices.name from demo inner join devices on devices.hall = "a" and demo.id + 1 = devices.id'
    harness = Harness(sql)
    out = harness.program().push("demo", harness.batch({"x": 1, "id": 1}))
    assert isinstance(out, Suspended)
    assert out.calls[0].keys == ("hall", "id")
    assert run(sql, {"x": 1, "id": 1}) == [[{"x": 1, "name": "fan2"}]]


@pytest.mark.parametrize(
    "on",
    [
        "devices.id > demo.id",
        "devices.id = devices.x",
        "devices.id = demo.id and devices.id = demo.x",
        "demo.id = demo.x",
        "devices.id = demo.id or demo.x = 1",
    ],
)
def test_a_condition_without_equality_on_a_key_is_refused(on: str) -> None:
    """The text names the condition."""
    with pytest.raises(PlanError, match="is invalid, at least one equi-join predicate is required"):
        Harness(f"select * from demo inner join devices on {on}")


def test_a_lookup_table_cannot_be_read_like_a_stream() -> None:
    """It stands behind JOIN."""
    with pytest.raises(PlanError, match="cannot find lookup table devices in any join"):
        Harness("select * from devices inner join demo on devices.id = demo.id")


def test_what_is_computed_before_the_lookup_cannot_read_the_table() -> None:
    """Analytic functions and windows see rows as they arrive."""
    with pytest.raises(PlanError, match="analytic function lag reads lookup table devices"):
        Harness("select lag(devices.name) from demo inner join devices on demo.id = devices.id")
    with pytest.raises(PlanError, match="the window countwindow reads lookup table devices"):
        Harness('select * from demo inner join devices on demo.id = devices.id group by countwindow(2) filter(where devices.name = "a")')


def test_where_refuses_rows_before_they_ask() -> None:
    """Terms over the stream alone are checked first, those over the table afterwards."""
    sql = f'{JOIN} where demo.x > 1 and devices.name = "fan"'
    harness = Harness(sql)
    program = harness.program()
    out = program.push("demo", harness.batch({"x": 1, "id": 2}, {"x": 2, "id": 2}))
    assert isinstance(out, Suspended)
    assert program.waiting == 1
    assert messages(settle(program, out)) == [[{"x": 2, "name": "fan"}]]
    assert program.push("demo", harness.batch({"x": 1, "id": 2})) is None


def test_two_tables_are_asked_one_after_the_other() -> None:
    """The second may depend on the first."""
    sql = (
        "select x, devices.name, halls.chief from demo inner join devices on demo.id = devices.id "
        "left join halls on devices.hall = halls.hall"
    )
    assert run(sql, {"x": 1, "id": 2}, {"x": 2, "id": 1}) == [
        [{"x": 1, "name": "fan", "chief": "Bob"}, {"x": 1, "name": "fan2", "chief": "Ann"}],
        [{"x": 2, "name": "pump", "chief": "Ann"}],
    ]


def test_rows_leave_in_the_order_in_which_they_came() -> None:
    """Later rows wait for earlier ones, whatever is answered first."""
    harness = Harness(JOIN)
    program = harness.program()
    first = program.push("demo", harness.batch({"x": 1, "id": 1}))
    second = program.push("demo", harness.batch({"x": 2, "id": 2}))
    third = program.push("demo", harness.batch({"x": 3}, {"x": 4, "id": None}))
    assert isinstance(first, Suspended)
    assert isinstance(second, Suspended)
    assert third == Suspended(2, ())
    assert program.resume(second.token, answers(second)) is None
    assert program.oldest == first.token
    assert messages(settle(program, first)) == [[{"x": 1, "name": "pump"}], [{"x": 2, "name": "fan"}, {"x": 2, "name": "fan2"}]]
    assert program.oldest is None
    assert program.waiting == 0


def test_a_failed_query_is_an_error_row_in_its_place() -> None:
    """The other rows go on."""
    harness = Harness(JOIN)
    program = harness.program()
    out = program.push("demo", harness.batch({"x": 1, "id": 1}, {"x": 2, "id": 2}, {"x": 3, "id": 1}))
    assert isinstance(out, Suspended)
    found = program.resume(out.token, [[DEVICES[:1], TransportError("connection refused")]])
    assert isinstance(found, Batch)
    assert messages(found) == [[{"x": 1, "name": "pump"}], "connection refused", [{"x": 3, "name": "pump"}]]
    assert [error.stage for error in found.errors or ()] == ["devices"]


def test_a_failing_key_or_condition_is_an_error_row() -> None:
    """It asks nothing."""
    sql = "select x from demo inner join devices on demo.id * demo.h = devices.id"
    found = run(sql, {"x": 1, "id": 1, "h": "a"}, {"x": 2, "id": 1, "h": 1})
    assert found[0].startswith("run Join error: ")
    assert found[1:] == [[{"x": 2}]]


def test_windows_are_joined_as_a_whole() -> None:
    """One message per window, with groups over the joined rows."""
    sql = (
        "select devices.hall, count(*) as n from demo inner join devices on demo.id = devices.id "
        "group by devices.hall, countwindow(3) order by devices.hall"
    )
    rows = [{"x": 1, "id": 2}, {"x": 2, "id": 1}, {"x": 3, "id": 2}]
    assert run(sql, *rows) == [[{"hall": "a", "n": 3}, {"hall": "b", "n": 2}]]


def test_a_timed_window_suspends_when_it_fires() -> None:
    """``advance`` may suspend too; a window without rows asks nothing and gives nothing."""
    harness = Harness(f"{JOIN} where demo.x > 1 group by tumblingwindow(ss, 1)")
    program = harness.program()
    assert program.push("demo", harness.batch({"x": 1, "id": 1}, {"x": 2, "id": 1, "ts": 10})) is None
    out = program.advance(START + 1000)
    assert isinstance(out, Suspended)
    assert messages(settle(program, out)) == [[{"x": 2, "name": "pump"}]]
    assert program.advance(START + 2000) is None


def test_analytic_functions_see_every_row_of_the_stream() -> None:
    """They are computed before the lookup, in order."""
    sql = "select lag(demo.x) as before, devices.name from demo inner join devices on demo.id = devices.id"
    assert run(sql, {"x": 1, "id": 9}, {"x": 2, "id": 1}) == [[{"before": 1, "name": "pump"}]]


def test_event_time_orders_rows_before_they_ask() -> None:
    """Rows are joined in order of their time."""
    rows = [{"x": 1, "id": 1, "ts": 200}, {"x": 2, "id": 1, "ts": 100}, {"x": 3, "id": 1, "ts": 5000}]
    harness = Harness(f"{JOIN} group by tumblingwindow(ss, 1)", event_time=True)
    program = harness.program()
    found = [messages(settle(program, program.push("demo", harness.batch(row)))) for row in rows]
    assert found[2][0] == [{"x": 1, "name": "pump"}]


def test_suspended_rows_are_part_of_the_snapshot() -> None:
    """After a restore everything that was on its way is asked again; what was answered is not."""
    sql = "select x, halls.chief from demo inner join devices on demo.id = devices.id inner join halls on devices.hall = halls.hall"
    harness = Harness(sql)
    program = harness.program()
    first = program.push("demo", harness.batch({"x": 1, "id": 1}))
    second = program.push("demo", harness.batch({"x": 2, "id": 1}))
    third = program.push("demo", harness.batch({"x": 3, "id": 2}))
    assert isinstance(first, Suspended)
    assert isinstance(second, Suspended)
    assert isinstance(third, Suspended)
    halfway = program.resume(second.token, answers(second))
    assert isinstance(halfway, Suspended)
    assert program.resume(halfway.token, answers(halfway)) is None
    program.resume(third.token, answers(third))

    other = harness.program()
    other.restore(program.snapshot())
    asked = other.suspended()
    assert [(each.token, each.calls[0].table) for each in asked] == [(0, "devices"), (2, "halls")]
    out = [message for each in asked for message in messages(settle(other, each))]
    assert out == [
        [{"x": 1, "chief": "Ann"}],
        [{"x": 2, "chief": "Ann"}],
        [{"x": 3, "chief": "Bob"}, {"x": 3, "chief": "Ann"}],
    ]
    assert other.push("demo", harness.batch({"x": 4, "id": 1})) == Suspended(3, first.calls)


def test_the_plan_shows_the_lookup() -> None:
    """Operators are called like their tables; the stream alone is read."""
    harness = Harness(f"{JOIN} and devices.hall > demo.h where demo.x > 1")
    assert harness.compiled.streams == ("demo",)
    assert harness.compiled.tables == ("devices",)
    assert list(harness.program().operators) == ["3_filter", "devices", "5_project"]
    lines = [line.strip() for line in explain(harness.plan).splitlines()]
    assert lines[1] == (
        '{"op":"LookupPlan_1","info":"Condition:{ binaryExpr:{ devices.hall > demo.h } }, Join:{ joinType:INNER_JOIN, '
        'expr:binaryExpr:{ binaryExpr:{ demo.id = devices.id } AND binaryExpr:{ devices.hall > demo.h } } }"}'
    )
    assert lines[-1].startswith('{"op":"DataSourcePlan_3","info":"StreamName: demo')
    assert "def key1" in describe(harness.plan)


def test_counters_tell_what_the_lookup_did() -> None:
    """Messages in, messages with a partner out, errors."""
    harness = Harness(JOIN)
    program = harness.program()
    out = program.push("demo", harness.batch({"x": 1, "id": 1}, {"x": 2, "id": 7}, {"x": 3, "id": 2}))
    assert isinstance(out, Suspended)
    program.resume(out.token, [[DEVICES[:1], [], TransportError("gone")]])
    assert program.counters[0] == [3, 1, 1]


UNION = f"{JOIN} union all select demo.x, halls.chief as name from demo left join halls on demo.h = halls.hall union all select x from demo"
CHAIN = (
    "select t.x, t.name, halls.chief from "
    "(select demo.x, devices.name, devices.hall from demo inner join devices on demo.id = devices.id) as t "
    "inner join halls on t.hall = halls.hall"
)
ROWS: list[dict[str, Any]] = [
    {"x": 1, "id": 1, "h": "b"},
    {"x": 2, "id": 9, "h": None},
    {"x": 3, "id": 2, "h": "a"},
    {"x": 4, "id": 1, "h": "c"},
]


def test_parts_of_a_union_look_up_tables_of_their_own() -> None:
    """What needs no answer leaves at once, the calls of all parts are asked together."""
    harness = Harness(UNION)
    assert harness.compiled.tables == ("devices", "halls")
    program: Any = harness.compiled.factory()
    program.start(START)
    out = program.push("demo", harness.batch(ROWS[0]))
    assert isinstance(out, Suspended)
    assert messages(out.output) == [[{"x": 1}]]
    assert [call.table for call in out.calls] == ["devices", "halls"]
    assert messages(settle(program, out)) == [[{"x": 1, "name": "pump"}], [{"x": 1, "name": "Bob"}]]
    assert (program.oldest, program.waiting) == (None, 0)


def test_a_query_over_a_query_looks_up_in_both() -> None:
    """The rows of the inner one ask again in the outer one."""
    harness = Harness(CHAIN)
    program: Any = harness.compiled.factory()
    program.start(START)
    out = program.push("demo", harness.batch(*ROWS))
    assert [call.table for call in out.calls] == ["devices"]
    again = program.resume(out.token, answers(out))
    assert isinstance(again, Suspended)
    assert (again.token, [call.table for call in again.calls]) == (out.token, ["halls"])
    found = program.resume(again.token, answers(again))
    assert sorted(m[0]["x"] for m in messages(found)) == [1, 3, 3, 4]
    assert program.oldest is None


@pytest.mark.parametrize("sql", [UNION, CHAIN, JOIN])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("interrupted", [False, True])
def test_answers_in_any_order_give_the_same_messages(sql: str, backwards: bool, interrupted: bool) -> None:
    """Also across restarts; a token is done only when all of its rows have left."""
    harness = Harness(sql)

    def fresh() -> Any:
        made = harness.compiled.factory()
        made.start(START)
        return made

    program = fresh()
    found: list[Any] = []
    waiting: dict[int, Suspended] = {}

    def take(out: Any) -> None:
        if isinstance(out, Suspended):
            found.extend(messages(out.output))
            if out.calls:
                waiting[out.token] = out
        else:
            found.extend(messages(out))

    for row in ROWS * 2:
        take(program.push("demo", harness.batch(row)))
    while waiting:
        if interrupted:
            state = program.snapshot()
            program = fresh()
            program.restore(state)
            waiting = {each.token: each for each in program.suspended()}
        assert program.oldest is not None
        assert program.oldest <= min(waiting)
        suspended = waiting.pop((max if backwards else min)(waiting))
        take(program.resume(suspended.token, answers(suspended)))
    assert (program.oldest, program.waiting) == (None, 0)
    whole = fresh()
    out = whole.push("demo", harness.batch(*ROWS * 2))
    expected = messages(out.output) if isinstance(out, Suspended) else []
    expected += messages(settle(whole, out))
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
