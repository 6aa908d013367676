"""Graph rules in a real server: what leaves at each sink, and what the status shows."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from e2e.harness import Server, wait_until
from e2e.test_connectors_in_rules import Listener


def node(role: str, kind: str, **props: Any) -> dict[str, Any]:
    """A node; a trailing underscore is for words that Python keeps."""
    return {"type": role, "nodeType": kind, "props": {name.rstrip("_"): value for name, value in props.items()}}


@pytest.fixture
def base() -> str:
    """A root for topics of this test."""
    return f"graphs/{uuid.uuid4().hex}"


@pytest.fixture
def listener(broker: Any, base: str) -> Iterator[Listener]:
    """Receives what rules publish below ``<base>``."""
    listener = Listener(broker, f"{base}/#")
    yield listener
    listener.close()


@pytest.fixture
def out(broker: Any, base: str) -> Any:
    """Makes sink nodes."""
    return lambda name: node("sink", "mqtt", server=broker.url, topic=f"{base}/{name}", sendSingle=True)


def create(server: Server, id: str, nodes: dict[str, Any], edges: dict[str, Any], sources: list[str], **options: Any) -> None:
    """A graph rule that runs, and whose sinks are connected."""
    body = {"id": id, "graph": {"nodes": nodes, "topo": {"sources": sources, "edges": edges}}, "options": options}
    answer = server.request("POST", "/rules", json=body)
    assert answer.status_code == 201, answer.text
    server.wait_until_connected(id)


def push(server: Server, path: str, *rows: Any) -> None:
    """Rows into a source of type httppush."""
    for row in rows:
        assert requests.post(server.push_url + path, json=row, timeout=10).text == "ok"


SWITCH = {"cases": ["x > 400", "x > 100"], "stopAtFirstMatch": True}


def plant(out: Any, path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Readings that go one of two ways, and a sum of every three."""
    nodes = {
        "in1": node("source", "httppush", datasource=path),
        "f": node("operator", "filter", expr="t > 0"),
        "fn": node("operator", "function", expr="power(t, 2) as x"),
        "sw": node("operator", "switch", **SWITCH),
        "w": node("operator", "window", type="countwindow", size=3),
        "a": node("operator", "aggfunc", expr="sum(t) as s"),
        "p": node("operator", "pick", fields=["s"]),
        "high": out("high"),
        "middle": out("middle"),
        "sum": out("sum"),
    }
    edges = {"in1": ["f"], "f": ["fn", "w"], "fn": ["sw"], "sw": [["high"], ["middle"]], "w": ["a"], "a": ["p"], "p": ["sum"]}
    return nodes, edges


def test_one_rule_with_three_ends(server: Server, out: Any, base: str, listener: Listener) -> None:
    """Each sink gets its rows; one status has the numbers of every node, also after a restart."""
    nodes, edges = plant(out, f"/{base}")
    create(server, "g", nodes, edges, ["in1"])
    push(server, f"/{base}", {"t": 5}, {"t": -3}, {"t": 15}, {"t": 30})
    listener.until(3)
    found = {(topic.rpartition("/")[2], json.dumps(value, sort_keys=True)) for topic, value in listener.messages}
    assert found == {("high", '{"t": 30, "x": 900}'), ("middle", '{"t": 15, "x": 225}'), ("sum", '{"s": 50}')}
    status = server.request("GET", "/rules/g/status").json()
    assert {name: status[f"op_{name}_0_records_out_total"] for name in ("sw", "w", "p")} == {"sw": 2, "w": 1, "p": 1}
    assert status["op_f_0_records_in_total"] == 4
    assert status["sink_high_0_records_out_total"] == 1
    topology = server.request("GET", "/rules/g/topo").json()
    assert topology["sources"] == ["source_in1"]
    assert topology["edges"]["op_sw"] == ["op_high_0_transform", "op_middle_0_transform"]
    server.restart()
    server.wait_until_connected("g")
    push(server, f"/{base}", {"t": 21})
    assert listener.until(4)[-1] == (f"{base}/high", {"t": 21, "x": 441})


def test_a_change_keeps_the_state_of_windows(server: Server, out: Any, base: str, listener: Listener) -> None:
    """Only what a node says is new."""
    nodes, edges = plant(out, f"/{base}")
    create(server, "g", nodes, edges, ["in1"])
    push(server, f"/{base}", {"t": 1}, {"t": 2})
    nodes["sw"] = node("operator", "switch", **{**SWITCH, "cases": ["x > 1000", "x > 800"]})
    body = {"id": "g", "graph": {"nodes": nodes, "topo": {"sources": ["in1"], "edges": edges}}}
    assert server.request("PUT", "/rules/g", json=body).status_code == 200
    push(server, f"/{base}", {"t": 30})
    listener.until(2)
    assert sorted(topic.rpartition("/")[2] for topic, _ in listener.messages) == ["middle", "sum"]
    assert (f"{base}/sum", {"s": 33}) in listener.messages


def test_rows_are_joined_with_a_lookup_table(server: Server, out: Any, base: str, listener: Listener) -> None:
    """Which the original accepts, and then gives none (W79)."""
    table = f'CREATE TABLE devices () WITH (TYPE="memory", DATASOURCE="{base}/devices", KIND="lookup", KEY="id")'
    assert server.request("POST", "/tables", json={"sql": table}).status_code == 201
    feed = {
        "nodes": {"d": node("source", "httppush", datasource=f"/{base}/d"), "m": node("sink", "memory", topic=f"{base}/devices")},
        "topo": {"sources": ["d"], "edges": {"d": ["m"]}},
    }
    assert server.request("POST", "/rules", json={"id": "feed", "graph": feed}).status_code == 201
    nodes = {
        "r": node("source", "httppush", datasource=f"/{base}/r"),
        "t": node("source", "memory", sourceName="devices", sourceType="table"),
        "j": node("operator", "join", from_="r", joins=[{"name": "devices", "type": "inner", "on": "r.id = devices.id"}]),
        "p": node("operator", "pick", fields=["r.v", "devices.name"]),
        "o": out("joined"),
    }
    create(server, "g", nodes, {"r": ["j"], "t": ["j"], "j": ["p"], "p": ["o"]}, ["r", "t"])
    wait_until(lambda: server.rule_status("feed") == "running", 10, "feed")
    push(server, f"/{base}/d", {"id": 1, "name": "pump"})
    push(server, f"/{base}/r", {"id": 1, "v": 7}, {"id": 2, "v": 8}, {"id": 1, "v": 9})
    assert listener.until(2) == [(f"{base}/joined", {"v": v, "name": "pump"}) for v in (7, 9)]
    status = server.request("GET", "/rules/g/status").json()
    assert status["op_devices_0_records_in_total"] == 3


def test_decoders_of_several_sources_have_names_of_their_own(server: Server, out: Any, base: str, listener: Listener) -> None:
    """None overwrites the numbers of another."""
    nodes = {
        "a": node("source", "httppush", datasource=f"/{base}/a"),
        "b": node("source", "httppush", datasource=f"/{base}/b"),
        "o": out("both"),
    }
    create(server, "g", nodes, {"a": ["o"], "b": ["o"]}, ["a", "b"])
    push(server, f"/{base}/a", {"v": 1}, {"v": 2})
    push(server, f"/{base}/b", {"v": 3})
    listener.until(3)
    status = server.request("GET", "/rules/g/status").json()
    assert (status["op_2_decoder_0_records_out_total"], status["op_4_decoder_0_records_out_total"]) == (2, 1)
    assert {message["v"] for _, message in listener.messages} == {1, 2, 3}
