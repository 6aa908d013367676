"""Catalog: all definitions at a revision, in memory for reading and in SQLite for keeping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from plutino.catalog import owner as owning
from plutino.catalog.audit import Audit
from plutino.catalog.blobs import BlobStore
from plutino.catalog.revision import Edit, Revision, TaskRecord
from plutino.catalog.state import CatalogState
from plutino.catalog.store import Commit, Store
from plutino.catalog.trigger import RULE, entry, started
from plutino.catalog.worker import Worker, uninterrupted
from plutino.model import Blobs, Ref
from plutino.spi import Clock, Origin

FILE = "catalog.db"
BLOBS = "blobs"

KEEP_REVISIONS = 1000
KEEP_AUDIT = 100_000

_AT_ONCE = 1000
"""Texts that are looked at in one go on the event loop."""

_REVISIONS_AT_ONCE = 200
"""Revisions that are read or verified in one go on the catalog's thread."""


Triggers: TypeAlias = "Callable[[], Mapping[str, bool | None]]"
"""Gives the triggers that a commit sets, by rule; None lets the text decide."""


class _Changes(Struct, frozen=True):
    """What a commit changes: texts, the bytes beside them, triggers, owners, and which of the texts are in memory only."""

    texts: Mapping[Ref, str | None]
    blobs: Mapping[Ref, Blobs]
    triggers: dict[str, bool | None]
    owners: dict[Ref, str]
    temporary: set[Ref]


