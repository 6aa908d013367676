"""Lookup tables inside of running rules: a real server, a real Redis, a real database."""

from __future__ import annotations

import contextlib
import http.server
import json
import signal
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
import requests

from e2e.harness import Broker, Server, wait_until
from e2e.redis_server import RedisServer


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of its own for each test."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


def create(server: Server, path: str, body: Any, method: str = "POST") -> None:
    """A request that must succeed."""
    answer = server.request(method, path, json=body)
    assert answer.ok, f"{path}: {answer.status_code} {answer.text}"


def push(server: Server, path: str, rows: Any) -> None:
    """Rows into a stream of type httppush."""
    assert requests.post(server.push_url + path, json=rows, timeout=10).text == "ok"


def rule(server: Server, name: str, sql: str, *actions: Any, **options: Any) -> None:
    """A rule that runs."""
    create(server, "/rules", {"id": name, "sql": sql, "actions": list(actions), "options": options})
    server.wait_for_rule(name)


def events(server: Server) -> None:
    """The stream ``events`` behind the path ``/events``."""
    create(server, "/streams", {"sql": 'CREATE STREAM events () WITH (TYPE="httppush", DATASOURCE="/events")'})


def kept(redis: RedisServer, key: str = "out") -> list[Any]:
    """What rules have pushed on a list, oldest first."""
    return [json.loads(text) for text in reversed(redis.client.lrange(key, 0, -1))]


def into(redis: RedisServer, key: str = "out") -> dict[str, Any]:
    """An action that pushes rows on a list."""
    return {"redis": {"addr": redis.address, "key": key, "dataType": "list"}}


def redis_table(server: Server, redis: RedisServer, **lookup: Any) -> None:
    """The table ``devices`` in Redis."""
    create(server, "/metadata/sources/redis/confKeys/plant", {"addr": redis.address, "dataType": "string", "lookup": lookup}, "PUT")
    sql = 'CREATE TABLE devices () WITH (TYPE="redis", DATASOURCE="0", KIND="lookup", CONF_KEY="plant")'
    create(server, "/tables", {"sql": sql})


JOIN = "SELECT events.x, devices.name FROM events LEFT JOIN devices ON events.id = devices.id"


def test_rows_are_joined_with_redis(server: Server, redis: RedisServer) -> None:
    """In order; a cache keeps what was found until it expires."""
    redis.client.set("1", '{"id":1,"name":"pump"}')
    events(server)
    redis_table(server, redis, cache=True, cacheTtl="1h")
    rule(server, "joined", JOIN, into(redis))
    push(server, "/events", [{"x": n, "id": n % 2} for n in range(100)])
    wait_until(lambda: len(kept(redis)) == 100, 10, "all rows")
    assert kept(redis) == [{"x": n, "name": "pump"} if n % 2 else {"x": n} for n in range(100)]
    redis.client.set("1", '{"id":1,"name":"changed"}')
    redis.client.set("0", '{"id":0,"name":"new"}')
    push(server, "/events", [{"x": 100, "id": 1}, {"x": 101, "id": 0}])
    wait_until(lambda: len(kept(redis)) == 102, 10, "two more")
    assert kept(redis)[100:] == [{"x": 100, "name": "pump"}, {"x": 101, "name": "new"}]


def test_a_window_is_joined(server: Server, redis: RedisServer) -> None:
    """Groups over the joined rows."""
    redis.client.mset({"1": '{"hall":"a"}', "2": '{"hall":"b"}', "3": '{"hall":"a"}'})
    events(server)
    redis_table(server, redis)
    sql = (
        "SELECT devices.hall, count(*) AS n FROM events INNER JOIN devices ON events.id = devices.id GROUP BY devices.hall, COUNTWINDOW(4)"
    )
    rule(server, "halls", sql, into(redis))
    push(server, "/events", [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}])
    wait_until(lambda: len(kept(redis)) == 2, 10, "two groups")
    assert kept(redis) == [{"hall": "a", "n": 2}, {"hall": "b", "n": 1}]


