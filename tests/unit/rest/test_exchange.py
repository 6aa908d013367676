"""Requests and answers as ASGI carries them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from plutino.errors import PlutinoError
from plutino.rest.exchange import ClientGoneError, Exchange


class Wire:
    """A connection: messages that come in, one after the other, and those that went out. What is behind the last one never comes."""

    def __init__(self, *incoming: dict[str, Any]) -> None:
        self.incoming = list(incoming)
        self.sent: list[Any] = []

    async def receive(self) -> Any:
        if not self.incoming:
            await asyncio.Event().wait()
        return self.incoming.pop(0)

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    def exchange(self, headers: Sequence[tuple[bytes, bytes]] = ()) -> Exchange:
        scope = {"type": "http", "method": "GET", "path": "/x", "query_string": b"a=1", "headers": headers, "client": ("10.0.0.1", 5)}
        return Exchange(scope, self.receive, self.send)


def part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


def test_what_a_request_says() -> None:
    """Of a header that was sent twice the first counts."""
    exchange = Wire().exchange([(b"host", b"a"), (b"x-n", b"1"), (b"x-n", b"2")])
    assert (exchange.method, exchange.path, exchange.query, exchange.client) == ("GET", "/x", "a=1", "10.0.0.1")
    assert exchange.headers == {"host": "a", "x-n": "1"}


async def test_bodies_come_in_parts() -> None:
    """Too large ones are refused, by what is announced or by what comes; a client may leave in between."""
    assert await Wire(part(b"ab", more=True), part(b"c", more=False)).exchange().body(3) == b"abc"
    with pytest.raises(PlutinoError, match="more than 3 bytes"):
        await Wire(part(b"ab", more=True), part(b"cd", more=False)).exchange().body(3)
    with pytest.raises(PlutinoError, match="more than 3 bytes"):
        await Wire().exchange([(b"content-length", b"4")]).body(3)
    with pytest.raises(ClientGoneError):
        await Wire(part(b"ab", more=True), GONE).exchange().body(3)


async def test_answers_say_how_long_they_are() -> None:
    """But for those that have no body."""
    wire = Wire()
    await wire.exchange().answer("ü", 200, {"X-A": "1"})
    await wire.exchange().answer(b"", 304, {})
    start, body, bare, _ = wire.sent
    assert (start["status"], start["headers"], body["body"]) == (200, [(b"x-a", b"1"), (b"content-length", b"2")], "ü".encode())
    assert bare["headers"] == []


@pytest.mark.parametrize("end", ["pieces", "client", "server"])
async def test_streams_end(end: str) -> None:
    """With the last piece, when the client leaves, or when the server stops; what makes the pieces is closed each time."""
    begun: list[bool] = []
    closed: list[bool] = []
    ending = asyncio.Event()
    wire = Wire(part(b"", more=False), *([GONE] if end == "client" else []))

    async def pieces() -> AsyncGenerator[bytes, None]:
        begun.append(True)
        try:
            yield b"one"
            if end == "server":
                ending.set()
            if end != "pieces":
                await asyncio.Event().wait()
        finally:
            closed.append(True)

    await wire.exchange().stream(pieces(), 200, {}, ending)
    assert [m.get("body") for m in wire.sent if m.get("body")] in ([b"one"], [])
    assert wire.sent[-1].get("more_body", False) is False
    assert closed == begun
    assert end == "client" or begun == [True]
