"""What graph rules use: for exports of chosen rules, for refusals and for changes that must reach them, and them alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from unit.rest.kit import Api

SERVER = "tcp://127.0.0.1:1883"
PERSON = '{"type":"protobuf","name":"p","content":"message P {required string n = 1;}"}'


def node(role: str, kind: str, **props: Any) -> dict[str, Any]:
    """A node; a trailing underscore is for words that Python keeps."""
    return {"type": role, "nodeType": kind, "props": {name.rstrip("_"): value for name, value in props.items()}}


GRAPH: dict[str, Any] = {
    "nodes": {
        "named": node("source", "memory", sourceName="demo"),
        "table": node("source", "memory", sourceName="look", sourceType="table"),
        "own": node("source", "mqtt", datasource="t/own", confKey="k1", format="json"),
        "f": node("operator", "filter", expr="in_filter(a) > 1"),
        "g": node("operator", "function", expr="in_function(a) as x"),
        "j": node(
            "operator", "join", from_="demo", joins=[{"name": "look", "type": "inner", "on": "demo.a = look.a and in_join(demo.a) > 1"}]
        ),
        "s": node("operator", "switch", cases=["in_switch(a) > 1", "a > 2"]),
        "p": node("operator", "pick", fields=["x", "in_pick(a) as y"]),
        "w": node("operator", "window", type="countwindow", size=2),
        "k": node("operator", "groupby", dimensions=["in_group(a)"]),
        "m": node("operator", "aggfunc", expr="max(in_aggregate(a)) as m"),
        "o": node("operator", "orderby", sorts=[{"field": "in_order(a)"}]),
        "o1": node("sink", "mqtt", topic="x", resourceId="out", connectionSelector="con"),
        "o2": node("sink", "file", path="uploads/out/result.log"),
        "o3": node("sink", "mqtt", topic="y", server=SERVER),
    },
    "topo": {
        "sources": ["named", "table", "own"],
        "edges": {
            "named": ["f"],
            "f": ["j"],
            "table": ["j"],
            "j": ["g"],
            "g": ["s"],
            "s": [["p"], ["o3"]],
            "p": ["o1"],
            "own": ["w"],
            "w": ["k"],
            "k": ["m"],
            "m": ["o"],
            "o": ["o2"],
        },
    },
}
SCRIPTS = ("in_filter", "in_function", "in_join", "in_switch", "in_pick", "in_group", "in_aggregate", "in_order")


def plant() -> dict[str, dict[str, str]]:
    """A configuration: what the rule ``g`` needs, and something of each kind that it does not."""
    table = 'CREATE TABLE {name} () WITH (DATASOURCE="m/{name}", TYPE="memory", KIND="lookup", KEY="a")'
    return {
        "streams": {
            name: f'CREATE STREAM {name} () WITH (DATASOURCE="t/{name}", TYPE="memory", FORMAT="json")' for name in ("demo", "spare")
        },
        "tables": {name: table.format(name=name) for name in ("look", "other")},
        "rules": {"g": json.dumps({"id": "g", "graph": GRAPH})},
        "sourceConfig": {"mqtt": json.dumps({key: {"server": SERVER, "connectionSelector": "of_" + key} for key in ("k1", "k2")})},
        "sinkConfig": {"mqtt": '{"out":{"qos":1},"other":{"qos":1}}'},
        "connectionConfig": {"mqtt": json.dumps({name: {"server": SERVER} for name in ("con", "of_k1", "of_k2", "idle")})},
        "Schema": {"protobuf_p": PERSON},
        "uploads": {"other.txt": '{"name":"other.txt","content":"x"}'},
        "scripts": {name: json.dumps({"id": name, "script": f"function {name}(x) {{ return x; }}"}) for name in (*SCRIPTS, "unused")},
    }


async def imported(api: Api, document: dict[str, Any], query: str = "") -> Any:
    """A document that must be taken."""
    answer = await api.ask("POST", f"/data/import{query}", {"content": json.dumps(document)}, {"accept": "application/json"})
    assert (answer.status, answer.json.get("ErrorMsg", "")) == (200, ""), answer.text
    return answer.json


def entries(document: dict[str, Any]) -> dict[str, set[str]]:
    """Names of all objects by section; keys of configurations as ``type.key``."""
    found = {}
    for section, members in document.items():
        configured = section.endswith("Config")
        names = {f"{kind}.{key}" for kind, text in members.items() for key in json.loads(text)} if configured else set(members)
        if names:
            found[section] = names
    return found


async def test_the_closure_and_nothing_else(api: Api) -> None:
    """Streams, tables, configurations, connections and functions in every expression; each with its reason."""
    await imported(api, plant())
    told = (await api.ask("POST", "/data/export?why=1", ["g"])).json
    assert entries(told["document"]) == {
        "streams": {"demo"},
        "tables": {"look"},
        "rules": {"g"},
        "sourceConfig": {"mqtt.k1"},
        "sinkConfig": {"mqtt.out"},
        "connectionConfig": {"mqtt.con", "mqtt.of_k1"},
        "scripts": set(SCRIPTS),
    }
    assert told["why"]["streams"]["demo"] == ["rule g uses it"]
    assert told["why"]["scripts"]["in_join"] == ["rule g uses it"]


async def test_an_export_that_is_imported_changes_nothing(api: Api) -> None:
    """Not even the rule is deployed again."""
    await imported(api, plant())
    document = (await api.ask("GET", "/data/export")).json
    api.host.calls.clear()
    told = (await api.ask("POST", "/data/import?dryRun=1", {"content": json.dumps(document)})).json["changes"]
    assert {change["action"] for change in told} == {"unchanged"}
    await imported(api, document)
    assert ("deploy", "g") not in api.host.calls
    assert (await api.ask("GET", "/data/export")).json == document


async def test_schemas_and_uploads_of_nodes(api: Api) -> None:
    """By the name of the schema, or by schema and message apart; uploads by their paths."""
    document = {"uploads": {"lines.json": json.dumps({"name": "lines.json", "content": '{"a":1}'})}}
    await imported(api, document, "?partial=1")
    await api.ask("POST", "/schemas/protobuf", {"name": "p", "content": "message P {required string n = 1;}"})
    graph = {
        "nodes": {
            "a": node("source", "memory", datasource="t", format="protobuf", schemaName="p", schemaMessage="P"),
            "b": node("source", "file", path="uploads", datasource="lines.json", fileType="lines"),
            "o": node("sink", "nop"),
        },
        "topo": {"sources": ["a", "b"], "edges": {"a": ["o"], "b": ["o"]}},
    }
    created = await api.ask("POST", "/rules", {"id": "g", "graph": graph})
    assert created.status == 201, created.text
    document = (await api.ask("POST", "/data/export", ["g"])).json
    assert {"Schema", "uploads"} <= set(entries(document)), document


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/metadata/sources/mqtt/confKeys/k1", {"server": SERVER, "qos": 0}),
        ("PUT", "/metadata/sinks/mqtt/confKeys/out", {"qos": 2}),
        ("PUT", "/udf/javascript/in_join", {"id": "in_join", "script": "function in_join(x) { return x + 1; }"}),
        ("PUT", "/streams/demo", {"sql": 'CREATE STREAM demo () WITH (DATASOURCE="t/new", TYPE="memory", FORMAT="json")'}),
    ],
)
async def test_changes_of_what_it_uses_reach_the_rule(api: Api, method: str, path: str, body: Any) -> None:
    """It is deployed again, on the new state."""
    await imported(api, plant())
    before = api.host.deployed["g"]
    answer = await api.ask(method, path, body)
    assert answer.status == 200, answer.text
    assert api.host.deployed["g"] != before


async def test_a_change_of_a_graph_touches_it_alone(api: Api) -> None:
    """What an editor keeps in the nodes is no change of the rule."""
    await imported(api, plant())
    await api.rule("beside", "SELECT a FROM demo")
    api.host.calls.clear()
    placed = {name: {**each, "ui": {"x": 1}} for name, each in GRAPH["nodes"].items()}
    await api.ask("PUT", "/rules/g", {"id": "g", "graph": {**GRAPH, "nodes": placed}})
    assert [call for call in api.host.calls if call[0] == "deploy"] == []
    changed = {**GRAPH["nodes"], "w": node("operator", "window", type="countwindow", size=3)}
    await api.ask("PUT", "/rules/g", {"id": "g", "graph": {**GRAPH, "nodes": changed}})
    assert [call for call in api.host.calls if call[0] == "deploy"] == [("deploy", "g")]


async def test_streams_in_use_are_not_dropped(api: Api) -> None:
    """Texts as for rules with a statement; a stream with the name of a source node that connects itself is another one."""
    await imported(api, plant())
    await api.stream("own")
    refused = await api.ask("DELETE", "/streams/demo")
    assert (refused.status, refused.json["message"]) == (400, "stream demo has been referenced by other rules")
    assert (await api.ask("DELETE", "/tables/look")).status == 400
    assert (await api.ask("DELETE", "/streams/own")).status == 200
    assert (await api.ask("DELETE", "/streams/spare")).status == 200


async def test_a_document_without_what_its_graph_uses_is_refused(api: Api) -> None:
    """Nothing of it is taken."""
    document = plant()
    del document["streams"]["demo"]
    answer = await api.ask("POST", "/data/import", {"content": json.dumps(document)})
    assert answer.status == 400
    assert "fail to get stream demo, please check if stream is created" in answer.text
    assert (await api.ask("GET", "/rules")).json == []


async def test_secrets_of_nodes_are_hidden(api: Api) -> None:
    """As those of actions."""
    graph = {
        "nodes": {
            "a": node("source", "mqtt", datasource="t", server=SERVER, password="hidden-1"),
            "o": node("sink", "mqtt", topic="o", server=SERVER, password="hidden-2"),
        },
        "topo": {"sources": ["a"], "edges": {"a": ["o"]}},
    }
    assert (await api.ask("POST", "/rules", {"id": "g", "graph": graph})).status == 201
    answer = await api.ask("GET", "/data/export?secrets=redact")
    assert "hidden" not in answer.text
    assert "password" in answer.text


async def test_memory_topics_of_nodes_feed_other_rules(api: Api) -> None:
    """An export that follows memory finds them on both sides."""
    await api.stream("fed", options="")
    feeder = {"nodes": {"a": node("source", "memory", datasource="x"), "o": node("sink", "memory", topic="topic/fed")}}
    await api.ask("POST", "/rules", {"id": "feeder", "graph": {**feeder, "topo": {"sources": ["a"], "edges": {"a": ["o"]}}}})
    reader = {"nodes": {"a": node("source", "memory", datasource="topic/fed"), "o": node("sink", "nop")}}
    await api.ask("POST", "/rules", {"id": "reader", "graph": {**reader, "topo": {"sources": ["a"], "edges": {"a": ["o"]}}}})
    await api.rule("sql", "SELECT * FROM fed")
    for rule in ("reader", "sql"):
        document = (await api.ask("POST", "/data/export?memory=1", [rule])).json
        assert set(document["rules"]) == {rule, "feeder"}


async def test_validation_and_plans_of_graphs(api: Api) -> None:
    """The plan is shown on demand, where the original has none."""
    await imported(api, plant())
    checked = await api.ask("POST", "/rules/validate", {"id": "v", "graph": GRAPH})
    assert (checked.status, checked.json) == (200, {"sources": ["demo", "look"], "valid": True})
    refused = await api.ask("POST", "/rules/validate", {"id": "v", "graph": {}})
    assert (refused.status, refused.text) == (422, "Rule v has a graph with nothing; nodes and topo are expected")
    answer = await api.ask("GET", "/rules/g/explain")
    assert (answer.status, answer.json["message"]) == (400, "explain rules error: only support explain sql now")
    plan = await api.ask("GET", "/rules/g/explain?code=1")
    assert plan.status == 200
    assert "StreamName: demo" in plan.text
    assert "COUNT_WINDOW" in plan.text
