"""HTTP pull and the rest sink against a real server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from plutino.connectors.http import CONNECTORS
from plutino.errors import AccessError, DeliveryError, FormatError, PlutinoError, TransportError
from plutino.spi import Sink, Source
from plutino.spi.options import decode_options
from plutino.testing import CollectingInlet, FakeClock, RecordingLog, check_sink, finish, sink_context, source_context

PULL, REST = (next(c for c in CONNECTORS if c.name == name) for name in ("httppull", "rest"))
Answer = Callable[[web.Request, bytes], web.StreamResponse]


class Peer:
    """A server that keeps requests and answers as the test says."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answer: Answer = lambda request, body: web.json_response({})
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Keep the request, then answer."""
        body = await request.read()
        self.requests.append((request.method, str(request.rel_url), {k.lower(): v for k, v in request.headers.items()}, body))
        return self.answer(request, body)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    """The server, on a free port."""
    peer = Peer()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", peer.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    peer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield peer
    await runner.cleanup()


def make_source(folder: Path, datasource: str = "", **props: Any) -> tuple[Source, FakeClock]:
    """A pull source on a clock that stands still."""
    assert PULL.source is not None
    clock = FakeClock()
    return PULL.source.create(decode_options(PULL.source.options, props), datasource, source_context(str(folder), clock=clock)), clock


@contextlib.asynccontextmanager
async def running(source: Source, inlet: CollectingInlet, resume: Any = None) -> AsyncIterator[asyncio.Future[None]]:
    """A source that runs until the end of the block."""
    task = asyncio.ensure_future(source.run(inlet, resume))
    task.add_done_callback(lambda _: inlet._news.set())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, PlutinoError):
            await task


async def send(folder: Path, items: list[bytes], properties: Any = None, context: Any = None, **props: Any) -> None:
    """Write into a sink and close it."""
    assert REST.sink is not None
    sink: Sink = REST.sink.create(decode_options(REST.sink.options, props), context or sink_context(str(folder)))
    try:
        await sink.open()
        await finish(sink.write(items, properties))
    finally:
        await sink.close()


async def test_each_interval_asks_and_gives_rows(peer: Peer, tmp_path: Path) -> None:
    """Objects and lists, with whole numbers as they are; the path is DATASOURCE."""
    answers = iter([{"a": 9007199254740993}, [{"a": 1}, {"a": 2}]])
    peer.answer = lambda request, body: web.json_response(next(answers))
    inlet = CollectingInlet()
    source, clock = make_source(tmp_path, "/state", url=peer.url, interval="10s", headers={"X-Key": 5})
    async with running(source, inlet):
        await inlet.until(lambda i: len(i.messages) == 1)
        await clock.advance(10_000)
        await inlet.until(lambda i: len(i.messages) == 3)
    assert inlet.messages == [{"a": 9007199254740993}, {"a": 1}, {"a": 2}]
    assert [(m, u, h["x-key"]) for m, u, h, _ in peer.requests] == [("GET", "/state", "5")] * 2


async def test_interval_0_asks_once(peer: Peer, tmp_path: Path) -> None:
    """And the stream goes on waiting."""
    inlet = CollectingInlet()
    source, clock = make_source(tmp_path, url=peer.url)
    async with running(source, inlet) as task:
        await inlet.until(lambda i: i.messages)
        await clock.advance(60_000)
        assert not task.done()
    assert len(peer.requests) == 1


async def test_states_make_the_next_request(peer: Peer, tmp_path: Path) -> None:
    """Fields of the same name replace them; the position holds them, and resuming starts with them."""
    peer.answer = lambda request, body: web.json_response([{"last": int(request.query["after"]) + 1}])
    options = {"url": peer.url + "/?after={{.last}}", "interval": 100, "states": {"last": 5}, "method": "post", "body": '{"n":{{.last}}}'}
    inlet = CollectingInlet()
    source, clock = make_source(tmp_path, **options)
    async with running(source, inlet):
        await inlet.until(lambda i: len(i.messages) == 1)
        await clock.advance(100)
        await inlet.until(lambda i: len(i.messages) == 2)
    assert [(u, b) for _, u, _, b in peer.requests] == [("/?after=5", b'{"n":5}'), ("/?after=6", b'{"n":6}')]
    assert inlet.position == {"last": 7}
    source, _ = make_source(tmp_path, **options)
    async with running(source, CollectingInlet(), inlet.position) as task:
        await wait(lambda: len(peer.requests) == 3, task)
    assert peer.requests[2][1] == "/?after=7"


async def test_equal_answers_are_left_out(peer: Peer, tmp_path: Path) -> None:
    """Incremental."""
    answers = iter([1, 1, 2])
    peer.answer = lambda request, body: web.json_response({"a": next(answers)})
    inlet = CollectingInlet()
    source, clock = make_source(tmp_path, url=peer.url, interval=100, incremental=True)
    async with running(source, inlet) as task:
        for n in (1, 2, 3):
            await wait(lambda n=n: len(peer.requests) == n, task)  # type: ignore[misc]
            await asyncio.sleep(0.02)
            await clock.advance(100)
        await inlet.until(lambda i: len(i.messages) == 2)
    assert inlet.messages == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("answer", "props", "fault"),
    [
        (web.Response(status=500), {}, "response code error: 500"),
        (web.Response(text="<html>"), {}, "response body error: JSON is malformed"),
        (web.Response(text="[1]"), {}, "only map[string]interface{} and []map[string]interface{} is supported"),
        (web.Response(text='{"code":500}'), {"responseType": "body"}, "response code error: 500"),
        (web.Response(text="{}"), {"compression": "gzip"}, "no Content-Encoding"),
    ],
)
async def test_a_bad_answer_is_counted_and_the_next_tick_goes_on(
    peer: Peer, tmp_path: Path, answer: web.Response, props: dict[str, Any], fault: str
) -> None:
    """Texts of the original."""
    body, status = answer.text, answer.status
    peer.answer = lambda request, _: web.Response(text=body, status=status)
    inlet = CollectingInlet()
    source, clock = make_source(tmp_path, url=peer.url, interval=100, **props)
    async with running(source, inlet):
        await inlet.until(lambda i: len(i.faults) == 1)
        await clock.advance(100)
        await inlet.until(lambda i: len(i.faults) == 2)
    assert fault in inlet.faults[0]
    assert inlet.messages == []


async def test_no_answer_is_for_the_engine(tmp_path: Path) -> None:
    """It reconnects with a back-off."""
    source, _ = make_source(tmp_path, url="http://127.0.0.1:2")
    with pytest.raises(TransportError, match="connection refused"):
        await source.run(CollectingInlet(), None)


async def test_a_slow_server_is_cut_off(tmp_path: Path) -> None:
    """``timeout`` is a limit of the whole request."""
    gone = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    source, _ = make_source(tmp_path, url=f"http://127.0.0.1:{port}", timeout=50)
    with pytest.raises(TransportError, match="no response in 50 ms"):
        await source.run(CollectingInlet(), None)
    await asyncio.wait_for(gone.wait(), 5)
    server.close()
    await server.wait_closed()


async def test_hosts_are_guarded_after_redirects_too(peer: Peer, tmp_path: Path) -> None:
    """The guard sees every address that is connected to."""
    assert PULL.source is not None
    seen: list[str] = []

    def allow(host: str) -> None:
        seen.append(host)
        if len(seen) > 1:
            raise AccessError(f"ip {host} is in internal network")

    def redirect(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": peer.url.replace("127.0.0.1", "localhost"), "Connection": "close"})

    peer.answer = redirect
    options = decode_options(PULL.source.options, {"url": peer.url})
    source = PULL.source.create(options, "", source_context(str(tmp_path), allow_host=allow))
    with pytest.raises(AccessError, match="in internal network"):
        await source.run(CollectingInlet(), None)


async def test_tokens_are_fetched_renewed_and_fetched_again(peer: Peer, tmp_path: Path) -> None:
    """At start, at half of their life, and when the server refuses them."""
    tokens = iter("abcd")
    valid = set("abd")

    def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        if request.path in ("/token", "/refresh"):
            return web.json_response({"token": next(tokens), "expires": 100})
        return web.json_response({"ok": 1}) if request.headers["Authorization"][-1] in valid else web.Response(status=401)

    peer.answer = answer
    oauth = {
        "access": {"url": peer.url + "/token", "body": '{"user":"u"}', "expire": "{{.expires}}"},
        "refresh": {"url": peer.url + "/refresh", "headers": {"X": "{{.token}}"}, "body": "{{.token}}"},
    }
    inlet = CollectingInlet()
    source, clock = make_source(
        tmp_path, "/data", url=peer.url, interval="30s", oAuth=oauth, headers={"Authorization": "Bearer {{.token}}"}
    )
    async with running(source, inlet):
        for n in (1, 2, 3, 4):
            await inlet.until(lambda i, n=n: len(i.messages) == n)  # type: ignore[misc]
            await clock.advance(30_000)
    shown = [(u, h.get("authorization", "")[-1:], b) for _, u, h, b in peer.requests]
    assert shown[:7] == [
        ("/token", "", b'{"user":"u"}'),
        ("/data", "a", b""),
        ("/data", "a", b""),
        ("/refresh", "", b"a"),
        ("/data", "b", b""),
        ("/data", "b", b""),
        ("/refresh", "", b"b"),
    ]
    assert ("/token", "", b'{"user":"u"}') in shown[7:]
    assert peer.requests[3][2]["x"] == "a"


async def test_a_lookup_asks_and_compares(peer: Peer, tmp_path: Path) -> None:
    """Rows in which every key matches, out of one document for all queries; errors that may pass are told from those that stay."""
    peer.answer = lambda request, body: web.json_response([{"id": 1, "n": "a"}, {"id": 2, "n": "b"}])
    assert PULL.lookup is not None
    lookup = PULL.lookup.create(decode_options(PULL.lookup.options, {"url": peer.url}), "/t", source_context(str(tmp_path)))
    await lookup.open()
    found = lookup.lookup(["n"], ["id"], [(2,), (3,), (1.0,)])
    assert not isinstance(found, list)
    assert await found == [[{"id": 2, "n": "b"}], [], [{"id": 1, "n": "a"}]]
    assert len(peer.requests) == 1
    for status, kind in ((503, TransportError), (404, FormatError)):
        peer.answer = lambda request, body, status=status: web.Response(status=status)
        failing = lookup.lookup(["n"], ["id"], [(2,)])
        assert not isinstance(failing, list)
        with pytest.raises(kind, match=f"response code error: {status}"):
            await failing
    await lookup.close()


@pytest.mark.parametrize(
    ("props", "method", "content_type", "body"),
    [
        ({}, "GET", "application/json", b"1"),
        ({"method": "get"}, "GET", None, b""),
        ({"method": "post"}, "POST", "application/json", b"1"),
        ({"method": "PUT", "bodyType": "text"}, "PUT", "text/plain", b"1"),
        ({"method": "post", "bodyType": "binary"}, "POST", None, b"1"),
        ({"method": "post", "bodyType": "form", "format": "urlencoded"}, "POST", "application/x-www-form-urlencoded;param=value", b"1"),
        ({"method": "delete", "bodyType": "none"}, "DELETE", None, b""),
        ({"method": "post", "headers": {"content-type": "own"}}, "POST", "own", b"1"),
    ],
)
async def test_method_and_body_type(
    peer: Peer, tmp_path: Path, props: dict[str, Any], method: str, content_type: str | None, body: bytes
) -> None:
    """Headers are always sent; only an explicit GET (or none) goes without a body."""
    await send(tmp_path, [b"1"], url=peer.url + "/x", **{"headers": {"X-A": "b"}, **props})
    [(seen_method, path, headers, seen_body)] = peer.requests
    assert (seen_method, path, seen_body) == (method, "/x", body)
    assert headers.get("content-type") == content_type
    assert headers.get("x-a") == (None if "headers" in props else "b")


async def test_everything_may_come_with_each_message(peer: Peer, tmp_path: Path) -> None:
    """Address, method, body type and headers, resolved by the engine."""
    properties = [
        {"url": peer.url + "/a", "method": "put", "bodyType": "text", "headers": {"X": "1"}},
        {"url": peer.url + "/b", "method": "post", "bodyType": "json", "headers": {"X": "2"}},
    ]
    await send(tmp_path, [b"1", b"2"], properties, url=peer.url + "/{{.p}}", method="{{.m}}", bodyType="{{.t}}", headers={"X": "{{.x}}"})
    assert [(m, u, h["x"], h["content-type"]) for m, u, h, _ in peer.requests] == [
        ("PUT", "/a", "1", "text/plain"),
        ("POST", "/b", "2", "application/json"),
    ]


async def test_a_form_with_a_file(peer: Peer, tmp_path: Path) -> None:
    """The message is the file, its name is the time."""
    await send(tmp_path, [b"content"], url=peer.url, method="post", bodyType="formdata", fileFieldName="doc", formData={"k": 1})
    [(_, _, headers, body)] = peer.requests
    assert headers["content-type"].startswith("multipart/form-data")
    assert b'name="k"\r\n\r\n1' in body
    assert b'name="doc"; filename="1700000000000"' in body
    assert b"content" in body


async def test_compressed_bodies_say_so(peer: Peer, tmp_path: Path) -> None:
    """The engine has compressed them."""
    await send(tmp_path, [gzip.compress(b"{}")], url=peer.url, method="post", compression="gzip")
    assert peer.requests[0][2]["content-encoding"] == "gzip"


@pytest.mark.parametrize(("status", "error"), [(503, TransportError), (429, TransportError), (400, DeliveryError), (404, DeliveryError)])
async def test_answers_are_retryable_or_final(peer: Peer, tmp_path: Path, status: int, error: type[PlutinoError]) -> None:
    """By status; a retry begins with the message that failed, a final refusal does not hold up the others."""
    peer.answer = lambda request, body: web.Response(status=status if body == b"2" else 200, text="no" if body == b"2" else "")
    with pytest.raises(error) as caught:
        await send(tmp_path, [b"1", b"2", b"3"], url=peer.url, method="post")
    assert str(caught.value) == (
        f'parse response error: response code error: {status}. | method=POST path="{peer.url}" status={status} response_body="no"'
    )
    if isinstance(caught.value, TransportError):
        assert caught.value.delivered == 1
        assert [b for *_, b in peer.requests] == [b"1", b"2"]
    else:
        assert [b for *_, b in peer.requests] == [b"1", b"2", b"3"]


async def test_the_body_may_tell_success(peer: Peer, tmp_path: Path) -> None:
    """Also without debugResp; with it the response is logged."""
    peer.answer = lambda request, body: web.json_response({"code": 500})
    log = RecordingLog()
    context = sink_context(str(tmp_path), log=log)
    with pytest.raises(DeliveryError, match="response code error: 500"):
        await send(tmp_path, [b"1"], url=peer.url, method="post", responseType="body", debugResp=True, context=context)
    assert "status=200" in log.records[0][1]


async def test_an_unreachable_server_is_retryable(tmp_path: Path) -> None:
    """The text names method and address."""
    with pytest.raises(TransportError) as caught:
        await send(tmp_path, [b"1"], url="http://127.0.0.1:2/x", method="post")
    assert str(caught.value) == (
        "rest sink fails to send out the data:err=POST http://127.0.0.1:2/x: connect: connection refused recoverAble=true "
        'method=POST path="http://127.0.0.1:2/x"'
    )


async def test_a_forbidden_host_is_final(tmp_path: Path) -> None:
    """A retry does not help."""

    def refuse(host: str) -> None:
        raise AccessError(f"ip {host} is in internal network")

    with pytest.raises(DeliveryError, match="in internal network"):
        await send(tmp_path, [b"1"], url="http://127.0.0.1:2/x", context=sink_context(str(tmp_path), allow_host=refuse))


async def test_a_header_that_cannot_be_sent_is_final(peer: Peer, tmp_path: Path) -> None:
    """A line break out of the data must not become another header."""
    with pytest.raises(DeliveryError):
        await send(tmp_path, [b"1"], [{"headers": {"X": "a\r\nEvil: 1"}}], url=peer.url, method="post")
    assert peer.requests == []


async def test_tokens_go_into_headers_of_the_sink(peer: Peer, tmp_path: Path) -> None:
    """With OAuth templates in headers stand for the token response."""
    peer.answer = lambda request, body: web.json_response({"token": "T"})
    oauth = {"access": {"url": peer.url + "/token", "expire": "3600"}}
    assert REST.sink is not None
    assert "headers" not in REST.sink.dynamic_names({"oauth": oauth})
    assert "headers" in REST.sink.dynamic_names({})
    await send(tmp_path, [b"1"], url=peer.url + "/data", method="post", oauth=oauth, headers={"Authorization": "Bearer {{.token}}"})
    assert [(u, h.get("authorization")) for _, u, h, _ in peer.requests] == [("/token", None), ("/data", "Bearer T")]


async def test_the_contract_holds_with_a_server(peer: Peer, tmp_path: Path) -> None:
    """The suite of the test kit."""
    await check_sink(REST, {"url": peer.url, "method": "post"}, [b"1", b"2"], sink_context(str(tmp_path)))
    assert [json.loads(b) for *_, b in peer.requests] == [1, 2, 1, 2]


async def test_pings(peer: Peer, tmp_path: Path) -> None:
    """Whether somebody listens."""
    assert PULL.source is not None
    assert PULL.source.ping is not None
    assert REST.sink is not None
    assert REST.sink.ping is not None
    await PULL.source.ping(decode_options(PULL.source.options, {"url": peer.url}), "", source_context(str(tmp_path)))
    await REST.sink.ping(decode_options(REST.sink.options, {"url": peer.url}), sink_context(str(tmp_path)))
    with pytest.raises(TransportError, match="connection refused"):
        await REST.sink.ping(decode_options(REST.sink.options, {"url": "http://127.0.0.1:2"}), sink_context(str(tmp_path)))


async def wait(condition: Callable[[], object], task: asyncio.Future[None]) -> None:
    """Until a condition of the peer holds."""
    async with asyncio.timeout(5):
        while not condition():
            if task.done():
                task.result()
            await asyncio.sleep(0.005)
