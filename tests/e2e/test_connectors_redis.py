"""The Redis connectors against a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from e2e.redis_server import RedisServer
from plutino.connectors.redis import CONNECTORS
from plutino.errors import DeliveryError, FormatError, PlutinoError, ProvisionError, TransportError
from plutino.spi import ConnectorSpec, Lookup, LookupAnswer, Sink, Source
from plutino.spi.options import decode_options
from plutino.testing import CollectingInlet, finish, sink_context, source_context

SPECS: dict[str, ConnectorSpec] = {spec.name: spec for spec in CONNECTORS}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of its own for each test."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


def lookup(server: RedisServer, folder: Path, datasource: str = "0", **props: Any) -> Lookup:
    """A lookup table."""
    spec = SPECS["redis"].lookup
    assert spec is not None
    options = decode_options(spec.options, {"addr": server.address, "dataType": "string", **props})
    return spec.create(options, datasource, source_context(str(folder)))


def sink(server: RedisServer, folder: Path, name: str = "redis", **props: Any) -> Sink:
    """A sink."""
    spec = SPECS[name].sink
    assert spec is not None
    options = decode_options(spec.options, {"addr": server.address, "address": server.address, **props})
    return spec.create(options, sink_context(str(folder)))


def source(server: RedisServer, folder: Path, *channels: str) -> Source:
    """A subscriber."""
    spec = SPECS["redisSub"].source
    assert spec is not None
    options = decode_options(spec.options, {"address": server.address, "channels": list(channels)})
    return spec.create(options, "", source_context(str(folder)))


async def ask(table: Lookup, keys: Sequence[str], *queries: Sequence[Any]) -> list[LookupAnswer]:
    """The answers to some queries."""
    answers = table.lookup(["*"], keys, queries)
    assert isinstance(answers, Awaitable)
    return await answers


async def test_rows_are_found_by_key(server: RedisServer, tmp_path: Path) -> None:
    """Keys are texts; a value that is no object fails the row that asked for it, no other."""
    server.client.mset({"1": '{"a":1}', "x": '{"a":"x"}', "bad": "[1]", "1.5": '{"a":2}'})
    server.client.lpush("list", "y")
    table = lookup(server, tmp_path)
    await table.open()
    found = await ask(table, ["id"], (1.0,), ("x",), ("nosuch",), ("bad",), (1.5,), ("list",))
    assert [found[0], found[1], found[2], found[4]] == [[{"a": 1}], [{"a": "x"}], [], [{"a": 2}]]
    assert isinstance(found[3], FormatError)
    assert "redis key bad" in found[3].message
    assert isinstance(found[5], DeliveryError)
    assert "WRONGTYPE" in found[5].message
    with pytest.raises(PlutinoError, match=r"redis lookup only support one key, but got \[a b\]"):
        await ask(table, ["a", "b"], (1, 2))
    await table.close()


async def test_lists_give_several_rows(server: RedisServer, tmp_path: Path) -> None:
    """In order; the database is the DATASOURCE."""
    other = server.client
    other.execute_command("SELECT", 3)
    other.rpush("k", '{"a":1}', '{"a":2}')
    table = lookup(server, tmp_path, "3", dataType="list")
    await table.open()
    assert await ask(table, ["id"], ("k",), ("none",)) == [[{"a": 1}, {"a": 2}], []]
    await table.close()


async def test_a_server_that_goes_and_comes_back(server: RedisServer, tmp_path: Path) -> None:
    """A TransportError meanwhile; ``open`` and the next query work again."""
    server.client.set("1", '{"a":1}')
    table = lookup(server, tmp_path)
    await table.open()
    server.stop()
    with pytest.raises(TransportError):
        await ask(table, ["id"], (1,))
    with pytest.raises(TransportError, match="connection refused"):
        await table.open()
    server.start()
    await table.open()
    assert await ask(table, ["id"], (1,)) == [[]]
    await table.close()


async def test_a_wrong_password_is_no_lost_connection(tmp_path: Path) -> None:
    """Trying again would not help."""
    server = RedisServer(tmp_path)
    server.start("--requirepass", "secret")
    try:
        table = lookup(server, tmp_path, password="wrong")
        with pytest.raises(DeliveryError, match=r"(?i)invalid username-password|WRONGPASS|auth"):
            await table.open()
        await table.close()
        table = lookup(server, tmp_path, password="secret")
        await table.open()
        await table.close()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("datasource", "props", "text"),
    [
        ("0", {"addr": ""}, "redis addr is null"),
        ("0", {"dataType": "hash"}, "redis dataType must be string or list"),
        ("x", {}, "datasource x is invalid"),
        ("16", {}, "redis lookup source db should be in range 0-15"),
        ("0", {"addr": "h:port"}, "redis address h:port"),
    ],
)
def test_wrong_options_of_a_lookup_are_refused(tmp_path: Path, datasource: str, props: dict[str, Any], text: str) -> None:
    """In the words of the original."""
    with pytest.raises(ProvisionError, match=text):
        lookup(RedisServer(tmp_path), tmp_path, datasource, **props)


async def test_rows_are_set_under_their_keys(server: RedisServer, tmp_path: Path) -> None:
    """One key per row, from a column or fixed; lists of rows; an expiration."""
    target = sink(server, tmp_path, field="id", expiration="1m")
    await target.open()
    await finish(target.write([{"id": 1.0, "a": [1.5, 2.0]}, [{"id": "x"}, {"id": "y", "n": None}]], None))
    client = server.client
    assert [client.get(k) for k in ("1", "x", "y")] == ['{"id":1,"a":[1.5,2]}', '{"id":"x"}', '{"id":"y","n":null}']
    assert 0 < client.ttl("1") <= 60
    with pytest.raises(PlutinoError, match="field id does not exist in data"):
        await finish(target.write([{"a": 1}, {"id": "z"}], None))
    assert client.get("z") == '{"id":"z"}'
    await target.close()


async def test_columns_may_have_keys_of_their_own(server: RedisServer, tmp_path: Path) -> None:
    """And rows may delete."""
    target = sink(server, tmp_path, keyType="multiple", rowkindField="action")
    await target.open()
    await finish(target.write([{"a": 1.0, "b": "x"}], None))
    client = server.client
    assert [client.get(k) for k in ("a", "b")] == ["1", "x"]
    await finish(target.write([{"a": 1, "action": "delete"}], None))
    assert [client.get(k) for k in ("a", "b")] == [None, "x"]
    with pytest.raises(PlutinoError, match="invalid rowkind nonsense"):
        await finish(target.write([{"action": "nonsense"}], None))
    await target.close()


async def test_rows_may_be_pushed_on_lists(server: RedisServer, tmp_path: Path) -> None:
    """The newest in front."""
    target = sink(server, tmp_path, key="k", dataType="list")
    await target.open()
    await finish(target.write([{"a": 1}, {"a": 2}], None))
    assert [json.loads(v)["a"] for v in server.client.lrange("k", 0, -1)] == [2, 1]
    await target.close()
    server.stop()
    with pytest.raises(TransportError):
        await finish(target.write([{"a": 3}], None))
    await target.close()


@pytest.mark.parametrize(
    ("props", "text"),
    [
        ({"db": 16, "key": "k"}, "redisSink db should be in range 0-15"),
        ({}, "redis sink must have key or field when KeyType is single"),
        ({"keyType": "x"}, "KeyType only support single or multiple"),
        ({"key": "k", "dataType": "x"}, "redis sink only support string or list data type"),
    ],
)
def test_wrong_options_of_a_sink_are_refused(tmp_path: Path, props: dict[str, Any], text: str) -> None:
    """In the words of the original."""
    with pytest.raises(ProvisionError, match=text):
        sink(RedisServer(tmp_path), tmp_path, **props)


async def test_what_is_published_is_received(server: RedisServer, tmp_path: Path) -> None:
    """By pattern, with the channel as metadata, in order."""
    inlet = CollectingInlet()
    task = asyncio.create_task(source(server, tmp_path, "plant.*").run(inlet, None))
    await inlet.until(lambda i: i.connections)
    publisher = sink(server, tmp_path, "redisPub", channel="plant.a")
    await publisher.open()
    await finish(publisher.write([b'{"a":1}', b'{"a":2}'], None))
    await inlet.until(lambda i: len(i.messages) == 2)
    assert inlet.messages == [b'{"a":1}', b'{"a":2}']
    assert inlet.deliveries[0].meta == {"channel": "plant.a"}
    await publisher.close()
    server.stop()
    with pytest.raises(TransportError):
        await task
