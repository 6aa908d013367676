"""A server as its operator sees it: it comes up, is killed, comes up again, and ends when asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.harness import Server

STREAM = 'CREATE STREAM demo (a BIGINT) WITH (DATASOURCE="topic/demo", TYPE="memory", FORMAT="json")'
RULE = {"id": "kept", "sql": "SELECT a FROM demo WHERE a > 1", "actions": [{"nop": {}}]}


def test_ready_line_names_the_address(new_server: Callable[..., Server]) -> None:
    """The one line on stdout says where the REST API is."""
    server = new_server()
    assert str(server.port) in server.ready_line
    assert server.request("GET", "/ping").status_code == 200


def test_definitions_survive_kill_9(new_server: Callable[..., Server]) -> None:
    """What was answered with success is there after `kill -9`, and a started rule runs again."""
    server = new_server()
    assert server.request("POST", "/streams", json={"sql": STREAM}).status_code == 201
    assert server.request("POST", "/rules", json=RULE).status_code == 201
    server.wait_for_rule("kept")
    server.restart(killed=True)
    assert server.request("GET", "/streams").json() == ["demo"]
    server.wait_for_rule("kept")


def test_stopped_rule_stays_stopped_after_kill_9(new_server: Callable[..., Server]) -> None:
    """Stopping a rule is a change like any other: it survives the process."""
    server = new_server()
    server.request("POST", "/streams", json={"sql": STREAM})
    server.request("POST", "/rules", json=RULE)
    server.wait_for_rule("kept")
    assert server.request("POST", "/rules/kept/stop").status_code == 200
    server.restart(killed=True)
    assert server.rule_status("kept") == "stopped"


def test_sigterm_ends_the_server_cleanly(new_server: Callable[..., Server]) -> None:
    """SIGTERM drains and stops with exit code 0, also with a rule running."""
    server = new_server()
    server.request("POST", "/streams", json={"sql": STREAM})
    server.request("POST", "/rules", json=RULE)
    server.wait_for_rule("kept")
    assert server.stop() == 0
    assert server.process is None


def test_a_data_directory_of_ekuiper_is_told(new_server: Callable[..., Server], tmp_path: Path) -> None:
    """The server begins empty there; the log says how its configuration is brought over, and says it once."""
    (tmp_path / "data0").mkdir()
    (tmp_path / "data0" / "sqliteKV.db").write_bytes(b"not looked into")
    server = new_server()
    assert "plutino migrate" in server.log.read_text()
    server.restart(killed=False)
    assert server.log.read_text().count("plutino migrate") == 1


def test_what_does_not_run_any_more_is_told_at_the_start(new_server: Callable[..., Server]) -> None:
    """The server comes up; its log names the rule whose file is gone, and the rule shows its error."""
    server = new_server()
    (server.data / "data").mkdir()
    (server.data / "data" / "rows.json").write_text("[]")
    options = 'TYPE="file", DATASOURCE="rows.json", FORMAT="json"'
    assert server.request("POST", "/streams", json={"sql": f"CREATE STREAM rows (a BIGINT) WITH ({options})"}).status_code == 201
    assert server.request("POST", "/rules", json={"id": "r", "sql": "SELECT a FROM rows", "actions": [{"nop": {}}]}).status_code == 201
    (server.data / "data" / "rows.json").unlink()
    server.restart(killed=False)
    told = server.log.read_text()
    assert 'event="stored, but does not run" entry=rules.r error="file ' in told
    assert server.rule_status("r") in ("stopped by error", "stopped")


def test_a_trusted_key_that_is_none_is_refused_at_the_start(new_server: Callable[..., Server], tmp_path: Path) -> None:
    """Not with the first import, weeks later."""
    (tmp_path / "key.pem").write_text("hello")
    with pytest.raises(RuntimeError):
        new_server("--trusted-key", str(tmp_path / "key.pem"))
    assert "key.pem: trusted key: not readable; an Ed25519 public key in PEM is expected" in (tmp_path / "data0.log").read_text()
