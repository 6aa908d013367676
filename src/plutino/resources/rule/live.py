"""Live results of a rule as server-sent events, for ``plutino tail`` and for web pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from plutino.errors import FormatError, NotFoundError
from plutino.runtime.channels import ALIVE_SECONDS, Inbox, dropped_event
from plutino.spi import Encoder, Host, Registry
from plutino.spi.options import decode_options

MEDIA = "text/event-stream"


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
    inbox = Inbox()
    leave = host.tap(rule, inbox.take)
    try:
        yield b": live results\n\n"
        while True:
            messages, dropped = await inbox.wait(ALIVE_SECONDS)
            if dropped:
                yield dropped_event(dropped)
            yield b"".join(_event(encoder, message) for message in messages) or b":\n\n"
    finally:
        leave()


def _event(encoder: Encoder, message: Any) -> bytes:
    try:
        data = encoder.encode_list(message) if isinstance(message, list) else encoder.encode_rows([message])[0]
    except FormatError as error:
        data = encoder.encode_value({"error": str(error)})
    return b"data: " + data.replace(b"\n", b"") + b"\n\n"
