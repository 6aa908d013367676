"""Feeds: decoding for many rules, errors in order, metadata, times, back-pressure, reconnecting."""

from __future__ import annotations

import asyncio
import json

import pytest

from plutino.errors import EvaluationError, TransportError
from plutino.model import Column, Schema
from plutino.runtime.compression import compressor
from plutino.spi import Delivery
from unit.runtime.plant import BIGINT, DATETIME, STRING, Plant, action, feed, rule, schema
from unit.runtime.scripted import Script


async def test_rules_of_one_feed_decode_once_with_the_union_of_their_columns(plant: Plant) -> None:
    """Each program sees rows with every column that any rule reads."""
    one, two = Script(columns=("a",)), Script(columns=("b",))
    await plant.run(rule(one, name="one"))
    await plant.run(rule(two, name="two"))
    plant.source().offer({"a": 1, "b": 2, "c": 3})
    assert one.made[0].pushed[0] is two.made[0].pushed[0]
    assert (plant.sink("one").values, plant.sink("two").values) == ([[{"a": 1}]], [[{"b": 2}]])


async def test_a_rule_that_comes_later_sees_what_comes_later(plant: Plant) -> None:
    """Attaching while data flows rebuilds the decoding between two batches; its source numbers start at zero."""
    await plant.run(rule(Script(columns=("a",)), name="one"))
    plant.source().offer({"a": 1, "b": 2})
    await plant.run(rule(Script(columns=("b",)), name="two"))
    plant.source().offer({"a": 3, "b": 4})
    assert plant.sink("two").values == [[{"b": 4}]]
    assert plant.status("one")["source_s_0_records_in_total"] == 2
    assert plant.status("two")["source_s_0_records_in_total"] == 1


async def test_decode_errors_are_counted_and_skipped(plant: Plant) -> None:
    """A payload that does not decode never stops a rule."""
    await plant.run(rule())
    plant.source().offer({"a": 1}, b"{bad", {"a": 2})
    status = plant.status()
    assert plant.sink().values == [[{"a": 1}], [{"a": 2}]]
    assert status["op_2_decoder_0_exceptions_total"] == 1
    assert "cannot parse JSON" in status["op_2_decoder_0_last_exception"]
    assert (status["source_s_0_records_in_total"], status["op_2_decoder_0_records_out_total"]) == (3, 2)


async def test_with_send_error_errors_come_in_order(plant: Plant) -> None:
    """Errors of decoder and program stand where their rows would; other rules on the feed get the rows alone."""

    def pick(row: dict[str, object]) -> dict[str, object]:
        if row["a"] == 2:
            raise EvaluationError("two is refused")
        return row

    sinks = [action(sendSingle=True), action("table", 1)]
    await plant.run(rule(Script(row=pick, columns=("a",)), name="loud", sinks=sinks, send_error=True))
    await plant.run(rule(Script(columns=("a",)), name="quiet", sinks=[action(sendSingle=True)]))
    plant.source().offer({"a": 1}, b"5", {"a": 2}, {"a": 3}, b"{")
    texts = plant.sink("loud").texts
    assert [text if text.startswith("{") else text[:24] for text in texts] == [
        '{"a":1}',
        "only map[string]interfac",
        "two is refused",
        '{"a":3}',
        "cannot parse JSON: canno",
    ]
    assert plant.sink("loud", "table_1").items[2] == {"error": "two is refused"}
    assert plant.sink("quiet").texts == ['{"a":1}', '{"a":2}', '{"a":3}']
    assert plant.status("loud")["op_4_project_0_exceptions_total"] == 1
    assert plant.status("loud")["op_4_project_0_last_exception"] == "two is refused"


