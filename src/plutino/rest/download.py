"""Documents by URL: ``file://``, ``http://`` and ``https://``, within limits."""

from __future__ import annotations

from contextlib import aclosing

from plutino.catalog.download import read_pieces, shown
from plutino.errors import PlutinoError
from plutino.spi.access import Access
from plutino.spi.limits import limits


async def read_url(url: str, access: Access) -> str:
    """The text behind a URL; PlutinoError with the wire text when it cannot be had."""
    async with aclosing(read_pieces(url, access, limits().document)) as pieces:
        parts = [piece async for piece in pieces]
    try:
        return b"".join(parts).decode()
    except UnicodeDecodeError as error:
        raise PlutinoError(f"file: {shown(url)} is not UTF-8 text at byte {error.start}") from None
