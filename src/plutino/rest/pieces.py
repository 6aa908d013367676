"""Answers that are sent piece by piece, perhaps for ever, on servers that stop some day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from plutino.spi import Answer


async def send_pieces(
    answer: Answer, headers: Mapping[str, str], ending: asyncio.Event, scope: Scope, receive: Receive, send: Send
) -> None:
    """Send the pieces of an answer until they end, the client leaves, or ``ending`` is set."""
    content = answer.content
    assert not isinstance(content, str | bytes)
    pieces = _pieces(content, ending)
    try:
        await StreamingResponse(pieces, answer.status, headers, media_type=answer.media)(scope, receive, send)
    finally:
        await pieces.aclose()
        await content.aclose()


async def _pieces(content: AsyncGenerator[bytes, None], ending: asyncio.Event) -> AsyncGenerator[bytes, None]:
    """The pieces of an answer until they end or ``ending`` is set."""
    ended = asyncio.create_task(ending.wait())
    try:
        while True:
            piece = asyncio.create_task(_next(content))
            try:
                await asyncio.wait((piece, ended), return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not piece.done():
                    piece.cancel()
                    await asyncio.wait((piece,))
            found = None if piece.cancelled() else piece.result()
            if found is None:
                return
            yield found
    finally:
        ended.cancel()


async def _next(content: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(content, None)
