"""The audit log tells whether history and stored objects are what was written; tasks are kept with the change they belong to."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest

from plutino.catalog import Audit, Catalog, TaskRecord
from plutino.catalog.audit import Link, link_hash, state_of
from plutino.catalog.blobs import pieces_of
from plutino.errors import NotFoundError, PlutinoError
from plutino.model import Ref
from plutino.spi import Origin
from unit.control.fakes import ORIGIN, CountingClock

A, B = Ref("stream", "a"), Ref("rule", "b")


async def opened(directory: Path, keep: int = 1000, keep_audit: int = 1000) -> Catalog:
    return await Catalog.open(directory, clock=CountingClock(), keep_revisions=keep, keep_audit=keep_audit)


async def written(directory: Path, revisions: int, keep: int = 1000, keep_audit: int = 1000) -> None:
    """A closed catalog with some history."""
    catalog = await opened(directory, keep, keep_audit)
    for i in range(revisions):
        kept_bytes = await catalog.blob_store.put(pieces_of(f"bytes {i}".encode()), limit=100, what="the file")
        blobs = {A: (("file", kept_bytes.digest),)}
        texts = {A: f"text {i}", B: None if i % 3 == 2 else f"rule {i}"}
        await catalog.commit(texts, origin=ORIGIN, outcome=f"number {i}", blobs=blobs)
    await catalog.close()


async def verified(directory: Path, expected: tuple[int, str] | None = None) -> Audit:
    catalog = await opened(directory)
    try:
        return await catalog.verify(expected)
    finally:
        await catalog.close()


def tampered(directory: Path, statements: Iterable[str]) -> None:
    """What somebody with access to the file does."""
    connection = sqlite3.connect(directory / "catalog.db")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


async def test_an_untouched_history_is_valid(tmp_path: Path) -> None:
    """Also after a restart, and when old revisions were given up: first their texts, then themselves."""
    await written(tmp_path, 9, keep=3, keep_audit=5)
    found = await verified(tmp_path)
    assert (found.valid, found.first, found.last, found.with_texts) == (True, 5, 9, 3)
    assert len(found.head) == 64
    assert (await verified(tmp_path, (9, found.head))).valid


async def test_an_empty_catalog_is_valid(tmp_path: Path) -> None:
    """There is nothing to doubt."""
    assert await verified(tmp_path) == Audit(0, 0, 0, "", ())


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE revisions SET client = 'someone else' WHERE number = 3", "revision 3: does not follow"),
        ("UPDATE revisions SET outcome = '' WHERE number = 1", "revision 1: does not follow"),
        ("UPDATE revisions SET at = at + 1 WHERE number = 6", "revision 6: does not follow"),
        ("UPDATE revisions SET edits = X'5B5D' WHERE number = 4", "revision 4: the difference is not the one"),
        ("UPDATE revisions SET edits = 'garbage' WHERE number = 4", "revision 4: the difference is not the one"),
        ("DELETE FROM revisions WHERE number = 4", "4 is missing"),
        ("DELETE FROM revisions WHERE number = 6", "the newest revision is 5; the catalog is at 6"),
        ("DELETE FROM revisions", "the newest revision is 0; the catalog is at 6"),
        ("DELETE FROM revisions WHERE number < 4", "the oldest revision is 4; 1 is missing"),
        ("UPDATE revisions SET edits = X'' WHERE number = 4", "revision 4: its difference is gone"),
        ("UPDATE revisions SET edits = X'' WHERE number = 6", "revision 6: its difference is gone"),
        ("UPDATE revisions SET edits = X'' WHERE number < 3", "revision 2: its difference is gone"),
        ("UPDATE revisions SET edits = X''", "revision 6: its difference is gone"),
        ("UPDATE revisions SET edits = 17 WHERE number = 4", "revision 4: the difference is not the one"),
        ("UPDATE revisions SET hash = '', client = 'evil'", "revision 6: has no hash; all from 1 on have one"),
        ("UPDATE revisions SET hash = '', client = 'evil' WHERE number = 6", "revision 6: has no hash"),
        ("UPDATE revisions SET hash = '', client = 'evil' WHERE number = 1", "revision 1: has no hash"),
        ("UPDATE revisions SET state = 'zz' WHERE number = 4", "revision 4: does not follow"),
        ("UPDATE revisions SET state = 'zz' WHERE number = 6", "the stored objects are not those of revision 6"),
        ("UPDATE revisions SET horizon = '[7,7,7]'", "revision 6: does not follow"),
        ("UPDATE settings SET value = 'zz' WHERE key = 'stateHash'", "the hash of the state: zz; that of revision 6 is expected"),
        ("DELETE FROM settings WHERE key = 'stateHash'", "the hash of the state: none; that of revision 6 is expected"),
        ("UPDATE settings SET value = '4' WHERE key = 'revision'", "the newest revision is 6; the catalog is at 4"),
        ("UPDATE revisions SET hash = '' WHERE number = 5", "revision 5: has no hash"),
        ("UPDATE definitions SET text = 'x' WHERE kind = 'stream'", "the stored objects are not those of revision 6"),
        ("UPDATE definitions SET blobs = '' WHERE kind = 'stream'", "the stored objects are not those of revision 6"),
        ("INSERT INTO definitions VALUES ('rule', 'z', '{}', '')", "the stored objects are not those of revision 6"),
    ],
)
async def test_what_was_changed_behind_its_back_is_found(tmp_path: Path, statement: str, fault: str) -> None:
    """Entries, differences and objects: any change of the file shows."""
    await written(tmp_path, 6)
    tampered(tmp_path, [statement])
    found = await verified(tmp_path)
    assert not found.valid
    assert fault in "; ".join(found.faults)


@pytest.mark.parametrize(
    ("damage", "fault"), [(Path.unlink, "is missing"), (Path.touch, None), (lambda p: p.write_bytes(b"x"), "was changed")]
)
async def test_bytes_that_are_gone_or_changed_are_found(tmp_path: Path, damage: Callable[[Path], object], fault: str | None) -> None:
    """An object whose file is another one, or nowhere, is not what was written."""
    await written(tmp_path, 2)
    digest = hashlib.sha256(b"bytes 1").hexdigest()
    [path] = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name + path.name == digest]
    damage(path)
    found = await verified(tmp_path)
    expected = () if fault is None else (f"stream a: its file {fault}; import it again, from a bundle or from where it came",)
    assert found.faults == expected


async def test_a_chain_that_was_made_anew_is_found_by_a_hash_kept_elsewhere(tmp_path: Path) -> None:
    """Two histories are each valid by themselves; the expected hash tells them apart."""
    await written(tmp_path / "one", 3)
    await written(tmp_path / "two", 4)
    kept = await verified(tmp_path / "one")
    assert (await verified(tmp_path / "two", (3, kept.head))).valid
    other = await verified(tmp_path / "two", (3, "0" * 64))
    assert other.faults == (f"revision 3: {kept.head}; {'0' * 64} is expected",)
    assert "no hash" in (await verified(tmp_path / "two", (7, kept.head))).faults[0]


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        (["UPDATE revisions SET edits = X'' WHERE number < 6"], "revision 5: its difference is gone"),
        (["UPDATE revisions SET edits = X'' WHERE number = 7"], "revision 7: its difference is gone"),
        (["UPDATE revisions SET hash = '', client = 'evil'"], "revision 8: has no hash"),
        (["UPDATE revisions SET hash = '', client = 'evil' WHERE number = 8"], "revision 8: has no hash"),
        (["DELETE FROM revisions"], "the oldest revision is 9; 4 is missing"),
        (["DELETE FROM revisions WHERE number = 8"], "8 is missing"),
        # Also where the file is made to say that its history begins anew.
        (["DELETE FROM revisions", "UPDATE settings SET value = '[9,9,9]' WHERE key = 'horizon'"], "revision 9: does not follow"),
        (["DELETE FROM revisions", "UPDATE settings SET value = '' WHERE key = 'auditAnchor'"], "the oldest revision is 9; 4 is missing"),
        (
            ["DELETE FROM revisions", "DELETE FROM settings WHERE key IN ('auditAnchor', 'horizon')"],
            "the oldest revision is 9; 4 is missing",
        ),
        (["UPDATE definitions SET text = 'x' WHERE kind = 'stream'"], "the stored objects are not those of revision 9"),
        (["UPDATE settings SET value = '10' WHERE key = 'revision'"], "revision 11: follows 8; 9 is missing"),
    ],
)
async def test_later_changes_cover_nothing_up(tmp_path: Path, statements: list[str], fault: str) -> None:
    """What was done to a file is found as well after the next commit, with old revisions given up before."""
    await written(tmp_path, 8, keep=4, keep_audit=6)
    tampered(tmp_path, statements)
    assert not (await verified(tmp_path)).valid
    catalog = await opened(tmp_path, 4, 6)
    await catalog.commit({B: "new"}, origin=ORIGIN)
    found = await catalog.verify()
    await catalog.close()
    assert fault in "; ".join(found.faults)


async def test_an_object_is_not_made_good_by_a_fitting_state(tmp_path: Path) -> None:
    """The states of revisions are what their differences make of each other, whatever the file says of the newest one."""
    await written(tmp_path, 3)
    forged = state_of([(A, "evil", (("file", hashlib.sha256(b"bytes 2").hexdigest()),))])
    tampered(tmp_path, ["UPDATE definitions SET text = 'evil'", f"UPDATE settings SET value = '{forged}' WHERE key = 'stateHash'"])
    catalog = await opened(tmp_path)
    await catalog.commit({B: "new"}, origin=ORIGIN)
    found = await catalog.verify()
    await catalog.close()
    assert found.faults == ("revision 4: its state is not the one that its difference makes of that of 3",)


@pytest.mark.parametrize("statement", ["UPDATE settings SET value = 'zz'", "DELETE FROM settings"])
async def test_without_a_state_to_carry_on_nothing_is_written(tmp_path: Path, statement: str) -> None:
    """Every change is refused with what to do, and the verification tells why; no state is made up out of what is stored."""
    await written(tmp_path, 3)
    tampered(tmp_path, ["UPDATE definitions SET text = 'evil'", f"{statement} WHERE key = 'stateHash'"])
    catalog = await opened(tmp_path)
    for _ in range(2):
        with pytest.raises(PlutinoError, match="no hash of a state, the file was changed or damaged; restore the file from a backup"):
            await catalog.commit({B: "new"}, origin=ORIGIN)
    found = await catalog.verify()
    await catalog.close()
    assert (catalog.revision, B in catalog.definitions) == (3, False)
    assert [fault.split(":")[0] for fault in found.faults] == ["the stored objects are not those of revision 3", "the hash of the state"]


@pytest.mark.parametrize("edits", ["'garbage'", "X'00FF'", "17", "''", "'[{'", "'[]'", "X'789C00'", "'[' || hex(zeroblob(9)) || ']'"])
async def test_differences_that_cannot_be_read_are_named(tmp_path: Path, edits: str) -> None:
    """Where they would be shown, compared or rolled back, and in the verification."""
    await written(tmp_path, 5)
    tampered(tmp_path, [f"UPDATE revisions SET edits = {edits} WHERE number = 3"])
    catalog = await opened(tmp_path)
    with pytest.raises(PlutinoError, match="revision 3: its difference cannot be read; the file was changed or damaged"):
        await catalog.read_revision(3)
    with pytest.raises(PlutinoError, match="revision 3: its difference cannot be read; the file was changed or damaged"):
        assert [edits async for edits in catalog.read_edits(1, 5)]
    assert len([edits async for edits in catalog.read_edits(3, 5)]) == 2
    assert [fault.split(":")[0] for fault in (await catalog.verify()).faults] == ["revision 3"]
    await catalog.close()


async def test_a_difference_that_should_be_there_is_told_apart_from_old_ones(tmp_path: Path) -> None:
    """Of old revisions nobody says that they were damaged, of the others not that they were forgotten."""
    await written(tmp_path, 8, keep=5)
    tampered(tmp_path, ["UPDATE revisions SET edits = X'' WHERE number = 6"])
    catalog = await opened(tmp_path)
    with pytest.raises(PlutinoError, match="revision 6: its difference cannot be read; the file was changed or damaged"):
        assert [edits async for edits in catalog.read_edits(4, 8)]
    expected = (
        "the state at revision 2 is not found; what came after it is not kept any more, the oldest that can be had is that at revision 3"
    )
    with pytest.raises(NotFoundError, match=expected):
        assert [edits async for edits in catalog.read_edits(2, 5)]
    await catalog.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE definitions SET blobs = 'garbage'",
        "UPDATE definitions SET blobs = '[1]'",
        "UPDATE definitions SET text = X'00'",
        "UPDATE settings SET value = 'zz' WHERE key = 'revision'",
        "UPDATE settings SET value = '99999999999999999999' WHERE key = 'revision'",
        "DELETE FROM settings WHERE key = 'revision'",
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_with_what_to_do(tmp_path: Path, statement: str) -> None:
    """As one that is no catalog at all."""
    await written(tmp_path, 1)
    tampered(tmp_path, [statement])
    with pytest.raises(PlutinoError, match="restore the file from a backup or move it away"):
        await opened(tmp_path)


@pytest.mark.parametrize("hash", ["hash", "''"])
@pytest.mark.parametrize("number", [4, 0, -1])
async def test_nothing_is_slipped_in_before_the_oldest_entry(tmp_path: Path, hash: str, number: int) -> None:
    """What stands there is covered by none that follows."""
    await written(tmp_path, 8, keep=2, keep_audit=4)
    columns = "at, source, client, summary, outcome, edits, digest, state"
    oldest = f"SELECT {number}, {columns}, (SELECT value FROM settings WHERE key = 'auditAnchor') AS hash, light, horizon FROM revisions"
    old = f"INSERT INTO revisions (number, {columns}, hash, light, horizon) {oldest} WHERE number = 5"
    tampered(tmp_path, [old, f"UPDATE revisions SET client = 'evil', hash = {hash} WHERE number = {number}"])
    assert f"the oldest revision is {number}; those before 5 were given up" in (await verified(tmp_path)).faults


async def test_objects_of_a_new_catalog_come_from_somewhere(tmp_path: Path) -> None:
    """Without any revision there is nothing that could have made them."""
    await written(tmp_path, 0)
    tampered(tmp_path, ["INSERT INTO definitions VALUES ('rule', 'z', '{}', '')"])
    assert (await verified(tmp_path)).faults[0].startswith("the stored objects are not those of revision 0")


async def test_changes_during_a_verification_are_no_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Revisions that come, lose their differences or go while others are looked at; in the end all are."""
    monkeypatch.setattr("plutino.catalog.catalog._REVISIONS_AT_ONCE", 2)
    await written(tmp_path, 12, keep=4, keep_audit=8)
    catalog = await opened(tmp_path, 4, 8)
    for number in range(6):
        going_on = asyncio.ensure_future(catalog.verify())
        for i in range(number):
            await catalog.commit({A: f"{number} {i}"}, origin=ORIGIN)
        assert (await going_on).faults == ()
    await catalog.close()


