"""Bytes behind a URL, piece by piece: ``file://``, ``http://`` and ``https://``, within limits."""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import socket
import stat
from collections.abc import AsyncGenerator, Callable
from typing import Any, BinaryIO
from urllib.parse import SplitResult, unquote, unquote_to_bytes, urljoin, urlsplit

from plutino.errors import PlutinoError, TransportError
from plutino.spi.access import Access
from plutino.spi.secrets import masked_text

TIMEOUT_S = 300.0
REDIRECTS = 5
_PIECE = 1 << 16


async def read_pieces(url: str, access: Access, limit: int) -> AsyncGenerator[bytes, None]:
    """The bytes behind a URL; PlutinoError with the wire text when they cannot be had or are more than ``limit``.

    ``data:`` URLs hold their bytes themselves.
    """
    size = 0
    match url[:8].partition(":")[0].lower():
        case "file":
            found = _file(access.file(unquote(_parts(url).path)), limit)
        case "http" | "https":
            found = _download(url, access, limit)
        case "data":
            found = _data(url)
        case _:
            raise PlutinoError(f"file: {shown(url)}; a URL with file://, http:// or https:// is expected")
    try:
        async for piece in found:
            # What a server says about the size beforehand need not be true.
            size += len(piece)
            if size > limit:
                raise PlutinoError(f"file: {shown(url)} has more than {limit} bytes; it is not read")
            yield piece
    finally:
        await found.aclose()


async def _file(path: str, limit: int) -> AsyncGenerator[bytes, None]:
    source = await asyncio.to_thread(_opened, path, limit)
    try:
        while piece := await asyncio.to_thread(source.read, _PIECE * 16):
            yield piece
    except OSError as error:
        raise PlutinoError(f"read {path}: {(error.strerror or str(error)).lower()}") from None
    finally:
        source.close()


def _opened(path: str, limit: int) -> BinaryIO:
    try:
        # Looked at before it is opened: opening a pipe would wait for its writer.
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise PlutinoError(f"read {path}: not a regular file")
        if found.st_size > limit:
            raise PlutinoError(f"file {path} has {found.st_size} bytes; at most {limit} are read")
        return open(path, "rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PlutinoError(f"stat {path}: {reason.lower()}") from None


async def _data(url: str) -> AsyncGenerator[bytes, None]:
    head, comma, body = url.partition(",")
    if not comma:
        raise PlutinoError(f"file: {url[:40]}; a data URL has a comma before its bytes")
    if not head.lower().endswith(";base64"):
        yield unquote_to_bytes(body)
        return
    try:
        yield base64.b64decode(unquote(body), validate=True)
    except (binascii.Error, ValueError) as error:
        raise PlutinoError(f"file: data URL: {str(error).lower()}; base64 is expected") from None


async def _download(url: str, access: Access, limit: int) -> AsyncGenerator[bytes, None]:
    import aiohttp

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(socket_factory=_checked_sockets(access)), timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)
    )
    async with session:
        for _ in range(REDIRECTS + 1):
            _check_scheme(url)
            try:
                async with session.get(url, allow_redirects=False) as response:
                    if response.status in (301, 302, 303, 307, 308) and "location" in response.headers:
                        url = urljoin(url, response.headers["location"])
                        continue
                    if response.status != 200:
                        raise TransportError(f"cannot download the file from {shown(url)}, status code {response.status}")
                    if (response.content_length or 0) > limit:
                        raise TransportError(f"{shown(url)} has {response.content_length} bytes; at most {limit} are read")
                    async for piece in response.content.iter_chunked(_PIECE):
                        yield piece
                    return
            except (aiohttp.ClientError, TimeoutError) as error:
                cause = error.__cause__
                if isinstance(cause, PlutinoError):
                    raise cause from None
                raise TransportError(f"cannot download the file from {shown(url)}: {error or type(error).__name__}") from error
    raise TransportError(f"cannot download the file from {shown(url)}: more than {REDIRECTS} redirects")


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise PlutinoError(f"file: {shown(url)}: {str(error).lower()}; a URL is expected") from None


def shown(url: str) -> str:
    """A URL as messages show it: without user, password and secret parameters, and not endless."""
    head, slashes, rest = masked_text(url[:1000]).partition("://")
    authority, slash, path = rest.partition("/")
    return f"{head}{slashes}{authority.rpartition('@')[2]}{slash}{path}"[:300]


def _check_scheme(url: str) -> None:
    parts = _parts(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PlutinoError(f"file: {shown(url)}; a URL with http:// or https:// is expected")


def _checked_sockets(access: Access) -> Callable[[Any], socket.socket]:
    """Makes sockets, and refuses what leads into internal networks: here the address is known, however it was spelled or found."""

    def make(address: Any) -> socket.socket:
        family, kind, proto, _, place = address
        access.address(str(place[0]))
        return socket.socket(family, kind, proto)

    return make
