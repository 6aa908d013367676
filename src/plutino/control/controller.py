"""Controller: the one door for changes, ``stage → check → diff → commit → reconcile`` whatever asks for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from msgspec.structs import replace

from plutino.catalog import Audit, Catalog, uninterrupted
from plutino.catalog.blobs import pieces_of
from plutino.catalog.trigger import RULE
from plutino.control.changeset import Changeset
from plutino.control.checker import Draft, Item
from plutino.control.documents import V1, Format
from plutino.control.door import ABORT, Door
from plutino.control.environment import Desired
from plutino.control.exporter import OPEN, Exporter
from plutino.control.history import History, State, owner_change
from plutino.control.importer import BY_KIND, Importer, ImportOptions
from plutino.control.progress import Progress
from plutino.control.report import ImportStatus, config_response, stored_status
from plutino.control.revelation import Revelation
from plutino.control.run import Run, named
from plutino.control.secrecy import KnownSecrets, Policy, Secrecy, has_hidden
from plutino.control.selection import Selection
from plutino.control.tasks import Tasks
from plutino.control.transfer import ImportResult
from plutino.control.triggering import Triggering, as_now, as_then, by_text
from plutino.errors import NotFoundError, PlutinoError, UnsupportedError
from plutino.model import Blobs, Definition, Ref
from plutino.spi import Change, Environment, Host, Mode, Origin, Outcome, Registry, ResourceSpec
from plutino.spi.staging import SCHEME

Form = TypeVar("Form", str, bytes)

POLICY = Policy()


class Controller:
    """Owns the desired state; implements ``spi.Control``.

    Changes are made one after the other. Each is checked against the state that it would make; when a check fails nothing has changed
    (unless the caller asked to go on). What passes is committed in one transaction, and the engine follows. Between commit and engine a
    cancelled caller is not heard, so the two never part.
    """

    def __init__(
        self,
        catalog: Catalog,
        host: Host,
        specs: Mapping[str, ResourceSpec],
        *,
        registry: Registry,
        settings: Mapping[str, Any],
        policy: Policy = POLICY,
    ) -> None:
        """``specs`` by kind; ``registry`` and ``settings`` are what checks see in their Environment, ``policy`` is about secrets."""
        self.policy = policy
        self._known = -1, frozenset[str]()
        self._secrets = KnownSecrets(registry)
        self._catalog = catalog
        self._door = Door(catalog, host, specs, registry, settings)
        self._importer = Importer(self._door)
        self._exporter = Exporter(self._door)
        self._tasks = Tasks(catalog)
        self.on_shut_down: Callable[[int], None] | None = None
        """Ends the process with an exit code; set by who runs it."""

    @property
    def environment(self) -> Environment:
        """The committed state."""
        return self._door.committed

    def environment_after(self, changeset: Changeset) -> Environment:
        """The state as these changes would make it."""
        definitions = {change.ref: change.after for change in changeset.changes}
        return Desired(self._door.committed, changeset.texts(), definitions.get, lambda rule, otherwise: otherwise)

    @property
    def host(self) -> Host:
        """The running engine."""
        return self._door.host

    @property
    def catalog(self) -> Catalog:
        """Where the state is kept."""
        return self._catalog

    @property
    def importer(self) -> Importer:
        """Takes documents; ``import_document`` in short."""
        return self._importer

    @property
    def history(self) -> History:
        """What each revision did."""
        return self._door.history

    @property
    def tasks(self) -> Tasks:
        """Imports in the background."""
        return self._tasks

    @property
    def specs(self) -> Mapping[str, ResourceSpec]:
        """Resource kinds by name."""
        return self._door.specs

    @property
    def revision(self) -> int:
        """The current revision."""
        return self._catalog.revision

    @property
    def busy(self) -> bool:
        """Whether a change is being made."""
        return self._door.lock.locked()

    def shut_down(self, code: int) -> None:
        """End the process, cleanly and soon; UnsupportedError where it is not a server."""
        if self.on_shut_down is None:
            raise UnsupportedError("this process cannot be stopped from here; end it where it was started")
        self.on_shut_down(code)

    async def close(self) -> None:
        """Undo what is half done."""
        await self._tasks.close()

    async def boot(self) -> Outcome:
        """Load everything that is stored and bring the engine there: the diff from empty.

        Never fails: what does not parse or check stays stored, and a rule is shown as stopped with its error. The outcome lists these.
        """
        door, applier = self._door, self._door.applier
        texts, kept = dict(self._catalog.definitions), dict(self._catalog.blobs)
        async with door.staging(kept) as staging, door.lock:
            staged = await staging.stage(texts, Mode.BOOT)
            draft = await door.checker.check(texts, Mode.BOOT, broken=(), triggering=as_now, staged=staged)
            refused = {failure.ref: failure for failure in draft.failures if failure.ref is not None}
            lost = (ref for ref in texts if ref not in draft.items)
            unreadable = [(ref, Definition(ref, texts[ref], blobs=kept.get(ref, ()))) for ref in lost]
            door.committed.replace([*unreadable, *((ref, item.after) for ref, item in draft.items.items())])
            for ref in refused:
                if (item := draft.items.get(ref)) is not None:
                    item.uses = self._uses_of(item)
            run = Run(draft, list(draft.failures))
            await applier.arrange(run)
            await applier.connect(run)
            run.steps = [item for item in run.steps if item.ref not in refused]
            applier.broken.update(dict.fromkeys(refused, True))
            await uninterrupted(applier.reconcile(run, draft.failures, Progress()))
            await self._tasks.recover()
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
        triggering: Triggering = by_text,
        blobs: Mapping[Ref, Blobs] | None = None,
    ) -> Outcome:
        """Replace texts of objects, None deletes.

        - ``base_revision``: RevisionConflictError when the state is not at this revision any more
        - ``dry_run``: only tell what would change
        - ``on_error="continue"``: what is refused stays as it was and is reported; else nothing changes, and the error of the refused
          object is raised, or a DocumentError with the faults of all
        - ``triggering``: which rules are started afterwards, whatever the new texts say
        - ``blobs``: kept bytes that belong to texts, which are then not fetched from where the texts say
        """
        run = await self._door.pass_through(
            await self._revealed(changes),
            mode,
            origin,
            base_revision=base_revision,
            dry_run=dry_run,
            on_error=on_error,
            triggering=triggering,
            blobs=blobs,
        )
        untold = [failure for failure in run.draft.stranded.values() if failure not in run.failures]
        return Outcome(self.revision, run.changes(False), tuple(failure.fault() for failure in (*run.failures, *untold)))

    @asynccontextmanager
    async def holding(self, data: bytes) -> AsyncIterator[str]:
        """Keep uploaded bytes and give their ``blob:`` URL; after the block they stay only if a text put inside it uses them."""
        store = self._catalog.blob_store
        blob = await store.put(pieces_of(data), limit=len(data), what="upload")
        try:
            yield SCHEME + blob.digest
        finally:
            store.release(blob.digest)
            async with self._door.lock:
                await self._catalog.collect()

    def changeset(self, changes: Iterable[Change], revision: int) -> Changeset:
        """Changes as a Changeset that can mask secrets and name sections."""
        return self._door.changeset(changes, revision)

    async def import_document(
        self,
        document: Any,
        *,
        partial: bool,
        origin: Origin,
        dry_run: bool = False,
        on_error: str = ABORT,
        on_conflict: str = BY_KIND,
        base_revision: int | None = None,
        form: Format[Any] = V1,
        wait: bool = True,
        progress: Progress | None = None,
    ) -> ImportResult:
        """Bring the state to a document (text, or bytes where its format has bytes), see ``ImportOptions``.

        DocumentError when the document cannot be read, or when anything in it is refused and ``on_error`` is ``abort``: the message is
        that of the format (for v1 the twelve-key object as text), and the faults say where. With ``continue`` the rest is applied.
        """
        options = ImportOptions(partial, dry_run, on_error, on_conflict, base_revision, wait)
        return await self._importer.run(document, options, origin, form=form, progress=progress)

    def owners(self) -> dict[str, list[str]]:
        """Entries of a document by the owner on whose behalf they are kept, both sorted."""
        found: dict[str, list[str]] = {}
        for ref, owner in sorted(self._catalog.owners.items()):
            if ref.kind in self.specs:
                found.setdefault(owner, []).append(self._door.checker.place(ref))
        return dict(sorted(found.items()))

    def import_status(self) -> dict[str, dict[str, str]]:
        """What the last import refused: all twelve sections, empty when all went well."""
        status = self.last_import()
        return config_response(()) if status is None else status.response

    def last_import(self) -> ImportStatus | None:
        """What the last import came to, None when there was none."""
        return stored_status(self._catalog.import_status)

    async def export(self, form: Format[Form], secrecy: Secrecy = OPEN) -> Form:
        """Everything that is stored as a document: one consistent state, the same bytes as long as nothing changes."""
        return await self._exporter.everything(form, secrecy)

    async def export_rules(
        self, ids: Sequence[str], *, form: Format[Form], memory: bool = False, secrecy: Secrecy = OPEN
    ) -> tuple[Form, Selection]:
        """The given rules and exactly what they use, directly or through others, with the reasons.

        ``memory``: also rules that feed them through memory topics. NotFoundError names those that are not stored.
        """
        return await self._exporter.rules(ids, form, memory=memory, secrecy=secrecy)

    async def rollback(
        self,
        revision: int,
        *,
        origin: Origin,
        dry_run: bool = False,
        base_revision: int | None = None,
        keep_triggers: bool = False,
    ) -> ImportResult:
        """Bring the state back to that of an earlier revision, through the same door as everything else.

        ``keep_triggers``: rules stay started or stopped as they are. What does not check comes back as well, as it was so then; the
        result tells it among its ``troubles``. NotFoundError when the revision is not kept.
        """
        await self._door.expect(base_revision)
        then = State({}, {}, {}, {})
        owned: list[Change] = []

        async def fill() -> None:
            then.become(await self.history.state_at(revision, triggers=not keep_triggers))
            staying = (ref for ref in then.owners if ref not in then.texts)
            owned[:] = [owner_change(ref, self._catalog.owners.get(ref, ""), then.owners[ref]) for ref in staying]

        triggering = as_then(then.triggers)
        run = await self._door.pass_through(
            then.texts,
            Mode.FULL,
            origin,
            base_revision=base_revision,
            dry_run=dry_run,
            triggering=triggering,
            blobs=then.blobs,
            owners=then.owners,
            fill=fill,
        )
        faults = tuple(failure.fault() for failure in (*run.draft.stranded.values(), *run.failures))
        changeset = self.changeset((*run.changes(True), *(change for change in owned if change.verb != "unchanged")), self.revision)
        return ImportResult(self.revision, changeset, (), (), tuple(run.failures), troubles=faults, effects=run.effects)

    async def verify(self, expected: tuple[int, str] | None = None) -> Audit:
        """Whether history and stored objects are what was written; ``expected``: number and hash of a revision, kept elsewhere."""
        return await self._catalog.verify(expected)

    def place(self, ref: Ref) -> str:
        """Where an object stands in a v1 document: ``Schema.protobuf_x``."""
        return self._door.checker.place(ref)

    def users(self, ref: Ref) -> Sequence[Ref]:
        """Stored objects that use this one, directly or through others."""
        return [user for user in self._door.graph.users([ref]) if self._door.committed.get(user) is not None]

    async def trigger(self, rules: Sequence[str], started: bool, *, origin: Origin) -> None:
        """Remember whether rules are started, all in one revision. NotFoundError for an unknown rule, and nothing is stored."""
        self._expect_rules(rules)
        changed = [rule for rule in rules if self.triggered(rule) != started]
        if not changed:
            return
        verb = "started" if started else "stopped"
        if not origin.summary:
            origin = replace(origin, summary=named([f"rule {rule} {verb}" for rule in changed]))
        await self._catalog.commit({}, origin=origin, outcome=f"{verb} {len(changed)}", triggers=lambda: dict.fromkeys(changed, started))
        self._expect_rules(changed)  # a change that was on its way may have deleted one

    async def end(self, rule: str, *, origin: Origin) -> None:
        """Remember that a rule has ended by itself, unless something else was asked for meanwhile. NotFoundError for an unknown rule."""
        flag = self.triggered(rule)
        async with self._door.lock:
            if self.host.state(rule) == "stopped" and self.triggered(rule) == flag:
                await self.trigger([rule], False, origin=origin)

    def _expect_rules(self, rules: Sequence[str]) -> None:
        for rule in rules:
            if self._door.committed.get(Ref(RULE, rule)) is None:
                raise NotFoundError(f"rule {rule} is not found")

    def triggered(self, rule: str) -> bool | None:
        """What ``trigger`` stored since the rule's text was written, None when the text decides."""
        return self._door.committed.triggered(rule)

    async def reactivate(self, ref: Ref, resume: Callable[[], Awaitable[bool]] | None = None) -> None:
        """Check one object against the committed state and bring the engine to it again, as when a rule is started.

        ``resume`` is asked first, while no change is under way: when it gives True, that was enough. A rule that was stopped while this
        waited stays so. NotFoundError when the object is not there; else raises what its spec's ``parse`` and ``check`` raise.
        """
        door, rule = self._door, ref.name if ref.kind == RULE else ""
        async with door.lock:
            definition = door.committed.get(ref)
            if definition is None:
                raise NotFoundError(f"{ref.kind} {ref.name} is not found")
            if rule and self.triggered(rule) is False:
                return
            if resume is not None and ref not in door.applier.broken and await resume():
                await self._stop_unwanted(rule)
                return
            if definition.content is None:
                definition = door.specs[ref.kind].parse(ref, definition.text)
            item = door.checker.recheck(ref, definition, door.committed)
            door.committed.replace([(ref, definition)])
            run = Run(Draft(forced=True), [], [item])
            door.graph.put(ref, item.uses)
            await uninterrupted(door.applier.reconcile(run, (), Progress()))
            await self._stop_unwanted(rule)
            if run.failures:
                raise run.failures[0].error

    async def _stop_unwanted(self, rule: str) -> None:
        """Stop a rule again that somebody has stopped while it was being started."""
        if rule and self.triggered(rule) is False:
            await self.host.stop(rule)

    async def _revealed(self, changes: Mapping[Ref, str | None]) -> Mapping[Ref, str | None]:
        """The same changes with masked values as they are stored; raises the error of the first that cannot be had."""
        if not any(text is not None and has_hidden(text) for text in changes.values()):
            return changes
        revelation = Revelation(self._door.specs, self._door.present_text)
        return {ref: None if text is None else revelation.whole(ref, text) for ref, text in changes.items()}

    def known_secrets(self) -> frozenset[str]:
        """The secret values in all stored texts, for lines of the log to be compared with. Looked for again after each change."""
        if self._known[0] != self.revision:
            self._known = self.revision, self._secrets.of(self._door.committed.everything())
        return self._known[1]

    def _uses_of(self, item: Item) -> tuple[Ref, ...]:
        """What a refused object uses, as far as it can be told: it is checked again when one of these changes."""
        if item.after is None:
            return ()
        try:
            return tuple(dict.fromkeys(item.spec.depends_on(item.after, self._door.committed)))
        except PlutinoError:
            return ()  # the error that it was refused with says more
