"""Server-sent events: results for browsers and other clients that listen on a path of the data server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

from msgspec import Struct

from plutino.errors import ProvisionError
from plutino.spi import ConnectionSpec, ConnectorSpec, Example, SinkContext, SinkSpec, SourceContext
from plutino.spi.options import Opt
from plutino.spi.served import ServedPath

WAITING = 1024
"""Events that wait for a client at most; a client that does not keep up misses the oldest."""

_TRIALS = "/test/"


class SseOptions(Struct, frozen=True, rename="camel"):
    """Options of the sink."""

    endpoint: Annotated[str, Opt("Path of the data server, with a leading /", "Path", required=True, check=_check_endpoint)] = ""
    datasource: Annotated[str, Opt("Accepted for compatibility; endpoint counts")] = ""


class SseConnectionOptions(Struct, frozen=True, rename="camel"):
    """Options of a connection with a name."""

    path: Annotated[str, Opt("Path of the data server", connection_related=True)] = ""
    datasource: Annotated[str, Opt("Path of the data server", connection_related=True)] = ""


def _check_endpoint(endpoint: str) -> None:
    if not endpoint.startswith("/"):
        raise ProvisionError("sse endpoint should start with /")
    if endpoint.startswith(_TRIALS):
        raise ProvisionError(f"sse endpoint {endpoint}: paths below {_TRIALS} belong to trial runs; choose another")


class SseSink:
    """Sends each result as one event to everybody who listens at the time."""

    def __init__(self, options: SseOptions, context: SinkContext) -> None:
        _check_endpoint(options.endpoint)
        self._path = options.endpoint
        self._ingress = context.ingress
        self._listeners: set[asyncio.Queue[bytes | None]] = set()
        self._leave: Callable[[], None] | None = None

    async def open(self) -> None:
        """Serve the path."""
        if self._leave is None:
            self._leave = self._ingress.stream(self._path, self._listen)

    def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> Awaitable[None] | None:
        """One event per result."""
        for item in items:
            event = _event(item)
            self._tell(event)
        return None

    async def close(self) -> None:
        """Serve the path no longer; for who listens it is over."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()
        self._tell(None)

    def _tell(self, event: bytes | None) -> None:
        for listener in self._listeners:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(event)

    async def _listen(self) -> AsyncGenerator[bytes, None]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)
        self._listeners.add(queue)
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._listeners.discard(queue)


def named_path(id: str, options: SseConnectionOptions, context: SourceContext) -> ServedPath:
    """A connection with a name: the path that sinks serve."""
    return ServedPath(options.path or options.datasource)


def _event(payload: bytes) -> bytes:
    """The lines of an event, as a payload may have several."""
    return b"".join(b"data: " + line + b"\n" for line in payload.split(b"\n")) + b"\n"


CONNECTOR = ConnectorSpec(
    name="sse",
    about="Server-sent events for clients of the data server",
    sink=SinkSpec(
        options=SseOptions,
        create=SseSink,
        connects=False,
        examples=(Example("alarms for a page in a browser", {"endpoint": "/plant/alarms", "sendSingle": True}),),
    ),
    connection=ConnectionSpec(options=SseConnectionOptions, create=named_path),
)
