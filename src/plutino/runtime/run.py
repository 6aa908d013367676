"""One run of a rule: its program between feeds and outlets, from start (or update) to stop."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from itertools import accumulate
from typing import Any, Protocol, cast

from plutino.model import Batch, RowError
from plutino.runtime.checkpoints import Checkpoints
from plutino.runtime.deadlines import Timer
from plutino.runtime.facilities import Facilities
from plutino.runtime.feed import Feed
from plutino.runtime.operators import Operators
from plutino.runtime.pending import Pending, at_once
from plutino.runtime.place import Emit, Place, Push
from plutino.runtime.sinks import Outlet
from plutino.runtime.status import Node, drawn_topology
from plutino.runtime.status import topology as wire_topology
from plutino.runtime.tracer import Tracer
from plutino.runtime.twins import share_of
from plutino.spi import Drawing, Program, Tap

DECODER = "decoder"
"""Stage of errors that come from the feed."""


class Keeper(Protocol):
    """Who keeps a run: told when it ends by itself."""

    def run_finished(self, run: Run) -> None:
        """Every source of the run has ended."""
        ...

    def run_failed(self, run: Run, error: BaseException) -> None:
        """The run cannot go on."""
        ...


class Run:
    """A program at work.

    ``stateful`` is false for programs without state, which never have deadlines: nothing but the call is spent on them.
    """

    __slots__ = (
        "_drawing",
        "_facilities",
        "_keeper",
        "_takes",
        "_timer",
        "checkpoints",
        "crowd",
        "dead",
        "frozen",
        "operators",
        "outlets",
        "pending",
        "places",
        "program",
        "rule",
        "sends_errors",
        "stateful",
        "tracer",
    )

    def __init__(
        self,
        rule: str,
        program: Program,
        sends_errors: bool,
        keeper: Keeper,
        facilities: Facilities,
        drawing: Drawing | None = None,
    ) -> None:
        self.rule = rule
        self.program = program
        self.operators = Operators(program, drawing)
        self.sends_errors = sends_errors
        self.outlets: list[Outlet] = []
        self.places: list[Place] = []
        self.checkpoints: Checkpoints | None = None
        self.pending: Pending | None = None
        self.crowd = 0
        self.dead = False
        self.frozen: tuple[Node, ...] | None = None
        self.stateful = bool(program.snapshot())
        self.tracer: Tracer | None = None
        self._drawing = drawing
        self._keeper = keeper
        self._facilities = facilities
        self._takes: tuple[Emit, ...] = ()
        self._timer = Timer(self._advance) if self.stateful else None

    # -- wiring

    def place(self, feed: Feed) -> Place:
        """A place on a feed; the feed does not know of it yet."""
        need = self.program.inputs[feed.request.stream]
        place = Place(self, feed, need, self.way_in, self.way_out)
        self.places.append(place)
        return place

    def connect(self, outlets: Sequence[Outlet]) -> None:
        """The outlets that get what leaves the program."""
        self.outlets = list(outlets)
        self._takes = self._ways_out()

    def show_to(self, listeners: Sequence[Tap]) -> None:
        """Let these see every output, besides the sinks."""
        takes = list(self._ways_out()) if self.tracer is None else [self.tracer.emit]
        if listeners:
            takes.append(partial(_show, tuple(listeners), self.sends_errors))
        self._takes = tuple(takes)
        for place in self.places:
            place.emit = self.way_out
            place.feed.changed()

    def follow(self, strategy: str, listeners: Sequence[Tap]) -> None:
        """Trace rows from now on; an empty strategy ends that."""
        self.tracer = Tracer(self, strategy, self._facilities) if strategy else None
        for place in self.places:
            place.follow(self.program.inputs[place.feed.request.stream], self.way_in, self.tracer)
        self.show_to(listeners)

    def part_for(self, number: int, out: Batch) -> Batch | None:
        """What outlet ``number`` gets of an output."""
        if out.parts is None or self._drawing is None:
            return out
        return out.parts[self._drawing.ends[number]]

    def _ways_out(self) -> tuple[Emit, ...]:
        """An outlet of a rule with several ends takes its own part alone."""
        ends = self._drawing.ends if self._drawing is not None else ()
        takes: list[Emit] = [outlet.take for outlet in self.outlets]
        return tuple(partial(_take_part, end, take) for end, take in zip(ends, takes, strict=True)) if ends else tuple(takes)

    @property
    def way_in(self) -> Push:
        """What rows are pushed into."""
        # a program without state never waits for lookups
        return self._push_stateful if self.stateful else cast(Push, self.program.push)

    @property
    def way_out(self) -> Emit:
        """What an output is handed to: the only sink itself, or ``emit``."""
        return self._takes[0] if len(self._takes) == 1 else self.emit

    def begin(self) -> None:
        """The program's first deadline counts from now on; rows that waited when its state was saved ask again."""
        if self._timer is not None:
            self._rearm(self._timer)
        if self.pending is not None:
            self.pending.ask_again()

    @property
    def loose(self) -> Collection[str] | None:
        """Output columns whose whole numbers templates must see as floats; None means all."""
        return self.program.json_numbers

    @property
    def operator_names(self) -> list[str]:
        """The program's operators as the status calls them."""
        return self.operators.names(sum(1 + len(place.operators) for place in self.places))

    @property
    def congested(self) -> int:
        """1 while an outlet is full."""
        return 1 if self.crowd else 0

    # -- data

    def emit(self, out: Batch) -> None:
        """Hand an output to every sink and listener."""
        for take in self._takes:
            take(out)

    def take_share(self, out: Batch, positions: Sequence[int]) -> None:
        """Take some rows of an output that several rules share; messages that were made of it already are used again."""
        if len(self._takes) == 1:
            items = self.outlets[0].messages_of(out)
            if items is not None:
                self.outlets[0].take_made([items[k] for k in positions])
                return
        self.emit(share_of(out, positions))

    def send_error(self, text: str) -> None:
        """Deliver an error of the decoder to every sink (``sendError``)."""
        self.emit(Batch([], errors=[RowError(0, text, DECODER)]))  # the feed has counted it

    def report(self, errors: Sequence[RowError]) -> None:
        """Rows (or windows) that failed in the program: counted at their operator, sampled to the error log."""
        for error in errors:
            self._note(self.operators.known(error.stage, -1), error.text)

    def _note(self, kind: str, text: str, count: int = 1) -> None:
        now = self._facilities.flow.now
        self.operators.note(kind, now, text, count)
        self._facilities.errors.add(self.rule, now, kind, text)

    def measured(self, push_us: int, emit_us: int) -> None:
        """Times of one batch in microseconds."""
        self.operators.push_us = push_us
        for outlet in self.outlets:
            outlet.latency_us = emit_us

    # -- what feeds and outlets report

    def crowded(self, full: bool) -> None:
        """An outlet is full, or has room again: sources that can wait do so meanwhile."""
        was = self.congested
        self.crowd += 1 if full else -1
        if self.congested == was or self.dead:
            return
        for place in self.places:
            if full:
                place.feed.congested += 1
            else:
                place.feed.relieve()

    def source_ended(self) -> None:
        """A source gives no more."""
        if not self.dead and all(each.ended for each in self.places):
            self._keeper.run_finished(self)

    def failed(self, error: BaseException) -> None:
        """Stop this run because of an error."""
        if not self.dead:
            self._keeper.run_failed(self, error)

    # -- end

    def end(self) -> None:
        """Leave the feeds and forget the deadline; no data reaches this run any more."""
        if self.dead:
            return
        self.freeze()
        self.dead = True
        for place in self.places:
            if place in place.feed.places:
                place.feed.detach(place)
        if self._timer is not None:
            self._facilities.deadlines.arm(self._timer, None)

    def freeze(self) -> None:
        """Show the numbers of now from now on."""
        self.frozen = None
        self.frozen = tuple(self.nodes())

    async def answered(self, patience: float | None) -> None:
        """Wait until no row waits for a lookup; at most ``patience`` seconds."""
        if self.pending is not None:
            await self.pending.idle(patience)
            if self.frozen is not None:
                self.freeze()

    def let_go(self, *, release: bool) -> None:
        """Forget rows that wait for lookups, and the tables. ``release``: their deliveries count as acknowledged."""
        if self.pending is not None:
            self.pending.close(release=release)

    def retire(self) -> None:
        """As ``end`` for a run whose places on the feeds another run has taken."""
        self.dead = True
        if self._timer is not None:
            self._facilities.deadlines.arm(self._timer, None)

    # -- status

    def nodes(self) -> list[Node]:
        """Every node with its numbers: sources, operators of the feeds, of the rule and of the sinks, sinks."""
        if self.frozen is not None:
            return list(self.frozen)
        sources, operators, index = [], [], 0
        for place in self.places:
            source, *ops = place.feed.nodes(place, index + 1)
            sources.append(source)
            operators += ops
            index += 1 + len(ops)
        operators += self.operators.nodes(self.places, index)
        sinks = []
        for outlet in self.outlets:
            ops, sink = outlet.nodes()
            operators += ops
            sinks.append(sink)
        return [*sources, *operators, *sinks]

    def positioned(self) -> None:
        """A source of the rule has come to the end of a delivery that was given in parts."""
        if self.checkpoints is not None:
            self.checkpoints.positioned()

    def topology(self) -> dict[str, Any]:
        """The topology on the wire."""
        chains, index = [], 0
        for place in self.places:
            chain = [item.full_name for item in place.feed.nodes(place, index + 1)]
            chains.append(chain)
            index += len(chain)
        operators = [item.full_name for item in self.operators.nodes(self.places, index)]
        sinks: list[list[str]] = []
        for outlet in self.outlets:
            ops, sink = outlet.nodes()
            sinks.append([item.full_name for item in (*ops, sink)])
        if self._drawing is not None:
            streams = [place.feed.request.stream for place in self.places]
            return drawn_topology(self._drawing, dict(zip(streams, chains, strict=True)), sinks)
        return wire_topology(chains, operators, sinks)

    # -- inside

    def _push_stateful(self, stream: str, batch: Batch) -> Batch | None:
        pending = self.pending
        if pending is not None and pending.refuses(stream):
            kind, count = self.operators.known(pending.place, 0), len(batch.rows)
            self._note(kind, f"buffer full, drop {count} messages in front of {kind}", count)
            return None
        made = self.program.push(stream, batch)
        out = at_once(made) if pending is None else pending.settle(made)
        self.rearm()
        if self.checkpoints is not None:
            self.checkpoints.absorbed(self._facilities.flow.receipt, len(batch.rows))
        return out

    def rearm(self) -> None:
        """The program's next deadline may be another."""
        timer = self._timer
        if timer is not None and self.program.next_deadline() != timer.due:
            self._rearm(timer)

    def _rearm(self, timer: Timer) -> None:
        if not self.dead:
            self._facilities.deadlines.arm(timer, self.program.next_deadline())

    def _advance(self, now: int) -> None:
        flow = self._facilities.flow
        flow.lossy, flow.receipt, flow.now = True, None, now
        try:
            made = self.program.advance(now)
            out = at_once(made) if self.pending is None else self.pending.settle(made)
            if out is not None:
                if out.errors:
                    self.report(out.errors)
                self.emit(out)
            if self._timer is not None:
                self._rearm(self._timer)
        except Exception as error:  # supervisor: a defect in one rule stops that rule, nothing else
            self.failed(error)


def _take_part(end: int, take: Emit, out: Batch) -> None:
    """Hand an output, or the part of it that leaves at one end, to a sink."""
    part = out if out.parts is None else out.parts[end]
    if part is not None:
        take(part)


def _show(listeners: Sequence[Tap], errors: bool, out: Batch) -> None:
    """Hand an output to listeners: a dict per row, a list of dicts per window."""
    if out.parts is not None:
        for part in out.parts:
            if part is not None:
                _show(listeners, errors, part)
        return
    rows: list[Any] = out.dicts()
    if out.sizes is not None:
        ends = list(accumulate(out.sizes))
        rows = [rows[end - size : end] for end, size in zip(ends, out.sizes, strict=True)]
    elif errors and out.errors:
        rows = list(rows)
        for error in reversed(out.errors):
            rows.insert(error.at, {"error": error.text})
    for listener in listeners:
        listener(rows)