class Catalog:
    """The stored texts of one data directory, and the bytes that belong to them.

    Reading never waits: ``definitions``, ``triggers``, ``revision`` and ``import_status`` are what the last commit left. Writing is one
    SQLite transaction per call, on the catalog's own thread; when a call returns, its change survives ``kill -9`` and power loss, and a
    process that dies during the call leaves all of it or nothing. One process at a time has a directory.
    """

    def __init__(self, worker: Worker, store: Store, blob_store: BlobStore, clock: Clock, keep_revisions: int, keep_audit: int) -> None:
        """For ``open`` only."""
        self._worker = worker
        self._store = store
        self.blob_store = blob_store
        self._clock = clock
        self._keep = keep_revisions
        self._keep_audit = max(keep_audit, keep_revisions)
        self._tasks: dict[str, TaskRecord] = {}
        self._definitions: dict[Ref, str] = {}
        self._blobs: dict[Ref, Blobs] = {}
        self._temporary: set[Ref] = set()
        self._triggers: dict[str, bool] = {}
        self._owners: dict[Ref, str] = {}
        self._import_status = ""
        self._revision = 0
        self._writing = asyncio.Lock()
        self.state = CatalogState(worker, store)

    @classmethod
    async def open(
        cls, directory: str | Path, *, clock: Clock, keep_revisions: int = KEEP_REVISIONS, keep_audit: int = KEEP_AUDIT
    ) -> Catalog:
        """The catalog of a data directory, made when missing.

        ``keep_revisions`` bounds how far back texts can be had (rollback, differences), ``keep_audit`` how far back the history says who
        did what.

        PlutinoError when another process has it open, it is no catalog, or a newer version wrote it.
        """
        worker = Worker("catalog")
        try:
            store = await worker.run(partial(Store, Path(directory) / FILE, clock.now_ms()))
            contents = await worker.run(store.contents)
            # Not before the file is ours: another process may have the directory.
            blob_store = await BlobStore.open(Path(directory) / BLOBS)
        except BaseException:
            worker.close()
            raise
        catalog = cls(worker, store, blob_store, clock, keep_revisions, keep_audit)
        catalog._definitions = contents.definitions
        catalog._blobs = contents.blobs
        catalog._triggers = contents.triggers
        catalog._owners = contents.owners
        catalog._revision = contents.revision
        catalog._import_status = contents.import_status
        catalog._tasks = contents.tasks
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
        """The number of the last commit that changed what is stored; 0 for a new catalog."""
        return self._revision

    @property
    def owners(self) -> Mapping[Ref, str]:
        """On whose behalf objects are kept, for those that have an owner."""
        return MappingProxyType(self._owners)

    @property
    def triggers(self) -> Mapping[str, bool]:
        """Rules that were started or stopped since their text was written."""
        return MappingProxyType(self._triggers)

    @property
    def import_status(self) -> str:
        """The text that the last commit with a status left, empty when none did."""
        return self._import_status

    @property
    def tasks(self) -> Mapping[str, TaskRecord]:
        """Background tasks, by id."""
        return MappingProxyType(self._tasks)

    def now_ms(self) -> int:
        """The time that entries of the history get, in epoch milliseconds."""
        return self._clock.now_ms()

    def is_temporary(self, ref: Ref) -> bool:
        """Whether a text is in memory only."""
        return ref in self._temporary

    async def commit(
        self,
        texts: Mapping[Ref, str | None],
        *,
        origin: Origin,
        outcome: str = "",
        temporary: Iterable[Ref] = (),
        import_status: Callable[[int], str] | None = None,
        blobs: Mapping[Ref, Blobs] | None = None,
        triggers: Triggers | None = None,
        owners: Mapping[Ref, str] | None = None,
        task: TaskRecord | None = None,
        take_over: Callable[[], object] | None = None,
    ) -> int:
        """Replace texts (None deletes) and give the revision after it; one without stored changes makes no revision.

        ``blobs`` has the bytes that belong to ``texts``, already in ``blob_store``; a text without an entry has none. ``temporary`` names
        those of ``texts`` that stay in memory. ``triggers`` says which rules were started or stopped, None that their texts decide again;
        it is asked when nobody else writes any more. A rule that is not there has no trigger.
        ``owners`` says on whose behalf objects are kept from now on, empty for nobody's; a deleted object loses its owner.
        ``import_status`` makes the text that is kept of an import out of the revision after it.
        ``task`` is stored with the number of the revision that the commit made. ``take_over`` is called when all is stored and before
        anybody sees it here, for what is to change at the same moment. TransportError when the disk fails; nothing has changed then.
        """
        beside = {ref: found for ref, found in (blobs or {}).items() if found and texts.get(ref) is not None}
        changes = _Changes(texts, beside, {}, dict(owners or {}), set(temporary))
        commit = Commit(
            edits=(),
            at=self._clock.now_ms(),
            origin=origin,
            outcome=outcome,
            import_status=None,
            task=task,
            keep=self._keep,
            keep_audit=self._keep_audit,
        )
        return await uninterrupted(self._in_turn(commit, changes, triggers, import_status, take_over))

    async def save_import_status(self, text: str) -> None:
        """Keep what is told of the last import, which changed nothing."""
        await uninterrupted(self._save_import_status(text))

    async def save_task(self, task: TaskRecord) -> None:
        """Keep a task, new or changed."""
        await uninterrupted(self._save_task(task))

    async def verify(self, expected: tuple[int, str] | None = None) -> Audit:
        """Whether history, stored objects and the bytes that belong to these are what was written (see ``catalog.audit``).

        ``expected``: number and hash of a revision, when they were kept elsewhere.
        """
        verifier = await self._worker.run(self._store.verifier)
        after = 0
        while links := await self._worker.run(partial(self._store.links, after, _REVISIONS_AT_ONCE)):
            await self._worker.run(partial(verifier.add_all, links))
            after = links[-1].number
        found = await self._worker.run(partial(self._store.audit, verifier, expected))
        spoilt = []
        for ref, blobs in list(self._blobs.items()):
            for role, digest in blobs:
                if (fault := await self.blob_store.fault(digest)) is not None:
                    spoilt.append(f"{ref.kind} {ref.name}: its {role} {fault}; import it again, from a bundle or from where it came")
        return replace(found, faults=(*found.faults, *spoilt)) if spoilt else found

    async def collect(self) -> int:
        """Delete bytes that no text and no kept revision names, and nobody holds; gives how many. Not while a commit may come."""
        live = await self._worker.run(self._store.live_blobs)
        live.update(digest for blobs in self._blobs.values() for _, digest in blobs)
        return await self.blob_store.collect(live)

    async def revisions(self, limit: int = 100, before: int | None = None) -> list[Revision]:
        """History without edits, newest first, older than ``before`` when it is given."""
        return await self._worker.run(partial(self._store.revisions, limit, before))

    async def read_revision(self, number: int) -> Revision:
        """One revision with its edits; NotFoundError when it is not kept any more."""
        return await self._worker.run(partial(self._store.revision, number))

    async def read_edits(self, low: int, high: int) -> AsyncIterator[tuple[Edit, ...]]:
        """What each revision after ``low`` up to ``high`` did, oldest first; NotFoundError when one is not kept any more."""
        while low < high:
            last = min(low + _REVISIONS_AT_ONCE, high)
            for edits in await self._worker.run(partial(self._store.edits, low, last)):
                yield edits
            low = last

    def _of_rules(self, triggers: Mapping[str, bool | None], texts: Mapping[Ref, str | None]) -> dict[str, bool | None]:
        """Without those of rules that are not there (any more)."""
        found = {}
        for rule, flag in triggers.items():
            ref = Ref(RULE, rule)
            there = texts[ref] is not None if ref in texts else ref in self._definitions
            if there or rule in self._triggers:
                found[rule] = flag if there else None
        return found

    async def _edits(self, changes: _Changes) -> list[Edit]:
        # Texts in memory only are absent for the file, before and after.
        hidden, known = self._temporary, self._definitions
        edits = []
        async for ref, text in _slices(changes.texts):
            before, before_blobs = (None, ()) if ref in hidden else (known.get(ref), self._blobs.get(ref, ()))
            after, after_blobs = (None, ()) if ref in changes.temporary else (text, changes.blobs.get(ref, ()))
            if (before, before_blobs) != (after, after_blobs):
                edits.append(Edit(ref, before, after, before_blobs, after_blobs))
        return edits

    def _trigger_edits(self, changes: _Changes) -> Iterator[Edit]:
        texts = changes.texts
        for rule, flag in changes.triggers.items():
            owner = Ref(RULE, rule)
            ref, before = entry(rule, None if owner in self._temporary else self._triggers.get(rule))
            hidden = owner in (changes.temporary if owner in texts else self._temporary)
            _, after = entry(rule, None if hidden else flag)
            if before != after:
                text = texts.get(owner) or self._definitions.get(owner)
                yield Edit(ref, before, after, said=None if text is None else started(text))

    def _owner_edits(self, changes: _Changes) -> Iterator[Edit]:
        for ref, owner in changes.owners.items():
            before, after = self._owners.get(ref), owner or None
            if before != after:
                yield Edit(owning.entry(ref), before, after)

    async def _in_turn(
        self,
        commit: Commit,
        changes: _Changes,
        triggers: Triggers | None,
        import_status: Callable[[int], str] | None,
        take_over: Callable[[], object] | None,
    ) -> int:
        async with self._writing:
            changes.triggers.update(self._of_rules(triggers() if triggers is not None else {}, changes.texts))
            for ref, text in changes.texts.items():
                # A trigger follows its rule: away, into memory, or out of it.
                if ref.kind == RULE and ref.name in self._triggers:
                    changes.triggers.setdefault(ref.name, None if text is None else self._triggers[ref.name])
                if ref in self._owners and (text is None or ref in changes.temporary):
                    changes.owners[ref] = ""
            edits = (*await self._edits(changes), *self._trigger_edits(changes), *self._owner_edits(changes))
            status = None if import_status is None else import_status(self._revision + bool(edits))
            return await self._commit(replace(commit, edits=edits, import_status=status), changes, take_over)

    async def _commit(self, commit: Commit, changes: _Changes, take_over: Callable[[], object] | None) -> int:
        texts, blobs, triggers = changes.texts, changes.blobs, changes.triggers
        # Those who read see the state before or after, so it is exchanged as a whole.
        definitions, beside = dict(self._definitions), dict(self._blobs)
        async for ref, text in _slices(texts):
            beside.pop(ref, None)
            if text is None:
                definitions.pop(ref, None)
            else:
                definitions[ref] = text
        beside.update(blobs)
        written = await self._worker.run(partial(self._store.commit, commit))
        if take_over is not None:
            take_over()
        self._revision = written.revision
        self._definitions, self._blobs = definitions, beside
        self._temporary.difference_update(texts)
        self._temporary |= changes.temporary
        for rule, flag in triggers.items():
            if flag is None:
                self._triggers.pop(rule, None)
            else:
                self._triggers[rule] = flag
        for ref, owner in changes.owners.items():
            if owner:
                self._owners[ref] = owner
            else:
                self._owners.pop(ref, None)
        if commit.import_status is not None:
            self._import_status = commit.import_status
        if commit.task is not None:
            self._tasks[commit.task.id] = replace(commit.task, revision=written.revision) if commit.edits else commit.task
        if written.freed:
            await self.collect()
        return self._revision

    async def _save_import_status(self, text: str) -> None:
        await self._worker.run(partial(self._store.save_import_status, text))
        self._import_status = text

    async def _save_task(self, task: TaskRecord) -> None:
        await self._worker.run(partial(self._store.save_task, task))
        self._tasks[task.id] = task


async def _slices(texts: Mapping[Ref, str | None]) -> AsyncIterator[tuple[Ref, str | None]]:
    """The texts, with a pause for others after some thousandths of a second."""
    for number, pair in enumerate(texts.items(), 1):
        yield pair
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
