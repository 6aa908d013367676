"""All faults of a document together, each with its place, also in what the document does not change, and what needs the refused."""

from __future__ import annotations

import json
from typing import Any

from unit.rest.kit import Api

ASKED = {"accept": "application/json"}
PROTO = "message A {required string a = 1;}"
RULE = {"id": "r", "sql": "SELECT * FROM x", "actions": [{"nop": {}}]}
BROKER = {"server": "tcp://127.0.0.1:9"}


def document(**sections: dict[str, Any]) -> dict[str, str]:
    found = {
        section: {name: entry if isinstance(entry, str) else json.dumps(entry) for name, entry in entries.items()}
        for section, entries in sections.items()
    }
    return {"content": json.dumps(found)}


def schema(content: str = PROTO) -> dict[str, Any]:
    return {"protobuf_sc": {"type": "protobuf", "name": "sc", "content": content}}


async def faults(api: Api, body: dict[str, str], query: str = "") -> list[tuple[str, str]]:
    answer = await api.ask("POST", f"/data/import{query}", body, ASKED)
    return [(fault["path"], fault["text"]) for fault in answer.json.get("faults", ())]


async def paths(api: Api, body: dict[str, str], query: str = "") -> list[str]:
    return [path for path, _ in await faults(api, body, query)]


async def exported(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await api.ask("GET", "/data/export")).json
    return found


async def test_every_fault_of_a_rule_is_told(api: Api) -> None:
    """Of its options, its statement and each sink; clients of the original get the first."""
    actions = [
        {"foo": {}},
        {"mqtt": {"server": "bad://h", "topic": "a/#", "qos": 9}},
        {"rest": {"url": "x", "connectionSelector": "nosuch"}},
        {"mqtt": {"connectionSelector": "nosuch", "qos": 9}},
        {"memory": {"topic": "t", "format": "x"}},
        {"log": {}},
    ]
    options = {"cron": "x y", "duration": "1m"}
    body = document(rules={"r": {"id": "r", "sql": "SELECT * FROM nosuch", "actions": actions, "options": options}})
    found = await faults(api, body)
    assert [path for path, _ in found] == [
        "rules.r.options",
        "rules.r.sql",
        "rules.r.actions.0.foo",
        "rules.r.actions.1.mqtt.server",
        "rules.r.actions.1.mqtt.topic",
        "rules.r.actions.1.mqtt.qos",
        "rules.r.actions.2.rest.url",
        "rules.r.actions.2.rest.connectionSelector",
        "rules.r.actions.3.mqtt.qos",
        "rules.r.actions.3.mqtt.connectionSelector",
        "rules.r.actions.3.mqtt.topic",
        "rules.r.actions.4.memory.format",
    ]
    told = json.loads((await api.ask("POST", "/data/import", body)).json["message"])["rules"]["r"]
    assert told == found[0][1] == "expected exactly 5 fields, found 2: [x y]"


async def test_what_a_document_takes_away_is_missed(api: Api) -> None:
    """By objects that stay as they are and that nothing uses, as by those that are new."""
    using: dict[str, dict[str, Any]] = {
        "sourceConfig": {"mqtt": {"k": {**BROKER, "connectionSelector": "c1"}}},
        "sinkConfig": {"mqtt": {"k": {"connectionSelector": "c1"}, "p": {"format": "protobuf", "schemaId": "sc.A"}}},
        "streams": {
            "e": 'CREATE STREAM e () WITH (TYPE="mqtt", DATASOURCE="t", EXTRA="{\\"connectionSelector\\":\\"c1\\"}")',
            "p": 'CREATE STREAM p () WITH (TYPE="mqtt", DATASOURCE="t", FORMAT="protobuf", SCHEMAID="sc.A")',
        },
    }
    connection = {"mqtt": {"c1": BROKER}}
    assert await paths(api, document(**using, connectionConfig=connection, Schema=schema())) == []
    before = await exported(api)
    missing = [
        "sinkConfig.mqtt.k.connectionSelector",
        "sinkConfig.mqtt.p.schemaId",
        "sourceConfig.mqtt.k.connectionSelector",
        "streams.e.options.EXTRA.connectionSelector",
        "streams.p.options.SCHEMAID",
    ]
    assert sorted(await paths(api, document(**using))) == missing
    other = document(Schema=schema("message B {required string a = 1;}"))
    assert sorted(await paths(api, other, "?partial=1&onConflict=overwrite")) == [missing[1], missing[4]]
    assert await exported(api) == before
    assert await paths(api, document(**using, connectionConfig=connection, Schema=schema())) == []


async def test_what_was_missing_before_is_no_fault_of_a_document(api: Api) -> None:
    """Only what a document breaks is its fault."""
    await api.ask("PUT", "/metadata/sources/mqtt/confKeys/k", {"connectionSelector": "nosuch", "qos": "abc"})
    assert await paths(api, document(connectionConfig={"mqtt": {"nosuch2": BROKER}}), "?partial=1") == []
    assert await paths(api, document(connectionConfig={"mqtt": {"nosuch": BROKER}}), "?partial=1") == []


