"""Feeds: one source with the rules that read it; decode once, push to all.

Rules come and go while data flows: the branches are made anew between two batches. The engine reconnects a source that lost its system,
waits for slow sinks on behalf of sources that can wait, and refuses on behalf of those that cannot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from plutino.errors import PlutinoError, TransportError
from plutino.model import RowError
from plutino.runtime.acks import Receipt
from plutino.runtime.branch import Branch, branches_of
from plutino.runtime.compression import decompressor
from plutino.runtime.connections import Access
from plutino.runtime.errorlog import mask_text
from plutino.runtime.facilities import Facilities, settle
from plutino.runtime.intake import Pipe, Throttle
from plutino.runtime.reader import Counts, Reader
from plutino.runtime.status import DISCONNECTED, Link, Node, Trouble, node
from plutino.spi import DecodePlan, Decoder, Delivery, FeedRequest, Source
from plutino.spi.options import decode_options

SLICE_SECONDS = 0.005
"""A source that can always go on lets others run after this time."""

BLOCK = 64 * 1024
"""Bytes of lines that are processed between two chances to let others run."""

WITHIN = object()
"""The position of a part of a delivery that is not its last."""

MEASURE = 63
"""One delivery in ``MEASURE + 1`` is timed."""

NESTED = 12
"""How many feeds may deliver inside each other (chains of memory topics) before the rest of the chain is done later."""

DEFERRED = 1024
"""Deliveries that wait because their feed is at work already (a rule that feeds itself)."""


class Feed:
    """One source and everything between it and its rules. Implements ``spi.Inlet`` for the source."""

    __slots__ = (
        "_branches",
        "_busy",
        "_deferred",
        "_inflate",
        "_room",
        "_slice",
        "_source",
        "_stale",
        "_task",
        "_throttle",
        "_ticks",
        "access",
        "between",
        "congested",
        "decode_trouble",
        "decoded",
        "ended",
        "error",
        "facilities",
        "last",
        "latency_us",
        "link",
        "pipe",
        "places",
        "position",
        "received",
        "request",
        "rule",
        "trouble",
        "wants_meta",
    )

    def __init__(self, request: FeedRequest, pipe: Pipe, rule: str, facilities: Facilities) -> None:
        self.request = request
        self.pipe = pipe
        self.rule = rule
        """The only reader, for a source that each reader has for itself; else empty."""
        self.facilities = facilities
        self.link = Link()
        self.access: Access | None = None
        self.places: dict[Reader, None] = {}
        self.received = self.decoded = 0
        self.trouble: Trouble | None = None
        self.decode_trouble: Trouble | None = None
        self.last = 0
        self.latency_us = 0
        self.congested = 0
        """Attached rules with a full outlet."""
        self.position: Any = None
        self.between = False
        """The rules have had a part of a delivery, so that no position says where they are."""
        self.ended = False
        self.error: PlutinoError | None = None
        self.wants_meta = False
        self._source: Source | None = None
        self._task: asyncio.Task[None] | None = None
        self._branches: list[Branch] = []
        self._stale = False
        self._busy = False
        self._deferred: deque[Delivery] | None = None
        self._room: asyncio.Event | None = None
        self._slice = 0.0
        self._ticks = -1
        decompression = pipe.options.decompression if "decompress" in pipe.operators else ""
        self._inflate = decompressor(decompression) if decompression else None
        self._throttle = Throttle(pipe.options, facilities.clock, facilities.deadlines, self._take_late) if pipe.throttled else None

    # -- life

    @property
    def opened(self) -> bool:
        """Whether the source has been started."""
        return self._task is not None

    def open(self, source: Source) -> None:
        """Start reading; the position of a checkpoint, if any, is in ``position``."""
        self._source = source
        self._task = self.facilities.spawn(self._read(source))

    async def close(self) -> None:
        """Stop reading. What the source has handed over is processed already."""
        task, self._task = self._task, None
        if self._throttle is not None:
            self._throttle.close()
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await settle(task)
        if self.access is not None:
            self.access.release()
            self.access = None

    def attach(self, place: Reader) -> None:
        """A rule reads from now on."""
        self.places[place] = None
        self.congested += place.run.congested
        self.wants_meta = self.wants_meta or place.need.meta
        self._stale = True

    def detach(self, place: Reader) -> None:
        """A rule reads no more."""
        del self.places[place]
        self._stale = True
        if place.run.congested:
            self.relieve()

    def decoder(self, plan: DecodePlan) -> Decoder:
        """A decoder of the stream's format."""
        spec = self.facilities.registry.formats[self.request.format]
        return spec.decoder(plan, decode_options(spec.options, self.request.properties))

    # -- Inlet: what the source calls

    async def put(self, delivery: Delivery) -> None:
        """Process a delivery as soon as no sink of an attached rule is too far behind; yields to others after a few milliseconds."""
        if self.congested:
            await self._wait_for_room()
        if delivery.lines is not None and len(delivery.lines) > BLOCK and not isinstance(delivery.meta, list):
            for piece in blocks(delivery):
                await self._put_one(piece)
        else:
            await self._put_one(delivery)

    def offer(self, delivery: Delivery) -> bool:
        """Process a delivery at once; False when every rule's buffer is full, or it came from inside this very feed too often."""
        if self._throttle is not None:
            self._throttle.take(delivery)
            return True
        if self._busy or self.facilities.flow.depth >= NESTED:
            return self._defer(delivery)
        if self.congested and self.congested >= len(self.places):
            return self._drop(delivery)
        self._process(delivery, True)
        return True

    def connected(self) -> None:
        """The source is connected."""
        if self.link.status == DISCONNECTED:
            self.facilities.log.info("source connected again", stream=self.request.stream, type=self.request.connector)
        self.link.up(self.facilities.clock.now_ms())

    def failed(self, error: str) -> None:
        """Something went wrong that does not end the source."""
        now = self.facilities.clock.now_ms()
        if self.trouble is None:
            self.trouble = Trouble()
        self.trouble.add(now, error)
        self.facilities.errors.add(self.log_key, now, f"source_{self.request.stream}", error)

    # -- what rules call

    def changed(self) -> None:
        """Something about a reader is different: the branches are made anew before the next delivery."""
        self._stale = True

    def relieve(self) -> None:
        """A rule has room again."""
        self.congested -= 1
        if not self.congested and self._room is not None:
            self._room.set()

    def report(self, errors: Sequence[RowError], delivery: Delivery) -> None:
        """Payloads (or rows) that did not get through decoding and validation: counted, sampled, never fatal."""
        now = self.facilities.flow.now
        if self.decode_trouble is None:
            self.decode_trouble = Trouble()
        payloads = delivery.payloads
        for k, error in enumerate(errors):
            self.decode_trouble.add(now, error.text)
            at = error.at + k
            payload = payloads[at] if payloads is not None and at < len(payloads) else None
            self.facilities.errors.add(self.log_key, now, f"{self.request.stream}_{error.stage or 'decoder'}", error.text, payload)

    @property
    def log_key(self) -> str:
        """Under which the error log keeps what all readers share."""
        return f"stream {self.request.stream} {self.rule}"

    def nodes(self, place: Reader, index: int) -> list[Node]:
        """The source and its operators as the rule's status shows them, numbered from ``index`` on."""
        stream, before = self.request.label or self.request.stream, place.before
        received, decoded = self.received - before.received, self.decoded - before.decoded
        trouble = _since(self.trouble, before.troubles)
        found = [node("source", stream, (received, received), self.last, 0, trouble, buffered=self._buffered(), link=self.link.copy())]
        prefix = f"{stream}_" if self.request.shared else ""
        into = received
        for kind in place.operators:
            index += 1
            decodes = kind in ("decoder", "payload_decoder", "preprocessor")
            trouble = _since(self.decode_trouble, before.decode_troubles) if kind == self._failing_operator(place) else None
            numbers = (into, decoded if decodes else into)
            found.append(node("op", f"{prefix}{index}_{kind}", numbers, self.last, self.latency_us if kind == "decoder" else 0, trouble))
            into = numbers[1]
        return found

    def counts(self) -> Counts:
        """How far its counters are; a rule counts from where it came in."""
        return Counts(self.received, self.decoded, _count(self.trouble), _count(self.decode_trouble))

    # -- inside

    def _failing_operator(self, place: Reader) -> str:
        """The operator at which errors of decoding and validation are shown."""
        return next((kind for kind in ("decoder", "preprocessor", "payload_decoder") if kind in place.operators), "")

    def _buffered(self) -> int:
        return len(self._deferred) if self._deferred is not None else 0

    async def _wait_for_room(self) -> None:
        while self.congested:
            if self._room is None:
                self._room = asyncio.Event()
            self._room.clear()
            await self._room.wait()

    async def _put_one(self, delivery: Delivery) -> None:
        if self.congested:
            await self._wait_for_room()
        if self._throttle is not None:
            self._throttle.take(delivery)
        else:
            self._process(delivery, False)
        if perf_counter() - self._slice > SLICE_SECONDS:
            await asyncio.sleep(0)
            self._slice = perf_counter()

    def _take_late(self, delivery: Delivery) -> None:
        """What the throttle let through."""
        if self._busy:
            self._defer(delivery)
        else:
            self._process(delivery, True)

    def _process(self, delivery: Delivery, lossy: bool) -> None:
        if self._inflate is not None and delivery.payloads is not None:
            delivery = self._inflated(delivery)
        flow, now = self.facilities.flow, self.facilities.clock.now_ms()
        saved = flow.lossy, flow.receipt, flow.now
        receipt = Receipt(delivery.ack) if delivery.ack is not None else None
        flow.lossy, flow.receipt, flow.now = lossy, receipt, now
        flow.depth += 1
        self._busy = True
        self.last = now
        self._ticks = ticks = self._ticks + 1 & MEASURE
        try:
            if self._stale:
                self._branches = branches_of(self, tuple(self.places))
                self.wants_meta = any(place.need.meta for place in self.places)
                self._stale = False
            rows = errors = 0
            for branch in self._branches:
                rows, errors = branch.run(delivery, now, not ticks)
            self.decoded += rows
            self.received += rows + errors if delivery.payloads is None else len(delivery.payloads)
            self._advance(delivery.position)
        except Exception as error:  # supervisor: a defect in decoding stops the rules of this feed, not those that feed it
            for place in tuple(self.places):
                place.run.failed(error)
        finally:
            self._busy = False
            flow.depth -= 1
            flow.lossy, flow.receipt, flow.now = saved
            if receipt is not None:
                receipt.release()

    def _advance(self, position: Any) -> None:
        """The rules have had a delivery, or a part of one."""
        if position is WITHIN:
            self.between = self._throttle is None
            return
        if position is not None:
            self.position = position
        if self.between:
            self.between = False
            for place in self.places:
                place.run.positioned()

    def _inflated(self, delivery: Delivery) -> Delivery:
        """The delivery with decompressed payloads; those that do not decompress are counted and left out."""
        payloads: list[bytes] = []
        metas: list[Any] = []
        inflate, source, meta = self._inflate, delivery.payloads or [], delivery.meta
        assert inflate is not None
        for i, payload in enumerate(source):
            try:
                payloads.append(inflate(payload))
            except PlutinoError as error:
                self.failed(str(error))
            else:
                if isinstance(meta, list):
                    metas.append(meta[i])
        return Delivery(payloads=payloads, meta=metas if isinstance(meta, list) else meta, position=delivery.position, ack=delivery.ack)

    def _drop(self, delivery: Delivery) -> bool:
        count = len(delivery.payloads or delivery.rows or ()) or (delivery.lines or b"").count(b"\n")
        self.received += count
        if self.trouble is None:
            self.trouble = Trouble()
        now = self.facilities.clock.now_ms()
        text = f"buffer full, drop {count} messages from source_{self.request.stream}"
        self.trouble.add(now, text, count)
        self.facilities.errors.add(self.log_key, now, f"source_{self.request.stream}", text)
        return False

    def _defer(self, delivery: Delivery) -> bool:
        """Process later what came in the middle of other work (a rule that writes to the topic it reads)."""
        if self._deferred is None:
            self._deferred = deque()
            asyncio.get_running_loop().call_soon(self._take_deferred)
        elif len(self._deferred) >= DEFERRED:
            return self._drop(delivery)
        self._deferred.append(delivery)
        return True

    def _take_deferred(self) -> None:
        waiting, self._deferred = self._deferred, None
        for delivery in waiting or ():
            if self.places:
                self._process(delivery, True)

    async def _read(self, source: Source) -> None:
        clock, backoff = self.facilities.clock, self.facilities.backoff()
        spec = self.facilities.registry.connectors[self.request.connector].source
        if spec is None or not spec.listens:
            await asyncio.sleep(0)  # those that start together and listen to rules that this one feeds are there first
        while True:
            self.link.trying(clock.now_ms())
            connected_before = self.link.connected_at
            try:
                if self.access is not None:
                    await self.access.ready(self.link)
                await source.run(self, self.position)
            except TransportError as error:
                if self.link.connected_at != connected_before:
                    backoff.reset()
                if self.link.status != DISCONNECTED:  # each attempt that follows would say the same
                    told = {"stream": self.request.stream, "type": self.request.connector, "error": mask_text(str(error))}
                    self.facilities.log.warning("source not connected", **told)
                self.link.down(clock.now_ms(), str(error))
                self.failed(str(error))
                await clock.sleep(backoff.delay())
            except Exception as error:  # supervisor: what no retry helps stops the rules of this feed, nothing else
                self.link.down(clock.now_ms(), str(error))
                self._finish(error)
                return
            else:
                self._finish(None)
                return

    def _finish(self, error: Exception | None) -> None:
        """The source gives no more: its end, or an error that no retry helps."""
        self.ended = True
        for place in tuple(self.places):
            if error is None:
                place.end()
            else:
                place.run.failed(error)


def blocks(delivery: Delivery) -> list[Delivery]:
    """A large block of lines in pieces that end at a line end; position and acknowledgement go with the last."""
    lines, pieces, start = delivery.lines or b"", [], 0
    while start < len(lines):
        end = start + BLOCK
        cut = lines.rfind(b"\n", start, end) + 1 if end < len(lines) else len(lines)
        if cut <= start:  # one line longer than a block
            cut = lines.find(b"\n", end) + 1 or len(lines)
        pieces.append(Delivery(lines=lines[start:cut], meta=delivery.meta, position=WITHIN))
        start = cut
    if pieces:
        pieces[-1].position, pieces[-1].ack = delivery.position, delivery.ack
    return pieces


def _count(trouble: Trouble | None) -> int:
    return trouble.count if trouble is not None else 0


def _since(trouble: Trouble | None, before: int) -> Trouble | None:
    """The trouble that came after so many exceptions."""
    if trouble is None or trouble.count <= before:
        return None
    recent = Trouble()
    recent.add(trouble.at, trouble.text, trouble.count - before)
    return recent
