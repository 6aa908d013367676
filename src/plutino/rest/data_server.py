"""The data server: a second port on which sources that listen get their requests (HTTP push), and clients the events of trial runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from plutino.errors import PlutinoError
from plutino.rest.envelope import error_answer, internal_error
from plutino.rest.exchange import ClientGoneError, Exchange, Receive, Scope, Send
from plutino.rest.guard import Guard
from plutino.rest.sockets import Member, Rooms
from plutino.spi import Answer, IngressHandler, SocketRoom
from plutino.spi.limits import limits

BODY_LIMIT = 64 * 1024 * 1024
"""Bytes of one pushed message at most."""

EVENTS = "text/event-stream"


class DataServer:
    """The ASGI application of the data server; implements ``spi.HttpIngress``."""

    def __init__(self, guard: Guard, log: Any, body_limit: int = BODY_LIMIT) -> None:
        self._handlers: dict[tuple[str, str], list[IngressHandler]] = {}
        self._guard = guard
        self._log = log
        self._body_limit = min(body_limit, limits().body)
        self._streams: dict[str, Callable[[], AsyncGenerator[bytes, None]]] = {}
        self._ending = asyncio.Event()
        self.rooms = Rooms(guard.check, self._body_limit)
        self.port = 0
        """Where it listens; told by who binds it."""

    def register(self, path: str, method: str, handler: IngressHandler) -> Callable[[], None]:
        """Serve a path; the result ends that. Streams may share a path: each gets every body, and the highest status is answered."""
        key = (path if path.startswith("/") else f"/{path}", method.upper())
        handlers = self._handlers.setdefault(key, [])
        handlers.append(handler)

        def leave() -> None:
            if handler in handlers:
                handlers.remove(handler)
            if not handlers and self._handlers.get(key) is handlers:
                del self._handlers[key]

        return leave

    def stream(self, path: str, listen: Callable[[], AsyncGenerator[bytes, None]]) -> Callable[[], None]:
        """Answer GET on a path with server-sent events; the result ends that for clients to come."""
        self._streams[path] = listen

        def leave() -> None:
            if self._streams.get(path) is listen:
                del self._streams[path]

        return leave

    def sockets(self, path: str, receive: Callable[[bytes], None] | None) -> SocketRoom:
        """Serve a path to WebSocket clients."""
        return Member(self.rooms, path, receive)

    def end_streams(self) -> None:
        """End all events: the server stops."""
        self._ending.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Exchange(scope, receive, send)
        try:
            self._guard.check(request.headers)
            answer = await self._answer(request)
        except PlutinoError as error:
            answer = error_answer(error, request.headers)
        except ClientGoneError:
            return
        except Exception as error:  # the boundary: a defect of one source must not end the server's connection without an answer
            self._log.error("push request failed", method=request.method, path=request.path, exc_info=error)
            answer = internal_error()
        headers = {**answer.headers, **self._guard.cors(request.headers), **({"content-type": answer.media} if answer.media else {})}
        if isinstance(answer.content, str | bytes):
            await request.answer(answer.content, answer.status, headers)
        else:
            await request.stream(answer.content, answer.status, headers, self._ending)

    async def _answer(self, request: Exchange) -> Answer:
        path, method = request.path, request.method
        if method == "OPTIONS" and "access-control-request-method" in request.headers:
            return Answer(media="", headers=self._guard.preflight(request.headers))
        if method == "GET" and path in self._streams:
            return Answer(self._streams[path](), 200, EVENTS, {"cache-control": "no-store"})
        handlers = self._handlers.get((path, method))
        if handlers is None:
            known = sorted(m for p, m in self._handlers if p == path)
            if known:
                return Answer(status=405, media="", headers={"allow": ", ".join(known)})
            return Answer("404 page not found\n", 404)
        content, headers = await request.body(self._body_limit), request.headers
        status, body = max([await handler(content, headers) for handler in tuple(handlers)])
        return Answer(body, status)
