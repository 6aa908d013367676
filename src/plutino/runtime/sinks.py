"""Outlets: one per action of a running rule, from its output to ``Sink.write``.

As long as the sink takes everything at once, an outlet is a function call. It owns a task only while the sink connects, while a write is
not finished, or while failed messages wait to be sent again; meanwhile messages wait in a bounded buffer, the backlog.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Sequence
from typing import Any, Protocol

from plutino.errors import PlutinoError, TransportError
from plutino.model import Batch
from plutino.runtime.acks import Receipt
from plutino.runtime.backlog import Backlog, Parcel
from plutino.runtime.connections import Access
from plutino.runtime.errorlog import mask_text
from plutino.runtime.facilities import Facilities, settle
from plutino.runtime.holding import Holding
from plutino.runtime.status import CONNECTED, NO_LINK, Link, Node, Trouble, node
from plutino.runtime.transform import Fault, Message, Plain, SinkPlan
from plutino.spi import Encoder, Sink

DRAIN_SECONDS = 2.0
"""How long a stopping rule waits for a sink that is writing."""


class Owner(Protocol):
    """The rule behind an outlet."""

    @property
    def rule(self) -> str: ...

    @property
    def sends_errors(self) -> bool:
        """Rule option ``sendError``."""
        ...

    def crowded(self, full: bool) -> None:
        """An outlet's buffer is full (or has room again)."""
        ...

    def failed(self, error: BaseException) -> None:
        """Something that stops the rule: an error that no retry helps, or a defect."""
        ...


