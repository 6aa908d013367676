"""Revisions, differences, rollback and audit over REST, and imports that are bound to a revision."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from unit.rest.kit import Api

ASKED = {"accept": "application/json"}


def document(sql: str, **rules: Any) -> dict[str, str]:
    """A stream and some rules on it, as the body of an import."""
    stream = 'CREATE STREAM demo (a BIGINT, b BIGINT) WITH (TYPE="memory", DATASOURCE="topic/demo")'
    found = {id: json.dumps({"id": id, "sql": sql, "actions": [{"nop": {}}], **fields}) for id, fields in rules.items()}
    return {"content": json.dumps({"streams": {"demo": stream}, "rules": found})}


WINDOW = "SELECT count(*) AS n FROM demo GROUP BY COUNTWINDOW(5)"


async def test_revisions_and_what_they_did(api: Api) -> None:
    """The list says who did what; one revision shows its changes; so does the difference of two."""
    await api.ask("POST", "/data/import?message=first%20light", document("SELECT a FROM demo", r={}))
    await api.ask("PUT", "/rules/r", {"id": "r", "sql": "SELECT b FROM demo", "actions": [{"nop": {}}]})
    await api.ask("DELETE", "/rules/r")
    listed = (await api.ask("GET", "/data/revisions")).json
    assert (listed["revision"], [entry["revision"] for entry in listed["revisions"]]) == (3, [3, 2, 1])
    first = listed["revisions"][2]
    assert (first["source"], first["client"], first["message"]) == ("import", "127.0.0.1", "first light")
    assert [e["revision"] for e in (await api.ask("GET", "/data/revisions?limit=1&before=3")).json["revisions"]] == [2]
    shown = (await api.ask("GET", "/data/revisions/2")).json
    assert shown["changes"][0]["fields"] == [{"path": "sql", "old": "SELECT a FROM demo", "new": "SELECT b FROM demo"}]
    assert (shown["source"], shown["summary"]["updated"]) == ("rest", 1)
    between = (await api.ask("GET", "/data/diff?from=0&to=2")).json
    assert {(c["name"], c["action"]) for c in between["changes"]} == {("demo", "created"), ("r", "created")}
    assert (await api.ask("GET", "/data/diff?from=2")).json["to"] == 3


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/data/revisions/9", 404),
        ("GET", "/data/revisions/x", 400),
        ("GET", "/data/revisions?limit=-1", 400),
        ("GET", "/data/diff", 400),
        ("GET", "/data/diff?from=0&to=99", 404),
        ("POST", "/data/rollback?revision=99", 404),
        ("POST", "/data/rollback?revision=²", 400),
        ("POST", "/data/diff?format=v9", 400),
        ("POST", "/data/import?baseRevision=x", 400),
    ],
)
async def test_revisions_that_are_none(api: Api, method: str, path: str, status: int) -> None:
    """Refused with the text of what was asked, never a defect."""
    reply = await api.ask(method, path, {"content": "{}"} if method == "POST" else None)
    assert (reply.status, bool(reply.json["message"])) == (status, True)
    assert api.log.events == []


@pytest.mark.parametrize("body", ["{", "{}", '{"revision":-1}', '{"revision":"1"}', "[]", ""])
async def test_a_rollback_needs_a_revision(api: Api, body: str) -> None:
    """In the query or in the body."""
    reply = await api.ask("POST", "/data/rollback", body)
    assert reply.status == 400
    assert reply.json["message"].startswith(("Invalid body", "json:"))


async def test_a_rollback_and_its_dry_run(api: Api) -> None:
    """The dry run shows what would change and what happens to running rules; the rollback is a revision of its own."""
    await api.ask("POST", "/data/import", document(WINDOW, r={}, gone={}))
    await api.ask("POST", "/data/import", document(WINDOW.replace("5", "7"), r={}))
    shown = (await api.ask("POST", "/data/rollback?dryRun=1", {"revision": 1})).json
    assert (await api.ask("POST", "/data/rollback", {"revision": 1, "dryRun": True})).json == shown
    assert {(c["name"], c["action"]) for c in shown["changes"]} == {("r", "updated"), ("gone", "created")}
    effects = {effect["rule"]: (effect["action"], effect["state"]) for effect in shown["restarts"]}
    assert effects == {"r": ("swap", "lost"), "gone": ("start", "none")}
    assert (await api.ask("GET", "/data/revisions")).json["revision"] == 2
    made = await api.ask("POST", "/data/rollback", {"revision": 1}, {"if-match": '"2"'})
    assert (made.status, made.json["revision"], made.json["summary"]["created"]) == (200, 3, 1)
    assert {rule["id"] for rule in (await api.ask("GET", "/rules")).json} == {"r", "gone"}
    newest = (await api.ask("GET", "/data/revisions?limit=1")).json["revisions"][0]
    assert (newest["source"], newest["message"]) == ("rollback", "rollback to revision 1")


async def test_the_state_of_a_rule_is_kept_where_that_is_possible(api: Api) -> None:
    """A change of the filter's sink keeps the window, a change of the window loses it, a rule without state has none to lose."""
    await api.ask("POST", "/data/import", document(WINDOW, r={}))
    await api.rule("plain")
    kept = (await api.ask("POST", "/data/diff?partial=1", document(WINDOW, r={"actions": [{"memory": {"topic": "x"}}]}))).json
    same = "what it gathers is the same"
    assert kept["restarts"] == [{"rule": "r", "action": "swap", "state": "kept", "reason": same, "why": ["rule r"]}]
    lost = (await api.ask("POST", "/data/diff?partial=1", document(WINDOW.replace("5", "6"), r={}))).json
    other = "its window is another"
    assert lost["restarts"] == [{"rule": "r", "action": "swap", "state": "lost", "reason": other, "why": ["rule r"]}]
    stateless = document("SELECT b FROM demo", plain={})
    assert (await api.ask("POST", "/data/diff?partial=1", stateless)).json["restarts"][0]["state"] == "none"
    renamed = (await api.ask("POST", "/data/diff?partial=1", document(WINDOW, r={"name": "another name"}))).json
    assert (renamed["summary"]["updated"], "restarts" in renamed) == (1, False)


