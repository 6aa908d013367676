"""History: what each revision did, what lies between two, going back, and what an outdated change is told."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plutino.control import V1, entry_to_wire
from plutino.errors import NotFoundError, RevisionConflictError
from plutino.model import Ref
from plutino.spi import Origin
from unit.catalog.test_catalog_upgrade import old_file
from unit.control.fakes import ORIGIN, Bench, bench, document

R, S = Ref("rule", "r"), Ref("stream", "s")


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Bench]:
    """Five revisions: s, r, both changed, r gone, r again."""
    made = await bench(tmp_path)
    await made.write(stream_s={"v": 1, "password": "old-secret"})
    await made.write(r={"v": 1})
    text = document(streams={"s": {"v": 2, "password": "new-secret"}}, rules={"r": {"v": 2}})
    await made.control.import_document(text, partial=True, origin=Origin("import", "10.0.0.9", "new plant"))
    await made.control.delete(R, origin=ORIGIN)
    await made.write(r={"v": 5})
    yield made
    await made.close()


async def test_entries_tell_who_did_what_when(at: Bench) -> None:
    """Newest first, in pages."""
    entries = [entry_to_wire(entry) for entry in await at.control.history.entries()]
    assert [entry["revision"] for entry in entries] == [5, 4, 3, 2, 1]
    third = entries[2]
    assert (third["source"], third["client"], third["message"]) == ("import", "10.0.0.9", "new plant")
    assert (third["outcome"], third["texts"], len(third["hash"])) == ("created 0, updated 2, deleted 0, refused 0", True, 64)
    assert [e.number for e in await at.control.history.entries(limit=2, before=4)] == [3, 2]


async def test_an_entry_shows_each_field_without_secrets(at: Bench) -> None:
    """Old and new value; that a secret changed is seen, but not what it is."""
    entry, changes = await at.control.history.entry(3)
    wire = changes.to_wire()
    assert (entry.number, wire["revision"], wire["summary"]["updated"]) == (3, 3, 2)
    fields = {change["name"]: change["fields"] for change in wire["changes"]}
    assert fields["r"] == [{"path": "v", "old": 1, "new": 2}]
    assert fields["s"] == [{"path": "v", "old": 1, "new": 2}, {"path": "password", "old": "******", "new": "******"}]
    assert "secret" not in json.dumps(wire).replace("password", "")


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 5, {"s": "created", "r": "created"}),
        (2, 5, {"s": "updated", "r": "updated"}),
        (3, 4, {"r": "deleted"}),
        (2, 4, {"s": "updated", "r": "deleted"}),
        (4, 2, {"s": "updated", "r": "created"}),
        (5, 0, {"s": "deleted", "r": "deleted"}),
        (3, 3, {}),
    ],
)
async def test_what_lies_between_two_revisions(at: Bench, start: int, end: int, expected: dict[str, str]) -> None:
    """In both directions; what came and went again does not show."""
    changes = await at.control.history.between(start, end)
    assert {change.ref.name: change.verb for change in changes.changes} == expected
    for change in changes.changes:
        if change.ref == R and change.before is not None and (start, end) == (2, 5):
            assert (change.before.text, change.after and change.after.text) == ('{"v":1}', '{"v":5}')


async def test_revisions_that_are_not_there(at: Bench) -> None:
    """Each is named, whether it is too new or too old."""
    with pytest.raises(NotFoundError, match="revision 9 is not found; the current one is 5"):
        await at.control.history.between(2, 9)
    with pytest.raises(NotFoundError, match="revision 7 is not found"):
        await at.control.rollback(7, origin=ORIGIN)
    with pytest.raises(NotFoundError, match="revision 12 is not found"):
        await at.control.history.entry(12)


async def test_old_revisions_lose_their_texts_first(tmp_path: Path) -> None:
    """Who did what stays longer than what it was; a rollback beyond is refused."""
    at = await bench(tmp_path, keep_revisions=2)
    for v in range(4):
        await at.write(r={"v": v})
    assert [e.kept for e in await at.control.history.entries()] == [True, True, False, False]
    with pytest.raises(NotFoundError, match="the state at revision 1 is not found; what came after it is not kept any more, the oldest"):
        await at.control.rollback(1, origin=ORIGIN)
    assert (await at.control.rollback(2, origin=ORIGIN)).revision == 5
    assert at.texts() == {"rule:r": '{"v":1}'}
    await at.close()


async def test_a_rollback_is_shown_before_it_is_made(at: Bench) -> None:
    """The dry run tells the changes and makes none; the rollback makes exactly those, as a revision of its own."""
    before = at.texts()
    shown = await at.control.rollback(2, origin=ORIGIN, dry_run=True)
    assert (at.texts(), at.control.revision) == (before, 5)
    made = await at.control.rollback(2, origin=Origin("rollback", "me"))
    assert made.changeset.changes == shown.changeset.changes
    assert at.texts() == {"stream:s": '{"v":1,"password":"old-secret"}', "rule:r": '{"v":1}'}
    assert (made.revision, (await at.control.history.entries(1))[0].origin) == (
        6,
        Origin("rollback", "me", "stream s updated, rule r updated"),
    )
    again = await at.control.rollback(2, origin=ORIGIN)
    assert (again.revision, again.changeset.changes) == (6, ())


async def test_a_rollback_brings_back_what_an_export_said(at: Bench) -> None:
    """Texts, and which rules were started; every state of a history with starts and stops, forth and back."""
    await at.write(r={"v": 6})
    exports = {6: await at.control.export(V1)}
    steps: list[dict[str, Any] | bool | None] = [False, {"v": 7}, True, {"triggered": False}, True, None, {"v": 8}, False, {"x": 1}]
    for step in steps:
        match step:
            case bool():
                await at.control.trigger(["r"], step, origin=ORIGIN)
            case None:
                await at.control.delete(Ref("rule", "r"), origin=ORIGIN)
            case _:
                await at.write(r=step)
        exports[at.control.revision] = await at.control.export(V1)
    running = {number: '\\"triggered\\":false' not in text for number, text in exports.items() if '"r":' in text}
    assert len(exports) == len(steps) + 1
    for number in [*exports, *reversed(exports), 9, 6, 14, 7]:
        shown = await at.control.rollback(number, origin=ORIGIN, dry_run=True)
        made = await at.control.rollback(number, origin=ORIGIN)
        assert shown.changeset.changes == made.changeset.changes
        assert await at.control.export(V1) == exports[number]
        assert at.host.rules.get("r") == {True: "running", False: "stopped", None: None}[running.get(number)]
    assert (await at.catalog.verify()).faults == ()


async def test_a_rollback_can_leave_rules_started_and_stopped(at: Bench) -> None:
    """Whatever the texts say that come back, and whatever was asked for then."""
    await at.write(r={"v": 6}, q={"triggered": False})
    await at.control.trigger(["r"], False, origin=ORIGIN)
    await at.control.trigger(["q"], True, origin=ORIGIN)
    await at.control.rollback(5, origin=ORIGIN, keep_triggers=True)
    assert at.host.rules["r"] == "stopped"
    await at.write(r={"v": 7, "triggered": False})
    await at.write(r={"v": 7})
    await at.control.rollback(at.control.revision - 1, origin=ORIGIN, keep_triggers=True)
    assert (at.host.rules["r"], at.catalog.triggers["r"]) == ("running", True)


async def test_a_rollback_brings_back_what_did_not_check_either(at: Bench) -> None:
    """A rule whose stream was deleted is a state as well; the result says that it does not run, and a good state follows on it."""
    await at.write(r={"uses": ["stream:s"]})
    await at.control.delete(S, origin=ORIGIN)
    broken = at.control.revision, await at.control.export(V1)
    await at.control.delete(R, origin=ORIGIN)
    shown = await at.control.rollback(broken[0], origin=ORIGIN, dry_run=True)
    made = await at.control.rollback(broken[0], origin=ORIGIN)
    assert [fault.path for fault in made.troubles] == [fault.path for fault in shown.troubles] == ["rules.r"]
    assert (await at.control.export(V1), at.host.rules["r"]) == (broken[1], "stopped by error")
    await at.reopen()
    assert at.host.rules["r"] == "stopped by error"
    await at.control.rollback(broken[0] - 1, origin=ORIGIN)
    assert at.host.rules["r"] == "running"
    again = await at.control.rollback(broken[0], origin=ORIGIN)
    # As after the deletion itself: what ran goes on.
    assert (at.host.rules["r"], [fault.path for fault in again.troubles]) == ("running", ["rules.r"])


async def test_a_rollback_does_not_mind_starts_and_stops(at: Bench) -> None:
    """They come in between without being changes of what comes back; who names a base is told."""
    original = at.control.history.state_at
    calls = []

    async def state_at(*args: Any, **given: Any) -> Any:
        calls.append(args)
        found = await original(*args, **given)
        if len(calls) == 1:
            await at.control.trigger(["r"], False, origin=ORIGIN)
        return found

    at.control.history.state_at = state_at  # type: ignore[method-assign]
    made = await at.control.rollback(2, origin=ORIGIN)
    assert (made.revision, at.texts()["rule:r"], at.host.rules["r"]) == (7, '{"v":1}', "running")
    calls.clear()
    with pytest.raises(RevisionConflictError, match="rule r stopped"):
        await at.control.rollback(5, origin=ORIGIN, base_revision=7)


async def test_a_rollback_past_an_upgrade_leaves_what_the_history_did_not_know(tmp_path: Path) -> None:
    """Rules that were stopped, and owners, when starts, stops and owners were no part of the history yet stay as they are."""
    old_file(tmp_path, 5)
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:
        connection.execute("INSERT INTO owners VALUES ('rule', 'b', 'plant')")
        connection.commit()
    at = await bench(tmp_path)
    assert (at.control.revision, at.host.rules["b"]) == (7, "stopped")
    await at.control.trigger(["b"], True, origin=ORIGIN)
    await at.control.rollback(6, origin=ORIGIN)
    assert (at.host.rules["b"], at.control.owners()) == ("stopped", {"plant": ["rules.b"]})
    assert not (await at.control.history.between(6, 7))
    await at.close()


async def test_temporary_rules_are_no_part_of_a_state(at: Bench) -> None:
    """A rollback leaves them alone where no stored one comes back."""
    await at.control.delete(R, origin=ORIGIN)
    await at.write(r={"temp": True})
    await at.control.rollback(1, origin=ORIGIN)
    assert at.host.rules == {"r": "running"}
    await at.control.rollback(2, origin=ORIGIN)
    assert (at.texts()["rule:r"], at.catalog.is_temporary(R)) == ('{"v":1}', False)


async def test_what_held_already_is_shown_as_said(at: Bench) -> None:
    """The first start of a rule that runs is kept with it, and so it is a revision; the second is none."""
    await at.control.trigger(["r"], True, origin=ORIGIN)
    await at.control.trigger(["r"], True, origin=ORIGIN)
    (change,) = (await at.control.history.entry(6))[1].to_wire()["changes"]
    assert (at.control.revision, change["fields"]) == (6, [{"path": "triggered", "new": True}])


async def test_an_outdated_change_is_told_what_happened_meanwhile(at: Bench) -> None:
    """Each revision since, with its origin and what it did to which object; nothing is changed."""
    text = document(rules={"r": {"v": 99}})
    with pytest.raises(RevisionConflictError) as caught:
        await at.control.import_document(text, partial=True, origin=ORIGIN, base_revision=3)
    error = caught.value
    assert error.status == 409
    assert error.message == "based on revision 3; the current revision is 5, look at it first: rule r deleted, rule r created"
    assert [entry["revision"] for entry in error.meanwhile] == [4, 5]
    assert error.meanwhile[0]["changes"] == [{"section": "rules", "kind": "rule", "name": "r", "action": "deleted"}]
    with pytest.raises(RevisionConflictError, match="there is no such revision yet"):
        await at.control.rollback(2, origin=ORIGIN, base_revision=6)
    assert at.control.revision == 5
    await at.control.import_document(text, partial=True, origin=ORIGIN, base_revision=5)
    assert at.texts()["rule:r"] == '{"v":99}'


async def test_history_and_state_can_be_verified(at: Bench) -> None:
    """The chain holds, and the newest hash can be compared with one that was kept elsewhere."""
    audit = await at.control.verify()
    assert (audit.valid, audit.first, audit.last) == (True, 1, 5)
    assert (await at.control.verify((5, audit.head))).valid
    assert not (await at.control.verify((4, audit.head))).valid
