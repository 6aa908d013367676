"""Connectors without an outside: nop, log, logToMemory, memory, simulator, HTTP push."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from plutino.connectors import log, memory, nop, simulator
from plutino.connectors.http import CONNECTORS as HTTP
from plutino.errors import EvaluationError, NotFoundError, ProvisionError
from plutino.model.row import from_dicts, row_type
from plutino.spi import Inlet
from plutino.spi.options import decode_options
from plutino.testing import (
    CollectingInlet,
    FakeClock,
    FakeIngress,
    RecordingLog,
    check_sink,
    check_source,
    check_source_refuses,
    check_source_resumes,
    collect,
    sink_context,
    source_context,
)

HTTP_PUSH = next(c for c in HTTP if c.name == "httppush")


async def test_nop_takes_everything_and_logs_when_asked(tmp_path: Path) -> None:
    """Nothing comes back; the log has the wording of the original."""
    records = RecordingLog()
    await check_sink(nop.CONNECTOR, {"log": True}, [b"1"], sink_context(str(tmp_path), log=records))
    assert records.records[0] == ("info", "nop sink receive data for rule rule1: 1")


async def test_log_writes_one_line_per_message(tmp_path: Path) -> None:
    """Also bytes that are no text."""
    records = RecordingLog()
    await check_sink(log.CONNECTORS[0], {}, [b"[1]", b"\xff"], sink_context(str(tmp_path), log=records))
    assert records.records[:2] == [("info", "sink result for rule rule1: [1]"), ("info", "sink result for rule rule1: \ufffd")]


async def test_log_to_memory_is_out_of_reach_of_wildcards(tmp_path: Path) -> None:
    """Tools subscribe to ``$log/<rule>``; ``#`` does not see it."""
    context = sink_context(str(tmp_path))
    tool, everything = collect(context.bus, "$log/+"), collect(context.bus, "#")
    await check_sink(log.CONNECTORS[1], {}, [{"a": 1}, [{"a": 2}, {"a": 3}]], context)
    assert tool[:1] == [{"a": 1}]
    assert len(tool) == 6
    assert everything == []


async def test_memory_source_receives_rows_with_their_topic(tmp_path: Path) -> None:
    """Structs become dicts, wildcards match, metadata has the topic."""
    context = source_context(str(tmp_path))

    async def publish() -> None:
        context.bus.publish("a/b", from_dicts(row_type(["x"]), [{"x": 1}, {}]))

    deliveries = await check_source(memory.CONNECTOR, {}, "a/+", context, provoke=publish, messages=2)
    assert [d.rows for d in deliveries] == [[{"x": 1}, {}]]
    assert deliveries[0].meta == {"topic": "a/b"}
    assert context.bus.publish("a/b", [{}])  # the subscription has ended: nobody is full


@pytest.mark.parametrize("datasource", ["", "a/#/b"])
async def test_memory_source_refuses_topics(tmp_path: Path, datasource: str) -> None:
    """A topic is needed, and # only at its end."""
    await check_source_refuses(memory.CONNECTOR, source_context(str(tmp_path)), [({}, datasource)])


async def test_memory_sink_publishes_lists_row_by_row(tmp_path: Path) -> None:
    """The topic may come with each message."""
    context = sink_context(str(tmp_path))
    rows = collect(context.bus, "t/#")
    items = [[{"a": 1}, {"a": 2}], {"a": 3}]
    await check_sink(memory.CONNECTOR, {"topic": "t/{{.x}}"}, items, context, [{"topic": "t/1"}, {"topic": "t/2"}])
    assert rows == [{"a": 1}, {"a": 2}, {"a": 3}] * 2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"topic": "a/+"}, r"invalid memory topic a/\+: wildcard found"),
        ({"topic": "a", "rowkindField": "k"}, "keyField is required when rowkindField is set"),
    ],
)
def test_memory_sink_refuses(tmp_path: Path, options: dict[str, Any], text: str) -> None:
    """Texts of the original."""
    spec = memory.CONNECTOR.sink
    assert spec is not None
    with pytest.raises(ProvisionError, match=text):
        spec.create(decode_options(spec.options, options), sink_context(str(tmp_path)))


