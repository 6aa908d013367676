"""Source that asks an HTTP server again and again, and lookup tables that ask it per key."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from plutino.connectors.http.client import RETRY_STATUS, HttpClient, Reply, Tokens, reach, read_rows
from plutino.connectors.http.options import (
    CONTENT_TYPES,
    HttpPullOptions,
    check_exchange,
    check_url,
    read_body_type,
    read_method,
    text_headers,
)
from plutino.errors import FormatError, TransportError
from plutino.spi import Delivery, Inlet, SourceContext
from plutino.spi.clock import ticks
from plutino.spi.connector import Answers
from plutino.spi.suspension import rows_with


class Poll:
    """One kind of request, with its templates, token and states."""

    def __init__(self, options: HttpPullOptions, datasource: str, context: SourceContext) -> None:
        self._url = options.url + datasource
        if "{{" not in self._url:
            check_url(self._url)
        self._method = read_method(options.method or "GET")
        self._body_type = read_body_type(options.body_type or ("none" if self._method == "GET" else "json"))
        check_exchange(options.timeout, options.response_type, options.oauth)
        self._options = options
        self._render = context.render
        self.client = HttpClient(options.timeout, options.tls, context.allow_host, context.allow_file)
        self._tokens = Tokens(options.oauth, self.client, context.clock, context.render)
        self.states: dict[str, Any] = dict(options.states)

    async def ask(self) -> Reply:
        """One request with a fresh token; a refused token is fetched again once. TransportError when there is no response."""
        await self._tokens.fresh()
        reply = await self._send()
        if reply.status == 401 and self._tokens.used:
            await self._tokens.fetch()
            reply = await self._send()
        return reply

    def rows(self, reply: Reply) -> list[dict[str, Any]]:
        """The rows of a response; FormatError with the compatible text when it is none. States take over fields of the same name."""
        if not reply.good:
            raise FormatError(f"response code error: {reply.status}")
        if self._options.compression and "content-encoding" not in reply.headers:
            raise FormatError(f"response body error: no Content-Encoding; compression {self._options.compression} is expected")
        rows = read_rows(reply.body, self._options.response_type.lower())
        for row in rows:
            for name in self.states:
                if name in row:
                    self.states[name] = row[name]
        return rows

    async def _send(self) -> Reply:
        values = {**self._tokens.values, **self.states}
        url = self._fill(self._url, values)
        headers = {k: self._fill(v, values) for k, v in text_headers(self._options.headers).items()}
        content_type = CONTENT_TYPES[self._body_type]
        body = None
        if self._body_type != "none":
            body = self._fill(self._options.body, values).encode()
            if content_type and not any(k.lower() == "content-type" for k in headers):
                headers["Content-Type"] = content_type
        return await self.client.request(self._method, url, headers, body)

    def _fill(self, text: str, values: dict[str, Any]) -> str:
        return self._render(text, values) if "{{" in text else text


class HttpPullSource:
    """Rows out of JSON responses. The position is the states, so that templates go on where they were."""

    def __init__(self, options: HttpPullOptions, datasource: str, context: SourceContext) -> None:
        self._poll = Poll(options, datasource, context)
        self._options = options
        self._clock = context.clock
        self._digest = b""

    async def run(self, inlet: Inlet, resume: Any) -> None:
        """Ask at once, then each interval; with interval 0 once."""
        if isinstance(resume, dict):
            self._poll.states.update(resume)
        try:
            if self._options.interval <= 0:
                await self._pull(inlet)
                await asyncio.get_running_loop().create_future()
            async for _ in ticks(self._clock, self._options.interval):
                await self._pull(inlet)
        finally:
            await self._poll.client.close()

    async def _pull(self, inlet: Inlet) -> None:
        reply = await self._poll.ask()
        inlet.connected()
        try:
            rows = self._poll.rows(reply)
        except FormatError as error:
            inlet.failed(error.message)
            return
        if self._options.incremental:
            digest = hashlib.md5(reply.body, usedforsecurity=False).digest()
            if digest == self._digest:
                return
            self._digest = digest
        if rows:
            await inlet.put(Delivery(rows=rows, position=dict(self._poll.states) or None))


class HttpLookup:
    """A table behind an HTTP address: the whole document is fetched, the keys are compared here."""

    def __init__(self, options: HttpPullOptions, datasource: str, context: SourceContext) -> None:
        self._poll = Poll(options, datasource, context)

    async def open(self) -> None:
        """Connections are made by the requests."""

    async def lookup(self, fields: Sequence[str], keys: Sequence[str], queries: Sequence[Sequence[Any]]) -> Answers:
        """Rows in which every key has its value, out of one document for all queries; TransportError when the server may give it later."""
        reply = await self._poll.ask()
        try:
            rows = self._poll.rows(reply)
        except FormatError as error:
            if reply.status in RETRY_STATUS:
                raise TransportError(error.message) from error
            raise
        return [rows_with(rows, keys, values) for values in queries]

    async def close(self) -> None:
        """Close the session."""
        await self._poll.client.close()


async def ping(options: HttpPullOptions, datasource: str, context: SourceContext) -> None:
    """Connect to the server once."""
    check_url(options.url)
    await reach(options.url, context.allow_host)
