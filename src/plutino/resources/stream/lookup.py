"""Lookup tables: what they are opened with, and whether they can be."""

from __future__ import annotations

from plutino.errors import PlutinoError, StreamError
from plutino.model import StreamContent
from plutino.runtime import check_table
from plutino.spi import Call, Environment, LookupRequest
from plutino.spi.access import Access
from plutino.spi.layers import lookup_request


def table_request(content: StreamContent, env: Environment) -> LookupRequest:
    """What the engine opens for a lookup table; StreamError when it can never be opened."""
    try:
        request = lookup_request(content, env)
        check_table(request, env.registry, Access.of(env.settings))
    except PlutinoError as error:
        raise StreamError(error.message) from error
    return request


async def probe(content: StreamContent, call: Call, failing: str) -> None:
    """Open a lookup table once before its statement is accepted, as it must answer by then; the error begins with ``failing``."""
    if not content.is_lookup:
        return
    try:
        await call.control.host.probe_table(table_request(content, call.control.environment))
    except PlutinoError as error:
        raise StreamError(f"{failing} fails: {error.message}.") from error


def refuse_in_use(content: StreamContent, call: Call) -> None:
    """A lookup table that running rules ask stays, whatever was asked for."""
    if content.is_lookup and call.control.host.readers(content.name):
        raise StreamError(f"lookup table {content.name} is still in use, stop all using rules before dropping it")
