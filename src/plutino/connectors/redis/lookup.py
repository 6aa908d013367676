"""Lookup tables in Redis: a row (or a list of rows) as JSON under each key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Struct

from plutino.connectors.redis.client import RedisClient, check_database, ping_server, split_address
from plutino.errors import FormatError, PlutinoError, ProvisionError
from plutino.model.value import plain_text
from plutino.spi import LookupAnswer, SourceContext
from plutino.spi.connector import Answers
from plutino.spi.options import Opt, one_of

KINDS = ("string", "list")
_PING = "/$$TEST_CONNECTION$$"
"""What the original's connectivity test sends as database."""


class RedisLookupOptions(Struct, frozen=True, rename="camel"):
    """Options of Redis lookup tables."""

    addr: Annotated[
        str, Opt("Address of the server, host:port", "Address", required=True, connection_related=True, check=split_address)
    ] = ""
    username: Annotated[str, Opt("User name", "User name", connection_related=True)] = ""
    password: Annotated[str, Opt("Password", "Password", secret=True, connection_related=True)] = ""
    data_type: Annotated[str, Opt("string: one row per key; list: several", "Data type", values=KINDS, check=_check_kind)] = ""


_check_kind = one_of(KINDS, "redis dataType must be string or list")


class RedisLookup:
    """The rows under a key. The database is the DATASOURCE."""

    def __init__(self, options: RedisLookupOptions, datasource: str, context: SourceContext) -> None:
        if not options.addr:
            raise ProvisionError("redis addr is null")
        _check_kind(options.data_type)
        database = "0" if datasource == _PING else datasource
        if not database.lstrip("+-").isdigit():
            raise ProvisionError(f"datasource {datasource} is invalid")
        number = check_database(int(database), "redis lookup source")
        self._client = RedisClient(options.addr, options.username, options.password, number)
        self._lists = options.data_type == "list"

    async def open(self) -> None:
        """Connect."""
        await self._client.open()

    async def lookup(self, fields: Sequence[str], keys: Sequence[str], queries: Sequence[Sequence[Any]]) -> Answers:
        """All keys in one exchange. A value that is no JSON object fails the rows that asked for it."""
        if len(keys) != 1:
            raise PlutinoError(f"redis lookup only support one key, but got [{' '.join(keys)}]")
        names = [plain_text(values[0]) for values in queries]
        command = (lambda name: ("LRANGE", name, 0, -1)) if self._lists else (lambda name: ("GET", name))
        found = await self._client.run([command(name) for name in names])
        return [self._rows(name, value) for name, value in zip(names, found, strict=True)]

    async def close(self) -> None:
        """Disconnect."""
        await self._client.close()

    def _rows(self, name: str, value: Any) -> LookupAnswer:
        if isinstance(value, PlutinoError):
            return value
        if value is None:
            return []
        try:
            return [msgspec.json.decode(text, type=dict[str, Any]) for text in (value if isinstance(value, list) else [value])]
        except (msgspec.DecodeError, RecursionError) as error:
            return FormatError(f"redis key {name}: {error}; a JSON object is expected")


async def ping(options: RedisLookupOptions, datasource: str, context: SourceContext) -> None:
    """Connect once."""
    await ping_server(RedisLookup(options, datasource or "0", context))