async def test_metadata_goes_to_rules_that_read_it(plant: Plant) -> None:
    """Also to each row of a list payload, and past a payload that does not decode."""
    script = Script(columns=("a",), meta=True)
    await plant.run(rule(script))
    assert plant.source().context.needs_meta()
    meta = [{"topic": "t1"}, {"topic": "t2"}, {"topic": "t3"}]
    plant.source().offer([{"a": 1}, {"a": 2}], b"{", {"a": 3}, meta=meta)
    plant.source().offer({"a": 4}, meta={"topic": "t"})
    assert [v[0]["meta"]["topic"] for v in plant.sink().values] == ["t1", "t1", "t3", "t"]


async def test_a_source_may_leave_metadata_out_when_nobody_reads_it(plant: Plant) -> None:
    """The last reader of metadata decides."""
    await plant.run(rule(name="plain"))
    assert not plant.source().context.needs_meta()
    await plant.run(rule(Script(meta=True), name="meta"))
    assert plant.source().context.needs_meta()
    await plant.engine.remove("meta")
    plant.source().offer({"a": 1})
    assert not plant.source().context.needs_meta()


async def test_lines_and_rows_are_deliveries_too(plant: Plant) -> None:
    """A block of lines is decoded as a whole, rows of a source of payloads need no decoding."""
    await plant.run(rule(Script(columns=("a",))))
    inlet = plant.source().inlet
    assert inlet is not None
    inlet.offer(Delivery(lines=b'{"a":1}\n{"a":2}\n'))
    inlet.offer(Delivery(rows=[{"a": 3, "z": 1}]))
    assert plant.sink().values == [[{"a": 1}], [{"a": 2}], [{"a": 3}]]
    assert plant.status()["source_s_0_records_in_total"] == 3


async def test_a_large_block_is_processed_in_pieces(plant: Plant) -> None:
    """Every line arrives once and in order; position and acknowledgement belong to the whole."""
    await plant.run(rule(Script(columns=("a",)), sinks=[action(sendSingle=True)]))
    acked: list[int] = []
    lines = b"".join(b'{"a":%d}\n' % i for i in range(30_000))
    inlet = plant.source().inlet
    assert inlet is not None
    await inlet.put(Delivery(lines=lines, ack=lambda: acked.append(1)))
    assert plant.sink().values == [{"a": i} for i in range(30_000)]
    assert plant.sink().writes > 3
    assert acked == [1]


# -- types and times


async def test_a_bad_value_spoils_only_the_rules_that_read_its_column(plant: Plant) -> None:
    """With a declared type that does not hold, each column set decodes for itself."""
    stream = feed(schema=schema(a=BIGINT, b=STRING))
    await plant.run(rule(Script(columns=("a",)), name="a", feeds=[stream]))
    await plant.run(rule(Script(columns=("b",)), name="b", feeds=[stream]))
    plant.source().offer({"a": "no", "b": "x"}, {"a": 1, "b": "y"})
    assert plant.sink("a").values == [[{"a": 1}]]
    assert plant.sink("b").values == [[{"b": "x"}], [{"b": "y"}]]


async def test_strict_validation_requires_and_converts_the_columns_of_each_rule(plant: Plant) -> None:
    """Missing and null columns are errors, a datetime column becomes a datetime; other rules read other columns."""
    stream = feed(schema=schema(a=BIGINT, b=STRING, d=DATETIME), strict=True)
    await plant.run(rule(Script(columns=("a", "b")), name="ab", feeds=[stream], sinks=[action(sendSingle=True)], send_error=True))
    await plant.run(rule(Script(columns=("d",)), name="d", feeds=[stream], sinks=[action(sendSingle=True)], send_error=True))
    plant.source().offer({"a": 1, "d": 0}, {"a": None, "b": "x", "d": "bad"}, {"a": 2, "b": "y", "d": "2024-01-01T05:00:00Z"})
    assert plant.sink("ab").texts == [
        "error in preprocessor: field b is not found",
        "error in preprocessor: field a type mismatch: cannot convert <nil>(<nil>) to int64",
        '{"a":2,"b":"y"}',
    ]
    assert plant.sink("d").texts[1] == "error in preprocessor: field d type mismatch: Can't parse string as time: bad"
    assert plant.sink("d").texts[2].startswith('{"d":"2024-01-01T0')
    assert "op_3_preprocessor_0_records_in_total" in plant.status("ab")


