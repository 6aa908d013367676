"""Neuron: options, what its messages mean, and what is sent. Sockets are in the end-to-end tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from plutino.connectors.neuron import CONNECTORS
from plutino.connectors.neuron.socket import PairSocket
from plutino.connectors.neuron.source import NeuronSource
from plutino.errors import ProvisionError, TransportError
from plutino.spi import ConnectorSpec
from plutino.spi.options import decode_options
from plutino.testing import CollectingInlet, sink_context, source_context

NEURON = CONNECTORS[0]
URL = "tcp://127.0.0.1:7081"


class FakeSocket(PairSocket):
    """A socket that is connected to the test."""

    def __init__(self) -> None:
        super().__init__(URL)
        self.sent: list[bytes] = []

    async def ping(self) -> None:
        """Always there."""

    async def wait_lost(self) -> str:
        """Lost when the test has said what it had to say."""
        return "gone"

    async def send(self, messages: Sequence[bytes]) -> None:
        self.sent.extend(messages)

    def receive(self, message: bytes) -> None:
        """What the gateway sends."""
        for receiver in self._receivers:
            receiver(message)


async def _sent(tmp_path: Path, options: dict[str, Any], items: list[Any], properties: list[dict[str, Any]] | None = None) -> list[Any]:
    assert NEURON.sink is not None
    socket = FakeSocket()
    sink = NEURON.sink.create(
        decode_options(NEURON.sink.options, {"url": URL, **options}), sink_context(str(tmp_path), connection=lambda: socket)
    )
    await sink.open()
    waiting = sink.write(items, properties)
    assert waiting is not None
    await waiting
    await sink.close()
    return [json.loads(message) for message in socket.sent]


async def test_rows_become_tags(tmp_path: Path) -> None:
    """One message per row; all columns, or those that are named and there."""
    options = {"nodeName": "n", "groupName": "g"}
    assert await _sent(tmp_path, options, [{"a": 1.0, "b": "x"}, [{"a": 2}, {"b": None}]]) == [
        {"group_name": "g", "node_name": "n", "tags": [{"tag_name": "a", "value": 1}, {"tag_name": "b", "value": "x"}]},
        {"group_name": "g", "node_name": "n", "tags": [{"tag_name": "a", "value": 2}]},
        {"group_name": "g", "node_name": "n", "tags": [{"tag_name": "b", "value": None}]},
    ]
    assert await _sent(tmp_path, {**options, "tags": ["b", "none"]}, [{"a": 1, "b": 2}]) == [
        {"group_name": "g", "node_name": "n", "tags": [{"tag_name": "b", "value": 2}]}
    ]


async def test_names_may_come_from_the_data_and_rows_may_stay_as_they_are(tmp_path: Path) -> None:
    """Templates are resolved by the engine."""
    options = {"nodeName": "{{.n}}", "groupName": "g", "tags": ["{{.t}}"]}
    dynamic = [{"nodeName": "n1", "groupName": "g", "tags": ["a"]}]
    assert await _sent(tmp_path, options, [{"a": 1, "n": "n1", "t": "a"}], dynamic) == [
        {"group_name": "g", "node_name": "n1", "tags": [{"tag_name": "a", "value": 1}]}
    ]
    assert await _sent(tmp_path, {"raw": True}, [{"a": 1, "b": [1.5]}]) == [{"a": 1, "b": [1.5]}]


async def test_messages_of_the_gateway_are_payloads(tmp_path: Path) -> None:
    """What tracing puts in front is taken off."""
    assert NEURON.source is not None
    socket = FakeSocket()
    inlet = CollectingInlet()
    source = NeuronSource(decode_options(NEURON.source.options, {"url": URL}), "", source_context(str(tmp_path), connection=lambda: socket))

    async def lost() -> str:
        socket.receive(b'{"a":1}')
        socket.receive(b"\x0a\xce" + bytes(range(16)) + b"s" * 8 + b'{"a":2}')
        return "gone"

    socket.wait_lost = lost  # type: ignore[method-assign]
    with pytest.raises(TransportError, match="gone"):
        await source.run(inlet, None)
    assert [(d.payloads, d.meta) for d in inlet.deliveries] == [
        ([b'{"a":1}'], {"sourceKind": "neuron"}),
        ([b'{"a":2}'], {"sourceKind": "neuron", "traceId": "000102030405060708090a0b0c0d0e0f"}),
    ]
    assert socket._receivers == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "url is required"),
        ({"url": "http://a:1"}, "only tcp and ipc scheme are supported"),
        ({"url": "tcp://a"}, "url tcp://a: tcp://host:port or ipc:///path is expected"),
        ({"url": "tcp://a:port"}, "error parsing url tcp://a:port"),
        ({"url": URL}, "node name is required if raw is not set"),
        ({"url": URL, "nodeName": "n"}, "group name is required if raw is not set"),
    ],
)
def test_what_can_never_work(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    """In the words of the original where it has some."""
    assert NEURON.sink is not None
    with pytest.raises(ProvisionError, match=message):
        NEURON.sink.create(decode_options(NEURON.sink.options, options), sink_context(str(tmp_path)))


@pytest.mark.parametrize("spec", CONNECTORS)
def test_connections_have_an_address(tmp_path: Path, spec: ConnectorSpec) -> None:
    """Under both names."""
    assert spec.connection is not None
    with pytest.raises(ProvisionError, match="url is required"):
        spec.connection.create("c", decode_options(spec.connection.options, {}), source_context(str(tmp_path)))
    with pytest.raises(ProvisionError, match="unsupported protocol push"):
        spec.connection.create(
            "c", decode_options(spec.connection.options, {"url": URL, "protocol": "push"}), source_context(str(tmp_path))
        )
