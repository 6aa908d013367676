"""Files of every earlier layout open with all that they hold, and their history is valid from then on."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from plutino.catalog import Audit, Catalog, Edit
from plutino.catalog.audit import state_of
from plutino.catalog.revision import compressed, pack
from plutino.catalog.schema import MIGRATIONS
from plutino.errors import NotFoundError, PlutinoError
from plutino.model import Ref
from unit.control.fakes import ORIGIN, CountingClock

A, B = Ref("stream", "a"), Ref("rule", "b")

LAST = 6
"""The newest revision of the old files."""

HASHED, TOGETHER = 3, 6
"""The layouts from which on revisions have hashes, and starts and stops are a part of the history."""


def old_file(directory: Path, layout: int, *, oldest: int = 1, texts: int = 1, hashes: int = 1) -> str:
    """A catalog as the version with a layout left it; gives its newest hash.

    ``oldest``: the first revision that is kept, ``texts``: that has its difference, ``hashes``: that was written with layout 3 or later.
    """
    with closing(sqlite3.connect(directory / "catalog.db")) as connection:
        for statements in MIGRATIONS[:layout]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {layout}")
        hash = _write_history(connection, layout, oldest, texts, hashes) if layout else ""
        connection.commit()
    return hash


def _write_history(connection: sqlite3.Connection, layout: int, oldest: int, texts: int, hashes: int) -> str:
    hash, state, long = "", "", "x" * 5000
    for number in range(1, LAST + 1):
        before, after = (f"text {n} {long}" if n else None for n in (number - 1, number))
        packed = pack((Edit(A, before, after), *([Edit(B, None, "{}")] if number == 1 else [])))
        row = (number, 1000 + number, "rest", "127.0.0.1", "", f"number {number}", b"" if number < texts else compressed(packed))
        if number >= oldest:
            connection.execute(
                "INSERT INTO revisions (number, at, source, client, summary, outcome, edits) VALUES (?, ?, ?, ?, ?, ?, ?)", row
            )
        if layout >= HASHED and number >= hashes:
            digest, state = hashlib.sha256(packed).hexdigest(), state_of([(A, str(after), ()), (B, "{}", ())])
            covered = json.dumps([hash, *row[:6], digest, state], separators=(",", ":"))
            hash = hashlib.sha256(covered.encode()).hexdigest()
            connection.execute("UPDATE revisions SET digest = ?, state = ?, hash = ? WHERE number = ?", (digest, state, hash, number))
        if number == oldest - 1 and layout >= HASHED:
            connection.execute("INSERT INTO settings VALUES ('auditAnchor', ?)", (hash,))
    objects = [(A, f"text {LAST} {long}"), (B, "{}")]
    connection.executemany(
        "INSERT INTO definitions (kind, name, text) VALUES (?, ?, ?)", [(ref.kind, ref.name, text) for ref, text in objects]
    )
    connection.execute("UPDATE settings SET value = ? WHERE key = 'revision'", (str(LAST),))
    if layout < TOGETHER:
        connection.executemany("INSERT INTO triggers VALUES (?, ?)", [("b", 0), ("nosuch", 1)])
    if layout >= HASHED:
        connection.execute("INSERT INTO settings VALUES ('stateHash', ?)", (state_of((*each, ()) for each in objects),))
    return hash


async def opened(directory: Path, keep: int = 1000, keep_audit: int = 1000) -> Catalog:
    return await Catalog.open(directory, clock=CountingClock(), keep_revisions=keep, keep_audit=keep_audit)


def tampered(directory: Path, statement: str) -> None:
    with closing(sqlite3.connect(directory / "catalog.db")) as connection:
        connection.execute(statement)
        connection.commit()


PRUNED = {"oldest": 3, "texts": 5}


@pytest.mark.parametrize(
    ("layout", "given"),
    [
        *((layout, {}) for layout in range(1, len(MIGRATIONS))),
        # The first layouts had no entries without their texts.
        (1, {"oldest": 4, "texts": 4}),
        (2, {"oldest": 4, "texts": 4}),
        *((layout, PRUNED) for layout in range(HASHED, len(MIGRATIONS))),
        *((layout, {"hashes": 4}) for layout in range(HASHED, len(MIGRATIONS))),
        (6, {"hashes": LAST + 1}),
        (6, {"oldest": 3, "texts": 3, "hashes": 3}),
        (6, {**PRUNED, "hashes": 4}),
    ],
)
async def test_a_file_of_an_earlier_layout_is_taken_over(tmp_path: Path, layout: int, given: dict[str, int]) -> None:
    """It is valid at once, after a restart, and with more revisions."""
    hash = old_file(tmp_path, layout, **given)
    taken_in = LAST + (layout < TOGETHER)
    for restart in range(3):
        catalog = await opened(tmp_path)
        found = await catalog.verify((LAST, hash)) if hash else await catalog.verify()
        assert (found.faults, found.first, found.last) == ((), given.get("oldest", 1), taken_in + restart)
        assert found.with_texts == found.last - given.get("texts", 1) + 1
        assert found.head or (found.last, hash) == (LAST, "")
        await catalog.commit({A: f"new {restart}"}, origin=ORIGIN)
        assert (await catalog.verify()).faults == ()
        await catalog.close()
    catalog = await opened(tmp_path, 2, 3)
    for i in range(9):
        await catalog.commit({A: f"newer {i}"}, origin=ORIGIN)
        assert (await catalog.verify()).faults == ()
    await catalog.close()


@pytest.mark.parametrize("layout", range(1, TOGETHER))
async def test_triggers_of_earlier_layouts_become_a_revision(tmp_path: Path, layout: int) -> None:
    """What was stored beside the history is a part of it after the upgrade, once."""
    old_file(tmp_path, layout)
    for _ in range(2):
        catalog = await opened(tmp_path)
        assert (catalog.revision, dict(catalog.triggers)) == (LAST + 1, {"b": False})
        newest, *_ = await catalog.revisions()
        assert newest.origin.source == "upgrade"
        assert (await catalog.read_revision(LAST + 1)).edits == (Edit(Ref("trigger", "b"), None, "false", said=True, found=True),)
        await catalog.close()


async def test_a_file_without_a_layout_is_a_new_catalog(tmp_path: Path) -> None:
    """As one that is not there."""
    old_file(tmp_path, 0)
    catalog = await opened(tmp_path)
    assert await catalog.verify() == Audit(0, 0, 0, "", ())
    await catalog.close()


async def test_what_an_earlier_layout_has_forgotten_cannot_be_had(tmp_path: Path) -> None:
    """The upgraded file knows how far back its history goes."""
    old_file(tmp_path, 6, **PRUNED)
    catalog = await opened(tmp_path)
    with pytest.raises(NotFoundError, match=r"the state at revision 3 is not found; .* that can be had is that at revision 4"):
        assert [edits async for edits in catalog.read_edits(3, LAST)]
    assert len([edits async for edits in catalog.read_edits(4, LAST)]) == 2
    await catalog.close()


@pytest.mark.parametrize("commits", [0, 1])
@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE revisions SET edits = X''", "revision 6: its difference is gone; all from 5 on have one"),
        ("UPDATE revisions SET hash = ''", "revision 6: has no hash; all from 4 on have one"),
        ("DELETE FROM revisions WHERE number = 3", "the oldest revision is 4; 3 is missing"),
        ("UPDATE revisions SET client = 'evil' WHERE number = 4", "revision 4: does not follow from revision 3"),
        ("UPDATE definitions SET text = 'x'", "the stored objects are not those of revision"),
        ("UPDATE settings SET value = 'garbage' WHERE key = 'horizon'", "the oldest revision is 3; 1 is missing"),
    ],
)
async def test_an_upgraded_file_is_guarded_at_once(tmp_path: Path, commits: int, statement: str, fault: str) -> None:
    """No revision has to come before it is known what belongs into the file."""
    old_file(tmp_path, 6, **PRUNED, hashes=4)
    await (await opened(tmp_path)).close()
    tampered(tmp_path, statement)
    catalog = await opened(tmp_path)
    for i in range(commits):
        await catalog.commit({Ref("rule", "new"): f"{i}"}, origin=ORIGIN)
    assert fault in "; ".join((await catalog.verify()).faults)
    await catalog.close()


async def test_an_upgrade_makes_up_no_state(tmp_path: Path) -> None:
    """Where revisions have hashes, one of the state is missing because somebody took it away."""
    old_file(tmp_path, 6)
    tampered(tmp_path, "DELETE FROM settings WHERE key = 'stateHash'")
    tampered(tmp_path, "UPDATE definitions SET text = 'evil'")
    catalog = await opened(tmp_path)
    with pytest.raises(PlutinoError, match="no hash of a state"):
        await catalog.commit({A: "new"}, origin=ORIGIN)
    assert not (await catalog.verify()).valid
    await catalog.close()
