"""Rules watched and handled with the real command line."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from subprocess import Popen

import requests

from e2e.command_line import plutino, start
from e2e.harness import Server, wait_until

STREAM = 'CREATE STREAM s () WITH (TYPE="httppush", DATASOURCE="/s", FORMAT="json")'


@contextmanager
def rule(server: Server, sql: str = "SELECT a FROM s", **fields: object) -> Iterator[None]:
    """A server with the stream ``s`` and the running rule ``r``."""
    server.request("POST", "/streams", json={"sql": STREAM}).raise_for_status()
    server.request("POST", "/rules", json={"id": "r", "sql": sql, "actions": [{"nop": {}}], **fields}).raise_for_status()
    server.wait_for_rule("r")
    yield


@contextmanager
def tailing(server: Server, *arguments: str) -> Iterator[Popen[str]]:
    """A running ``plutino tail r``."""
    process = start("tail", "r", *arguments, server=server)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def push_until_seen(server: Server, process: Popen[str], message: dict[str, object]) -> str:
    """Send a message again and again until the tail shows something: it may not listen yet."""
    import threading

    seen: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: seen.append(process.stdout.readline()) if process.stdout else None, daemon=True)
    reader.start()

    def pushed() -> bool:
        requests.post(server.push_url + "/s", json=message, timeout=10).raise_for_status()
        return bool(seen)

    wait_until(pushed, 20, "the tail shows a result", pause_s=0.1)
    return seen[0]


def test_tail_ends_with_ctrl_c(server: Server) -> None:
    """Results come one JSON line each; Ctrl-C is a normal end."""
    with rule(server), tailing(server) as process:
        assert push_until_seen(server, process, {"a": 1}) == '{"a":1}\n'
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_tail_goes_on_across_an_update(server: Server) -> None:
    """A rule that is replaced while it is watched shows the results of its new version."""
    with rule(server), tailing(server) as process:
        push_until_seen(server, process, {"a": 1})
        changed = {"id": "r", "sql": "SELECT a * 10 AS b FROM s", "actions": [{"nop": {}}]}
        server.request("PUT", "/rules/r", json=changed).raise_for_status()
        assert process.stdout is not None
        requests.post(server.push_url + "/s", json={"a": 2}, timeout=10).raise_for_status()
        while (line := process.stdout.readline()) == '{"a":1}\n':
            continue
        assert line == '{"b":20}\n'


def test_tail_goes_on_across_a_restart(server: Server) -> None:
    """Stopping and starting a rule does not end watching it."""
    with rule(server), tailing(server) as process:
        push_until_seen(server, process, {"a": 1})
        server.request("POST", "/rules/r/stop").raise_for_status()
        server.request("POST", "/rules/r/start").raise_for_status()
        server.wait_for_rule("r")
        assert process.stdout is not None
        requests.post(server.push_url + "/s", json={"a": 3}, timeout=10).raise_for_status()
        while (line := process.stdout.readline()) == '{"a":1}\n':
            continue
        assert line == '{"a":3}\n'


def test_tail_of_a_window_is_one_list(server: Server) -> None:
    """What a window puts out is one message."""
    with rule(server, "SELECT count(*) AS n FROM s GROUP BY TUMBLINGWINDOW(ms, 200)"), tailing(server) as process:
        line = push_until_seen(server, process, {"a": 1})
        assert [set(row) for row in json.loads(line)] == [{"n"}]


def test_tail_shows_errors_that_are_sent(server: Server) -> None:
    """With sendError rows that fail are results, too."""
    with rule(server, "SELECT a + 1 AS b FROM s", options={"sendError": True}), tailing(server) as process:
        assert "error" in json.loads(push_until_seen(server, process, {"a": "text"}))


def test_tail_of_nothing(server: Server) -> None:
    """An unknown rule is refused at once."""
    assert plutino("tail", "r", server=server, code=1).stderr == "error: tail rule error: Rule r is not found\n"


def test_server_stops_in_spite_of_a_tail(new_server: Callable[..., Server]) -> None:
    """Whoever watches does not hold the server up, and is told."""
    server = new_server()
    with rule(server), tailing(server) as process:
        push_until_seen(server, process, {"a": 1})
        assert server.stop() == 0
        assert process.wait(20) == 1
        assert process.stderr is not None
        assert process.stderr.read().startswith("error: the server ended the results of rule r after ")


def test_status_and_explain(server: Server) -> None:
    """At a glance: states, errors, and what was generated."""
    with rule(server, "SELECT a + 1 AS b FROM s WHERE a > 1"):
        requests.post(server.push_url + "/s", data=b"{no json", timeout=10)
        wait_until(lambda: "no json" in plutino("status", server=server).stdout or _errors(server) > 0, 10, "the error is counted")
        shown = plutino("status", server=server).stdout
        assert "1 stream, 0 tables, 1 rule" in shown
        assert "running" in shown
        assert json.loads(plutino("status", "--json", server=server).stdout)["rules"]["r"]["exceptions_total"] == 1
        explained = plutino("explain", "r", server=server).stdout
        assert explained.startswith("plan\n")
        assert "columns of s\n  a\n" in explained
        assert "def " in explained
    assert plutino("explain", "nobody", server=server, code=1).stderr == "error: explain rules error: Rule nobody is not found.\n"


def test_life_of_a_rule(server: Server) -> None:
    """eKuiper's verbs from create to drop."""
    assert plutino("create", "stream", 's () WITH (TYPE="memory", DATASOURCE="s")', server=server).stdout == "Stream s is created.\n"
    rule_text = '{"sql": "SELECT a FROM s", "actions": [{"nop": {}}]}'
    assert plutino("create", "rule", "r", rule_text, server=server).stdout.startswith("Rule r was created successfully")
    assert plutino("create", "rule", "r", rule_text, server=server, code=1).stderr == "error: rule r already exists\n"
    assert plutino("stop", "rule", "r", server=server).stdout == "Rule r was stopped.\n"
    assert json.loads(plutino("getstatus", "rule", "r", server=server).stdout)["status"] == "stopped"
    assert plutino("restart", "rule", "r", server=server).stdout == "Rule r was restarted.\n"
    server.wait_for_rule("r")
    assert json.loads(plutino("gettopo", "rule", "r", server=server).stdout)["sources"] == ["source_s"]
    assert [found["id"] for found in json.loads(plutino("show", "rules", server=server).stdout)] == ["r"]
    assert json.loads(plutino("describe", "stream", "s", "-json", server=server).stdout)["Name"] == "s"
    assert plutino("drop", "rule", "r", server=server).stdout == "Rule r is dropped.\n"
    assert plutino("drop", "rule", "r", server=server, code=1).stderr == "error: Delete rule error: rule r not found\n"
    assert plutino("drop", "stream", "s", server=server).stdout == "Stream s is dropped.\n"
    assert plutino("show", "streams", server=server).stdout == "No stream definitions are found.\n"


def _errors(server: Server) -> int:
    return int(server.request("GET", "/rules/status/all").json()["r"].get("exceptions_total", 0))
