"""Formats, provisioning and migration with real servers."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.command_line import plutino
from e2e.harness import Server, free_port

STORE = Path(__file__).resolve().parents[1] / "corpus" / "store"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Server]:
    """A second server."""
    server = Server(tmp_path / "other" / "data")
    server.start()
    yield server
    server.stop()


def test_a_bundle_restores_without_network(server: Server, other: Server, tmp_path: Path) -> None:
    """What came from files and URLs that are gone is restored from a bundle with its bytes, after which the server starts alike."""
    (tmp_path / "gone").mkdir()
    binary = tmp_path / "gone" / "raw.bin"
    binary.write_bytes(bytes(range(256)))
    with zipfile.ZipFile(tmp_path / "gone" / "adder.zip", "w") as archive:
        archive.writestr("adder.json", json.dumps({"version": "v1", "language": "python", "executable": "m.py", "functions": ["plus"]}))
        archive.writestr("m.py", "pass")
    urls = {name: f"file://{tmp_path}/gone/{name}" for name in ("raw.bin", "adder.zip")}
    assert server.request("POST", "/config/uploads", json={"name": "raw.bin", "file": urls["raw.bin"]}).status_code == 201
    assert server.request("POST", "/config/uploads", files={"uploadFile": ("form.bin", b"\xff\x00form")}).status_code == 201
    assert server.request("POST", "/plugins/portables", json={"name": "adder", "file": urls["adder.zip"]}).status_code == 201
    shutil.rmtree(tmp_path / "gone")
    bundle = server.request("GET", "/data/bundle").content
    names = zipfile.ZipFile(io.BytesIO(bundle)).namelist()
    assert [n for n in names if n.startswith("files/")] == [
        "files/portablePlugins/adder/file",
        "files/uploads/form.bin/file",
        "files/uploads/raw.bin/file",
    ]
    answer = other.request("POST", "/data/bundle", data=bundle)
    assert (answer.status_code, answer.json()["ErrorMsg"]) == (200, "")
    for _ in range(2):
        assert (other.data / "uploads" / "raw.bin").read_bytes() == bytes(range(256))
        assert (other.data / "uploads" / "form.bin").read_bytes() == b"\xff\x00form"
        assert [p["name"] for p in other.request("GET", "/plugins/portables").json()] == ["adder"]
        assert other.request("GET", "/data/bundle").content == bundle
        other.restart()


def test_migration_is_the_export_of_the_original(server: Server, other: Server, tmp_path: Path) -> None:
    """The bundle and the document made of a store give the state that the original's own exports give; the store is not touched."""
    source = tmp_path / "kuiper"
    source.mkdir()
    shutil.copy(STORE / "sqliteKV.db", source)
    before = (source / "sqliteKV.db").read_bytes()
    plutino("migrate", str(source), "--bundle", "k.zip", "-o", "k.json", folder=tmp_path)
    printed = plutino("migrate", str(source)).stdout
    assert json.loads(printed) == json.loads((tmp_path / "k.json").read_text())
    assert [p.name for p in source.iterdir()] == ["sqliteKV.db"]
    assert (source / "sqliteKV.db").read_bytes() == before
    answer = server.request("POST", "/data/import", json={"content": (STORE / "export.json").read_text()})
    assert answer.status_code == 200, answer.text
    wanted = server.request("GET", "/data/export").text
    for name in ("k.zip", "k.json"):
        assert plutino("diff", name, "--exit-code", server=server, folder=tmp_path).stdout == "no difference (14 objects)\n"
    plutino("import", "k.json", server=other, folder=tmp_path)
    assert other.request("GET", "/data/export").text == wanted


def test_the_yaml_of_the_original_is_taken(server: Server) -> None:
    """Its v2 export lays over its v1 export: rules that it wrote as stopped stop, and zeros that it made up are kept as written."""
    script = json.loads((STORE / "export.json").read_text())["scripts"]
    assert server.request("POST", "/data/import", json={"content": json.dumps({"scripts": script})}).status_code == 200
    assert server.request("POST", "/v2/data/import", json={"content": (STORE / "export.yaml").read_text()}).text == "success"
    assert {rule["id"]: rule["status"] for rule in server.request("GET", "/rules").json()} == dict.fromkeys(
        ("chain", "hot", "per_minute"), "stopped"
    )
    rule = server.request("GET", "/rules/hot").json()
    assert (rule["options"]["bufferLength"], rule["options"]["restartStrategy"]) == (0, {"attempts": 3})


