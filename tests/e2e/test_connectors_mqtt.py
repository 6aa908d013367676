"""The MQTT connector against a real broker."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.harness import Broker
from plutino.connectors.mqtt import CONNECTOR
from plutino.connectors.mqtt.session import MqttSession
from plutino.errors import TransportError
from plutino.spi import Sink, Source
from plutino.spi.options import decode_options
from plutino.testing import CollectingInlet, check_sink, check_source, finish, sink_context, source_context

TLS = Path(__file__).parent / "tls"


@pytest.fixture
def topic() -> str:
    """A topic of its own for each test."""
    return f"test/{uuid.uuid4().hex}"


@pytest.fixture
def own_broker(tmp_path: Path) -> Any:
    """A broker that the test may stop and start."""
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


def make_source(url: str, topic: str, folder: Path, **props: Any) -> Source:
    """A source over fakes of the engine."""
    assert CONNECTOR.source is not None
    members = {"connection": props.pop("connection")} if "connection" in props else {}
    options = decode_options(CONNECTOR.source.options, {"server": url, **props})
    return CONNECTOR.source.create(options, topic, source_context(str(folder), **members))


def make_sink(url: str, topic: str, folder: Path, **props: Any) -> Sink:
    """A sink over fakes of the engine."""
    assert CONNECTOR.sink is not None
    members = {"connection": props.pop("connection")} if "connection" in props else {}
    options = decode_options(CONNECTOR.sink.options, {"server": url, "topic": topic, **props})
    return CONNECTOR.sink.create(options, sink_context(str(folder), **members))


@contextlib.asynccontextmanager
async def running(source: Source, inlet: CollectingInlet) -> AsyncIterator[asyncio.Future[None]]:
    """A source that runs until the end of the block."""
    task = asyncio.ensure_future(source.run(inlet, None))
    task.add_done_callback(lambda _: inlet._news.set())
    try:
        await inlet.until(lambda i: i.connections or task.done())
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, TransportError):
            await task


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", ["3.1", "3.1.1", "5"])
async def test_what_is_published_arrives_in_order(broker: Broker, topic: str, tmp_path: Path, version: str, qos: int) -> None:
    """Small, empty and large payloads, in every version and quality of service."""
    payloads = [b"%d" % i for i in range(500)] + [b"", b"x" * 700_000, b"end"]
    sink = make_sink(broker.url, topic + "/a", tmp_path, qos=qos, protocolVersion=version)
    await sink.open()
    inlet = CollectingInlet()
    async with running(make_source(broker.url, topic + "/+", tmp_path, qos=qos, protocolVersion=version), inlet):
        await finish(sink.write(payloads[:300], None))
        await finish(sink.write(payloads[300:], None))
        await inlet.until(lambda i: len(i.messages) >= len(payloads), 20)
    await sink.close()
    assert inlet.messages == payloads
    metas = [m for d in inlet.deliveries for m in (d.meta if isinstance(d.meta, list) else [d.meta])]
    assert {(m["topic"], m["qos"]) for m in metas} == {(topic + "/a", qos)}


async def test_the_contract_holds_with_a_broker(broker: Broker, topic: str, tmp_path: Path) -> None:
    """Suites of the test kit."""
    options = {"server": broker.url, "qos": 1}
    sink = make_sink(broker.url, topic, tmp_path)
    await sink.open()

    async def publish() -> None:
        await finish(sink.write([b"1", b"2"], None))

    await check_source(CONNECTOR, options, topic, source_context(str(tmp_path)), provoke=publish, messages=2)
    await check_sink(CONNECTOR, {**options, "topic": topic}, [b"1", b"2"], sink_context(str(tmp_path)))
    await sink.close()


async def test_topics_and_properties_may_come_with_each_message(broker: Broker, topic: str, tmp_path: Path) -> None:
    """Version 5 carries user properties; several filters make one source."""
    sink = make_sink(broker.url, topic + "/{{.t}}", tmp_path, protocolVersion="5", properties={"fix": "1"})
    await sink.open()
    inlet = CollectingInlet()
    async with running(make_source(broker.url, f"{topic}/a, {topic}/b", tmp_path, protocolVersion="5"), inlet):
        traced = {"traceparent": "00-ab-cd-01"}
        properties = [{"topic": f"{topic}/a", "properties": traced}, {"topic": f"{topic}/b"}, {"topic": f"{topic}/c"}]
        await finish(sink.write([b"1", b"2", b"3"], properties))
        await inlet.until(lambda i: len(i.messages) >= 2)
    await sink.close()
    metas = [m for d in inlet.deliveries for m in (d.meta if isinstance(d.meta, list) else [d.meta])]
    assert [(m["topic"][-1], m.get("properties"), m.get("traceId")) for m in metas] == [
        ("a", {"traceparent": "00-ab-cd-01"}, "ab"),
        ("b", {"fix": "1"}, None),
    ]


async def test_a_retained_message_waits_for_its_reader(broker: Broker, topic: str, tmp_path: Path) -> None:
    """The broker keeps the last one."""
    sink = make_sink(broker.url, topic, tmp_path, retained=True, qos=1)
    await sink.open()
    await finish(sink.write([b"1", b"2"], None))
    await sink.close()
    inlet = CollectingInlet()
    async with running(make_source(broker.url, topic, tmp_path), inlet):
        await inlet.until(lambda i: i.messages)
    assert inlet.messages == [b"2"]


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_what_was_not_acknowledged_comes_again(broker: Broker, topic: str, tmp_path: Path, version: str, qos: int) -> None:
    """A rule that did not finish gets its messages after the next start; a finished one does not."""
    session = {"qos": qos, "clientid": uuid.uuid4().hex, "enableClientSession": True, "protocolVersion": version}
    sink = make_sink(broker.url, topic, tmp_path, qos=qos)
    await sink.open()
    inlet = CollectingInlet(acknowledge=False)
    async with running(make_source(broker.url, topic, tmp_path, **session), inlet):
        await finish(sink.write([b"1"], None))
        await inlet.until(lambda i: i.messages)
        await finish(sink.write([b"2"], None))
        await inlet.until(lambda i: len(i.messages) == 2)
        ack = inlet.deliveries[0].ack
        assert ack is not None
        ack()
        await asyncio.sleep(0.1)  # the acknowledgement has to reach the broker
    await finish(sink.write([b"3"], None))
    again = CollectingInlet()
    async with running(make_source(broker.url, topic, tmp_path, **session), again):
        await again.until(lambda i: len(i.messages) == 2)
    await sink.close()
    assert sorted(again.messages) == [b"2", b"3"]


async def test_a_lost_broker_ends_the_run_and_the_next_one_works(own_broker: Broker, topic: str, tmp_path: Path) -> None:
    """The engine reconnects: a loss is a TransportError, for the source and for the sink."""
    source, inlet = make_source(own_broker.url, topic, tmp_path, qos=1), CollectingInlet()
    sink = make_sink(own_broker.url, topic, tmp_path, qos=1)
    await sink.open()
    async with running(source, inlet) as task:
        own_broker.stop()
        with pytest.raises(TransportError, match="is lost"):
            await asyncio.wait_for(task, 10)
    with pytest.raises(TransportError, match="mqtt client is not connected"):
        await finish(sink.write([b"1"], None))
    port = own_broker.port
    with pytest.raises(TransportError) as caught:
        await sink.open()
    assert str(caught.value) == (
        f"found error when connecting for {own_broker.url}: network Error : dial tcp 127.0.0.1:{port}: connect: connection refused"
    )
    own_broker.start(port)
    await sink.open()
    again = CollectingInlet()
    async with running(source, again):
        await finish(sink.write([b"1"], None))
        await again.until(lambda i: i.messages)
    await sink.close()


async def test_a_shared_connection_serves_many(own_broker: Broker, topic: str, tmp_path: Path) -> None:
    """One client, several subscriptions and publishers; it opens again after a loss with its subscriptions."""
    assert CONNECTOR.connection is not None
    options = decode_options(CONNECTOR.connection.options, {"server": own_broker.url})
    shared = CONNECTOR.connection.create("c1", options, source_context(str(tmp_path)))
    assert isinstance(shared, MqttSession)
    await shared.open()
    await shared.ping()
    give: Callable[[], MqttSession] = lambda: shared  # noqa: E731
    sink = make_sink(own_broker.url, topic + "/x", tmp_path, connection=give, qos=1)
    await sink.open()
    first, second = CollectingInlet(), CollectingInlet()
    async with (
        running(make_source(own_broker.url, topic + "/#", tmp_path, connection=give, qos=1), first),
        running(make_source(own_broker.url, topic + "/x", tmp_path, connection=give), second) as task,
    ):
        await finish(sink.write([b"1", b"2"], None))
        await first.until(lambda i: len(i.messages) == 2)
        await second.until(lambda i: len(i.messages) == 2)
        port = own_broker.port
        own_broker.stop()
        assert await asyncio.wait_for(shared.wait_lost(), 10)
        with pytest.raises(TransportError):
            await asyncio.wait_for(task, 10)
        with pytest.raises(TransportError):
            await shared.ping()
        own_broker.start(port)
        await shared.open()
    again = CollectingInlet()
    async with running(make_source(own_broker.url, topic + "/#", tmp_path, connection=give), again):
        await finish(sink.write([b"3"], None))
        await again.until(lambda i: i.messages)
    await sink.close()
    assert shared.connected  # a sink does not close what it shares
    await shared.close()
    await shared.close()
    assert again.messages == [b"3"]


async def test_the_end_message_ends_the_source(broker: Broker, topic: str, tmp_path: Path) -> None:
    """A bounded stream over MQTT."""
    inlet = CollectingInlet()
    sink = make_sink(broker.url, topic, tmp_path)
    await sink.open()
    async with running(make_source(broker.url, topic, tmp_path, eofMessage=base64.b64encode(b"EOF").decode()), inlet) as task:
        await finish(sink.write([b"1", b"EOF", b"2"], None))
        await asyncio.wait_for(task, 5)
    await sink.close()
    assert inlet.messages == [b"1"]


async def test_messages_one_by_one_are_taken_together_when_there_are_many(broker: Broker, topic: str, tmp_path: Path) -> None:
    """Single publications in close succession cost the reader less than one delivery each, and none is lost."""
    sink = make_sink(broker.url, topic, tmp_path)
    await sink.open()
    inlet = CollectingInlet()
    async with running(make_source(broker.url, topic, tmp_path), inlet):
        for i in range(3000):
            await finish(sink.write([b"%d" % i], None))
            if i % 10 == 0:
                await asyncio.sleep(0)
        await inlet.until(lambda i: len(i.messages) == 3000, 20)
    await sink.close()
    assert inlet.messages == [b"%d" % i for i in range(3000)]
    assert len(inlet.deliveries) < 2000


async def test_a_slow_engine_stops_reading_and_loses_nothing(broker: Broker, topic: str, tmp_path: Path) -> None:
    """With qos 1 the source waits for room; meanwhile it does not read."""

    class SlowInlet(CollectingInlet):
        async def put(self, delivery: Any) -> None:
            await asyncio.sleep(0.002)
            await super().put(delivery)

    inlet = SlowInlet()
    sink = make_sink(broker.url, topic, tmp_path, qos=1)
    await sink.open()
    async with running(make_source(broker.url, topic, tmp_path, qos=1), inlet):
        for i in range(400):
            await finish(sink.write([b"%d" % i], None))
        await inlet.until(lambda i: len(i.messages) == 400, 20)
    await sink.close()
    assert inlet.messages == [b"%d" % i for i in range(400)]


async def test_ping_tells_whether_a_broker_answers(broker: Broker, tmp_path: Path) -> None:
    """Sources and sinks can be tried before they are used."""
    assert CONNECTOR.source is not None
    assert CONNECTOR.source.ping is not None
    assert CONNECTOR.sink is not None
    assert CONNECTOR.sink.ping is not None
    options = CONNECTOR.source.options
    await CONNECTOR.source.ping(decode_options(options, {"server": broker.url}), "x", source_context(str(tmp_path)))
    await CONNECTOR.sink.ping(decode_options(CONNECTOR.sink.options, {"server": broker.url, "topic": "x"}), sink_context(str(tmp_path)))
    with pytest.raises(TransportError, match="connection refused"):
        await CONNECTOR.source.ping(decode_options(options, {"server": "tcp://127.0.0.1:2"}), "x", source_context(str(tmp_path)))


async def test_who_is_no_broker_is_noticed(tmp_path: Path) -> None:
    """A server that answers nonsense, and one that closes at once."""

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x30\xff\xff\xff\xff\xff")
        await writer.drain()
        writer.close()

    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    for behaviour in (nonsense, closing):
        server = await asyncio.start_server(behaviour, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        sink = make_sink(f"tcp://127.0.0.1:{port}", "t", tmp_path)
        with pytest.raises(TransportError, match="found error when connecting"):
            await sink.open()
        await sink.close()
        server.close()
        await server.wait_closed()


async def test_tls_with_a_certificate_of_ones_own(broker: Broker, topic: str, tmp_path: Path) -> None:
    """The authority is checked unless that is switched off."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", broker.port)
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))

    server = await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context)
    url = f"ssl://localhost:{server.sockets[0].getsockname()[1]}"
    raw = base64.b64encode((TLS / "cert.pem").read_bytes()).decode()
    for props in ({"rootCaPath": str(TLS / "cert.pem")}, {"rootCARaw": raw}, {"insecureSkipVerify": True, "tlsMinVersion": "tls1.3"}):
        sink, inlet = make_sink(url, topic, tmp_path, qos=1, **props), CollectingInlet()
        await sink.open()
        async with running(make_source(url, topic, tmp_path, **props), inlet):
            await finish(sink.write([b"1"], None))
            await inlet.until(lambda i: i.messages)
        await sink.close()
    stranger = make_sink(url, topic, tmp_path)
    with pytest.raises(TransportError, match="certificate verify failed"):
        await stranger.open()
    await stranger.close()
    server.close()
    await asyncio.sleep(0.05)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.CancelledError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
