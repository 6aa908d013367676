"""Configurations between files and a server, with the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.command_line import plutino
from e2e.harness import Server

ROOT = Path(__file__).resolve().parents[2]
PLANT = str(ROOT / "examples/plant")
STREAM = 'CREATE STREAM s (a BIGINT) WITH (TYPE="memory", DATASOURCE="s", FORMAT="json")'
RULE = {"id": "r", "sql": "SELECT a FROM s", "actions": [{"nop": {}}]}


def document(**rules: object) -> str:
    """A document with the stream ``s`` and these rules."""
    return json.dumps({"streams": {"s": STREAM}, "rules": {name: json.dumps(rule) for name, rule in rules.items()}})


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("target", ["copy/", "copy.zip", "copy.yaml", "copy.json"])
def test_export_in_every_format_is_the_same(server: Server, tmp_path: Path, target: str) -> None:
    """What is exported, in whatever format, is no difference, says the same twice, and fills another server."""
    plutino("import", PLANT, server=server)
    plutino("export", target, server=server, folder=tmp_path)
    copy = tmp_path / target
    assert plutino("diff", str(copy), "--exit-code", server=server).stdout == "no difference (15 objects)\n"
    before = files(copy) if copy.is_dir() else copy.read_bytes()
    plutino("import", "-", server=server, stdin="{}")
    plutino("import", str(copy), server=server)
    plutino("export", target, server=server, folder=tmp_path)
    if target != "copy.json":  # the others have no spelling of their own, so what they fill is written alike
        assert (files(copy) if copy.is_dir() else copy.read_bytes()) == before
    assert plutino("diff", PLANT, "--exit-code", server=server).stdout == "no difference (15 objects)\n"


def test_faults_of_a_folder_name_its_files(server: Server, tmp_path: Path) -> None:
    """Every fault of a folder says file, line and column, offline and from the server."""
    (tmp_path / "site/streams").mkdir(parents=True)
    (tmp_path / "site/rules").mkdir()
    (tmp_path / "site/streams/s.sql").write_text(STREAM)
    (tmp_path / "site/rules/r.yaml").write_text("# a rule\nid: r\nsql: SELECT a FROM none\nactions: [{nop: {}}]\n")
    for command in (("validate", "site"), ("import", "site"), ("diff", "site")):
        lines = plutino(*command, server=server, folder=tmp_path, code=1).stderr.splitlines()
        assert lines[0] == "error: refused, nothing was changed: 1 fault"
        assert lines[1].startswith("  rules.r.sql (site/rules/r.yaml:2:1): fail to get stream none")


def test_selected_rules_in_other_formats(server: Server, tmp_path: Path) -> None:
    """Rules with what they need can be written as YAML, bundle and folder, too."""
    plutino("import", PLANT, server=server)
    for target in ("hot.yaml", "hot.zip", "hot/"):
        shown = plutino("export", target, "--rules", "hot", server=server, folder=tmp_path).stdout
        assert shown == f"exported 1 stream, 1 rule, 1 source configuration, 1 sink configuration to {target}\n"
        assert plutino("diff", target, "--partial", server=server, folder=tmp_path).stdout == "no difference (4 objects)\n"


def test_signed_bundles(server: Server, tmp_path: Path) -> None:
    """A server with a trusted key takes bundles that are signed by it, and no others; so does the command line."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    (tmp_path / "key").write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    (tmp_path / "pub").write_bytes(key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
    plutino("import", "-", server=server, stdin=document(r=RULE))
    plutino("export", "--bundle", "plain.zip", server=server, folder=tmp_path)
    plutino("export", "--bundle", "signed.zip", "--sign", "key", server=server, folder=tmp_path)
    refused = plutino("import", "plain.zip", "--trust", "pub", server=server, folder=tmp_path, code=1)
    assert refused.stderr == "error: bundle: not signed; a signature by a trusted key is expected\n"
    plutino("import", "signed.zip", "--trust", "pub", server=server, folder=tmp_path)
    careful = Server(tmp_path / "careful" / "data", "--trusted-key", str(tmp_path / "pub"))
    careful.start()
    try:
        assert "not signed" in plutino("import", "plain.zip", server=careful, folder=tmp_path, code=1).stderr
        assert careful.request("GET", "/streams").json() == []
        plutino("import", "signed.zip", server=careful, folder=tmp_path)
        assert careful.request("GET", "/streams").json() == ["s"]
    finally:
        careful.stop()


def test_import_from_standard_input(server: Server) -> None:
    """``-`` reads the document from a pipe, and export writes one."""
    plutino("import", "-", server=server, stdin=document(r=RULE))
    exported = plutino("export", server=server).stdout
    assert json.loads(json.loads(exported)["rules"]["r"]) == RULE
    assert plutino("import", "-", "--dry-run", server=server, stdin=exported).stdout == "no difference (2 objects)\n"


def test_dry_run_changes_nothing(server: Server) -> None:
    """diff and import --dry-run show what would happen, and it does not."""
    shown = plutino("import", "-", "--dry-run", server=server, stdin=document(r=RULE)).stdout
    assert shown.splitlines() == [
        "+ stream  s  TYPE=memory  DATASOURCE=s  FORMAT=json",
        "+ rule    r  SELECT a FROM s",
        "2 to create",
    ]
    assert server.request("GET", "/streams").json() == []