def test_a_table_must_answer_when_it_is_created(server: Server, redis: RedisServer) -> None:
    """Nothing is kept of a statement whose table does not open."""
    redis.stop()
    create(server, "/metadata/sources/redis/confKeys/plant", {"addr": redis.address, "dataType": "string"}, "PUT")
    sql = 'CREATE TABLE devices () WITH (TYPE="redis", DATASOURCE="0", KIND="lookup", CONF_KEY="plant")'
    answer = server.request("POST", "/tables", json={"sql": sql})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(
        f"Table command error: Create table fails: dial tcp {redis.address}: connect: connection ref"
    )
    assert server.request("GET", "/tables").json() == []
    for wrong, text in (('DATASOURCE="99"', "redis lookup source db should be in range 0-15"), ('TYPE="nosuch"', "nosuch not found")):
        statement = f'CREATE TABLE wrong () WITH ({wrong}, KIND="lookup"' + (")" if "TYPE" in wrong else ', TYPE="redis")')
        answer = server.request("POST", "/tables", json={"sql": statement})
        assert answer.status_code == 400
        assert text in answer.json()["message"]


def test_a_server_that_goes_and_comes_back(server: Server, redis: RedisServer) -> None:
    """Rows that came meanwhile are errors, those after it are joined again; the rule runs all the time."""
    events(server)
    redis_table(server, redis)
    folder = server.data / "out.txt"
    rule(server, "joined", JOIN, {"file": {"path": str(folder), "fileType": "lines", "interval": 10}}, sendError=True)
    redis.stop()
    push(server, "/events", {"x": 1, "id": 1})
    wait_until(lambda: "connection refused" in _text(folder), 10, "an error row")
    redis.start()
    redis.client.set("1", '{"name":"pump"}')
    push(server, "/events", {"x": 2, "id": 1})
    wait_until(lambda: '"x":2' in _text(folder), 10, "a joined row")
    assert '{"x":2,"name":"pump"}' in _text(folder)
    assert server.rule_status("joined") == "running"


def test_a_rule_takes_rows_while_its_table_does_not_answer(server: Server, redis: RedisServer) -> None:
    """Other rules of the stream go on; afterwards everything comes in order."""
    redis.client.mset({str(n): json.dumps({"name": f"d{n}"}) for n in range(50)})
    events(server)
    redis_table(server, redis)
    rule(server, "joined", JOIN, into(redis))
    folder = server.data / "others.txt"
    rule(server, "other", "SELECT x FROM events", {"file": {"path": str(folder), "fileType": "lines", "interval": 10}})
    assert redis.process is not None
    redis.process.send_signal(signal.SIGSTOP)
    try:
        for n in range(50):
            push(server, "/events", {"x": n, "id": n})
        wait_until(lambda: _text(folder).count("x") == 50, 10, "the other rule has all rows")
    finally:
        redis.process.send_signal(signal.SIGCONT)
    wait_until(lambda: len(kept(redis)) == 50, 15, "all rows")
    assert kept(redis) == [{"x": n, "name": f"d{n}"} for n in range(50)]


