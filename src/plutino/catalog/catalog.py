"""Catalog: all definitions at a revision, in memory for reading and in SQLite for keeping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from plutino.catalog.blobs import BlobStore
from plutino.catalog.revision import Edit, Revision
from plutino.catalog.state import CatalogState
from plutino.catalog.store import Commit, Store
from plutino.catalog.worker import Worker, uninterrupted
from plutino.model import Blobs, Ref
from plutino.spi import Clock, Origin

FILE = "catalog.db"
BLOBS = "blobs"


class Catalog:
    """The stored texts of one data directory, and the bytes that belong to them.

    Reading never waits: ``definitions``, ``triggers``, ``revision`` and ``import_status`` are what the last commit left. Writing is one
    SQLite transaction per call, on the catalog's own thread; when a call returns, its change survives ``kill -9`` and power loss, and a
    process that dies during the call leaves all of it or nothing. One process at a time has a directory.
    """

    def __init__(self, worker: Worker, store: Store, blob_store: BlobStore, clock: Clock, keep_revisions: int) -> None:
        """For ``open`` only."""
        self._worker = worker
        self._store = store
        self.blob_store = blob_store
        self._clock = clock
        self._keep = keep_revisions
        self._definitions: dict[Ref, str] = {}
        self._blobs: dict[Ref, Blobs] = {}
        self._temporary: set[Ref] = set()
        self._triggers: dict[str, bool] = {}
        self._import_status = ""
        self._revision = 0
        self.state = CatalogState(worker, store)

    @classmethod
    async def open(cls, directory: str | Path, *, clock: Clock, keep_revisions: int = 1000) -> Catalog:
        """The catalog of a data directory, made when missing; ``keep_revisions`` bounds the history.

        PlutinoError when another process has it open, it is no catalog, or a newer version wrote it.
        """
        worker = Worker("catalog")
        try:
            store = await worker.run(partial(Store, Path(directory) / FILE))
            contents = await worker.run(store.contents)
            # Not before the file is ours: another process may have the directory.
            blob_store = await BlobStore.open(Path(directory) / BLOBS)
        except BaseException:
            worker.close()
            raise
        catalog = cls(worker, store, blob_store, clock, keep_revisions)
        catalog._definitions = contents.definitions
        catalog._blobs = contents.blobs
        catalog._triggers = contents.triggers
        catalog._revision = contents.revision
        catalog._import_status = contents.import_status
        # What a process that died before its commit has left.
        await catalog.collect()
        return catalog

    async def close(self) -> None:
        """Finish what was asked for and give the file back."""
        await self._worker.run(self._store.close)
        self._worker.close()
        self.blob_store.close()

    @property
    def definitions(self) -> Mapping[Ref, str]:
        """Every text, stored and temporary."""
        return MappingProxyType(self._definitions)

    @property
    def blobs(self) -> Mapping[Ref, Blobs]:
        """The bytes kept beside texts, for those that have any."""
        return MappingProxyType(self._blobs)

    @property
    def revision(self) -> int:
        """The number of the last commit that changed stored texts; 0 for a new catalog."""
        return self._revision

    @property
    def triggers(self) -> Mapping[str, bool]:
        """Rules that were started or stopped since their text was written."""
        return MappingProxyType(self._triggers)

    @property
    def import_status(self) -> str:
        """The text that the last commit with a status left, empty when none did."""
        return self._import_status

    def is_temporary(self, ref: Ref) -> bool:
        """Whether a text is in memory only."""
        return ref in self._temporary

    async def commit(
        self,
        texts: Mapping[Ref, str | None],
        *,
        base_revision: int,
        origin: Origin,
        outcome: str = "",
        temporary: Iterable[Ref] = (),
        released: Iterable[str] = (),
        import_status: str | None = None,
        blobs: Mapping[Ref, Blobs] | None = None,
    ) -> int:
        """Replace texts (None deletes) and give the revision after it; one without stored changes makes no revision.

        ``blobs`` has the bytes that belong to ``texts``, already in ``blob_store``; a text without an entry has none. ``temporary`` names
        those of ``texts`` that stay in memory, ``released`` the rules whose trigger is forgotten. ConflictError when the revision has moved
        from ``base_revision``, TransportError when the disk fails; nothing has changed then.
        """
        beside = {ref: found for ref, found in (blobs or {}).items() if found and texts.get(ref) is not None}
        work = self._commit(texts, beside, base_revision, origin, outcome, set(temporary), tuple(released), import_status)
        return await uninterrupted(work)

    async def collect(self) -> int:
        """Delete bytes that no text and no kept revision names, and nobody holds; gives how many. Not while a commit may come."""
        live = await self._worker.run(self._store.live_blobs)
        live.update(digest for blobs in self._blobs.values() for _, digest in blobs)
        return await self.blob_store.collect(live)

    async def set_triggers(self, started: Mapping[str, bool], *, stored: bool = True) -> None:
        """Remember for each rule whether it is started; no revision. ``stored`` False keeps it in memory (temporary rules)."""
        await uninterrupted(self._set_triggers(dict(started), stored))

    async def revisions(self, limit: int = 100, before: int | None = None) -> list[Revision]:
        """History without edits, newest first, older than ``before`` when it is given."""
        return await self._worker.run(partial(self._store.revisions, limit, before))

    async def read_revision(self, number: int) -> Revision:
        """One revision with its edits; NotFoundError when it is not kept any more."""
        return await self._worker.run(partial(self._store.revision, number))

    async def _commit(
        self,
        texts: Mapping[Ref, str | None],
        blobs: Mapping[Ref, Blobs],
        base: int,
        origin: Origin,
        outcome: str,
        temporary: set[Ref],
        released: tuple[str, ...],
        import_status: str | None,
    ) -> int:
        # Texts in memory only are absent for the file, before and after.
        hidden, known = self._temporary, self._definitions
        found = (
            Edit(
                ref,
                None if ref in hidden else known.get(ref),
                None if ref in temporary else text,
                () if ref in hidden else self._blobs.get(ref, ()),
                () if ref in temporary else blobs.get(ref, ()),
            )
            for ref, text in texts.items()
        )
        edits = tuple(edit for edit in found if (edit.before, edit.before_blobs) != (edit.after, edit.after_blobs))
        commit = Commit(edits, base, self._clock.now_ms(), origin, outcome, released, import_status, self._keep)
        written = await self._worker.run(partial(self._store.commit, commit))
        self._revision = written.revision
        for ref, text in texts.items():
            self._blobs.pop(ref, None)
            if text is None:
                self._definitions.pop(ref, None)
            else:
                self._definitions[ref] = text
        self._blobs.update(blobs)
        self._temporary.difference_update(texts)
        self._temporary |= temporary
        for rule in released:
            self._triggers.pop(rule, None)
        if import_status is not None:
            self._import_status = import_status
        if written.freed:
            await self.collect()
        return self._revision

    async def _set_triggers(self, started: dict[str, bool], stored: bool) -> None:
        if stored:
            await self._worker.run(partial(self._store.set_triggers, started))
        self._triggers.update(started)
