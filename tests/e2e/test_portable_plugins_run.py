"""Portable plugins at work: real programs behind real sockets."""

from __future__ import annotations

import itertools
import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from e2e.harness import Server, wait_until
from unit.resources.archives import packed

PROGRAM = Path(__file__).with_name("plugin_program.py").read_text()
FUNCTIONS = ("plus", "total", "whoami", "fail", "nothing", "sleepy", "crash", "sees")
PRESETS = "default:\n  count: 3\n  unit: mm\n  interval: 1000\nmany:\n  count: 2000\n  unit: cm\n"
_numbers = itertools.count()


class Plugin:
    """A package with names of its own: sockets of plugins are the same for all servers of a machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = f"{os.getpid()}n{next(_numbers)}"
        self.name = f"tester{self.mark}"

    def symbol(self, name: str) -> str:
        """The name of a function in SQL."""
        return f"{name}_{self.mark}"

    def package(self, version: str = "v1.0.0", program: str = PROGRAM, **manifest: Any) -> str:
        """The URL of a package; ``program`` gets to know the names."""
        declared = {"functions": [self.symbol(name) for name in FUNCTIONS], **manifest}
        presets = {f"sources/{name}.yaml": PRESETS for name in declared.get("sources", ())}
        head = f"NAME, MARK = {self.name!r}, '_{self.mark}'\n"
        files: dict[str, str | bytes | dict[str, Any]] = {
            f"{self.name}.json": {"version": version, "language": "python", "executable": "main.py", **declared},
            "main.py": head + program,
            **presets,
        }
        return packed(self.folder / f"{self.name}{version}.zip", files)

    def install(self, server: Server, method: str = "POST", **package: Any) -> None:
        """Create or replace it, and wait until it runs."""
        path = "/plugins/portables" + (f"/{self.name}" if method == "PUT" else "")
        answer = server.request(method, path, json={"name": self.name, "file": self.package(**package)})
        assert answer.ok, answer.text
        self.wait_for(server, "running")

    def status(self, server: Server) -> dict[str, Any]:
        """What the server says of it."""
        found: dict[str, Any] = server.request("GET", f"/plugins/portables/{self.name}/status").json()
        return found

    def wait_for(self, server: Server, status: str) -> None:
        """Return when its status has this word."""
        wait_until(lambda: self.status(server).get("status") == status, 15, f"plugin is {status}: {self.status(server)}")


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    """A plugin that nobody else has."""
    return Plugin(tmp_path / "packages")


class Results:
    """What a rule wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def action(self) -> dict[str, Any]:
        """The sink."""
        return {"file": {"path": str(self.path), "fileType": "lines", "format": "json", "sendSingle": True}}

    def rows(self, count: int, timeout_s: float = 10) -> list[Any]:
        """As soon as there are so many."""
        wait_until(lambda: len(self.all()) >= count, timeout_s, f"{count} rows in {self.all()}")
        return self.all()

    def all(self) -> list[Any]:
        """Everything so far."""
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """An empty file."""
    return Results(tmp_path / "out.jsonl")


def events(server: Server) -> None:
    """The stream ``demo`` behind the path ``/demo``."""
    sql = 'CREATE STREAM demo (a BIGINT, b STRING) WITH (TYPE="httppush", DATASOURCE="/demo", FORMAT="json")'
    assert server.request("POST", "/streams", json={"sql": sql}).ok


def push(server: Server, *rows: Any) -> None:
    """Rows into the stream."""
    for row in rows:
        assert requests.post(server.push_url + "/demo", json=row, timeout=10).text == "ok"


def rule(server: Server, sql: str, results: Results, name: str = "r1", **options: Any) -> None:
    """A rule that runs."""
    answer = server.request("POST", "/rules", json={"id": name, "sql": sql, "actions": [results.action], "options": options})
    assert answer.ok, answer.text
    server.wait_for_rule(name)


