"""Rows of one run that wait for lookup tables: asked, held together with their deliveries, and handed on in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from plutino.model import Batch, RowError
from plutino.runtime.acks import Receipt
from plutino.runtime.facilities import Facilities
from plutino.runtime.lookups import Lookups, Table
from plutino.runtime.plugins.beside import Beside
from plutino.spi import LookupAnswer, LookupCall, Suspended, Suspending


class Owner(Protocol):
    """The run whose rows wait."""

    @property
    def rule(self) -> str: ...

    def emit(self, out: Batch) -> None: ...

    def report(self, errors: Sequence[RowError]) -> None: ...

    def crowded(self, full: bool) -> None: ...

    def failed(self, error: BaseException) -> None: ...


class Asked(Protocol):
    """What answers queries: a table, or the work of a program beside the engine."""

    def ask(self, call: LookupCall, take: Callable[[int, LookupAnswer], None]) -> None: ...


class Ticket:
    """The answers to one suspension, as they come in. ``later`` once it was handed over to be called back."""

    __slots__ = ("_left", "_pending", "answers", "later", "token")

    def __init__(self, suspended: Suspended, pending: Pending) -> None:
        self.token = suspended.token
        self.later = False
        self.answers: list[list[LookupAnswer]] = [[[] for _ in call.queries] for call in suspended.calls]
        self._left = sum(len(call.queries) for call in suspended.calls)
        self._pending = pending

    @property
    def complete(self) -> bool:
        """Whether every query is answered."""
        return self._left == 0

    def ask(self, number: int, call: LookupCall, table: Asked) -> None:
        """Ask a table for one of the calls."""
        answers = self.answers[number]

        def take(i: int, answer: LookupAnswer) -> None:
            answers[i] = answer
            self._left -= 1
            if self._left == 0 and self.later:
                self._pending.answered(self)

        table.ask(call, take)


class Pending:
    """What waits in one program.

    ``limit``: rows that may wait before sources have to; ``kept``: streams whose rows are never dropped (scan tables). ``holds``: whether
    deliveries stay unacknowledged until their rows have left; not where checkpoints take care of them.
    """

    __slots__ = ("_facilities", "_held", "_idle", "_kept", "_limit", "_lookups", "_owner", "_program", "closed", "full", "holds", "tables")

    def __init__(
        self,
        owner: Owner,
        program: Suspending,
        tables: dict[str, Asked],
        limit: int,
        kept: Collection[str],
        lookups: Lookups,
        facilities: Facilities,
    ) -> None:
        self.holds = True
        self.full = False
        self.closed = False
        self._owner = owner
        self._program = program
        self.tables = tables
        self._limit = max(1, limit)
        self._kept = frozenset(kept)
        self._lookups = lookups
        self._facilities = facilities
        self._held: dict[int, tuple[Receipt | None, bool]] = {}
        """By token the delivery that the rows came with, and whether its source may lose rows."""
        self._idle: asyncio.Event | None = None

    @property
    def place(self) -> str:
        """The operator at which rows wait first."""
        return self._program.tables[0]

    def refuses(self, stream: str) -> bool:
        """Whether rows that come now have to be dropped: too many wait, and their source cannot."""
        return self.full and self._facilities.flow.lossy and stream not in self._kept

    def settle(self, out: Batch | Suspended | None) -> Batch | None:
        """What can leave at once of what a program returned; the rest is handed to the owner when its answers are there."""
        if not isinstance(out, Suspended):
            return out
        token = out.token
        made = self._go_on(out)
        oldest = self._program.oldest
        if oldest is not None and oldest <= token:
            self._hold(token)
        return made

    def ask_again(self) -> None:
        """After a restore: ask for everything that waits."""
        for suspended in self._program.suspended():
            self._held.setdefault(suspended.token, (None, True))
            self._ask(suspended, later=True)
        self._count()

    def answered(self, ticket: Ticket) -> None:
        """Everything that some rows waited for is there: go on with them, and hand on what leaves."""
        if self.closed:
            return
        flow = self._facilities.flow
        saved = flow.lossy, flow.receipt, flow.now
        receipt: Receipt | None = None
        try:
            flow.now = self._facilities.clock.now_ms()
            flow.receipt, flow.lossy = self._held.get(ticket.token, (None, True))
            out = self._go_on(self._program.resume(ticket.token, ticket.answers))
            receipt, flow.lossy = self._released()
            flow.receipt = receipt
            if out is not None:
                self._hand(out)
        except Exception as error:  # supervisor: a defect in one rule stops that rule, nothing else
            self._owner.failed(error)
        finally:
            flow.lossy, flow.receipt, flow.now = saved
            if receipt is not None:
                receipt.release()
            self._count()

    async def idle(self, patience: float | None = None) -> None:
        """Wait until nothing waits any more; at most ``patience`` seconds."""
        if self.closed or not self._held:
            return
        self._idle = asyncio.Event()
        waiting = self._facilities.spawn(_wait(self._idle))
        try:
            await asyncio.wait((waiting,), timeout=patience)
        finally:
            waiting.cancel()
            self._idle = None

    def inherit(self, other: Pending) -> None:
        """Take over the deliveries of an earlier version, whose waiting rows went into this one."""
        self._held.update(other._held)
        other._held = {}

    def close(self, *, release: bool) -> None:
        """Answers that come from now on are not looked at. ``release``: deliveries whose rows still wait count as acknowledged."""
        if self.closed:
            return
        self.closed = True
        held, self._held = self._held, {}
        for receipt, _ in held.values():
            if receipt is not None and release:
                receipt.release()
        for table in self.tables.values():
            if isinstance(table, Table):
                self._lookups.release(table, self._owner.rule)
            elif isinstance(table, Beside):
                table.close()
        self._count()

    # -- inside

    def _go_on(self, out: Batch | Suspended | None) -> Batch | None:
        while isinstance(out, Suspended):
            if out.output is not None:
                self._hand(out.output)
            answers = self._ask(out, later=False)
            if answers is None:
                return None
            out = self._program.resume(out.token, answers)
        return out

    def _hand(self, out: Batch) -> None:
        if out.errors:
            self._owner.report(out.errors)
        self._owner.emit(out)

    def _ask(self, suspended: Suspended, *, later: bool) -> list[list[LookupAnswer]] | None:
        """The answers where they are there at once; else None, and ``answered`` is called with them."""
        if not suspended.calls:
            return None
        ticket = Ticket(suspended, self)
        for number, call in enumerate(suspended.calls):
            ticket.ask(number, call, self.tables[call.table])
        if ticket.complete:
            if not later:
                return ticket.answers
            self.answered(ticket)
        else:
            ticket.later = True
        return None

    def _hold(self, token: int) -> None:
        flow = self._facilities.flow
        receipt = flow.receipt if self.holds else None
        if receipt is not None:
            receipt.hold()
        self._held[token] = (receipt, flow.lossy)
        self._count()

    def _released(self) -> tuple[Receipt | None, bool]:
        """The deliveries of rows that wait no more as one, and whether all of them may lose rows."""
        oldest = self._program.oldest
        gone = [token for token in self._held if oldest is None or token < oldest]
        left = [self._held.pop(token) for token in gone]
        return _joint([receipt for receipt, _ in left if receipt is not None]), all(lossy for _, lossy in left)

    def _count(self) -> None:
        waiting = 0 if self.closed else self._program.waiting
        if not self.full and waiting >= self._limit:
            self.full = True
            self._owner.crowded(True)
        elif self.full and waiting <= self._limit // 2:
            self.full = False
            self._owner.crowded(False)
        if self._idle is not None and not self._held:
            self._idle.set()


def at_once(out: Batch | Suspended | None) -> Batch | None:
    """What a program without lookups returned."""
    assert not isinstance(out, Suspended)
    return out


def _joint(receipts: Sequence[Receipt]) -> Receipt | None:
    """One receipt for several deliveries."""
    if not receipts:
        return None

    def release() -> None:
        for receipt in receipts:
            receipt.release()

    return Receipt(release)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
