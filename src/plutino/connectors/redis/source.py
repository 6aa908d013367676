"""Source that receives what is published on channels."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from msgspec import Struct

from plutino.connectors.redis.client import RedisClient, check_database, ping_server, split_address, translated
from plutino.errors import ProvisionError
from plutino.spi import Delivery, Inlet, SourceContext
from plutino.spi.options import Opt

POLL_SECONDS = 1.0


class RedisSubOptions(Struct, frozen=True, rename="camel"):
    """Options of the redisSub source."""

    address: Annotated[
        str, Opt("Address of the server, host:port", "Address", required=True, connection_related=True, check=split_address)
    ] = "127.0.0.1:6379"
    username: Annotated[str, Opt("User name", "User name", connection_related=True)] = ""
    password: Annotated[str, Opt("Password", "Password", secret=True, connection_related=True)] = ""
    db: Annotated[int, Opt("Number of the database", "Database", connection_related=True, check=_check_db)] = 0
    channels: Annotated[list[str], Opt("Channels, patterns allowed", "Channels", required=True)] = []


def _check_db(database: int) -> None:
    check_database(database, "redisSub")


class RedisSubSource:
    """Receives messages of channels. Meta: ``channel``."""

    def __init__(self, options: RedisSubOptions, datasource: str, context: SourceContext) -> None:
        _check_db(options.db)
        if not options.channels:
            raise ProvisionError("redisSub source is missing property channels")
        self._channels = options.channels
        self._client = RedisClient(options.address, options.username, options.password, options.db)

    async def run(self, inlet: Inlet, resume: Any) -> None:
        """Deliver until cancelled; TransportError when the server goes."""
        await self._client.open()
        subscription: Any = self._client.commands.pubsub(ignore_subscribe_messages=True)
        try:
            with translated(self._client.address):
                await subscription.psubscribe(*self._channels)
                inlet.connected()
                while True:
                    message = await subscription.get_message(timeout=POLL_SECONDS)
                    if message is not None and message["type"] == "pmessage":
                        inlet.offer(Delivery(payloads=[message["data"]], meta={"channel": message["channel"].decode("utf-8", "replace")}))
                    else:
                        await asyncio.sleep(0)
        finally:
            await subscription.aclose()
            await self._client.close()


async def ping(options: RedisSubOptions, datasource: str, context: SourceContext) -> None:
    """Connect once."""
    await ping_server(RedisClient(options.address, options.username, options.password, options.db))