async def test_updatable_rows_keep_a_lookup_table(tmp_path: Path) -> None:
    """Insert, update, upsert and delete; a row that is no valid change does not hold up the others."""
    context = sink_context(str(tmp_path))
    sink_spec, lookup_spec = memory.CONNECTOR.sink, memory.CONNECTOR.lookup
    assert sink_spec is not None
    assert lookup_spec is not None
    lookup = lookup_spec.create(decode_options(lookup_spec.options, {"key": "id"}), "t", source_context(str(tmp_path), bus=context.bus))
    await lookup.open()
    sink = sink_spec.create(decode_options(sink_spec.options, {"topic": "t", "rowkindField": "k", "keyField": "id"}), context)
    sink.write([[{"id": 1, "v": "a"}, {"id": 2, "v": "b", "k": "insert"}, {"id": 3, "v": "c", "k": "update"}]], None)
    assert lookup.lookup(["v"], ["id"], [(1.0,), (3,), (True,)]) == [[{"id": 1, "v": "a"}], [], []]
    with pytest.raises(EvaluationError, match="invalid rowkind nonsense"):
        sink.write([[{"id": 1, "k": "nonsense"}, {"id": 1, "k": "delete"}, {"id": 2, "v": "d", "k": "update"}]], None)
    assert lookup.lookup(["*"], ["id"], [(1,)]) == [[]]
    changed = [{"id": 2, "v": "d", "k": "update"}]
    assert lookup.lookup(["id", "v"], ["v"], [("d",), ("b",)]) == [changed, []]
    assert lookup.lookup(["*"], ["v", "id"], [("d", 2), ("d", 1)]) == [changed, []]
    await lookup.close()


async def test_simulator_sends_row_by_row_and_ends(tmp_path: Path) -> None:
    """One row at once, then one per interval; without loop it ends after the last."""
    clock = FakeClock()
    spec = simulator.CONNECTOR.source
    assert spec is not None
    options = decode_options(spec.options, {"data": [{"a": 1}, {"a": 2}], "interval": "10s", "loop": False})
    inlet = CollectingInlet()
    running = asyncio.ensure_future(spec.create(options, "", source_context(str(tmp_path), clock=clock)).run(inlet, None))
    await clock.advance(0)
    assert inlet.messages == [{"a": 1}]
    await clock.advance(9_999)
    assert inlet.messages == [{"a": 1}]
    await clock.advance(1)
    assert inlet.messages == [{"a": 1}, {"a": 2}]
    await running


async def test_simulator_starts_again(tmp_path: Path) -> None:
    """With loop the first row follows the last."""
    rows = [{"a": 1}, {"a": 2}]
    deliveries = await check_source(simulator.CONNECTOR, {"data": rows, "interval": 0}, "", source_context(str(tmp_path)), messages=4)
    assert [d.rows for d in deliveries][:2] == [rows, rows]


async def test_simulator_resumes(tmp_path: Path) -> None:
    """A checkpoint holds the number of the next row."""
    rows = [{"a": i} for i in range(5)]
    options = {"data": rows, "interval": 0, "loop": False}
    await check_source_resumes(simulator.CONNECTOR, options, "", lambda: source_context(str(tmp_path)), rows)


async def test_simulator_without_rows_ends(tmp_path: Path) -> None:
    """There is nothing to wait for."""
    assert await check_source(simulator.CONNECTOR, {"data": []}, "", source_context(str(tmp_path)), messages=0) == []


async def test_simulator_is_a_lookup_table_too(tmp_path: Path) -> None:
    """Every key must match."""
    spec = simulator.CONNECTOR.lookup
    assert spec is not None
    lookup = spec.create(decode_options(spec.options, {"data": [{"a": 1, "b": 1}, {"a": 1, "b": 2}]}), "", source_context(str(tmp_path)))
    await lookup.open()
    assert lookup.lookup(["b"], ["a", "b"], [(1, 2), (2, 2)]) == [[{"a": 1, "b": 2}], []]
    await lookup.close()


async def test_http_push_answers_for_the_engine(tmp_path: Path) -> None:
    """A body is one payload; a full engine is 503; the path ends with the stream."""
    ingress = FakeIngress()
    context = source_context(str(tmp_path), ingress=ingress)

    async def push() -> None:
        assert await ingress.request("POST", "/data", b'{"a":1}') == (200, b"ok")

    deliveries = await check_source(HTTP_PUSH, {}, "/data", context, provoke=push)
    assert deliveries[0].payloads == [b'{"a":1}']
    with pytest.raises(NotFoundError):
        await ingress.request("POST", "/data", b"")

    spec = HTTP_PUSH.source
    assert spec is not None
    full = CollectingInlet(room=0)
    running = asyncio.ensure_future(_run(spec.create(decode_options(spec.options, {"method": "PUT"}), "/data", context), full))
    await full.until(lambda i: i.connections)
    status, _ = await ingress.request("PUT", "/data", b"x")
    assert (status, full.refused) == (503, 1)
    running.cancel()


@pytest.mark.parametrize(("options", "datasource"), [({}, ""), ({}, "data"), ({"method": "GET"}, "/data"), ({"method": "post"}, "/data")])
async def test_http_push_refuses(tmp_path: Path, options: dict[str, Any], datasource: str) -> None:
    """A path with a leading slash, and POST or PUT in upper case."""
    await check_source_refuses(HTTP_PUSH, source_context(str(tmp_path)), [(options, datasource)])


async def _run(source: Any, inlet: Inlet) -> None:
    await source.run(inlet, None)
