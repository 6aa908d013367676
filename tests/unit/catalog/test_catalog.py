"""The catalog keeps texts, history, triggers and rule state over restarts, and changes all or nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from plutino.catalog import Catalog, Edit
from plutino.errors import NotFoundError, PlutinoError, TransportError
from plutino.model import Ref
from unit.control.fakes import ORIGIN, CountingClock

A, B, C = Ref("stream", "a"), Ref("rule", "b"), Ref("rule", "c")


async def reopened(catalog: Catalog, directory: Path, keep: int = 1000) -> Catalog:
    await catalog.close()
    return await opened(directory, keep)


async def opened(directory: Path, keep: int = 1000) -> Catalog:
    return await Catalog.open(directory, clock=CountingClock(), keep_revisions=keep)


async def test_texts_survive_a_restart(tmp_path: Path) -> None:
    """What a commit wrote is there again after closing and opening, byte for byte."""
    catalog = await opened(tmp_path)
    assert (catalog.revision, dict(catalog.definitions)) == (0, {})
    text = 'CREATE STREAM a () WITH (DATASOURCE="ü\u2028\x00 ")\n'
    assert await catalog.commit({A: text, B: "{}"}, origin=ORIGIN) == 1
    assert await catalog.commit({A: None, C: "x"}, origin=ORIGIN) == 2
    catalog = await reopened(catalog, tmp_path)
    assert (catalog.revision, dict(catalog.definitions)) == (2, {B: "{}", C: "x"})
    assert (await catalog.read_revision(1)).edits == (Edit(A, None, text), Edit(B, None, "{}"))
    await catalog.close()


async def test_commits_come_one_after_the_other(tmp_path: Path) -> None:
    """Each is made on what the one before it left, whoever asks meanwhile."""
    catalog = await opened(tmp_path)
    flags = [{"c": i % 2 == 0} for i in range(6)]
    made = (catalog.commit({A: f"{i}", C: "{}"}, origin=ORIGIN, triggers=lambda i=i: flags[i]) for i in range(6))
    assert await asyncio.gather(*made) == [1, 2, 3, 4, 5, 6]
    assert [edit.before for edit in (await catalog.read_revision(4)).edits] == ["2", "true"]
    assert (await catalog.verify()).valid
    await catalog.close()


async def test_a_change_shows_at_once(tmp_path: Path) -> None:
    """What changes together with the catalog changes before anybody can look: once it is stored, and not before."""
    catalog = await opened(tmp_path)
    seen: list[tuple[int, Path]] = []
    await catalog.commit({A: "1"}, origin=ORIGIN, take_over=lambda: seen.append((catalog.revision, tmp_path)))
    assert (catalog.revision, seen) == (1, [(0, tmp_path)])
    await catalog.close()


async def test_history_is_bounded_and_tells_who_did_what(tmp_path: Path) -> None:
    """Revisions list newest first with their origin; older ones than the bound have no texts any more, the count goes on."""
    catalog = await opened(tmp_path, keep=3)
    for i in range(5):
        await catalog.commit({A: f"text {i}"}, origin=ORIGIN, outcome=f"updated {i}")
    found = await catalog.revisions()
    assert [(r.number, r.outcome, r.origin, r.edits) for r in found] == [(n, f"updated {n - 1}", ORIGIN, ()) for n in (5, 4, 3, 2, 1)]
    assert [r.number for r in found if r.kept] == [5, 4, 3]
    assert found[0].at > found[1].at
    assert [r.number for r in await catalog.revisions(limit=1, before=5)] == [4]
    assert (await catalog.read_revision(4)).edits == (Edit(A, "text 2", "text 3"),)
    with pytest.raises(NotFoundError, match="revision 2 is not found"):
        await catalog.read_revision(2)
    await catalog.close()


async def test_a_long_difference_comes_back_whole(tmp_path: Path) -> None:
    """Differences that are stored compressed read the same."""
    catalog = await opened(tmp_path)
    texts: dict[Ref, str | None] = {Ref("rule", f"r{i}"): f"text {i} " * 20 for i in range(300)}
    await catalog.commit(texts, origin=ORIGIN)
    assert {e.ref: e.after for e in (await catalog.read_revision(1)).edits} == texts
    await catalog.close()


async def test_without_stored_changes_there_is_no_revision(tmp_path: Path) -> None:
    """Equal texts and temporary texts make no revision; a status alone is kept without one."""
    catalog = await opened(tmp_path)
    await catalog.commit({A: "1"}, origin=ORIGIN)
    assert await catalog.commit({A: "1"}, origin=ORIGIN) == 1
    assert await catalog.commit({B: "temp"}, origin=ORIGIN, temporary=[B]) == 1
    assert await catalog.commit({}, origin=ORIGIN, import_status=lambda _: '{"rules":{}}') == 1
    assert catalog.definitions[B] == "temp"
    assert catalog.is_temporary(B)
    catalog = await reopened(catalog, tmp_path)
    assert (dict(catalog.definitions), catalog.import_status) == ({A: "1"}, '{"rules":{}}')
    await catalog.close()


async def test_texts_move_between_disk_and_memory(tmp_path: Path) -> None:
    """A stored text that becomes temporary leaves the file, and the other way round."""
    catalog = await opened(tmp_path)
    await catalog.commit({A: "1"}, origin=ORIGIN)
    assert await catalog.commit({A: "2"}, origin=ORIGIN, temporary=[A]) == 2
    assert (await catalog.read_revision(2)).edits == (Edit(A, "1", None),)
    assert await catalog.commit({A: "3"}, origin=ORIGIN) == 3
    assert (await catalog.read_revision(3)).edits == (Edit(A, None, "3"),)
    assert not catalog.is_temporary(A)
    assert await catalog.commit({A: "4"}, origin=ORIGIN, temporary=[A]) == 4
    assert await catalog.commit({A: None}, origin=ORIGIN) == 4
    assert dict(catalog.definitions) == {}
    await catalog.close()


async def test_triggers_are_kept_apart_from_texts(tmp_path: Path) -> None:
    """Starting and stopping makes a revision without texts, survives a restart, and ends when the text decides again or the rule goes."""
    catalog = await opened(tmp_path)
    await catalog.commit({B: "{}", C: '{"triggered":false}'}, origin=ORIGIN)
    assert await catalog.commit({}, origin=ORIGIN, triggers=lambda: {"b": False, "c": True}) == 2
    assert await catalog.commit({}, origin=ORIGIN, triggers=lambda: {"b": False}) == 2
    stop, start = Edit(Ref("trigger", "b"), None, "false", said=True), Edit(Ref("trigger", "c"), None, "true", said=False)
    assert (await catalog.read_revision(2)).edits == (stop, start)
    catalog = await reopened(catalog, tmp_path)
    assert dict(catalog.triggers) == {"b": False, "c": True}
    assert await catalog.commit({B: "2"}, origin=ORIGIN, triggers=lambda: {"b": None}) == 3
    assert dict(catalog.triggers) == {"c": True}
    assert await catalog.commit({C: None}, origin=ORIGIN) == 4
    assert (await catalog.read_revision(4)).edits[1] == Edit(Ref("trigger", "c"), "true", None, said=False)
    catalog = await reopened(catalog, tmp_path)
    assert (dict(catalog.triggers), (await catalog.verify()).valid) == ({}, True)
    await catalog.close()


async def test_rules_that_are_not_there_have_no_triggers(tmp_path: Path) -> None:
    """A stop that comes after the deletion changes nothing; triggers are asked for when the commit has its turn."""
    catalog = await opened(tmp_path)
    await catalog.commit({B: "{}", C: "{}"}, origin=ORIGIN, triggers=lambda: {"b": True, "nosuch": True})
    gone = catalog.commit({B: None}, origin=ORIGIN)
    late = catalog.commit({}, origin=ORIGIN, triggers=lambda: {"b": False, "c": catalog.revision == 2})
    assert await asyncio.gather(gone, late) == [2, 3]
    assert dict(catalog.triggers) == {"c": True}
    catalog = await reopened(catalog, tmp_path)
    assert (dict(catalog.triggers), (await catalog.verify()).valid) == ({"c": True}, True)
    await catalog.close()


async def test_triggers_follow_their_rules_into_memory_and_out(tmp_path: Path) -> None:
    """Those of temporary rules make no revision and are gone after a restart."""
    catalog = await opened(tmp_path)
    await catalog.commit({B: "1"}, origin=ORIGIN, temporary=[B])
    assert await catalog.commit({}, origin=ORIGIN, triggers=lambda: {"b": False}) == 0
    assert await catalog.commit({B: "1"}, origin=ORIGIN) == 1
    assert [edit.after for edit in (await catalog.read_revision(1)).edits] == ["1", "false"]
    assert await catalog.commit({B: "1"}, origin=ORIGIN, temporary=[B]) == 2
    assert (dict(catalog.triggers), (await catalog.verify()).valid) == ({"b": False}, True)
    catalog = await reopened(catalog, tmp_path)
    assert (dict(catalog.triggers), dict(catalog.definitions)) == ({}, {})
    await catalog.close()


async def test_starts_and_stops_push_no_texts_out_of_the_history(tmp_path: Path) -> None:
    """How many revisions keep their texts is counted in revisions with texts."""
    catalog = await opened(tmp_path, keep=2)
    await catalog.commit({B: "{}"}, origin=ORIGIN)
    for i in range(4):
        await catalog.commit({A: f"text {i}"}, origin=ORIGIN)
        for flag in (False, True, None):
            await catalog.commit({}, origin=ORIGIN, triggers=lambda flag=flag: {"b": flag})
    kept = [revision.number for revision in await catalog.revisions() if revision.kept]
    assert kept == [17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7]
    assert [edits[0].after async for edits in catalog.read_edits(9, 12)] == ["text 2", "false", "true"]
    with pytest.raises(NotFoundError, match="the state at revision 5 is not found; what came after it is not kept any more"):
        assert [edits async for edits in catalog.read_edits(5, 17)]
    await catalog.close()


async def test_rule_state_is_kept_by_owner(tmp_path: Path) -> None:
    """The state store saves all entries of an owner, reads them after a restart, and forgets an owner."""
    catalog = await opened(tmp_path)
    await catalog.state.save("r1", {"a": b"\x00\x01", "b": b""})
    await catalog.state.save("r1", {"a": b"2"})
    await catalog.state.save("r2", {"a": b"3"})
    catalog = await reopened(catalog, tmp_path)
    assert [await catalog.state.load("r1", key) for key in ("a", "b", "c")] == [b"2", b"", None]
    await catalog.state.drop("r1")
    assert await catalog.state.load("r1", "a") is None
    assert await catalog.state.load("r2", "a") == b"3"
    await catalog.close()


async def test_large_state_is_kept_as_it_is(tmp_path: Path) -> None:
    """Whatever its size, also when a larger or a smaller one stood there before; forgotten, it leaves nothing behind."""
    catalog = await opened(tmp_path)
    mib = bytes(range(256)) * 4096
    for value in (mib * 3 + b"end", b"small", mib, mib + b"x", mib * 2, b""):
        await catalog.state.save("r1", {"a": value, "b": b"beside"})
        assert await catalog.state.load("r1", "a") == value
    await catalog.state.save("r1", {"a": mib * 3})
    catalog = await reopened(catalog, tmp_path)
    assert await catalog.state.load("r1", "a") == mib * 3
    await catalog.state.drop("r1")
    await catalog.state.save("r1", {"a": b"new"})
    assert [await catalog.state.load("r1", key) for key in ("a", "b")] == [b"new", None]
    await catalog.close()


async def test_one_process_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second catalog on the same directory is refused, and works once the first is closed."""
    monkeypatch.setattr("plutino.catalog.store._BUSY_SECONDS", 0.0)
    catalog = await opened(tmp_path)
    with pytest.raises(PlutinoError, match="in use by another process"):
        await opened(tmp_path)
    await catalog.commit({A: "1"}, origin=ORIGIN)
    catalog = await reopened(catalog, tmp_path)
    await catalog.close()


