"""Checkpoints of rules with qos ≥ 1: the program's state and the positions of its sources, stored together between two batches."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from plutino.errors import TransportError
from plutino.runtime.acks import Receipt
from plutino.runtime.deadlines import Timer
from plutino.runtime.facilities import Facilities, settle
from plutino.runtime.place import Place
from plutino.runtime.plugins.beside import Beside
from plutino.runtime.sinks import Outlet
from plutino.spi import Capturing, Program

KEY = "checkpoint"
STATE = "checkpoint state"
"""The state has an entry of its own: it may be large, and is stored as the program gave it."""

PATIENCE_SECONDS = 2.0
"""How long the last checkpoint of a stopping rule waits for its sinks."""

FORCED_AT = 10
"""Unacknowledged rows that force a checkpoint: half of the in-flight window that MQTT brokers have by default (20)."""


class Stored(Struct, frozen=True):
    """A checkpoint: its state is only good for a program of the same ``shape``."""

    shape: str
    positions: dict[str, Any]


class Taken(Struct):
    """A checkpoint on its way to the store, with the deliveries that it covers.

    The state may come later; ``own``: it is under way, and nothing outside can keep it from coming.
    """

    stored: Stored
    held: list[Receipt]
    state: bytes | asyncio.Future[bytes]
    own: bool = False


class Kept(Protocol):
    """The run whose state and positions are kept."""

    rule: str
    program: Program
    places: list[Place]
    outlets: list[Outlet]


class Checkpoints:
    """Takes the checkpoints of one run, at its interval, at its stop, and when too many deliveries wait for one."""

    __slots__ = ("_facilities", "_held", "_interval", "_rows", "_run", "_saving", "_shape", "_timer", "_wanted")

    def __init__(self, run: Kept, shape: str, interval: int, facilities: Facilities) -> None:
        self._run = run
        self._shape = shape
        self._interval = interval
        self._facilities = facilities
        self._held: list[Receipt] = []
        self._rows = 0
        self._saving: asyncio.Task[None] | None = None
        self._timer = Timer(self._due)
        self._wanted = False
        """A checkpoint is due that waits for the end of a delivery."""

    def begin(self) -> None:
        """Take the first checkpoint after the interval."""
        if self._interval > 0:
            self._facilities.deadlines.arm(self._timer, self._facilities.clock.now_ms() + self._interval)

    def absorbed(self, receipt: Receipt | None, rows: int) -> None:
        """Rows went into the state: their delivery is acknowledged after the next checkpoint."""
        if receipt is None:
            return
        receipt.hold()
        self._held.append(receipt)
        self._rows += rows
        if self._rows >= FORCED_AT and self._saving is None:
            # the snapshot is taken after this batch, when nothing is half done
            self._saving = self._facilities.spawn(self._save_alone())

    def positioned(self) -> None:
        """A source has come to a position again: where a checkpoint waited for that, it is taken now."""
        if self._wanted and self._saving is None and not self._between():
            self._wanted = False
            self._saving = self._facilities.spawn(self._store_alone(self._take()))

    def _between(self) -> bool:
        """Whether a source has given a part of a delivery: the state has rows that no position covers."""
        return any(place.feed.between for place in self._run.places)

    async def end(self) -> None:
        """A last checkpoint; the run gets no more data. Without it, what waits for one stays unacknowledged and comes again."""
        self._facilities.deadlines.arm(self._timer, None)
        saving, self._saving = self._saving, None
        if saving is not None:
            await asyncio.wait((saving,), timeout=PATIENCE_SECONDS)
            saving.cancel()
            await settle(saving)
        if not self._between():
            await self._store(self._take(), PATIENCE_SECONDS)

    def _take(self) -> Taken:
        """The state as it is now, and what is acknowledged when it is stored."""
        run, held = self._run, self._held
        self._held, self._rows = [], 0
        positions = {place.feed.request.stream: place.feed.position for place in run.places if place.feed.position is not None}
        stored = Stored(self._shape, positions)
        if isinstance(run.program, Beside):
            return Taken(stored, held, run.program.state_after())
        if isinstance(run.program, Capturing):
            return Taken(stored, held, asyncio.get_running_loop().run_in_executor(None, run.program.capture()), own=True)
        return Taken(stored, held, run.program.snapshot())

    async def _store(self, taken: Taken, patience: float | None = None) -> None:
        """Store a state, once everything that left the program before is delivered; then acknowledge what it covers.

        ``patience``: seconds to wait for the sinks, None for as long as it takes.
        """
        saved = False
        try:
            state = taken.state if isinstance(taken.state, bytes) else await _state(taken.state, None if taken.own else patience)
            if state or taken.stored.positions:
                await self._delivered(patience)
                await self._facilities.state.save(self._run.rule, {KEY: msgspec.msgpack.encode(taken.stored), STATE: state})
            saved = True
        except TransportError as error:
            self._facilities.log.error("checkpoint failed", rule=self._run.rule, error=str(error))
            self._facilities.errors.add(self._run.rule, self._facilities.clock.now_ms(), "checkpoint", str(error))
        finally:
            if not saved:
                self._held = taken.held + self._held
        if saved:
            for receipt in taken.held:
                receipt.release()

    async def _delivered(self, patience: float | None) -> None:
        """Wait until the sinks have what left the program so far: after a crash it would not come again."""
        done = asyncio.Event()
        barrier = Receipt(done.set, inside=True)
        for outlet in self._run.outlets:
            outlet.when_sent(barrier)
        barrier.release()
        if done.is_set():
            return
        waiting = self._facilities.spawn(_wait(done))
        try:
            await asyncio.wait((waiting,), timeout=patience)
        finally:
            waiting.cancel()

    async def _save_alone(self) -> None:
        if self._between():
            self._wanted, self._saving = True, None
        else:
            await self._store_alone(self._take())

    async def _store_alone(self, taken: Taken) -> None:
        try:
            await self._store(taken)
        finally:
            self._saving = None

    def inherit(self, other: Checkpoints) -> None:
        """Take over what waits for the next checkpoint of an earlier version, whose state went into this one."""
        self._held += other._held
        self._rows += other._rows
        other._held = []

    def cancel(self) -> None:
        """No more checkpoints."""
        self._facilities.deadlines.arm(self._timer, None)

    def _due(self, now: int) -> None:
        if self._saving is None:
            self._saving = self._facilities.spawn(self._save_alone())
        self._facilities.deadlines.arm(self._timer, now + self._interval)


async def _state(later: asyncio.Future[bytes], patience: float | None) -> bytes:
    """A state that comes later; TransportError when it does not."""
    await asyncio.wait((later,), timeout=patience)
    if not later.done() or later.cancelled():
        raise TransportError("the rule has not done its work in time")
    return later.result()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def load(rule: str, shape: str, facilities: Facilities) -> tuple[bytes, Mapping[str, Any]]:
    """State and source positions of the last checkpoint of a rule; empty when there is none of this shape."""
    entry, state = await facilities.state.load(rule, KEY), await facilities.state.load(rule, STATE)
    if entry is None or state is None:
        return b"", {}
    try:
        stored = msgspec.msgpack.decode(entry, type=Stored)
    except msgspec.DecodeError as error:
        facilities.log.error("checkpoint is not readable", rule=rule, error=str(error))
        return b"", {}
    return (state if stored.shape == shape else b""), stored.positions
