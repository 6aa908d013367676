"""The SQLite file of the catalog. Everything here blocks and belongs to one thread (see ``Catalog``)."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, zip_longest
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from plutino.catalog import owner as owning
from plutino.catalog.audit import Audit, Horizon, Link, Present, Verifier, digest_of, is_state, link_hash, state_after, state_of
from plutino.catalog.revision import Edit, Revision, TaskRecord, compressed, damage, pack, plain, unpack
from plutino.catalog.schema import MIGRATIONS
from plutino.catalog.trigger import RULE, TRIGGER, entry, started
from plutino.errors import NotFoundError, PlutinoError, TransportError
from plutino.model import Blobs, Ref
from plutino.spi import Origin

_BUSY_SECONDS = 5.0
"""How long opening waits for a process that is just ending."""

_REVISION = "revision"
_IMPORT_STATUS = "importStatus"
_STATE = "stateHash"
_ANCHOR = "auditAnchor"
_HORIZON = "horizon"

_REMEDY = "restore the file from a backup or move it away"

_NUMBER = re.compile("[0-9]{1,18}")

_TASKS_KEPT = 1000

_LINKS_AT_ONCE = 200

_WITH_EVERYTHING = 6
"""The layout from which on triggers and owners are a part of the history."""

_PIECE_BYTES = 1 << 20
"""Longer values of rules' state are stored in pieces: SQLite copies what it gets, and no other Python code runs meanwhile."""


class Contents(Struct, frozen=True):
    """What a file held when it was opened."""

    definitions: dict[Ref, str]
    blobs: dict[Ref, Blobs]
    triggers: dict[str, bool]
    revision: int
    import_status: str
    tasks: dict[str, TaskRecord]
    owners: dict[Ref, str]


class Commit(Struct, frozen=True):
    """One transaction: all of it or nothing.

    - ``edits``: stored texts, triggers and owners; without any, no revision is written
    - ``at``: epoch milliseconds
    - ``import_status``: the new status text, None keeps the old one
    - ``task``: the task that this belongs to; its revision is filled in when there is one
    - ``keep``: how many revisions of texts stay with these, ``keep_audit``: how many stay at all
    """

    edits: tuple[Edit, ...]
    at: int
    origin: Origin
    outcome: str
    import_status: str | None
    task: TaskRecord | None
    keep: int
    keep_audit: int


class Written(Struct, frozen=True):
    """What a commit did: the revision after it, and whether blobs may have lost their last name."""

    revision: int
    freed: bool


