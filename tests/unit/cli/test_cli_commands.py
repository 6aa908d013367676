"""What the commands send, print and exit with, against a server that answers from a table."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Protocol

import pytest

from plutino import __version__

LONG = "SELECT a FROM s " * 4
REFUSED = ("sink_x_0", "is", "not", "connected:", "refused")
LOST = "sink_x_0_0_connection_last_disconnected_message"
CHANGESET: dict[str, Any] = {
    "revision": 3,
    "summary": {"created": 1, "updated": 1, "deleted": 1, "unchanged": 2},
    "changes": [
        {
            "section": "streams",
            "kind": "stream",
            "name": "boiler",
            "action": "created",
            "fields": [{"path": "", "new": {"schema": {}, "options": {"TYPE": "memory", "DATASOURCE": "a/b"}}}],
        },
        {
            "section": "rules",
            "kind": "rule",
            "name": "hot",
            "action": "updated",
            "fields": [
                {"path": "options.qos", "old": 0, "new": 1},
                {"path": "sql", "old": LONG, "new": "SELECT b FROM s"},
            ],
        },
        {"section": "rules", "kind": "rule", "name": "same", "action": "unchanged", "fields": []},
        {"section": "rules", "kind": "rule", "name": "old", "action": "deleted", "fields": [{"path": "", "old": {}}]},
    ],
}
FINE = {"ErrorMsg": "", "ConfigResponse": {}}


class Fake(Protocol):
    """The fake server of conftest.py."""

    url: str
    answers: dict[str, Any]
    requests: list[tuple[str, Any]]

    def body(self, index: int = -1) -> Any: ...


Run = Callable[..., int]
Output = pytest.CaptureFixture[str]


@pytest.fixture
def document(tmp_path: Path) -> str:
    """A document with one stream and two rules."""
    path = tmp_path / "plant.json"
    path.write_text('{"streams":{"s":"CREATE STREAM s ()"},"rules":{"a":"{}","b":"{}"}}')
    return str(path)


def test_import_sends_the_document(fake: Fake, plutino: Run, document: str, capsys: Output) -> None:
    """The text goes as ``content``, the flags as query; the result says what the document held."""
    fake.answers["POST /data/import?partial=1&onError=continue"] = FINE
    assert plutino("import", document, "--partial", "--on-error", "continue") == 0
    assert fake.body() == {"content": Path(document).read_text()}
    assert capsys.readouterr().out == "imported 1 stream, 2 rules\n"


def test_refused_import(fake: Fake, plutino: Run, document: str, capsys: Output) -> None:
    """A refusal is one line, and a line per fault, on stderr; exit code 1."""
    faults = [{"path": "rules.a", "line": 1, "column": 9, "text": "Missing rule id."}, {"path": "rules.b", "text": "no\nsql"}]
    fake.answers["POST /data/import"] = (400, json.dumps({"error": 1000, "message": "{}", "faults": faults}))
    assert plutino("import", document) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "error: refused, nothing was changed: 2 faults",
        "  rules.a (line 1, column 9 of the document): Missing rule id.",
        "  rules.b: no sql",
    ]


def test_import_that_goes_on(fake: Fake, plutino: Run, document: str, capsys: Output) -> None:
    """What was left out is named, and the exit code says that not everything was done."""
    fake.answers["POST /data/import?onError=continue"] = FINE | {"faults": [{"path": "rules.a", "text": "bad"}]}
    assert plutino("import", document, "--on-error", "continue") == 1
    out, err = capsys.readouterr()
    assert out == "imported 1 stream, 2 rules, without what is named below\n"
    assert err.splitlines() == ["error: 1 fault; these entries stay as they were", "  rules.a: bad"]


def test_diff_shows_every_change(fake: Fake, plutino: Run, document: str, capsys: Output) -> None:
    """One line per object, changed fields below it, a sum at the end."""
    fake.answers["POST /data/import?dryRun=1"] = CHANGESET
    assert plutino("diff", document) == 0
    assert capsys.readouterr().out.splitlines() == [
        "+ stream  boiler  TYPE=memory  DATASOURCE=a/b",
        "~ rule    hot",
        "    options.qos: 0 -> 1",
        "    sql:",
        "      - SELECT a FROM s SELECT a FROM s SELECT a FROM s SELECT a FROM s",
        "      + SELECT b FROM s",
        "- rule    old",
        "1 to create, 1 to change, 1 to delete, 2 unchanged",
    ]
    assert plutino("diff", document, "--exit-code", "--json") == 1
    assert json.loads(capsys.readouterr().out) == CHANGESET


def test_diff_without_differences(fake: Fake, plutino: Run, document: str, capsys: Output) -> None:
    """Equal states say so, with exit code 0 in any case."""
    fake.answers["POST /data/import?partial=1&dryRun=1"] = {"revision": 1, "summary": {"unchanged": 3}, "changes": []}
    assert plutino("diff", document, "--partial", "--exit-code") == 0
    assert capsys.readouterr().out == "no difference (3 objects)\n"


def test_export(fake: Fake, plutino: Run, tmp_path: Path, capsys: Output) -> None:
    """Everything or some rules, to stdout or a file."""
    fake.answers |= {"GET /data/export": {"streams": {"s": "x"}, "rules": {}}, "POST /data/export": {"rules": {"a": "{}"}}}
    assert plutino("export") == 0
    assert json.loads(capsys.readouterr().out) == fake.answers["GET /data/export"]
    file = tmp_path / "out.json"
    assert plutino("export", str(file), "--rules", "a, b") == 0
    assert fake.body() == ["a", "b"]
    assert json.loads(file.read_text()) == {"rules": {"a": "{}"}}
    assert capsys.readouterr().out == f"exported 1 rule to {file}\n"


def test_data_and_ruleset_as_ekuiper_has_them(fake: Fake, plutino: Run, document: str, tmp_path: Path, capsys: Output) -> None:
    """``import data``, ``export data``, ``import ruleset`` and ``export ruleset`` with the texts of the original."""
    fake.answers |= {
        "POST /data/import?partial=1": FINE,
        "GET /data/export": "{}",
        "POST /ruleset/import": "imported 1 streams, 0 tables and 2 rules",
        "POST /ruleset/export": {"streams": {"s": ""}, "tables": {}, "rules": {}},
    }
    file = str(tmp_path / "out.json")
    assert plutino("import", "data", "-f", document, "-p", "true") == 0
    assert plutino("export", "data", file) == 0
    assert plutino("import", "ruleset", "-f", document) == 0
    assert plutino("export", "ruleset", file) == 0
    assert capsys.readouterr().out.splitlines() == [
        "{}",
        "export configuration success",
        "imported 1 streams, 0 tables and 2 rules",
        "exported 1 streams, 0 tables and 0 rules",
    ]
    assert plutino("import", "ruleset") == 2
    assert "Required ruleset json file to import" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "request_", "answer", "out"),
    [
        (("create", "stream", "s", "()", "WITH ()"), "POST /streams", "Stream s is created.", "Stream s is created."),
        (("create", "table", "CREATE TABLE t ()"), "POST /tables", "Table t is created.", "Table t is created."),
        (("describe", "stream", "s"), "POST /streams", "Fields\na&lt;b", "Fields\na<b"),
        (("drop", "table", "t"), "DELETE /tables/t", "Table t is dropped.", "Table t is dropped."),
        (("drop", "rule", "r"), "DELETE /rules/r", "Rule r is dropped.", "Rule r is dropped."),
        (("show", "streams"), "GET /streams", ["a", "b"], "a\nb\n"),
        (("show", "tables"), "GET /tables", [], "No table definitions are found."),
        (("show", "rules"), "GET /rules", [], "No rule definitions are found."),
        (("start", "rule", "r"), "POST /rules/r/start", "", "Rule r was started"),
        (("stop", "rule", "r"), "POST /rules/r/stop", "", "Rule r was stopped."),
        (("restart", "rule", "a/b"), "POST /rules/a%2Fb/restart", "", "Rule a/b was restarted."),
        (("getstatus", "rule", "r"), "GET /rules/r/status", '{"status":"running"}', '{\n  "status": "running"\n}'),
        (("gettopo", "rule", "r"), "GET /rules/r/topo", '{"sources":[]}', '{\n  "sources": []\n}'),
        (("describe", "rule", "r"), "GET /rules/r", '{"id":"r"}', '{\n  "id": "r"\n}'),
        (("explain", "r"), "GET /rules/r/explain?code=1", "plan\n", "plan"),
    ],
)
def test_verbs(fake: Fake, plutino: Run, capsys: Output, arguments: tuple[str, ...], request_: str, answer: Any, out: str) -> None:
    """Each verb makes one request and prints the text of the original; what was created is asked about besides."""
    fake.answers[request_] = answer
    assert plutino(*arguments) == 0
    assert capsys.readouterr().out == out + "\n"
    assert [key for key, _ in fake.requests if not key.startswith("GET /data/advice")] == [request_]


def test_statements_are_completed(fake: Fake, plutino: Run, tmp_path: Path, capsys: Output) -> None:
    """What follows CREATE STREAM is enough, from arguments or from a file; a whole statement is taken as it is."""
    fake.answers["POST /streams"] = "ok"
    file = tmp_path / "s.sql"
    file.write_text("s () WITH ()\n")
    plutino("create", "stream", "s () WITH ()")
    plutino("create", "stream", "-f", str(file))
    plutino("create", "stream", "create stream s () WITH ()")
    assert [fake.body(i)["sql"] for i in range(3)] == ["CREATE STREAM s () WITH ()"] * 2 + ["create stream s () WITH ()"]
    assert f"Creating a new stream from file {file}." in capsys.readouterr().out


def test_create_rule(fake: Fake, plutino: Run, capsys: Output) -> None:
    """The name of the command is the id where the text has none, and must agree where it has one."""
    fake.answers["POST /rules"] = (201, "Rule r was created successfully.")
    assert plutino("create", "rule", "r", '{"sql":"SELECT 1"}') == 0
    assert fake.body(0) == {"id": "r", "sql": "SELECT 1"}
    assert capsys.readouterr().out.startswith("Rule r was created successfully, please use 'plutino getstatus rule r' command")
    assert plutino("create", "rule", "r", '{"id":"r2"}') == 1
    assert plutino("create", "rule", "r") == 2
    assert "Expect rule name and json. But found 1 args:[r];" in capsys.readouterr().err


def test_likely_mistakes_are_told(fake: Fake, plutino: Run, capsys: Output) -> None:
    """What the server takes as it is, because clients may send it, is warned of; secrets stand where they were just written."""
    fake.answers["POST /rules"] = (201, "Rule r was created successfully.")
    text = "qoss: not known; did you mean qos?"
    found = [{"code": "unknown", "path": "options.qoss", "text": text}, {"code": "secret", "path": "actions.0.mqtt.password", "text": "s"}]
    fake.answers["GET /data/advice?kind=rule&name=r"] = found
    assert plutino("create", "rule", "r", '{"sql":"SELECT 1"}') == 0
    assert capsys.readouterr().err == f"warning: options.qoss: {text}\n"


def test_refusals_keep_the_servers_text(fake: Fake, plutino: Run, capsys: Output) -> None:
    """The message of the envelope is the error; with --json code and message come as JSON."""
    fake.answers["DELETE /rules/r"] = (400, '{"error":1000,"message":"Delete rule error: rule r not found"}\n')
    assert plutino("drop", "rule", "r") == 1
    assert capsys.readouterr().err == "error: Delete rule error: rule r not found\n"
    assert plutino("drop", "rule", "r", "--json") == 1
    assert json.loads(capsys.readouterr().err) == {"error": "Delete rule error: rule r not found", "code": 1000}


def test_refused_statements_are_underlined(fake: Fake, plutino: Run, capsys: Output) -> None:
    """The place that the server explains stands below the error; with --json it is a member."""
    place = "line 1, column 8:\nSELECT upr(a) FROM s\n       ^^^^^^"
    fake.answers["POST /rules"] = (400, json.dumps({"error": 1000, "message": "function upr not found", "explanation": place}))
    arguments = ("create", "rule", "r", '{"sql":"SELECT upr(a) FROM s"}')
    assert plutino(*arguments) == 1
    lines = ["error: function upr not found", "  line 1, column 8:", "  SELECT upr(a) FROM s", "         ^^^^^^"]
    assert capsys.readouterr().err.splitlines() == lines
    assert plutino(*arguments, "--json") == 1
    assert json.loads(capsys.readouterr().err) == {"error": "function upr not found", "explanation": place, "code": 1000}


def test_status(fake: Fake, plutino: Run, capsys: Output) -> None:
    """A line for the server, a row per rule with its errors."""
    fake.answers |= {
        "GET /": {"version": "1", "upTimeSeconds": 7300},
        "GET /streams": ["s"],
        "GET /tables": [],
        "GET /rules": [{"id": "a", "status": "running"}, {"id": "b", "status": "stopped"}, {"id": "c", "status": "running"}],
        "GET /rules/status/all": {"a": {"status": "running", "exceptions_total": 2, "last_exception": "bad [row]"}},
        "GET /rules/c/status": {
            "status": "running",
            "source_s_0_last_exception": "was refused",
            "source_s_0_last_exception_time": 1795638589237,
            "sink_x_0_0_last_exception": "",
            "sink_x_0_0_last_exception_time": 0,
        },
        "GET /rules/a/status": {"status": "running", "source_s_0_connection_status": 1, "sink_nop_0_0_connection_status": 0},
        "GET /rules/b/status": {"status": "running", "sink_x_0_0_connection_status": -1} | {LOST: "refused"},
    }
    assert plutino("status") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == [fake.url, "version", "1,", "up", "2", "h:", "1", "stream,", "0", "tables,", "3", "rules"]
    assert lines[2:] == [
        ["RULE", "STATUS", "ERRORS", "MESSAGE"],
        ["a", "running", "2", "bad", "[row]"],
        ["b", "stopped", "0", *REFUSED],
        ["c", "running", "0", "2026-11-25", "20:29:49Z:", "was", "refused"],
    ]


def test_tail_prints_messages(fake: Fake, plutino: Run, capsys: Output) -> None:
    """One line per message, at most --count of them; a server that ends earlier is an error."""
    fake.answers["GET /rules/r/tail"] = ': comment\n\ndata: {"a":1}\n\nevent: dropped\ndata: {"dropped":7}\n\ndata: {"a":2}\n\n'
    assert plutino("tail", "r", "--count", "1") == 0
    assert capsys.readouterr() == ('{"a":1}\n', "")
    assert plutino("tail", "r", "--count", "3") == 1
    out, err = capsys.readouterr()
    assert out == '{"a":1}\n{"a":2}\n'
    assert err.splitlines()[0] == "warning: 7 messages left out, this end is slower than the rule"


def test_tail_of_a_rule_that_does_not_run_says_so(fake: Fake, plutino: Run, capsys: Output) -> None:
    """Waiting for its results would be in vain; they come when it is started."""
    fake.answers["GET /rules/r/tail"] = 'data: {"a":1}\n\n'
    fake.answers["GET /rules/r/status"] = {"status": "stopped by error", "message": "no such file"}
    assert plutino("tail", "r", "--count", "1") == 0
    assert capsys.readouterr().err == "note: rule r is stopped by error: no such file; results come when it is started\n"


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("imprt", "x"), 2, "error: no command 'imprt'; did you mean import?"),
        (("import",), 2, "error: Missing argument 'FILE'; see 'plutino import --help'"),
        (("diff", "x", "--nope"), 2, "error: No such option '--nope'; see 'plutino diff --help'"),
        (("show", "plugins"), 1, "error: plutino show plugins: plugins come in documents, or over REST; known are rules, streams, tables"),
        (("show", "strems"), 2, "error: no command 'strems'; did you mean streams?"),
        (("start", "rule"), 2, "error: Expect rule name; write it after the command"),
        (("show", "rules", "--server", "ftp://x"), 2, "error: server address 'ftp://x' is no URL; write it like http://127.0.0.1:9081"),
        (("query",), 1, "error: there is no command 'query' here; use 'plutino run' or 'plutino tail'"),
        (("gettopo", "rule", "r"), 1, "error: this server has no endpoint GET /rules/r/topo; it is another version"),
    ],
)
def test_wrong_usage(plutino: Run, capsys: Output, arguments: tuple[str, ...], code: int, text: str) -> None:
    """Errors are one line with a hint on stderr, and the exit code tells usage from refusal."""
    assert plutino(*arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(text)
    assert err.count("\n") == 1


def test_nobody_listens(plutino: Run, capsys: Output) -> None:
    """A server that cannot be reached is exit code 2 and says how to start one."""
    assert plutino("status", "--server", "http://127.0.0.1:9") == 2
    assert capsys.readouterr().err.startswith("error: cannot reach http://127.0.0.1:9: Connection refused; start it with 'plutino serve'")


def test_a_server_that_ends_while_it_works(plutino: Run, capsys: Output) -> None:
    """A change whose answer is missing may have been made: the history tells, starting the server again is no advice."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            taken, _ = listening.accept()
            taken.recv(65536)
            taken.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert plutino("create", "rule", "r", '{"sql":"SELECT 1"}', "--server", url) == 2
        thread.join()
    assert "has not answered: " in (told := capsys.readouterr().err)
    assert "plutino history" in told


def test_an_interrupted_change_may_be_made_all_the_same(plutino: Run, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server has the request already."""

    def interrupt(connection: HTTPConnection) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(HTTPConnection, "request", lambda *arguments: None)
    monkeypatch.setattr(HTTPConnection, "getresponse", interrupt)
    assert plutino("create", "rule", "r", '{"sql":"SELECT 1"}') == 1
    assert "may go on with it; 'plutino history' tells whether it was done" in capsys.readouterr().err
    assert plutino("show", "rules") == 1
    assert capsys.readouterr().err.strip() == "interrupted"


def test_answers_of_something_else(fake: Fake, plutino: Run, capsys: Output) -> None:
    """A web server that is no Plutino is noticed."""
    fake.answers["GET /rules"] = "<html>"
    assert plutino("show", "rules") == 1
    assert "is this address a Plutino server?" in capsys.readouterr().err


def test_the_package_is_a_command() -> None:
    """Where scripts of the environment are not on the path."""
    result = subprocess.run([sys.executable, "-m", "plutino", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"plutino {__version__}\n"
