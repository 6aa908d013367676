"""Traces sent to a collector: OTLP over HTTP with JSON, in the background.

Spans leave a second or so after the row that they tell about has passed. A collector that is away loses nothing until ``WAITING`` traces
wait for it; then the oldest give way. A collector mostly stands beside the server, so that it may be in a private network: its answers are
not read, and redirects are not followed.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from plutino.errors import PlutinoError, TransportError
from plutino.runtime.facilities import Facilities, settle
from plutino.runtime.traces import Span

WAITING = 4096
AT_ONCE = 512
"""Traces in one request at most."""

PAUSE_S = 1.0
TIMEOUT_S = 10.0
COLLECTOR = "localhost:4318"
SERVICE = "plutino"
_PATH = "/v1/traces"
_INTERNAL = 1
"""The kind of a span that is neither a request nor its answer."""

_BLANK = re.compile(r"[\s\x00-\x1f]")
_TRACE_ID = re.compile(r"[0-9a-f]{32}")


class TraceExport:
    """Sending of traces: off until ``start``."""

    __slots__ = ("_facilities", "_task")

    def __init__(self, facilities: Facilities) -> None:
        self._facilities = facilities
        self._task: asyncio.Task[None] | None = None

    async def start(self, collector: str, service: str) -> None:
        """Send what is traced from now on to ``host:port`` or a URL; PlutinoError for an address that is none."""
        url = collector_url(collector or COLLECTOR)
        former = self._task
        outbox: deque[Span] = deque(maxlen=WAITING)
        self._facilities.traces.outbox = outbox
        self._task = self._facilities.spawn(self._send_on(url, service or SERVICE, outbox))
        await _end(former)

    async def stop(self) -> None:
        """Send nothing any more; what waits is dropped."""
        self._facilities.traces.outbox = None
        former, self._task = self._task, None
        await _end(former)

    async def _send_on(self, url: str, service: str, outbox: deque[Span]) -> None:
        reachable = True
        while True:
            await self._facilities.clock.sleep(PAUSE_S)
            ready = _ended(outbox)
            while ready:
                try:
                    await self._post(url, message(ready, service))
                except TransportError as error:
                    if reachable:
                        self._facilities.log.warning("traces cannot be sent", collector=url, error=str(error))
                    reachable = False
                    outbox.extendleft(reversed(ready[max(0, len(ready) + len(outbox) - WAITING) :]))
                    break
                reachable = True
                ready = _ended(outbox)

    async def _post(self, url: str, body: bytes) -> None:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.post(url, data=body, headers={"Content-Type": "application/json"}, allow_redirects=False) as response,
            ):
                if response.status >= 300:
                    raise TransportError(f"{url}: status {response.status}")
        except TimeoutError as error:
            raise TransportError(f"{url}: no answer within {TIMEOUT_S:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise TransportError(f"{url}: {error}") from error


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await settle(task)


def collector_url(collector: str) -> str:
    """Where requests go: the address of a collector with the path that is usual, unless it has one."""
    try:
        parts = urlsplit(collector if "://" in collector else f"http://{collector}")
        valid = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and not _BLANK.search(collector)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        valid = False
    if not valid:
        raise PlutinoError(f"collector_url: {collector}; host:port or a http:// or https:// URL is expected")
    return parts._replace(path=parts.path.rstrip("/") or _PATH).geturl()


def message(roots: Sequence[Span], service: str) -> bytes:
    """Traces as one OTLP request."""
    spans = [_span(span) for root in roots for span in _all(root)]
    resource = {"attributes": [_attribute("service.name", service)]}
    return msgspec.json.encode({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": SERVICE}, "spans": spans}]}]})


def _ended(outbox: deque[Span]) -> list[Span]:
    """What can be sent, taken out; what is still under way stays."""
    found: list[Span] = []
    for _ in range(len(outbox)):
        span = outbox.popleft()
        if span.end and len(found) < AT_ONCE:
            found.append(span)
        else:
            outbox.append(span)
    return found


def _all(span: Span) -> Iterator[Span]:
    yield span
    for child in span.children:
        yield from _all(child)


def _span(span: Span) -> dict[str, Any]:
    found: dict[str, Any] = {
        "traceId": _trace_id(span.trace),
        "spanId": span.id,
        "name": span.name,
        "kind": _INTERNAL,
        "startTimeUnixNano": str(span.start * 1000),
        "endTimeUnixNano": str(max(span.end, span.start) * 1000),
        "attributes": [_attribute("rule", span.rule), *(_attribute(name, value) for name, value in span.attributes.items())],
    }
    if span.parent:
        found["parentSpanId"] = span.parent
    if span.links:
        found["links"] = [{"traceId": _trace_id(trace), "spanId": "0" * 16} for trace in span.links]
    return found


def _attribute(name: str, value: Any) -> dict[str, Any]:
    match value:
        case bool():
            shown: dict[str, Any] = {"boolValue": value}
        case int():
            shown = {"intValue": str(value)}
        case float():
            shown = {"doubleValue": value}
        case _:
            shown = {"stringValue": str(value)}
    return {"key": name, "value": shown}


def _trace_id(trace: str) -> str:
    """32 hexadecimal digits: an id that a message brought may be any text."""
    known = trace.lower()
    return known if _TRACE_ID.fullmatch(known) else hashlib.blake2b(trace.encode(), digest_size=16).hexdigest()