class Store:
    """An open catalog file. Failing I/O is a TransportError, and the file is as before."""

    def __init__(self, path: Path, at: int) -> None:
        """Open or create the file and bring it to the current layout; ``at`` is the time now, in epoch milliseconds.

        PlutinoError when another process has it open, it is no catalog, or a newer version of Plutino wrote it.
        """
        self._path = path
        with self._reported("open"):
            path.parent.mkdir(parents=True, exist_ok=True)
            # The file holds credentials; SQLite gives its companions the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
        try:
            with self._reported("open"):
                self._prepare(at)
        except PlutinoError:
            self._connection.close()
            raise

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def contents(self) -> Contents:
        """Everything that the catalog keeps in memory."""
        with self._reported("read"):
            rows = self._connection.execute
            with_blobs = rows("SELECT kind, name, blobs FROM definitions WHERE blobs != ''")
            # Columns of SQLite take values of any type; what is no text would fail anywhere later.
            texts = msgspec.convert(rows("SELECT kind, name, text FROM definitions").fetchall(), list[tuple[str, str, str]])
            return Contents(
                {Ref(kind, name): text for kind, name, text in texts},
                {Ref(kind, name): _read_blobs(text) for kind, name, text in with_blobs},
                {rule: bool(started) for rule, started in rows("SELECT rule, started FROM triggers")},
                self._revision(),
                self._setting(_IMPORT_STATUS),
                {row[0]: TaskRecord(*row) for row in rows("SELECT id, status, message, created, updated, revision FROM tasks")},
                dict(self._owners()),
            )

    def live_blobs(self) -> set[str]:
        """Digests that a stored text or a kept revision names."""
        with self._reported("read"):
            live = {digest for (digest,) in self._connection.execute("SELECT DISTINCT digest FROM revision_blobs")}
            for (text,) in self._connection.execute("SELECT blobs FROM definitions WHERE blobs != ''"):
                live.update(digest for _, digest in _read_blobs(text))
            return live

    def commit(self, commit: Commit) -> Written:
        """Write a commit."""
        with self._reported("write"), self._transaction():
            current = self._revision()
            if commit.import_status is not None:
                self._set(_IMPORT_STATUS, commit.import_status)
            freed = self._write(commit, current + 1) if commit.edits else False
            revision = current + 1 if commit.edits else current
            if commit.task is not None:
                self._write_task(commit.task if not commit.edits else replace(commit.task, revision=revision))
            return Written(revision, freed)

    def save_import_status(self, text: str) -> None:
        """Store what is told of the last import."""
        with self._reported("write"), self._transaction():
            self._set(_IMPORT_STATUS, text)

    def save_task(self, task: TaskRecord) -> None:
        """Store a task; the oldest ones are forgotten when there are too many."""
        with self._reported("write"), self._transaction():
            self._write_task(task)

    def revisions(self, limit: int, before: int | None) -> list[Revision]:
        """Revisions without their edits, newest first, older than ``before`` when it is given."""
        with self._reported("read"):
            rows = self._connection.execute(
                "SELECT number, at, source, client, summary, outcome, edits != X'', hash FROM revisions"
                " WHERE number < ? ORDER BY number DESC LIMIT ?",
                (before if before is not None else 2**62, limit),
            )
            return [Revision(n, at, Origin(*origin), outcome, (), bool(kept), hash) for n, at, *origin, outcome, kept, hash in rows]

    def revision(self, number: int) -> Revision:
        """One revision with its edits; NotFoundError when it is not kept, PlutinoError when they are not what was written."""
        with self._reported("read"):
            row = self._connection.execute(
                "SELECT at, source, client, summary, outcome, hash, edits, digest FROM revisions WHERE number = ?", (number,)
            ).fetchone()
        if row is None or row[6] == b"":
            raise NotFoundError(f"revision {number} is not found; the history keeps the newest ones only")
        at, source, client, summary, outcome, hash, *stored = row
        return Revision(number, at, Origin(source, client, summary), outcome, _written_edits(number, *stored), True, hash)

    def edits(self, low: int, high: int) -> list[tuple[Edit, ...]]:
        """The edits of the revisions after ``low`` up to ``high``, oldest first.

        NotFoundError when some are not kept, PlutinoError when they should be, or are not what was written.
        """
        with self._reported("read"):
            rows = self._connection.execute(
                "SELECT number, edits, digest FROM revisions WHERE number > ? AND number <= ? AND edits != X'' ORDER BY number", (low, high)
            ).fetchall()
            horizon = self._horizon(self._revision())
        if low + 1 < horizon.texts and len(rows) < high - low:
            oldest = f"the oldest that can be had is that at revision {horizon.texts - 1}"
            raise NotFoundError(f"the state at revision {low} is not found; what came after it is not kept any more, {oldest}")
        for number, row in zip_longest(range(low + 1, high + 1), rows):
            if row is None or row[0] != number:
                raise damage(number)
        return [_written_edits(*row) for row in rows]

    def links(self, after: int, limit: int) -> list[Link]:
        """Revisions after ``after`` as the audit log sees them, oldest first."""
        with self._reported("read"):
            rows = self._connection.execute(
                "SELECT number, at, source, client, summary, outcome, digest, state, hash, edits, horizon FROM revisions"
                " WHERE number > ? ORDER BY number LIMIT ?",
                (after, limit),
            )
            return [
                Link(number, at, Origin(*origin), outcome, digest, state, hash, _readable(number, edits), horizon)
                for number, at, *origin, outcome, digest, state, hash, edits, horizon in rows
            ]

    def verifier(self) -> Verifier:
        """For the links that are kept."""
        with self._reported("read"):
            return Verifier(self._setting(_ANCHOR), self._horizon(self._revision()))

    def audit(self, verifier: Verifier, expected: tuple[int, str] | None) -> Audit:
        """The end of a verification: the stored objects are looked at, and revisions that were written since the last links."""
        while links := self.links(verifier.last, _LINKS_AT_ONCE):
            verifier.add_all(links)
        with self._reported("read"):
            revision = self._revision()
            (oldest,) = self._connection.execute("SELECT coalesce(min(number), ?) FROM revisions", (revision + 1,)).fetchone()
            present = Present(revision, oldest, self._state(), self._setting(_STATE), self._horizon(revision))
            return verifier.result(present, expected)

    def load_state(self, owner: str, key: str) -> bytes | None:
        """One value of an owner, None when there is none."""
        query = "SELECT value FROM state_pieces WHERE owner = ? AND key = ? ORDER BY number"
        with self._reported("read"):
            row = self._connection.execute("SELECT value FROM state WHERE owner = ? AND key = ?", (owner, key)).fetchone()
            return None if row is None else b"".join((row[0], *(value for (value,) in self._connection.execute(query, (owner, key)))))

    def save_state(self, owner: str, entries: Mapping[str, bytes]) -> None:
        """Store entries of an owner, all or none."""
        with self._reported("write"), self._transaction() as connection:
            for key, value in entries.items():
                first, *others = _pieces(value)
                connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (owner, key, first))
                connection.execute("DELETE FROM state_pieces WHERE owner = ? AND key = ?", (owner, key))
                numbered = ((owner, key, number, piece) for number, piece in enumerate(others))
                connection.executemany("INSERT INTO state_pieces VALUES (?, ?, ?, ?)", numbered)

    def drop_state(self, owner: str) -> None:
        """Forget an owner."""
        with self._reported("write"), self._transaction() as connection:
            for table in ("state", "state_pieces"):
                connection.execute(f"DELETE FROM {table} WHERE owner = ?", (owner,))

    def _prepare(self, at: int) -> None:
        execute = self._connection.execute
        # The lock of the exclusive mode is how a second process on the same directory is refused; it ends with the process.
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA journal_size_limit = 8388608")
        (version,) = execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise PlutinoError(
                f"catalog {self._path}: layout {version}; this version knows layouts up to {len(MIGRATIONS)}, use the version that wrote it"
            )
        if version < len(MIGRATIONS):
            with self._transaction():
                for statement in chain.from_iterable(MIGRATIONS[version:]):
                    execute(statement)
                # Where there are hashes of states one has to be carried on, whatever is stored now.
                if not self._setting(_STATE) and execute("SELECT 1 FROM revisions WHERE hash != '' LIMIT 1").fetchone() is None:
                    self._set(_STATE, state_of(self._objects()))
                if version < _WITH_EVERYTHING:
                    self._take_in(at)
                execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _take_in(self, at: int) -> None:
        """Triggers and owners, which an earlier layout has stored beside the history, as a revision."""
        execute = self._connection.execute
        execute("DELETE FROM triggers WHERE rule NOT IN (SELECT name FROM definitions WHERE kind = ?)", (RULE,))
        rows = execute("SELECT rule, started, text FROM triggers JOIN definitions ON kind = ? AND name = rule", (RULE,)).fetchall()
        edits = [Edit(ref, None, after, said=started(text), found=True) for rule, flag, text in rows for ref, after in (entry(rule, flag),)]
        edits += [Edit(owning.entry(ref), None, owner, found=True) for ref, owner in self._owners()]
        if not edits:
            return
        origin = Origin("upgrade", summary="starts and stops of rules, and owners, before they were a part of the history")
        self._write(Commit(tuple(edits), at, origin, "", None, None, sys.maxsize, sys.maxsize), self._revision() + 1)

    def _write(self, commit: Commit, number: int) -> bool:
        many = self._connection.executemany
        triggers, owners = ([e for e in commit.edits if e.ref.kind == kind] for kind in (TRIGGER, owning.OWNER))
        objects = [e for e in commit.edits if e.ref.kind not in (TRIGGER, owning.OWNER)]
        lost = [(e.ref.kind, e.ref.name) for e in objects if e.after is None]
        kept = [(e.ref.kind, e.ref.name, e.after, _blobs_text(e.after_blobs)) for e in objects if e.after is not None]
        named = {(number, digest) for e in objects for _, digest in (*e.before_blobs, *e.after_blobs)}
        many("DELETE FROM definitions WHERE kind = ? AND name = ?", lost)
        many("INSERT OR REPLACE INTO definitions (kind, name, text, blobs) VALUES (?, ?, ?, ?)", kept)
        many("INSERT INTO revision_blobs VALUES (?, ?)", named)
        many("DELETE FROM triggers WHERE rule = ?", [(e.ref.name,) for e in triggers])
        many("INSERT INTO triggers VALUES (?, ?)", [(e.ref.name, e.after == "true") for e in triggers if e.after is not None])
        self._write_owners(owners)
        freed = self._write_revision(commit, number, light=not objects)
        self._set(_REVISION, str(number))
        return freed

    def _write_revision(self, commit: Commit, number: int, *, light: bool) -> bool:
        """Add an entry to the history and forget old ones; gives whether blobs may have lost their last name."""
        execute = self._connection.execute
        if not is_state(carried := self._setting(_STATE)):
            raise PlutinoError(f"catalog {self._path}: {carried!r} is no hash of a state, the file was changed or damaged; {_REMEDY}")
        # The one before is always there, so nothing else is taken for it: a chain with a gap stays one with a fault.
        row = execute("SELECT hash FROM revisions WHERE number = ?", (number - 1,)).fetchone()
        previous = row[0] if row is not None else "" if number == 1 else None
        horizon, freed = self._forget(commit, number, light=light)
        packed, state = pack(commit.edits), state_after(carried, commit.edits)
        seen = msgspec.json.encode(horizon).decode()
        link = Link(number, commit.at, commit.origin, commit.outcome, digest_of(packed), state, "", packed, seen)
        execute(
            "INSERT INTO revisions (number, at, source, client, summary, outcome, edits, digest, state, hash, light, horizon)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(number, commit.at, *msgspec.structs.astuple(commit.origin), commit.outcome, compressed(packed)),
                *(link.digest, state, link_hash(link, previous), light, seen),
            ),
        )
        self._set(_STATE, state)
        return freed

    def _forget(self, commit: Commit, number: int, *, light: bool) -> tuple[Horizon, bool]:
        """Keep of the history what is to be kept when revision ``number`` comes; gives how far back it goes then, and whether blobs may
        have lost their last name."""
        execute, before = self._connection.execute, self._horizon(number - 1)
        entries = min(max(before.entries, number + 1 - commit.keep_audit), number)
        texts = max(before.texts, entries)
        newest = "SELECT number FROM revisions WHERE light = 0 AND edits != X'' ORDER BY number DESC LIMIT 1 OFFSET ?"
        if (old := execute(newest, (commit.keep if light else commit.keep - 1,)).fetchone()) is not None:
            texts = max(texts, old[0] + 1)
            execute("UPDATE revisions SET edits = X'' WHERE light IN (0, 1) AND number <= ? AND edits != X''", old)
        freed = execute("DELETE FROM revision_blobs WHERE number < ?", (texts,)).rowcount
        last = execute("SELECT hash FROM revisions WHERE number < ? ORDER BY number DESC LIMIT 1", (entries,)).fetchone()
        if last is not None:
            self._set(_ANCHOR, last[0])
            execute("DELETE FROM revisions WHERE number < ?", (entries,))
        return Horizon(min(before.hashes, number), entries, min(texts, number)), freed > 0

    def _horizon(self, revision: int) -> Horizon:
        """How far back the history goes, as its newest revision says."""
        row = self._connection.execute("SELECT horizon FROM revisions WHERE number = ?", (revision,)).fetchone()
        return Horizon.read(row[0] if row is not None and row[0] else self._setting(_HORIZON))

    def _write_owners(self, edits: list[Edit]) -> None:
        rows = [(ref.kind, ref.name, edit.after) for edit in edits for ref in (owning.owned(edit.ref),)]
        self._connection.executemany("DELETE FROM owners WHERE kind = ? AND name = ?", [row[:2] for row in rows if row[2] is None])
        self._connection.executemany("INSERT OR REPLACE INTO owners VALUES (?, ?, ?)", [row for row in rows if row[2] is not None])

    def _write_task(self, task: TaskRecord) -> None:
        row = (task.id, task.status, task.message, task.created, task.updated, task.revision)
        self._connection.execute("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?, ?, ?)", row)
        self._connection.execute(
            "DELETE FROM tasks WHERE id IN (SELECT id FROM tasks ORDER BY created DESC, id LIMIT -1 OFFSET ?)", (_TASKS_KEPT,)
        )

    def _state(self) -> str:
        """The hash of what is stored now."""
        flags = (entry(rule, bool(flag)) for rule, flag in self._connection.execute("SELECT rule, started FROM triggers"))
        triggers = ((ref, text, ()) for ref, text in flags if text is not None)
        return state_of(chain(self._objects(), triggers, ((owning.entry(ref), owner, ()) for ref, owner in self._owners())))

    def _owners(self) -> Iterator[tuple[Ref, str]]:
        for kind, name, owner in self._connection.execute("SELECT kind, name, owner FROM owners"):
            yield Ref(kind, name), owner

    def _objects(self) -> Iterator[tuple[Ref, str, Blobs]]:
        for kind, name, text, blobs in self._connection.execute("SELECT kind, name, text, blobs FROM definitions"):
            yield Ref(kind, name), text, _read_blobs(blobs) if blobs else ()

    def _revision(self) -> int:
        """The number of the newest revision."""
        text = self._setting(_REVISION)
        if not _NUMBER.fullmatch(text):
            raise PlutinoError(f"catalog {self._path}: {text!r} is no number of a revision, the file was changed or damaged; {_REMEDY}")
        return int(text)

    def _setting(self, key: str) -> str:
        row = self._connection.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
        return "" if row is None else str(row[0])

    def _set(self, key: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (key, value))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            # A failed COMMIT (disk full) may have ended the transaction already.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            match getattr(error, "sqlite_errorname", "").split("_"):
                case [_, "BUSY" | "LOCKED", *_]:
                    raise PlutinoError(f"catalog {self._path}: in use by another process; stop it or take another directory") from error
                case [_, "NOTADB" | "CORRUPT", *_]:
                    raise PlutinoError(f"catalog {self._path}: {error}; {_REMEDY}") from error
                case _:
                    raise TransportError(f"catalog {what} {self._path}: {error}") from error
        except msgspec.DecodeError as error:
            raise PlutinoError(f"catalog {self._path}: {error}; {_REMEDY}") from error
        except OSError as error:
            raise TransportError(f"catalog {what} {self._path}: {error.strerror or error}") from error


def _written_edits(number: int, stored: object, digest: str) -> tuple[Edit, ...]:
    """The edits of a revision; PlutinoError when they are not what was written. Revisions of early layouts have no digest."""
    packed = plain(number, stored)
    if digest and digest_of(packed) != digest:
        raise damage(number)
    return unpack(number, packed)


def _readable(number: int, stored: object) -> bytes | None:
    """A difference in plain form, None when it is forgotten; what somebody else wrote there may not be readable, and is nothing then."""
    try:
        return None if stored == b"" else plain(number, stored)
    except PlutinoError:
        return b""


def _blobs_text(blobs: Blobs) -> str:
    return msgspec.json.encode(blobs).decode() if blobs else ""


def _read_blobs(text: str) -> Blobs:
    return msgspec.json.decode(text, type=Blobs)


def _pieces(value: bytes) -> list[memoryview]:
    """A value in pieces that can be written one after the other; at least one."""
    whole = memoryview(value)
    return [whole[low : low + _PIECE_BYTES] for low in range(0, len(value) or 1, _PIECE_BYTES)]
