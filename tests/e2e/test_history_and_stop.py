"""History, the way back, and the end of a server, with real processes."""

from __future__ import annotations

import json
from collections.abc import Callable

from e2e.command_line import plutino
from e2e.harness import Server, wait_until

STREAM = 'CREATE STREAM s (a BIGINT) WITH (TYPE="memory", DATASOURCE="s", FORMAT="json")'


def document(threshold: int) -> str:
    """A rule with a window, whose state a change can keep or lose."""
    sql = f"SELECT count(*) AS n FROM s WHERE a > {threshold} GROUP BY COUNTWINDOW(1000)"
    return json.dumps({"streams": {"s": STREAM}, "rules": {"r": json.dumps({"id": "r", "sql": sql, "actions": [{"nop": {}}]})}})


def test_there_and_back_again(server: Server) -> None:
    """A change, what it did, the rollback, and the audit, from the command line."""
    base = server.request("GET", "/data/revisions").json()["revision"]
    plutino("import", "-", "-m", "first", server=server, stdin=document(1))
    plutino("import", "-", "-m", "second", server=server, stdin=document(2))
    listed = plutino("history", "--limit", "2", server=server).stdout
    assert "second" in listed
    assert "first" in listed
    shown = plutino("diff", str(base + 1), str(base + 2), server=server).stdout
    assert "a > 1" in shown
    assert "a > 2" in shown
    before = server.request("GET", "/data/export").json()
    told = plutino("rollback", str(base + 1), "--dry-run", server=server).stdout
    assert "rule r goes on as its new version, its state is" in told
    assert server.request("GET", "/data/export").json() == before
    plutino("rollback", str(base + 1), server=server)
    assert server.request("GET", "/data/export").json()["rules"] == json.loads(document(1))["rules"]
    head = plutino("audit", "verify", server=server).stdout.split()[-1]
    plutino("rollback", str(base), server=server)
    assert server.request("GET", "/rules").json() == []
    plutino("audit", "verify", "--expect", head, server=server)


def test_an_import_in_the_background_is_followed(server: Server) -> None:
    """The command hands over, another one follows to the end."""
    id = plutino("import", "-", "--background", server=server, stdin=document(1)).stdout.strip()
    assert plutino("task", id, server=server).stdout == "finish\n"
    server.wait_for_rule("r")
    bad = plutino("import", "-", "--background", server=server, stdin=document(1).replace("count(", "cuont(")).stdout.strip()
    assert "cuont" in plutino("task", bad, server=server, code=1).stdout


def test_an_import_with_stop_ends_the_server(new_server: Callable[..., Server]) -> None:
    """It answers, lets the rules finish, keeps the state, and ends with the code that asks for a new start."""
    server = new_server()
    answer = server.request("POST", "/data/import?stop=1", json={"content": document(1)})
    assert answer.status_code == 200
    process = server.process
    assert process is not None
    assert wait_until(lambda: process.poll() is not None and str(process.poll()), 10, "the server ends") == "100"
    assert "stopped" in server.log_tail()
    server.start()
    server.wait_for_rule("r")
    refused = server.request("POST", "/data/import?stop=1", json={"content": "{"})
    assert refused.status_code == 400
    assert server.request("POST", "/stop").text == "stop success"
    process = server.process
    assert process is not None
    assert wait_until(lambda: process.poll() is not None and str(process.poll()), 10, "the server ends") == "0"
