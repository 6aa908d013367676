"""Rules that an import does not change lose no message: every one that was sent is counted."""

from __future__ import annotations

import json
import threading
import time

import paho.mqtt.client as mqtt
import pytest

from e2e.harness import Broker, Server, wait_until

RULES = 20
MESSAGES = 3000
RATE = 1500
"""Messages a second, over all rules."""


def document(broker: Broker, threshold: int, change: str) -> str:
    """Rules that copy numbered messages, each from a topic to a topic of its own; ``change`` is what differs for the first one."""
    key = {"server": broker.url, "qos": 1}
    config = {"hl": key, "own": {**key, "clientid": f"own{threshold}"} if change == "configuration" else key}
    streams = {
        f"h{i}": f'CREATE STREAM h{i} () WITH (DATASOURCE="hl/in/{i}", TYPE="mqtt", FORMAT="json", CONF_KEY="{"own" if i == 0 else "hl"}")'
        for i in range(RULES)
    }
    rules = {}
    for i in range(RULES):
        sink = {"mqtt": {"server": broker.url, "topic": f"hl/out/{i}", "qos": 1, "sendSingle": True}}
        least = threshold if i == 0 and change == "rule" else -1
        rules[f"hr{i}"] = json.dumps({"id": f"hr{i}", "sql": f"SELECT seq FROM h{i} WHERE seq > {least}", "actions": [sink]})
    return json.dumps({"streams": streams, "rules": rules, "sourceConfig": {"mqtt": json.dumps(config)}})


@pytest.mark.parametrize("change", ["rule", "configuration"])
@pytest.mark.parametrize("query", ["", "?partial=1"])
def test_untouched_rules_lose_nothing(server: Server, broker: Broker, query: str, change: str) -> None:
    """A steady stream of numbered messages while the document is imported again with one change: no gap, no message twice."""
    assert server.request("POST", f"/data/import{query}", json={"content": document(broker, -1, change)}).status_code == 200
    seen: list[list[int]] = [[] for _ in range(RULES)]
    reader = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    reader.on_message = lambda *arguments: seen[int(arguments[2].topic.rsplit("/", 1)[1])].append(json.loads(arguments[2].payload)["seq"])
    writer = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    writer.max_inflight_messages_set(1000)
    for client in (reader, writer):
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
    reader.subscribe("hl/out/#", 1)
    for i in range(RULES):
        server.wait_for_rule(f"hr{i}")
    for i in range(RULES):
        server.wait_until_connected(f"hr{i}")
    answers: list[int] = []

    def again() -> None:
        content = {"content": document(broker, 0, change)}
        answers.append(server.request("POST", f"/data/import{query}", json=content).status_code)

    importing = threading.Timer(MESSAGES / RATE / 2, again)
    importing.start()
    begun = time.monotonic()
    for number in range(MESSAGES):
        writer.publish(f"hl/in/{number % RULES}", json.dumps({"seq": number // RULES + 1}), 1)
        ahead = begun + number / RATE - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
    importing.join()
    expected = list(range(1, MESSAGES // RULES + 1))
    changed = change == "configuration"  # a new connection for the first rule: that one may miss what comes meanwhile
    try:
        wait_until(lambda: all(len(numbers) >= len(expected) for numbers in seen[1 if changed else 0 :]), 10, "every message came out")
        assert answers == [200]
        assert all(numbers == expected for numbers in seen[1:])
        assert changed or seen[0] == expected
    finally:
        for client in (reader, writer):
            client.loop_stop()
            client.disconnect()
