"""Applier: carries a checked run out, ``commit → take over → reconcile``, or takes it back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial

from plutino.catalog import Catalog, TaskRecord
from plutino.catalog.trigger import RULE
from plutino.control.checker import Checker, Draft, Item
from plutino.control.environment import Committed
from plutino.control.failure import Failure
from plutino.control.graph import Graph, in_order
from plutino.control.pacer import Pacer
from plutino.control.progress import Phase, Progress
from plutino.control.reconciler import Reconciler
from plutino.control.report import ImportOutcome
from plutino.control.run import Run
from plutino.errors import CancellationError, PlutinoError
from plutino.model import Blobs, Ref
from plutino.spi import Change, Host, Mode, Origin

CANCELLED = "cancel"
RUNNING = "running"
"""Statuses of tasks that are stored with a commit."""


class Applier:
    """Keeps catalog, environment, graph and engine together. Its calls must not overlap, nor be interrupted."""

    def __init__(self, catalog: Catalog, host: Host, committed: Committed, graph: Graph, checker: Checker) -> None:
        self._catalog = catalog
        self._committed = committed
        self._graph = graph
        self._checker = checker
        self._reconciler = Reconciler(host, committed)
        # Objects that do not check against the committed state. True: the engine has not got them, False: an older version still runs.
        self.broken: dict[Ref, bool] = {}

    async def arrange(self, run: Run, progress: Progress | None = None) -> None:
        """Put creates and replaces into dependency order, deletes into the reverse."""
        pacer = Pacer(progress)
        active = {item.ref: item for item in run.draft.active()}
        order = await in_order(active, lambda ref: active[ref].uses if ref in active else self._graph.uses(ref), pacer)
        run.steps = [active[ref] for ref in order]
        gone = {item.ref: item for item in run.draft.deletions()}
        run.removals = [gone[ref] for ref in reversed(await in_order(gone, self._graph.uses, pacer))]

    async def carry_out(
        self, run: Run, origin: Origin, progress: Progress, *, status: Callable[[str, int], str] | None = None, message: str = ""
    ) -> None:
        """Commit, take over, reconcile. What cannot be brought to the engine is added to the run's failures.

        ``status`` makes the text that is stored as import status of outcome and revision, for now and once the engine has followed;
        ``message`` is stored with the task that the change belongs to. CancellationError when the change was cancelled on the way:
        everything is as before then.
        """
        broken = dict(self.broken)
        owners = {ref: self._catalog.owners.get(ref, "") for ref in (*run.draft.items, *run.owners)}
        progress.enter(Phase.COMMIT)
        imported = None if status is None else partial(status, ImportOutcome.IMPORTED)
        await self._commit(run, origin, progress, imported, message)
        await self.connect(run)
        for ref in (*run.draft.stranded, *(item.ref for item in run.removals)):
            if self._committed.get(ref) is None:
                self.broken.pop(ref, None)
            elif ref in run.draft.items and ref.kind == RULE:
                self.broken[ref] = True  # its old version ends, and the new one cannot run
            else:
                self.broken.setdefault(ref, False)
        refused = len(run.failures)
        await self.reconcile(run, run.draft.stranded.values(), progress)
        if progress.cancelled:
            cancelled = None if status is None else partial(status, ImportOutcome.CANCELLED)
            await self._take_back(run, origin, progress, broken, owners, cancelled)
            raise CancellationError(f"{progress.reason}; everything that was changed was taken back")
        if imported is not None and len(run.failures) > refused:
            await self._catalog.commit({}, origin=origin, import_status=imported)

    async def connect(self, run: Run) -> None:
        """Take over what uses what."""
        pacer = Pacer()
        for item in (*run.steps, *run.removals):
            self._graph.put(item.ref, item.uses)
            if pacer.due():
                await pacer.rest()

    async def reconcile(self, run: Run, stopped: Iterable[Failure], progress: Progress) -> None:
        """Bring the engine there, and show the errors of what it has not got. Ends early when the change is cancelled."""
        progress.enter(Phase.APPLY, len(run.steps) + len(run.removals))
        unknown = {ref for ref, absent_there in self.broken.items() if absent_there}
        failed = await self._reconciler.apply(run, unknown, progress)
        for item in run.steps:
            self.broken.pop(item.ref, None)
        for ref, error in failed.items():
            if self._committed.get(ref) is not None:
                self.broken[ref] = True
            run.failures.append(self._checker.failure(ref, error))
        for failure in stopped:
            if failure.ref is not None and self.broken.get(failure.ref):
                self._reconciler.show(failure.ref, failure.error.message)

    async def _commit(self, run: Run, origin: Origin, progress: Progress, status: Callable[[int], str] | None, message: str) -> None:
        kept: dict[Ref, str | None] = {}
        blobs: dict[Ref, Blobs] = {}
        temporary, triggers = [], False
        pacer = Pacer()
        for ref, item in run.draft.items.items():
            triggers |= ref.kind == RULE and (item.trigger != item.flag or item.after is None)
            if item.respelled:
                kept[ref] = None if item.after is None else item.after.text
                if item.after is not None and item.after.blobs:
                    blobs[ref] = item.after.blobs
                if item.after is not None and item.after.temporary:
                    temporary.append(ref)
            if pacer.due():
                await pacer.rest()
        task: TaskRecord | None = progress.record(RUNNING, message) if progress.record is not None else None
        if kept or triggers or run.owners or status is not None or task is not None:
            await self._catalog.commit(
                kept,
                origin=origin if origin.summary else Origin(origin.source, origin.client, run.told()),
                outcome=run.outcome(),
                temporary=temporary,
                triggers=partial(self._triggers, run),
                import_status=status,
                blobs=blobs,
                owners=run.owners,
                task=task,
                take_over=lambda: self._committed.replace((ref, run.draft.items[ref].after) for ref in kept),
            )

    def _triggers(self, run: Run) -> Mapping[str, bool | None]:
        """The triggers that a run changes, noted in it with what they were; to be asked when the commit has its turn."""
        for ref, item in run.draft.items.items():
            if ref.kind != RULE:
                continue
            now = self._committed.triggered(ref.name)
            # Started or stopped meanwhile: what was asked for last counts, except for a rule that goes.
            if now != item.trigger and (now == item.flag or item.after is None):
                run.triggers[ref.name] = now, item.trigger
        return {rule: new for rule, (_, new) in run.triggers.items()}

    def _triggers_back(self, run: Run) -> Mapping[str, bool | None]:
        """What undoes them, where nobody has asked for something else since."""
        return {rule: old for rule, (old, new) in run.triggers.items() if self._committed.triggered(rule) == new}

    async def _take_back(
        self,
        run: Run,
        origin: Origin,
        progress: Progress,
        broken: Mapping[Ref, bool],
        owners: Mapping[Ref, str],
        status: Callable[[int], str] | None,
    ) -> None:
        """Undo a run that was committed: texts, bytes, triggers and owners in one transaction, then what the engine has heard of."""
        items = [item for item in run.draft.items.values() if item.respelled]
        progress.enter(Phase.ROLLBACK, len(items))
        kept = {item.ref: item.stored for item in items}
        temporary = [item.ref for item in items if item.stored is not None and item.stored.temporary]
        await self._catalog.commit(
            {ref: None if stored is None else stored.text for ref, stored in kept.items()},
            origin=Origin(origin.source, origin.client, f"cancelled: {origin.summary}" if origin.summary else "cancelled"),
            outcome=f"taken back {len(items)}",
            temporary=temporary,
            blobs={ref: stored.blobs for ref, stored in kept.items() if stored is not None},
            triggers=partial(self._triggers_back, run),
            owners=owners,
            import_status=status,
            task=progress.record(CANCELLED, progress.reason) if progress.record is not None else None,
            take_over=lambda: self._committed.replace(kept.items()),
        )
        back = await self._backwards(run)
        await self.arrange(back)
        await self.connect(back)
        self.broken = {**broken, **{failure.ref: True for failure in back.failures if failure.ref is not None}}
        touched = {item.ref for item in run.touched}
        back.steps = [item for item in back.steps if item.ref in touched]
        back.removals = [item for item in back.removals if item.ref in touched]
        await self.reconcile(back, back.failures, Progress())
        # What is still not there shows as before; what was not touched never changed.
        self.broken.update({ref: absent for ref, absent in broken.items() if ref not in touched})

    async def _backwards(self, run: Run) -> Run:
        """The run that brings the engine back, checked like at start-up: what was there may stay, whatever it is."""
        back, pacer = Run(Draft(forced=True), []), Pacer()
        for item in (*run.steps, *run.removals):
            ref = item.ref
            old = self._committed.get(ref)
            undone = Item(ref, item.spec, item.after, old, Change(ref, item.after, old), True, flag := self._checker.flag(ref), flag)
            back.draft.items[ref] = undone
            try:
                if old is not None and old.content is None:
                    item.spec.parse(ref, old.text)  # for its error
                if old is not None:
                    with suppress(PlutinoError):
                        undone.uses = tuple(dict.fromkeys(item.spec.depends_on(old, self._committed)))
                undone.prepared = item.spec.check(undone.before, old, self._committed, Mode.BOOT)
            except PlutinoError as error:
                back.failures.append(self._checker.failure(ref, error))
                self._graph.put(ref, undone.uses)
                del back.draft.items[ref]
            if pacer.due():
                await pacer.rest()
        return back
