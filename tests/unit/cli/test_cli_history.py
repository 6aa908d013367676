"""What the commands about history and background imports send and print."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

ENTRY = {
    "revision": 2,
    "at": 1_700_000_000_000,
    "source": "import",
    "client": "10.0.0.9",
    "message": "new plant",
    "outcome": "created 1",
    "texts": True,
    "hash": "ab",
}
CHANGES: dict[str, Any] = {
    "revision": 2,
    "summary": {"created": 0, "updated": 1, "deleted": 0, "unchanged": 0},
    "changes": [
        {"section": "rules", "kind": "rule", "name": "hot", "action": "updated", "fields": [{"path": "options.qos", "old": 0, "new": 1}]}
    ],
    "restarts": [
        {"rule": "hot", "action": "swap", "state": "lost", "why": ["rule hot", "stream boiler"]},
        {"rule": "cold", "action": "stop", "state": "none", "why": ["rule cold"]},
        {"rule": "new", "action": "start", "state": "none", "why": ["rule new"]},
    ],
}
SHOWN = """\
~ rule  hot
    options.qos: 0 -> 1
1 to change
rule hot goes on as its new version, its state is lost, because of stream boiler
"""


class Fake(Protocol):
    """The fake server of conftest.py."""

    answers: dict[str, Any]
    requests: list[tuple[str, Any]]


Run = Callable[..., int]
Output = pytest.CaptureFixture[str]


def test_the_list_of_revisions(fake: Fake, plutino: Run, capsys: Output) -> None:
    """A line per revision: who, when, what."""
    fake.answers["GET /data/revisions?limit=20"] = {"revision": 2, "revisions": [ENTRY]}
    assert plutino("history") == 0
    assert capsys.readouterr().out.splitlines()[1].split() == [
        "2",
        "2023-11-14",
        "22:13:20Z",
        "import",
        "10.0.0.9",
        "new",
        "plant",
        "created",
        "1",
    ]
    fake.answers["GET /data/revisions?limit=1"] = {"revision": 0, "revisions": []}
    assert plutino("history", "--limit", "1") == 0
    assert capsys.readouterr().out == "nothing was changed yet\n"


def test_one_revision(fake: Fake, plutino: Run, capsys: Output) -> None:
    """The entry, and below it everything that it did."""
    fake.answers["GET /data/revisions/2"] = {**ENTRY, **CHANGES}
    assert plutino("history", "2") == 0
    assert capsys.readouterr().out.endswith(SHOWN)


def test_what_lies_between_two_revisions(fake: Fake, plutino: Run, capsys: Output, tmp_path: Path) -> None:
    """Two numbers, or one for up to now; a file is still a document."""
    fake.answers["GET /data/diff?from=1&to=2"] = CHANGES
    fake.answers["GET /data/diff?from=1"] = CHANGES
    assert plutino("diff", "1", "2") == 0
    assert plutino("diff", "1", "--exit-code") == 1
    assert capsys.readouterr().out == SHOWN * 2
    assert plutino("diff", str(tmp_path / "x.json"), "2") == 2
    assert "give one file, or two revisions" in capsys.readouterr().err


def test_rollback(fake: Fake, plutino: Run, capsys: Output) -> None:
    """The changes, then which revision it is now; a dry run says only the former."""
    fake.answers["POST /data/rollback?revision=1&dryRun=1"] = CHANGES
    fake.answers["POST /data/rollback?revision=1&keepTriggers=1&message=oops"] = {**CHANGES, "revision": 3}
    assert plutino("rollback", "1", "--dry-run") == 0
    assert capsys.readouterr().out == SHOWN
    assert plutino("rollback", "1", "--keep-triggers", "-m", "oops") == 0
    assert capsys.readouterr().out == SHOWN + "rolled back to revision 1; this is revision 3\n"


def test_verification(fake: Fake, plutino: Run, capsys: Output) -> None:
    """Valid with the head to note; else each fault and exit code 1."""
    audit = {"valid": True, "first": 1, "last": 12, "with_texts": 12, "head": "9f86", "faults": []}
    fake.answers["GET /data/audit"] = audit
    assert plutino("audit", "verify") == 0
    assert capsys.readouterr().out == "valid: revisions 1 to 12; head 12:9f86\n"
    fake.answers["GET /data/audit?revision=3&hash=aa"] = {**audit, "valid": False, "faults": ["revision 3: bb; aa is expected"]}
    assert plutino("audit", "verify", "--expect", "3:aa") == 1
    assert capsys.readouterr().err == "error: revision 3: bb; aa is expected\n"
    assert plutino("audit", "verify", "--expect", "x") == 2


def test_following_a_task(fake: Fake, plutino: Run, capsys: Output) -> None:
    """Each step on stderr, the end on stdout, the exit code by how it ended."""
    task = {"id": "t", "status": "running", "message": "", "createdTimestamp": 1_700_000_000, "updatedTimestamp": 1}
    step = {**task, "progress": {"phase": "check", "number": 4, "of": 6, "done": 1200, "total": 10000, "object": "rule r7"}}
    for status, message, code in (("finish", "{}", 0), ("error", "err:no", 1)):
        events = [task, step, {**task, "status": status, "message": message}]

        body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "event: end\ndata: {}\n\n"
        fake.answers["GET /async/task/t/events"] = body
        assert plutino("task", "t") == code
        printed = capsys.readouterr()
        assert printed.err == "running\ncheck 4/6: 1,200 of 10,000, rule r7\n"
        assert printed.out == ("finish\n" if code == 0 else "error: err:no\n")
    fake.answers["POST /async/task/t/cancel"] = "cancel success"
    assert plutino("task", "t", "--cancel") == 0
    fake.answers["GET /async/tasks"] = [task]
    assert plutino("task") == 0
    assert "2023-11-14 22:13:20Z" in capsys.readouterr().out


def test_what_an_import_can_be_asked(fake: Fake, plutino: Run, capsys: Output, tmp_path: Path) -> None:
    """Policies and conditions go into the query; what was kept and what does not run is told."""
    path = tmp_path / "plant.json"
    path.write_text('{"rules":{}}')
    answer = {
        "ErrorMsg": "",
        "ConfigResponse": {},
        "ignored": ["Service.calc"],
        "troubles": [{"path": "rules.r", "line": 1, "column": 9, "text": "no port"}],
    }
    fake.answers["POST /data/import?partial=1&onConflict=skip&baseRevision=7&wait=0&message=m"] = answer
    options = ("--partial", "--on-conflict", "skip", "--base", "7", "--no-wait", "-m", "m")
    assert plutino("import", str(path), *options) == 0
    assert capsys.readouterr().err.splitlines() == [
        "kept as it was: Service.calc",
        "imported, but does not run: rules.r (line 1, column 9 of the document): no port",
    ]
    fake.answers["POST /async/data/import?format=v1"] = {"id": "dataImport-1"}
    assert plutino("import", str(path), "--background") == 0
    assert capsys.readouterr().out == "dataImport-1\n"
