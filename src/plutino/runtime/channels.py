"""Channels: messages of running rules on their way to who listens over HTTP. A rule never waits for a listener."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from msgspec import Struct

from plutino.errors import ProvisionError
from plutino.spi import ConnectorSpec, Registry, SinkContext, SinkSpec
from plutino.spi.options import Opt

WAITING = 1024
"""Messages that wait for a slow listener; older ones give way, so that the rule never waits for who only looks on."""

ALIVE_SECONDS = 10.0
"""A comment this often, when there is nothing to send, so that both ends notice a broken connection."""

EVENTS = "$events"
"""The sink that writes to a channel; no rule of a user can have it."""


class Inbox:
    """Messages between a rule and one listener."""

    def __init__(self) -> None:
        self._messages: deque[Any] = deque(maxlen=WAITING)
        self._dropped = 0
        self._something = asyncio.Event()
        self._closed = False

    def take(self, messages: Sequence[Any]) -> None:
        """Called by the engine."""
        self._dropped += max(0, len(self._messages) + len(messages) - WAITING)
        self._messages.extend(messages)
        self._something.set()

    def close(self) -> None:
        """Never wait again: nothing more comes."""
        self._closed = True
        self._something.set()

    async def wait(self, seconds: float) -> tuple[list[Any], int]:
        """What has come, and how many were dropped before it; nothing after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._something.wait()
        except TimeoutError:
            return [], 0
        if not self._closed:
            self._something.clear()
        found, dropped = list(self._messages), self._dropped
        self._messages.clear()
        self._dropped = 0
        return found, dropped


class Channel:
    """What sinks write to one path of the data server."""

    def __init__(self) -> None:
        self._inboxes: list[Inbox] = []
        self._closed = False

    def send(self, messages: Sequence[Any]) -> None:
        """Give messages to everybody who listens now."""
        for inbox in self._inboxes:
            inbox.take(messages)

    async def listen(self) -> AsyncGenerator[bytes, None]:
        """One event per message from now on, ``data: {...}``, until the channel closes; the first piece is a comment."""
        inbox = Inbox()
        self._inboxes.append(inbox)
        try:
            yield b": results\n\n"
            while True:
                messages, dropped = await inbox.wait(ALIVE_SECONDS)
                if dropped:
                    yield dropped_event(dropped)
                if messages:
                    yield b"".join(map(event, messages))
                elif self._closed:
                    return
                else:
                    yield b":\n\n"
        finally:
            self._inboxes.remove(inbox)

    def close(self) -> None:
        """Let listeners have what waits for them, and go."""
        self._closed = True
        for inbox in self._inboxes:
            inbox.close()


def event(message: bytes) -> bytes:
    """A message as a server-sent event."""
    return b"".join(b"data: " + line + b"\n" for line in message.splitlines() or [b""]) + b"\n"


def dropped_event(count: int) -> bytes:
    """Tells a listener how many messages it has missed."""
    return b'event: dropped\ndata: {"dropped":%d}\n\n' % count


class EventOptions(Struct, frozen=True, rename="camel"):
    """Options of the sink."""

    path: Annotated[str, Opt("Path of the data server", "Path", required=True)] = ""


class EventSink:
    """Writes messages to the channel of its path."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def open(self) -> None:
        """Nothing to open."""

    def write(self, items: Sequence[bytes], properties: Sequence[Mapping[str, Any]] | None) -> None:
        """Send to everybody who listens now."""
        self._channel.send(items)

    async def close(self) -> None:
        """Nothing to close: the channel may outlive a run."""


def with_channels(registry: Registry, channels: Mapping[str, Channel]) -> Registry:
    """The components of a registry, and the sink that writes to channels by their paths."""

    def create(options: EventOptions, context: SinkContext) -> EventSink:
        channel = channels.get(options.path)
        if channel is None:
            raise ProvisionError(f"path {options.path}: nobody can listen there; a path that is served is expected")
        return EventSink(channel)

    sink = SinkSpec(EventOptions, create, connects=False)
    spec = ConnectorSpec(EVENTS, "Server-sent events for trial runs", sink=sink)
    return replace(registry, connectors={**registry.connectors, EVENTS: spec})
