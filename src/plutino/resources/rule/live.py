"""Live results of a rule as server-sent events, for ``plutino tail`` and for web pages."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

from plutino.errors import FormatError, NotFoundError
from plutino.spi import Encoder, Host, Registry
from plutino.spi.options import decode_options

MEDIA = "text/event-stream"
WAITING = 1024
"""Messages that wait for a slow listener; older ones give way, so that the rule never waits for who only looks on."""

ALIVE_SECONDS = 10.0
"""A comment this often, when there is nothing to send, so that both ends notice a broken connection."""


def events(host: Host, registry: Registry, rule: str) -> AsyncGenerator[bytes, None]:
    """One event per message from now on: ``data: {...}``; ``event: dropped`` tells how many a slow listener has missed.

    NotFoundError at once for a rule that the engine does not have. The first event, a comment, says that listening has begun; it ends when
    the generator is closed.
    """
    if host.status(rule) is None:
        raise NotFoundError(f"Rule {rule} is not found")
    json = registry.formats["json"]
    return _events(host, rule, json.encoder(decode_options(json.options, {})))


async def _events(host: Host, rule: str, encoder: Encoder) -> AsyncGenerator[bytes, None]:
    # Not before the first step: a generator that is closed before it runs does not come to `finally`.
    inbox = _Inbox()
    leave = host.tap(rule, inbox.take)
    try:
        yield b": live results\n\n"
        while True:
            messages, dropped = await inbox.wait(ALIVE_SECONDS)
            if dropped:
                yield b'event: dropped\ndata: {"dropped":%d}\n\n' % dropped
            yield b"".join(_event(encoder, message) for message in messages) or b":\n\n"
    finally:
        leave()


def _event(encoder: Encoder, message: Any) -> bytes:
    try:
        data = encoder.encode_list(message) if isinstance(message, list) else encoder.encode_rows([message])[0]
    except FormatError as error:
        data = encoder.encode_value({"error": str(error)})
    return b"data: " + data.replace(b"\n", b"") + b"\n\n"


class _Inbox:
    """Messages between the rule and one listener."""

    def __init__(self) -> None:
        self._messages: deque[Any] = deque(maxlen=WAITING)
        self._dropped = 0
        self._something = asyncio.Event()

    def take(self, messages: list[Any]) -> None:
        """Called by the engine."""
        self._dropped += max(0, len(self._messages) + len(messages) - WAITING)
        self._messages.extend(messages)
        self._something.set()

    async def wait(self, seconds: float) -> tuple[list[Any], int]:
        """What has come, and how many were dropped before it; nothing after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._something.wait()
        except TimeoutError:
            return [], 0
        self._something.clear()
        found, dropped = list(self._messages), self._dropped
        self._messages.clear()
        self._dropped = 0
        return found, dropped