class Outlet:
    """The way of a rule's output into one sink.

    Counters: ``taken`` outputs (a window counts one), ``made`` messages, ``sent`` messages that the sink took.
    """

    __slots__ = (
        "_access",
        "_backlog",
        "_busy",
        "_current",
        "_encode",
        "_encoder",
        "_facilities",
        "_flow",
        "_holding",
        "_loose",
        "_owner",
        "_plain",
        "_shares",
        "_slow",
        "_task",
        "_write",
        "encode_trouble",
        "last",
        "latency_us",
        "link",
        "made",
        "plan",
        "sent",
        "sink",
        "sink_trouble",
        "taken",
        "transform_trouble",
    )

    def __init__(
        self, plan: SinkPlan, sink: Sink, encoder: Encoder | None, access: Access | None, link: Link, owner: Owner, facilities: Facilities
    ) -> None:
        self.plan = plan
        self.sink = sink
        self.link = link
        self._write = sink.write
        self._encoder = encoder
        self._encode = plan.direct(encoder)
        self._plain: Plain = plan.plain or plan.nothing
        self._shares = plan.format.frame is not None
        """The encoder keeps no state, so that what it made may be used by rules with the same action."""
        self._flow = facilities.flow
        self._access = access
        self._owner = owner
        self._facilities = facilities
        self._loose: Collection[str] | None = ()
        self._backlog = Backlog(plan.options.limit, self._crowd)
        self._holding = Holding(plan, encoder, facilities, self._dispatch, self._fail) if plan.batched else None
        self._current: Parcel | None = None
        self._task: asyncio.Task[None] | None = None
        self._busy = True
        self._slow = True
        self.taken = self.made = self.sent = 0
        self.last = 0
        self.latency_us = 0
        self.transform_trouble: Trouble | None = None
        self.encode_trouble: Trouble | None = None
        self.sink_trouble: Trouble | None = None

    async def open(self, loose: Collection[str] | None) -> None:
        """Begin: a sink without a connection is opened here, any other connects in the background while output waits."""
        self._loose = loose
        if self.plan.spec.connects:
            self._work(None, None)
        else:
            await self.sink.open()
            if self.link is not NO_LINK:
                self.link.up(self._facilities.clock.now_ms())
            self._rest()

    def take(self, out: Batch) -> None:
        """Everything that leaves the rule at once; never waits, raises only defects."""
        if self._slow or out.errors:
            self._take_each(out)
            return
        sizes, ready = out.sizes, out.encoded
        if ready is not None and ready[0] is self.plan:
            items = ready[1]
        else:
            try:
                # what rules without window send all the time goes straight to the encoder
                items = self._encode(out.rows) if sizes is None and not out.passthrough else self._plain(self._encoder, out)
            except PlutinoError:
                self._take_each(out)  # finds the row that fails and keeps the rest
                return
            if self._shares:
                out.encoded = self.plan, items
        count = len(items)
        self.taken += count if sizes is None else len(sizes)
        if not count:
            return
        self.made += count
        self.last = self._flow.now
        try:
            answer = self._write(items, None)
        except PlutinoError as error:
            self._refused(Parcel(items, None, self._receipts()), error)
            return
        if answer is None:
            self.sent += count
        else:
            self._work(answer, Parcel(items, None, self._receipts()))

    def messages_of(self, out: Batch) -> list[Any] | None:
        """A message for each row of an output that rules share, made once for all with the same action; None when ``take`` must do it."""
        if self._slow or not self._shares:
            return None
        ready = out.encoded
        if ready is not None and ready[0] is self.plan:
            return ready[1]
        try:
            items = self._plain(self._encoder, out)
        except PlutinoError:
            return None
        out.encoded = self.plan, items
        return items

    def take_made(self, items: list[Any]) -> None:
        """Take messages that ``messages_of`` made."""
        self.taken += len(items)
        self.made += len(items)
        self.last = self._flow.now
        self._dispatch(items, None, [] if self._flow.receipt is None else self._receipts())

    def adopt(self, owner: Owner, loose: Collection[str] | None) -> None:
        """Work for another version of the rule: the sink stays open, the counters begin anew."""
        self._owner = owner
        self._loose = loose
        self.taken = self.made = self.sent = self.latency_us = 0
        self.transform_trouble = self.encode_trouble = self.sink_trouble = None
        if self._backlog.full:
            owner.crowded(True)

    def flush(self) -> None:
        """Send what waits for a batch to fill."""
        if self._holding is not None:
            self._holding.flush()

    @property
    def waiting(self) -> int:
        """Messages that wait for the sink."""
        return self._backlog.count + self._held

    def when_sent(self, receipt: Receipt) -> None:
        """Hold a receipt until everything that waits now is sent or dropped."""
        if self._holding is not None:
            self._holding.when_sent(receipt)
        last = self._backlog.last or self._current
        if last is not None:
            receipt.hold()
            last.receipts.append(receipt)

    async def close(self, *, release: bool) -> None:
        """Send what can be sent, drop the rest, close the sink. ``release``: what was dropped counts as acknowledged."""
        if self._holding is not None:
            self._holding.close()
        task = self._task
        if task is not None and self.link.status == CONNECTED:
            await asyncio.wait((task,), timeout=DRAIN_SECONDS)
        self._task, self._busy, self._slow = None, True, True
        if task is not None:
            task.cancel()
            await settle(task)
        self._abandon(release)
        await self.sink.close()
        access, self._access = self._access, None
        if access is not None:
            access.release()

    def nodes(self) -> tuple[list[Node], Node]:
        """What the status shows: the operators in front of the sink, and the sink."""
        name, last = self.plan.request.name, self.last
        numbers = {"batch": (self.taken, self.taken), "transform": (self.taken, self.made)}
        troubles = {"transform": self.transform_trouble, "encode": self.encode_trouble, "batchWriter": self.encode_trouble}
        ops = []
        for step, kind in enumerate(self.plan.operators):
            waiting = self._backlog.count if kind == "cache" else 0
            latency = self.latency_us if kind == "transform" else 0
            counted = numbers.get(kind, (self.made, self.made))
            ops.append(node("op", f"{name}_{step}_{kind}", counted, last, latency, troubles.get(kind), buffered=waiting))
        into = self.made - self._held
        waiting = 0 if self.plan.options.enable_cache else self._backlog.count
        end = node("sink", name, (into, self.sent), last, 0, self.sink_trouble, buffered=waiting, link=self.link)
        return ops, end

    # -- from output to messages

    def _take_each(self, out: Batch) -> None:
        """Message by message: actions that change rows, outputs with errors, and everything while the sink is busy."""
        sends, dynamic = self._owner.sends_errors, self.plan.dynamic is not None
        items: list[Any] = []
        properties: list[Any] = []
        for entry in self._messages(out):
            message: Message | None
            if isinstance(entry, Fault):
                message = self.plan.error_message(entry.text) if sends else None
                if message is None:
                    continue
            else:
                message = entry
            items.append(message.item)
            if dynamic:
                properties.append(message.properties)
        rows = len(out) if out.sizes is None else len(out.sizes)
        self.taken += rows
        self.made += len(items)
        self.last = self._flow.now
        if items:
            hand = self._dispatch if self._holding is None else self._holding.add
            hand(items, properties if dynamic else None, self._receipts())

    def _messages(self, out: Batch) -> Sequence[Message | Fault]:
        plain = self.plan.plain
        if plain is not None and not out.errors:
            try:
                return [Message(item) for item in plain(self._encoder, out)]
            except PlutinoError:
                pass  # one of them fails: below each is encoded on its own
        found = []
        own = {"transform", "encode"}
        for entry in self.plan.messages(self._encoder, out, self._loose):
            if isinstance(entry, Fault) and entry.stage in own:
                self._count_fault(entry)
            found.append(entry)
        return found

    def _count_fault(self, fault: Fault) -> None:
        now = self._facilities.flow.now
        if fault.stage == "encode":
            trouble = self.encode_trouble = self.encode_trouble or Trouble()
        else:
            trouble = self.transform_trouble = self.transform_trouble or Trouble()
        trouble.add(now, fault.text)
        self._facilities.errors.add(self._owner.rule, now, f"{self.plan.request.name}_{fault.stage}", fault.text)

    # -- into the sink

    def _receipts(self) -> list[Receipt]:
        """The delivery that is being processed, held once more; nothing when the source wants no acknowledgement."""
        receipt = self._facilities.flow.receipt
        if receipt is None:
            return []
        receipt.hold()
        return [receipt]

    def _dispatch(self, items: list[Any], properties: list[Any] | None, receipts: list[Receipt]) -> None:
        parcel = Parcel(items, properties, receipts)
        if self._busy:
            self._enqueue(parcel)
            return
        try:
            answer = self._write(items, properties)
        except PlutinoError as error:
            self._refused(parcel, error)
            return
        if answer is None:
            self._delivered(parcel)
        else:
            self._work(answer, parcel)

    def _enqueue(self, parcel: Parcel) -> None:
        count, room = len(parcel.items), self._backlog.room
        if count > room and self._facilities.flow.lossy:
            self._trouble(f"buffer full, drop {count - room} messages in front of {self.plan.request.name}", count - room)
            if not room:
                parcel.release()
                return
            parcel.keep(0, room)
        self._backlog.add(parcel)

    @property
    def _held(self) -> int:
        """Messages that wait for a batch to fill."""
        return 0 if self._holding is None else self._holding.count

    def _crowd(self, full: bool) -> None:
        self._owner.crowded(full)

    def _fail(self, error: BaseException) -> None:
        self._owner.failed(error)

    def _delivered(self, parcel: Parcel) -> None:
        self.sent += len(parcel.items)
        parcel.release()

    def _refused(self, parcel: Parcel, error: PlutinoError) -> None:
        """A write failed at once."""
        if self._after_failure(parcel, error):
            self._work(None, None, self.plan.options.retry_ms or 0)
        elif self.plan.spec.connects and self.link.status != CONNECTED:
            self._work(None, None)

    def _after_failure(self, parcel: Parcel, error: PlutinoError) -> bool:
        """Count a failed write; True when its messages were put back to be sent again."""
        now, count = self._facilities.clock.now_ms(), len(parcel.items)
        if not isinstance(error, TransportError):
            # refused for good, by a sink that delivered the others of the call
            self._trouble(str(error))
            self.sent += count - 1
            parcel.release()
            return False
        done = min(error.delivered, count)
        self.sent += done
        parcel.keep(done, count)
        self._trouble(str(error), max(1, count - done))
        if self.link is not NO_LINK:
            self.link.down(now, str(error))
        if self.plan.options.retry_ms is None:
            parcel.release()
            return False
        self._backlog.put_back(parcel)
        return True

    def _trouble(self, text: str, count: int = 1) -> None:
        now = self._facilities.clock.now_ms()
        if self.sink_trouble is None:
            self.sink_trouble = Trouble()
        self.sink_trouble.add(now, text, count)
        self._facilities.errors.add(self._owner.rule, now, self.plan.request.name, text)

    # -- the worker, while there is something to wait for

    def _work(self, answer: Awaitable[None] | None, parcel: Parcel | None, pause_ms: int = 0) -> None:
        """Start the worker: it waits for a write that began, or pauses before a failed one is done again."""
        self._busy = self._slow = True
        self._current = parcel
        self._task = self._facilities.spawn(self._run(answer, parcel, pause_ms))

    async def _run(self, answer: Awaitable[None] | None, parcel: Parcel | None, pause_ms: int) -> None:
        try:
            if pause_ms:
                await self._facilities.clock.sleep(pause_ms / 1000)
            if answer is not None and parcel is not None:
                await self._finish(answer, parcel)
            while True:
                if self.plan.spec.connects and self.link.status != CONNECTED:
                    await self._connect()
                waiting = self._backlog.collect()
                if waiting is None:
                    break
                await self._finish(None, waiting)
        except Exception as error:  # supervisor: what the sink did not expect stops this rule, nothing else
            self._owner.failed(error)
            return
        self._rest()

    async def _finish(self, answer: Awaitable[None] | None, parcel: Parcel) -> None:
        """Wait for a write (or begin and wait), and count how it ended."""
        self._current = parcel
        try:
            if answer is None:
                answer = self._write(parcel.items, parcel.properties)
            if answer is not None:
                await answer
        except PlutinoError as error:
            self._current = None
            if self._after_failure(parcel, error):
                await self._facilities.clock.sleep((self.plan.options.retry_ms or 0) / 1000)
        else:
            self._current = None
            self._delivered(parcel)

    async def _connect(self) -> None:
        clock, backoff, log = self._facilities.clock, self._facilities.backoff(), self._facilities.log
        name, failed = {"rule": self._owner.rule, "sink": self.plan.request.name}, False
        while True:
            self.link.trying(clock.now_ms())
            try:
                if self._access is not None:
                    await self._access.ready(self.link)
                await self.sink.open()
            except TransportError as error:
                self.link.down(clock.now_ms(), str(error))
                if not failed:  # each attempt that follows would say the same
                    log.warning("sink not connected", **name, error=mask_text(str(error)))
                failed = True
                await clock.sleep(backoff.delay())
            else:
                if failed:
                    log.info("sink connected again", **name)
                self.link.up(clock.now_ms())
                return

    def _rest(self) -> None:
        """Nothing to wait for: from now on output is written at once."""
        self._task = None
        self._busy = False
        self._slow = self.plan.plain is None

    def _abandon(self, release: bool) -> None:
        left = self._backlog.clear()
        if self._current is not None:
            left.append(self._current)
        self._current = None
        dropped = sum(len(parcel.items) for parcel in left)
        if dropped:
            self._trouble(f"rule stopped, drop {dropped} messages in front of {self.plan.request.name}", dropped)
            # The status goes with the rule, and with the server.
            self._facilities.log.warning("messages dropped", rule=self._owner.rule, sink=self.plan.request.name, messages=dropped)
        for parcel in left:
            if not release:
                parcel.receipts = [receipt for receipt in parcel.receipts if receipt.inside]
            parcel.release()
