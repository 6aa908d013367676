"""Connectors inside of running rules: what leaves the server is what came in."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
import requests

from e2e.harness import Broker, Server, wait_until


class Listener:
    """A subscriber of its own that keeps what it receives."""

    def __init__(self, broker: Broker, topic_filter: str) -> None:
        self.messages: list[tuple[str, Any]] = []
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self.client.on_message = lambda client, data, message: self.messages.append((message.topic, json.loads(message.payload)))
        subscribed: list[int] = []
        self.client.on_subscribe = lambda *args: subscribed.append(1)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        self.client.subscribe(topic_filter, qos=1)
        wait_until(lambda: subscribed, 10, "subscription of the test")

    def until(self, count: int) -> list[tuple[str, Any]]:
        """Wait for so many messages."""
        wait_until(lambda: len(self.messages) >= count, 15, f"{count} messages, {len(self.messages)} came: {self.messages[-3:]}")
        return self.messages

    def close(self) -> None:
        """Disconnect."""
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def base() -> str:
    """A root for topics of this test."""
    return f"rules/{uuid.uuid4().hex}"


@pytest.fixture
def listener(broker: Broker, base: str) -> Iterator[Listener]:
    """Receives what rules publish below ``<base>/out``."""
    listener = Listener(broker, f"{base}/out/#")
    yield listener
    listener.close()


def create(server: Server, path: str, body: Any) -> None:
    """POST (or PUT for configuration keys) that must succeed."""
    answer = server.request("PUT" if "/confKeys/" in path else "POST", path, json=body)
    assert answer.ok, f"{path}: {answer.status_code} {answer.text}"


def stream(server: Server, name: str, options: str) -> None:
    """A schemaless stream."""
    create(server, "/streams", {"sql": f"CREATE STREAM {name} () WITH ({options})"})


def rule(server: Server, name: str, sql: str, *actions: dict[str, Any], running: bool = True, **options: Any) -> None:
    """A rule that runs."""
    create(server, "/rules", {"id": name, "sql": sql, "actions": list(actions), "options": options})
    if running:
        server.wait_for_rule(name)


def test_from_http_through_memory_to_mqtt(server: Server, broker: Broker, base: str, listener: Listener) -> None:
    """A chain of rules; the topic comes from the data."""
    stream(server, "pushed", 'TYPE="httppush", DATASOURCE="/plant/data"')
    stream(server, "hot", 'TYPE="memory", DATASOURCE="alarms/+"')
    sink = {"server": broker.url, "topic": base + "/out/{{.hall}}", "sendSingle": True, "qos": 1}
    rule(server, "publish", "SELECT hall, t, meta(topic) AS topic FROM hot", {"mqtt": sink})
    rule(server, "filter", "SELECT * FROM pushed WHERE t > 20", {"memory": {"topic": "alarms/{{.hall}}", "sendSingle": True}})
    for i, t in enumerate((10, 30, 40)):
        answer = requests.post(server.push_url + "/plant/data", json={"hall": f"h{i}", "t": t}, timeout=10)
        assert (answer.status_code, answer.text) == (200, "ok")
    assert listener.until(2) == [
        (f"{base}/out/h1", {"hall": "h1", "t": 30, "topic": "alarms/h1"}),
        (f"{base}/out/h2", {"hall": "h2", "t": 40, "topic": "alarms/h2"}),
    ]
    server.request("DELETE", "/rules/filter")
    wait_until(lambda: requests.post(server.push_url + "/plant/data", data=b"{}", timeout=10).status_code == 404, 5, "path is given up")


def test_two_streams_may_share_a_path(server: Server, broker: Broker, base: str, listener: Listener) -> None:
    """Each gets every body."""
    for name in ("one", "two"):
        stream(server, name, 'TYPE="httppush", DATASOURCE="/shared"')
        action = {"mqtt": {"server": broker.url, "topic": f"{base}/out/{name}", "sendSingle": True}}
        rule(server, f"r{name}", f"SELECT a FROM {name}", action)
    requests.post(server.push_url + "/shared", data=b'{"a":1}', timeout=10)
    assert sorted(listener.until(2)) == [(f"{base}/out/one", {"a": 1}), (f"{base}/out/two", {"a": 1})]


def test_one_named_connection_for_everything(server: Server, broker: Broker, base: str, listener: Listener) -> None:
    """Source and sink use it, it cannot be dropped meanwhile, and it shows as connected."""
    create(server, "/connections", {"id": "plant", "typ": "mqtt", "props": {"server": broker.url}})
    create(server, "/metadata/sources/mqtt/confKeys/shared", {"connectionSelector": "plant", "qos": 1})
    stream(server, "input", f'TYPE="mqtt", DATASOURCE="{base}/in/+", CONF_KEY="shared"')
    action = {"mqtt": {"connectionSelector": "plant", "topic": f"{base}/out/x", "qos": 1, "sendSingle": True}}
    rule(server, "both", "SELECT a, meta(topic) AS topic, meta(qos) AS qos FROM input", action)
    server.wait_until_connected("both")
    for i in range(100):
        listener.client.publish(f"{base}/in/{i % 3}", json.dumps({"a": i}), qos=1)
    messages = [m for _, m in listener.until(100)]
    assert messages == [{"a": i, "topic": f"{base}/in/{i % 3}", "qos": 1} for i in range(100)]
    assert server.request("GET", "/connections/plant").json()["status"] == "connected"
    assert "can't be dropped due to rule references" in server.request("DELETE", "/connections/plant").text
    server.request("DELETE", "/rules/both")
    assert server.request("DELETE", "/connections/plant").text == "success"


def test_a_file_through_a_rule_into_a_csv_file(server: Server, tmp_path: Path) -> None:
    """A bounded stream ends with done; the header of the csv file comes from the rows."""
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"id": i, "name": f"n{i}", "t": i / 2}) + "\n" for i in range(20_000)))
    create(server, "/metadata/sources/file/confKeys/here", {"path": str(tmp_path), "fileType": "lines"})
    stream(server, "lines", 'TYPE="file", DATASOURCE="in.jsonl", CONF_KEY="here"')
    out = tmp_path / "out.csv"
    action = {"file": {"path": str(out), "fileType": "csv", "format": "delimited", "hasHeader": True, "sendSingle": True}}
    rule(server, "copy", "SELECT id, name FROM lines WHERE t >= 5", action, running=False)
    wait_until(lambda: server.rule_status("copy") == "stopped", 20, "the rule is done")
    assert server.request("GET", "/rules/copy/status").json()["message"] == "done"
    lines = out.read_text().splitlines()
    assert lines[0] == "id,name"
    assert lines[1:3] == ["10,n10", "11,n11"]
    assert len(lines) == 1 + 19_990


def test_csv_columns_are_texts_that_sql_casts(server: Server, tmp_path: Path) -> None:
    """The file source names and splits, the rule casts."""
    (tmp_path / "in.csv").write_text("id,t\n1,20.5\n2,30\n")
    create(server, "/metadata/sources/file/confKeys/csv", {"path": str(tmp_path), "fileType": "csv", "hasHeader": True})
    stream(server, "csv", 'TYPE="file", DATASOURCE="in.csv", CONF_KEY="csv"')
    out = tmp_path / "out.json"
    action = {"file": {"path": str(out), "fileType": "json", "sendSingle": True}}
    rule(server, "cast", 'SELECT id, cast(t, "float") * 2 AS t FROM csv', action, running=False)
    wait_until(lambda: out.exists() and out.read_text().endswith("]"), 10, "the array is closed")
    assert json.loads(out.read_text()) == [{"id": "1", "t": 41}, {"id": "2", "t": 60}]


def test_a_missing_file_is_refused_with_the_rule(server: Server, tmp_path: Path) -> None:
    """Text and code of the original."""
    create(server, "/metadata/sources/file/confKeys/gone", {"path": str(tmp_path)})
    stream(server, "gone", 'TYPE="file", DATASOURCE="none.json", CONF_KEY="gone"')
    answer = server.request("POST", "/rules", json={"id": "r", "sql": "SELECT * FROM gone", "actions": [{"nop": {}}]})
    assert answer.status_code == 400
    assert answer.json() == {"error": 2201, "message": f"file {tmp_path / 'none.json'} not exist"}


def test_a_broker_that_comes_later_gets_everything_that_waited(new_server: Any, tmp_path: Path, base: str) -> None:
    """Source and sink connect by themselves when the broker is there; cached results arrive in order."""
    server = new_server()
    broker = Broker(tmp_path)
    broker.start()
    port = broker.port
    broker.stop()
    url = f"tcp://127.0.0.1:{port}"
    sink = {"server": url, "topic": f"{base}/out", "qos": 1, "retained": True, "sendSingle": True, "enableCache": True}
    stream(server, "live", 'TYPE="httppush", DATASOURCE="/live"')
    rule(server, "late", "SELECT n FROM live", {"mqtt": sink})
    for n in range(5):
        requests.post(server.push_url + "/live", json={"n": n}, timeout=10)
    time.sleep(0.3)
    broker.start(port)
    listener = Listener(broker, f"{base}/out")
    try:
        # what was published before the listener was there is seen as the last of it (retained), the rest comes in order
        requests.post(server.push_url + "/live", json={"n": 5}, timeout=10)
        wait_until(lambda: listener.messages and listener.messages[-1][1] == {"n": 5}, 20, "the last message")
        numbers = [m["n"] for _, m in listener.messages]
        assert numbers == sorted(numbers)
    finally:
        listener.close()
        broker.stop()


def test_websocket_server_and_client(server: Server, broker: Broker, base: str, listener: Listener) -> None:
    """A rule that serves a path and a rule that is its client; a named connection is shared; what is gone is gone."""
    address = server.push_url.removeprefix("http://")
    create(server, "/connections", {"id": "room", "typ": "websocket", "props": {"path": "/room"}})
    create(server, "/metadata/sources/websocket/confKeys/out", {"addr": address})
    stream(server, "pushed", 'TYPE="httppush", DATASOURCE="/in"')
    stream(server, "called", 'TYPE="websocket", DATASOURCE="/room", CONF_KEY="out"')
    rule(server, "speaker", "SELECT * FROM pushed", {"websocket": {"connectionSelector": "room", "sendSingle": True}})
    rule(server, "hearer", "SELECT a FROM called", {"mqtt": {"server": broker.url, "topic": base + "/out", "sendSingle": True}})

    def connected() -> bool:
        return server.request("GET", "/rules/hearer/status").json().get("source_called_0_connection_status") == 1

    wait_until(connected, 10, "the client is connected")
    requests.post(server.push_url + "/in", json={"a": 1}, timeout=10)
    assert listener.until(1) == [(f"{base}/out", {"a": 1})]
    assert server.request("GET", "/connections/room").json()["refCount"] == 1
    server.request("DELETE", "/rules/speaker")
    assert server.request("DELETE", "/connections/room").text == "success"
    wait_until(lambda: not connected(), 10, "the client has lost its server")
    assert requests.get(server.push_url + "/room", timeout=10).status_code == 404


def test_results_as_events(server: Server) -> None:
    """Whoever listens gets what is sent from then on; the path is served as long as the rule runs."""
    stream(server, "pushed", 'TYPE="httppush", DATASOURCE="/in"')
    rule(server, "tell", "SELECT a FROM pushed", {"sse": {"endpoint": "/events", "sendSingle": True}})
    with requests.get(server.push_url + "/events", stream=True, timeout=10) as listener:
        assert listener.headers["content-type"].startswith("text/event-stream")
        requests.post(server.push_url + "/in", json={"a": 1}, timeout=10)
        lines = listener.iter_lines(chunk_size=1)
        assert next(lines) == b'data: {"a":1}'
        server.request("DELETE", "/rules/tell")
        assert list(lines) == [b""]
    assert requests.get(server.push_url + "/events", timeout=10).status_code == 404