async def test_an_import_is_bound_to_what_was_exported(api: Api) -> None:
    """The ETag of an export in If-Match: refused with 409 when something changed, and told what."""
    await api.ask("POST", "/data/import", document("SELECT a FROM demo", r={}))
    exported = await api.ask("GET", "/data/export")
    tag = exported.headers["etag"]
    assert exported.headers["plutino-revision"] == "1"
    assert (await api.ask("POST", "/data/import", document("SELECT a FROM demo", r={}), {"if-match": tag})).status == 200
    await api.ask("DELETE", "/rules/r")
    refused = await api.ask("POST", "/data/import", document("SELECT a FROM demo", r={}), {"if-match": tag, **ASKED})
    assert refused.status == 409
    assert "rule r deleted" in refused.json["message"]
    (meanwhile,) = refused.json["meanwhile"]
    assert (meanwhile["revision"], meanwhile["source"], meanwhile["changes"][0]["action"]) == (2, "rest", "deleted")
    plain = await api.ask("POST", "/v2/data/import", {"content": "streams: {}"}, {"if-match": "1"})
    assert (plain.status, list(plain.json)) == (409, ["error", "message"])
    for tag in ("*", "2", '"2"', 'W/"2-00ff"'):
        assert (await api.ask("POST", "/data/import?dryRun=1", {"content": "{}"}, {"if-match": tag})).status == 200
    assert (await api.ask("POST", "/data/import?dryRun=1", {"content": "{}"}, {"if-match": "x"})).status == 400


async def test_an_etag_changes_with_the_export(api: Api) -> None:
    """Also when a rule was started or stopped: that is a revision, too."""
    await api.ask("POST", "/data/import", document("SELECT a FROM demo", r={}))
    before = (await api.ask("GET", "/data/export")).headers["etag"]
    assert (await api.ask("GET", "/data/export")).headers["etag"] == before
    await api.ask("POST", "/rules/r/stop")
    after = (await api.ask("GET", "/data/export")).headers["etag"]
    assert (before.split("-")[0], after.split("-")[0]) == ('"1', '"2')
    for path, body in (("/data/import", document("SELECT a FROM demo", r={})), ("/data/rollback", {"revision": 1})):
        refused = await api.ask("POST", path, body, {"if-match": before})
        assert (refused.status, refused.json["message"].rpartition(": ")[2]) == (409, "rule r stopped")
    await api.ask("POST", "/rules/r/start")
    again = (await api.ask("GET", "/data/export")).headers["etag"]
    assert (again.split("-")[0], again.split("-")[1]) == ('"3', before.split("-")[1])


