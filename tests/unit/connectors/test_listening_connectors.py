"""WebSocket and server-sent events on the data server, without sockets. WebSocket clients meet servers in the end-to-end tests."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from plutino.connectors import sse, websocket
from plutino.connectors.websocket.options import SessionOptions
from plutino.connectors.websocket.session import WebSocketSession, named
from plutino.connectors.websocket.source import WebSocketSource
from plutino.errors import NotFoundError, ProvisionError, TransportError
from plutino.spi.options import decode_options
from plutino.testing import CollectingInlet, FakeIngress, check_source, check_source_refuses, sink_context, source_context


async def test_a_source_gets_what_clients_of_its_path_send(tmp_path: Path) -> None:
    """As payloads, and nothing is served once it has ended."""
    ingress = FakeIngress()
    context = source_context(str(tmp_path), ingress=ingress)

    async def send() -> None:
        ingress.message("/a", b'{"a":1}')

    deliveries = await check_source(websocket.CONNECTOR, {}, "/a", context, provoke=send)
    assert [d.payloads for d in deliveries] == [[b'{"a":1}']]
    with pytest.raises(NotFoundError):
        ingress.message("/a", b"")


async def test_a_sink_sends_to_the_clients_of_its_path(tmp_path: Path) -> None:
    """``datasource`` names the path as well as ``path`` does."""
    ingress = FakeIngress()
    spec = websocket.CONNECTOR.sink
    assert spec is not None
    for name in ("path", "datasource"):
        sink = spec.create(decode_options(spec.options, {name: "/b"}), sink_context(str(tmp_path), ingress=ingress))
        await sink.open()
        room = ingress.rooms["/b"][0]
        waiting = sink.write([b"1", b"2"], None)
        assert waiting is not None
        await waiting
        await sink.close()
        assert (room.sent, ingress.rooms["/b"]) == ([b"1", b"2"], [])


@pytest.mark.parametrize(
    ("options", "path", "message"),
    [
        ({}, "a", "websocket endpoint should start with /"),
        ({}, "", "websocket endpoint should start with /"),
        ({"scheme": "http"}, "/a", "websocket scheme http: ws or wss is expected"),
    ],
)
async def test_what_can_never_connect(tmp_path: Path, options: dict[str, Any], path: str, message: str) -> None:
    """Sources and sinks alike."""
    await check_source_refuses(websocket.CONNECTOR, source_context(str(tmp_path)), [(options, path)])
    spec = websocket.CONNECTOR.sink
    assert spec is not None
    with pytest.raises(ProvisionError, match=message):
        spec.create(decode_options(spec.options, {**options, "path": path}), sink_context(str(tmp_path)))


async def test_sources_share_a_connection_with_a_name(tmp_path: Path) -> None:
    """Each gets every message; the connection stays when they go."""
    ingress = FakeIngress()
    session = named("c", SessionOptions(path="/shared"), source_context(str(tmp_path), ingress=ingress))
    await session.open()
    context = source_context(str(tmp_path), ingress=ingress, connection=lambda: session)
    inlets = [CollectingInlet(), CollectingInlet()]
    spec = websocket.CONNECTOR.source
    assert spec is not None
    sources = [WebSocketSource(decode_options(spec.options, {}), "/shared", context).run(inlet, None) for inlet in inlets]
    running = [asyncio.ensure_future(source) for source in sources]
    for inlet in inlets:
        await inlet.until(lambda i: i.connections)
    ingress.message("/shared", b"x")
    assert [[d.payloads for d in inlet.deliveries] for inlet in inlets] == [[[b"x"]], [[b"x"]]]
    for task in running:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert len(ingress.rooms["/shared"]) == 1
    await session.ping()
    await session.close()
    assert ingress.rooms["/shared"] == []


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """TransportError, so the engine tries again."""
    session = WebSocketSession(SessionOptions(addr="127.0.0.1:1"), "/a", FakeIngress(), str)
    with pytest.raises(TransportError, match=r"websocket ws://127\.0\.0\.1:1/a: "):
        await session.open()
    with pytest.raises(TransportError):
        await session.send([b"x"])
    await session.close()


async def test_events_reach_whoever_listens(tmp_path: Path) -> None:
    """Each result is an event; payloads of several lines are one event too; a slow listener misses the oldest."""
    ingress = FakeIngress()
    spec = sse.CONNECTOR.sink
    assert spec is not None
    sink = spec.create(decode_options(spec.options, {"endpoint": "/e", "datasource": "/e"}), sink_context(str(tmp_path), ingress=ingress))
    await sink.open()
    listener = ingress.streams["/e"]()
    first = asyncio.ensure_future(anext(listener))
    await asyncio.sleep(0)
    sink.write([b'{"a":1}', b"two\nlines"], None)
    assert await first == b'data: {"a":1}\n\n'
    assert await anext(listener) == b"data: two\ndata: lines\n\n"
    sink.write([str(n).encode() for n in range(sse.WAITING + 1)], None)
    assert await anext(listener) == b"data: 1\n\n"
    await sink.close()
    assert ingress.streams == {}
    assert [event async for event in listener][-1] == b"data: 1024\n\n"
    with pytest.raises(ProvisionError, match="sse endpoint should start with /"):
        spec.create(decode_options(spec.options, {}), sink_context(str(tmp_path)))
