"""``kill -9`` while rules run: with qos 1 nothing is lost, with qos 2 the state of the rule has counted every row exactly once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from e2e.harness import Broker, Server, wait_until

ROWS = 3000
KILLS = 3


def lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of an output file, as objects."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def create(server: Server, stream: str, rule: dict[str, Any], conf: tuple[str, dict[str, Any]]) -> None:
    kind, properties = conf
    assert server.request("PUT", f"/metadata/sources/{kind}/confKeys/test", json=properties).ok
    answer = server.request("POST", "/streams", json={"sql": stream})
    assert answer.status_code == 201, answer.text
    answer = server.request("POST", "/rules", json=rule)
    assert answer.status_code == 201, answer.text


def rule_of(sql: str, out: Path, qos: int) -> dict[str, Any]:
    sink = {"file": {"path": str(out), "fileType": "lines", "sendSingle": True, "interval": 0, "checkInterval": "50ms"}}
    return {"id": "r", "sql": sql, "options": {"qos": qos, "checkpointInterval": "50ms"}, "actions": [sink]}


def kill_while_it_writes(server: Server, out: Path) -> None:
    """Kill and start the server each time that the output has grown by a part of the rows."""
    for part in range(1, KILLS + 1):
        goal = part * ROWS // (KILLS + 2)
        wait_until(lambda goal=goal: len(lines(out)) >= goal, 20, f"{goal} rows are written")
        server.restart(killed=True)


@pytest.mark.parametrize("qos", [1, 2])
def test_state_and_position_of_a_file_go_on_together(new_server: Callable[..., Server], tmp_path: Path, qos: int) -> None:
    """Every row is there, and its running sum is what it would have been without any kill; rows may be there twice."""
    (tmp_path / "in.jsonl").write_text("".join(f'{{"n":{n}}}\n' for n in range(1, ROWS + 1)))
    server, out = new_server(), tmp_path / "out.jsonl"
    conf = {"path": str(tmp_path), "fileType": "lines", "sendInterval": "1ms"}
    stream = 'CREATE STREAM f (n BIGINT) WITH (TYPE="file", DATASOURCE="in.jsonl", FORMAT="json", CONF_KEY="test")'
    create(server, stream, rule_of("SELECT n, acc_sum(n) AS s FROM f", out, qos), ("file", conf))
    kill_while_it_writes(server, out)
    wait_until(lambda: any(row["n"] == ROWS for row in lines(out)), 30, "the last row is written")
    found = lines(out)
    assert {row["n"] for row in found} == set(range(1, ROWS + 1))
    assert [row for row in found if row["s"] != row["n"] * (row["n"] + 1) // 2] == []


def test_what_a_broker_keeps_comes_again(new_server: Callable[..., Server], tmp_path: Path) -> None:
    """Messages of a kept session are acknowledged once their output is written and their state is stored."""
    broker = Broker(tmp_path)
    broker.start()
    try:
        server, out, topic = new_server(), tmp_path / "out.jsonl", f"t/{uuid.uuid4().hex}"
        conf = {"server": broker.url, "qos": 1, "clientid": "kept", "enableClientSession": True}
        stream = f'CREATE STREAM m (n BIGINT) WITH (TYPE="mqtt", DATASOURCE="{topic}", FORMAT="json", CONF_KEY="test")'
        create(server, stream, rule_of("SELECT n, acc_count(n) AS c FROM m", out, 1), ("mqtt", conf))
        server.wait_until_connected("r")
        publisher = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="publisher")
        host, port = broker.url.removeprefix("tcp://").split(":")
        publisher.connect(host, int(port))
        publisher.loop_start()
        for n in range(1, ROWS + 1):
            publisher.publish(topic, f'{{"n":{n}}}', qos=1)
        kill_while_it_writes(server, out)
        wait_until(lambda: {row["n"] for row in lines(out)} >= set(range(1, ROWS + 1)), 60, "every row is written")
        publisher.loop_stop()
        publisher.disconnect()
    finally:
        broker.stop()