async def test_starts_and_stops_are_revisions(api: Api) -> None:
    """Who stopped what when; those of many rules at once are one; what changes nothing is none; a rollback brings them back."""
    await api.ask("POST", "/data/import", document("SELECT a FROM demo", a={"tags": ["t"]}, b={"tags": ["t"]}))
    await api.ask("POST", "/rules/a/stop")
    await api.ask("POST", "/rules/a/stop")
    await api.ask("POST", "/rules/bulkstop", {"tags": ["t"]})
    newest, first, _ = (await api.ask("GET", "/data/revisions")).json["revisions"]
    assert (first["revision"], first["source"], first["message"], first["outcome"]) == (2, "rest", "rule a stopped", "stopped 1")
    assert (newest["message"], newest["outcome"]) == ("rule b stopped", "stopped 1")
    (change,) = (await api.ask("GET", "/data/revisions/2")).json["changes"]
    fields = [{"path": "triggered", "old": True, "new": False}]
    assert change == {"section": "rules", "kind": "rule", "name": "a", "action": "updated", "fields": fields}
    assert [c["name"] for c in (await api.ask("GET", "/data/diff?from=3&to=1")).json["changes"]] == ["a", "b"]
    await api.ask("POST", "/rules/bulkstart", {"tags": ["t"]})
    assert (await api.ask("GET", "/data/revisions?limit=1")).json["revisions"][0]["message"] == "rule a started, rule b started"
    kept = await api.ask("POST", "/data/rollback?dryRun=1&keepTriggers=1", {"revision": 2})
    assert kept.json["changes"] == []
    back = (await api.ask("POST", "/data/rollback", {"revision": 2})).json
    changes = [(c["name"], c["fields"]) for c in back["changes"] if c["action"] != "unchanged"]
    assert changes == [("a", [{"path": "triggered", "old": True, "new": False}])]
    states = {rule["id"]: rule["status"] for rule in (await api.ask("GET", "/rules")).json}
    assert states == {"a": "stopped", "b": "running"}


async def test_owners_are_a_part_of_the_history(api: Api) -> None:
    """What becomes somebody's is told, and is nobody's again after a rollback: pruning then leaves it alone."""
    rule = document("SELECT a FROM demo", r={})
    await api.ask("POST", "/data/import", rule)
    await api.ask("POST", "/data/import?partial=1&owner=plant", rule)
    (change, *_) = (await api.ask("GET", "/data/revisions/2")).json["changes"]
    assert (change["action"], change["fields"]) == ("updated", [{"path": "owner", "new": "plant"}])
    assert (await api.ask("GET", "/data/audit")).json["valid"]
    base = {"if-match": "1", **ASKED}
    assert "rule r given to plant" in (await api.ask("POST", "/data/import", rule, base)).json["message"]
    for query, revision in (("?dryRun=1", 2), ("", 3)):
        back = (await api.ask("POST", f"/data/rollback{query}", {"revision": 1})).json
        assert back["revision"] == revision
        assert [c["fields"] for c in back["changes"] if c["name"] == "r"] == [[{"path": "owner", "old": "plant"}]]
    assert (await api.ask("GET", "/data/owners")).json == {}
    pruned = await api.ask("POST", "/data/import?partial=1&owner=plant&prune=1&allowEmpty=1", {"content": "{}"})
    assert (pruned.status, (await api.ask("GET", "/rules/r")).status) == (200, 200)


async def test_the_audit(api: Api) -> None:
    """Valid, with a head that can be noted and compared."""
    await api.stream()
    found = (await api.ask("GET", "/data/audit")).json
    assert (found["valid"], found["first"], found["last"], found["faults"]) == (True, 1, 1, [])
    assert (await api.ask("GET", f"/data/audit?hash={found['head']}")).json["valid"]
    assert not (await api.ask("GET", "/data/audit?revision=1&hash=00")).json["valid"]


