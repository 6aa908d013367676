"""One document for many sites, linting, and folders in Git, with the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from e2e.command_line import plutino
from e2e.harness import Server

BASE = """\
parameters:
    site: {type: string, description: Name of the plant}
    limit: {type: int, default: 90}
streams:
    boiler: {sql: 'CREATE STREAM boiler (t BIGINT) WITH (TYPE="memory", DATASOURCE="${param:site}/boiler")'}
rules:
    hot:
        sql: SELECT t FROM boiler WHERE t > ${param:limit}
        actions:
            - memory: {topic: "${param:site}/hot"}
    test: {sql: SELECT t FROM boiler, actions: [{nop: {}}]}
"""
SITE = "parameters: {limit: 80}\nrules: {test: null}\n"


def files(folder: Path) -> None:
    (folder / "base.yaml").write_text(BASE)
    (folder / "site.yaml").write_text(SITE)


def test_a_base_and_a_site_become_a_document(server: Server, tmp_path: Path) -> None:
    """On standard output, into files of both formats, checked, and imported."""
    files(tmp_path)
    arguments = ("-f", "base.yaml", "-f", "site.yaml", "--set", "site=north")
    printed = yaml.safe_load(plutino("render", *arguments, folder=tmp_path).stdout)
    assert printed["rules"]["hot"]["sql"] == "SELECT t FROM boiler WHERE t > 80"
    assert set(printed["rules"]) == {"hot"}
    for target in ("north.yaml", "north.json"):
        plutino("render", *arguments, "-o", target, folder=tmp_path)
        assert plutino("import", target, server=server, folder=tmp_path).stdout == "imported 1 stream, 1 rule\n"
    assert plutino("validate", "base.yaml", "site.yaml", "--set", "site=x", folder=tmp_path).stdout == "valid: 1 stream, 1 rule\n"
    listed = json.loads(plutino("render", "base.yaml", "--parameters", folder=tmp_path).stdout)
    assert [(row["name"], row["value"]) for row in listed] == [("limit", 90), ("site", None)]


def test_faults_name_file_line_and_column(tmp_path: Path) -> None:
    """Of parameters, and of the document that comes out."""
    files(tmp_path)
    missing = plutino("render", "base.yaml", folder=tmp_path, code=1).stderr
    assert "parameters.site (base.yaml:2:5): parameter site (Name of the plant): no value" in missing
    (tmp_path / "wrong.yaml").write_text("rules:\n    hot:\n        sql: SELECT nosuch(t) FROM boiler\n")
    wrong = plutino("validate", "base.yaml", "wrong.yaml", "--set", "site=x", folder=tmp_path, code=1).stderr
    assert "rules.hot.sql (wrong.yaml:3:14): Invalid rule json" in wrong


def test_apply_tells_places_in_the_files_that_were_put_together(server: Server, tmp_path: Path) -> None:
    """Not in the document that was sent: its lines are nowhere to be seen."""
    (tmp_path / "site" / "streams").mkdir(parents=True)
    (tmp_path / "site" / "rules").mkdir()
    (tmp_path / "site" / "streams" / "boiler.sql").write_text('CREATE STREAM boiler (t BIGINT) WITH (TYPE="memory", DATASOURCE="b")')
    (tmp_path / "site" / "rules" / "hot.yaml").write_text("sql: SELECT tt FROM boiler\nactions: [{nop: {}}]\n")
    (tmp_path / "over.yaml").write_text("rules:\n    hot: {tags: [a]}\n")
    refused = plutino("apply", "site", "over.yaml", "--owner", "o", server=server, folder=tmp_path, code=1).stderr
    assert "rules.hot.sql (site/rules/hot.yaml:1:1): unknown field tt" in refused
    alone = plutino("apply", "site", "--owner", "o", server=server, folder=tmp_path, code=1).stderr
    assert "rules.hot.sql (site/rules/hot.yaml:1:1): unknown field tt" in alone


def test_rules_that_fail_at_once_are_told(server: Server, tmp_path: Path) -> None:
    """The document is right and taken over; that a variable is missing shows when the rule begins."""
    document = {
        "streams": {"s": 'CREATE STREAM s () WITH (TYPE="memory", DATASOURCE="s")'},
        "rules": {"r": json.dumps({"sql": "SELECT * FROM s", "actions": [{"memory": {"topic": "${env:NOT_THERE_AT_ALL}"}}]})},
    }
    (tmp_path / "d.json").write_text(json.dumps(document))
    found = plutino("import", "d.json", server=server, folder=tmp_path)
    assert found.stdout == "imported 1 stream, 1 rule\n"
    place = "rules.r (line 1, column 98 of the document)"
    assert found.stderr.startswith(f"imported, but does not run: {place}: reference ${{env:NOT_THERE_AT_ALL}}: no such variable")


def test_secrets_come_from_files(tmp_path: Path) -> None:
    """So that they are seen neither in the document nor on the command line."""
    (tmp_path / "base.yaml").write_text(
        "parameters: {pw: {secret: true}}\nconnectionConfig: {connections.mqtt.c: {server: 'tcp://h:1', password: '${param:pw}'}}\n"
    )
    (tmp_path / "pw").write_text("from-a-file\n")
    printed = yaml.safe_load(plutino("render", "base.yaml", "--set-file", "pw=pw", folder=tmp_path).stdout)
    assert printed["connectionConfig"]["connections.mqtt.c"]["password"] == "from-a-file"


def test_lint_finds_what_is_likely_wrong(tmp_path: Path) -> None:
    """With file, line, column and the rule that found it; exit code 1."""
    (tmp_path / "base.yaml").write_text(
        """\
