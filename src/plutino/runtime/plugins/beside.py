"""Programs that call functions of plugins: they run on threads, batch by batch, so that the event loop never waits for them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import replace

from plutino.model import Batch
from plutino.spi import InputNeed, LookupAnswer, LookupCall, Program, Scanning, Suspended, Suspending
from plutino.spi.outside import Caller, carried_out_by

WORK = "$plugins"
"""The table that a program seems to ask for the results of its own work."""

NO_STATE = b"\xc0"

Work = Callable[[], Batch | Suspended | None]


class Done(Struct):
    """What a piece of work came to, and how the program stood when it was done."""

    out: Batch | Suspended | None
    error: BaseException | None
    oldest: int | None
    waiting: int
    deadline: int | None


class Piece(Struct):
    """Work that waits for its turn: ``take`` gets what it came to."""

    work: Work
    take: Callable[[Done], None]


class Beside:
    """A program (``spi.Program``, ``spi.Suspending``) whose work is done on threads, one piece at a time, in order.

    Each push suspends its rows until they were worked on; the results come back as answers of the table ``WORK``, which this object is as
    well (``ask``). ``moved`` is called whenever the next deadline may be another.
    """

    def __init__(self, program: Program, threads: Executor, caller: Caller) -> None:
        self._program = program
        self._threads = threads
        self._caller = caller
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Piece | asyncio.Future[bytes]] = deque()
        """Work, and who waits for the state after the work in front of it."""
        self._jobs: dict[int, Work] = {}
        """By token the work to be done next; a token whose rows wait for a lookup table has none, see ``_inner``."""
        self._inner: dict[int, int] = {}
        """By token of the program the token of the rows here."""
        self._rows: dict[int, int] = {}
        self._next = 0
        self._busy = False
        self._waits = False
        """It begins with the state of an earlier version, which is not there yet."""
        self._closed = False
        self._advancing = False
        self._waiting = 0
        self._deadline: int | None = None
        self._seen: Sequence[tuple[str, Mapping[str, Any]]] | None = None
        self.moved: Callable[[], None] = lambda: None
        self._inputs = {name: replace(need, twin=None) for name, need in program.inputs.items()}

    # -- Program

    @property
    def inputs(self) -> Mapping[str, InputNeed]:
        """Needs by stream name; nobody else computes its rows."""
        return self._inputs

    @property
    def json_numbers(self) -> Collection[str] | None:
        """As of the program."""
        return self._program.json_numbers

    @property
    def operators(self) -> Sequence[str]:
        """As of the program."""
        return self._program.operators

    @property
    def counters(self) -> Sequence[list[int]]:
        """As of the program."""
        return self._program.counters

    def push(self, stream: str, batch: Batch) -> Suspended:
        """Let rows wait for their turn."""
        return self._wait(partial(self._program.push, stream, batch), len(batch))

    def advance(self, now: int) -> Suspended:
        """Let the passing of time wait for its turn."""
        self._advancing = True
        return self._wait(partial(self._advance, now), 0)

    def next_deadline(self) -> int | None:
        """As of the program after its last work; none while it is told of one."""
        return None if self._advancing else self._deadline

    def start(self, now: int) -> None:
        """Before the first work."""
        self._program.start(now)
        self._deadline = self._program.next_deadline()

    def snapshot(self) -> bytes:
        """The state, for who knows that no work is under way; else ask for ``state_after``."""
        return self._program.snapshot() or NO_STATE

    def restore(self, state: bytes) -> None:
        """Before the first work."""
        if state != NO_STATE:
            self._program.restore(state)
        self._look()

    def scanned(self) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        """As of the program after its last work."""
        if not self._busy and isinstance(self._program, Scanning):
            self._seen = self._program.scanned()
        return self._seen

    # -- Suspending

    @property
    def tables(self) -> Sequence[str]:
        """Itself, and the tables of the program."""
        return (WORK, *(self._program.tables if isinstance(self._program, Suspending) else ()))

    @property
    def oldest(self) -> int | None:
        """The oldest rows that wait for work or for a table."""
        return min((*self._jobs, *self._inner.values()), default=None)

    @property
    def waiting(self) -> int:
        """Rows that wait for work or for a table."""
        return sum(self._rows.values()) + self._waiting

    def resume(self, token: int, answers: Sequence[Sequence[LookupAnswer]]) -> Batch | Suspended | None:
        """Work was done, or a table has answered."""
        if token not in self._jobs:
            program = self._program
            assert isinstance(program, Suspending)
            inner = next(each for each, outer in self._inner.items() if outer == token)
            return self._asking(token, partial(program.resume, inner, answers))
        done = cast(Done, answers[0][0])
        del self._jobs[token]
        self._rows.pop(token, None)
        if done.error is not None:
            raise done.error
        for inner in [each for each in self._inner if done.oldest is None or each < done.oldest]:
            del self._inner[inner]
        out = done.out
        if not isinstance(out, Suspended):
            return out
        self._inner[out.token] = token
        return Suspended(token, out.calls, out.output)

    def suspended(self) -> Sequence[Suspended]:
        """What the program waited for when its state was saved."""
        program = self._program
        if self._waits or not isinstance(program, Suspending):
            return ()
        found = []
        for each in program.suspended():
            token = self._inner[each.token] = self._token()
            found.append(Suspended(token, each.calls))
        return found

    # -- the table of results

    def ask(self, call: LookupCall, take: Callable[[int, LookupAnswer], None]) -> None:
        """Do a piece of work when its turn comes."""
        work = self._jobs[call.queries[0][0]]
        self._queue.append(Piece(work, lambda done: take(0, cast(LookupAnswer, done))))
        self._go_on()

    # -- its life

    @property
    def working(self) -> bool:
        """Whether work is under way or waits."""
        return self._busy or self._waits or bool(self._queue)

    def state_after(self) -> asyncio.Future[bytes]:
        """The state once everything is done that waits now; cancelled when that never happens."""
        state: asyncio.Future[bytes] = self._loop.create_future()
        self._queue.append(state)
        self._go_on()
        return state

    def begin_with(self, state: asyncio.Future[bytes], then: Callable[[], None]) -> None:
        """Take over the state of an earlier version as soon as it is there, and do no work before that; then call ``then``."""
        self._waits = True

        def take(found: asyncio.Future[bytes]) -> None:
            if self._closed:
                return
            self._waits = False
            if not found.cancelled():
                self.restore(found.result())
            then()
            self._go_on()

        state.add_done_callback(take)

    def close(self) -> None:
        """Do no more work."""
        self._closed = True
        for piece in self._queue:
            if not isinstance(piece, Piece):
                piece.cancel()
        self._queue.clear()

    # -- inside

    def _token(self) -> int:
        self._next += 1
        return self._next

    def _wait(self, work: Work, rows: int) -> Suspended:
        token = self._token()
        self._rows[token] = rows
        return self._asking(token, work)

    def _asking(self, token: int, work: Work) -> Suspended:
        self._jobs[token] = work
        return Suspended(token, (LookupCall(WORK, (), (), ((token,),)),))

    def _advance(self, now: int) -> Batch | Suspended | None:
        due = self._program.next_deadline()
        return self._program.advance(now) if due is not None and due <= now else None

    def _go_on(self) -> None:
        while self._queue and not self._busy and not self._waits:
            piece = self._queue.popleft()
            if not isinstance(piece, Piece):
                if not piece.done():
                    piece.set_result(self.snapshot())
                continue
            self._busy = True
            self._threads.submit(self._work, piece)

    def _work(self, piece: Piece) -> None:
        """On a thread: do a piece of work."""
        out: Batch | Suspended | None = None
        error: BaseException | None = None
        with carried_out_by(self._caller):
            try:
                out = piece.work()
            except Exception as caught:  # supervisor: raised again where the rule is kept
                error = caught
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._worked, piece, out, error)

    def _worked(self, piece: Piece, out: Batch | Suspended | None, error: BaseException | None) -> None:
        self._busy = False
        if self._closed:
            return
        self._look()
        program = self._program
        oldest = program.oldest if isinstance(program, Suspending) else None
        if isinstance(piece.work, partial) and piece.work.func == self._advance:
            self._advancing = False
        piece.take(Done(out, error, oldest, self._waiting, self._deadline))
        self.moved()
        self._go_on()

    def _look(self) -> None:
        """How the program stands now that no work is under way."""
        program = self._program
        self._deadline = program.next_deadline()
        self._waiting = program.waiting if isinstance(program, Suspending) else 0


def hand_over(old: Program, new: Program, then: Callable[[], None]) -> None:
    """Give the state of one version of a rule to the next, once the first has done its work; ``then`` is called after that.

    A version that works on the event loop takes the state only where there is no need to wait for it; else it begins anew.
    """
    if isinstance(new, Beside):
        if isinstance(old, Beside):
            new.begin_with(old.state_after(), then)
        else:
            new.restore(old.snapshot())
    elif isinstance(old, Beside) and not old.working:
        state = old.snapshot()
        if state != NO_STATE:
            new.restore(state)
