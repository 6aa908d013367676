"""Door: the parts that every change goes through, and whose turn it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from plutino.catalog import Catalog, uninterrupted
from plutino.control.applier import Applier
from plutino.control.changeset import Changeset
from plutino.control.checker import Checker
from plutino.control.effects import effects_of
from plutino.control.environment import Committed
from plutino.control.failure import refusal
from plutino.control.graph import Graph
from plutino.control.history import History
from plutino.control.housekeeping import collector_at_rest
from plutino.control.progress import Phase, Progress
from plutino.control.run import Run
from plutino.control.staging import Staging
from plutino.control.triggering import Triggering, by_text
from plutino.errors import BusyError, PlutinoError, RevisionConflictError
from plutino.model import Blobs, Definition, Ref
from plutino.spi import Change, Host, Mode, Origin, Registry, ResourceSpec
from plutino.spi.access import Access

ABORT, CONTINUE = "abort", "continue"

_SHOWN = 5
"""Objects that the text of a revision conflict names."""


class Door:
    """What controller, import, export and history share. ``lock`` is held by whoever changes the state, and nobody who only reads."""

    def __init__(
        self, catalog: Catalog, host: Host, specs: Mapping[str, ResourceSpec], registry: Registry, settings: Mapping[str, Any]
    ) -> None:
        self.catalog = catalog
        self.host = host
        self.specs = specs
        self.committed = Committed(registry, settings, catalog.triggers, specs, catalog.blob_store.path)
        self.graph = Graph()
        self.checker = Checker(self.committed, self.graph, specs)
        self.applier = Applier(catalog, host, self.committed, self.graph, self.checker)
        self.history = History(catalog, specs, self.changeset)
        self.lock = asyncio.Lock()
        self._access = Access.of(settings)
        self._importing: list[str] = []

    def changeset(self, changes: Iterable[Change], revision: int) -> Changeset:
        """Changes as a Changeset that can mask secrets and name sections."""
        sections = tuple((kind, spec.section) for kind, spec in self.specs.items())
        return Changeset(tuple(changes), revision, self._secrets, sections)

    @asynccontextmanager
    async def staging(self, kept: Mapping[Ref, Blobs]) -> AsyncIterator[Staging]:
        """Where the bytes of one pass are brought together; afterwards, what was not committed is taken away."""
        staging = Staging(self.catalog.blob_store, self._access, self.specs, self.committed, kept)
        try:
            yield staging
        finally:
            if staging.release():
                async with self.lock:
                    await self.catalog.collect()

    @asynccontextmanager
    async def importing(self, what: str, wait: bool) -> AsyncIterator[None]:
        """The time of one import. BusyError for who does not want to ``wait`` while another one is on its way."""
        if self._importing and not wait:
            raise BusyError(f"import: {self._importing[0]} is going on; wait for it, or try again")
        self._importing.append(what)
        try:
            yield
        finally:
            self._importing.remove(what)

    @asynccontextmanager
    async def turn(self, progress: Progress) -> AsyncIterator[None]:
        """Have the state for oneself; given up when the change is cancelled meanwhile."""
        progress.enter(Phase.WAIT)
        await progress.interruptible(self.lock.acquire())
        try:
            yield
        finally:
            self.lock.release()

    async def expect(self, revision: int | None) -> None:
        """RevisionConflictError, with what changed meanwhile, when the state is not at this revision any more."""
        current = self.catalog.revision
        if revision in (None, current):
            return
        if revision > current:
            raise RevisionConflictError(f"based on revision {revision}; the current revision is {current}, there is no such revision yet")
        meanwhile = await self.history.since(revision)
        touched = [_told(change) for entry in meanwhile for change in entry["changes"]]
        shown = _listed(touched)
        moved = f"based on revision {revision}; the current revision is {current}, look at it first"
        raise RevisionConflictError(f"{moved}: {shown}" if shown else moved, meanwhile)

    async def pass_through(
        self,
        changes: Mapping[Ref, str | None],
        mode: Mode,
        origin: Origin,
        *,
        base_revision: int | None = None,
        dry_run: bool = False,
        on_error: str = ABORT,
        triggering: Triggering = by_text,
        blobs: Mapping[Ref, Blobs] | None = None,
        owners: Mapping[Ref, str] | None = None,
        fill: Callable[[], Awaitable[None]] | None = None,
    ) -> Run:
        """Stage, check and carry out changes of texts (see ``Controller.apply``) and of ``owners``.

        ``fill`` is for an earlier state that comes back: called when nobody else changes anything any more, to put it into what was
        given. Nothing of it is refused that can be read: what does not check, as it did not check then, is stranded.
        """
        go_on, progress = goes_on(on_error), Progress()
        async with self.staging({} if blobs is None else blobs) as staging:
            # Before the turn comes, as downloads may take their time; what changed meanwhile is staged after it.
            await staging.stage(changes, mode)
            async with self.lock:
                if fill is not None:
                    await fill()
                await self.expect(base_revision)
                with collector_at_rest(len(changes)):
                    staged = await staging.stage(changes, mode)
                    draft = await self.checker.check(
                        changes,
                        mode,
                        broken=self.applier.broken,
                        settle=go_on,
                        triggering=triggering,
                        restore=fill is not None,
                        staged=staged,
                    )
                    run = Run(draft, list(draft.failures), owners=dict(owners or {}))
                    if run.failures and not go_on:
                        raise refusal(run.failures)
                    await self.applier.arrange(run)
                    if dry_run:
                        run.effects = await effects_of(run.steps, run.removals, self.host, progress)
                    else:
                        await uninterrupted(self.applier.carry_out(run, origin, progress))
                    return run

    def present_text(self, ref: Ref) -> str | None:
        """The stored text of an object as an export shows it, None when there is none."""
        stored = self.committed.get(ref)
        return None if stored is None else self.checker.shown_text(stored)

    def _secrets(self, definition: Definition) -> Iterable[tuple[str, ...]]:
        spec = self.specs.get(definition.ref.kind)
        return () if spec is None else spec.secrets(definition, self.committed)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _told(change: Mapping[str, Any]) -> str:
    done = change["action"]
    if "triggered" in change:
        done = "started" if change["triggered"] else "stopped"
    elif "owner" in change:
        done = f"given to {change['owner'] or 'nobody'}"
    return f"{change['kind']} {change['name']} {done}"


def goes_on(on_error: str) -> bool:
    """Whether what is refused is left out; PlutinoError for an unknown word."""
    if on_error not in (ABORT, CONTINUE):
        raise PlutinoError(f"onError: {on_error}; {ABORT} or {CONTINUE} is expected")
    return on_error == CONTINUE
