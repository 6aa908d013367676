"""Rules over windows that keep their rows: every window, joins, analytic functions, aggregates of every kind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from plutino.errors import EvaluationError
from plutino.execution.counts import by_operator
from plutino.execution.entry import Entry, Span, pack_entry, unpack_entry
from plutino.execution.failures import StageError
from plutino.execution.finishing import FinishCode, Pair, finish
from plutino.execution.grouping import AggregatesCode, GroupingCode, Results, group
from plutino.execution.joining import JoinCode, Row, join_all
from plutino.execution.lookups import Held, LookupCode, Message, Waiting
from plutino.execution.memory import Memory, RuleClock
from plutino.execution.ordering import EventOrder
from plutino.execution.output import Output
from plutino.execution.windows import Fired, WindowOperator
from plutino.model import Batch, to_dict
from plutino.spi import InputNeed, LookupAnswer, Suspended


class SourceCode(Struct, frozen=True):
    """How rows of one source come in.

    ``take(row, meta, whole, time, memories)`` gives the values of the analytic calls, or None for a row that does not pass. A ``table``
    keeps its last ``retain`` rows and never fires a window. A ``lookup`` table is not read, but asked.
    """

    stream: str
    need: InputNeed
    take: Callable[..., tuple[Any, ...] | None]
    table: bool = False
    retain: int = 0
    lookup: bool = False


class BufferedCode(Struct, frozen=True):
    """A compiled rule over kept rows. ``empty`` is an entry without columns per source.

    - ``window`` makes the operator (None: each stream row is joined with the tables by itself)
    - ``where``: the condition behind window and joins, with aggregates of its own; ``early``: the part of it that is asked before the
      lookups
    - ``shape`` is equal for two versions whose state is compatible
    """

    sources: tuple[SourceCode, ...]
    window: Callable[[Sequence[Any]], WindowOperator] | None
    joins: tuple[JoinCode, ...]
    where: Callable[..., bool] | None
    where_aggregates: AggregatesCode | None
    grouping: GroupingCode | None
    finish: FinishCode
    memories: tuple[Callable[[], Memory], ...]
    empty: Row
    operators: tuple[str, ...]
    event_time: bool
    late_tolerance: int
    idle_timeout: int
    shape: str
    json_numbers: frozenset[str] | None = frozenset()
    always_fires: bool = False
    """Tumbling and hopping windows without joins and without a condition behind them give out empty windows too."""
    lookups: tuple[LookupCode, ...] = ()
    early: Callable[..., bool] | None = None


class BufferedProgram:
    """A rule whose windows hold rows. With lookup tables it is cut at the lookups: what fires waits there for answers (``Suspending``)."""

    __slots__ = ("_clock", "_code", "_counts", "_memories", "_numbers", "_orders", "_tables", "_waiting", "_window")

    def __init__(self, code: BufferedCode) -> None:
        self._code = code
        self._memories: list[Any] = [make() for make in code.memories]
        self._window = None if code.window is None else code.window(self._memories)
        self._numbers: dict[str, list[int]] = {}
        """Which sources a stream is: several, where it is joined with itself."""
        for i, source in enumerate(code.sources):
            if not source.lookup:
                self._numbers.setdefault(source.stream, []).append(i)
        self._tables: dict[int, deque[Entry]] = {i: deque(maxlen=s.retain) for i, s in enumerate(code.sources) if s.table}
        streams = [i for i, source in enumerate(code.sources) if not (source.table or source.lookup)]
        self._orders = EventOrder(code.late_tolerance, streams, code.idle_timeout) if code.event_time else None
        self._waiting = Waiting(code.lookups, self._memories)
        self._counts = [0, 0, 0, 0, 0]

    @property
    def inputs(self) -> Mapping[str, InputNeed]:
        return {source.stream: source.need for source in self._code.sources if not source.lookup}

    @property
    def json_numbers(self) -> frozenset[str] | None:
        return self._code.json_numbers

    @property
    def operators(self) -> Sequence[str]:
        return self._code.operators

    @property
    def counters(self) -> Sequence[list[int]]:
        """Per operator: in front of the window rows are counted, behind it windows."""
        arrived, passed, failed, fired, lost = self._counts
        lookups = {code.table: count for code, count in zip(self._code.lookups, self._waiting.counts, strict=True)}
        before, window, behind = [arrived, passed, failed], [passed, fired, 0], [fired, fired - lost, lost]
        windowless = self._window is None
        return by_operator(self._code.operators, before, window, behind, lookups=lookups, windowless=windowless, order=self._orders)

    def start(self, now: int) -> None:
        clock = self._memories[0]
        assert isinstance(clock, RuleClock)
        if not clock.started:
            clock.started = now
            if self._window is not None and self._orders is None:
                self._window.start(now)
        if self._orders is not None:
            self._orders.begin(now)

    def push(self, stream: str, batch: Batch) -> Batch | Suspended | None:
        output = self._room()
        for error in batch.errors or ():
            output.fail(StageError(error.stage, error.text))
        numbers = self._numbers[stream]
        entries = self._entries(batch, numbers[0])
        if len(numbers) > 1:
            entries = [entry for row in zip(*(self._entries(batch, number) for number in numbers), strict=True) for entry in row]
        if self._code.sources[numbers[0]].table:
            for entry in entries:
                self._tables[entry.source].append(entry)
        elif self._orders is None:
            if self._window is not None:
                self._give(self._window.advance(batch.arrival), output)
            for entry in entries:
                self._take(entry, output)
        else:
            # row by row: what a window holds does not depend on how rows come together
            self._elapse(self._orders, batch.arrival, output)
            for entry in entries:
                self._let_in(self._orders, self._orders.take(entry.source, (entry,), batch.arrival), output)
        return self._leave(output, batch.arrival)

    def _elapse(self, orders: EventOrder, now: int, output: Output | Held) -> None:
        """Take the rows that are waited with no longer, and give out what ends with them."""
        released = orders.elapse(now)
        if released is not None:
            self._let_in(orders, released, output)

    def _let_in(self, orders: EventOrder, released: Sequence[Entry], output: Output | Held) -> None:
        """Take what the watermark has released, and give out what it ends."""
        for entry in released:
            self._take(entry, output)
        if orders.watermark is not None and self._window is not None:
            self._give(self._window.advance(orders.watermark), output)

    def _room(self) -> Output | Held:
        """What a call makes: output, or with lookups messages that wait."""
        return Held() if self._code.lookups else Output()

    def _leave(self, output: Output | Held, arrival: int) -> Batch | Suspended | None:
        if isinstance(output, Output):
            return output.batch(arrival)
        if not output.items:
            return None
        held = self._waiting.add(output.items, arrival)
        calls = self._waiting.calls(held)
        if calls or self._waiting.oldest != held.token:
            return Suspended(held.token, calls)
        return self._released()

    def _entries(self, batch: Batch, number: int) -> list[Entry]:
        need, times = self._code.sources[number].need, batch.times
        return [
            Entry(
                row,
                batch.arrival if times is None else times[i],
                batch.meta_of(i) if need.meta else {},
                batch.record(i) if need.whole else None,
                (),
                number,
            )
            for i, row in enumerate(batch.rows)
        ]

    def _take(self, entry: Entry, output: Output | Held) -> None:
        """Filter a row, compute its analytic values, and put it into the window."""
        self._counts[0] += 1
        try:
            values = self._code.sources[entry.source].take(entry.row, entry.meta, entry.whole, entry.time, self._memories)
            if values is None:
                return
            entry.values = values
            fired = [Fired([entry], entry.time, entry.time, entry.time)] if self._window is None else self._window.add(entry)
        except StageError as error:
            self._counts[2] += 1
            output.fail(error)
            return
        self._counts[1] += 1
        self._give(fired, output)

    def _give(self, fired: Sequence[Fired], output: Output | Held) -> None:
        for window in fired:
            self._counts[3] += 1
            try:
                self._give_one(window, output)
            except StageError as error:
                self._counts[4] += 1
                output.fail(error)

    def _give_one(self, window: Fired, output: Output | Held) -> None:
        code, span = self._code, (window.start, window.end, window.trigger)
        rows: Sequence[Any] = window.entries
        if code.joins or code.lookups:
            rows = self._joined(window)
        if isinstance(output, Output):
            self._finish(rows, span, output)
            return
        rows = self._passing(code.early, (), rows, span)
        if rows:
            output.items.append(Message(list(rows), span))

    def _finish(self, rows: Sequence[Any], span: Span, output: Output) -> None:
        """From the joined rows of a message to what is sent of it."""
        code = self._code
        rows = self._where(rows, span)
        if not rows and not code.always_fires:
            return
        out = finish(code.finish, self._pairs(rows, span), span, self._memories)
        if out is None or (not out and code.grouping is not None and code.grouping.keys is not None):
            return
        if code.window is None and code.finish.spread:
            output.rows.extend(out)
            output.sizes.extend([1] * len(out))
        else:
            output.rows.extend(out)
            output.sizes.append(len(out))

    def _joined(self, window: Fired) -> list[Row]:
        if not self._code.joins:  # one stream, and tables that are asked afterwards
            others = self._code.empty[1:]
            return [(entry, *others) for entry in window.entries]
        sources: list[Sequence[Entry]] = [
            self._tables[i] if source.table else [e for e in window.entries if e.source == i] for i, source in enumerate(self._code.sources)
        ]
        return join_all(sources, self._code.empty, self._code.joins, self._memories)

    def _where(self, rows: Sequence[Any], span: Span) -> Sequence[Any]:
        code = self._code
        aggregates = () if code.where_aggregates is None else Results(code.where_aggregates, rows, span, self._memories)
        return self._passing(code.where, aggregates, rows, span)

    def _passing(self, condition: Callable[..., bool] | None, aggregates: Any, rows: Sequence[Any], span: Span) -> Sequence[Any]:
        if condition is None:
            return rows
        try:
            return [row for row in rows if condition(row, aggregates, span, (), self._memories)]
        except EvaluationError as error:
            raise error if isinstance(error, StageError) else StageError("filter", f"run Where error: {error}") from error

    def _pairs(self, rows: Sequence[Any], span: Span) -> Sequence[Pair]:
        grouping = self._code.grouping
        if grouping is None:
            return [(row, ()) for row in rows]
        empty: Any = self._code.empty if self._code.joins or self._code.lookups else self._code.empty[0]
        return group(grouping, rows, empty, span, self._memories)

    def advance(self, now: int) -> Batch | Suspended | None:
        output = self._room()
        if self._orders is not None:
            self._elapse(self._orders, now, output)
        elif self._window is not None:
            self._give(self._window.advance(now), output)
        return self._leave(output, now)

    def scanned(self) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        if not self._tables:
            return None
        kept = [(stream, self._tables[numbers[0]]) for stream, numbers in self._numbers.items() if numbers[0] in self._tables]
        return [(stream, entry.whole or to_dict(entry.row)) for stream, table in kept for entry in table]

    @property
    def tables(self) -> Sequence[str]:
        return tuple(code.table for code in self._code.lookups)

    @property
    def oldest(self) -> int | None:
        return self._waiting.oldest

    @property
    def waiting(self) -> int:
        return self._waiting.rows

    def resume(self, token: int, answers: Sequence[Sequence[LookupAnswer]]) -> Batch | Suspended | None:
        held = self._waiting.find(token)
        self._waiting.take(held, answers[0])
        calls = self._waiting.calls(held)
        return Suspended(token, calls) if calls else self._released()

    def suspended(self) -> Sequence[Suspended]:
        found = [Suspended(held.token, self._waiting.calls(held)) for held in self._waiting.unanswered()]
        return [each for each in found if each.calls]

    def _released(self) -> Batch | None:
        """The output of everything that is answered and waits for nobody."""
        output, arrival = Output(), 0
        for each in self._waiting.leaving():
            arrival = each.arrival
            for item in each.items:
                if isinstance(item, StageError):
                    output.fail(item)
                    continue
                try:
                    self._finish(item.rows, item.span, output)
                except StageError as error:
                    self._counts[4] += 1
                    output.fail(error)
        return output.batch(arrival)

    def next_deadline(self) -> int | None:
        due = None if self._window is None else self._window.deadline()
        return due if self._orders is None else self._orders.deadline(due)

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(
            (
                [memory.snapshot() for memory in self._memories],
                None if self._window is None else self._window.snapshot(),
                {str(i): [pack_entry(e) for e in table] for i, table in self._tables.items()},
                None if self._orders is None else self._orders.snapshot(),
                self._waiting.snapshot() if self._code.lookups else None,
            )
        )

    def restore(self, state: bytes) -> None:
        if not state:
            return
        memories, window, tables, orders, waiting = msgspec.msgpack.decode(state)
        for memory, kept in zip(self._memories, memories, strict=True):
            memory.restore(kept)
        if self._window is not None:
            self._window.restore(window)
        for i, rows in tables.items():
            self._tables[int(i)].extend(unpack_entry(row) for row in rows)
        if self._orders is not None:
            self._orders.restore(orders)
        if self._code.lookups:
            self._waiting.restore(waiting)