parameters: {unused: {default: x}}
sourceConfig:
    sources.mqtt.a: {servr: "tcp://x:1883", password: abc, clientid: one}
    sources.mqtt.b: {server: "tcp://y:1883"}
streams:
    s: {sql: 'CREATE STREAM s () WITH (DATASOURCE="t", TYPE="mqtt", CONF_KEY="a")'}
rules:
    r:
        sql: SELECT * FROM s
        actions:
            - mqtt: {server: "tcp://127.0.0.1:1883", topic: o, clientid: one, tableDataField: x}
        options: {qoss: 1}
"""
    )
    found = plutino("lint", "base.yaml", folder=tmp_path, code=1).stdout.replace("base.yaml:", "").splitlines()
    share = "share a connection, or give each its own"
    assert found == [
        "1:14: parameter: parameters.unused: parameter unused: nothing uses it",
        "3:29: unknown: sourceConfig.mqtt.a.servr: servr: not known; did you mean server?",
        "3:55: secret: sourceConfig.mqtt.a.password: password: a secret in plain text; refer to it as ${env:NAME} or ${file:PATH}",
        "4:5: unused: sourceConfig.mqtt.b: source config mqtt.b: nothing uses it",
        f"6:5: client-id: streams.s: client id one: also used by rules.r.actions.0.mqtt; {share}",
        f"11:21: client-id: rules.r.actions.0.mqtt: client id one: also used by streams.s; {share}",
        "11:95: deprecated: rules.r.actions.0.mqtt.tableDataField: tableDataField: an older spelling; write dataField",
        "12:25: unknown: rules.r.options.qoss: qoss: not known; did you mean qos?",
        "8 findings",
    ]
    fewer = plutino("lint", "base.yaml", "--ignore", "client-id", "--ignore", "unused", "--json", folder=tmp_path, code=1)
    assert [finding["code"] for finding in json.loads(fewer.stdout)] == ["parameter", "unknown", "secret", "deprecated", "unknown"]
    (tmp_path / "fine.yaml").write_text(BASE)
    assert plutino("lint", "fine.yaml", "--set", "site=x", folder=tmp_path).stdout == "nothing found in 1 stream, 2 rules\n"


def test_a_folder_is_applied_for_its_owner(server: Server, tmp_path: Path) -> None:
    """What is taken out of the folder is deleted, and nothing else; an empty folder deletes nothing."""
    folder = tmp_path / "site"
    for section in ("streams", "rules"):
        (folder / section).mkdir(parents=True)
    (folder / "streams/s.sql").write_text('CREATE STREAM s (t BIGINT) WITH (TYPE="memory", DATASOURCE="x")')
    for name in ("a", "b"):
        (folder / f"rules/{name}.yaml").write_text("sql: SELECT t FROM s\nactions: [{nop: {}}]\n")
    apply = ("apply", "site", "--owner", "plant", "--prune")
    dry = plutino(*apply, "--dry-run", "--exit-code", server=server, folder=tmp_path, code=1).stdout
    assert dry.splitlines()[-1] == "3 to create"
    assert "3 to create" in plutino(*apply, server=server, folder=tmp_path).stdout
    assert plutino(*apply, server=server, folder=tmp_path).stdout == "plant: no difference (3 objects)\n"
    server.request("POST", "/rules", json={"id": "mine", "sql": "SELECT t FROM s", "actions": [{"nop": {}}]})
    (folder / "rules/b.yaml").unlink()
    assert "1 to delete" in plutino(*apply, server=server, folder=tmp_path).stdout
    assert [rule["id"] for rule in server.request("GET", "/rules").json()] == ["a", "mine"]
    assert plutino("owners", server=server).stdout == "plant: rules.a, streams.s\n"
    (folder / "rules/mine.yaml").write_text("sql: SELECT t FROM s\nactions: [{nop: {}}]\n")
    claimed = plutino(*apply, server=server, folder=tmp_path).stdout
    assert "1 object there already, from now on the owner's: rules.mine" in claimed
    for path in [*folder.glob("*/*")]:
        path.unlink()
    refused = plutino(*apply, server=server, folder=tmp_path, code=1).stderr
    assert "allowEmpty=1" in refused
    plutino(*apply, "--allow-empty", server=server, folder=tmp_path)
    assert server.request("GET", "/rules").json() == []
