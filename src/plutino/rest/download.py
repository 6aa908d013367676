"""Documents by URL: ``file://``, ``http://`` and ``https://``, within limits."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from plutino.errors import PlutinoError, TransportError
from plutino.spi.access import Access

SIZE_LIMIT = 128 * 1024 * 1024
"""Bytes at most."""
TIMEOUT_S = 300.0
REDIRECTS = 5


async def read_url(url: str, access: Access) -> str:
    """The text behind a URL; PlutinoError with the wire text when it cannot be had."""
    parts = urlsplit(url)
    match parts.scheme.lower():
        case "file":
            path = access.file(unquote(parts.path))
            data = await asyncio.to_thread(_read_file, path)
        case "http" | "https":
            data = await _download(url, access)
        case _:
            raise PlutinoError(f"file: {url}; a URL with file://, http:// or https:// is expected")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise PlutinoError(f"file: {url} is not UTF-8 text at byte {error.start}") from None


def _read_file(path: str) -> bytes:
    try:
        size = os.stat(path).st_size
        if size > SIZE_LIMIT:
            raise PlutinoError(f"file {path} has {size} bytes; at most {SIZE_LIMIT} are read")
        with open(path, "rb") as source:
            return source.read(SIZE_LIMIT + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PlutinoError(f"stat {path}: {reason}") from None


async def _download(url: str, access: Access) -> bytes:
    import aiohttp

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=_checked_resolver(access)), timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)
    )
    async with session:
        for _ in range(REDIRECTS + 1):
            _check_literal(url, access)
            try:
                async with session.get(url, allow_redirects=False) as response:
                    if response.status in (301, 302, 303, 307, 308) and "location" in response.headers:
                        url = urljoin(url, response.headers["location"])
                        continue
                    if response.status != 200:
                        raise TransportError(f"cannot download the file from {url}, status code {response.status}")
                    return await _body(response, url)
            except (aiohttp.ClientError, TimeoutError) as error:
                cause = error.__cause__
                if isinstance(cause, PlutinoError):
                    raise cause from None
                raise TransportError(f"cannot download the file from {url}: {error or type(error).__name__}") from error
    raise TransportError(f"cannot download the file from {url}: more than {REDIRECTS} redirects")


async def _body(response: Any, url: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(1 << 16):
        size += len(part)
        if size > SIZE_LIMIT:
            raise TransportError(f"{url} has more than {SIZE_LIMIT} bytes; it is not read")
        parts.append(part)
    return b"".join(parts)


def _check_literal(url: str, access: Access) -> None:
    """Addresses in a URL are not resolved, so they are looked at here."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PlutinoError(f"file: {url}; a URL with http:// or https:// is expected")
    try:
        access.address(parts.hostname)
    except ValueError:
        return


def _checked_resolver(access: Access) -> Any:
    """Resolves names and refuses what leads into internal networks, at the moment of connecting: a name cannot change in between."""
    from aiohttp.abc import AbstractResolver, ResolveResult
    from aiohttp.resolver import ThreadedResolver

    class Checked(AbstractResolver):
        def __init__(self) -> None:
            self._resolver = ThreadedResolver()

        async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
            found = await self._resolver.resolve(host, port, family)
            for entry in found:
                access.address(entry["host"])
            return found

        async def close(self) -> None:
            await self._resolver.close()

    return Checked()
