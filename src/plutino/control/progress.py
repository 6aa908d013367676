"""Progress: how far a long change is, and the wish to end it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from plutino.catalog import TaskRecord
from plutino.errors import CancellationError

T = TypeVar("T")


class Phase(StrEnum):
    """What a change goes through, in this order; ``ROLLBACK`` only when it is cancelled after its commit."""

    WAIT = "wait"
    READ = "read"
    STAGE = "stage"
    CHECK = "check"
    COMMIT = "commit"
    APPLY = "apply"
    ROLLBACK = "rollback"


PHASES = tuple(phase for phase in Phase if phase is not Phase.ROLLBACK)


class Progress:
    """One change on its way: the door tells how far it is, its maker may cancel it.

    ``record``, for background tasks, makes what is stored about the task together with the change: it gets status and message.
    ``found`` is what a dry run has found.
    """

    __slots__ = ("_cancelled", "_changed", "_reason", "current", "done", "found", "phase", "record", "total")

    def __init__(self, changed: Callable[[], None] = lambda: None, record: Callable[[str, str], TaskRecord] | None = None) -> None:
        """``changed`` is called when a phase begins."""
        self.phase: Phase | None = None
        self.done = 0
        self.total = 0
        self.current: object = ""
        self.record = record
        self.found: Mapping[str, Any] | None = None
        self._changed = changed
        self._cancelled = asyncio.Event()
        self._reason = ""

    def enter(self, phase: Phase, total: int = 0) -> None:
        """A phase over ``total`` objects begins."""
        self.phase, self.done, self.total, self.current = phase, 0, total, ""
        self._changed()

    def step(self, name: object) -> None:
        """The next object of the phase is looked at; ``name`` has its text."""
        self.done += 1
        self.current = name  # made a text when somebody looks

    @property
    def cancelled(self) -> bool:
        """Whether the change is to end and be undone."""
        return self._cancelled.is_set()

    @property
    def reason(self) -> str:
        """Why it was cancelled."""
        return self._reason

    def cancel(self, reason: str) -> None:
        """End the change and undo what it did."""
        self._reason = self._reason or reason
        self._cancelled.set()

    def check(self) -> None:
        """CancellationError once the change is cancelled; to be called where nothing has changed yet."""
        if self._cancelled.is_set():
            raise CancellationError(f"{self._reason}; nothing was changed")

    async def interruptible(self, work: Awaitable[T]) -> T:
        """The result of ``work``, which is given up when the change is cancelled."""
        task = asyncio.ensure_future(work)
        cancelled = asyncio.ensure_future(self._cancelled.wait())
        try:
            await asyncio.wait((task, cancelled), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
        finally:
            cancelled.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))
        self.check()
        raise AssertionError("given up without being cancelled")

    def to_wire(self) -> dict[str, Any] | None:
        """``{"phase": "check", "number": 4, "of": 6, "done": 120, "total": 10000, "object": "rule r12"}``; None before it begins."""
        if self.phase is None:
            return None
        number = PHASES.index(self.phase) + 1 if self.phase in PHASES else len(PHASES)
        found: dict[str, Any] = {"phase": self.phase.value, "number": number, "of": len(PHASES), "done": self.done, "total": self.total}
        if self.current:
            found["object"] = str(self.current)
        return found
