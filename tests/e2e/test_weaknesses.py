"""Weaknesses of the original's transfer that are gone, against a real server. The numbers are those of `docs/differences.md`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from e2e.harness import Broker, Server, wait_until

ASKED = {"Accept": "application/json"}
EMPTY_SECTIONS = 12


def stream(name: str, options: str = "") -> str:
    """A memory stream."""
    return f'CREATE STREAM {name} (a BIGINT) WITH (TYPE="memory", DATASOURCE="w/{name}", FORMAT="json"{options})'


def rule(id: str, sql: str = "SELECT a FROM s", **fields: Any) -> str:
    """A rule with a sink that does nothing, as text."""
    return json.dumps({"id": id, "sql": sql, "actions": [{"nop": {}}], **fields})


def load(server: Server, query: str = "", path: str = "/data/import", **sections: Any) -> Any:
    """Import a document; gives the response."""
    return server.request("POST", f"{path}{query}", json={"content": json.dumps(sections)}, headers=ASKED)


def exported(server: Server) -> dict[str, dict[str, str]]:
    """Everything that is stored, without empty sections."""
    document: dict[str, dict[str, str]] = server.request("GET", "/data/export").json()
    assert len(document) == EMPTY_SECTIONS
    return {section: entries for section, entries in document.items() if entries}


def ended(server: Server, id: str) -> dict[str, Any]:
    """A task once it has ended."""
    server.request("GET", f"/async/task/{id}/events")
    task: dict[str, Any] = server.request("GET", f"/async/task/{id}").json()
    return task


@pytest.mark.parametrize("text", ["{", "[]", '{"streams":[]}', '{"rules":{"r":"{"}}', '{"streams":{"x":5}}'])
def test_w1_a_document_that_cannot_be_used_empties_nothing(server: Server, text: str) -> None:
    """W1, W60: refused with 400, and everything is as before: status and state say the same."""
    load(server, streams={"s": stream("s")}, rules={"r": rule("r")})
    before = exported(server)
    for endpoint in ("/data/import", "/data/import?partial=1"):
        assert server.request("POST", endpoint, json={"content": text}).status_code == 400
        assert exported(server) == before
    assert server.rule_status("r") == "running"


def test_w6_rules_that_cannot_run_are_refused(server: Server) -> None:
    """W6: a rule that cannot be planned is a fault of the document in every kind of import, not a line in a log."""
    bad = {"streams": {"s": stream("s")}, "rules": {"r": rule("r", "SELECT nosuch(a) FROM s"), "ok": rule("ok")}}
    for path in ("/data/import", "/data/import?partial=1", "/ruleset/import"):
        answer = load(server, path=path, **bad)
        assert answer.status_code == 400, path
        assert [fault["path"] for fault in answer.json()["faults"]] == ["rules.r.sql"]
    assert exported(server) == {}


def test_w7_the_status_is_the_result_of_the_last_import(server: Server) -> None:
    """W7: errors only, for full and partial imports alike; a healthy server shows none, whatever it holds."""
    upload = json.dumps({"name": "w7.txt", "content": "x"})
    script = json.dumps({"id": "w7", "script": "function w7(x) { return x; }"})
    assert load(server, uploads={"w7.txt": upload}, scripts={"w7": script}).status_code == 200
    assert not any(server.request("GET", "/data/import/status").json().values())
    load(server, "?partial=1", streams={"x": "CREATE STREAM"})
    assert list(server.request("GET", "/data/import/status").json()["streams"]) == ["x"]
    load(server, "?partial=1", streams={"s": stream("s")})
    assert not any(server.request("GET", "/data/import/status").json().values())


def test_w8_a_sink_configuration_counts(server: Server, broker: Broker) -> None:
    """W8: what `resourceId` names is part of the sink, and goes along with the rule."""
    action = [{"mqtt": {"resourceId": "k", "topic": "w8"}}]
    answer = load(
        server,
        streams={"s": stream("s")},
        rules={"r": json.dumps({"id": "r", "sql": "SELECT a FROM s", "actions": action})},
        sinkConfig={"mqtt": json.dumps({"k": {"server": broker.url}})},
    )
    assert answer.status_code == 200, answer.text
    server.wait_for_rule("r")
    assert "mqtt" in server.request("POST", "/data/export", json=["r"]).json()["sinkConfig"]
    missing = load(
        server, "?partial=1", rules={"q": json.dumps({"id": "q", "sql": "SELECT a FROM s", "actions": [{"mqtt": {"resourceId": "no"}}]})}
    )
    assert missing.status_code == 400


def test_w9_imported_connections_are_the_live_ones(server: Server, broker: Broker) -> None:
    """W9: new properties reach the connection; after an import without it, it is gone and can be made again."""
    for target in ("tcp://127.0.0.1:2", broker.url):
        assert load(server, connectionConfig={"mqtt": json.dumps({"con": {"server": target}})}).status_code == 200
        assert server.request("GET", "/connections/con").json()["props"]["server"] == target
    wait_until(lambda: server.request("GET", "/connections/con").json()["status"] == "connected", 10, "connection con is connected")
    load(server)
    assert server.request("GET", "/connections").json() == []
    made = server.request("POST", "/connections", json={"id": "con", "typ": "mqtt", "props": {"server": broker.url}})
    assert (made.status_code, made.text) == (201, "success")
    assert server.request("DELETE", "/connections/con").text == "success"


def test_w10_a_running_rule_imported_again_runs_once(server: Server, broker: Broker) -> None:
    """W10: after three imports one message in is one message out."""
    seen: list[bytes] = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_message = lambda *arguments: seen.append(arguments[2].payload)
    client.connect("127.0.0.1", broker.port)
    client.subscribe("w10/out", 1)
    client.loop_start()
    try:
        text = f'CREATE STREAM m () WITH (TYPE="mqtt", DATASOURCE="w10/in", FORMAT="json", EXTRA="{{\\"server\\":\\"{broker.url}\\"}}")'
        sink = {"mqtt": {"server": broker.url, "topic": "w10/out", "qos": 1, "sendSingle": True}}
        rules = {"r": json.dumps({"id": "r", "sql": "SELECT n FROM m", "actions": [sink]})}
        for _ in range(3):
            assert load(server, path="/ruleset/import", streams={"m": text}, rules=rules).status_code == 200
        server.wait_for_rule("r")
        server.wait_until_connected("r")
        for n in range(5):
            client.publish("w10/in", json.dumps({"n": n}), 1).wait_for_publish(5)
        wait_until(lambda: len(seen) >= 5, 10, "five messages came out")
        time.sleep(0.3)  # more would have come by now
        assert sorted(json.loads(payload)["n"] for payload in seen) == list(range(5))
    finally:
        client.loop_stop()
        client.disconnect()


def test_w16_w59_every_configuration_is_exported_as_it_is(new_server: Callable[..., Server]) -> None:
    """W16, W59: keys of types that nobody knows, and of types whose names begin alike, also after a restart."""
    server = new_server()
    found = {"nosuch": '{"k":{"a":1}}', "redis": '{"k%":{"x":1}}'.replace("%", "_"), "redisSub": '{"other":{"y":2}}', "http": "{}"}
    assert load(server, sourceConfig=found).status_code == 200
    expected = {name: text for name, text in found.items() if text != "{}"}
    for _ in range(2):
        assert exported(server) == {"sourceConfig": expected}
        assert sorted(server.request("GET", "/metadata/resources").json()["sources"], key=str) == [
            {"k": "nosuch"},
            {"k_": "redis"},
            {"other": "redisSub"},
        ]
        server.restart(killed=True)


def test_w18_one_policy_for_all_kinds(server: Server) -> None:
    """W18: what a partial import does with objects that are there is the same for all, when it is told."""
    first = {
        "streams": {"s": stream("s")},
        "rules": {"r": rule("r")},
        "sourceConfig": {"mqtt": '{"k":{"server":"tcp://127.0.0.1:2"}}'},
        "connectionConfig": {"mqtt": '{"c":{"server":"tcp://127.0.0.1:2"}}'},
        "Schema": {"protobuf_p": json.dumps({"type": "protobuf", "name": "p", "content": "message P {required string n = 1;}"})},
        "uploads": {"u.txt": json.dumps({"name": "u.txt", "content": "1"})},
        "scripts": {"f": json.dumps({"id": "f", "script": "function f(x) { return 1; }"})},
    }
    second = json.loads(json.dumps(first).replace("w/s", "w/t").replace("SELECT a", "SELECT a AS b").replace("127.0.0.1:2", "127.0.0.1:3"))
    second["Schema"]["protobuf_p"] = first["Schema"]["protobuf_p"].replace("= 1", "= 2")
    second["uploads"]["u.txt"] = json.dumps({"name": "u.txt", "content": "2"})
    second["scripts"]["f"] = first["scripts"]["f"].replace("return 1", "return 2")
    assert load(server, **first).status_code == 200
    skipped = load(server, "?partial=1&onConflict=skip", **second)
    assert (skipped.status_code, len(skipped.json()["ignored"]), exported(server)) == (200, 7, first)
    refused = load(server, "?partial=1&onConflict=fail", **second)
    assert (refused.status_code, len(refused.json()["faults"]), exported(server)) == (400, 7, first)
    usual = load(server, "?partial=1", **second)
    assert usual.json()["ignored"] == ["Schema.protobuf_p"]
    assert load(server, "?partial=1&onConflict=overwrite", **second).status_code == 200
    assert exported(server) == second


def test_w20_w21_tasks_have_names_and_ends_of_their_own(server: Server) -> None:
    """W20, W21: many tasks in one second; what has ended stays so, and a cancel that comes too late says it."""
    ids = [load(server, "?partial=1", "/async/data/import", streams={"s": stream("s")}).json()["id"] for _ in range(5)]
    assert len(set(ids)) == 5
    assert {ended(server, id)["status"] for id in ids} == {"finish"}
    late = server.request("POST", f"/async/task/{ids[0]}/cancel")
    assert (late.status_code, ended(server, ids[0])["status"]) == (409, "finish")


def test_w22_tasks_of_an_earlier_process(new_server: Callable[..., Server]) -> None:
    """W22: a server that was killed with a task under way starts, tells what became of it, and answers a cancel."""
    server = new_server()
    many = {f"r{i}": rule(f"r{i}") for i in range(1000)}
    id = load(server, "", "/async/data/import", streams={"s": stream("s")}, rules=many).json()["id"]
    server.restart(killed=True)
    status = server.request("GET", f"/async/task/{id}").json()["status"]
    assert status in ("finish", "error")
    assert len(exported(server).get("rules", {})) == (1000 if status == "finish" else 0)
    assert server.request("POST", f"/async/task/{id}/cancel").status_code == 409
    assert server.request("GET", "/ping").status_code == 200


def test_w23_imports_at_once_do_not_mix(server: Server) -> None:
    """W23: the state is that of one document or the other; exports that go on meanwhile show whole documents."""
    documents = [
        {"streams": {"s": stream("s")}, "rules": {f"{name}{i}": rule(f"{name}{i}") for i in range(40)}} for name in ("left", "right")
    ]
    load(server, **documents[0])
    shown: list[dict[str, dict[str, str]]] = []
    for _ in range(6):
        threads = [threading.Thread(target=lambda d=document: load(server, **d)) for document in documents]  # type: ignore[misc]
        for thread in threads:
            thread.start()
        shown.append(exported(server))
        for thread in threads:
            thread.join()
        shown.append(exported(server))
    assert all(document in documents for document in shown)


@pytest.mark.parametrize("value", ["null", "", None])
@pytest.mark.parametrize("section", ["rules", "streams", "nativePlugins", "portablePlugins", "Service", "Schema", "uploads", "scripts"])
def test_w24_null_is_an_ordinary_error(server: Server, section: str, value: str | None) -> None:
    """W24: in any section, in the foreground and in the background: refused with its path, and the server goes on."""
    name = {"nativePlugins": "sources_n", "Schema": "protobuf_n"}.get(section, "n")
    answer = load(server, **{section: {name: value}})
    assert (answer.status_code, answer.json()["faults"][0]["path"]) == (400, f"{section}.{name}")
    task = load(server, "", "/async/data/import", **{section: {name: value}}).json()
    assert ended(server, task["id"])["status"] == "error"
    assert server.request("POST", "/rules", data="null").status_code == 400


def test_w25_the_type_of_a_stream_counts_not_its_spelling(server: Server, broker: Broker) -> None:
    """W25: a stream without TYPE is one of mqtt, and FORMAT may be written in capitals; what it needs goes along."""
    streams = {
        "s": 'CREATE STREAM s () WITH (DATASOURCE="a", FORMAT="JSON", CONF_KEY="k")',
        "t": 'CREATE STREAM t () WITH (DATASOURCE="a", FORMAT="json", TYPE="mqtt", CONF_KEY="k")',
    }
    config = {"mqtt": json.dumps({"k": {"server": broker.url}})}
    assert load(server, streams=streams, rules={n: rule(n, f"SELECT * FROM {n}") for n in "st"}, sourceConfig=config).status_code == 200
    for name in "st":
        found = server.request("POST", "/data/export", json=[name]).json()["sourceConfig"]
        assert {kind: json.loads(text) for kind, text in found.items()} == {"mqtt": {"k": {"server": broker.url}}}


def test_w26_w31_a_selection_that_cannot_be_made_is_refused(server: Server) -> None:
    """W26, W31: unknown ids are named, unreadable bodies are no empty selection."""
    answer = server.request("POST", "/data/export", json=["none", "nobody"])
    assert (answer.status_code, "none, nobody" in answer.json()["message"]) == (404, True)
    for body in ("{", "", '"r"', "[5]"):
        assert server.request("POST", "/data/export", data=body).status_code == 400


def test_w29_w54_a_selection_holds_what_is_needed(server: Server, broker: Broker) -> None:
    """W29, W54: the script that a rule calls, but no connection, upload or configuration that it does not use."""
    script = json.dumps({"id": "f", "script": "function f(x) { return x; }"})
    other = json.dumps({"id": "g", "script": "function g(x) { return x; }"})
    load(
        server,
        streams={"s": stream("s")},
        rules={"r": rule("r", "SELECT f(a) AS b FROM s")},
        scripts={"f": script, "g": other},
        uploads={"u.txt": '{"name":"u.txt","content":"x"}'},
        connectionConfig={"mqtt": json.dumps({"c": {"server": broker.url}})},
    )
    found = server.request("POST", "/data/export", json=["r"]).json()
    assert {name: list(entries) for name, entries in found.items() if entries} == {"streams": ["s"], "rules": ["r"], "scripts": ["f"]}


def test_w56_what_is_passed_over_is_told(server: Server) -> None:
    """W56: unknown sections are warnings with their place; what would change can be asked first."""
    answer = load(server, streams={"s": stream("s")}, thresholds={"a": "b"})
    assert answer.json()["warnings"][0]["path"] == "thresholds"
    shown = load(server, "?dryRun=1").json()
    assert shown["summary"] == {"created": 0, "updated": 0, "deleted": 1, "unchanged": 0}
    assert list(exported(server)) == ["streams"]


def test_w58_order_is_no_matter_and_stays_the_same(server: Server) -> None:
    """W58: entries may use what stands behind them, and every export has the same order."""
    table = 'CREATE TABLE t (id BIGINT) WITH (TYPE="memory", DATASOURCE="m/t", KIND="lookup", KEY="id")'
    first = rule("a", "SELECT s.a FROM s INNER JOIN t ON s.a = t.id")
    assert (
        load(server, rules={"b": rule("b"), "a": first}, tables={"t": table}, streams={"z": stream("z"), "s": stream("s")}).status_code
        == 200
    )
    text = server.request("GET", "/data/export").text
    document = json.loads(text)
    assert (list(document["rules"]), list(document["streams"])) == (["a", "b"], ["s", "z"])
    server.restart(killed=True)
    assert server.request("GET", "/data/export").text == text


def test_w60_going_on_is_asked_for_and_told(server: Server) -> None:
    """W60: only `onError=continue` applies a part, and then the answer is no refusal and names what was left out."""
    answer = load(
        server, "?onError=continue", streams={"s": stream("s"), "x": "CREATE"}, rules={"r": rule("r"), "q": rule("q", "SELECT a FROM x")}
    )
    assert (answer.status_code, answer.json()["ErrorMsg"]) == (200, "2 entries were refused and left out")
    assert {section: list(entries) for section, entries in answer.json()["ConfigResponse"].items() if entries} == {
        "streams": ["x"],
        "rules": ["q"],
    }
    assert {section: list(entries) for section, entries in exported(server).items()} == {"streams": ["s"], "rules": ["r"]}


def test_w61_full_is_full(new_server: Callable[..., Server]) -> None:
    """W61: also rules that do not load any more, and keys of types that nobody knows, after a restart."""
    server = new_server()
    load(server, streams={"s": stream("s")}, rules={"r": rule("r")}, sourceConfig={"nosuch": '{"k":{}}'})
    assert server.request("DELETE", "/streams/s?force=true").status_code == 200
    server.restart(killed=True)
    assert server.rule_status("r") == "stopped by error"
    assert load(server).status_code == 200
    assert exported(server) == {}
    assert server.request("GET", "/rules").json() == []