async def test_a_file_that_is_no_catalog_is_refused(tmp_path: Path) -> None:
    """Garbage, and a layout of a later version, are refused with what to do; the file stays as it is."""
    (tmp_path / "x").mkdir()
    garbage = tmp_path / "x" / "catalog.db"
    garbage.write_bytes(b"not a database" * 100)
    with pytest.raises(PlutinoError, match="restore the file from a backup"):
        await opened(tmp_path / "x")
    assert garbage.read_bytes() == b"not a database" * 100
    catalog = await opened(tmp_path / "y")
    await catalog.close()
    connection = sqlite3.connect(tmp_path / "y" / "catalog.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(PlutinoError, match="layout 99"):
        await opened(tmp_path / "y")


async def test_a_directory_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    """A path below a file is a TransportError with the system's reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(TransportError, match="catalog open"):
        await opened(tmp_path / "file" / "data")


async def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """Definitions hold credentials, so nobody else may read them."""
    catalog = await opened(tmp_path)
    await catalog.commit({A: "1"}, origin=ORIGIN)
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
    await catalog.close()


async def test_a_failed_commit_leaves_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fails in the middle, the transaction is rolled back and the next commit works."""
    catalog = await opened(tmp_path)
    await catalog.commit({A: "1"}, origin=ORIGIN)

    def full(edits: object) -> bytes:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("plutino.catalog.store.pack", full)
        with pytest.raises(TransportError, match="disk is full"):
            await catalog.commit({A: "2"}, origin=ORIGIN)
    assert (catalog.revision, catalog.definitions[A]) == (1, "1")
    assert await catalog.commit({A: "3"}, origin=ORIGIN) == 2
    await catalog.close()


async def test_a_cancelled_commit_is_finished(tmp_path: Path) -> None:
    """Memory and disk agree also when the caller is cancelled while the transaction runs."""
    catalog = await opened(tmp_path)
    task = asyncio.ensure_future(catalog.commit({A: "1"}, origin=ORIGIN))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    seen = (catalog.revision, dict(catalog.definitions))
    catalog = await reopened(catalog, tmp_path)
    assert (catalog.revision, dict(catalog.definitions)) == seen == (1, {A: "1"})
    await catalog.close()