def test_rows_are_joined_with_a_database_and_written_to_it(server: Server, tmp_path: Path) -> None:
    """Through one named connection, with the stream's declared columns."""
    path = tmp_path / "plant.db"
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("create table devices (id integer primary key, name text, cap real)")
    database.execute("create table alarms (name text, excess real)")
    database.executemany("insert into devices values (?, ?, ?)", [(n, f"d{n}'", n * 10) for n in range(1, 400)])
    create(server, "/connections", {"id": "plant", "typ": "sql", "props": {"dburl": f"sqlite:{path}"}})
    create(server, "/metadata/sources/sql/confKeys/plant", {"connectionSelector": "plant"}, "PUT")
    create(server, "/streams", {"sql": 'CREATE STREAM events (id BIGINT, x FLOAT) WITH (TYPE="httppush", DATASOURCE="/events")'})
    create(server, "/tables", {"sql": 'CREATE TABLE devices () WITH (TYPE="sql", DATASOURCE="devices", KIND="lookup", CONF_KEY="plant")'})
    sql = "SELECT devices.name, x - devices.cap AS excess FROM events INNER JOIN devices ON id = devices.id WHERE x > devices.cap"
    rule(server, "alarms", sql, {"sql": {"connectionSelector": "plant", "table": "alarms"}})
    push(server, "/events", [{"id": n, "x": n * 10 + n % 2} for n in range(500)])
    expected = [(f"d{n}'", 1.0) for n in range(1, 400, 2)]
    wait_until(lambda: database.execute("select count(*) from alarms").fetchone()[0] == len(expected), 10, "all alarms")
    assert database.execute("select name, excess from alarms order by rowid").fetchall() == expected
    answer = server.request("DELETE", "/tables/devices?force=true")
    assert "lookup table devices is still in use, stop all using rules before dropping it" in answer.text
    server.request("DELETE", "/rules/alarms")
    assert server.request("DELETE", "/tables/devices").text == "Table devices is dropped."
    assert server.request("DELETE", "/connections/plant").text == "success"
    database.close()


