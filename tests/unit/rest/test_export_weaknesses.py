"""Weaknesses of exports and documents that are known from the original, one test each: what must hold instead.

Their numbers (W12, W16, …) are those of `docs/differences.md`. Imports are in `test_import_weaknesses.py`.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from plutino.control import Policy
from unit.resources.archives import packed, portable, service
from unit.rest.kit import Api, Reply, open_api

JSON = {"accept": "application/json"}
SCRIPT = json.dumps({"id": "area", "script": "function area(x) { return x; }"})
BINARY = bytes(range(256))


def stream(name: str = "demo", options: str = ', TYPE="memory"') -> str:
    return f'CREATE STREAM {name} (a BIGINT) WITH (DATASOURCE="topic/{name}"{options})'


def rule(id: str = "r", sql: str = "SELECT a FROM demo", **fields: Any) -> str:
    return json.dumps({"id": id, "sql": sql, "actions": [{"nop": {}}], **fields})


async def put(api: Api, sections: Any, query: str = "", path: str = "/data/import") -> Reply:
    content = sections if isinstance(sections, str) else json.dumps(sections)
    reply = await api.ask("POST", f"{path}{query}", {"content": content}, JSON)
    assert reply.status == 200, reply.text
    return reply


async def chosen(api: Api, *ids: str) -> dict[str, dict[str, Any]]:
    """The sections of a selective export that are not empty."""
    reply = await api.ask("POST", "/data/export", list(ids))
    assert reply.status == 200, reply.text
    return {section: entries for section, entries in reply.json.items() if entries}


async def form(api: Api, name: str, data: bytes) -> None:
    head = f'--b\r\nContent-Disposition: form-data; name="uploadFile"; filename="{name}"\r\n\r\n'.encode()
    body = head + data + b"\r\n--b--\r\n"
    assert (await api.ask("POST", "/config/uploads", body, {"content-type": "multipart/form-data; boundary=b"})).status == 201


async def moved(api: Api, other: Api, path: str = "/data/export", target: str = "/data/import") -> None:
    """Everything is brought to another server, which then exports the same bytes."""
    document = (await api.ask("GET", path)).text
    await put(other, document, path=target)
    assert (await other.ask("GET", path)).text == document


async def test_the_functions_of_a_plugin_travel_with_it(api: Api, tmp_path: Path) -> None:
    """W12: a plugin that was moved offers the same functions."""
    entry = {"name": "geohash", "file": "http://plugins.example/x.zip", "functions": ["geohashEncode", "geohashDecode"]}
    assert (await api.ask("POST", "/plugins/functions", entry)).status == 201
    async with open_api(tmp_path / "other") as other:
        await moved(api, other)
        assert (await other.ask("GET", "/plugins/udfs")).json == ["geohashDecode", "geohashEncode"]


async def test_configurations_of_unknown_types_are_exported(api: Api, tmp_path: Path) -> None:
    """W16: what is stored is exported, whether or not this server knows what it is for."""
    unknown = {"nosuchtype": '{"k":{"a":1}}'}
    await put(api, {"sourceConfig": {**unknown, "mqtt": '{"k":{"qos":1}}'}, "sinkConfig": unknown})
    document = (await api.ask("GET", "/data/export")).json
    assert document["sourceConfig"] == {"mqtt": '{"k":{"qos":1}}', "nosuchtype": '{"k":{"a":1}}'}
    assert document["sinkConfig"] == unknown
    async with open_api(tmp_path / "other") as other:
        await moved(api, other)


async def test_uploads_from_forms_are_exported_whatever_bytes_they_are(api: Api, tmp_path: Path) -> None:
    """W17: in every format, and the file of an upload goes when the upload does."""
    await form(api, "a.bin", BINARY)
    for path, target in (("/data/export", "/data/import"), ("/v2/data/export", "/v2/data/import")):
        async with open_api(tmp_path / path[1:3]) as other:
            await moved(api, other, path, target)
            assert (tmp_path / path[1:3] / "uploads" / "a.bin").read_bytes() == BINARY
    await put(api, {})
    assert list((tmp_path / "data" / "uploads").iterdir()) == []


@pytest.mark.parametrize("type", ["", ', TYPE="mqtt"'])
async def test_a_chosen_rule_takes_its_configuration_along_with_and_without_a_type(api: Api, type: str) -> None:
    """W25: a stream without TYPE is one of mqtt, also when its configuration key is looked for."""
    await put(api, {"sourceConfig": {"mqtt": '{"k":{"qos":1},"other":{"qos":2}}'}})
    await put(api, {"streams": {"demo": stream(options=f'{type}, CONF_KEY="k"')}, "rules": {"r": rule()}}, "?partial=1")
    document = await chosen(api, "r")
    assert document["sourceConfig"] == {"mqtt": '{"k":{"qos":1}}'}


async def test_a_rule_with_a_type_in_another_case_is_refused(api: Api) -> None:
    """W25: names of types are exact, so no export can leave out what belongs to a type that is almost the same."""
    content = {"streams": {"demo": stream(options=', TYPE="MQTT", CONF_KEY="k"')}, "rules": {"r": rule()}}
    refused = await api.ask("POST", "/data/import", {"content": json.dumps(content)}, JSON)
    assert [(fault["path"], fault["text"]) for fault in refused.json["faults"]] == [("rules.r.sql", "source type MQTT not found")]


@pytest.mark.parametrize("format", ["protobuf", "PROTOBUF", "Protobuf"])
async def test_a_chosen_rule_takes_its_schemas_along_however_the_format_is_written(api: Api, format: str) -> None:
    """W25: of streams and of actions."""
    text = "message P {required int64 a = 1;}"
    schemas = {f"protobuf_{name}": json.dumps({"type": "protobuf", "name": name, "content": text}) for name in "pqx"}
    actions = [{"mqtt": {"server": "tcp://a:1883", "topic": "x", "format": format, "schemaId": "q.P"}}]
    streams = {"demo": stream(options=f', TYPE="memory", FORMAT="{format}", SCHEMAID="p.P"')}
    await put(api, {"Schema": schemas, "streams": streams, "rules": {"r": rule(actions=actions)}})
    assert set((await chosen(api, "r"))["Schema"]) == {"protobuf_p", "protobuf_q"}


async def test_an_unknown_rule_is_named_and_never_an_empty_entry(api: Api) -> None:
    """W26: the export fails; and no entry of a good one is empty."""
    await put(api, {"streams": {"demo": stream()}, "rules": {"r": rule()}})
    refused = await api.ask("POST", "/data/export", ["r", "nosuch"])
    assert (refused.status, "nosuch" in refused.json["message"]) == (404, True)
    assert all(text for entries in (await chosen(api, "r")).values() for text in entries.values())


@pytest.mark.parametrize("path", ["/data/import", "/v2/data/import", "/ruleset/import"])
async def test_a_graph_takes_what_its_nodes_use_along(api: Api, path: str) -> None:
    """W27, W28: its streams, and functions in every expression, whichever way it came in."""
    join = {"from": "demo", "joins": [{"name": "t", "type": "left", "on": "demo.a = t.id and area(demo.a) > 1"}]}
    nodes = {
        "s": {"type": "source", "nodeType": "memory", "props": {"sourceName": "demo"}},
        "t": {"type": "source", "nodeType": "memory", "props": {"sourceName": "t", "sourceType": "table"}},
        "j": {"type": "operator", "nodeType": "join", "props": join},
        "out": {"type": "sink", "nodeType": "nop", "props": {}},
    }
    made = {"id": "g", "graph": {"nodes": nodes, "topo": {"sources": ["s", "t"], "edges": {"s": ["j"], "t": ["j"], "j": ["out"]}}}}
    await api.ask("POST", "/udf/javascript", {"id": "area", "script": json.loads(SCRIPT)["script"]})
    v2 = path.startswith("/v2")
    table = 'CREATE TABLE t () WITH (DATASOURCE="t", TYPE="memory", KIND="lookup", KEY="id")'
    texts = {"streams": {"demo": stream(options=', TYPE="memory"')}, "tables": {"t": table}}
    sources = {kind: {name: {"sql": sql} if v2 else sql for name, sql in each.items()} for kind, each in texts.items()}
    document = json.dumps({**sources, "rules": {"g": made if v2 else json.dumps(made)}})
    taken = await api.ask("POST", f"{path}?partial=1", {"content": document}, JSON)
    assert (taken.status, api.host.state("g")) == (200, "running"), taken.text
    found = await chosen(api, "g")
    assert {section: set(entries) for section, entries in found.items() if entries} == {
        "streams": {"demo"},
        "tables": {"t"},
        "rules": {"g"},
        "scripts": {"area"},
    }


async def test_a_chosen_rule_takes_its_scripts_along(api: Api) -> None:
    """W29: those that it calls, and no others."""
    scripts = {"area": SCRIPT, "spare": SCRIPT.replace("area", "spare")}
    await put(api, {"streams": {"demo": stream()}, "rules": {"r": rule(sql="SELECT area(a) AS x FROM demo")}, "scripts": scripts})
    assert (await chosen(api, "r"))["scripts"] == {"area": SCRIPT}


@pytest.mark.parametrize("body", ["{", "", "null", "{}", "[1]", '"r"'])
async def test_a_selection_that_cannot_be_read_is_no_empty_document(api: Api, body: str) -> None:
    """W31: it is refused."""
    assert (await api.ask("POST", "/data/export", body)).status == 400


@pytest.mark.parametrize("path", ["/data/export", "/v2/data/export", "/data/bundle"])
async def test_an_export_that_fails_says_so(api: Api, tmp_path: Path, path: str) -> None:
    """W31: when kept bytes cannot be read, there is an error instead of a document without them."""
    await form(api, "a.bin", BINARY)
    for kept in (tmp_path / "data" / "blobs").rglob("*"):
        if kept.is_file():
            kept.unlink()
    reply = await api.ask("GET", path)
    assert reply.status >= 400
    assert reply.json["message"]


async def test_secrets_leave_only_where_they_are_wanted(tmp_path: Path) -> None:
    """W53: exports mask or encrypt them when asked to, and a server can be told to give none away at all."""
    secret = "s3cret-0f-the-broker"
    action = {"mqtt": {"server": "tcp://a:1883", "topic": "x", "password": secret}}
    properties = json.dumps({"k": {"server": "tcp://a:1883", "password": secret}})
    document = {
        "streams": {"demo": stream()},
        "rules": {"r": rule(actions=[action])},
        **{section: {"mqtt": properties.replace('"k"', f'"{section}"')} for section in ("sourceConfig", "sinkConfig", "connectionConfig")},
    }
    shown = ("/data/export", "/v2/data/export", "/connections", "/rules/r", "/metadata/sources/yaml/mqtt", "/metadata/sinks/yaml/mqtt")
    async with open_api(tmp_path / "open") as api:
        await put(api, document)
        for query, headers in (("?secrets=redact", {}), ("?secrets=encrypt", {"plutino-passphrase": "correct horse battery"})):
            hidden = await api.ask("GET", f"/data/export{query}", headers=headers)
            assert (hidden.status, secret in hidden.text) == (200, False)
    async with open_api(tmp_path / "closed", policy=Policy("redact", plain=False)) as api:
        await put(api, document)
        for path in shown:
            told = await api.ask("GET", path)
            assert (told.status, secret in told.text, "******" in told.text) == (200, False, True), path
        assert (await api.ask("GET", "/data/export?secrets=plain")).status == 403


async def test_a_chosen_rule_takes_no_connections_and_uploads_of_others_along(api: Api) -> None:
    """W54: only those that it uses."""
    used = [{"mqtt": {"connectionSelector": "c", "topic": "x"}}]
    await put(
        api,
        {
            "streams": {"demo": stream()},
            "rules": {"r": rule(actions=used), "q": rule("q")},
            "connectionConfig": {"mqtt": '{"c":{"server":"tcp://a:1883"},"d":{"server":"tcp://a:1883"}}'},
            "uploads": {"u": '{"name":"u","content":"x"}'},
        },
    )
    assert {section: set(entries) for section, entries in (await chosen(api, "q")).items()} == {"streams": {"demo"}, "rules": {"q"}}
    document = await chosen(api, "r")
    assert document["connectionConfig"] == {"mqtt": '{"c":{"server":"tcp://a:1883"}}'}
    assert "uploads" not in document


async def test_temporary_streams_are_in_no_export(api: Api, tmp_path: Path) -> None:
    """W55: every export can be imported as a whole."""
    await put(api, {"streams": {"demo": stream()}})
    created = await api.ask("POST", "/streams", {"sql": stream("passing", ', TYPE="memory", TEMP="true"')})
    assert created.status == 201
    assert set((await api.ask("GET", "/streams")).json) == {"demo", "passing"}
    for path, target in (("/data/export", "/data/import"), ("/v2/data/export", "/v2/data/import")):
        assert "passing" not in (await api.ask("GET", path)).text
        async with open_api(tmp_path / path[1:3]) as other:
            await moved(api, other, path, target)


async def test_documents_can_be_tried_and_say_what_is_unknown_in_them(api: Api) -> None:
    """W56: a dry run changes nothing; unknown sections are told with their place."""
    unknown = {"streams": {"demo": stream()}, "ruels": {"r": rule()}}
    tried = await put(api, unknown, "?dryRun=1")
    assert tried.json["summary"] == {"created": 1, "updated": 0, "deleted": 0, "unchanged": 0}
    assert (await api.ask("GET", "/streams")).json == []
    for path in ("/data/import", "/v2/data/import"):
        content = unknown if path == "/data/import" else {"streams": {"demo": {"sql": stream()}}, "ruels": {}}
        (warning,) = (await put(api, content, path=path)).json["warnings"]
        assert warning["path"] == "ruels"
        assert warning["line"] == 1


async def test_a_bundle_says_who_made_it_and_what_must_be_in_it(api: Api) -> None:
    """W56: version, producer and a checksum of each file; what does not fit them is refused."""
    await put(api, {"streams": {"demo": stream()}})
    bundle = (await api.ask("GET", "/data/bundle")).data
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files["manifest.json"])
    assert (manifest["format"], manifest["producer"].split()[0]) == (1, "plutino")
    digest = hashlib.sha256(files["streams/demo.yaml"]).hexdigest()
    assert manifest["files"] == {"streams/demo.yaml": {"sha256": digest, "size": len(files["streams/demo.yaml"])}}
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data.replace(b"topic/demo", b"topic/evil"))
    refused = await api.ask("POST", "/data/bundle", changed.getvalue(), JSON)
    assert refused.status == 400
    assert refused.json["faults"][0]["file"] == "streams/demo.yaml"


async def test_a_bundle_needs_nothing_from_where_it_was_made(api: Api, tmp_path: Path) -> None:
    """W57: plugins, services and schemas have their bytes in it, and no script of theirs is run."""
    packages = {"adder": packed(tmp_path / "adder.zip", portable()), "math": packed(tmp_path / "math.zip", service())}
    proto = tmp_path / "p.proto"
    proto.write_text("message P {required string n = 1;}")
    await put(
        api,
        {
            "portablePlugins": {"adder": json.dumps({"name": "adder", "file": packages["adder"]})},
            "Service": {"math": json.dumps({"name": "math", "file": packages["math"]})},
            "Schema": {"protobuf_p": json.dumps({"type": "protobuf", "name": "p", "file": f"file://{proto}"})},
        },
    )
    bundle = (await api.ask("GET", "/data/bundle")).data
    for origin in (tmp_path / "adder.zip", tmp_path / "math.zip", proto):
        origin.unlink()
    async with open_api(tmp_path / "other") as other:
        reply = await other.ask("POST", "/data/bundle", bundle, JSON)
        assert (reply.status, reply.json.get("ErrorMsg")) == (200, ""), reply.text
        assert [found["name"] for found in (await other.ask("GET", "/plugins/portables")).json] == ["adder"]
        assert (await other.ask("GET", "/services")).json == ["math"]
        assert "message P" in (await other.ask("GET", "/schemas/protobuf/p")).json["content"]
    scripted = packed(tmp_path / "scripted.zip", {**portable("scripted"), "install.sh": "exit 0"})
    entry = {"portablePlugins": {"scripted": json.dumps({"name": "scripted", "file": scripted})}}
    refused = await api.ask("POST", "/data/import", {"content": json.dumps(entry)}, JSON)
    assert (refused.status, [fault["path"] for fault in refused.json["faults"]]) == (400, ["portablePlugins.scripted"])
    assert "install.sh is not run" in refused.json["faults"][0]["text"]


async def test_a_type_whose_name_begins_like_another_has_its_own_keys(tmp_path: Path) -> None:
    """W59: also after a restart, and also with characters that stand for others in queries."""
    document = {
        "sourceConfig": {"redis": '{"a":{"x":1}}', "redisSub": '{"b":{"x":2}}', "httppull": '{"c":{"x":3}}', "http": '{"d":{"x":4}}'},
        "connectionConfig": {"redis": '{"e_e":{"x":5}}', "redisSub": '{"eee":{"x":6}}'},
    }
    async with open_api(tmp_path) as api:
        await put(api, document)
        before = (await api.ask("GET", "/data/export")).text
    async with open_api(tmp_path) as api:
        assert (await api.ask("GET", "/data/export")).text == before
        for type, text in document["sourceConfig"].items():
            assert (await api.ask("GET", "/data/export")).json["sourceConfig"][type] == text
        shown = (await api.ask("GET", "/metadata/sources/yaml/redisSub")).json
        assert ("b" in shown, "a" in shown) == (True, False)
        assert (await api.ask("GET", "/metadata/connections/yaml/redis")).json == {"e_e": {"x": 5}}
        assert (await api.ask("DELETE", "/connections/e_e")).text == "success"
        assert (await api.ask("GET", "/metadata/connections/yaml/redisSub")).json == {"eee": {"x": 6}}


async def test_scripts_are_in_every_format(api: Api, tmp_path: Path) -> None:
    """W63: nothing of a configuration is lost on the way through v2, and a rule that calls them runs there."""
    await put(api, {"streams": {"demo": stream()}, "rules": {"r": rule(sql="SELECT area(a) AS x FROM demo")}, "scripts": {"area": SCRIPT}})
    document = (await api.ask("GET", "/v2/data/export")).text
    async with open_api(tmp_path / "other") as other:
        await put(other, document, path="/v2/data/import")
        assert (await other.ask("GET", "/data/export")).json["scripts"]["area"] != ""
        assert other.host.state("r") == "running"
