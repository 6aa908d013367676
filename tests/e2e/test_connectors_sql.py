"""The SQL connector on a real database (SQLite)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

import pytest

from plutino.connectors.sql import CONNECTOR
from plutino.errors import DeliveryError, PlutinoError, ProvisionError, TransportError
from plutino.spi import Lookup, LookupAnswer, Sink, Source
from plutino.spi.options import decode_options
from plutino.testing import CollectingInlet, FakeClock, finish, sink_context, source_context


@pytest.fixture
def database(tmp_path: Path) -> sqlite3.Connection:
    """A database file ``plant.db`` with a table of devices."""
    connection = sqlite3.connect(tmp_path / "plant.db", isolation_level=None)
    connection.execute("create table devices (id integer primary key, name text, hall text, price numeric)")
    connection.executemany("insert into devices values (?, ?, ?, ?)", [(1, "pump", "a", 2.5), (2, "fan", "a", 3), (3, "it's", "b", None)])
    return connection


def lookup(folder: Path, datasource: str = "devices", **props: Any) -> Lookup:
    """A lookup table over the file."""
    assert CONNECTOR.lookup is not None
    options = decode_options(CONNECTOR.lookup.options, {"dburl": "sqlite:plant.db", **props})
    return CONNECTOR.lookup.create(options, datasource, source_context(str(folder)))


def sink(folder: Path, **props: Any) -> Sink:
    """A sink into the file."""
    assert CONNECTOR.sink is not None
    return CONNECTOR.sink.create(decode_options(CONNECTOR.sink.options, {"dburl": "sqlite:plant.db", **props}), sink_context(str(folder)))


def source(folder: Path, clock: FakeClock, **props: Any) -> Source:
    """A source over the file."""
    assert CONNECTOR.source is not None
    options = decode_options(CONNECTOR.source.options, {"dburl": "sqlite:plant.db", "interval": "1s", **props})
    return CONNECTOR.source.create(options, "", source_context(str(folder), clock=clock))


async def ask(table: Lookup, fields: Sequence[str], keys: Sequence[str], *queries: Sequence[Any]) -> list[LookupAnswer]:
    """The answers to some queries."""
    answers = table.lookup(fields, keys, queries)
    assert isinstance(answers, Awaitable)
    return await answers


async def test_many_queries_are_answered_in_order(tmp_path: Path, database: sqlite3.Connection) -> None:
    """More than one statement holds; each query has its rows, numbers match whatever their kind."""
    database.executemany("insert into devices (id, name) values (?, ?)", [(n, f"d{n}") for n in range(100, 300)])
    table = lookup(tmp_path)
    await table.open()
    found = await ask(table, ["name"], ["id"], (2.0,), (99,), *((n,) for n in range(100, 300)), (1,))
    assert found[:2] == [[{"name": "fan"}], []]
    assert [rows[0]["name"] for rows in found[2:-1] if isinstance(rows, list)] == [f"d{n}" for n in range(100, 300)]
    assert found[-1] == [{"name": "pump"}]
    assert await ask(table, ["*"], ["hall", "id"], ("a", 1), ("b", 1)) == [[{"id": 1, "name": "pump", "hall": "a", "price": 2.5}], []]
    assert await ask(table, ["id"], ["hall"], ("a",)) == [[{"id": 1}, {"id": 2}]]
    await table.close()


@pytest.mark.parametrize("value", ["it's", "' or 1=1 --", "x'; drop table devices; --", ":p0", "%"])
async def test_values_are_never_part_of_a_statement(tmp_path: Path, database: sqlite3.Connection, value: str) -> None:
    """Whatever they hold."""
    plain = lookup(tmp_path)
    own = lookup(tmp_path, templateSqlQueryCfg={"templateSql": "select id from devices where name = '{{.name}}'"})
    expected = [[{"id": 3}]] if value == "it's" else [[]]
    for table in (plain, own):
        await table.open()
        assert await ask(table, ["id"], ["name"], (value,)) == expected
        await table.close()
    assert database.execute("select count(*) from devices").fetchone() == (3,)


async def test_odd_names_of_tables_and_columns_are_quoted(tmp_path: Path, database: sqlite3.Connection) -> None:
    """Reserved words and quotes cannot break out either."""
    database.execute('create table "order" ("group" integer, "a""b" text)')
    database.execute("insert into \"order\" values (1, 'x')")
    table = lookup(tmp_path, "order")
    await table.open()
    assert await ask(table, ['a"b'], ["group"], (1,)) == [[{'a"b': "x"}]]
    assert await ask(table, ["*"], ['a"b'], ("x",)) == [[{"group": 1, 'a"b': "x"}]]
    await table.close()


async def test_what_the_database_refuses_is_no_lost_connection(tmp_path: Path, database: sqlite3.Connection) -> None:
    """A missing table is refused for good; a file that cannot be opened may come back."""
    table = lookup(tmp_path, "nosuch")
    await table.open()
    with pytest.raises(DeliveryError, match="no such table: nosuch"):
        await ask(table, ["*"], ["id"], (1,))
    await table.close()
    away = lookup(tmp_path / "nowhere")
    with pytest.raises(TransportError, match="unable to open database file"):
        await away.open()
    await away.close()


def test_a_lookup_needs_a_table_or_a_query(tmp_path: Path) -> None:
    """And an address."""
    with pytest.raises(ProvisionError, match="needs the name of a table"):
        lookup(tmp_path, "")
    with pytest.raises(ProvisionError, match="dburl should be defined"):
        lookup(tmp_path, dburl="")


async def test_rows_are_inserted(tmp_path: Path, database: sqlite3.Connection) -> None:
    """Single rows and lists; absent columns are null; ``fields`` chooses."""
    target = sink(tmp_path, table="devices", fields=["id", "name"])
    await target.open()
    await finish(target.write([{"id": 10, "name": "x", "other": 1}, [{"id": 11.0}, {"id": 12, "name": "y'"}]], None))
    await target.close()
    assert database.execute("select id, name from devices where id > 9").fetchall() == [(10, "x"), (11, None), (12, "y'")]


async def test_rows_may_update_and_delete(tmp_path: Path, database: sqlite3.Connection) -> None:
    """By the key; rows that are no valid change do not hold up the others."""
    target = sink(tmp_path, table="devices", rowKindField="action", keyField="id", fields=["id", "name"])
    await target.open()
    rows = [
        {"id": 1, "name": "new", "action": "update"},
        {"id": 2, "action": "delete"},
        {"id": 9, "action": "nonsense"},
        {"name": "z", "action": "delete"},
        {"id": 8, "name": "eight"},
    ]
    with pytest.raises(PlutinoError, match="invalid rowkind nonsense"):
        await finish(target.write(rows, None))
    await target.close()
    assert database.execute("select id, name from devices order by id").fetchall() == [(1, "new"), (3, "it's"), (8, "eight")]


async def test_a_refused_row_does_not_take_others_with_it(tmp_path: Path, database: sqlite3.Connection) -> None:
    """A duplicate key among many messages."""
    target = sink(tmp_path, table="devices")
    await target.open()
    with pytest.raises(DeliveryError, match="UNIQUE"):
        await finish(target.write([{"id": 20, "name": "a"}, {"id": 1, "name": "dup"}, {"id": 21, "name": "b"}], None))
    with pytest.raises(PlutinoError, match="invalid dynamic field name"):
        await finish(target.write([{"id": 22, "a b": 1}], None))
    await target.close()
    assert database.execute("select id from devices where id > 9").fetchall() == [(20,), (21,)]


async def test_a_source_goes_on_after_the_last_value(tmp_path: Path, database: sqlite3.Connection) -> None:
    """Each interval only what is new; a position resumes there."""
    clock, inlet = FakeClock(), CollectingInlet()
    query = {"table": "devices", "limit": 2, "indexFields": [{"indexField": "id", "indexValue": 0}]}
    reader = source(tmp_path, clock, internalSqlQueryCfg=query)
    task = asyncio.create_task(reader.run(inlet, None))
    await inlet.until(lambda i: len(i.messages) == 2)
    await clock.advance(1000)
    await inlet.until(lambda i: len(i.messages) == 3)
    assert [row["id"] for row in inlet.messages] == [1, 2, 3]
    assert inlet.position == {"id": 3}
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    database.execute("insert into devices (id) values (4)")
    again = CollectingInlet()
    own = {"templateSql": "select id from devices where id > {{.id}}", "indexFields": [{"indexField": "id", "indexValue": 0}]}
    resumed = asyncio.create_task(source(tmp_path, clock, templateSqlQueryCfg=own).run(again, inlet.position))
    await again.until(lambda i: i.messages)
    assert again.messages == [{"id": 4}]
    resumed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await resumed


async def test_a_refused_query_is_counted(tmp_path: Path, database: sqlite3.Connection) -> None:
    """And asked again at the next interval."""
    clock, inlet = FakeClock(), CollectingInlet()
    reader = source(tmp_path, clock, internalSqlQueryCfg={"table": "later"})
    task = asyncio.create_task(reader.run(inlet, None))
    await inlet.until(lambda i: i.faults)
    assert "no such table: later" in inlet.faults[0]
    database.execute("create table later (a integer)")
    database.execute("insert into later values (1)")
    await clock.advance(1000)
    await inlet.until(lambda i: i.messages)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
