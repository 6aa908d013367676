"""The data server: a second port on which sources that listen get their requests (HTTP push)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from plutino.errors import PlutinoError, ProvisionError
from plutino.rest.envelope import error_answer, internal_error
from plutino.rest.guard import Guard
from plutino.spi import Answer, IngressHandler

BODY_LIMIT = 64 * 1024 * 1024
"""Bytes of one pushed message at most."""


class DataServer:
    """The ASGI application of the data server; implements ``spi.HttpIngress``."""

    def __init__(self, guard: Guard, log: Any, body_limit: int = BODY_LIMIT) -> None:
        self._handlers: dict[tuple[str, str], IngressHandler] = {}
        self._guard = guard
        self._log = log
        self._body_limit = body_limit

    def register(self, path: str, method: str, handler: IngressHandler) -> Callable[[], None]:
        """Serve a path; the result ends that."""
        key = (path if path.startswith("/") else f"/{path}", method.upper())
        if key in self._handlers:
            raise ProvisionError(f"endpoint {key[1]} {key[0]} is in use by another source")
        self._handlers[key] = handler

        def leave() -> None:
            if self._handlers.get(key) is handler:
                del self._handlers[key]

        return leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            self._guard.check(request.headers)
            answer = await self._answer(request)
        except PlutinoError as error:
            answer = error_answer(error, request.headers)
        except ClientDisconnect:
            return
        except Exception as error:  # the boundary: a defect of one source must not end the server's connection without an answer
            self._log.error("push request failed", method=request.method, path=scope["path"], exc_info=error)
            answer = internal_error()
        assert isinstance(answer.content, str | bytes)
        headers = {**answer.headers, **self._guard.cors(request.headers)}
        response = Response(answer.content, answer.status, headers, media_type=answer.media or None)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Answer:
        path, method = request.scope["path"], request.method
        if method == "OPTIONS" and "access-control-request-method" in request.headers:
            return Answer(media="", headers=self._guard.preflight(request.headers))
        handler = self._handlers.get((path, method))
        if handler is None:
            known = sorted(m for p, m in self._handlers if p == path)
            if known:
                return Answer(status=405, media="", headers={"allow": ", ".join(known)})
            return Answer("404 page not found\n", 404)
        status, body = await handler(await self._body(request), dict(request.headers))
        return Answer(body, status)

    async def _body(self, request: Request) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > self._body_limit:
                raise PlutinoError(f"request body: more than {self._body_limit} bytes; send less at once", status=413)
            parts.append(part)
        return b"".join(parts)
