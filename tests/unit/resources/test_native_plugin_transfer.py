"""Documents with entries for the original's own Go plugins, and rules that use what these declare."""

from __future__ import annotations

import json
from typing import Any

import pytest

from unit.rest.kit import Api, Reply

FILE = "https://plugins.example/kuiper-plugins/2.1.0/debian/{role}/{name}_amd64.zip"


def entry(role: str, name: str, **fields: Any) -> str:
    return json.dumps({"name": name, "file": FILE.format(role=role, name=name), **fields}, separators=(",", ":"))


def rule(sql: str, *actions: dict[str, Any], name: str = "r") -> str:
    return json.dumps({"id": name, "triggered": True, "sql": sql, "actions": actions or [{"nop": {}}], "options": {"qos": 0}})


DEMO = 'CREATE STREAM demo (a BIGINT, b STRING) WITH (DATASOURCE="t", TYPE="memory", FORMAT="json")'
PLAYED = 'CREATE STREAM demo () WITH (TYPE="kafka", DATASOURCE="orders", FORMAT="json", CONF_KEY="line1")'

DOCUMENTS: dict[str, dict[str, Any]] = {
    "sources_kafka": {
        "streams": {"demo": PLAYED},
        "rules": {"r": rule("SELECT * FROM demo")},
        "nativePlugins": {"sources_kafka": entry("sources", "kafka", shellParas=["x"])},
        "sourceConfig": {"kafka": '{"line1":{"brokers":"127.0.0.1:9092","groupID":"g"}}'},
    },
    "sinks_influx2": {
        "streams": {"demo": DEMO},
        "rules": {"r": rule("SELECT a FROM demo", {"influx2": {"addr": "http://127.0.0.1:8086", "resourceId": "site", "org": "o"}})},
        "nativePlugins": {"sinks_influx2": entry("sinks", "influx2")},
        "sinkConfig": {"influx2": '{"site":{"bucket":"b"}}'},
    },
    "functions_geohash": {
        "streams": {"demo": DEMO},
        "rules": {"r": rule("SELECT geohashEncode(a, 1.0) AS h FROM demo")},
        "nativePlugins": {"functions_geohash": entry("functions", "geohash", functions=["geohashEncode", "geohashDecode"])},
    },
}


async def imported(api: Api, document: dict[str, Any], query: str = "") -> Reply:
    return await api.ask("POST", f"/data/import{query}", {"content": json.dumps(document)}, {"accept": "application/json"})


def filled(document: dict[str, Any]) -> dict[str, Any]:
    return {section: entries for section, entries in document.items() if entries}


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_entry_and_rule_come_in_one_document(api: Api, name: str) -> None:
    """It is accepted, the rule says why it does not run, and everything goes out as it came."""
    document = DOCUMENTS[name]
    answer = await imported(api, document)
    assert answer.status == 200, answer.text
    assert api.host.states["r"] == "stopped by error"
    assert f"declared by the native plugin {name}, whose Go library does not run here" in api.host.messages["r"]
    exported = (await api.ask("GET", "/data/export")).json
    assert filled(exported) == document
    again = (await imported(api, exported, "?dryRun=1")).json
    assert {change["action"] for change in again["changes"]} == {"unchanged"}
    assert "restarts" not in again


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_without_the_entry_the_rule_is_refused(api: Api, name: str) -> None:
    """As ever: nobody knows what it names, and nothing is applied."""
    refused = await imported(api, {**DOCUMENTS[name], "nativePlugins": {}})
    assert refused.status == 400
    faults = json.loads(refused.json["message"])["rules"]
    assert any(text in faults["r"] for text in ("source type kafka not found", "sink influx2 is not defined", "geohashEncode not found"))
    assert (await api.ask("GET", "/streams")).json == []


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_dry_run_tells_that_the_rule_will_not_run(api: Api, name: str) -> None:
    """And because of what; the import tells the same to those that ask for JSON."""
    told = [effect for effect in (await imported(api, DOCUMENTS[name], "?dryRun=1")).json["restarts"] if effect["rule"] == "r"]
    assert [(effect["action"], effect["state"]) for effect in told] == [("block", "none")]
    assert f"native_plugin {name}" in told[0]["why"]
    assert (await api.ask("GET", "/rules")).json == []
    assert [effect["action"] for effect in (await imported(api, DOCUMENTS[name])).json["restarts"]] == ["block"]


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_selected_export_has_the_entry(api: Api, name: str) -> None:
    """The closure of the rule is the whole document, and comes in again elsewhere."""
    await imported(api, DOCUMENTS[name])
    await api.ask("POST", "/plugins/sinks", {"name": "zmq", "file": FILE})
    selected = (await api.ask("POST", "/data/export", ["r"])).json
    assert filled(selected) == DOCUMENTS[name]


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_an_entry_in_use_is_not_deleted(api: Api, name: str) -> None:
    """While a rule uses it, although it does not run."""
    await imported(api, DOCUMENTS[name])
    role, _, plugin = name.partition("_")
    refused = await api.ask("DELETE", f"/plugins/{role}/{plugin}")
    assert (refused.status, refused.json["message"]) == (400, f"plugin {plugin} is referenced by the rule r")
    assert (await api.ask("DELETE", "/rules/r")).status == 200
    deleted = await api.ask("DELETE", f"/plugins/{role}/{plugin}")
    assert deleted.status == 200 or deleted.json["message"] == "plugin kafka is referenced by the rule demo"


async def test_the_other_formats_carry_it(api: Api) -> None:
    """The document of version 2 and a selected import over what is there."""
    await imported(api, DOCUMENTS["sinks_influx2"])
    text = (await api.ask("GET", "/v2/data/export")).text
    assert "influx2" in text
    played = rule("SELECT a FROM demo", {"zmq": {}}, name="r2")
    partial = {"nativePlugins": {"sinks_zmq": entry("sinks", "zmq")}, "rules": {"r2": played}}
    assert (await imported(api, partial, "?partial=1")).status == 200
    assert "sink zmq: declared by the native plugin sinks_zmq" in api.host.messages["r2"]
    without = filled((await api.ask("GET", "/data/export")).json)
    del without["nativePlugins"]["sinks_zmq"]
    refused = await imported(api, without)
    assert "sink zmq is not defined" in json.loads(refused.json["message"])["rules"]["r2"]


async def test_an_entry_keeps_its_text(api: Api) -> None:
    """The order of members and the form of numbers are those of the document; spaces go, as the original writes none."""
    text = '{ "x": 1.50,\n  "file": "https://plugins.example/kafka.zip", "name": "kafka" }'
    assert (await imported(api, {"nativePlugins": {"sinks_kafka": text}})).status == 200
    short = '{"x":1.50,"file":"https://plugins.example/kafka.zip","name":"kafka"}'
    assert (await api.ask("GET", "/data/export")).json["nativePlugins"] == {"sinks_kafka": short}
