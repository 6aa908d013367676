"""One HTTP request and its answer, as ASGI carries them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import aclosing
from typing import Any, TypeAlias

from plutino.errors import PlutinoError

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class ClientGoneError(Exception):
    """The client has left before its request was complete; there is nobody to answer."""


class Exchange:
    """What the request says, and the way back. ``path`` is decoded, ``query`` is not; names of headers are in lower case, and of a header
    that was sent twice the first counts."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: str = scope["query_string"].decode("latin-1")
        self.headers: dict[str, str] = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
        client = scope.get("client")
        self.client: str = client[0] if client else ""
        self._receive = receive
        self._send = send

    async def body(self, limit: int) -> bytes:
        """All that was sent; PlutinoError (413) for more than ``limit`` bytes, ClientGoneError when the client leaves meanwhile."""
        length = self.headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            raise _too_large(limit)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    async def answer(self, content: str | bytes, status: int, headers: Mapping[str, str]) -> None:
        """Send an answer as a whole."""
        body = content.encode() if isinstance(content, str) else content
        sized = {} if status < 200 or status in (204, 304) else {"content-length": str(len(body))}
        await self._start(status, {**headers, **sized})
        await self._send({"type": "http.response.body", "body": body})

    async def stream(self, pieces: AsyncGenerator[bytes, None], status: int, headers: Mapping[str, str], ending: asyncio.Event) -> None:
        """Send an answer piece by piece, until there are no more, the client leaves, or ``ending`` is set; the pieces are closed then."""
        over = [asyncio.create_task(ending.wait()), asyncio.create_task(self._gone())]
        try:
            async with aclosing(pieces):
                await self._start(status, headers)
                while (piece := await _unless(over, pieces)) is not None:
                    await self._send({"type": "http.response.body", "body": piece, "more_body": True})
                await self._send({"type": "http.response.body", "body": b""})
        finally:
            for task in over:
                task.cancel()
            await asyncio.wait(over)

    async def _start(self, status: int, headers: Mapping[str, str]) -> None:
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def _unless(over: list[asyncio.Task[Any]], pieces: AsyncGenerator[bytes, None]) -> bytes | None:
    """The next piece; None behind the last one, or as soon as one of the tasks is done."""
    piece = asyncio.create_task(_next(pieces))
    try:
        await asyncio.wait((piece, *over), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not piece.done():
            piece.cancel()
            await asyncio.wait((piece,))
    return None if piece.cancelled() else piece.result()


async def _next(pieces: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(pieces, None)


def _too_large(limit: int) -> PlutinoError:
    return PlutinoError(f"request body: more than {limit} bytes; send less at once", status=413)
