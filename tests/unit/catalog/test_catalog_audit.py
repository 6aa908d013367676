"""The audit log tells whether history and stored objects are what was written; tasks are kept with the change they belong to."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from plutino.catalog import Audit, Catalog, TaskRecord
from plutino.catalog.blobs import pieces_of
from plutino.model import Ref
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


async def test_a_catalog_of_an_earlier_layout_begins_its_chain(tmp_path: Path) -> None:
    """Revisions that were written without hashes stand before the chain; what follows is verified."""
    await written(tmp_path, 2)
    tampered(tmp_path, ["UPDATE revisions SET hash = '', digest = '', state = ''", "DELETE FROM settings WHERE key = 'stateHash'"])
    catalog = await opened(tmp_path)
    await catalog.commit({A: "new"}, origin=ORIGIN)
    await catalog.close()
    found = await verified(tmp_path)
    assert found.faults == ()
    assert (found.first, found.last) == (1, 3)
    tampered(tmp_path, ["DELETE FROM definitions WHERE name = 'a'"])
    assert not (await verified(tmp_path)).valid


async def test_a_task_is_kept_with_its_commit(tmp_path: Path) -> None:
    """A commit stores its task with the revision that it made, and a refused commit does not."""
    catalog = await opened(tmp_path)
    task = TaskRecord("t1", "running", "", 1, 2)
    await catalog.save_task(task)
    await catalog.commit({A: "1"}, origin=ORIGIN, task=TaskRecord("t1", "running", "done", 1, 3), triggers={"r": False})
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