async def test_defaults_fill_missing_columns_of_strict_streams(plant: Plant) -> None:
    """The text of a default is read as the column's type."""
    declared = Schema((Column("a", BIGINT, "7"), Column("b", STRING, "none")))
    await plant.run(rule(feeds=[feed(schema=declared, strict=True)]))
    plant.source().offer({}, {"a": 5})
    assert plant.sink().values == [[{"a": 7, "b": "none"}], [{"a": 5, "b": "none"}]]


async def test_event_times_come_from_the_timestamp_column(plant: Plant) -> None:
    """Numbers are ms, texts are read; a row without a usable time is an error of the rules that work on event time only."""
    stream = feed(timestamp="ts")
    await plant.run(rule(Script(columns=("a",), times=True), name="t", feeds=[stream], sinks=[action(sendSingle=True)], send_error=True))
    await plant.run(rule(Script(columns=("a",)), name="p", feeds=[stream], sinks=[action(sendSingle=True)]))
    plant.source().offer({"a": 1, "ts": 1000}, {"a": 2}, {"a": 3, "ts": "bad"}, {"a": 4, "ts": "1970-01-01T00:00:02Z"}, {"a": 5, "ts": 3.9})
    assert plant.sink("t").texts == [
        '{"a":1,"time":1000}',
        "cannot find timestamp field ts in tuple map[a:2]",
        "cannot convert timestamp field ts to timestamp with error Can't parse string as time: bad",
        '{"a":4,"time":2000}',
        '{"a":5,"time":3}',
    ]
    assert len(plant.sink("p").items) == 5


# -- back-pressure


async def test_a_source_that_can_wait_waits_for_a_slow_sink(plant: Plant) -> None:
    """``put`` returns when the buffer has room again, and nothing is lost."""
    await plant.run(rule(sinks=[action("kept", bufferLength=4)]))
    sink = plant.sink(action="kept_0")
    sink.gate = asyncio.Event()
    done: list[int] = []

    async def pour() -> None:
        for i in range(20):
            await plant.source().put({"a": i})
            done.append(i)

    pouring = asyncio.ensure_future(pour())
    await plant.settle()
    assert 4 <= len(done) <= 6
    sink.gate.set()
    await plant.settle()
    await pouring
    assert sink.values == [[{"a": i}] for i in range(20)]


async def test_a_source_that_cannot_wait_is_refused_and_counted(plant: Plant) -> None:
    """``offer`` says False when the only rule's buffer is full; what is dropped shows in the status."""
    await plant.run(rule(sinks=[action("kept", bufferLength=2)]))
    sink = plant.sink(action="kept_0")
    sink.gate = asyncio.Event()
    answers = [plant.source().offer({"a": i}) for i in range(6)]
    assert answers == [True, True, True, False, False, False]
    sink.gate.set()
    await plant.settle()
    assert sink.values == [[{"a": 0}], [{"a": 1}], [{"a": 2}]]
    assert plant.status()["source_s_0_exceptions_total"] == 3
    assert plant.source().offer({"a": 9})


async def test_a_slow_sink_holds_up_its_own_rule_only(plant: Plant) -> None:
    """A push source goes on for the other rule; the slow one drops and counts its own."""
    await plant.run(rule(name="slow", sinks=[action("kept", bufferLength=2)]))
    await plant.run(rule(name="fast"))
    plant.sink("slow", "kept_0").gate = asyncio.Event()
    assert all(plant.source().offer({"a": i}) for i in range(10))
    assert len(plant.sink("fast").items) == 10
    assert plant.status("slow")["sink_kept_0_0_exceptions_total"] == 7
    assert plant.status("slow")["sink_kept_0_0_buffer_length"] == 2


