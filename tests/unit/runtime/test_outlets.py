"""Sinks: what an output becomes, and what happens when it cannot be delivered."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any

import pytest

from plutino.errors import DeliveryError, PlutinoError, TransportError
from plutino.formats.json import JSON
from plutino.model import Batch
from plutino.runtime import check_sink
from plutino.spi import ConnectorSpec, Registry, SinkSpec
from unit.runtime.plant import NoOptions, Plant, action, feed, rule
from unit.runtime.scripted import Script

ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


async def sent(plant: Plant, *rows: Any, program: Any = None, send_error: bool = False, **properties: Any) -> list[str]:
    """What arrives in a sink with these properties, as texts."""
    await plant.run(rule(program, sinks=[action(**properties)], send_error=send_error))
    plant.source().offer(*rows)
    await plant.settle()
    return plant.sink().texts


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, ['[{"a":1,"b":"x"}]', '[{"a":2,"b":"y"}]']),
        ({"sendSingle": True}, ['{"a":1,"b":"x"}', '{"a":2,"b":"y"}']),
        ({"fields": ["b", "z"]}, ['[{"b":"x","z":null}]', '[{"b":"y","z":null}]']),
        ({"excludeFields": ["b", "z"], "sendSingle": True}, ['{"a":1}', '{"a":2}']),
        ({"dataTemplate": "{{len .}} {{(index . 0).a}}"}, ["1 1", "1 2"]),
        ({"dataTemplate": '{"v":{{.a}}}', "sendSingle": True}, ['{"v":1}', '{"v":2}']),
        ({"dataTemplate": '{"p":{{.a}},"q":2}', "sendSingle": True, "fields": ["p"]}, ['{"p":1}', '{"p":2}']),
        ({"dataTemplate": '{"in":{"p":{{.a}}}}', "sendSingle": True, "dataField": "in"}, ['{"p":1}', '{"p":2}']),
        ({"format": "delimited", "sendSingle": True}, ["1,x", "2,y"]),
        ({"format": "delimited", "delimiter": ";"}, ["1;x", "2;y"]),
        ({"batchSize": 2}, ['[[{"a":1,"b":"x"}],[{"a":2,"b":"y"}]]']),
        ({"batchSize": 2, "sendSingle": True}, ['[{"a":1,"b":"x"},{"a":2,"b":"y"}]']),
        ({"batchSize": 2, "sendSingle": True, "format": "delimited"}, ["1,x\n2,y"]),
        ({"batchSize": 2, "sendSingle": True, "dataTemplate": "{{.a}}"}, ["[1,2]"]),
    ],
)
async def test_what_a_row_becomes(plant: Plant, properties: dict[str, Any], expected: list[str]) -> None:
    """Template, then data field, then fields, then the encoder; batches are framed after encoding."""
    assert await sent(plant, *ROWS, **properties) == expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, ["[]", '[{"a":1},{"a":2}]']),
        ({"omitIfEmpty": True}, ['[{"a":1},{"a":2}]']),
        ({"sendSingle": True}, ['{"a":1}', '{"a":2}']),
        ({"dataField": "a"}, []),
    ],
)
async def test_what_a_window_becomes(plant: Plant, properties: dict[str, Any], expected: list[str]) -> None:
    """A window is one message, or one per row; an empty one is sent unless it is to be omitted."""
    await plant.run(rule(Script(every=10, columns=("a",)), sinks=[action(**properties)]))
    await plant.clock.advance(10)
    plant.source().offer({"a": 1}, {"a": 2})
    await plant.clock.advance(10)
    assert plant.sink().texts == expected


async def test_empty_rows_are_omitted_only_one_by_one(plant: Plant) -> None:
    """``omitIfEmpty`` drops ``{}`` with sendSingle, but ``[{}]`` is a list with something in it."""
    await plant.run(rule(sinks=[action(sendSingle=True, omitIfEmpty=True), action(index=1, omitIfEmpty=True)]))
    plant.source().offer({}, {"a": 1})
    assert plant.sink().texts == ['{"a":1}']
    assert plant.sink(action="plain_1").texts == ["[{}]", '[{"a":1}]']


async def test_a_sink_of_rows_gets_dicts_and_lists(plant: Plant) -> None:
    """No encoding; a template's text is decoded with the sink's format."""
    sinks = [action("table"), action("table", 1, sendSingle=True), action("table", 2, dataTemplate='{"t":{{.a}}}', sendSingle=True)]
    await plant.run(rule(sinks=[*sinks, action("table", 3, sendSingle=True, batchSize=2)]))
    plant.source().offer(*ROWS)
    assert plant.sink(action="table_0").items == [[ROWS[0]], [ROWS[1]]]
    assert plant.sink(action="table_1").items == ROWS
    assert plant.sink(action="table_2").items == [{"t": 1}, {"t": 2}]
    assert plant.sink(action="table_3").items == [ROWS]


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"dataField": "zz", "sendSingle": True}, "receive unsupported data <nil>"),
        (
            {"dataTemplate": "plain", "fields": ["q"], "sendSingle": True},
            "fail to TransItem data map[a:1 b:x] for error fail to decode data plain for error "
            "invalid character 'p' looking for beginning of value",
        ),
        (
            {"dataTemplate": "{{index .b 5}}", "sendSingle": True},
            "fail to calculate props {{index .b 5}} through data map[a:1 b:x] with dataTemplate for error template: sink:1:2: executing",
        ),
    ],
)
async def test_a_message_that_cannot_be_made_is_an_error(plant: Plant, properties: dict[str, Any], text: str) -> None:
    """Counted at the transform, delivered with ``sendError``; the next message is not held up."""
    found = await sent(plant, ROWS[0], send_error=True, **properties)
    assert found[0].startswith(text)
    assert plant.status()["op_plain_0_0_transform_0_exceptions_total"] == 1


async def test_one_row_that_does_not_encode_does_not_lose_the_batch(plant: Plant) -> None:
    """It is counted at the encoder."""
    found = await sent(plant, {"a": 1}, {"a": 2}, {"a": 3}, program=Script(row=lambda r: {"a": float("inf") if r["a"] == 2 else r["a"]}))
    assert found == ['[{"a":1}]', '[{"a":3}]']
    assert plant.status()["op_plain_0_1_encode_0_exceptions_total"] == 1


async def test_dynamic_properties_are_resolved_per_message(plant: Plant) -> None:
    """Templates at any depth, from the original row; numbers of schemaless JSON print as the dialect's floats."""
    script = Script()
    await plant.run(rule(script, sinks=[action("topic", topic="t/{{.a}}", headers={"k": "{{.b}}", "n": 1}, sendSingle=True, fields=["a"])]))
    plant.source().offer({"a": 1, "b": "x"}, {"a": 1000000, "b": "y"})
    assert plant.sink(action="topic_0").properties == [
        {"topic": "t/1", "headers": {"k": "x", "n": 1}},
        {"topic": "t/1000000", "headers": {"k": "y", "n": 1}},
    ]
    assert plant.sink(action="topic_0").texts == ['{"a":1}', '{"a":1000000}']


