"""Lookup tables in the engine: rules go on while rows wait, answers are applied in order, tables are shared, cached and tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from corpus.in_process import FixedEnvironment
from plutino.compiler import compile_plan
from plutino.errors import PlutinoError, ProvisionError, TransportError
from plutino.model import Definition, Ref
from plutino.planner import plan_rule
from plutino.resources.stream.content import content_of
from plutino.runtime.lookups import BATCH, CONCURRENCY, Cache, CacheOptions
from plutino.spi import Deployment, LookupRequest, RuleOptions
from plutino.sql import parse_select, parse_statement, tree
from unit.runtime.plant import Plant, PlayedLookup, feed, rule

JOIN = "select s.a, t.b from s inner join t on s.a = t.id"


def program(sql: str = JOIN) -> Callable[[], Any]:
    """A compiled rule over stream ``s`` and lookup tables ``t`` and ``u``."""
    texts = {
        Ref("stream", "s"): 'create stream s () with (DATASOURCE="d")',
        Ref("table", "t"): 'create table t () with (DATASOURCE="t", TYPE="simulator", KIND="lookup")',
        Ref("table", "u"): 'create table u () with (DATASOURCE="u", TYPE="simulator", KIND="lookup")',
    }
    definitions = {}
    for ref, text in texts.items():
        statement = parse_statement(text)
        assert isinstance(statement, tree.CreateStream)
        definitions[ref] = Definition(ref, text, content_of(statement))
    return compile_plan(plan_rule(parse_select(sql), FixedEnvironment(definitions), RuleOptions(), rule_id="r")).factory


def table(name: str = "t", **lookup: Any) -> LookupRequest:
    """A request for a table; the options are those of its cache."""
    return LookupRequest(name, "asked", name, {"lookup": lookup} if lookup else {})


def joined(sql: str = JOIN, *, tables: tuple[LookupRequest, ...] = (table(),), shape: str = "shape", **more: Any) -> Deployment:
    """A rule that joins ``s`` with lookup tables."""
    made = rule(program(sql), shape=shape, **more)
    return Deployment(made.rule, made.program, made.feeds, made.sinks, made.options, made.triggered, made.shape, tables)


def lookup(plant: Plant, name: str = "t") -> PlayedLookup:
    """The newest table of a name."""
    return plant.lookups[name][-1]


@pytest.fixture
def gate(plant: Plant) -> asyncio.Event:
    """A gate that answers wait for, for tables that ``waiting`` was called on."""
    plant.rows.update({n: [{"id": n, "b": f"b{n}"}] for n in range(1000)})
    return asyncio.Event()


async def test_what_is_answered_at_once_leaves_at_once(plant: Plant) -> None:
    """No task, no turn of the loop."""
    plant.rows.update({1: [{"id": 1, "b": "x"}, {"id": 1, "b": "y"}]})
    await plant.run(joined())
    plant.source().offer({"a": 1})
    await plant.settle()
    plant.source().offer({"a": 1}, {"a": 2}, {"a": 1})
    assert plant.sink().values == [[{"a": 1, "b": "x"}, {"a": 1, "b": "y"}]] * 3
    assert lookup(plant).asked == [[1.0], [1.0, 2.0]]


async def test_a_rule_takes_rows_while_others_wait_and_keeps_their_order(plant: Plant, gate: asyncio.Event) -> None:
    """Later answers wait for earlier ones."""
    await plant.run(joined())
    await plant.engine.open_table(table())
    lookup(plant).gate = gate
    plant.source().offer({"a": 1})
    await plant.settle()
    second = asyncio.Event()
    lookup(plant).gate = second
    plant.source().offer({"a": 2})
    plant.source().offer({"a": None})
    second.set()
    await plant.settle()
    assert plant.sink().values == []
    gate.set()
    await plant.settle()
    assert plant.sink().values == [[{"a": 1, "b": "b1"}], [{"a": 2, "b": "b2"}]]
    assert plant.status()["op_t_0_records_in_total"] == 3


async def test_batches_under_way_are_bounded_and_the_rest_is_asked_together(plant: Plant, gate: asyncio.Event) -> None:
    """Equal queries that wait are asked once."""
    await plant.run(joined(buffer_length=5000))
    await plant.engine.open_table(table())
    lookup(plant).gate = gate
    for n in range(CONCURRENCY):
        plant.source().offer({"a": n})
    for n in range(BATCH + 10):
        plant.source().offer({"a": n}, {"a": n})
    await plant.settle()
    assert [len(batch) for batch in lookup(plant).asked] == [1] * CONCURRENCY
    gate.set()
    await plant.settle()
    assert [len(batch) for batch in lookup(plant).asked] == [*[1] * CONCURRENCY, BATCH, 10]
    assert lookup(plant).most <= CONCURRENCY
    assert len(plant.sink().values) == CONCURRENCY + 2 * (BATCH + 10)


async def test_rules_share_a_table(plant: Plant, gate: asyncio.Event) -> None:
    """One instance; it stays open when the last rule goes, as the definition is still there."""
    await plant.engine.open_table(table())
    await plant.run(joined(name="a"))
    await plant.run(joined(name="b"))
    assert len(plant.lookups["t"]) == 1
    assert plant.engine.readers("t") == ("a", "b")
    await plant.engine.remove("a")
    await plant.engine.remove("b")
    assert plant.engine.readers("t") == ()
    assert lookup(plant).closed == 0
    await plant.engine.close_table("t")
    assert lookup(plant).closed == 1


async def test_a_changed_table_is_opened_beside_the_old_one(plant: Plant, gate: asyncio.Event) -> None:
    """The old one closes with its last rule."""
    await plant.engine.open_table(table())
    await plant.run(joined())
    changed = table(cache=True)
    await plant.engine.open_table(changed)
    old, new = plant.lookups["t"]
    assert (old.closed, new.opened) == (0, 1)
    await plant.run(joined(tables=(changed,)))
    await plant.settle()
    assert (old.closed, new.closed) == (1, 0)


async def test_a_cache_answers_until_it_expires(plant: Plant) -> None:
    """By the engine's clock; for all rules; missing keys only where the table says so."""
    plant.rows.update({1: [{"id": 1, "b": "x"}]})
    await plant.engine.open_table(table(cache=True, cacheTtl="10s"))
    for name in ("a", "b"):
        await plant.run(joined(name=name, tables=(table(cache=True, cacheTtl="10s"),)))
    source = plant.source()
    source.offer({"a": 1}, {"a": 2})
    source.offer({"a": 1}, {"a": 2})
    assert lookup(plant).asked == [[1.0, 2.0], [2.0], [2.0], [2.0]]
    await plant.clock.advance(9_999)
    source.offer({"a": 1})
    await plant.clock.advance(1)
    plant.rows[1] = [{"id": 1, "b": "new"}]
    source.offer({"a": 1})
    assert lookup(plant).asked[4:] == [[1.0]]
    assert plant.sink("b").values[-1] == [{"a": 1, "b": "new"}]