def test_rows_are_joined_with_a_document_behind_an_address(new_server: Callable[..., Server], redis: RedisServer) -> None:
    """Fetched once for all rows that wait."""
    asked: list[str] = []

    class Master(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps([{"id": 1, "name": "pump"}, {"id": 2, "name": "fan"}]).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with serving(Master) as url:
        server = new_server("--private-net")
        events(server)
        create(server, "/metadata/sources/httppull/confKeys/master", {"url": url, "method": "get"}, "PUT")
        sql = 'CREATE TABLE devices () WITH (TYPE="httppull", DATASOURCE="/devices", KIND="lookup", CONF_KEY="master")'
        create(server, "/tables", {"sql": sql})
        rule(server, "joined", JOIN, into(redis))
        push(server, "/events", [{"x": n, "id": n} for n in range(4)])
        wait_until(lambda: len(kept(redis)) == 4, 10, "all rows")
    assert kept(redis) == [{"x": 0}, {"x": 1, "name": "pump"}, {"x": 2, "name": "fan"}, {"x": 3}]
    assert asked == ["/devices"]


def test_a_memory_table_is_kept_by_a_rule_and_survives_updates_of_others(server: Server, redis: RedisServer) -> None:
    """Insert, update and delete; the table follows its topic from its creation on."""
    events(server)
    create(server, "/streams", {"sql": 'CREATE STREAM changes () WITH (TYPE="httppush", DATASOURCE="/changes")'})
    create(server, "/tables", {"sql": 'CREATE TABLE devices () WITH (TYPE="memory", DATASOURCE="devices", KIND="lookup", KEY="id")'})
    changes = {"memory": {"topic": "devices", "rowkindField": "action", "keyField": "id", "sendSingle": True}}
    rule(server, "follow", "SELECT * FROM changes", changes)
    push(server, "/changes", [{"id": 1, "name": "pump"}, {"id": 2, "name": "fan", "action": "insert"}])
    rule(server, "joined", JOIN, into(redis))
    push(server, "/events", [{"x": 1, "id": 1}, {"x": 2, "id": 2}])
    push(server, "/changes", [{"id": 1, "action": "delete"}, {"id": 2, "name": "fan2", "action": "update"}])
    create(server, "/rules/joined", {"id": "joined", "sql": f"{JOIN} WHERE events.x > 2", "actions": [into(redis)]}, "PUT")
    server.wait_for_rule("joined")
    push(server, "/events", [{"x": 2, "id": 2}, {"x": 3, "id": 1}, {"x": 4, "id": 2}])
    wait_until(lambda: len(kept(redis)) == 4, 10, "all rows")
    assert kept(redis) == [{"x": 1, "name": "pump"}, {"x": 2, "name": "fan"}, {"x": 3}, {"x": 4, "name": "fan2"}]


def test_an_imported_table_need_not_answer_yet(server: Server, redis: RedisServer) -> None:
    """It is opened when a rule asks it."""
    redis.client.set("1", '{"name":"pump"}')
    redis.stop()
    config = json.dumps({"plant": {"addr": redis.address, "dataType": "string"}})
    document = {
        "streams": {"events": 'CREATE STREAM events () WITH (TYPE="httppush", DATASOURCE="/events")'},
        "tables": {"devices": 'CREATE TABLE devices () WITH (TYPE="redis", DATASOURCE="0", KIND="lookup", CONF_KEY="plant")'},
        "rules": {"joined": json.dumps({"id": "joined", "sql": JOIN, "actions": [into(redis)]})},
        "sourceConfig": {"redis": config},
    }
    create(server, "/data/import", {"content": json.dumps(document)})
    server.wait_for_rule("joined")
    redis.start()
    redis.client.set("1", '{"name":"pump"}')
    push(server, "/events", {"x": 1, "id": 1})
    wait_until(lambda: kept(redis), 15, "a joined row")
    assert kept(redis) == [{"x": 1, "name": "pump"}]


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@contextlib.contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """An HTTP server on a free loopback port; gives its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as peer:
        threading.Thread(target=peer.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{peer.server_address[1]}"
        finally:
            peer.shutdown()


def test_rows_that_wait_for_an_answer_survive_a_crash(new_server: Callable[..., Server], broker: Broker, redis: RedisServer) -> None:
    """With qos 1: what the broker still has comes again, what a checkpoint has is asked again; nothing is lost."""
    redis.client.mset({str(n): json.dumps({"name": f"d{n}"}) for n in range(40)})
    server = new_server()
    topic = f"crash/{uuid.uuid4().hex}"
    config = {"server": broker.url, "qos": 1, "clientid": uuid.uuid4().hex, "enableClientSession": True, "protocolVersion": "5"}
    create(server, "/metadata/sources/mqtt/confKeys/kept", config, "PUT")
    create(server, "/streams", {"sql": f'CREATE STREAM events () WITH (TYPE="mqtt", DATASOURCE="{topic}", CONF_KEY="kept")'})
    redis_table(server, redis)
    rule(server, "joined", JOIN, into(redis), qos=1, checkpointInterval=200)
    server.wait_until_connected("joined")
    publisher = paho.Client(paho.CallbackAPIVersion.VERSION2)
    publisher.connect("127.0.0.1", broker.port)
    publisher.loop_start()
    assert redis.process is not None
    for n in range(20):
        publisher.publish(topic, json.dumps({"x": n, "id": n}), qos=1).wait_for_publish(10)
    wait_until(lambda: len(kept(redis)) == 20, 10, "rows before the crash")
    redis.process.send_signal(signal.SIGSTOP)
    for n in range(20, 40):
        publisher.publish(topic, json.dumps({"x": n, "id": n}), qos=1).wait_for_publish(10)
    wait_until(lambda: _received(server, "joined") == 40, 10, "rows that wait")
    time.sleep(0.5)  # a checkpoint or two
    server.kill()
    redis.process.send_signal(signal.SIGCONT)
    server.start()
    server.wait_for_rule("joined")
    wait_until(lambda: {row["x"] for row in kept(redis)} == set(range(40)), 15, "all rows")
    assert all(row["name"] == f"d{row['x']}" for row in kept(redis))
    publisher.disconnect()
    publisher.loop_stop()


def _received(server: Server, rule_id: str) -> int:
    return int(server.request("GET", f"/rules/{rule_id}/status").json()["source_events_0_records_in_total"])