def test_full_and_partial(server: Server) -> None:
    """A full import deletes what the document does not name, a partial one leaves it."""
    plutino("import", "-", server=server, stdin=document(r=RULE, other={**RULE, "id": "other"}))
    changed = document(r={**RULE, "sql": "SELECT a + 1 AS b FROM s"})
    assert "to delete" not in plutino("diff", "-", "--partial", server=server, stdin=changed).stdout
    assert "- rule  other\n" in plutino("diff", "-", server=server, stdin=changed).stdout
    plutino("import", "-", "--partial", server=server, stdin=changed)
    assert [rule["id"] for rule in server.request("GET", "/rules").json()] == ["other", "r"]
    plutino("import", "-", server=server, stdin=changed)
    assert [rule["id"] for rule in server.request("GET", "/rules").json()] == ["r"]


def test_every_fault_is_told_and_nothing_changes(server: Server) -> None:
    """A document with several faults lists them all, with their places; the state before stays."""
    plutino("import", "-", server=server, stdin=document(r=RULE))
    bad = document(one={"id": "one", "sql": "SELECT", "actions": [{"nop": {}}]}, two={"id": "two", "sql": "SELECT a FROM s"}, r=RULE)
    result = plutino("import", "-", server=server, stdin=bad, code=1)
    lines = result.stderr.splitlines()
    assert lines[0] == "error: refused, nothing was changed: 2 faults"
    assert [line.split(" ")[2] for line in lines[1:]] == ["rules.one.sql", "rules.two"]
    assert all("of the document): " in line for line in lines[1:])
    assert [rule["id"] for rule in server.request("GET", "/rules").json()] == ["r"]
    faults = json.loads(plutino("import", "-", "--json", server=server, stdin=bad, code=1).stderr)["faults"]
    assert [fault["path"] for fault in faults] == ["rules.one.sql", "rules.two"]


def test_a_text_that_is_no_document(server: Server) -> None:
    """Broken JSON is refused with its place."""
    result = plutino("import", "-", server=server, stdin='{"streams": {', code=1)
    assert "line 1" in result.stderr


def test_rules_with_what_they_need(server: Server, tmp_path: Path) -> None:
    """--rules exports the closure of the rules, nothing else; an unknown rule is refused."""
    plutino("import", PLANT, server=server)
    file = tmp_path / "some.json"
    plutino("export", str(file), "--rules", "hot,checks", server=server)
    found = {section: sorted(entries) for section, entries in json.loads(file.read_text()).items() if entries}
    assert found == {
        "rules": ["checks", "hot"],
        "streams": ["checks", "fillers"],
        "sinkConfig": ["memory"],
        "sourceConfig": ["httppush", "simulator"],
    }
    assert "nobody" in plutino("export", "--rules", "nobody", server=server, code=1).stderr


@pytest.mark.parametrize("name", ["examples/plant", "examples/plant.json"])
def test_validate_needs_no_server(name: str) -> None:
    """Either form of the example is valid by itself."""
    assert plutino("validate", str(ROOT / name)).stdout.startswith("valid: 3 streams, 1 table, 6 rules")


def test_validate_against_a_state(tmp_path: Path) -> None:
    """A rule on a stream of the given state is valid on top of it only; versions must rise in a partial import."""
    state, change = tmp_path / "state.json", tmp_path / "change.json"
    state.write_text(document(r={**RULE, "version": "2"}))
    change.write_text(json.dumps({"rules": {"n": json.dumps({**RULE, "id": "n"})}}))
    assert "fail to get stream s" in plutino("validate", str(change), code=1).stderr
    result = json.loads(plutino("validate", str(change), "--against", str(state), "--partial", "--json").stdout)
    assert (result["valid"], result["summary"]["created"]) == (True, 1)
    change.write_text(document(r={**RULE, "version": "1"}))
    assert "is lower" in plutino("validate", str(change), "--against", str(state), "--partial", code=1).stderr
    plutino("validate", str(change), "--against", str(state))
    state.write_text("{")
    assert "the state to check against is refused" in plutino("validate", str(change), "--against", str(state), code=1).stderr


def test_validate_hints_at_what_can_never_work(tmp_path: Path) -> None:
    """With the place in the statement; the document is valid all the same, and no hint is given where nothing is declared."""
    stream = 'CREATE STREAM ty (temp BIGINT, name STRING) WITH (DATASOURCE="t", FORMAT="json")'
    rule = {"id": "r", "sql": "SELECT abs(name) AS x FROM ty", "actions": [{"nop": {}}]}
    file = tmp_path / "site.json"
    file.write_text(json.dumps({"streams": {"ty": stream}, "rules": {"r": json.dumps(rule)}}))
    told = plutino("validate", str(file))
    assert told.stdout == "valid: 1 stream, 1 rule\n"
    assert "rules.r.sql: line 1, column 8: abs(name): name is string; abs works with bigint or float" in told.stderr
    [hint] = json.loads(plutino("validate", str(file), "--json").stdout)["hints"]
    assert (hint["path"], hint["line"]) == ("rules.r.sql", 1)
    assert "doubtful: rules.r.sql: line 1, column 8" in plutino("lint", str(file), code=1).stdout
    rule["sql"] = "SELECT abs(temp) AS x FROM ty"
    file.write_text(json.dumps({"streams": {"ty": stream}, "rules": {"r": json.dumps(rule)}}))
    assert plutino("validate", str(file)).stderr == ""


def test_ekuipers_own_verbs(server: Server, tmp_path: Path) -> None:
    """``import data`` and ``export data`` with files, as scripts for the original call them."""
    file = tmp_path / "data.json"
    file.write_text(document(r=RULE))
    sections = json.loads(plutino("import", "data", "-f", str(file), "-p", "true", server=server).stdout)
    assert set(map(str, sections.values())) == {"{}"}
    assert plutino("export", "data", str(file), "-r", '["r"]', server=server).stdout == "export configuration success\n"
    assert json.loads(json.loads(file.read_text())["rules"]["r"]) == RULE
    assert plutino("getstatus", "import", server=server).stdout.startswith("{")
