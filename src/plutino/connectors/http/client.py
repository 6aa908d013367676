"""One HTTP client for source and sink: sessions that reach allowed hosts only, tokens, and what a response says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from plutino.connectors.http.options import OAuth, read_seconds, text_headers
from plutino.errors import FormatError, TransportError
from plutino.spi import Clock
from plutino.spi.options import Tls, ssl_context

if TYPE_CHECKING:
    import aiohttp

Render = Callable[[str, Any], str]
RETRY_STATUS = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Answers after which the same request may succeed."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A response that was read to its end; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def good(self) -> bool:
        """Status 200 to 299."""
        return 200 <= self.status < 300


class HttpClient:
    """A session with its time limit and TLS options; opened lazily inside the loop."""

    def __init__(self, timeout_ms: int, tls: Tls, allow_host: Callable[[str], None], allow_file: Callable[[str], str]) -> None:
        self._timeout_ms = timeout_ms
        self._tls = tls
        self._allow_host = allow_host
        self._allow_file = allow_file
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session; no connection yet."""
        if self._session is not None:
            return
        import aiohttp

        connector = aiohttp.TCPConnector(ssl=ssl_context(self._tls, self._allow_file), socket_factory=self._socket)
        timeout = aiohttp.ClientTimeout(total=self._timeout_ms / 1000 if self._timeout_ms else None)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())

    async def close(self) -> None:
        """Close the session."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(self, method: str, url: str, headers: Mapping[str, str], body: Any = None) -> Reply:
        """One exchange; TransportError with the bare reason when there is no response, AccessError for a host that is not allowed."""
        import aiohttp

        await self.open()
        assert self._session is not None
        try:
            skipped = ("Content-Type",) if isinstance(body, bytes) else ()
            async with self._session.request(method, url, headers=headers, data=body, skip_auto_headers=skipped) as response:
                return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, await response.read())
        except TimeoutError as error:
            raise TransportError(f"{method} {url}: no response in {self._timeout_ms} ms") from error
        except (aiohttp.ClientError, OSError) as error:
            raise TransportError(f"{method} {url}: {_reason(error)}") from error
        except ValueError as error:  # aiohttp: what cannot be sent, such as a line break in a header
            raise FormatError(f"{method} {url}: {error}") from error

    def _socket(self, address: Any) -> socket.socket:
        """The one place where every address is known, also after redirects and whatever a name resolves to."""
        family, kind, proto, _, place = address
        self._allow_host(str(place[0]))
        return socket.socket(family, kind, proto)


class Tokens:
    """An OAuth token response, fetched, renewed at half of its life, and offered to templates."""

    def __init__(self, oauth: OAuth | None, client: HttpClient, clock: Clock, render: Render) -> None:
        self._access = oauth.access if oauth is not None and oauth.access is not None and oauth.access.url else None
        self._refresh = oauth.refresh if oauth is not None and oauth.refresh is not None and oauth.refresh.url else None
        self._client = client
        self._clock = clock
        self._render = render
        self._expire_ms = 0
        self._fetched_ms = 0
        self.values: dict[str, Any] = {}

    @property
    def used(self) -> bool:
        """Whether there is anything to fetch."""
        return self._access is not None

    async def fresh(self) -> None:
        """Fetch the first token, or renew one that has passed half of its life."""
        if self._access is None:
            return
        if not self.values:
            await self.fetch()
        elif self._expire_ms and 2 * (self._clock.now_ms() - self._fetched_ms) > self._expire_ms:
            await self._renew()

    async def fetch(self) -> None:
        """Ask for a token anew; TransportError when that fails."""
        if self._access is None:
            return
        access = self._access
        self.values = await self._ask(access.url, access.headers, access.body)
        expire = access.expire
        if isinstance(expire, str) and "{{" in expire:
            expire = self._render(expire, self.values)
        self._expire_ms = read_seconds(expire) * 1000 if expire not in ("", None) else 0

    async def _renew(self) -> None:
        if self._refresh is None:
            await self.fetch()
            return
        refresh = self._refresh
        url = self._render(refresh.url, self.values)
        headers = {k: self._render(v, self.values) for k, v in text_headers(refresh.headers).items()}
        self.values = {**self.values, **await self._ask(url, headers, self._render(refresh.body, self.values))}

    async def _ask(self, url: str, headers: Mapping[str, Any], body: str) -> dict[str, Any]:
        sent = {"Content-Type": "application/json", **text_headers(headers)}
        reply = await self._client.request("POST", url, sent, body.encode() or None)
        if not reply.good:
            raise TransportError(f"failed to get an OAuth token from {url}: response code error: {reply.status}")
        try:
            found = msgspec.json.decode(reply.body)
        except msgspec.DecodeError as error:
            raise TransportError(f"failed to get an OAuth token from {url}: {error}; a JSON object is expected") from error
        if not isinstance(found, dict):
            raise TransportError(f"failed to get an OAuth token from {url}: a JSON object is expected")
        self._fetched_ms = self._clock.now_ms()
        return found


def read_rows(body: bytes, response_type: str) -> list[dict[str, Any]]:
    """The rows of a JSON response: one object, or a list of them; FormatError with the compatible text when it is neither."""
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise FormatError(f"response body error: {error}") from error
    rows = found if isinstance(found, list) else [found]
    if not all(isinstance(r, dict) for r in rows):
        raise FormatError("response body error: only map[string]interface{} and []map[string]interface{} is supported")
    if response_type == "body":
        for row in rows:
            code = row.get("code")
            if isinstance(code, bool) or not isinstance(code, int | float) or not 200 <= code < 300:
                raise FormatError(f"response code error: {code if 'code' in row else 'no field code'}")
    return rows


async def reach(url: str, allow_host: Callable[[str], None]) -> None:
    """Connect to the host of an address once; TransportError when nobody listens."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    allow_host(host)
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        raise TransportError(f"dial tcp {host}:{port}: {_reason(error)}") from error
    writer.close()


def _reason(error: BaseException) -> str:
    cause: Any = getattr(error, "os_error", error)
    if isinstance(cause, ConnectionRefusedError):
        return "connect: connection refused"
    if isinstance(cause, ConnectionResetError):
        return "read: connection reset by peer"
    if isinstance(cause, socket.gaierror):
        return "lookup: no such host"
    if isinstance(cause, TimeoutError):
        return "i/o timeout"
    return str(cause) or type(cause).__name__
