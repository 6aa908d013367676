"""The data server for HTTP push."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from plutino.errors import FormatError
from plutino.rest.data_server import DataServer
from plutino.rest.guard import Guard
from plutino.spi import IngressHandler
from unit.rest.kit import MemoryLog, ask


def _server(limit: int = 1000) -> DataServer:
    return DataServer(Guard("127.0.0.1"), MemoryLog(), limit)


async def test_a_registered_path_is_served_until_it_is_left() -> None:
    """The handler gets body and headers, its answer is sent."""
    server, seen = _server(), []

    async def take(body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        seen.append((body, headers["x-device"]))
        return 202, b"taken"

    leave = server.register("/in", "post", take)
    reply = await ask(server, "POST", "/in", "m", {"X-Device": "d1"})
    assert (reply.status, reply.text, seen) == (202, "taken", [(b"m", "d1")])
    assert (await ask(server, "GET", "/in")).status == 405
    leave()
    leave()
    assert (await ask(server, "POST", "/in", "m")).status == 404


async def test_streams_may_share_a_path() -> None:
    """Each gets every body, a full one decides the answer; another method is another endpoint."""
    server = _server()
    seen: list[tuple[int, bytes]] = []

    def taker(status: int) -> IngressHandler:
        async def take(body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
            seen.append((status, body))
            return status, b""

        return take

    leave = [server.register(path, "POST", taker(status)) for path, status in (("/in", 200), ("in", 503))]
    server.register("/in", "PUT", taker(201))
    assert (await ask(server, "POST", "/in", "m")).status == 503
    assert seen == [(200, b"m"), (503, b"m")]
    leave[1]()
    assert (await ask(server, "POST", "/in", "m")).status == 200
    leave[0]()
    assert (await ask(server, "POST", "/in", "m")).status == 405


async def test_events_are_sent_to_who_listens() -> None:
    """Until they end; the newest owner of a path counts, and what it leaves is gone."""
    server = _server()

    async def listen() -> AsyncGenerator[bytes, None]:
        yield b": results\n\n"
        yield b"data: 1\n\n"

    async def none() -> AsyncGenerator[bytes, None]:
        yield b""

    earlier = server.stream("/test/t", none)
    leave = server.stream("/test/t", listen)
    earlier()
    reply = await ask(server, "GET", "/test/t")
    assert (reply.status, reply.text) == (200, ": results\n\ndata: 1\n\n")
    assert reply.headers["content-type"].startswith("text/event-stream")
    leave()
    assert (await ask(server, "GET", "/test/t")).status == 404


async def test_trouble_of_a_source_is_answered() -> None:
    """Refusals with their envelope, defects with status 500, large messages with 413."""
    server = _server(limit=10)

    async def refuse(body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        raise FormatError("no JSON")

    async def fail(body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        raise ZeroDivisionError

    server.register("/refuse", "POST", refuse)
    server.register("/fail", "POST", fail)
    assert (await ask(server, "POST", "/refuse", "x")).json == {"error": 1004, "message": "no JSON"}
    assert (await ask(server, "POST", "/fail", "x")).status == 500
    assert (await ask(server, "POST", "/fail", "x" * 11)).status == 413


async def test_foreign_pages_cannot_push() -> None:
    """The same guard as before the REST API."""
    assert (await ask(_server(), "POST", "/in", "m", {"origin": "http://evil.example"})).status == 403
