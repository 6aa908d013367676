"""Import: bring the state to a document, whole or not at all, or as far as it goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct

from plutino.catalog import uninterrupted
from plutino.catalog.blobs import pieces
from plutino.catalog.trigger import RULE
from plutino.control.advice import limited, warnings_of
from plutino.control.documents import V1, DocumentContent, Format, Steps, finish, paced
from plutino.control.door import ABORT, Door, goes_on
from plutino.control.effects import effects_of
from plutino.control.failure import Failure
from plutino.control.housekeeping import collector_at_rest
from plutino.control.ownership import check_owner, foreign, outdated
from plutino.control.pacer import Pacer
from plutino.control.progress import Phase, Progress
from plutino.control.report import ImportOutcome, ImportStatus, RefusedDocumentError, config_response, finish_message
from plutino.control.revelation import Revelation
from plutino.control.run import Run
from plutino.control.secrecy import has_hidden
from plutino.control.staging import Staging
from plutino.control.transfer import ImportResult, Wanted, absent, spelled, wanted
from plutino.errors import (
    CancellationError,
    ConflictError,
    DocumentError,
    PlutinoError,
    RevisionConflictError,
)
from plutino.model import Ref
from plutino.spi import KeptWhenPresent, Mode, Origin, Portable
from plutino.spi.limits import limits

OVERWRITE, SKIP, FAIL = "overwrite", "skip", "fail"
BY_KIND = ""
_STOPPED = "stopped by error"

T = TypeVar("T")


class ImportOptions(Struct, frozen=True):
    """How a document is imported.

    - ``partial``: on top of what is there; else what the document does not name is deleted
    - ``dry_run``: only tell what would change
    - ``on_error``: ``abort`` (anything refused: nothing changes) or ``continue`` (what is refused stays as it was and is reported)
    - ``on_conflict``: what becomes of objects that are there already: ``overwrite``, ``skip`` (they stay and are reported as ignored),
      ``fail`` (that is a fault), or empty: ``overwrite``, but a partial import skips plugins, schemas and services
    - ``base_revision``: RevisionConflictError when the state is not at this revision any more
    - ``wait``: wait for another import to end; else BusyError
    - ``owner``: on whose behalf the objects of the document are kept from now on; ``prune``: what was kept on his behalf and is not in the
      document is deleted (nothing else is), though not everything unless ``allow_empty``; ``take_over``: also objects of other owners
    - ``passphrase`` opens encrypted secrets; ``keep_masks``: masked ones stay masked instead of keeping what is stored (for checks without
      the server that the document came from)
    """

    partial: bool = False
    dry_run: bool = False
    on_error: str = ABORT
    on_conflict: str = BY_KIND
    base_revision: int | None = None
    wait: bool = True
    owner: str = ""
    prune: bool = False
    allow_empty: bool = False
    take_over: bool = False
    passphrase: str = ""
    keep_masks: bool = False


class Importer:
    """Takes documents of any format through the door."""

    def __init__(self, door: Door) -> None:
        self._door = door
        kept = (kind for kind, spec in door.specs.items() if isinstance(spec, KeptWhenPresent) and spec.kept_when_present)
        self._staying = frozenset(kept)
        self._portable = frozenset(kind for kind, spec in door.specs.items() if isinstance(spec, Portable))

    async def run(
        self, document: Any, options: ImportOptions, origin: Origin, *, form: Format[Any] = V1, progress: Progress | None = None
    ) -> ImportResult:
        """Import a document: text, or bytes where its format has bytes.

        DocumentError when it cannot be read; RefusedDocumentError when anything in it is refused and nothing is left out: the message is
        that of the format, and the faults say where.
        """
        go_on = goes_on(options.on_error)
        if options.on_conflict not in (BY_KIND, OVERWRITE, SKIP, FAIL):
            raise PlutinoError(f"onConflict: {options.on_conflict}; {OVERWRITE}, {SKIP} or {FAIL} is expected")
        check_owner(options.owner, options.partial, options.prune)
        progress = progress or Progress()
        async with self._door.importing(f"an import by {origin.client or origin.source}", options.wait):
            try:
                return await self._run(document, options, origin, form, progress, go_on)
            except PlutinoError as error:
                # Of what was refused, and of what was taken back, the status is stored already.
                if not isinstance(error, RefusedDocumentError) and progress.phase is not Phase.ROLLBACK:
                    await self.tell(error, options, form, origin)
                raise

    async def _run(
        self, document: Any, options: ImportOptions, origin: Origin, form: Format[Any], progress: Progress, go_on: bool
    ) -> ImportResult:
        progress.enter(Phase.READ)
        content = await progress.interruptible(away(form, form.read(document)))
        found = await paced(wanted(content, self._door.specs))
        if len(found.texts) > limits().entries:
            raise DocumentError(f"document: {len(found.texts)} objects; at most {limits().entries} are read at once")
        await self._reveal(found, options)
        mode = form.on_top if options.partial else Mode.FULL
        async with self._holding(content, found), self._door.staging(found.blobs) as staging:
            progress.enter(Phase.STAGE, len(found.texts))
            texts, _, _ = await self._heeded(found, mode, options)
            await progress.interruptible(staging.stage(texts, mode))
            async with self._door.turn(progress):
                await self._door.expect(options.base_revision)
                with collector_at_rest(len(texts)):
                    return await self._in_turn(_Import(content, found, form, mode, options, origin, go_on), staging, progress)

    async def _in_turn(self, wish: _Import, staging: Staging, progress: Progress) -> ImportResult:
        door, options = self._door, wish.options
        texts, ignored, clashes = await self._heeded(wish.found, wish.mode, options)
        if not options.partial:
            texts.update(await paced(absent(wish.found, list(door.committed.everything()), door.specs)))
        clashes += self._own(wish.found, texts, options)
        staged = await progress.interruptible(staging.stage(texts, wish.mode))
        draft = await door.checker.check(
            texts, wish.mode, broken=door.applier.broken, settle=wish.go_on, whole=True, staged=staged, progress=progress
        )
        run = Run(draft, [*wish.found.failures, *clashes, *draft.failures])
        if run.failures and not wish.go_on:
            if not options.dry_run:
                told = wish.status(run.failures, door.catalog.now_ms(), ImportOutcome.REFUSED, door.catalog.revision)
                await door.catalog.save_import_status(told)
            raise RefusedDocumentError(wish.form.refusal(run.failures), wish.content.placed(run.failures), config_response(run.failures))
        base, refused = door.catalog.revision, len(run.failures)
        claimed = self._claim(run, wish)
        await door.applier.arrange(run, progress)
        run.effects = await effects_of(run.steps, run.removals, door.host, progress)
        warnings = await warnings_of(wish.content, draft, wish.found.texts, door.committed, door.checker, progress)
        if not options.dry_run:
            message = finish_message(config_response(run.failures))
            status = partial(wish.status, run.failures, door.catalog.now_ms())
            await uninterrupted(door.applier.carry_out(run, wish.origin, progress, status=status, message=message))
        return ImportResult(
            revision=door.catalog.revision,
            changeset=door.changeset(run.changes(True), base),
            faults=wish.content.placed(run.failures[:refused]),
            warnings=warnings,
            passed_over=limited(wish.content.warnings),
            failures=tuple(run.failures),
            ignored=ignored,
            troubles=wish.content.placed([*run.failures[refused:], *([] if options.dry_run else await self._at_rest(wish.found, run))]),
            effects=run.effects,
            claimed=claimed,
        )

    async def _at_rest(self, found: Wanted, run: Run) -> list[Failure]:
        """The rules of a document that are there now, changed by it or not, but do not run."""
        known, host, pacer = {failure.ref for failure in run.failures}, self._door.host, Pacer()
        failures = []
        for ref, text in found.texts.items():
            if ref.kind == RULE and text is not None and ref not in known and host.state(ref.name) == _STOPPED:
                status = host.status(ref.name) or {}
                failures.append(self._door.checker.failure(ref, PlutinoError(str(status.get("message", "")))))
            if pacer.due():
                await pacer.rest()
        return failures

    def _own(self, found: Wanted, texts: dict[Ref, str | None], options: ImportOptions) -> list[Failure]:
        """Take out of ``texts`` what belongs to others, and put in the deletions of what the owner does not name any more."""
        if not options.owner:
            return []
        owners, checker = self._door.catalog.owners, self._door.checker
        clashes = {} if options.take_over else foreign(texts, options.owner, owners)
        for ref in clashes:
            del texts[ref]
        if options.prune:
            gone = outdated(found, options.owner, owners, self._door.specs, allow_empty=options.allow_empty)
            texts.update(dict.fromkeys(gone))
        return [checker.failure(ref, error) for ref, error in clashes.items()]

    def _claim(self, run: Run, wish: _Import) -> tuple[str, ...]:
        """Say in ``run`` whose the objects are afterwards; gives the entries of those that were there before and nobody's, or another's."""
        owner, owners = wish.options.owner, self._door.catalog.owners
        if not owner:
            return ()
        for ref, item in run.draft.items.items():
            if item.after is not None and not item.after.temporary and ref in wish.found.texts and owners.get(ref) != owner:
                run.owners[ref] = owner
        return tuple(self._door.checker.place(ref) for ref in run.owners if run.draft.items[ref].stored is not None)

    async def _heeded(
        self, found: Wanted, mode: Mode, options: ImportOptions
    ) -> tuple[dict[Ref, str | None], tuple[str, ...], list[Failure]]:
        """The texts that count, the entries of objects that stay as they are, and those that must not be there."""
        texts = await paced(spelled(found, self._door.present_text, self._portable_text, self._portable))
        place = self._door.checker.place
        match options.on_conflict:
            case "skip":
                staying = [ref for ref in texts if self._door.committed.get(ref) is not None]
            case "fail":
                clashing = [ref for ref in texts if self._door.committed.get(ref) is not None]
                for ref in clashing:
                    del texts[ref]
                return texts, (), [self._door.checker.failure(ref, _clash(ref)) for ref in clashing]
            case "" if mode is Mode.PARTIAL and not options.owner:
                staying = [ref for ref, text in texts.items() if self._stays(ref, text)]
            case _:
                staying = []
        for ref in staying:
            del texts[ref]
        return texts, tuple(map(place, staying)), []

    async def _reveal(self, found: Wanted, options: ImportOptions) -> None:
        """Put hidden secrets back into the texts; where that cannot be done, the object is refused."""
        hidden = {ref: text for ref, text in found.texts.items() if text is not None and has_hidden(text)}
        if not hidden:
            return
        revelation = Revelation(self._door.specs, self._door.present_text, options.passphrase, keep_masks=options.keep_masks)
        await revelation.prepare(hidden.values())
        pacer = Pacer()
        for ref, text in hidden.items():
            if pacer.due():
                await pacer.rest()
            try:
                found.texts[ref] = revelation.whole(ref, text)
            except PlutinoError as error:
                failure = self._door.checker.failure(ref, error, text)
                found.failures.append(failure)
                found.held.add((ref.kind, failure.entry))
                del found.texts[ref]

    def _portable_text(self, ref: Ref) -> str | None:
        """What an export makes of a stored text."""
        spec, stored = self._door.specs[ref.kind], self._door.committed.get(ref)
        if stored is None or stored.content is None or not isinstance(spec, Portable):
            return None
        return spec.portable(stored, self._door.catalog.blob_store.read)

    def _stays(self, ref: Ref, text: str | None) -> bool:
        stored = self._door.committed.get(ref) if ref.kind in self._staying else None
        return stored is not None and stored.text != text

    @asynccontextmanager
    async def _holding(self, content: DocumentContent, found: Wanted) -> AsyncIterator[None]:
        """Keep the bytes that came with a document; after the block they stay only if they were committed."""
        store, held = self._door.catalog.blob_store, list[str]()
        try:
            for ref, files in found.files.items():
                kept = []
                for role, path in files:
                    blob = await store.put(pieces(content.data(path)), limit=limits().download, what=f"file {path}")
                    held.append(blob.digest)
                    kept.append((role, blob.digest))
                found.blobs[ref] = tuple(sorted(kept))
            yield
        finally:
            for digest in held:
                store.release(digest)
            if held:
                async with self._door.lock:
                    await self._door.catalog.collect()

    async def tell(
        self, error: PlutinoError, options: ImportOptions, form: Format[Any], origin: Origin, *, without_document: bool = False
    ) -> None:
        """Keep as import status why an import came to nothing, perhaps as its document could not be had; a dry run is none."""
        if options.dry_run:
            return
        status = ImportStatus(
            response=config_response(()),
            outcome=_outcome_of(error, without_document),
            message=error.message,
            format=form.name,
            partial=options.partial,
            at=self._door.catalog.now_ms(),
            client=origin.client,
            revision=self._door.catalog.revision,
        )
        await self._door.catalog.save_import_status(status.as_text())


class _Import(Struct, frozen=True):
    """One import whose turn has come."""

    content: DocumentContent
    found: Wanted
    form: Format[Any]
    mode: Mode
    options: ImportOptions
    origin: Origin
    go_on: bool

    def status(self, failures: list[Failure], now: int, outcome: str, revision: int) -> str:
        """The status text of the import, as it is when it is asked for."""
        told = [] if outcome == ImportOutcome.CANCELLED else failures
        status = ImportStatus(
            response=config_response(told),
            outcome=outcome,
            message=f"{len({failure.object_path for failure in told})} entries were refused" if told else "",
            format=self.form.name,
            partial=self.options.partial,
            at=now,
            client=self.origin.client,
            revision=revision,
        )
        return status.as_text()


def _outcome_of(error: PlutinoError, without_document: bool) -> ImportOutcome:
    match error:
        case CancellationError():
            return ImportOutcome.CANCELLED
        case RevisionConflictError():
            return ImportOutcome.OUTDATED
        case DocumentError():
            return ImportOutcome.UNREADABLE
        case _:
            return ImportOutcome.UNREADABLE if without_document else ImportOutcome.FAILED


def _clash(ref: Ref) -> ConflictError:
    return ConflictError(f"{ref.kind} {ref.name} exists already; remove the entry, or import with onConflict=overwrite or skip")


async def away(form: Format[Any], steps: Steps[T]) -> T:
    """The result of ``steps`` without holding up others; formats with bytes pack and unpack them, which takes long in one piece."""
    return await asyncio.to_thread(finish, steps) if form.carries_bytes else await paced(steps)
