"""The tables of the catalog and their versions.

``PRAGMA user_version`` holds how many entries of ``MIGRATIONS`` a file has been through. An entry is never changed once released;
a new layout is a new entry. All that a file has not been through yet run in one transaction.
"""

from __future__ import annotations

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE definitions (kind TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID",
        """CREATE TABLE revisions (
            number INTEGER PRIMARY KEY, at INTEGER NOT NULL, source TEXT NOT NULL, client TEXT NOT NULL, summary TEXT NOT NULL,
            outcome TEXT NOT NULL, edits BLOB NOT NULL)""",
        "CREATE TABLE triggers (rule TEXT PRIMARY KEY, started INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE state (owner TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (owner, key))",
        "CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "INSERT INTO settings VALUES ('revision', '0')",
    ),
    (
        # JSON [[role, sha256], ...], empty for texts that are all there is.
        "ALTER TABLE definitions ADD COLUMN blobs TEXT NOT NULL DEFAULT ''",
        # Which blobs the texts of a revision name, before or after it: they stay as long as the revision does.
        "CREATE TABLE revision_blobs (number INTEGER NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (number, digest)) WITHOUT ROWID",
    ),
    (
        # The chain of the audit log (see ``catalog.audit``); rows of earlier layouts stand before it.
        "ALTER TABLE revisions ADD COLUMN digest TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE revisions ADD COLUMN state TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE revisions ADD COLUMN hash TEXT NOT NULL DEFAULT ''",
        """CREATE TABLE tasks (
            id TEXT PRIMARY KEY, status TEXT NOT NULL, message TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,
            revision INTEGER) WITHOUT ROWID""",
    ),
    (
        # On whose behalf an object is kept; it goes with the object, however that is deleted.
        "CREATE TABLE owners (kind TEXT NOT NULL, name TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID",
    ),
    (
        # What follows the beginning of a large value of ``state``, in order: writing a value in one piece would hold up other threads.
        """CREATE TABLE state_pieces (
            owner TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (owner, key, number))""",
    ),
    (
        # 1: no texts, but starts and stops of rules, which are small and many: they do not count where old texts are forgotten.
        "ALTER TABLE revisions ADD COLUMN light INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX kept_revisions ON revisions (light, number) WHERE edits != X''",
    ),
    (
        # How far the history goes back (``catalog.audit.Horizon``): once a revision was written, and where none says it, here.
        "ALTER TABLE revisions ADD COLUMN horizon TEXT NOT NULL DEFAULT ''",
        """INSERT OR REPLACE INTO settings SELECT 'horizon', printf('[%d,%d,%d]',
            coalesce(min(CASE WHEN hash != '' THEN number END), (SELECT value + 1 FROM settings WHERE key = 'revision')),
            coalesce(min(number), 1),
            max(coalesce(min(number), 1), coalesce(max(CASE WHEN edits = X'' THEN number END), 0) + 1)) FROM revisions""",
    ),
)
