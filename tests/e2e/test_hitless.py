"""Rules that an import does not change lose no message: every one that was sent is counted."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import paho.mqtt.client as mqtt
import pytest

from e2e.harness import Broker, Server, wait_until

RULES, MESSAGES, RATE = 20, 3000, 1500
"""Messages a second, over all rules."""

CROWD, STREAMS, ROUNDS, PAUSE_S = 1000, 20, 30, 0.15
"""Rules, streams that they share, messages for each of these, seconds between two."""


def document(broker: Broker, threshold: int, change: str) -> str:
    """Rules that copy numbered messages, each from a topic to a topic of its own; ``change`` is what differs for the first one."""
    key = {"server": broker.url, "qos": 1}
    config = {"hl": key, "own": {**key, "clientid": f"own{threshold}"} if change == "configuration" else key}
    streams = {f"h{i}": stream(f"h{i}", f"hl/in/{i}", "own" if i == 0 else "hl") for i in range(RULES)}
    rules = {}
    for i in range(RULES):
        least = threshold if i == 0 and change == "rule" else -1
        rules[f"hr{i}"] = rule(f"hr{i}", f"SELECT seq FROM h{i} WHERE seq > {least}", broker, f"hl/out/{i}")
    return json.dumps({"streams": streams, "rules": rules, "sourceConfig": {"mqtt": json.dumps(config)}})


def crowd(broker: Broker, version: int) -> str:
    """Many rules on few shared streams: one stream has a configuration of its own, which differs between versions, and so do 10 rules."""
    config = {"common": {"server": broker.url}, "own": {"server": broker.url, "clientid": f"own{version}"}}
    last = STREAMS - 1
    streams = {f"c{i}": stream(f"c{i}", f"crowd/in/{i}", "own" if i == last else "common", ', SHARED="true"') for i in range(STREAMS)}
    rules = {}
    for i in range(CROWD):
        sql = f"SELECT seq FROM c{i % STREAMS} WHERE seq > {-version if i < 10 else 0}"
        rules[f"cr{i}"] = rule(f"cr{i}", sql, broker, f"crowd/out/{i}")
    return json.dumps({"streams": streams, "rules": rules, "sourceConfig": {"mqtt": json.dumps(config)}})


def stream(name: str, topic: str, key: str, more: str = "") -> str:
    """A stream over MQTT."""
    return f'CREATE STREAM {name} () WITH (DATASOURCE="{topic}", TYPE="mqtt", FORMAT="json", CONF_KEY="{key}"{more})'


def rule(name: str, sql: str, broker: Broker, topic: str) -> str:
    """A rule into a topic."""
    sink = {"mqtt": {"server": broker.url, "topic": topic, "qos": 1, "sendSingle": True}}
    return json.dumps({"id": name, "sql": sql, "actions": [sink]})


@contextmanager
def listening(broker: Broker, topic: str, seen: list[list[int]]) -> Iterator[mqtt.Client]:
    """Put the numbers that arrive at ``topic/N`` into ``seen[N]``; gives a client to publish with."""
    reader, writer = (mqtt.Client(mqtt.CallbackAPIVersion.VERSION2) for _ in range(2))
    reader.on_message = lambda *arguments: seen[int(arguments[2].topic.rsplit("/", 1)[1])].append(json.loads(arguments[2].payload)["seq"])
    writer.max_inflight_messages_set(1000)
    for client in (reader, writer):
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
    reader.subscribe(f"{topic}/#", 1)
    try:
        yield writer
    finally:
        for client in (reader, writer):
            client.loop_stop()
            client.disconnect()


def steadily(count: int, pause_s: float, publish: Callable[[int], None]) -> None:
    """Publish one after the other at a steady rate, whatever one of them takes."""
    begun = time.monotonic()
    for number in range(count):
        publish(number)
        ahead = begun + number * pause_s - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)


@pytest.mark.parametrize("change", ["rule", "configuration"])
@pytest.mark.parametrize("query", ["", "?partial=1"])
def test_untouched_rules_lose_nothing(server: Server, broker: Broker, query: str, change: str) -> None:
    """A steady stream of numbered messages while the document is imported again with one change: no gap, no message twice."""
    assert server.request("POST", f"/data/import{query}", json={"content": document(broker, -1, change)}).status_code == 200
    seen: list[list[int]] = [[] for _ in range(RULES)]
    answers: list[int] = []

    def again() -> None:
        content = {"content": document(broker, 0, change)}
        answers.append(server.request("POST", f"/data/import{query}", json=content).status_code)

    with listening(broker, "hl/out", seen) as writer:
        for i in range(RULES):
            server.wait_until_connected(f"hr{i}")
        importing = threading.Timer(MESSAGES / RATE / 2, again)
        importing.start()
        steadily(MESSAGES, 1 / RATE, lambda number: writer.publish(f"hl/in/{number % RULES}", json.dumps({"seq": number // RULES + 1}), 1))
        importing.join()
        expected = list(range(1, MESSAGES // RULES + 1))
        changed = change == "configuration"  # a new connection for the first rule: that one may miss what comes meanwhile
        wait_until(lambda: all(len(numbers) >= len(expected) for numbers in seen[1 if changed else 0 :]), 10, "every message came out")
        assert answers == [200]
        assert all(numbers == expected for numbers in seen[1:])
        assert changed or seen[0] == expected


def test_a_thousand_rules_run_on(new_server: Callable[..., Server], broker: Broker) -> None:
    """An import changes one configuration and ten rules: only what depends on them starts anew, and all others miss nothing."""
    server = new_server()
    assert server.request("POST", "/data/import", json={"content": crowd(broker, 1)}).status_code == 200
    seen: list[list[int]] = [[] for _ in range(CROWD)]
    answers: list[str] = []

    def again() -> None:
        answers.append(server.request("POST", "/data/import", json={"content": crowd(broker, 2)}).text)

    def publish(number: int) -> None:
        for i in range(STREAMS):
            writer.publish(f"crowd/in/{i}", json.dumps({"seq": number + 1}), 1)

    with listening(broker, "crowd/out", seen) as writer:
        wait_until(lambda: {rule["status"] for rule in server.request("GET", "/rules").json()} == {"running"}, 10, "all rules run")
        for i in range(STREAMS):
            server.wait_until_connected(f"cr{i}")
        before = time.time() * 1000
        importing = threading.Timer(ROUNDS * PAUSE_S / 2, again)
        importing.start()
        steadily(ROUNDS, PAUSE_S, publish)
        importing.join()
        reconnected = [i for i in range(CROWD) if i % STREAMS == STREAMS - 1]
        others = [i for i in range(CROWD) if i not in reconnected]
        expected = list(range(1, ROUNDS + 1))
        wait_until(lambda: all(len(seen[i]) >= ROUNDS for i in others), 15, "every message came out")
        assert [i for i in others if seen[i] != expected] == []
        assert json.loads(answers[0])["ErrorMsg"] == ""
        starts = [server.request("GET", f"/rules/cr{i}/status").json()["lastStartTimestamp"] for i in range(CROWD)]
        assert {i for i, at in enumerate(starts) if at >= before} == {*range(10), *reconnected}
