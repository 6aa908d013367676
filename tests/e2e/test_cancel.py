"""A background import is cancelled in a whole server: with connections, uploads, scripts and running rules everything is as before."""

from __future__ import annotations

import json
import time
from typing import Any

from e2e.harness import Broker, Server, wait_until

RULES = 600
ATTEMPTS = 12
PROTO = 'syntax = "proto3"; package p; message M {{ int32 a = {}; }}'


def plant(generation: int, broker: Broker) -> dict[str, dict[str, str]]:
    """Objects of many kinds; each generation changes some, drops some, and adds others."""
    names = range(generation * 50, generation * 50 + RULES)
    script = f"function scale(x) {{ return x * {generation + 1}; }}"
    return {
        "streams": {
            "s": f'CREATE STREAM s (a BIGINT) WITH (TYPE="memory", DATASOURCE="c/{generation}", FORMAT="json")',
            "m": 'CREATE STREAM m () WITH (DATASOURCE="c/m", TYPE="mqtt", FORMAT="json", CONF_KEY="k")',
        },
        "tables": {"t": 'CREATE TABLE t (id BIGINT) WITH (DATASOURCE="uploads/t.json", FORMAT="json", TYPE="file")'},
        "rules": {
            **{f"r{i}": rule(f"r{i}", f"SELECT scale(a) AS b FROM s WHERE a > {generation}") for i in names},
            "joined": rule("joined", "SELECT s.a FROM s INNER JOIN t ON s.a = t.id GROUP BY TUMBLINGWINDOW(ss, 10)"),
            "read": rule("read", "SELECT * FROM m"),
        },
        "sourceConfig": {"mqtt": json.dumps({"k": {"connectionSelector": f"con{generation}"}})},
        "connectionConfig": {"mqtt": json.dumps({f"con{generation}": {"server": broker.url}})},
        "uploads": {
            "t.json": json.dumps({"name": "t.json", "content": json.dumps([{"id": generation}])}),
            f"g{generation}.txt": json.dumps({"name": f"g{generation}.txt", "content": "x"}),
        },
        "Schema": {"protobuf_p": json.dumps({"name": "p", "type": "protobuf", "content": PROTO.format(generation + 1)})},
        "scripts": {"scale": json.dumps({"id": "scale", "script": script})},
    }


def rule(id: str, sql: str) -> str:
    """A rule with a sink that does nothing."""
    return json.dumps({"id": id, "sql": sql, "actions": [{"nop": {}}]})


def state(server: Server) -> dict[str, Any]:
    """Everything that an import can change, as a client sees it, and the files as they lie there."""
    kept = [path for folder in ("uploads", "schemas") for path in (server.data / folder).rglob("*") if path.is_file()]
    return {
        "document": {name: entries for name, entries in server.request("GET", "/data/export").json().items() if entries},
        "rules": {row["id"]: row["status"] for row in server.request("GET", "/rules").json()},
        "connections": sorted(row["id"] for row in server.request("GET", "/connections").json()),
        "files": {str(path.relative_to(server.data)): path.read_text() for path in kept},
    }


def settled(server: Server) -> dict[str, Any]:
    """The state once every rule runs or is stopped."""
    return wait_until(lambda: "starting" not in (found := state(server))["rules"].values() and found, 20, "no rule is starting")  # type: ignore[no-any-return]


def test_a_cancelled_import_leaves_everything_as_it_was(server: Server, broker: Broker) -> None:
    """Cancelled at times that are spread over its duration: the task says `cancel` and nothing has changed, or it was too late."""
    documents = [plant(generation, broker) for generation in range(2)]
    states = []
    for document in documents:
        begun = time.monotonic()
        answer = server.request("POST", "/data/import", json={"content": json.dumps(document)}, headers={"Accept": "application/json"})
        duration = time.monotonic() - begun
        assert answer.status_code == 200, answer.text
        if document is documents[0]:
            assert server.request("POST", "/rules/r100/stop").status_code == 200
        states.append(settled(server))
    server.request("POST", "/data/rollback", json={"revision": server.request("GET", "/data/revisions").json()["revision"] - 1})
    present, outcomes = settled(server), []
    for attempt in range(ATTEMPTS):
        task = server.request("POST", "/async/data/import", json={"content": json.dumps(documents[1])}).json()["id"]
        time.sleep(duration * attempt / ATTEMPTS)  # the moment is what is tested
        cancelled = server.request("POST", f"/async/task/{task}/cancel")
        status = server.request("GET", f"/async/task/{task}").json()["status"]
        outcomes.append(status)
        if status == "cancel":
            assert (cancelled.status_code, cancelled.text) == (200, "cancel success")
            assert settled(server) == present
        else:
            assert (status, cancelled.status_code) == ("finish", 409)
            assert settled(server)["document"] == states[1]["document"]
            server.request("POST", "/data/import", json={"content": json.dumps(documents[0])})
            server.request("POST", "/rules/r100/stop")
            assert settled(server)["rules"] == present["rules"]
    assert outcomes.count("cancel") >= ATTEMPTS // 2
    assert server.request("GET", "/data/audit").json()["valid"]