async def test_json_numbers_are_floats_for_templates(plant: Plant) -> None:
    """Where the program says that a column holds untouched JSON numbers."""

    class Loose(Script):
        def __call__(self) -> Any:
            acting = super().__call__()
            acting.json_numbers = {"a"}
            return acting

    found = await sent(plant, {"a": 1000000, "b": 1000000}, program=Loose(), dataTemplate="{{.a}}|{{.b}}", sendSingle=True)
    assert found == ["1e+06|1000000"]


async def test_unchanged_payloads_go_out_untouched(plant: Plant) -> None:
    """Same format in and out: the bytes of the source; another format is encoded."""

    class Passing(Script):
        def __call__(self) -> Any:
            acting = super().__call__()
            acting.push = lambda stream, batch: Batch([], payloads=batch.payloads, passthrough=True, whole=batch.whole)  # type: ignore[method-assign]
            return acting

    await plant.run(rule(Passing(whole=True), sinks=[action(), action(index=1, sendSingle=True), action(index=2, format="delimited")]))
    plant.source().offer(b'{ "a" : 1.0 }')
    assert plant.sink().texts == ['[{ "a" : 1.0 }]']
    assert plant.sink(action="plain_1").texts == ['{ "a" : 1.0 }']
    assert plant.sink(action="plain_2").texts in (["1"], ["1.0"])