async def test_what_needs_the_refused_is_left_out_with_it(api: Api) -> None:
    """With ``onError=continue``: configurations with their connection, streams with their configuration; the rest comes in."""
    stream = 'CREATE STREAM {0} () WITH (TYPE="mqtt", DATASOURCE="t", CONF_KEY="{1}")'
    body = document(
        connectionConfig={"mqtt": {"c1": {"server": "foo://h:1"}, "c2": BROKER}},
        sourceConfig={"mqtt": {"k1": {"connectionSelector": "c1"}, "k2": {"connectionSelector": "c2"}, "k3": {"qos": "x"}}},
        streams={name: stream.format(name, key) for name, key in (("s1", "k1"), ("s2", "k2"), ("s3", "k3"))},
        rules={"r2": {"id": "r2", "sql": "SELECT * FROM s2", "actions": [{"nop": {}}], "triggered": False}},
    )
    found = await paths(api, body, "?onError=continue")
    assert sorted(found) == [
        "connectionConfig.mqtt.c1.server",
        "sourceConfig.mqtt.k1.connectionSelector",
        "sourceConfig.mqtt.k3.qos",
        "streams.s1",
        "streams.s3",
    ]
    state = await exported(api)
    assert (list(state["streams"]), list(state["rules"]), list(json.loads(state["sourceConfig"]["mqtt"]))) == (["s2"], ["r2"], ["k2"])
    assert await paths(api, {"content": json.dumps(state)}) == []


async def test_what_stays_keeps_its_name_and_what_it_needs(api: Api) -> None:
    """With ``onError=continue``: nothing comes in under the name of what is kept, and changes that what stays does not bear are refused."""
    stream = 'CREATE STREAM x () WITH (TYPE="{}", DATASOURCE="m")'
    await api.ask("POST", "/data/import", document(streams={"x": stream.format("memory")}, rules={"r": RULE}))
    before = await exported(api)
    table = 'CREATE TABLE x (a STRING) WITH (TYPE="memory", DATASOURCE="m", KIND="lookup", KEY="a")'
    cases: list[tuple[dict[str, dict[str, Any]], list[str]]] = [
        ({"tables": {"x": table}, "rules": {"r": "{"}}, ["rules.r", "streams.x", "tables.x"]),
        ({"rules": {"r": RULE}}, ["streams.x"]),
        ({"streams": {"x": stream.format("nosuch")}, "rules": {"r": RULE}}, ["streams.x"]),
    ]
    for sections, told in cases:
        answer = await api.ask("POST", "/data/import?onError=continue", document(**sections), ASKED)
        assert sorted(fault["path"] for fault in answer.json["faults"]) == told
        assert answer.json["ErrorMsg"] == f"{len(told)} entries were refused and left out"
        assert await exported(api) == before


async def test_entries_are_counted_once(api: Api) -> None:
    """However many faults they have."""
    body = document(rules={"r": {"id": "r", "sql": "SELECT nofun(a) FROM x", "actions": [{"log": {"batchSize": -1}}, {"nope": {}}]}})
    answer = await api.ask("POST", "/data/import?onError=continue", body, ASKED)
    assert (len(answer.json["faults"]), answer.json["ErrorMsg"]) == (3, "1 entries were refused and left out")


async def test_secrets_of_rules_are_not_told(api: Api) -> None:
    """Not even when they are no texts."""
    action = {"mqtt": {"topic": "t", "server": "tcp://h:1", "password": {"a": "Zq7-of-a-map"}}}
    rule = {"id": "r", "sql": "SELECT * FROM x", "actions": [action]}
    streams = {"x": 'CREATE STREAM x () WITH (TYPE="memory", DATASOURCE="m")'}
    assert "Zq7" not in (await api.ask("POST", "/data/import", document(streams=streams, rules={"r": rule}), ASKED)).text
    await api.ask("POST", "/data/import", document(streams=streams))
    assert "Zq7" not in (await api.ask("POST", "/rules", rule)).text


async def test_every_missing_stream_is_told(api: Api) -> None:
    """And each once."""
    sql = "SELECT q1.a FROM q1 INNER JOIN q2 ON q1.a = q2.a GROUP BY TUMBLINGWINDOW(ss, 1)"
    found = await faults(api, document(rules={"r": {"id": "r", "sql": sql, "actions": [{"log": {}}]}}))
    assert [(path, text.partition(",")[0]) for path, text in found] == [
        ("rules.r.sql", "fail to get stream q1"),
        ("rules.r.sql", "fail to get stream q2"),
    ]


async def test_every_fault_of_a_graph_is_told(api: Api) -> None:
    """Of its sources and sinks, node by node, and then of the graph."""
    nodes = {
        "s": {"type": "source", "nodeType": "mqtt", "props": {"datasource": "t", "server": "bad://x", "qos": 9}},
        "f": {"type": "operator", "nodeType": "filter", "props": {"expr": "nofun(a) > 1"}},
        "o": {"type": "sink", "nodeType": "mqtt", "props": {"server": "tcp://h:1", "topic": "a/#"}},
    }
    graph = {"nodes": nodes, "topo": {"sources": ["s"], "edges": {"s": ["f"], "f": ["o"]}}}
    found = await paths(api, document(rules={"g": {"id": "g", "graph": graph}}))
    props = [f"rules.g.graph.nodes.{place}" for place in ("s.props.server", "s.props.qos", "o.props.topic")]
    assert sorted(found) == sorted([*props, *(path for path in found if path == "rules.g.graph")])
    assert len(found) in (3, 4)
