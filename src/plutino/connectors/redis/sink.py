"""Sinks that write rows under keys, or publish them on a channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from msgspec import Struct

from plutino.connectors.redis.client import RedisClient, check_database, ping_server, split_address
from plutino.errors import EvaluationError, PlutinoError, ProvisionError, TransportError
from plutino.model import Duration, to_dict
from plutino.model.value import plain_text
from plutino.spi import SinkContext
from plutino.spi.options import Opt, check_values, one_of
from plutino.spi.row_json import row_json

ROW_KINDS = ("insert", "update", "upsert", "delete")
KEY_TYPES = ("single", "multiple")
DATA_TYPES = ("string", "list")


class RedisSinkOptions(Struct, frozen=True, rename="camel"):
    """Options of the redis sink."""

    addr: Annotated[
        str, Opt("Address of the server, host:port", "Address", required=True, connection_related=True, check=split_address)
    ] = "127.0.0.1:6379"
    username: Annotated[str, Opt("User name", "User name", connection_related=True)] = ""
    password: Annotated[str, Opt("Password", "Password", secret=True, connection_related=True)] = ""
    db: Annotated[int, Opt("Number of the database", "Database", connection_related=True, check=_check_db)] = 0
    key: Annotated[str, Opt("Key to write to; key or field must be given for single", "Key")] = ""
    field: Annotated[str, Opt("Column whose value is the key; wins over key", "Key field")] = ""
    key_type: Annotated[
        str,
        Opt("single: the row under one key; multiple: each column under its own", "Key type", values=KEY_TYPES, check=_check_key_type),
    ] = "single"
    data_type: Annotated[
        str, Opt("string: the value is set; list: it is pushed", "Data type", values=DATA_TYPES, check=_check_data_type)
    ] = "string"
    expiration: Annotated[Duration, Opt("Time to live of a string; below 0 leaves what the key has", "Expiration")] = -1
    rowkind_field: Annotated[str, Opt("Column that holds insert, update, upsert or delete", "Row kind field")] = ""


def _check_db(database: int) -> None:
    check_database(database, "redisSink")


_check_key_type = one_of(KEY_TYPES, "KeyType only support single or multiple")
_check_data_type = one_of(DATA_TYPES, "redis sink only support string or list data type")


class RedisSink:
    """Sets, pushes or deletes keys; all changes of a call go in one exchange, in order."""

    def __init__(self, options: RedisSinkOptions, context: SinkContext) -> None:
        check_values(options)
        if options.key_type == "single" and not options.key and not options.field:
            raise ProvisionError("redis sink must have key or field when KeyType is single")
        self._options = options
        self._client = RedisClient(options.addr, options.username, options.password, options.db)

    async def open(self) -> None:
        """Connect."""
        await self._client.open()

    async def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> None:
        """Carry out the changes of all rows; one that is no valid change does not hold up the others."""
        commands: list[tuple[Any, ...]] = []
        faults: list[PlutinoError] = []
        for item in items:
            for row in item if isinstance(item, list) else [item]:
                try:
                    commands += self._commands(to_dict(row))
                except EvaluationError as error:
                    faults.append(error)
        if commands:
            faults += [answer for answer in await self._client.run(commands) if isinstance(answer, PlutinoError)]
        lost = next((fault for fault in faults if isinstance(fault, TransportError)), None)
        if lost is not None:
            raise lost
        if faults:
            raise faults[0]

    async def close(self) -> None:
        """Disconnect."""
        await self._client.close()

    def _commands(self, row: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        delete = self._kind(row) == "delete"
        return [self._deletion(key) if delete else self._change(key, value) for key, value in self._pairs(row)]

    def _kind(self, row: Mapping[str, Any]) -> str:
        name = self._options.rowkind_field
        kind = row.get(name, "upsert") if name else "upsert"
        if not isinstance(kind, str):
            raise EvaluationError(f"rowkind field {name} is not a string in data {row}")
        if kind not in ROW_KINDS:
            raise EvaluationError(f"invalid rowkind {kind}")
        return kind

    def _pairs(self, row: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
        options = self._options
        if options.key_type == "multiple":
            return [(name, plain_text(value)) for name, value in row.items()]
        if options.field and options.field not in row:
            raise EvaluationError(f"field {options.field} does not exist in data {row}")
        key = plain_text(row[options.field]) if options.field else options.key
        return [(key, row_json(row))]

    def _change(self, key: str, value: Any) -> tuple[Any, ...]:
        if self._options.data_type == "list":
            return ("LPUSH", key, value)
        expiration = self._options.expiration
        if expiration > 0:
            return ("SET", key, value, "PX", expiration)
        return ("SET", key, value, "KEEPTTL") if expiration < 0 else ("SET", key, value)

    def _deletion(self, key: str) -> tuple[Any, ...]:
        return ("LPOP", key) if self._options.data_type == "list" else ("DEL", key)


class RedisPubOptions(Struct, frozen=True, rename="camel"):
    """Options of the redisPub sink."""

    address: Annotated[
        str, Opt("Address of the server, host:port", "Address", required=True, connection_related=True, check=split_address)
    ] = "127.0.0.1:6379"
    username: Annotated[str, Opt("User name", "User name", connection_related=True)] = ""
    password: Annotated[str, Opt("Password", "Password", secret=True, connection_related=True)] = ""
    db: Annotated[int, Opt("Number of the database", "Database", connection_related=True, check=_check_pub_db)] = 0
    channel: Annotated[str, Opt("Channel to publish on", "Channel", required=True)] = ""


def _check_pub_db(database: int) -> None:
    check_database(database, "redisPub")


class RedisPubSink:
    """Publishes messages on a channel."""

    def __init__(self, options: RedisPubOptions, context: SinkContext) -> None:
        check_database(options.db, "redisPub")
        if not options.channel:
            raise ProvisionError("redisPub sink is missing property channel")
        self._channel = options.channel
        self._client = RedisClient(options.address, options.username, options.password, options.db)

    async def open(self) -> None:
        """Connect."""
        await self._client.open()

    async def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> None:
        """Publish in order."""
        answers = await self._client.run([("PUBLISH", self._channel, item) for item in items])
        failed = next((answer for answer in answers if isinstance(answer, PlutinoError)), None)
        if failed is not None:
            raise failed

    async def close(self) -> None:
        """Disconnect."""
        await self._client.close()


async def ping(options: RedisSinkOptions, context: SinkContext) -> None:
    """Connect once."""
    await ping_server(RedisClient(options.addr, options.username, options.password, options.db))


async def ping_channel(options: RedisPubOptions, context: SinkContext) -> None:
    """Connect once."""
    await ping_server(RedisClient(options.address, options.username, options.password, options.db))
