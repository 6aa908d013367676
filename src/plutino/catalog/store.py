"""The SQLite file of the catalog. Everything here blocks and belongs to one thread (see ``Catalog``)."""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from plutino.catalog.audit import Audit, Link, Verifier, digest_of, link_hash, state_after, state_of
from plutino.catalog.revision import Edit, Revision, TaskRecord, compressed, pack, plain, unpack
from plutino.catalog.schema import MIGRATIONS
from plutino.errors import ConflictError, NotFoundError, PlutinoError, TransportError
from plutino.model import Blobs, Ref
from plutino.spi import Origin

_BUSY_SECONDS = 5.0
"""How long opening waits for a process that is just ending."""

_REVISION = "revision"
_IMPORT_STATUS = "importStatus"
_STATE = "stateHash"
_ANCHOR = "auditAnchor"

_TASKS_KEPT = 1000

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

    - ``edits``: stored texts; without any, no revision is written
    - ``base``: the revision on which the edits were made, ``at``: epoch milliseconds
    - ``released``: rules whose stored trigger ends, because their text decides again; ``triggers``: stored triggers that are set
    - ``owners``: on whose behalf objects are kept from now on, empty for nobody's; those of deleted objects end by themselves
    - ``import_status``: the new status text, None keeps the old one
    - ``task``: the task that this belongs to; its revision is filled in when there is one
    - ``keep``: how many revisions stay with their texts, ``keep_audit``: how many stay without
    """

    edits: tuple[Edit, ...]
    base: int
    at: int
    origin: Origin
    outcome: str
    released: tuple[str, ...]
    triggers: Mapping[str, bool]
    owners: Mapping[Ref, str]
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

    def __init__(self, path: Path) -> None:
        """Open or create the file and bring it to the current layout.

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
                self._prepare()
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
            return Contents(
                {Ref(kind, name): text for kind, name, text in rows("SELECT kind, name, text FROM definitions")},
                {Ref(kind, name): _read_blobs(text) for kind, name, text in with_blobs},
                {rule: bool(started) for rule, started in rows("SELECT rule, started FROM triggers")},
                int(self._setting(_REVISION)),
                self._setting(_IMPORT_STATUS),
                {row[0]: TaskRecord(*row) for row in rows("SELECT id, status, message, created, updated, revision FROM tasks")},
                {Ref(kind, name): owner for kind, name, owner in rows("SELECT kind, name, owner FROM owners")},
            )

    def live_blobs(self) -> set[str]:
        """Digests that a stored text or a kept revision names."""
        with self._reported("read"):
            live = {digest for (digest,) in self._connection.execute("SELECT DISTINCT digest FROM revision_blobs")}
            for (text,) in self._connection.execute("SELECT blobs FROM definitions WHERE blobs != ''"):
                live.update(digest for _, digest in _read_blobs(text))
            return live

    def commit(self, commit: Commit) -> Written:
        """Write a commit; ConflictError when ``base`` is not the current revision."""
        with self._reported("write"), self._transaction() as connection:
            current = int(self._setting(_REVISION))
            if current != commit.base:
                raise ConflictError(f"catalog commit: based on revision {commit.base}; the current revision is {current}")
            connection.executemany("DELETE FROM triggers WHERE rule = ?", [(rule,) for rule in commit.released])
            self._write_triggers(commit.triggers)
            if commit.import_status is not None:
                self._set(_IMPORT_STATUS, commit.import_status)
            freed = self._write(commit, current + 1) if commit.edits else False
            self._write_owners(commit)
            revision = current + 1 if commit.edits else current
            if commit.task is not None:
                self._write_task(commit.task if not commit.edits else replace(commit.task, revision=revision))
            return Written(revision, freed)

    def set_triggers(self, started: Mapping[str, bool]) -> None:
        """Store for each rule whether it is started."""
        with self._reported("write"), self._transaction():
            self._write_triggers(started)

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
        """One revision with its edits; NotFoundError when it is not kept."""
        with self._reported("read"):
            row = self._connection.execute(
                "SELECT at, source, client, summary, outcome, edits, hash FROM revisions WHERE number = ?", (number,)
            ).fetchone()
        if row is None or not row[5]:
            raise NotFoundError(f"revision {number} is not found; the history keeps the newest ones only")
        at, source, client, summary, outcome, edits, hash = row
        return Revision(number, at, Origin(source, client, summary), outcome, unpack(edits), True, hash)

    def links(self, after: int, limit: int) -> list[Link]:
        """Revisions after ``after`` as the audit log sees them, oldest first."""
        with self._reported("read"):
            rows = self._connection.execute(
                "SELECT number, at, source, client, summary, outcome, digest, state, hash, edits FROM revisions"
                " WHERE number > ? ORDER BY number LIMIT ?",
                (after, limit),
            )
            return [
                Link(number, at, Origin(source, client, summary), outcome, digest, state, hash, _readable(edits) if edits else None)
                for number, at, source, client, summary, outcome, digest, state, hash, edits in rows
            ]

    def verifier(self) -> Verifier:
        """For the links that are kept."""
        with self._reported("read"):
            return Verifier(self._setting(_ANCHOR))

    def audit(self, verifier: Verifier, expected: tuple[int, str] | None) -> Audit:
        """The end of a verification: the stored objects are looked at."""
        with self._reported("read"):
            return verifier.result(self._state(), int(self._setting(_REVISION)), expected)

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

    def _prepare(self) -> None:
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
        for number, statements in enumerate(MIGRATIONS[version:], version + 1):
            with self._transaction():
                for statement in statements:
                    execute(statement)
                execute(f"PRAGMA user_version = {number}")
        if not self._setting(_STATE):
            with self._transaction():
                self._set(_STATE, self._state())

    def _write(self, commit: Commit, number: int) -> bool:
        many = self._connection.executemany
        lost = [(e.ref.kind, e.ref.name) for e in commit.edits if e.after is None]
        kept = [(e.ref.kind, e.ref.name, e.after, _blobs_text(e.after_blobs)) for e in commit.edits if e.after is not None]
        named = {(number, digest) for e in commit.edits for _, digest in (*e.before_blobs, *e.after_blobs)}
        many("DELETE FROM definitions WHERE kind = ? AND name = ?", lost)
        many("INSERT OR REPLACE INTO definitions (kind, name, text, blobs) VALUES (?, ?, ?, ?)", kept)
        many("INSERT INTO revision_blobs VALUES (?, ?)", named)
        self._write_revision(commit, number)
        execute = self._connection.execute
        execute("UPDATE revisions SET edits = X'' WHERE number <= ? AND edits != X''", (number - commit.keep,))
        freed = execute("DELETE FROM revision_blobs WHERE number <= ?", (number - commit.keep,)).rowcount
        gone = (number - commit.keep_audit,)
        last = execute("SELECT hash FROM revisions WHERE number <= ? ORDER BY number DESC LIMIT 1", gone).fetchone()
        if last is not None:
            self._set(_ANCHOR, last[0])
            execute("DELETE FROM revisions WHERE number <= ?", gone)
        self._set(_REVISION, str(number))
        return freed > 0

    def _write_revision(self, commit: Commit, number: int) -> None:
        origin, packed = commit.origin, pack(commit.edits)
        state, digest = state_after(self._setting(_STATE), commit.edits), digest_of(packed)
        row = self._connection.execute("SELECT hash FROM revisions WHERE number = ?", (number - 1,)).fetchone()
        previous = row[0] if row is not None else self._setting(_ANCHOR)
        hash = link_hash(previous, number, commit.at, origin, commit.outcome, digest, state)
        self._connection.execute(
            "INSERT INTO revisions (number, at, source, client, summary, outcome, edits, digest, state, hash)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (number, commit.at, origin.source, origin.client, origin.summary, commit.outcome, compressed(packed), digest, state, hash),
        )
        self._set(_STATE, state)

    def _write_owners(self, commit: Commit) -> None:
        gone = [e.ref for e in commit.edits if e.after is None] + [ref for ref, owner in commit.owners.items() if not owner]
        kept = [(ref.kind, ref.name, owner) for ref, owner in commit.owners.items() if owner]
        self._connection.executemany("DELETE FROM owners WHERE kind = ? AND name = ?", [(ref.kind, ref.name) for ref in gone])
        self._connection.executemany("INSERT OR REPLACE INTO owners VALUES (?, ?, ?)", kept)

    def _write_triggers(self, started: Mapping[str, bool]) -> None:
        rows = [(rule, int(flag)) for rule, flag in started.items()]
        self._connection.executemany("INSERT OR REPLACE INTO triggers VALUES (?, ?)", rows)

    def _write_task(self, task: TaskRecord) -> None:
        row = (task.id, task.status, task.message, task.created, task.updated, task.revision)
        self._connection.execute("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?, ?, ?)", row)
        self._connection.execute(
            "DELETE FROM tasks WHERE id IN (SELECT id FROM tasks ORDER BY created DESC, id LIMIT -1 OFFSET ?)", (_TASKS_KEPT,)
        )

    def _state(self) -> str:
        """The hash of what is stored now."""
        rows = self._connection.execute("SELECT kind, name, text, blobs FROM definitions")
        return state_of((Ref(kind, name), text, _read_blobs(blobs) if blobs else ()) for kind, name, text, blobs in rows)

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
                    raise PlutinoError(f"catalog {self._path}: {error}; restore the file from a backup or move it away") from error
                case _:
                    raise TransportError(f"catalog {what} {self._path}: {error}") from error
        except OSError as error:
            raise TransportError(f"catalog {what} {self._path}: {error.strerror or error}") from error


def _readable(stored: bytes | str) -> bytes:
    """A difference in plain form; what somebody else wrote there may not be readable, and is nothing then."""
    try:
        return plain(stored.encode() if isinstance(stored, str) else stored)
    except zlib.error:
        return b""


def _blobs_text(blobs: Blobs) -> str:
    return msgspec.json.encode(blobs).decode() if blobs else ""


def _read_blobs(text: str) -> Blobs:
    return msgspec.json.decode(text, type=Blobs)


def _pieces(value: bytes) -> list[memoryview]:
    """A value in pieces that can be written one after the other; at least one."""
    whole = memoryview(value)
    return [whole[low : low + _PIECE_BYTES] for low in range(0, len(value) or 1, _PIECE_BYTES)]
