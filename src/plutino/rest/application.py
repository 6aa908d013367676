"""The ASGI application of the REST API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from msgspec.structs import replace

from plutino.errors import PlutinoError
from plutino.rest.discretion import Discretion
from plutino.rest.envelope import error_answer, internal_error
from plutino.rest.exchange import ClientGoneError, Exchange, Receive, Scope, Send
from plutino.rest.guard import Guard
from plutino.rest.media import error_media, labelled
from plutino.rest.routes import Routes, cleaned
from plutino.spi import Action, Answer, Call, Control
from plutino.spi.limits import limits

_NOT_FOUND = Answer("404 page not found\n", 404)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request before its route is known: ``path`` is decoded, ``query`` is not; ``body`` reads what was sent."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Callable[[], Awaitable[bytes]]
    client: str


class Application:
    """Answers requests by the actions of ``routes``. Nothing leaves it as an exception: what is no PlutinoError is logged and answered
    with status 500."""

    def __init__(
        self, routes: Routes, control: Control, guard: Guard, log: Any, body_limit: int | None = None, discretion: Discretion | None = None
    ) -> None:
        self._discretion = discretion or Discretion()
        self._routes = routes
        self._control = control
        self._guard = guard
        self._log = log
        self._body_limit = limits().body if body_limit is None else body_limit
        self._ending = asyncio.Event()

    def end_streams(self) -> None:
        """End answers that are sent piece by piece, which may go on for ever: the server stops."""
        self._ending.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send)
        body = partial(exchange.body, self._body_limit)
        try:
            answer = await self.carry_out(Asked(exchange.method, exchange.path, exchange.query, exchange.headers, body, exchange.client))
        except ClientGoneError:
            return
        await self._send(answer, exchange)

    async def carry_out(self, asked: Asked) -> Answer:
        """The answer to a request, wherever it comes from. Raises only what reading its body raises when the client leaves."""
        read: list[bytes] = []
        try:
            self._guard.check(asked.headers)
            return await self._answer(asked, read)
        except PlutinoError as error:
            self._discretion.error(error, b"".join(read))
            return replace(error_answer(error, asked.headers), media=error_media(self._action(asked), asked.headers))
        except ClientGoneError:
            raise
        except Exception as error:  # the boundary: a defect must not show its insides, nor end the connection without an answer
            self._log.error("request failed", method=asked.method, path=asked.path, exc_info=error)
            return internal_error()

    async def _answer(self, asked: Asked, read: list[bytes]) -> Answer:
        """``read`` gets the body, for the error text."""
        method, path = asked.method, asked.path
        clean = cleaned(path)
        if clean != path:
            return Answer(status=301, media="", headers={"location": f"{clean}?{asked.query}" if asked.query else clean})
        if method == "OPTIONS" and "access-control-request-method" in asked.headers:
            return Answer(media="", headers=self._guard.preflight(asked.headers))
        match = self._routes.find(method, path)
        if match is None:
            return _NOT_FOUND
        if match.action is None:
            return Answer(status=405, media="", headers={"allow": ", ".join(match.methods)})
        body = await asked.body()
        read.append(body)
        query = dict(parse_qsl(asked.query, keep_blank_values=True))
        call = Call(dict(match.params), query, asked.headers, body, asked.client, self._control)
        answer = self._discretion.answer(match.action, await match.action.handle(call))
        return labelled(match.action, answer, asked.headers)

    def _action(self, asked: Asked) -> Action | None:
        match = self._routes.find(asked.method, cleaned(asked.path))
        return None if match is None else match.action

    async def _send(self, answer: Answer, exchange: Exchange) -> None:
        headers = {**answer.headers, **self._guard.cors(exchange.headers), "x-content-type-options": "nosniff"}
        if answer.content and answer.media:
            headers["content-type"] = answer.media
        if isinstance(answer.content, str | bytes):
            await exchange.answer(answer.content, answer.status, headers)
        else:
            await exchange.stream(answer.content, answer.status, headers, self._ending)
