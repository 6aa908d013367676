"""A selected export holds exactly what its rules need, and starts in an empty engine."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.harness import Server

SERVICE = {
    "about": {"trial": False},
    "interfaces": {"calc": {"address": "http://127.0.0.1:9/base", "protocol": "rest", "options": {}, "schemaless": True}},
}
ASKED = {"Accept": "application/json"}


def plant(service: Path, broker: str) -> dict[str, dict[str, str]]:
    """A whole configuration: what rule `r` needs, and something of each kind that it does not."""
    mqtt = 'TYPE="mqtt", FORMAT="json"'
    chosen = {
        "id": "r",
        "sql": "SELECT area(s.a, 2) AS x, t.name, helper(s.a) AS h FROM s INNER JOIN t ON s.a = t.id LEFT JOIN fed ON s.a = fed.a "
        "GROUP BY TUMBLINGWINDOW(ss, 10)",
        "actions": [
            {"mqtt": {"resourceId": "out", "topic": "x", "connectionSelector": "con"}},
            {"file": {"path": "uploads/out/result.log"}},
        ],
    }
    rules: list[dict[str, Any]] = [
        chosen,
        {"id": "feeder", "sql": "SELECT * FROM far", "actions": [{"memory": {"topic": "inner/{{.room}}"}}]},
        {
            "id": "beside",
            "sql": "SELECT * FROM unused",
            "actions": [{"memory": {"topic": "outer/1"}}, {"mqtt": {"topic": "y", "server": broker}}],
        },
    ]
    return {
        "streams": {
            # No TYPE: its configuration is that of mqtt.
            "s": 'CREATE STREAM s (a BIGINT) WITH (DATASOURCE="t/s", FORMAT="json", CONF_KEY="c1")',
            "fed": 'CREATE STREAM fed (a BIGINT) WITH (DATASOURCE="inner/+", TYPE="memory", FORMAT="json")',
            "far": f'CREATE STREAM far (a BIGINT) WITH (DATASOURCE="t/far", {mqtt}, CONF_KEY="c2")',
            "unused": f'CREATE STREAM unused () WITH (DATASOURCE="t/u", {mqtt}, CONF_KEY="c3")',
        },
        "tables": {
            "t": 'CREATE TABLE t (id BIGINT, name STRING) WITH (DATASOURCE="t.json", FORMAT="json", TYPE="file", CONF_KEY="up")',
            "u": 'CREATE TABLE u () WITH (DATASOURCE="m/t2", TYPE="memory", KIND="lookup", KEY="id")',
        },
        "rules": {rule["id"]: json.dumps(rule) for rule in rules},
        "sourceConfig": {
            "mqtt": json.dumps({key: {"server": broker} for key in ("c1", "c2", "c3", "c4")}),
            "file": '{"up":{"path":"uploads/tables","fileType":"json"}}',
        },
        "sinkConfig": {"mqtt": '{"out":{"qos":1},"other":{"qos":1}}'},
        "connectionConfig": {"mqtt": json.dumps({name: {"server": broker} for name in ("con", "idle")})},
        "Service": {"calc": json.dumps({"name": "calc", "file": service.as_uri()})},
        "Schema": {"protobuf_p": '{"type":"protobuf","name":"p","content":"message P {required string n = 1;}"}'},
        "uploads": {
            "tables/t.json": '{"name":"tables/t.json","content":"[{\\"id\\":1,\\"name\\":\\"one\\"}]"}',
            "other.txt": '{"name":"other.txt","content":"x"}',
        },
        "scripts": {
            "area": '{"id":"area","script":"function area(x, y) { return x * y; }"}',
            "helper": '{"id":"helper","script":"function helper(x) { return x; }"}',
            "spare": '{"id":"spare","script":"function spare(x) { return x; }"}',
        },
    }


CLOSURE = {
    "streams": {"s", "fed"},
    "tables": {"t"},
    "rules": {"r"},
    "sourceConfig": {"mqtt.c1", "file.up"},
    "sinkConfig": {"mqtt.out"},
    "connectionConfig": {"mqtt.con"},
    "uploads": {"tables/t.json"},
    "scripts": {"area", "helper"},
}
FED = {**CLOSURE, "streams": {"s", "fed", "far"}, "rules": {"r", "feeder"}, "sourceConfig": {"mqtt.c1", "mqtt.c2", "file.up"}}


def entries(document: dict[str, dict[str, str]]) -> dict[str, set[str]]:
    """Names of all objects by section; keys of configurations as `type.key`."""
    found: dict[str, set[str]] = {}
    for section, members in document.items():
        if section.endswith("Config"):
            names = {f"{kind}.{key}" for kind, text in members.items() for key in json.loads(text)}
        else:
            names = set(members)
        if names:
            found[section] = names
    return found


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """The archive of an external service."""
    path = tmp_path / "calc.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("calc.json", json.dumps(SERVICE))
    return path


@pytest.mark.parametrize(("query", "closure"), [("", CLOSURE), ("?memory=1", FED)])
def test_the_closure_and_nothing_else(
    new_server: Callable[..., Server], service: Path, broker: Any, query: str, closure: dict[str, set[str]]
) -> None:
    """No connection, upload, key or script too many; each has its reason; the document starts in an engine that has nothing."""
    full, fresh = new_server(), new_server()
    answer = full.request("POST", "/data/import", json={"content": json.dumps(plant(service, broker.url))}, headers=ASKED)
    assert answer.status_code == 200, answer.text
    document = full.request("POST", f"/data/export{query}", json=["r"]).json()
    assert entries(document) == closure
    told = full.request("POST", f"/data/export{query + '&' if query else '?'}why=1", json=["r"]).json()
    assert told["document"] == document
    assert {section: set(reasons) for section, reasons in told["why"].items()} == closure
    assert told["why"]["rules"]["r"] == ["asked for"]
    assert told["why"]["scripts"]["area"] == ["rule r uses it"]
    assert "stream s uses it" in told["why"]["sourceConfig"]["mqtt.c1"]
    imported = fresh.request("POST", "/data/import", json={"content": json.dumps(document)}, headers=ASKED)
    assert (imported.status_code, imported.json()["ErrorMsg"]) == (200, ""), imported.text
    assert fresh.request("GET", "/data/export").json() == document
    for rule in closure["rules"]:
        fresh.wait_for_rule(rule)


def test_unknown_rules_are_named(new_server: Callable[..., Server]) -> None:
    """No empty entries that cannot be imported: every id that is not stored is in the answer."""
    server = new_server()
    answer = server.request("POST", "/data/export", json=["a", "b"])
    assert answer.status_code == 404
    assert answer.json() == {"error": 1002, "message": "export rules: a, b not found; only stored rules can be exported"}