async def test_the_status_tells_more_to_those_that_ask(api: Api) -> None:
    """Twelve keys for clients of the original; when, what and how it ended for others."""
    assert len((await api.ask("GET", "/data/import/status")).json) == 12
    await api.ask("POST", "/data/import?partial=1", {"content": "{"})
    told = (await api.ask("GET", "/data/import/status", headers=ASKED)).json["import"]
    assert (told["outcome"], told["partial"], told["format"]) == ("unreadable", True, "v1")
    assert len((await api.ask("GET", "/data/import/status")).json) == 12


async def test_bytes_of_every_kind_in_the_history(api: Api, tmp_path: Path) -> None:
    """Objects with bytes beside their text: created, changed in their bytes alone, shown by their hashes, and brought back."""
    with zipfile.ZipFile(tmp_path / "calc.zip", "w") as archive:
        interface = {"address": "http://u:pw-of-calc@127.0.0.1:9/", "protocol": "rest", "options": {}, "schemaless": True}
        archive.writestr("calc.json", json.dumps({"about": {}, "interfaces": {"calc": interface}}))
    (tmp_path / "p.proto").write_text("message P {required string n = 1;}")
    (tmp_path / "u.txt").write_text("one")
    objects = {
        "Service": {"calc": json.dumps({"name": "calc", "file": (tmp_path / "calc.zip").as_uri()})},
        "Schema": {"protobuf_p": json.dumps({"type": "protobuf", "name": "p", "file": (tmp_path / "p.proto").as_uri()})},
        "uploads": {"u.txt": json.dumps({"name": "u.txt", "file": (tmp_path / "u.txt").as_uri()})},
        "scripts": {"f": json.dumps({"id": "f", "script": "function f(x) { return x; }"})},
    }
    first = await api.ask("POST", "/data/import", {"content": json.dumps(objects)}, ASKED)
    assert first.status == 200, first.text
    shown = await api.ask("GET", "/data/revisions/1")
    assert (shown.status, {c["name"] for c in shown.json["changes"]}) == (200, {"calc", "protobuf_p", "u.txt", "f"})
    assert "pw-of-calc" not in shown.text
    (tmp_path / "u.txt").write_text("two")
    await api.ask("POST", "/config/uploads", json.loads(objects["uploads"]["u.txt"]), {"content-type": "application/json"})
    (change,) = (await api.ask("GET", "/data/diff?from=1")).json["changes"]
    assert [field["path"] for field in change["fields"]] == ["bytes.file"]
    undone = await api.ask("POST", "/data/rollback", {"revision": 1})
    assert undone.status == 200, undone.text
    assert (tmp_path / "data/uploads/u.txt").read_text() == "one"
    assert (await api.ask("POST", "/data/rollback?dryRun=1", {"revision": 0})).json["summary"]["deleted"] == 4


async def test_advice_on_one_object(api: Api) -> None:
    """What is right, but likely a mistake: misspelt names, columns between quotes, configurations and columns that are not there."""
    stream = 'CREATE STREAM demo (a BIGINT, ts BIGINT) WITH (TYPE="memory", DATASOURCE="t", CONF_KEY="none", TIMESTAMP="tz")'
    await api.ask("POST", "/streams", {"sql": stream})
    await api.ask("POST", "/rules", {"id": "r", "sql": 'SELECT "a", "b" AS c FROM demo', "actions": [{"nop": {}}], "options": {"qoss": 1}})
    found = {advice["path"]: advice for advice in (await api.ask("GET", "/data/advice?kind=rule&name=r")).json}
    assert found["options.qoss"] == {"code": "unknown", "path": "options.qoss", "text": "qoss: not known; did you mean qos?"}
    assert (found["sql"]["code"], found["sql"]["text"][:12]) == ("doubtful", '"a": a text,')
    missing = (await api.ask("GET", "/data/advice?kind=stream&name=demo")).json
    assert [advice["path"] for advice in missing] == ["options.CONF_KEY", "options.TIMESTAMP"]
    assert (await api.ask("GET", "/data/advice?kind=stream&name=nobody")).status == 404
    assert (await api.ask("GET", "/data/advice?kind=nothing&name=r")).status == 400