async def test_payloads_are_compressed(plant: Plant) -> None:
    """After encoding, and after batching."""
    await plant.run(rule(sinks=[action(compression="zlib"), action(index=1, compression="zlib", batchSize=2, sendSingle=True)]))
    plant.source().offer({"a": 1}, {"a": 2})
    assert [zlib.decompress(item) for item in plant.sink().items] == [b'[{"a":1}]', b'[{"a":2}]']
    assert [json.loads(zlib.decompress(item)) for item in plant.sink(action="plain_1").items] == [[{"a": 1}, {"a": 2}]]


# -- batches


async def test_a_batch_lingers_no_longer_than_its_interval(plant: Plant) -> None:
    """The first message of a batch starts the time; no timer runs while nothing waits."""
    await plant.run(rule(sinks=[action(batchSize=3, lingerInterval="50ms", sendSingle=True)]))
    plant.source().offer({"a": 1})
    await plant.clock.advance(49)
    assert plant.sink().texts == []
    plant.source().offer({"a": 2})
    await plant.clock.advance(1)
    assert plant.sink().texts == ['[{"a":1},{"a":2}]']
    plant.source().offer({"a": 3}, {"a": 4}, {"a": 5}, {"a": 6})
    assert plant.sink().texts[1:] == ['[{"a":3},{"a":4},{"a":5}]']
    assert plant.status()["op_plain_0_0_batch_0_records_in_total"] == 6
    await plant.engine.stop("r")
    assert plant.sink().texts[2:] == ['[{"a":6}]']


# -- delivery


async def test_output_waits_until_the_sink_is_connected(plant: Plant) -> None:
    """Up to ``bufferLength`` messages; the status shows how many wait."""
    plant.open_faults = [TransportError("refused")]
    await plant.run(rule(sinks=[action("kept", bufferLength=2)]))
    plant.source().offer({"a": 1})
    plant.source().offer({"a": 2})
    assert not plant.source().offer({"a": 3})
    assert plant.status()["sink_kept_0_0_buffer_length"] == 2
    await plant.clock.advance(100)
    assert plant.sink(action="kept_0").values == [[{"a": 1}], [{"a": 2}]]
    assert plant.sink(action="kept_0").writes == 1
    assert plant.status()["sink_kept_0_0_connection_status"] == 1
    told = {"rule": "r", "sink": "kept_0"}
    assert plant.log.lines == [("sink not connected", {**told, "error": "refused"}), ("sink connected again", told)]


async def test_a_failed_message_is_dropped_and_the_sink_opened_again(plant: Plant) -> None:
    """Without cache and resend interval; what comes meanwhile waits."""
    await plant.run(rule(sinks=[action("kept")]))
    sink = plant.sink(action="kept_0")
    sink.faults, sink.open_faults = [TransportError("broken pipe")], [TransportError("refused")]
    plant.source().offer({"a": 1})
    plant.source().offer({"a": 2})
    status = plant.status()
    assert (status["sink_kept_0_0_connection_status"], status["sink_kept_0_0_exceptions_total"]) == (-1, 1)
    await plant.clock.advance(100)
    assert sink.values == [[{"a": 2}]]
    assert (plant.status()["sink_kept_0_0_records_in_total"], plant.status()["sink_kept_0_0_records_out_total"]) == (2, 1)


@pytest.mark.parametrize("properties", [{"resendInterval": 70}, {"enableCache": True, "resendInterval": "70ms"}])
async def test_a_failed_message_is_sent_again_in_order(plant: Plant, properties: dict[str, Any]) -> None:
    """With ``resendInterval``, or a cache: the first one first, after each interval."""
    await plant.run(rule(sinks=[action("kept", sendSingle=True, **properties)]))
    sink = plant.sink(action="kept_0")
    sink.faults = [TransportError("no"), TransportError("no")]
    plant.source().offer({"a": 1})
    plant.source().offer({"a": 2})
    writes = []
    for ms in (69, 1, 69, 1):
        await plant.clock.advance(ms)
        writes.append(sink.writes)
    assert writes == [1, 2, 2, 3]
    assert sink.values == [{"a": 1}, {"a": 2}]