def test_v2_answers(server: Server) -> None:
    """Text for clients of the original, an object with faults for those that ask; a refused document changes nothing."""
    good = {"content": 'streams: {s: {sql: \'CREATE STREAM s () WITH (TYPE="memory", DATASOURCE="x")\'}}\nnosuch: {}\n'}
    answer = server.request("POST", "/v2/data/import", json=good)
    assert (answer.text, answer.headers["plutino-warnings"]) == ("success", "1")
    answer = server.request("POST", "/v2/data/import", json=good, headers={"Accept": "application/json"})
    assert answer.json() == {
        "message": "success",
        "error": "",
        "warnings": [{"path": "nosuch", "line": 2, "column": 1, "text": answer.json()["warnings"][0]["text"]}],
    }
    rule = "{id: r, sql: SELECT FROM, actions: [{nop: {}}]}"
    bad = {"content": f"streams:\n  s: {{sql: CREATE STREAM broken}}\n  t: {{sql: x}}\nrules:\n  r: {rule}\n"}
    refused = server.request("POST", "/v2/data/import", json=bad, headers={"Accept": "application/json"})
    assert refused.status_code == 400
    lines = refused.json()["message"].splitlines()
    assert lines[0] == 'import failed: replace stream s failed, err:found "EOF", expected lparen after stream name.'
    assert {(f["path"], f["line"]) for f in refused.json()["faults"]} == {("streams.s", 2), ("streams.t", 3), ("rules.r.sql", 5)}
    assert server.request("GET", "/streams").json() == ["s"]
    assert server.request("POST", "/v2/data/import?partial=0", json={"content": "rules: {}"}).text == "success"
    assert server.request("GET", "/streams").json() == []


def test_ruleset_answers(server: Server) -> None:
    """Counts for what was imported; a faulty ruleset changes nothing, an unreadable one is an answer."""
    stream = 'CREATE STREAM s () WITH (TYPE="memory", DATASOURCE="x")'
    rules = {
        id: json.dumps({"id": id, "sql": f"SELECT * FROM {source}", "actions": [{"nop": {}}]}) for id, source in (("a", "s"), ("b", "none"))
    }
    good = json.dumps({"streams": {"s": stream}, "rules": {"a": rules["a"]}})
    assert server.request("POST", "/ruleset/import", json={"content": good}).text == "imported 1 streams, 0 tables and 1 rules"
    refused = server.request("POST", "/ruleset/import", json={"content": json.dumps({"rules": rules})})
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("rules.b: fail to get stream none")
    assert server.request("POST", "/ruleset/import", json={"content": "{"}).status_code == 400
    exported = server.request("POST", "/ruleset/export").json()
    assert exported == {"streams": {"s": stream}, "tables": {}, "rules": {"a": rules["a"]}}


def test_files_beside_a_server_are_imported_at_its_start(tmp_path: Path) -> None:
    """connection.yaml and init.json are there when the first request comes; what failed does not keep the server from starting."""
    data, etc = tmp_path / "data", tmp_path / "etc"
    (etc / "connections").mkdir(parents=True)
    data.mkdir()
    broker = f"tcp://127.0.0.1:{free_port()}"
    (etc / "connections" / "connection.yaml").write_text(f"mqtt:\n    one: {{server: '{broker}'}}\nhttppush:\n    two: {{}}\n")
    stream = 'CREATE STREAM s () WITH (TYPE="memory", DATASOURCE="x")'
    (data / "init.json").write_text(json.dumps({"streams": {"s": stream}}))
    (etc / "init.json").write_text(json.dumps({"rules": {"r": "{"}}))
    server = Server(data, "--etc", str(etc))
    server.start()
    try:
        assert [c["id"] for c in server.request("GET", "/connections").json()] == ["one", "two"]
        assert server.request("GET", "/streams").json() == ["s"]
        assert "unexpected end of JSON input" in server.request("GET", "/data/import/status").json()["rules"]["r"]
        assert "provisioning failed" in server.log_tail()
        server.request("DELETE", "/streams/s")
        rule = {"id": "r", "sql": "SELECT * FROM s", "actions": [{"nop": {}}]}
        (etc / "init.json").write_text(json.dumps({"streams": {"s": stream}, "rules": {"r": json.dumps(rule)}}))
        server.restart(killed=False)
        server.wait_for_rule("r")
    finally:
        server.stop()
