"""Controller: the one door for changes, ``stage → check → diff → commit → reconcile`` whatever asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from plutino.catalog import Catalog, uninterrupted
from plutino.catalog.blobs import pieces, pieces_of
from plutino.control.changeset import Changeset
from plutino.control.checker import Checker, Draft, Item
from plutino.control.documents import V1, DocumentContent, Format, Steps, finish, paced
from plutino.control.environment import Committed
from plutino.control.failure import Failure, refusal
from plutino.control.graph import Graph, in_order
from plutino.control.pacer import Pacer
from plutino.control.reconciler import Reconciler
from plutino.control.report import as_text, config_response, from_text
from plutino.control.sections import RULE
from plutino.control.staging import Staging
from plutino.control.transfer import ImportResult, Wanted, absent, objects_of, spelled, wanted
from plutino.errors import ConflictError, DocumentError, NotFoundError, PlutinoError
from plutino.model import Blobs, Definition, Ref
from plutino.spi import Change, Environment, Host, KeptWhenPresent, Mode, Origin, Outcome, Portable, Registry, ResourceSpec
from plutino.spi.access import Access
from plutino.spi.staging import SCHEME, SIZE_LIMIT

ABORT, CONTINUE = "abort", "continue"

T = TypeVar("T")
Form = TypeVar("Form", str, bytes)


@dataclass(slots=True)
class _Run:
    """One pass through the door: what was found, and in which order it is done."""

    draft: Draft
    failures: list[Failure]
    steps: list[Item] = field(default_factory=list)
    removals: list[Item] = field(default_factory=list)

    def changes(self, unchanged: bool) -> tuple[Change, ...]:
        """What is done to which object, in order; another spelling is ``unchanged`` but kept. ``unchanged`` adds the rest at the end."""
        items = self.draft.items
        made = [item for item in self.steps if item.ref in items and (item.changed or item.respelled)]
        rest = [i for i in items.values() if i.after is not None and not i.changed and not self.draft.forced and (unchanged or i.respelled)]
        return tuple(item.change for item in (*made, *self.removals, *rest))


class Controller:
    """Owns the desired state; implements ``spi.Control``.

    Changes are made one after the other. Each is checked against the state that it would make; when a check fails nothing has changed
    (unless the caller asked to go on). What passes is committed in one transaction, and the engine follows. Between commit and engine a
    cancelled caller is not heard, so the two never part.
    """

    def __init__(
        self, catalog: Catalog, host: Host, specs: Mapping[str, ResourceSpec], *, registry: Registry, settings: Mapping[str, Any]
    ) -> None:
        """``specs`` by kind; ``registry`` and ``settings`` are what checks see in their Environment."""
        self._catalog = catalog
        self._host = host
        self._specs = specs
        self._access = Access.of(settings)
        self._committed = Committed(registry, settings, catalog.triggers, specs, catalog.blob_store.path)
        self._graph = Graph()
        self._checker = Checker(self._committed, self._graph, specs)
        self._reconciler = Reconciler(host, self._committed)
        self._lock = asyncio.Lock()
        # Objects that do not check against the committed state. True: the engine has not got them, False: an older version still runs.
        self._broken: dict[Ref, bool] = {}

    @property
    def environment(self) -> Environment:
        """The committed state."""
        return self._committed

    @property
    def host(self) -> Host:
        """The running engine."""
        return self._host

    @property
    def catalog(self) -> Catalog:
        """Where the state is kept; its history is read from here."""
        return self._catalog

    @property
    def specs(self) -> Mapping[str, ResourceSpec]:
        """Resource kinds by name."""
        return self._specs

    @property
    def revision(self) -> int:
        """The current revision."""
        return self._catalog.revision

    async def boot(self) -> Outcome:
        """Load everything that is stored and bring the engine there: the diff from empty.

        Never fails: what does not parse or check stays stored, and a rule is shown as stopped with its error. The outcome lists these.
        """
        texts, kept = dict(self._catalog.definitions), dict(self._catalog.blobs)
        async with self._staging(kept) as staging, self._lock:
            staged = await staging.stage(texts, Mode.BOOT)
            draft = await self._checker.check(texts, Mode.BOOT, broken=(), keep_triggers=True, staged=staged)
            refused = {failure.ref: failure for failure in draft.failures if failure.ref is not None}
            lost = (ref for ref in texts if ref not in draft.items)
            unreadable = [(ref, Definition(ref, texts[ref], blobs=kept.get(ref, ()))) for ref in lost]
            self._committed.replace([*unreadable, *((ref, item.after) for ref, item in draft.items.items())])
            for ref in refused:
                if (item := draft.items.get(ref)) is not None:
                    item.uses = self._uses_of(item)
            run = _Run(draft, list(draft.failures))
            await self._arrange(run)
            await self._connect(run)
            run.steps = [item for item in run.steps if item.ref not in refused]
            self._broken.update(dict.fromkeys(refused, True))
            await uninterrupted(self._reconcile(run, draft.failures))
            return Outcome(self.revision, (), tuple(failure.fault() for failure in run.failures))

    async def put(self, ref: Ref, text: str, *, mode: Mode, origin: Origin) -> Outcome:
        """Create or replace one object; raises what its spec's ``parse`` and ``check`` raise."""
        return await self.apply({ref: text}, mode=mode, origin=origin)

    async def delete(self, ref: Ref, *, origin: Origin) -> Outcome:
        """Delete one object; NotFoundError when it is not there."""
        return await self.apply({ref: None}, mode=Mode.UPDATE, origin=origin)

    async def apply(
        self,
        changes: Mapping[Ref, str | None],
        *,
        mode: Mode,
        origin: Origin,
        base_revision: int | None = None,
        dry_run: bool = False,
        on_error: str = ABORT,
        keep_triggers: bool = False,
        blobs: Mapping[Ref, Blobs] | None = None,
    ) -> Outcome:
        """Replace texts of objects, None deletes.

        - ``base_revision``: ConflictError when the state is not at this revision any more
        - ``dry_run``: only tell what would change
        - ``on_error="continue"``: what is refused stays as it was and is reported; else nothing changes, and the error of the refused
          object is raised, or a DocumentError with the faults of all
        - ``keep_triggers``: rules stay started or stopped as they are, whatever the new texts say
        - ``blobs``: kept bytes that belong to texts, which are then not fetched from where the texts say
        """
        go_on = _goes_on(on_error)
        async with self._staging(blobs or {}) as staging:
            # Before the turn comes, as downloads may take their time; what changed meanwhile is staged after it.
            await staging.stage(changes, mode)
            async with self._lock:
                self._expect(base_revision)
                staged = await staging.stage(changes, mode)
                draft = await self._checker.check(
                    changes, mode, broken=self._broken, settle=go_on, keep_triggers=keep_triggers, staged=staged
                )
                return await self._apply(draft, go_on, dry_run, origin)

    @asynccontextmanager
    async def holding(self, data: bytes) -> AsyncIterator[str]:
        """Keep uploaded bytes and give their ``blob:`` URL; after the block they stay only if a text put inside it uses them."""
        store = self._catalog.blob_store
        blob = await store.put(pieces_of(data), limit=len(data), what="upload")
        try:
            yield SCHEME + blob.digest
        finally:
            store.release(blob.digest)
            async with self._lock:
                await self._catalog.collect()

    def changeset(self, changes: Iterable[Change], revision: int) -> Changeset:
        """Changes as a Changeset that can mask secrets and name sections."""
        sections = tuple((kind, spec.section) for kind, spec in self._specs.items())
        return Changeset(tuple(changes), revision, self._secrets, sections)

    async def import_document(
        self,
        document: Any,
        *,
        partial: bool,
        origin: Origin,
        dry_run: bool = False,
        on_error: str = ABORT,
        base_revision: int | None = None,
        form: Format[Any] = V1,
    ) -> ImportResult:
        """Bring the state to a document (text, or bytes where its format has bytes): all of it, so that what the document does not name is
        deleted, or with ``partial`` on top.

        DocumentError when the document cannot be read, or when anything in it is refused and ``on_error`` is ``abort``: the message is
        that of the format (for v1 the twelve-key object as text), and the faults say where. With ``continue`` the rest is applied.
        """
        go_on = _goes_on(on_error)
        content = await _away(form, form.read(document))
        found = wanted(content, self._specs)
        mode = form.on_top if partial else Mode.FULL
        async with self._holding(content, found), self._staging(found.blobs) as staging:
            await staging.stage(await self._heeded(found, mode), mode)
            async with self._lock:
                self._expect(base_revision)
                return await self._import(content, found, staging, form, mode, partial, origin, dry_run, go_on)

    def import_status(self) -> dict[str, dict[str, str]]:
        """What the last import refused: all twelve sections, empty when all went well."""
        return from_text(self._catalog.import_status)

    async def export(self, form: Format[Form]) -> Form:
        """Everything that is stored as a document: one consistent state, the same bytes as long as nothing changes."""
        return await _away(form, self._written(form, self._committed.everything()))

    def export_document(self) -> str:
        """Everything that is stored as a v1 document, in one go."""
        return finish(self._written(V1, self._committed.everything()))

    def export_rules(self, ids: Sequence[str]) -> str:
        """The given rules and everything that they use, directly or through others; NotFoundError names those that are not stored."""
        refs = [Ref(RULE, id) for id in ids]
        missing = [ref.name for ref in refs if (found := self._committed.get(ref)) is None or found.temporary]
        if missing:
            raise NotFoundError(f"export rules: {', '.join(missing)} not found; only stored rules can be exported")
        found_all = (self._committed.get(ref) for ref in self._graph.closure(refs))
        return finish(self._written(V1, (definition for definition in found_all if definition is not None)))

    async def rollback(self, revision: int, *, origin: Origin, dry_run: bool = False) -> Outcome:
        """Bring the texts back to an earlier revision; rules stay started or stopped as they are. NotFoundError when it is not kept."""
        if not 0 <= revision <= self.revision:
            raise NotFoundError(f"revision {revision} is not found; the current one is {self.revision}")
        base = self.revision
        texts: dict[Ref, str | None] = {}
        blobs: dict[Ref, Blobs] = {}
        for number in range(base, revision, -1):
            for edit in (await self._catalog.read_revision(number)).edits:
                texts[edit.ref], blobs[edit.ref] = edit.before, edit.before_blobs
        current, beside = self._catalog.definitions, self._catalog.blobs
        changes = {ref: text for ref, text in texts.items() if (current.get(ref), beside.get(ref, ())) != (text, blobs[ref])}
        return await self.apply(
            changes, mode=Mode.FULL, origin=origin, base_revision=base, dry_run=dry_run, keep_triggers=True, blobs=blobs
        )

    def users(self, ref: Ref) -> Sequence[Ref]:
        """Stored objects that use this one, directly or through others."""
        return [user for user in self._graph.users([ref]) if self._committed.get(user) is not None]

    async def trigger(self, rule: str, started: bool) -> None:
        """Remember whether a rule is started; no revision. NotFoundError for an unknown rule."""
        ref = Ref(RULE, rule)
        if self._committed.get(ref) is None:
            raise NotFoundError(f"rule {rule} is not found")
        await self._catalog.set_triggers({rule: started}, stored=not self._catalog.is_temporary(ref))

    def triggered(self, rule: str) -> bool | None:
        """What ``trigger`` stored since the rule's text was written, None when the text decides."""
        return self._committed.triggered(rule)

    async def reactivate(self, ref: Ref) -> None:
        """Check one object against the committed state and bring the engine to it again, as when a rule is started.

        NotFoundError when it is not there; else raises what its spec's ``parse`` and ``check`` raise.
        """
        async with self._lock:
            definition = self._committed.get(ref)
            if definition is None:
                raise NotFoundError(f"{ref.kind} {ref.name} is not found")
            if definition.content is None:
                definition = self._specs[ref.kind].parse(ref, definition.text)
            item = self._checker.recheck(ref, definition, self._committed)
            self._committed.replace([(ref, definition)])
            run = _Run(Draft(forced=True), [], [item])
            self._graph.put(ref, item.uses)
            await uninterrupted(self._reconcile(run, ()))
            if run.failures:
                raise run.failures[0].error

    async def _apply(self, draft: Draft, go_on: bool, dry_run: bool, origin: Origin) -> Outcome:
        """What ``apply`` does once everything is checked."""
        run = _Run(draft, list(draft.failures))
        if run.failures and not go_on:
            raise refusal(run.failures)
        await self._arrange(run)
        if not dry_run:
            await uninterrupted(self._carry_out(run, origin, None))
        untold = [failure for failure in draft.stranded.values() if failure not in run.failures]
        return Outcome(self.revision, run.changes(False), tuple(failure.fault() for failure in (*run.failures, *untold)))

    async def _import(
        self,
        content: DocumentContent,
        found: Wanted,
        staging: Staging,
        form: Format[Any],
        mode: Mode,
        partial: bool,
        origin: Origin,
        dry_run: bool,
        go_on: bool,
    ) -> ImportResult:
        """What ``import_document`` does once it is its turn."""
        texts = await self._heeded(found, mode)
        passed_over = tuple(self._checker.place(ref) for ref in found.texts if ref not in texts)
        if not partial:
            texts.update(absent(found, self._committed.everything(), self._specs))
        staged = await staging.stage(texts, mode)
        draft = await self._checker.check(texts, mode, broken=self._broken, settle=go_on, staged=staged)
        run = _Run(draft, [*found.failures, *draft.failures])
        response = as_text(config_response(run.failures))
        if run.failures and not go_on:
            if not dry_run:
                await self._catalog.commit({}, base_revision=self.revision, origin=origin, import_status=response)
            raise DocumentError(form.refusal(run.failures), content.placed(run.failures))
        base = self.revision
        await self._arrange(run)
        if not dry_run:
            await uninterrupted(self._carry_out(run, origin, response))
        faults = content.placed(run.failures)
        changeset = self.changeset(run.changes(True), base)
        return ImportResult(self.revision, changeset, faults, content.warnings, tuple(run.failures), passed_over)

    async def _heeded(self, found: Wanted, mode: Mode) -> dict[Ref, str | None]:
        """Wanted texts, in a partial import without those of kinds that stay as they are when they are there."""
        texts = await paced(spelled(found, self._present_text))
        if mode is not Mode.PARTIAL:
            return texts
        return {ref: text for ref, text in texts.items() if not self._stays(ref, text)}

    def _present_text(self, ref: Ref) -> str | None:
        stored = self._committed.get(ref)
        return None if stored is None else self._checker.shown_text(stored)

    def _stays(self, ref: Ref, text: str | None) -> bool:
        spec, stored = self._specs.get(ref.kind), self._committed.get(ref)
        return stored is not None and stored.text != text and isinstance(spec, KeptWhenPresent) and spec.kept_when_present

    @asynccontextmanager
    async def _staging(self, kept: Mapping[Ref, Blobs]) -> AsyncIterator[Staging]:
        """Where the bytes of one pass are brought together; afterwards, what was not committed is taken away."""
        staging = Staging(self._catalog.blob_store, self._access, self._specs, self._committed, kept)
        try:
            yield staging
        finally:
            if staging.release():
                async with self._lock:
                    await self._catalog.collect()

    @asynccontextmanager
    async def _holding(self, content: DocumentContent, found: Wanted) -> AsyncIterator[None]:
        """Keep the bytes that came with a document; after the block they stay only if they were committed."""
        store, held = self._catalog.blob_store, list[str]()
        try:
            for ref, files in found.files.items():
                kept = []
                for role, path in files:
                    blob = await store.put(pieces(content.data(path)), limit=SIZE_LIMIT, what=f"file {path}")
                    held.append(blob.digest)
                    kept.append((role, blob.digest))
                found.blobs[ref] = tuple(sorted(kept))
            yield
        finally:
            for digest in held:
                store.release(digest)
            if held:
                async with self._lock:
                    await self._catalog.collect()

    async def _arrange(self, run: _Run) -> None:
        """Put creates and replaces into dependency order, deletes into the reverse."""
        pacer = Pacer()
        active = {item.ref: item for item in run.draft.active()}
        order = await in_order(active, lambda ref: active[ref].uses if ref in active else self._graph.uses(ref), pacer)
        run.steps = [active[ref] for ref in order]
        gone = {item.ref: item for item in run.draft.deletions()}
        run.removals = [gone[ref] for ref in reversed(await in_order(gone, self._graph.uses, pacer))]

    async def _carry_out(self, run: _Run, origin: Origin, import_status: str | None) -> None:
        """Commit, take over, reconcile."""
        items = run.draft.items.values()
        kept = {item.ref: None if item.after is None else item.after.text for item in items if item.respelled}
        released = [i.ref.name for i in items if i.released and (flag := self.triggered(i.ref.name)) is not None and flag == i.flag]
        if kept or released or import_status is not None:
            await self._catalog.commit(
                kept,
                base_revision=self.revision,
                origin=origin,
                outcome=_outcome(run),
                temporary=[item.ref for item in items if item.respelled and item.after is not None and item.after.temporary],
                released=released,
                import_status=import_status,
                blobs={item.ref: item.after.blobs for item in items if item.respelled and item.after is not None},
            )
        self._committed.replace((item.ref, item.after) for item in items if item.respelled)
        await self._connect(run)
        for ref in (*run.draft.stranded, *(item.ref for item in run.removals)):
            if self._committed.get(ref) is None:
                self._broken.pop(ref, None)
            else:
                self._broken.setdefault(ref, False)
        await self._reconcile(run, run.draft.stranded.values())

    async def _connect(self, run: _Run) -> None:
        """Take over what uses what."""
        pacer = Pacer()
        for item in (*run.steps, *run.removals):
            self._graph.put(item.ref, item.uses)
            if pacer.due():
                await pacer.rest()

    async def _reconcile(self, run: _Run, stopped: Iterable[Failure]) -> None:
        """Bring the engine there, and show the errors of what it has not got."""
        unknown = {ref for ref, absent_there in self._broken.items() if absent_there}
        failed = await self._reconciler.apply(run.steps, run.removals, unknown)
        for item in run.steps:
            self._broken.pop(item.ref, None)
        for ref, error in failed.items():
            if self._committed.get(ref) is not None:
                self._broken[ref] = True
            run.failures.append(self._checker.failure(ref, error))
        for failure in stopped:
            if failure.ref is not None and self._broken.get(failure.ref):
                self._reconciler.show(failure.ref, failure.error.message)

    def _uses_of(self, item: Item) -> tuple[Ref, ...]:
        """What a refused object uses, as far as it can be told: it is checked again when one of these changes."""
        if item.after is None:
            return ()
        try:
            return tuple(dict.fromkeys(item.spec.depends_on(item.after, self._committed)))
        except PlutinoError:
            return ()  # the error that it was refused with says more

    def _written(self, form: Format[Form], definitions: Iterable[Definition]) -> Steps[Form]:
        text_of = self._checker.shown_text if form.carries_bytes else self._portable_text
        objects = objects_of(((definition, text_of(definition)) for definition in definitions), self._specs)
        return form.write(objects, self._catalog.blob_store.read)

    def _portable_text(self, definition: Definition) -> str:
        """A text as it can stand in a document that goes elsewhere."""
        spec = self._specs[definition.ref.kind]
        if definition.content is not None and isinstance(spec, Portable):
            return spec.portable(definition, self._catalog.blob_store.read)
        return self._checker.shown_text(definition)

    def _secrets(self, definition: Definition) -> Iterable[tuple[str, ...]]:
        return self._specs[definition.ref.kind].secrets(definition, self._committed)

    def _expect(self, revision: int | None) -> None:
        if revision is not None and revision != self.revision:
            raise ConflictError(f"based on revision {revision}; the current revision is {self.revision}, look at it first")


async def _away(form: Format[Any], steps: Steps[T]) -> T:
    """The result of ``steps`` without holding up others; formats with bytes pack and unpack them, which takes long in one piece."""
    return await asyncio.to_thread(finish, steps) if form.carries_bytes else await paced(steps)


def _goes_on(on_error: str) -> bool:
    if on_error not in (ABORT, CONTINUE):
        raise PlutinoError(f"onError: {on_error}; {ABORT} or {CONTINUE} is expected")
    return on_error == CONTINUE


def _outcome(run: _Run) -> str:
    """``created 2, updated 1, deleted 0, refused 0`` for the history."""
    created = sum(item.stored is None for item in run.steps)
    updated = sum(item.stored is not None and item.changed for item in run.steps)
    refused = len({failure.path for failure in run.failures})
    return f"created {created}, updated {updated}, deleted {len(run.removals)}, refused {refused}"