async def test_a_rule_that_leaves_gives_the_others_room(plant: Plant) -> None:
    """Stopping the rule with the stuck sink lets a waiting source go on."""
    await plant.run(rule(name="stuck", sinks=[action("kept", bufferLength=1)]))
    await plant.run(rule(name="free"))
    plant.sink("stuck", "kept_0").gate = asyncio.Event()
    pouring = [asyncio.ensure_future(plant.source().put({"a": i})) for i in range(5)]
    await plant.settle()
    assert not pouring[-1].done()
    stopping = asyncio.ensure_future(plant.engine.stop("stuck"))
    await plant.settle()
    assert all(task.done() for task in pouring)
    plant.sink("stuck", "kept_0").gate.set()  # type: ignore[union-attr]
    await stopping
    assert len(plant.sink("free").items) == 5


async def test_a_source_without_pause_lets_others_run(plant: Plant) -> None:
    """A long run of ``put`` yields every few milliseconds."""
    await plant.run(rule())
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.ensure_future(count())
    payload = [{"a": i} for i in range(200)]
    for _ in range(300):
        await plant.source().put(*payload)
    counting.cancel()
    assert turns > 2


# -- reconnecting


async def test_a_lost_source_is_run_again_with_growing_delays(plant: Plant) -> None:
    """100 ms, 200 ms …; the status shows the loss, a connection resets the delays, and reading goes on after the last position."""
    await plant.run(rule())
    source = plant.source()
    source.offer({"a": 1}, position=41)
    source.faults = [TransportError("no route"), TransportError("no route")]
    source.end(TransportError("connection reset"))
    await plant.settle()
    status = plant.status()
    assert (status["status"], status["source_s_0_connection_status"]) == ("running", -1)
    assert status["source_s_0_connection_last_disconnected_message"] == "connection reset"
    runs = []
    for ms in (99, 1, 199, 1, 399, 1):
        await plant.clock.advance(ms)
        runs.append(source.runs)
    assert runs == [1, 2, 2, 3, 3, 4]
    assert source.resumed == [None, 41, 41, 41]
    assert plant.status()["source_s_0_connection_status"] == 1
    told = {"stream": "s", "type": "played"}
    assert plant.log.lines == [("source not connected", {**told, "error": "connection reset"}), ("source connected again", told)]
    source.end(TransportError("again"))
    await plant.clock.advance(100)
    assert source.runs == 5
    assert plant.status()["source_s_0_exceptions_total"] == 4


async def test_trouble_that_does_not_end_a_source_is_shown(plant: Plant) -> None:
    """``failed`` counts at the source and leaves the rule running."""
    await plant.run(rule())
    inlet = plant.source().inlet
    assert inlet is not None
    inlet.failed("response code error: 500")
    status = plant.status()
    assert (status["source_s_0_exceptions_total"], status["source_s_0_last_exception"]) == (1, "response code error: 500")
    assert status["source_s_0_connection_status"] == 1


# -- source properties


@pytest.mark.parametrize("name", ["zlib", "gzip", "flate"])
async def test_payloads_are_decompressed(plant: Plant, name: str) -> None:
    """What does not decompress is counted and left out."""
    await plant.run(rule(feeds=[feed(properties={"decompression": name})]))
    plant.source().offer(compressor(name)(b'{"a":1}'), b"garbage", compressor(name)(b'{"a":2}'))
    assert plant.sink().values == [[{"a": 1}], [{"a": 2}]]
    assert plant.status()["source_s_0_exceptions_total"] == 1
    assert "op_2_decompress_0_records_in_total" in plant.status()


async def test_an_interval_lets_the_latest_message_through(plant: Plant) -> None:
    """Nothing arrives, nothing is sent; no timer runs meanwhile."""
    await plant.run(rule(feeds=[feed(properties={"interval": "1s"})]))
    plant.source().offer({"a": 1}, {"a": 2})
    plant.source().offer({"a": 3})
    assert plant.sink().values == []
    await plant.clock.advance(1000)
    assert plant.sink().values == [[{"a": 3}]]
    await plant.clock.advance(5000)
    assert len(plant.sink().items) == 1


