"""Reconcile: bring the running engine to what was committed."""

from __future__ import annotations

from collections.abc import Collection

from plutino.catalog.trigger import RULE
from plutino.control.checker import Item
from plutino.control.environment import Committed
from plutino.control.pacer import Pacer
from plutino.control.progress import Progress
from plutino.control.run import Run
from plutino.errors import PlutinoError
from plutino.model import Ref
from plutino.spi import Host


class Reconciler:
    """Activates objects in the given order. What fails shows in the rule's status, and the rest goes on."""

    def __init__(self, host: Host, committed: Committed) -> None:
        self._host = host
        self._committed = committed

    async def apply(self, run: Run, unknown: Collection[Ref], progress: Progress) -> dict[Ref, PlutinoError]:
        """Activate the steps of a run, then take its removals away; gives what failed.

        ``unknown`` are objects that the engine has not got although they are stored, because they did not check. When ``progress`` is
        cancelled, the rest is left; the run tells what was touched.
        """
        failed: dict[Ref, PlutinoError] = {}
        if not (run.steps or run.removals):
            return failed
        pacer = Pacer()
        self._host.begin()
        try:
            for item in (*run.steps, *run.removals):
                if progress.cancelled:
                    break
                progress.step(item.ref)
                run.touched.append(item)
                try:
                    await self._bring(item, unknown)
                except PlutinoError as error:
                    failed[item.ref] = error
                    self.show(item.ref, error.message)
                item.prepared = None
                if pacer.due():
                    await pacer.rest()
        finally:
            await self._host.finish()
        return failed

    def show(self, ref: Ref, text: str) -> None:
        """Show a rule as stopped by an error; other kinds have no status."""
        if ref.kind == RULE:
            self._host.fail(ref.name, text)

    async def _bring(self, item: Item, unknown: Collection[Ref]) -> None:
        rule = item.ref.name if item.ref.kind == RULE else None
        if item.after is None:
            if item.before is not None:
                await item.spec.activate(item.before, None, item.prepared, self._host)
            elif rule is not None:
                await self._host.remove(rule)
            return
        await item.spec.activate(None if item.ref in unknown else item.before, item.after, item.prepared, self._host)
        if rule is None:
            return
        # Started or stopped while it waited here: what was asked for last counts.
        flag = self._committed.triggered(rule)
        if flag is not None and flag != item.trigger:
            await (self._host.start if flag else self._host.stop)(rule)
