"""MQTT source, sink and session without a broker: options, routing, acknowledgement, metadata."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from plutino.connectors.mqtt import CONNECTOR
from plutino.connectors.mqtt.client import InFlight
from plutino.connectors.mqtt.options import Address, MqttSinkOptions, MqttSourceOptions, address_of, share_key
from plutino.connectors.mqtt.packets import Extra, Run, property_block
from plutino.connectors.mqtt.session import MqttSession, Receiver
from plutino.connectors.mqtt.source import MqttSource
from plutino.errors import PlutinoError, TransportError
from plutino.spi import Delivery
from plutino.spi.options import decode_options
from plutino.testing import CollectingInlet, check_source_refuses, sink_context, source_context

SERVER = {"server": "tcp://127.0.0.1:1883"}


class FakeClient:
    """Stands in for a connected client: keeps what is sent."""

    protocol = None

    def __init__(self) -> None:
        self.sent = b""
        self.in_flight = InFlight()

    def send(self, data: bytes) -> None:
        """Keep packets."""
        self.sent += data


def run_of(topic: str, *payloads: bytes, extras: tuple[Extra, ...] = ()) -> Run:
    """A run of messages."""
    run = Run(topic.encode())
    run.payloads.extend(payloads)
    run.extras.extend(extras)
    return run


def connected(session: MqttSession) -> Any:
    """Make a session believe that it is connected."""
    client: Any = FakeClient()
    session._current = session._client = client
    session._lost.clear()
    return client


def source(tmp_path: Path, datasource: str = "a/+", meta: bool = True, **props: Any) -> tuple[MqttSource, CollectingInlet]:
    """A source that delivers into an inlet."""
    options = decode_options(MqttSourceOptions, {**SERVER, **props})
    made = MqttSource(options, datasource, source_context(str(tmp_path), needs_meta=lambda: meta))
    inlet = CollectingInlet(acknowledge=False)
    made._inlet = inlet
    return made, inlet


@pytest.mark.parametrize(
    ("props", "datasource", "text"),
    [
        ({}, "t", "missing server property"),
        (SERVER, "", "topic is required"),
        ({**SERVER, "protocolVersion": "6"}, "t", "unsupported protocol version 6"),
        ({**SERVER, "qos": 3}, "t", "invalid qos value 3, the value could be only int 0 or 1 or 2"),
        ({"server": "ws://host"}, "t", "ws is not built in"),
        ({**SERVER, "eofMessage": "%"}, "t", "base64 is expected"),
    ],
)
async def test_source_refuses(tmp_path: Path, props: dict[str, Any], datasource: str, text: str) -> None:
    """Texts are those of the original where it has one."""
    assert CONNECTOR.source is not None
    with pytest.raises(PlutinoError, match=text):
        CONNECTOR.source.create(decode_options(CONNECTOR.source.options, props), datasource, source_context(str(tmp_path)))
    await check_source_refuses(CONNECTOR, source_context(str(tmp_path)), [(props, datasource)])


@pytest.mark.parametrize(
    ("props", "text"),
    [
        (SERVER, "mqtt sink is missing property topic"),
        ({"topic": "t"}, "missing server property"),
        ({**SERVER, "topic": "a/#"}, "plain topic"),
        ({**SERVER, "topic": "a", "qos": -1}, "invalid qos value -1"),
    ],
)
def test_sink_refuses(tmp_path: Path, props: dict[str, Any], text: str) -> None:
    """As the source."""
    assert CONNECTOR.sink is not None
    with pytest.raises(PlutinoError, match=text):
        CONNECTOR.sink.create(decode_options(CONNECTOR.sink.options, props), sink_context(str(tmp_path)))


@pytest.mark.parametrize(
    ("server", "address"),
    [
        ("tcp://h:1", Address("h", 1, False)),
        ("h:1884", Address("h", 1884, False)),
        ("mqtt://h", Address("h", 1883, False)),
        ("ssl://h", Address("h", 8883, True)),
        ("mqtts://[::1]:99", Address("::1", 99, True)),
    ],
)
def test_addresses(server: str, address: Address) -> None:
    """Schemes, defaults and IPv6."""
    assert address_of(server) == address


def test_only_anonymous_clients_of_sinks_are_shared() -> None:
    """Equal brokers share a client; a client id or another user does not; sources have their own."""
    plain = decode_options(MqttSinkOptions, SERVER)
    assert share_key(plain) == share_key(decode_options(MqttSinkOptions, {**SERVER, "qos": 1, "topic": "t"}))
    assert share_key(plain) != share_key(decode_options(MqttSinkOptions, {**SERVER, "username": "u"}))
    assert share_key(decode_options(MqttSinkOptions, {**SERVER, "clientid": "c"})) is None
    assert share_key(decode_options(MqttSourceOptions, SERVER)) is None


def test_one_filter_is_subscribed_with_the_highest_qos() -> None:
    """Two streams on one connection: the broker keeps one subscription per filter."""
    session = MqttSession(decode_options(MqttSourceOptions, SERVER).broker, str)
    session._add(Receiver(["a", "b"], 1, lambda runs, ack: None))
    session._add(Receiver(["a", "c"], 0, lambda runs, ack: None))
    assert session._wanted(["a", "b", "c"]) == [("a", 1), ("b", 1), ("c", 0)]


def test_what_arrives_together_is_one_delivery(tmp_path: Path) -> None:
    """Several topics keep their order; metadata is made only when a rule reads it."""
    made, inlet = source(tmp_path)
    made._take([run_of("a/1", b"1", b"2")], None)
    made._take([run_of("a/1", b"3"), run_of("a/2", b"4")], None)
    assert [d.payloads for d in inlet.deliveries] == [[b"1", b"2"], [b"3", b"4"]]
    assert inlet.deliveries[0].meta == {"topic": "a/1", "qos": 0, "messageId": 0}
    assert [m["topic"] for m in inlet.deliveries[1].meta or []] == ["a/1", "a/2"]  # type: ignore[index]
    made, inlet = source(tmp_path, meta=False)
    made._take([run_of("a/1", b"1")], None)
    assert inlet.deliveries[0].meta is None


def test_version_5_properties_are_metadata(tmp_path: Path) -> None:
    """User properties and the trace id in them."""
    made, inlet = source(tmp_path, protocolVersion="5")
    block = property_block({"traceparent": "00-abc-def-01", "k": "v"})[1:]
    made._take([run_of("a/1", b"1", b"2", extras=(Extra(1, 0x32, 7, block),))], None)
    [delivery] = inlet.deliveries
    assert delivery.meta == [
        {"topic": "a/1", "qos": 0, "messageId": 0},
        {"topic": "a/1", "qos": 1, "messageId": 7, "properties": {"traceparent": "00-abc-def-01", "k": "v"}, "traceId": "abc"},
    ]


def test_the_end_message_ends(tmp_path: Path) -> None:
    """What came before it is delivered, what comes after is not."""
    made, inlet = source(tmp_path, eofMessage=base64.b64encode(b"END").decode())
    made._take([run_of("a/1", b"1", b"END", b"2")], None)
    made._take([run_of("a/1", b"3")], None)
    assert inlet.messages == [b"1"]
    assert made._ended


def test_a_message_is_acknowledged_when_every_receiver_is_done() -> None:
    """Two streams on one session; the second to finish sends PUBACK and PUBREC."""
    session = MqttSession(decode_options(MqttSourceOptions, SERVER).broker, str)
    client = connected(session)
    acks: list[Any] = []
    for topic_filter in ("a/#", "a/1"):
        session._add(Receiver([topic_filter], 1, lambda runs, ack: acks.append(ack)))
    session.received(client, [run_of("a/1", b"x", b"y", extras=(Extra(0, 0x32, 1, b""), Extra(1, 0x34, 2, b"")))])
    assert len(acks) == 2
    acks[0]()
    assert client.sent == b""
    acks[1]()
    assert client.sent == b"\x40\x02\x00\x01\x50\x02\x00\x02"


def test_an_acknowledgement_never_reaches_another_connection() -> None:
    """After a loss the broker gives packet ids anew."""
    session = MqttSession(decode_options(MqttSourceOptions, SERVER).broker, str)
    client = connected(session)
    acks: list[Any] = []
    session._add(Receiver(["#"], 1, lambda runs, ack: acks.append(ack)))
    session.received(client, [run_of("a", b"x", extras=(Extra(0, 0x32, 1, b""),))])
    other = connected(session)
    acks[0]()
    assert client.sent == other.sent == b""


def test_what_nobody_wants_is_acknowledged_at_once() -> None:
    """A subscription that has just ended may still bring something."""
    session = MqttSession(decode_options(MqttSourceOptions, SERVER).broker, str)
    client = connected(session)
    session.received(client, [run_of("a", b"x", extras=(Extra(0, 0x32, 5, b""),))])
    assert client.sent == b"\x40\x02\x00\x05"


def test_a_kept_session_waits_for_its_receiver() -> None:
    """Messages that the broker sends before the stream is there are delivered when it is."""
    broker = decode_options(MqttSourceOptions, {**SERVER, "enableClientSession": True, "clientid": "c"}).broker
    session = MqttSession(broker, str)
    client = connected(session)
    session.received(client, [run_of("a", b"x", extras=(Extra(0, 0x32, 5, b""),))])
    assert client.sent == b""
    seen: list[bytes] = []
    session._add(Receiver(["a"], 1, lambda runs, ack: seen.extend(p for r in runs for p in r.payloads)))
    assert seen == [b"x"]


def test_runs_go_to_those_who_want_them() -> None:
    """Routing by filter, also through shared subscriptions."""
    session = MqttSession(decode_options(MqttSourceOptions, SERVER).broker, str)
    client = connected(session)
    seen: dict[str, list[bytes]] = {"$share/g/a/+": [], "b": []}
    for topic_filter, found in seen.items():
        session._add(Receiver([topic_filter], 0, lambda runs, ack, found=found: found.extend(p for r in runs for p in r.payloads)))  # type: ignore[misc]
    session.received(client, [run_of("a/1", b"1"), run_of("b", b"2"), run_of("a/2", b"3")])
    assert seen == {"$share/g/a/+": [b"1", b"3"], "b": [b"2"]}


def test_news_of_an_old_client_does_not_count() -> None:
    """Its loss is not the loss of the new one."""
    session = MqttSession(decode_options(MqttSourceOptions, SERVER).broker, str)
    old = connected(session)
    connected(session)
    session.lost(old, "EOF")
    assert session.connected


async def test_an_unconnected_session_refuses_at_once(tmp_path: Path) -> None:
    """The engine caches or retries."""
    assert CONNECTOR.sink is not None
    options = decode_options(CONNECTOR.sink.options, {**SERVER, "topic": "t"})
    sink = CONNECTOR.sink.create(options, sink_context(str(tmp_path)))
    with pytest.raises(TransportError, match="mqtt client is not connected"):
        sink.write([b"1"], None)
    await sink.close()


async def test_messages_with_qos_1_wait_for_room(tmp_path: Path) -> None:
    """They are put, not offered: a full engine makes the source wait."""
    made, inlet = source(tmp_path)
    inlet.room = 0
    acked: list[int] = []
    made._take([run_of("a/1", b"1", extras=(Extra(0, 0x32, 9, b""),))], lambda: acked.append(9))
    assert inlet.deliveries == []
    session = MqttSession(decode_options(MqttSourceOptions, SERVER).broker, str)
    connected(session)
    placing = asyncio.ensure_future(made._place(session, Receiver([], 1, lambda runs, ack: None)))
    await inlet.until(lambda i: i.deliveries)
    [delivery] = inlet.deliveries
    assert isinstance(delivery, Delivery)
    assert delivery.ack is not None
    delivery.ack()
    assert acked == [9]
    session.lost(session._current, "EOF")  # type: ignore[arg-type]
    with pytest.raises(TransportError, match="lost: EOF"):
        await placing