async def test_a_merge_field_merges_the_latest_messages(plant: Plant) -> None:
    """One row per interval with the last message of each value of the field, later ones win."""
    await plant.run(rule(feeds=[feed(properties={"interval": 1000, "mergeField": "id"})]))
    plant.source().offer({"id": 1, "a": 1}, {"id": 2, "b": 2}, {"id": 1, "a": 3})
    await plant.clock.advance(1000)
    assert plant.sink().values == [[{"a": 3, "b": 2}]]


async def test_an_inner_payload_is_decoded_and_merged(plant: Plant) -> None:
    """The inner columns join the row, a list gives one row each, and metadata goes along."""
    stream = feed(properties={"payloadFormat": "json", "payloadField": "data"})
    await plant.run(rule(Script(columns=("a", "b"), meta=True), feeds=[stream], sinks=[action(sendSingle=True)], send_error=True))
    plant.source().offer({"a": 1, "data": '{"b":2}'}, {"a": 3, "data": '[{"b":4},{"b":5}]'}, {"a": 6}, meta=[{"k": 0}, {"k": 1}, {"k": 2}])
    *rows, fault = plant.sink().texts
    assert [json.loads(row) for row in rows] == [
        {"a": 1, "b": 2, "meta": {"k": 0}},
        {"a": 3, "b": 4, "meta": {"k": 1}},
        {"a": 3, "b": 5, "meta": {"k": 1}},
    ]
    assert fault.startswith("payload field data")


# -- memory topics


async def test_a_rule_that_feeds_itself_does_not_starve_the_others(plant: Plant) -> None:
    """What a feed gets from inside its own work is done later, in order."""
    count = Script(row=lambda r: {"a": r["a"] + 1} if r["a"] < 50 else None, columns=("a",))
    await plant.run(rule(count, feeds=[feed(connector="memory", datasource="x")], sinks=[action("memory", topic="x"), action("table", 1)]))
    plant.bus.publish("x", [{"a": 0}])
    assert len(plant.sink(action="table_1").items) == 1
    for _ in range(5):
        await plant.settle()
    assert plant.sink(action="table_1").items == [[{"a": i}] for i in range(1, 51)]


@pytest.mark.parametrize("order", [("feeder", "reader"), ("reader", "feeder")])
async def test_rules_that_start_together_miss_nothing_of_each_other(plant: Plant, order: tuple[str, str]) -> None:
    """W58: who reads a memory topic listens before anybody feeds it, in whatever order they were deployed."""
    plant.at_once["d"] = [{"a": 1}, {"a": 2}]
    made = {
        "feeder": rule(name="feeder", feeds=[feed()], sinks=[action("memory", topic="t")]),
        "reader": rule(Script(streams=("m",)), name="reader", feeds=[feed("m", "memory", "t")]),
    }
    plant.engine.begin()
    for name in order:
        await plant.engine.deploy(made[name])
    await plant.engine.finish()
    await plant.settle()
    assert [row for rows in plant.sink("reader").values for row in rows] == [{"a": 1}, {"a": 2}]


async def test_a_long_chain_of_topics_is_followed_to_its_end(plant: Plant) -> None:
    """Deep nesting is cut: the rest of the chain is done in the next turn."""
    for i in range(30):
        stream = feed(f"s{i}", "memory", f"t/{i}")
        await plant.run(rule(Script(streams=(f"s{i}",)), name=f"r{i}", feeds=[stream], sinks=[action("memory", topic=f"t/{i + 1}")]))
    await plant.run(rule(Script(streams=("end",)), name="end", feeds=[feed("end", "memory", "t/30")]))
    plant.bus.publish("t/0", [{"a": 1}])
    await plant.settle()
    assert plant.sink("end").values == [[{"a": 1}]]