async def test_entries_that_go_take_their_bytes_with_them(tmp_path: Path) -> None:
    """Starts and stops push entries out of the history whose texts would be kept; nothing names the bytes of these any more."""
    await written(tmp_path, 2)
    catalog = await opened(tmp_path, 2, 3)
    for i, fault in enumerate((None, None, "is missing")):
        await catalog.commit({}, origin=ORIGIN, triggers=lambda i=i: {"b": i % 2 == 0})
        assert await catalog.blob_store.fault(hashlib.sha256(b"bytes 0").hexdigest()) == fault
    assert await catalog.blob_store.fault(hashlib.sha256(b"bytes 1").hexdigest()) is None
    assert (await catalog.verify()).faults == ()
    await catalog.close()
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:
        assert connection.execute("SELECT count(*) FROM revision_blobs").fetchone() == (0,)


async def test_the_newest_hash_covers_what_may_be_missing(tmp_path: Path) -> None:
    """Who forgets differences or entries in the name of the catalog has to make the newest revision anew, which a kept hash shows."""
    await written(tmp_path, 6)
    head = (await verified(tmp_path)).head
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:
        (previous,) = connection.execute("SELECT hash FROM revisions WHERE number = 5").fetchone()
        row = connection.execute("SELECT at, source, client, summary, outcome, digest, state FROM revisions WHERE number = 6").fetchone()
    at, source, client, summary, *others = row
    link = Link(6, at, Origin(source, client, summary), *others, "", None, "[1,1,7]")
    new = f"UPDATE revisions SET hash = '{link_hash(link, previous)}', horizon = '[1,1,7]' WHERE number = 6"
    tampered(tmp_path, ["UPDATE revisions SET edits = X''", new])
    assert (await verified(tmp_path)).valid
    assert not (await verified(tmp_path, (6, head))).valid


async def test_a_task_is_kept_with_its_commit(tmp_path: Path) -> None:
    """A commit stores its task with the revision that it made, and a refused commit does not."""
    catalog = await opened(tmp_path)
    task = TaskRecord("t1", "running", "", 1, 2)
    await catalog.save_task(task)
    await catalog.commit(
        {A: "1", Ref("rule", "r"): "{}"}, origin=ORIGIN, task=TaskRecord("t1", "running", "done", 1, 3), triggers=lambda: {"r": False}
    )
    await catalog.commit({}, origin=ORIGIN, task=TaskRecord("t2", "finish", "nothing", 4, 5))
    for _ in range(2):
        assert dict(catalog.tasks) == {
            "t1": TaskRecord("t1", "running", "done", 1, 3, 1),
            "t2": TaskRecord("t2", "finish", "nothing", 4, 5),
        }
        assert dict(catalog.triggers) == {"r": False}
        await catalog.close()
        catalog = await opened(tmp_path)
    await catalog.close()
