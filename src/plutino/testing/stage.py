"""What a connector sees of the engine, played for tests: contexts, the inlet, the data server, memory topics, the log."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from plutino.errors import NotFoundError
from plutino.spi import Clock, Delivery, IngressHandler, SinkContext, SourceContext
from plutino.spi.bus import Bus
from plutino.templates import compile_template
from plutino.testing.clock import FakeClock


class CollectingInlet:
    """A ``spi.Inlet`` that keeps every delivery.

    ``room``: how many more deliveries ``offer`` takes (None: any number); ``acknowledge``: call ``Delivery.ack`` at once.
    """

    def __init__(self, *, room: int | None = None, acknowledge: bool = True) -> None:
        self.deliveries: list[Delivery] = []
        self.faults: list[str] = []
        self.connections = 0
        self.refused = 0
        self.room = room
        self.acknowledge = acknowledge
        self._news = asyncio.Event()

    async def put(self, delivery: Delivery) -> None:
        """Take a delivery; there is always room."""
        self._take(delivery)

    def offer(self, delivery: Delivery) -> bool:
        """Take a delivery while there is room."""
        if self.room is not None:
            if self.room <= 0:
                self.refused += 1
                return False
            self.room -= 1
        self._take(delivery)
        return True

    def connected(self) -> None:
        """The source says that it is connected."""
        self.connections += 1
        self._news.set()

    def failed(self, error: str) -> None:
        """The source reports trouble."""
        self.faults.append(error)
        self._news.set()

    async def until(self, condition: Callable[[CollectingInlet], object], timeout_s: float = 5.0) -> None:
        """Wait until a condition on this inlet holds; TimeoutError when it does not in time (real time)."""
        async with asyncio.timeout(timeout_s):
            while not condition(self):
                self._news.clear()
                await self._news.wait()

    @property
    def messages(self) -> list[Any]:
        """All payloads, lines and rows in order."""
        found: list[Any] = []
        for delivery in self.deliveries:
            found += delivery.payloads or ()
            found += [line for line in (delivery.lines or b"").split(b"\n") if line]
            found += delivery.rows or ()
        return found

    @property
    def position(self) -> Any:
        """The last position that came with a delivery."""
        return next((d.position for d in reversed(self.deliveries) if d.position is not None), None)

    def _take(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        if self.acknowledge and delivery.ack is not None:
            delivery.ack()
        self._news.set()


class FakeRoom:
    """A ``spi.SocketRoom`` that keeps what is sent."""

    def __init__(self, others: list[FakeRoom], receive: Callable[[bytes], None] | None) -> None:
        self.receive = receive
        self.sent: list[bytes] = []
        self._others = others
        others.append(self)

    def send(self, messages: Sequence[bytes]) -> None:
        """Keep it."""
        self.sent.extend(messages)

    def leave(self) -> None:
        """Be gone."""
        if self in self._others:
            self._others.remove(self)


class FakeIngress:
    """A ``spi.HttpIngress`` without sockets: a test sends with ``request``."""

    def __init__(self) -> None:
        self.handlers: dict[tuple[str, str], list[IngressHandler]] = {}
        self.streams: dict[str, Callable[[], AsyncGenerator[bytes, None]]] = {}
        self.rooms: dict[str, list[FakeRoom]] = {}
        self.port = 10081

    def sockets(self, path: str, receive: Callable[[bytes], None] | None) -> FakeRoom:
        """Serve WebSocket clients: ``message`` sends, and what they get is in ``rooms[path]``."""
        return FakeRoom(self.rooms.setdefault(path, []), receive)

    def message(self, path: str, payload: bytes) -> None:
        """What a WebSocket client sends; NotFoundError when nobody serves the path."""
        if not self.rooms.get(path):
            raise NotFoundError(f"WebSocket {path} is not served")
        for room in tuple(self.rooms[path]):
            if room.receive is not None:
                room.receive(payload)

    def stream(self, path: str, listen: Callable[[], AsyncGenerator[bytes, None]]) -> Callable[[], None]:
        """Serve events: ``streams[path]()`` listens."""
        self.streams[path] = listen

        def leave() -> None:
            if self.streams.get(path) is listen:
                del self.streams[path]

        return leave

    def register(self, path: str, method: str, handler: IngressHandler) -> Callable[[], None]:
        """Serve a path."""
        handlers = self.handlers.setdefault((method, path), [])
        handlers.append(handler)

        def leave() -> None:
            handlers.remove(handler)
            if not handlers:
                self.handlers.pop((method, path), None)

        return leave

    async def request(self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """The answer of the handlers (the highest status counts); NotFoundError when there is none."""
        handlers = self.handlers.get((method, path))
        if not handlers:
            raise NotFoundError(f"{method} {path} is not served")
        answers = [await handler(body, headers or {}) for handler in tuple(handlers)]
        return max(answers)


class RecordingLog:
    """Keeps what is logged as ``(level, text)``."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str]] = []

    def debug(self, event: str, **fields: Any) -> None:
        """Keep a record."""
        self.records.append(("debug", event))

    def info(self, event: str, **fields: Any) -> None:
        """Keep a record."""
        self.records.append(("info", event))

    def warning(self, event: str, **fields: Any) -> None:
        """Keep a record."""
        self.records.append(("warning", event))

    def error(self, event: str, **fields: Any) -> None:
        """Keep a record."""
        self.records.append(("error", event))


def render(template: str, data: Any) -> str:
    """The text of a data template."""
    return compile_template(template).render(data)


def source_context(data_dir: str, **members: Any) -> SourceContext:
    """A context over fakes; relative paths stand for files below ``data_dir``, every host is allowed. ``members`` replace single ones."""
    return SourceContext(**{**_context(data_dir), "stream": "demo", "rule": "rule1", **members})


def sink_context(data_dir: str, **members: Any) -> SinkContext:
    """As ``source_context``, for sinks."""
    return SinkContext(**{**_context(data_dir), "rule": "rule1", "action": "sink_0", **members})


def collect(bus: Bus, topic_filter: str) -> list[dict[str, Any]]:
    """A list that grows with every row that is published under a memory topic."""
    from plutino.model import to_dict

    rows: list[dict[str, Any]] = []

    def take(published: list[Any], meta: Mapping[str, Any]) -> bool:
        rows.extend(to_dict(row) for row in published)
        return True

    bus.subscribe(topic_filter, take)
    return rows


async def finish(written: Awaitable[None] | None) -> None:
    """Wait for what ``Sink.write`` returned."""
    if written is not None:
        await written


def _context(data_dir: str) -> dict[str, Any]:
    clock: Clock = FakeClock()
    return {
        "clock": clock,
        "ingress": FakeIngress(),
        "data_dir": data_dir,
        "allow_file": lambda path: os.path.join(data_dir, path),
        "allow_host": lambda host: None,
        "connection": lambda: None,
        "bus": Bus(),
        "log": RecordingLog(),
        "render": render,
    }
