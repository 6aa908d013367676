"""A real server with secrets: they reach what they are for, and neither its log nor anything it answers tells them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.command_line import plutino
from e2e.harness import Server, free_port, wait_until

PASSWORD, TOKEN, HIDDEN = "passw0rd-for-nobody", "t0ken-for-nobody", "hidden-in-the-environment"


def document(port: int) -> dict[str, dict[str, str]]:
    """Rules that fail to log in anywhere, with secrets wherever they can be."""
    broker = f"tcp://user:{PASSWORD}@127.0.0.1:{port}"
    actions = [
        {"mqtt": {"server": broker, "topic": "x", "password": "${env:PLUTINO_TEST_PASSWORD}"}},
        {"rest": {"url": f"http://127.0.0.1:{port}/?token={TOKEN}", "headers": {"Authorization": f"Bearer {TOKEN}"}}},
    ]
    rule = {"id": "r", "sql": "SELECT * FROM s", "actions": actions}
    missing = {"id": "missing", "sql": "SELECT * FROM s", "actions": [{"mqtt": {"server": "${env:PLUTINO_TEST_NONE}", "topic": "x"}}]}
    extra = json.dumps(json.dumps({"password": PASSWORD}))
    return {
        "streams": {"s": f'CREATE STREAM s () WITH (DATASOURCE="t", TYPE="mqtt", CONF_KEY="k", EXTRA={extra})'},
        "rules": {"r": json.dumps(rule), "missing": json.dumps(missing)},
        "sourceConfig": {"mqtt": json.dumps({"k": {"server": broker, "password": PASSWORD}})},
        "connectionConfig": {"mqtt": json.dumps({"c": {"server": broker, "password": PASSWORD}})},
    }


@pytest.fixture
def with_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUTINO_TEST_PASSWORD", HIDDEN)
    monkeypatch.delenv("PLUTINO_TEST_NONE", raising=False)


def test_nothing_tells_a_secret(new_server: Callable[..., Server], with_variable: None, tmp_path: Path) -> None:
    """Answers of failing connections, exports, differences, history, errors, and the log at its most talkative."""
    server = new_server("--log-level", "debug", "--secrets", "redact", "--no-plain-secrets")
    found = server.request("POST", "/data/import", json={"content": json.dumps(document(free_port()))})
    assert found.status_code == 200
    status = wait_until(lambda: _trouble(server), 20, "the rule tells that it cannot connect")
    assert "reference ${env:PLUTINO_TEST_NONE}: no such variable" in server.request("GET", "/rules/missing/status").text
    server.request("POST", "/rules", json={"id": "x", "sql": f"SELECT '{TOKEN}' FRM", "actions": [{"mqtt": {"password": PASSWORD}}]})
    paths = ("/data/export", "/v2/data/export", "/rules", "/rules/r", "/streams/s", "/connections?forceAll=true", "/data/revisions/1")
    told = [status, *(server.request("GET", path).text for path in paths), server.log_tail(1 << 20)]
    assert server.request("GET", "/data/export?secrets=plain").status_code == 403
    for text in told:
        for secret in (PASSWORD, TOKEN, HIDDEN):
            assert secret not in text


def _trouble(server: Server) -> str:
    """The status of the rule, once both of its ends have failed."""
    text = server.request("GET", "/rules/r/status").text
    connections = server.request("GET", "/connections?forceAll=true").text
    return text if '"err"' in connections or ("last_disconnected_message" in text and "refused" in text) else ""


def test_secrets_go_from_server_to_server_encrypted(new_server: Callable[..., Server], tmp_path: Path) -> None:
    """With a key file, by command line: the file tells nothing, and the other server has everything."""
    first, second = new_server(), new_server()
    first.request("POST", "/data/import", json={"content": json.dumps({"connectionConfig": document(1)["connectionConfig"]})})
    (tmp_path / "key").write_text("correct horse battery staple\n")
    for target in ("copy.json", "copy.yaml", "copy.zip", "copy/"):
        plutino("export", target, "--secrets", "encrypt", "--key-file", "key", server=first, folder=tmp_path)
        written = [path for path in (tmp_path / target).rglob("*") if path.is_file()] or [tmp_path / target]
        assert all(PASSWORD.encode() not in path.read_bytes() for path in written)
        plutino("import", "-", server=second, stdin="{}")
        assert "no passphrase" in plutino("import", target, server=second, folder=tmp_path, code=1).stderr
        plutino("import", target, "--key-file", "key", server=second, folder=tmp_path)
        stored = json.loads(second.request("GET", "/data/export").json()["connectionConfig"]["mqtt"])["c"]
        assert stored["password"] == PASSWORD
    assert "need a passphrase" in plutino("export", "x.json", "--secrets", "encrypt", server=first, folder=tmp_path, code=2).stderr