async def test_what_was_delivered_before_a_failure_is_not_sent_again(plant: Plant) -> None:
    """``TransportError.delivered`` counts from the first message on."""
    await plant.run(rule(sinks=[action("kept", sendSingle=True, resendInterval=10)]))
    sink = plant.sink(action="kept_0")
    sink.faults = [TransportError("half way", delivered=1)]
    plant.source().offer({"a": 1}, {"a": 2}, {"a": 3})
    await plant.clock.advance(10)
    assert sink.values == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert plant.status()["sink_kept_0_0_records_out_total"] == 3


async def test_a_refusal_is_final(plant: Plant) -> None:
    """Even with a cache: the message is dropped, counted, and the connection is not doubted."""
    await plant.run(rule(sinks=[action("kept", enableCache=True)]))
    sink = plant.sink(action="kept_0")
    sink.faults = [DeliveryError("413 too large")]
    plant.source().offer({"a": 1})
    plant.source().offer({"a": 2})
    assert sink.values == [[{"a": 2}]]
    status = plant.status()
    assert (status["sink_kept_0_0_exceptions_total"], status["sink_kept_0_0_last_exception"]) == (1, "413 too large")
    assert status["sink_kept_0_0_connection_status"] == 1


async def test_messages_that_wait_go_out_together(plant: Plant) -> None:
    """While a write is not finished the others collect, and follow in one write and in order."""
    await plant.run(rule(sinks=[action("kept", sendSingle=True)]))
    sink = plant.sink(action="kept_0")
    sink.gate = asyncio.Event()
    for i in range(10):
        plant.source().offer({"a": i})
    await plant.settle()
    sink.gate.set()
    await plant.settle()
    assert sink.values == [{"a": i} for i in range(10)]
    assert sink.writes == 2
    sink.gate = None
    plant.source().offer({"a": 10})
    assert sink.values[-1] == {"a": 10}


async def test_a_stopping_rule_drops_what_a_dead_sink_does_not_take(plant: Plant) -> None:
    """And says how much."""
    plant.open_faults = [TransportError("refused")] * 10
    await plant.run(rule(sinks=[action("kept")]))
    plant.source().offer({"a": 1}, {"a": 2})
    await plant.engine.stop("r")
    assert plant.engine.errors("r")[-1].text == "rule stopped, drop 2 messages in front of kept_0"
    assert plant.log.lines[-1] == ("messages dropped", {"rule": "r", "sink": "kept_0", "messages": 2})


# -- checks


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"fields": ["a"], "excludeFields": ["b"]}, "field and excludeFields cannot both be set"),
        ({"batchSize": -1}, "fail to parse sink configuration: invalid batchSize -1"),
        ({"lingerInterval": -5}, "fail to parse sink configuration: invalid lingerInterval -5ms, must be positive"),
        ({"dataTemplate": "{{if"}, "template: sink:1: unclosed action"),
        ({"format": "klingon"}, "format type klingon not supported"),
        ({"compression": "rar"}, "unsupported compressor: rar; zlib, gzip or flate is expected"),
        ({"memoryCacheThreshold": 100}, "fail to parse sink configuration: invalid cache properties: memoryCacheThresholdTooSmall:"),
        ({"batchSize": "x"}, "fail to parse sink configuration: 'batchSize' expected type 'int'"),
    ],
)
def test_actions_that_cannot_work_are_refused(properties: dict[str, Any], text: str) -> None:
    """Before anything runs, with the compatible text."""
    spec = ConnectorSpec("plain", "", sink=SinkSpec(NoOptions, lambda options, context: None))  # type: ignore[arg-type,return-value]
    with pytest.raises(PlutinoError) as caught:
        check_sink(action(**properties), Registry({"plain": spec}, {"json": JSON}, {}))
    assert str(caught.value).startswith(text)


async def test_a_source_of_another_format_never_passes_through(plant: Plant) -> None:
    """Two streams with different formats: payloads are encoded for the sink."""
    streams = [feed(), feed("t", datasource="e", format="delimited")]
    await plant.run(rule(Script(streams=("s", "t")), feeds=streams))
    run = plant.engine._pipelines["r"].run
    assert run is not None
    assert not run.outlets[0].plan.passes
