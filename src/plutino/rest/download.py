"""Documents by URL: ``file://``, ``http://`` and ``https://``, within limits."""

from __future__ import annotations

from contextlib import aclosing

from plutino.catalog.download import read_pieces
from plutino.errors import PlutinoError
from plutino.spi.access import Access

SIZE_LIMIT = 128 * 1024 * 1024
"""Bytes at most."""


async def read_url(url: str, access: Access) -> str:
    """The text behind a URL; PlutinoError with the wire text when it cannot be had."""
    parts: list[bytes] = []
    size = 0
    async with aclosing(read_pieces(url, access, SIZE_LIMIT)) as pieces:
        async for piece in pieces:
            size += len(piece)
            if size > SIZE_LIMIT:
                raise PlutinoError(f"file: {url[:200]} has more than {SIZE_LIMIT} bytes; it is not read")
            parts.append(piece)
    try:
        return b"".join(parts).decode()
    except UnicodeDecodeError as error:
        raise PlutinoError(f"file: {url[:200]} is not UTF-8 text at byte {error.start}") from None
