"""Weaknesses of imports that are known from the original, one test each: what must hold instead.

Their numbers (W1, W2, …) are those of `docs/differences.md`. Exports and documents are in `test_export_weaknesses.py`.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from plutino.catalog import TaskRecord
from plutino.control.provisioning import Provisioning
from plutino.errors import TransportError
from plutino.spi import Deployment
from unit.resources.archives import packed, portable, service, wheel
from unit.rest.kit import Api, Reply, open_api

JSON = {"accept": "application/json"}
UNREACHABLE = "http://plugins.example/x.zip"
SCHEMA = json.dumps({"type": "protobuf", "name": "p", "content": "message P {required string n = 1;}"})
SCRIPT = json.dumps({"id": "area", "script": "function area(x) { return x; }"})


def stream(name: str = "demo", options: str = "") -> str:
    return f'CREATE STREAM {name} (a BIGINT) WITH (DATASOURCE="topic/{name}", TYPE="memory"{options})'


def rule(id: str = "r", sql: str = "SELECT a FROM demo", **fields: Any) -> str:
    return json.dumps({"id": id, "sql": sql, "actions": [{"nop": {}}], **fields})


def plant() -> dict[str, dict[str, str]]:
    """Something of many kinds."""
    return {
        "streams": {"demo": stream()},
        "rules": {"r": rule()},
        "sourceConfig": {"mqtt": '{"k":{"qos":1}}'},
        "connectionConfig": {"mqtt": '{"c":{"server":"tcp://a:1883"}}'},
        "nativePlugins": {"sources_random": json.dumps({"name": "random", "file": UNREACHABLE})},
        "Schema": {"protobuf_p": SCHEMA},
        "uploads": {"u": '{"name":"u","content":"x"}'},
        "scripts": {"area": SCRIPT},
    }


async def put(api: Api, sections: Any, query: str = "", path: str = "/data/import") -> Reply:
    content = sections if isinstance(sections, str) else json.dumps(sections)
    return await api.ask("POST", f"{path}{query}", {"content": content}, JSON)


async def exported(api: Api) -> dict[str, dict[str, Any]]:
    """The sections of a whole export that are not empty."""
    document = (await api.ask("GET", "/data/export")).json
    return {section: entries for section, entries in document.items() if entries}


def paths(reply: Reply) -> set[str]:
    """Where the faults of a refused import are."""
    assert reply.status == 400, reply.text
    return {fault["path"] for fault in reply.json["faults"]}


async def task_of(api: Api, sections: Any, query: str = "") -> dict[str, Any]:
    """An import in the background once it has ended."""
    id = (await put(api, sections, query, "/async/data/import")).json["id"]
    await api.ask("GET", f"/async/task/{id}/events")
    task: dict[str, Any] = (await api.ask("GET", f"/async/task/{id}")).json
    return task


@pytest.mark.parametrize("typo", ['{"streams":{', '{"streams":{"demo":"CREATE STWREAM demo ()"}}', '{"streams":{"demo":{"a":1}}}', "[]"])
async def test_a_full_import_with_a_typo_changes_nothing(api: Api, typo: str) -> None:
    """W1: a document is read and checked as a whole before anything of the old state goes."""
    await put(api, plant())
    before, calls = (await api.ask("GET", "/data/export")).data, list(api.host.calls)
    assert (await put(api, typo)).status == 400
    assert (await api.ask("GET", "/data/export")).data == before
    assert api.host.calls == calls


async def test_a_full_import_holds_plugins_and_schemas_too(api: Api) -> None:
    """W2: without `stop=1` they are installed, kept and removed as the document says, and what cannot be read is refused."""
    for _ in range(2):
        assert (await put(api, plant())).status == 200
        assert (await api.ask("GET", "/plugins/sources")).json == ["random"]
        assert (await api.ask("GET", "/schemas/protobuf")).json == ["p"]
    refused = await put(api, {"nativePlugins": {"sources_random": "{"}, "Schema": {"protobuf_p": "{"}})
    assert paths(refused) == {"nativePlugins.sources_random", "Schema.protobuf_p"}
    assert (await put(api, {})).status == 200
    assert (await api.ask("GET", "/plugins/sources")).json == []
    assert (await api.ask("GET", "/schemas/protobuf")).json == []


async def test_each_plugin_section_of_v2_is_read_as_what_it_is(api: Api, tmp_path: Path) -> None:
    """W3: native plugins come from the native section, and portable ones do not become native."""
    adder = packed(tmp_path / "adder.zip", portable())
    document = {
        "nativePlugins": {"sources_random": {"name": "random", "file": UNREACHABLE}},
        "portablePlugins": {"adder": {"name": "adder", "file": adder}},
    }
    assert (await put(api, document, path="/v2/data/import")).status == 200
    assert (await api.ask("GET", "/plugins/sources")).json == ["random"]
    assert [found["name"] for found in (await api.ask("GET", "/plugins/portables")).json] == ["adder"]
    assert {section: set(entries) for section, entries in (await exported(api)).items()} == {
        "nativePlugins": {"sources_random"},
        "portablePlugins": {"adder"},
    }


async def test_a_rule_that_went_through_v2_runs_and_has_no_made_up_options(api: Api, tmp_path: Path) -> None:
    """W4: a missing `triggered` is true, a missing option stays missing."""
    await put(api, {"streams": {"demo": stream()}, "rules": {"r": rule(options={"qos": 1})}})
    document = (await api.ask("GET", "/v2/data/export")).text
    assert "triggered: true" in document
    async with open_api(tmp_path / "other") as other:
        assert (await put(other, document.replace("triggered: true", ""), path="/v2/data/import")).status == 200
        assert other.host.state("r") == "running"
        stored = json.loads((await exported(other))["rules"]["r"])
        assert stored["options"] == {"qos": 1}
        assert stored.get("triggered", True) is True


async def test_a_server_that_ends_after_an_import_has_stored_it(tmp_path: Path) -> None:
    """W5: `stop=1` asks for an orderly end, after the import is stored; nothing waits to be flushed."""
    asked: list[tuple[int, int]] = []
    async with open_api(tmp_path) as api:
        api.controller.on_shut_down = lambda code: asked.append((code, api.controller.revision))
        assert (await put(api, plant(), "?stop=1")).status == 200
        before = await exported(api)
    assert asked == [(100, 1)]
    async with open_api(tmp_path) as api:
        assert await exported(api) == before
        assert api.host.state("r") == "running"


@pytest.mark.parametrize("path", ["/data/import", "/ruleset/import"])
async def test_a_rule_that_cannot_be_planned_is_no_success(api: Api, path: str) -> None:
    """W6: it is refused with its reason, not written to the log."""
    document = {"streams": {"demo": stream()}, "rules": {"good": rule("good"), "r": rule(sql="SELECT a FROM nosuch")}}
    refused = await put(api, document, path=path)
    assert paths(refused) == {"rules.r.sql"}
    assert "nosuch" in refused.json["faults"][0]["text"]
    assert await exported(api) == {}


async def test_what_was_imported_but_does_not_work_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """W6: also when a fault shows only in the engine."""

    async def deploy(_: Deployment) -> None:
        raise TransportError("the port is taken")

    monkeypatch.setattr(api.host, "deploy", deploy)
    reply = await put(api, {"streams": {"demo": stream()}, "rules": {"r": rule()}})
    assert (reply.status, reply.json["ErrorMsg"]) == (200, "1 objects were imported, but do not run")
    assert [(trouble["path"], trouble["text"]) for trouble in reply.json["troubles"]] == [("rules.r", "the port is taken")]
    assert (await api.ask("GET", "/data/import/status")).json["rules"] == {"r": "the port is taken"}


async def test_the_status_shows_results_of_the_last_import_and_nothing_else(api: Api) -> None:
    """W7: a healthy server has empty sections whatever is installed; a partial import counts like a full one."""
    assert (await put(api, plant())).status == 200
    assert set(map(str, (await api.ask("GET", "/data/import/status")).json.values())) == {"{}"}
    await put(api, {"scripts": {"f": "{"}, "uploads": {"v": "{"}}, "?partial=1")
    status = (await api.ask("GET", "/data/import/status")).json
    assert {section: set(entries) for section, entries in status.items() if entries} == {"scripts": {"f"}, "uploads": {"v"}}


async def test_an_action_gets_the_sink_configuration_that_it_names(api: Api) -> None:
    """W8: `resourceId` counts, as it is exported, imported and documented."""
    action = {"mqtt": {"server": "tcp://a:1883", "topic": "x", "resourceId": "out"}}
    document = {"streams": {"demo": stream()}, "rules": {"r": rule(actions=[action])}, "sinkConfig": {"mqtt": '{"out":{"qos":2}}'}}
    assert (await put(api, document)).status == 200
    (sink,) = api.host.deployed["r"].sinks
    assert sink.properties["qos"] == 2


async def test_an_imported_connection_reaches_the_engine(api: Api) -> None:
    """W9: changed properties are those in use, and what a full import leaves out is gone and can be made anew."""
    await put(api, plant())
    changed = {"connectionConfig": {"mqtt": '{"c":{"server":"tcp://b:1883"}}'}}
    assert (await put(api, changed)).status == 200
    assert api.host.named["c"]["props"] == {"server": "tcp://b:1883"}
    assert (await put(api, {})).status == 200
    assert api.host.named == {}
    again = {"id": "c", "typ": "mqtt", "props": {"server": "tcp://a:1883"}}
    assert (await api.ask("POST", "/connections", again)).status == 201
    assert (await api.ask("DELETE", "/connections/c")).text == "success"


async def test_a_ruleset_with_a_running_rule_replaces_it_once(api: Api) -> None:
    """W10: the same rule again is not touched; a changed one takes the place of the old."""
    document = {"streams": {"demo": stream()}, "rules": {"r": rule()}}
    for _ in range(3):
        assert (await put(api, document, path="/ruleset/import")).status == 200
    assert api.host.calls.count(("deploy", "r")) == 1
    document["rules"]["r"] = rule(sql="SELECT a, a AS b FROM demo")
    assert (await put(api, document, path="/ruleset/import")).status == 200
    assert api.host.calls.count(("deploy", "r")) == 2
    assert list(api.host.deployed) == ["r"]


async def test_plugins_imported_before_a_restart_are_there_after_it(tmp_path: Path) -> None:
    """W11: every start comes up with them, and nothing is left to be installed then."""
    async with open_api(tmp_path / "data") as api:
        file = packed(tmp_path / "geo-1.4.0-py3-none-any.whl", wheel())
        document = {"nativePlugins": {**plant()["nativePlugins"], "functions_geo": json.dumps({"name": "geo", "file": file})}}
        api.controller.on_shut_down = lambda _: None
        assert (await put(api, document, "?stop=1")).status == 200
    for _ in range(2):
        async with open_api(tmp_path / "data") as api:
            assert (await api.ask("GET", "/plugins/sources")).json == ["random"]
            assert (await api.ask("GET", "/plugins/functions")).json == ["geo"]


@pytest.mark.parametrize("name", ["my_random", "a_b_c"])
async def test_names_of_plugins_may_have_underscores(api: Api, tmp_path: Path, name: str) -> None:
    """W13: such a plugin can be imported, exported, and goes with a full import."""
    file = packed(tmp_path / "geo-1.4.0-py3-none-any.whl", wheel())
    entry = {f"functions_{name}": json.dumps({"name": name, "file": file})}
    assert (await put(api, {"nativePlugins": entry})).status == 200
    assert (await api.ask("GET", "/plugins/functions")).json == [name]
    assert set((await exported(api))["nativePlugins"]) == set(entry)
    assert (await put(api, {})).status == 200
    assert (await api.ask("GET", "/plugins/functions")).json == []


@pytest.mark.parametrize("key", ["random", "things_random", "_random", "sources_"])
async def test_a_plugin_entry_with_another_name_is_refused(api: Api, key: str) -> None:
    """W13: nobody guesses a source, and nothing of it hinders the next import."""
    refused = await put(api, {"streams": {"demo": stream()}, "nativePlugins": {key: json.dumps({"name": "random", "file": UNREACHABLE})}})
    assert paths(refused) == {f"nativePlugins.{key}"}
    assert (await put(api, plant())).status == 200


async def test_a_v2_document_with_a_fault_leaves_the_old_definitions(api: Api) -> None:
    """W14: nothing is dropped before its replacement is known to be good."""
    await put(api, plant())
    before = await exported(api)
    bad = {
        "streams": {"demo": {"sql": "CREATE STREAM demo (a BIGNT)"}},
        "tables": {"t": {"sql": "CREATE TABLE"}},
        "rules": {"r": {"id": "r", "sql": "SELECT", "actions": [{"nop": {}}]}},
    }
    assert paths(await put(api, bad, path="/v2/data/import")) == {"streams.demo", "tables.t", "rules.r.sql"}
    assert await exported(api) == before
    assert api.host.state("r") == "running"


async def test_configurations_of_v2_are_seen_everywhere_at_once(api: Api) -> None:
    """W15: there is one state: metadata, v1 exports, full imports and deletions all work on it."""
    document = {
        "sourceConfig": {"sources.mqtt.k": {"qos": 2}},
        "sinkConfig": {"sinks.mqtt.out": {"qos": 1}},
        "connectionConfig": {"connections.mqtt.c": {"server": "tcp://a:1883"}},
    }
    assert (await put(api, document, path="/v2/data/import")).status == 200
    assert (await api.ask("GET", "/metadata/sources/yaml/mqtt")).json["k"] == {"qos": 2}
    whole = await exported(api)
    assert whole == {
        "sourceConfig": {"mqtt": '{"k":{"qos":2}}'},
        "sinkConfig": {"mqtt": '{"out":{"qos":1}}'},
        "connectionConfig": {"mqtt": '{"c":{"server":"tcp://a:1883"}}'},
    }
    assert (await api.ask("DELETE", "/connections/c")).text == "success"
    assert "connectionConfig" not in await exported(api)
    await put(api, {})
    assert "k" not in (await api.ask("GET", "/metadata/sources/yaml/mqtt")).json


async def test_what_is_there_already_is_one_policy_for_all_kinds_of_packages(api: Api, tmp_path: Path) -> None:
    """W18: plugins, schemas and services stay and are told in a partial import; every kind can be overwritten, skipped or refused."""
    files = {
        "portablePlugins": {"adder": json.dumps({"name": "adder", "file": packed(tmp_path / "adder.zip", portable())})},
        "Service": {"math": json.dumps({"name": "math", "file": packed(tmp_path / "math.zip", service())})},
    }
    assert (await put(api, {**plant(), **files})).status == 200
    changed = {
        "nativePlugins": {"sources_random": json.dumps({"name": "random", "file": "http://plugins.example/y.zip"})},
        "Schema": {"protobuf_p": SCHEMA.replace("required", "optional")},
        "portablePlugins": {"adder": json.dumps({"name": "adder", "file": "file:///no/such.zip"})},
        "Service": {"math": json.dumps({"name": "math", "file": "file:///no/such.zip"})},
    }
    reply = await put(api, changed, "?partial=1")
    assert (reply.status, reply.json["ErrorMsg"]) == (200, "")
    entries = {f"{section}.{name}" for section, members in changed.items() for name in members}
    assert set(reply.json["ignored"]) == entries
    plain = {"streams": {"demo": stream(options=', FORMAT="json"')}, "scripts": {"area": SCRIPT.replace("x", "y")}}
    before = await exported(api)
    skipped = await put(api, plain, "?partial=1&onConflict=skip")
    assert (skipped.status, len(skipped.json["ignored"])) == (200, 2)
    assert paths(await put(api, {**plain, "Schema": changed["Schema"]}, "?partial=1&onConflict=fail")) == {
        "streams.demo",
        "scripts.area",
        "Schema.protobuf_p",
    }
    assert await exported(api) == before
    await put(api, {**plain, "Schema": changed["Schema"]}, "?partial=1&onConflict=overwrite")
    assert "optional" in (await exported(api))["Schema"]["protobuf_p"]


async def test_a_file_beside_the_server_that_failed_is_tried_again(tmp_path: Path) -> None:
    """W19: init.json counts as done when it was imported, not when it was read."""
    init = tmp_path / "init.json"
    init.write_text('{"streams":')
    for step in range(2):
        async with open_api(tmp_path) as api:
            await Provisioning(api.controller, tmp_path, tmp_path / "etc", {}, api.log).run()
            assert [event for event, _ in api.log.events] == ["provisioning failed"], step
    init.write_text(json.dumps({"streams": {"demo": stream()}}))
    async with open_api(tmp_path) as api:
        await Provisioning(api.controller, tmp_path, tmp_path / "etc", {}, api.log).run()
        assert set(await exported(api)) == {"streams"}


async def test_imports_in_the_same_second_are_tasks_of_their_own(api: Api) -> None:
    """W20: ids do not come from the clock alone."""
    ids = [(await put(api, {}, path="/async/data/import")).json["id"] for _ in range(20)]
    assert len(set(ids)) == 20


async def test_a_cancelled_import_stays_cancelled_and_an_ended_one_ended(api: Api) -> None:
    """W21: after `cancel success` nothing is changed, whatever had been reached; the last state of a task is its last."""
    document = {"streams": {f"s{i}": stream(f"s{i}") for i in range(50)}}
    async with api.controller._door.lock:
        id = (await put(api, document, path="/async/data/import")).json["id"]
        assert (await api.ask("POST", f"/async/task/{id}/cancel")).text == "cancel success"
    assert (await api.ask("GET", f"/async/task/{id}")).json["status"] == "cancel"
    assert await exported(api) == {}
    done = await task_of(api, document)
    assert (await api.ask("POST", f"/async/task/{done['id']}/cancel")).status == 409
    assert (await api.ask("GET", f"/async/task/{done['id']}")).json == done
    assert done["status"] == "finish"


@pytest.mark.parametrize("left", ["register", "running"])
async def test_a_start_ends_the_tasks_of_an_earlier_process(tmp_path: Path, left: str) -> None:
    """W22: they are shown as failed, can be cancelled no more, and hinder no start."""
    async with open_api(tmp_path) as api:
        await api.controller.catalog.save_task(TaskRecord("dataImport-1", left, "", 1000, 1000))
    for _ in range(2):
        async with open_api(tmp_path) as api:
            assert (await api.ask("GET", "/async/task/dataImport-1")).json["status"] == "error"
            assert (await api.ask("POST", "/async/task/dataImport-1/cancel")).status == 409


async def test_two_full_imports_at_once_leave_one_of_both(api: Api) -> None:
    """W23: never a mixture, also when other requests write at the same time; exports in between show one state."""
    documents = [{"streams": {f"{name}{i}": stream(f"{name}{i}") for i in range(20)}} for name in "ab"]
    whole = {json.dumps(sorted(document["streams"])) for document in documents}
    imports = [put(api, document) for document in (*documents, documents[0])]
    for reply in await asyncio.gather(*imports, api.ask("GET", "/data/export"), api.stream("extra"), api.ask("GET", "/data/export")):
        if reply is not None and "streams" in reply.json:
            shown = sorted(set(reply.json["streams"]) - {"extra"})
            assert shown == [] or json.dumps(shown) in whole
    assert json.dumps(sorted(set((await exported(api))["streams"]) - {"extra"})) in whole
    assert api.controller.revision in (3, 4)  # the same document twice in a row changes nothing the second time


async def test_the_text_null_is_an_ordinary_fault(api: Api) -> None:
    """W24: in every section, in both formats, in single requests and in the background."""
    await put(api, plant())
    before = await exported(api)
    kinds = ("streams", "tables", "rules", "nativePlugins", "portablePlugins", "Service", "Schema", "uploads", "scripts")
    names = {"nativePlugins": "sources_x", "Schema": "protobuf_x"}
    for value in ("null", None):
        document = {section: {names.get(section, "x"): value} for section in kinds}
        assert paths(await put(api, document)) == {f"{section}.{names.get(section, 'x')}" for section in kinds}
        assert (await task_of(api, document))["status"] == "error"
    assert paths(await put(api, {"streams": {"x": None}, "rules": {"x": None}}, path="/v2/data/import")) == {"streams.x", "rules.x"}
    assert (await api.ask("POST", "/rules", "null")).status == 400
    assert (await api.ask("POST", "/batch/req", "[null]")).status == 400
    assert await exported(api) == before


@pytest.mark.parametrize("content", ["{", "null x", '{"streams":1}', '{"rules":{"r":"null"}}'])
async def test_a_ruleset_that_cannot_be_read_is_answered(api: Api, content: str) -> None:
    """W30: with status 400 and a text."""
    reply = await put(api, content, path="/ruleset/import")
    assert (reply.status, bool(reply.json["message"])) == (400, True)


async def test_the_order_of_a_document_does_not_matter(api: Api, tmp_path: Path) -> None:
    """W58: what is used comes before its users, however sections and entries are sorted, and no row is read before all is there."""
    document = {
        "streams": {"demo": stream(), "fed": stream("fed").replace("topic/fed", "inner/x")},
        "tables": {"t": 'CREATE TABLE t (id BIGINT) WITH (DATASOURCE="m", TYPE="memory", KIND="lookup", KEY="id")'},
        "rules": {
            "a": rule("a", "SELECT area(fed.a) AS x FROM fed INNER JOIN t ON fed.a = t.id"),
            "z": rule("z", actions=[{"memory": {"topic": "inner/x"}}]),
        },
        "scripts": {"area": SCRIPT},
    }
    assert (await put(api, document)).status == 200
    backwards = {section: dict(reversed(entries.items())) for section, entries in reversed(document.items())}
    async with open_api(tmp_path / "other") as other:
        assert (await put(other, backwards)).status == 200
        assert await exported(other) == await exported(api)
        assert other.host.states == {"a": "running", "z": "running"}
        for host in (api.host, other.host):
            assert (host.calls[0], host.calls[-1]) == (("begin", ""), ("finish", ""))
            assert sorted(host.calls[1:-1]) == [("deploy", "a"), ("deploy", "z")]


async def test_the_status_code_tells_whether_anything_was_applied(api: Api) -> None:
    """W60: 400 means nothing; who wants the rest gets 200 with what was left out."""
    document = {"streams": {"demo": stream(), "x": "CREATE"}, "rules": {"r": rule()}}
    assert paths(await put(api, document)) == {"streams.x"}
    assert await exported(api) == {}
    reply = await put(api, document, "?onError=continue")
    assert (reply.status, [fault["path"] for fault in reply.json["faults"]]) == (200, ["streams.x"])
    assert {section: set(entries) for section, entries in (await exported(api)).items()} == {"streams": {"demo"}, "rules": {"r"}}


async def test_what_cannot_be_done_after_an_import_is_refused_before_it(api: Api) -> None:
    """W60: a process that is no server refuses `stop=1`, and has changed nothing."""
    assert api.controller.on_shut_down is None
    assert (await put(api, plant(), "?stop=1")).status == 400
    assert (await task_of(api, plant(), "?stop=1"))["status"] == "error"
    assert await exported(api) == {}


async def test_a_full_import_leaves_nothing_that_the_document_does_not_name(tmp_path: Path) -> None:
    """W61: neither rules that do not load at a start, nor configurations of types that nobody knows."""
    async with open_api(tmp_path) as api:
        await put(api, {**plant(), "sourceConfig": {"nosuchtype": '{"k":{"a":1}}'}})
        assert (await api.ask("DELETE", "/streams/demo?force=true")).status == 200
    async with open_api(tmp_path) as api:
        assert set(await exported(api)) >= {"rules", "sourceConfig", "uploads"}
        assert (await put(api, {"streams": {"s": stream("s")}})).status == 200
        assert await exported(api) == {"streams": {"s": stream("s")}}
        assert list((tmp_path / "uploads").iterdir()) == []
        assert api.host.states == {}


async def test_v2_tells_every_fault_and_applies_nothing(api: Api) -> None:
    """W62: not the first fault only, and nothing of what stands before it."""
    document = {
        "sourceConfig": {"sources.mqtt": {"qos": 1}, "sources.mqtt.k": {"qos": 1}},
        "uploads": {"u": {"name": "u", "content": "x"}, "v": {"name": "w", "content": "x"}},
        "streams": {"demo": {"sql": stream()}, "bad": {"sql": "CREATE"}},
        "rules": {"r": {"id": "r", "sql": "SELECT a FROM nosuch", "actions": [{"nop": {}}]}},
    }
    refused = await put(api, document, path="/v2/data/import")
    assert paths(refused) == {"sourceConfig.sources.mqtt", "uploads.v", "streams.bad", "rules.r.sql"}
    assert await exported(api) == {}