async def test_a_cache_may_keep_missing_keys(plant: Plant) -> None:
    """With ``cacheMissingKey``; a time to live of 0 is for ever."""
    request = table(cache=True, cacheMissingKey=True)
    await plant.run(joined(tables=(request,)))
    for _ in range(3):
        plant.source().offer({"a": 7})
        await plant.clock.advance(1_000_000)
    assert lookup(plant).asked == [[7.0]]


def test_a_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest answers give way; what has expired goes with the next one kept."""
    monkeypatch.setattr("plutino.runtime.lookups.CACHED", 3)
    cache = Cache(CacheOptions(cache=True, cache_ttl=10))
    for n in range(5):
        cache.put(n, [{}], n)
    assert [cache.get(n, 5) for n in range(5)] == [None, None, [{}], [{}], [{}]]
    cache.put(9, [{}], 13)
    assert len(cache) == 2


async def test_a_lost_table_is_opened_and_asked_again(plant: Plant, gate: asyncio.Event) -> None:
    """After a delay; the rows only come later."""
    await plant.run(joined())
    await plant.engine.open_table(table())
    lookup(plant).faults = [TransportError("gone")]
    plant.source().offer({"a": 1})
    await plant.settle()
    assert plant.sink().values == []
    await plant.clock.advance(100)
    assert plant.sink().values == [[{"a": 1, "b": "b1"}]]
    assert lookup(plant).opened == 2


async def test_a_table_that_stays_away_makes_error_rows(plant: Plant, gate: asyncio.Event) -> None:
    """After three attempts; then one for each batch, until it answers again."""
    await plant.run(joined(send_error=True))
    await plant.engine.open_table(table())
    lookup(plant).faults = [TransportError("gone") for _ in range(4)]
    plant.source().offer({"a": 1}, {"a": 2})
    await plant.clock.advance(1000)
    assert plant.sink().texts == ["gone", "gone"]
    plant.source().offer({"a": 3})
    await plant.settle()
    assert plant.sink().texts[2:] == ["gone"]
    plant.source().offer({"a": 4})
    await plant.settle()
    assert plant.sink().texts[3:] == ['[{"a":4,"b":"b4"}]']
    status = plant.status()
    assert [v for k, v in status.items() if k.startswith("op_t") and k.endswith("exceptions_total")] == [3]
    assert [v for k, v in status.items() if k.startswith("op_t") and k.endswith("last_exception")] == ["gone"]


async def test_refused_queries_are_error_rows_at_once(plant: Plant) -> None:
    """Nothing is tried again; one refused query does not touch the others."""
    await plant.run(joined(send_error=True))
    await plant.engine.open_table(table())
    lookup(plant).faults = [PlutinoError("no such column")]
    plant.source().offer({"a": 1})
    plant.rows.update({1: PlutinoError("bad value"), 2: [{"b": "x"}]})
    plant.source().offer({"a": 1}, {"a": 2})
    assert plant.sink().texts == ["no such column", "bad value", '[{"a":2,"b":"x"}]']


async def test_a_defect_of_a_connector_fails_the_rows_that_asked(plant: Plant) -> None:
    """The rule goes on."""
    await plant.run(joined(send_error=True))
    await plant.engine.open_table(table())
    opened = asyncio.Event()
    opened.set()
    lookup(plant).gate = opened
    lookup(plant).faults = [ZeroDivisionError("a defect")]  # type: ignore[list-item]
    plant.source().offer({"a": 1})
    await plant.settle()
    assert plant.sink().texts == ["internal error: ZeroDivisionError in lookup table t"]
    assert plant.status()["status"] == "running"


async def test_too_many_waiting_rows_hold_up_sources_that_can_wait(plant: Plant, gate: asyncio.Event) -> None:
    """Nothing is lost."""
    await plant.run(joined(buffer_length=4))
    await plant.engine.open_table(table())
    lookup(plant).gate = gate
    sent: list[int] = []

    async def send() -> None:
        for n in range(10):
            await plant.source().put({"a": n})
            sent.append(n)

    task = asyncio.ensure_future(send())
    await plant.settle()
    assert sent == [0, 1, 2, 3]
    gate.set()
    await plant.settle()
    await task
    await plant.settle()
    assert [m[0]["a"] for m in plant.sink().values] == list(range(10))


async def test_sources_that_cannot_wait_lose_rows_and_it_is_counted(plant: Plant, gate: asyncio.Event) -> None:
    """Where others read the stream, the rule alone drops."""
    await plant.run(joined(buffer_length=2))
    await plant.run(rule(name="other"))
    await plant.engine.open_table(table())
    lookup(plant).gate = gate
    for n in range(5):
        assert plant.source().offer({"a": n})
    gate.set()
    await plant.settle()
    assert [m[0]["a"] for m in plant.sink().values] == [0, 1]
    assert len(plant.sink("other").values) == 5
    assert "buffer full, drop 1 messages in front of t" in [v for k, v in plant.status().items() if k.endswith("last_exception")]


async def test_deliveries_are_acknowledged_when_their_rows_have_left(plant: Plant, gate: asyncio.Event) -> None:
    """Also those that only wait for earlier ones."""
    await plant.run(joined())
    await plant.engine.open_table(table())
    lookup(plant).gate = gate
    found: list[int] = []
    plant.source().offer({"a": 1}, ack=lambda: found.append(1))
    plant.source().offer({"a": None}, ack=lambda: found.append(2))
    await plant.settle()
    assert found == []
    gate.set()
    await plant.settle()
    assert found == [1, 2]


async def test_a_stopping_rule_lets_waiting_rows_leave(plant: Plant, gate: asyncio.Event) -> None:
    """As long as the table answers soon."""
    await plant.run(joined())
    await plant.engine.open_table(table())
    lookup(plant).gate = gate
    plant.source().offer({"a": 1})
    stopping = asyncio.ensure_future(plant.engine.stop("r"))
    await plant.settle()
    gate.set()
    await stopping
    assert plant.sink().values == [[{"a": 1, "b": "b1"}]]
    assert plant.engine.readers("t") == ()


async def test_a_bounded_source_ends_when_its_rows_have_left(plant: Plant, gate: asyncio.Event) -> None:
    """The rule is not done before."""
    await plant.run(joined(feeds=[feed(connector="replayed")]))
    await plant.engine.open_table(table())
    lookup(plant).gate = gate
    await plant.source().put({"a": 1})
    plant.source().end()
    await plant.settle()
    assert plant.status()["status"] == "running"
    gate.set()
    await plant.settle()
    assert plant.status()["status"] == "stopped"
    assert plant.sink().values == [[{"a": 1, "b": "b1"}]]
    assert plant.finished == ["r"]


@pytest.mark.parametrize("shape", ["shape", "other"])
async def test_an_update_loses_no_waiting_row(plant: Plant, gate: asyncio.Event, shape: str) -> None:
    """Rows go over into the new version where their state fits it; else the old one still sends them."""
    await plant.run(joined())
    await plant.engine.open_table(table())
    lookup(plant).gate = gate
    found: list[int] = []
    plant.source().offer({"a": 1}, ack=lambda: found.append(1))
    await plant.settle()
    updating = asyncio.ensure_future(plant.engine.deploy(joined(shape=shape)))
    await plant.settle()
    plant.source().offer({"a": 2})
    gate.set()
    await plant.settle()
    await updating
    await plant.settle()
    assert sorted(m[0]["a"] for m in plant.sink().values) == [1, 2]
    assert found == [1]


async def test_a_checkpoint_holds_waiting_rows(plant: Plant, gate: asyncio.Event) -> None:
    """After a crash they are asked for again; acknowledged is what the checkpoint has."""
    await plant.run(joined(qos=1, checkpoint_interval=1000))
    await plant.engine.open_table(table())
    lookup(plant).gate = gate
    found: list[int] = []
    plant.source().offer({"a": 1}, ack=lambda: found.append(1))
    await plant.clock.advance(1000)
    assert found == [1]
    assert plant.sink().values == []

    other = Plant()
    other.state, other.rows = plant.state, plant.rows
    other.engine._facilities.state = plant.state
    try:
        await other.run(joined(qos=1, checkpoint_interval=1000))
        await other.settle()
        assert other.sink().values == [[{"a": 1, "b": "b1"}]]
    finally:
        await other.engine.close()


async def test_a_table_is_tried_before_it_is_kept(plant: Plant) -> None:
    """``probe_table`` raises what opening raises, and leaves nothing open; ``open_table`` raises nothing."""
    plant.open_faults = [TransportError("connection refused")]
    with pytest.raises(TransportError, match="connection refused"):
        await plant.engine.probe_table(table())
    assert lookup(plant).closed == 1
    await plant.engine.open_table(table())
    assert ("lookup table is not open", {"table": "t", "error": "connection refused"}) in plant.log.lines
    plant.open_faults = []
    plant.rows.update({1: [{"b": "x"}]})
    await plant.run(joined())
    plant.source().offer({"a": 1})
    await plant.clock.advance(100)
    assert plant.sink().values == [[{"a": 1, "b": "x"}]]


async def test_an_unknown_type_stops_the_rule(plant: Plant) -> None:
    """With the text of the original."""
    await plant.run(joined(tables=(LookupRequest("t", "nosuch", "t", {}),)))
    assert plant.status()["message"] == "lookup source type nosuch not found"
    with pytest.raises(PlutinoError, match="lookup source type nosuch not found"):
        await plant.engine.probe_table(LookupRequest("t", "nosuch", "t", {}))


async def test_two_tables_of_one_rule(plant: Plant) -> None:
    """Asked one after the other."""
    plant.rows.update({1: [{"id": 1, "b": 2}], 2: [{"id": 2, "c": "end"}]})
    sql = "select s.a, u.c from s inner join t on s.a = t.id inner join u on t.b = u.id"
    await plant.run(joined(sql, tables=(table(), table("u"))))
    plant.source().offer({"a": 1})
    await plant.settle()
    plant.source().offer({"a": 1})
    assert plant.sink().values == [[{"a": 1, "c": "end"}]] * 2


async def test_a_table_whose_connection_is_missing_stops_the_rule(plant: Plant) -> None:
    """As for sources and sinks."""
    request = LookupRequest("t", "asked", "t", {}, connection="nosuch")
    await plant.run(joined(tables=(request,)))
    assert plant.status()["message"] == "connection nosuch not existed"
    with pytest.raises(ProvisionError):
        await plant.engine.probe_table(request)