def test_a_function_in_a_rule(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """Its results stand in the rows, in order; what it says goes to the log; its socket is for this user only."""
    server = new_server()
    plugin.install(server)
    events(server)
    rule(server, f"SELECT a, {plugin.symbol('plus')}(a, 1, 0.5) AS s FROM demo WHERE {plugin.symbol('plus')}(a) > 1", results)
    push(server, *({"a": a} for a in range(20)))
    assert results.rows(18) == [{"a": a, "s": a + 1.5} for a in range(2, 20)]
    path = f"/tmp/plugin_{plugin.name}.ipc"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert "sendTimeout" in server.log_tail()
    refused = server.request("DELETE", f"/plugins/portables/{plugin.name}")
    assert refused.json()["message"] == f"plugin {plugin.name} is referenced by the rule r1"
    assert server.request("DELETE", "/rules/r1").ok
    assert server.request("DELETE", f"/plugins/portables/{plugin.name}").ok
    assert not os.path.exists(path)
    assert not (server.data / "plugins" / "portable" / plugin.name).exists()


def test_errors_are_errors_of_rows(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """A refusal and a missing value concern the row alone."""
    server = new_server()
    plugin.install(server)
    events(server)
    fail, nothing = plugin.symbol("fail"), plugin.symbol("nothing")
    rule(server, f"SELECT CASE WHEN a = 1 THEN {fail}(a) ELSE {nothing}(a) END AS s, a FROM demo", results)
    push(server, {"a": 0}, {"a": 1}, {"a": 2})
    assert [row["a"] for row in results.rows(2) if "a" in row] == [0, 2]
    status = server.request("GET", "/rules/r1/status").json()
    assert status["status"] == "running"
    errors = [value for key, value in status.items() if key.endswith("project_0_last_exception")]
    assert len(errors) == 1
    assert errors[0].endswith(f"call func {fail} error: no luck for r1")


def test_a_slow_function_does_not_hold_up_others(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """The engine answers, and other rules go on, while one waits."""
    server = new_server()
    plugin.install(server)
    events(server)
    rule(server, f"SELECT {plugin.symbol('sleepy')}(1.0) AS s FROM demo", Results(results.path.with_name("slow.jsonl")), "slow")
    rule(server, "SELECT a FROM demo", results, "quick")
    push(server, {"a": 1})
    began = time.monotonic()
    assert results.rows(1) == [{"a": 1}]
    assert server.request("GET", "/rules/slow/status").ok
    assert time.monotonic() - began < 0.9
    assert Results(results.path.with_name("slow.jsonl")).rows(1) == [{"s": 1.0}]


def test_an_aggregate(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """The plugin says which of its functions get the values of a group."""
    server = new_server()
    plugin.install(server)
    events(server)
    rule(server, f"SELECT {plugin.symbol('total')}(a) AS s, b FROM demo GROUP BY b, COUNTWINDOW(3)", results)
    push(server, {"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 3, "b": "x"})
    assert results.rows(2) == [{"s": 4, "b": "x"}, {"s": 2, "b": "y"}]


def test_an_aggregate_keeps_its_window(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """When the server starts again, what the plugin has said is known before it says it again."""
    server = new_server()
    plugin.install(server)
    events(server)
    sql = f"SELECT {plugin.symbol('total')}(a) AS s FROM demo GROUP BY COUNTWINDOW(3)"
    rule(server, sql, results, qos=1, checkpointInterval=100)
    push(server, {"a": 1}, {"a": 2})
    assert server.request("POST", "/rules/r1/stop").ok
    assert server.request("POST", "/rules/r1/start").ok
    server.restart(killed=False)
    plugin.wait_for(server, "running")
    server.wait_for_rule("r1")
    push(server, {"a": 3})
    assert results.rows(1) == [{"s": 6}]


def test_a_dead_process_is_started_again(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """With all its functions; the row that ended it is an error."""
    server = new_server()
    plugin.install(server)
    events(server)
    crash, whoami = plugin.symbol("crash"), plugin.symbol("whoami")
    rule(server, f"SELECT a, CASE WHEN a = 1 THEN {crash}() ELSE {whoami}() END AS pid FROM demo", results)
    push(server, {"a": 0})
    first = results.rows(1)[0]["pid"]
    push(server, {"a": 1})
    wait_until(lambda: not os.path.exists(f"/proc/{first}"), 10, "the process is gone")
    wait_until(lambda: "ended with 3" in server.log_tail(), 10, "the log tells")
    plugin.wait_for(server, "running")
    push(server, {"a": 2})
    again = [row["pid"] for row in results.rows(2) if row.get("a") == 2]
    assert again
    assert again[0] != first
    assert server.rule_status("r1") == "running"


def test_an_update_while_rules_run(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """Rules call the new program, and the old one is gone."""
    server = new_server()
    plugin.install(server)
    events(server)
    rule(server, f"SELECT a, {plugin.symbol('plus')}(a, 1) AS s FROM demo", results)
    push(server, {"a": 1})
    assert results.rows(1) == [{"a": 1, "s": 2}]
    plugin.install(server, "PUT", version="v2.0.0", program=PROGRAM.replace("sum(arg for", "1000 + sum(arg for"))
    server.wait_for_rule("r1")
    push(server, {"a": 1})
    assert results.rows(2)[1] == {"a": 1, "s": 1002}


def test_a_killed_server_leaves_nothing_in_the_way(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """Its sockets are taken over, and a program that outlived it is ended."""
    server = new_server()
    stubborn = PROGRAM.replace("sys.exit(0)", "time.sleep(600)")
    plugin.install(server, program=stubborn)
    events(server)
    rule(server, f"SELECT {plugin.symbol('whoami')}() AS pid FROM demo", results)
    push(server, {"a": 1})
    orphan = results.rows(1)[0]["pid"]
    server.kill()
    assert os.path.exists(f"/proc/{orphan}")
    server.start()
    plugin.wait_for(server, "running")
    server.wait_for_rule("r1")
    push(server, {"a": 1})
    assert results.rows(2)[1]["pid"] != orphan
    wait_until(lambda: not os.path.exists(f"/proc/{orphan}"), 10, "the orphan is gone")


def test_a_program_that_does_not_run_says_so(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """In the status of the plugin and in the rows that would need it."""
    server = new_server()
    url = plugin.package(program="raise SystemExit(7)\n")
    assert server.request("POST", "/plugins/portables", json={"name": plugin.name, "file": url}).status_code == 201
    plugin.wait_for(server, "error")
    assert plugin.status(server)["errMsg"] == "control handshake error: the process ended with 7"


def test_a_trial_calls_functions_too(new_server: Callable[..., Server], plugin: Plugin) -> None:
    """On made-up data, like any function."""
    server = new_server()
    plugin.install(server)
    events(server)
    sql = f"SELECT {plugin.symbol('plus')}(a, 1) AS s FROM demo"
    mock = {"demo": {"data": [{"a": 1}], "interval": 50, "loop": True}}
    made = server.request("POST", "/ruletest", json={"id": "t1", "sql": sql, "mockSource": mock, "sinkProps": {"sendSingle": True}}).json()
    with requests.get(f"http://127.0.0.1:{made['port']}/test/t1", stream=True, timeout=10) as heard:
        assert server.request("POST", "/ruletest/t1/start").ok
        event = next(line for line in heard.iter_lines() if line.startswith(b"data:"))
    assert json.loads(event.removeprefix(b"data:")) == {"s": 2}


def test_a_server_may_run_none(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """They are kept as objects; the status and the rows tell."""
    server = new_server("--no-plugins")
    body = {"name": plugin.name, "file": plugin.package()}
    assert server.request("POST", "/plugins/portables", json=body).status_code == 201
    text = "this server does not run plugins; start it without --no-plugins"
    assert plugin.status(server) == {"refCount": {}, "status": "stop", "errMsg": text}
    events(server)
    rule(server, f"SELECT {plugin.symbol('plus')}(a) AS s FROM demo", results)
    push(server, {"a": 1})
    wait_until(lambda: text in server.request("GET", "/rules/r1/status").text, 10, "the error shows")


def test_a_name_that_another_server_uses(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """Its plugin goes on, and the second server says why its own does not run, until the first one is gone."""
    first, second = new_server(), new_server()
    plugin.install(first)
    body = {"name": plugin.name, "file": plugin.package()}
    assert second.request("POST", "/plugins/portables", json=body).status_code == 201
    plugin.wait_for(second, "error")
    assert "another server listens on it" in plugin.status(second)["errMsg"]
    assert plugin.status(first)["status"] == "running"
    first.stop()
    plugin.wait_for(second, "running")


def test_the_environment_of_the_server_stays_there(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """Programs get what they need to run, and no settings."""
    os.environ["PLUTINO_TEST_SECRET"] = "hush"
    try:
        server = new_server()
    finally:
        del os.environ["PLUTINO_TEST_SECRET"]
    plugin.install(server)
    events(server)
    sees = plugin.symbol("sees")
    rule(server, f'SELECT {sees}("PLUTINO_TEST_SECRET") AS secret, {sees}("PATH") AS path FROM demo', results)
    push(server, {"a": 1})
    (row,) = results.rows(1)
    assert row["secret"] == ""
    assert row["path"]


def test_a_configuration_moves_with_its_plugin(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """What one server exports runs on another."""
    server = new_server()
    plugin.install(server)
    events(server)
    rule(server, f"SELECT {plugin.symbol('plus')}(a, 1) AS s FROM demo", results)
    document = server.request("GET", "/data/export").text
    server.stop()
    other = new_server()
    assert other.request("POST", "/data/import", json={"content": document}).ok
    plugin.wait_for(other, "running")
    other.wait_for_rule("r1")
    push(other, {"a": 1})
    assert results.rows(1) == [{"s": 2}]


def test_states_survive_with_waiting_rows(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """A checkpoint covers the rows that were worked on, in order."""
    server = new_server()
    plugin.install(server)
    events(server)
    sql = f"SELECT sum({plugin.symbol('plus')}(a)) AS s, count(*) AS c FROM demo GROUP BY COUNTWINDOW(4)"
    rule(server, sql, results, qos=1, checkpointInterval=100)
    push(server, {"a": 1}, {"a": 2})
    assert server.request("POST", "/rules/r1/stop").ok
    server.restart(killed=False)
    plugin.wait_for(server, "running")
    assert server.request("POST", "/rules/r1/start").ok
    server.wait_for_rule("r1")
    push(server, {"a": 3}, {"a": 4})
    assert results.rows(1) == [{"s": 10, "c": 4}]


def stream(server: Server, plugin: Plugin, key: str = "", extra: str = "", name: str = "ticks") -> None:
    """A stream of the source of a plugin."""
    escaped = extra.replace('"', '\\"')
    more = (f', CONF_KEY="{key}"' if key else "") + (f', EXTRA="{escaped}"' if extra else "")
    sql = f'CREATE STREAM {name} () WITH (TYPE="{plugin.symbol("ticker")}", DATASOURCE="plant/1", FORMAT="json"{more})'
    answer = server.request("POST", "/streams", json={"sql": sql})
    assert answer.ok, answer.text


def both(plugin: Plugin) -> dict[str, Any]:
    """What a package with a source and a sink declares."""
    return {"sources": [plugin.symbol("ticker")], "sinks": [plugin.symbol("keeper")]}


def test_a_source(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """Its rows, their metadata and its shipped configuration; each rule has a source of its own."""
    server = new_server()
    plugin.install(server, **both(plugin))
    stream(server, plugin)
    rule(server, "SELECT n, of, unit, meta(pid) > 0 AS told FROM ticks", results)
    assert results.rows(3) == [{"n": n, "of": "plant/1", "unit": "mm", "told": True} for n in range(3)]
    more = Results(results.path.with_name("more.jsonl"))
    rule(server, "SELECT n FROM ticks WHERE n > 1", more, "r2")
    assert more.rows(1) == [{"n": 2}]
    assert plugin.status(server)["refCount"] == {"r1": 1, "r2": 1}
    status = server.request("GET", "/rules/r1/status").json()
    assert (status["source_ticks_0_records_in_total"], status["source_ticks_0_connection_status"]) == (3, 1)
    assert server.request("POST", "/rules/r2/stop").ok
    assert plugin.status(server)["refCount"] == {"r1": 1}
    refused = server.request("DELETE", f"/plugins/portables/{plugin.name}")
    assert refused.json()["message"] == f"plugin {plugin.name} is referenced by the rule r1, r2"


def test_a_source_loses_nothing_and_tells_of_errors(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """Other configurations by their key; an error of the plugin is one of the source, not a row."""
    server = new_server()
    plugin.install(server, **both(plugin))
    stream(server, plugin, "many", '{"wrong": 5}')
    rule(server, "SELECT n, unit FROM ticks", results)
    assert results.rows(2000) == [{"n": n, "unit": "cm"} for n in range(2000)]
    status = server.request("GET", "/rules/r1/status").json()
    assert (status["source_ticks_0_exceptions_total"], status["source_ticks_0_last_exception"]) == (1, "a bad measurement")


def test_a_source_comes_back_with_its_process(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """When that is killed, the rule goes on with the next one."""
    server = new_server()
    plugin.install(server, **both(plugin))
    stream(server, plugin)
    rule(server, "SELECT n, meta(pid) AS pid FROM ticks", results)
    first = results.rows(3)[0]["pid"]
    os.kill(int(first), 9)
    again = results.rows(6, timeout_s=20)[3:]
    assert [row["n"] for row in again] == [0, 1, 2]
    assert again[0]["pid"] != first
    assert server.rule_status("r1") == "running"


def test_a_source_that_does_not_start_shows(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """In the status of the rule, which tries again."""
    server = new_server()
    plugin.install(server, **both(plugin))
    stream(server, plugin, extra='{"broken": true}')
    rule(server, "SELECT * FROM ticks", results)
    key = "source_ticks_0_connection_last_disconnected_message"
    wait_until(lambda: "it is broken" in server.request("GET", "/rules/r1/status").text, 10, "the error shows")
    assert server.request("GET", "/rules/r1/status").json()[key] == "receive error: it is broken"


def test_a_sink(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """Messages as any sink sends them, acknowledged one by one where that is asked for."""
    server = new_server()
    plugin.install(server, **both(plugin))
    events(server)
    plain, asked = results.path.with_name("plain"), results.path.with_name("asked")
    actions = [
        {plugin.symbol("keeper"): {"path": str(plain), "dataTemplate": "<{{.a}}>", "sendSingle": True}},
        {plugin.symbol("keeper"): {"path": str(asked), "requireAck": True, "fields": ["a"]}},
    ]
    answer = server.request("POST", "/rules", json={"id": "r1", "sql": "SELECT a, b FROM demo", "actions": actions})
    assert answer.ok, answer.text
    server.wait_for_rule("r1")
    server.wait_until_connected("r1")
    push(server, *({"a": a} for a in range(5)))
    wait_until(lambda: asked.exists() and len(asked.read_text().splitlines()) == 5, 10, "all are there")
    assert asked.read_text().splitlines() == [f'[{{"a":{a}}}]' for a in range(5)]
    wait_until(lambda: plain.exists() and plain.read_text().split() == [f"<{a}>" for a in range(5)], 10, "all are there")
    assert plugin.status(server)["refCount"] == {"r1": 2}
    assert server.request("DELETE", "/rules/r1").ok
    assert plugin.status(server)["refCount"] == {}


def test_a_sink_that_refuses_and_one_that_dies(new_server: Callable[..., Server], plugin: Plugin, results: Results) -> None:
    """A refusal is an error of the sink; after the process was killed the sink is opened again."""
    server = new_server()
    plugin.install(server, **both(plugin))
    events(server)
    kept = results.path.with_name("kept")
    actions = [
        {plugin.symbol("keeper"): {"path": str(results.path.with_name("no")), "requireAck": True, "refuse": "no room"}},
        {plugin.symbol("keeper"): {"path": str(kept), "requireAck": True, "sendSingle": True}},
        results.action,
    ]
    sql = f"SELECT a, {plugin.symbol('whoami')}() AS pid FROM demo"
    assert server.request("POST", "/rules", json={"id": "r1", "sql": sql, "actions": actions}).ok
    server.wait_for_rule("r1")
    server.wait_until_connected("r1")
    push(server, {"a": 1})
    (row,) = results.rows(1)
    wait_until(lambda: "no room" in server.request("GET", "/rules/r1/status").text, 10, "the refusal shows")
    os.kill(int(row["pid"]), 9)
    plugin.wait_for(server, "running")
    wait_until(lambda: not os.path.exists(f"/proc/{int(row['pid'])}"), 10, "it is gone")
    plugin.wait_for(server, "running")
    push(server, {"a": 2})
    wait_until(lambda: '"a":2' in kept.read_text(), 20, "the sink is back")
    assert server.rule_status("r1") == "running"
