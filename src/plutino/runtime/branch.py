"""One decode of a feed and the rules that share it."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any, Protocol

from plutino.model import Batch, RowError, row_type
from plutino.model.row import from_dicts
from plutino.runtime.facilities import Facilities
from plutino.runtime.guards import Call, pick
from plutino.runtime.index import PredicateIndex
from plutino.runtime.intake import InnerPayload, Pipe
from plutino.runtime.reader import Reader
from plutino.runtime.validation import EventTimes, StrictCheck
from plutino.spi import DecodePlan, Decoder, Delivery, FeedRequest, common_kind


class Upstream(Protocol):
    """The feed behind a branch."""

    request: FeedRequest
    pipe: Pipe
    facilities: Facilities
    latency_us: int

    def decoder(self, plan: DecodePlan) -> Decoder:
        """What turns payloads into rows."""
        ...

    def report(self, errors: Sequence[RowError], delivery: Delivery) -> None:
        """Payloads that did not decode."""
        ...


class Branch:
    """Decodes deliveries with the union of what its rules need, and pushes the rows to them.

    The rules of a feed share one branch. They get branches of their own where one rule's columns must not spoil another's rows: with
    STRICT_VALIDATION, for event times, and when a declared type did not hold in a batch that several column sets share.
    """

    __slots__ = (
        "_apart",
        "_check",
        "_feed",
        "_index",
        "_inner",
        "_made",
        "_plan",
        "_rows",
        "_stream",
        "_times",
        "_unguarded",
        "_wants_meta",
        "places",
    )

    def __init__(self, feed: Upstream, places: Sequence[Reader]) -> None:
        self.places = tuple(places)
        self._feed = feed
        self._stream = feed.request.stream
        request, needs = feed.request, [place.need for place in places]
        columns = tuple(dict.fromkeys(name for need in needs for name in need.columns))
        whole = any(need.whole for need in needs)
        self._wants_meta = any(need.meta for need in needs)
        timed = any(need.times for need in needs)
        strict = request.strict and bool(request.schema)
        if strict and whole:
            columns = tuple(dict.fromkeys((*columns, *request.schema.names)))
        if timed and request.timestamp and request.timestamp not in columns:
            columns = (*columns, request.timestamp)
        kinds, self._unguarded = _kinds(needs)
        inner = feed.pipe.options.payload_format
        self._inner = InnerPayload(feed.pipe.options, feed.facilities.registry, request.properties) if inner else None
        self._rows = row_type(columns)
        self._plan = DecodePlan((), whole=True) if inner else DecodePlan(columns, whole, kinds, request.schema)
        self._made: Decoder | None = None
        self._check = StrictCheck(request.schema, columns, whole, request.timestamp_format) if strict else None
        self._times = EventTimes(request.timestamp, request.timestamp_format) if timed and request.timestamp else None
        self._index = PredicateIndex((place.push, place.emit, place) for place in places)
        self._apart: tuple[Branch, ...] | None = None
        if not request.schema or self._check is not None or len({frozenset(need.columns) for need in needs}) < 2:
            self._apart = ()

    def run(self, delivery: Delivery, now: int, measured: bool) -> tuple[int, int]:
        """Decode and push; the result is how many rows and how many errors came out of the decoder."""
        started = perf_counter_ns() if measured else 0
        batch = self._decode(delivery)
        batch.arrival = now
        if batch.errors and self._apart != ():
            return self._run_apart(delivery, now)
        counts = len(batch.rows), len(batch.errors) if batch.errors else 0
        if self._inner is not None:
            batch = self._unpack(batch, self._inner)
        if self._check is not None:
            batch = self._check.apply(batch)
        if self._times is not None:
            batch = self._times.apply(batch)
        if measured:
            self._feed.latency_us = (perf_counter_ns() - started) // 1000
        if batch.errors:
            self._push_around_errors(batch, delivery)
        elif batch.rows:
            if measured:
                self._push_measured(batch)
            else:
                self._push(batch)
        return counts

    def _push(self, batch: Batch) -> None:
        stream = self._stream
        for calls, rows, shares in self._index.select(batch):
            if shares is not None:
                self._hand_out(calls, rows, shares)
                continue
            for push, emit, place in calls:
                try:
                    out = push(stream, rows)
                    if out is not None:
                        if out.errors:
                            place.run.report(out.errors)
                        emit(out)
                except Exception as error:  # supervisor: a defect in one rule stops that rule, nothing else
                    place.run.failed(error)

    def _hand_out(self, calls: Sequence[Call], out: Batch, shares: Sequence[Sequence[int] | None]) -> None:
        """Give rules their shares of an output that was made for all of them."""
        count = len(out)
        for (_, emit, place), share in zip(calls, shares, strict=True):
            try:
                if share is None:
                    place.credited += count
                    emit(out)
                elif share:
                    place.credited += len(share)
                    place.run.take_share(out, share)
            except Exception as error:  # supervisor, as above
                place.run.failed(error)

    def _push_measured(self, batch: Batch) -> None:
        """As ``_push``, with the time of each rule taken (only now and then: it costs as much as a small rule)."""
        stream = self._stream
        for calls, rows, shares in self._index.select(batch):
            started = perf_counter_ns()
            if shares is not None:
                self._hand_out(calls, rows, shares)
                spent = (perf_counter_ns() - started) // 1000 // len(calls)
                for _, _, place in calls:
                    place.run.measured(0, spent)
                continue
            for push, emit, place in calls:
                started = perf_counter_ns()
                try:
                    out = push(stream, rows)
                    pushed = perf_counter_ns()
                    if out is not None:
                        if out.errors:
                            place.run.report(out.errors)
                        emit(out)
                except Exception as error:  # supervisor, as above
                    place.run.failed(error)
                else:
                    place.run.measured((pushed - started) // 1000, (perf_counter_ns() - pushed) // 1000)

    def _push_around_errors(self, batch: Batch, delivery: Delivery) -> None:
        """Rows and errors in order: rules with ``sendError`` get both, the others the rows alone."""
        errors, batch.errors = batch.errors or [], None
        self._feed.report(errors, delivery)
        loud: list[Call] = []
        quiet: list[Call] = []
        for call in self._index.all:
            (loud if call[2].run.sends_errors else quiet).append(call)
        if batch.rows:
            self._push_all(quiet, batch)
        if not loud:
            return
        start = 0
        for error in errors:
            self._push_range(loud, batch, start, error.at)
            start = error.at
            for _, _, place in loud:
                try:
                    place.run.send_error(error.text)
                except Exception as defect:  # supervisor, as above
                    place.run.failed(defect)
        self._push_range(loud, batch, start, len(batch.rows))

    def _push_range(self, calls: Sequence[Call], batch: Batch, start: int, end: int) -> None:
        if start < end:
            self._push_all(calls, batch if end - start == len(batch.rows) else pick(batch, range(start, end)))

    def _push_all(self, calls: Sequence[Call], batch: Batch) -> None:
        for push, emit, place in calls:
            try:
                out = push(self._stream, batch)
                if out is not None:
                    if out.errors:
                        place.run.report(out.errors)
                    emit(out)
            except Exception as error:  # supervisor, as above
                place.run.failed(error)

    def _run_apart(self, delivery: Delivery, now: int) -> tuple[int, int]:
        """A declared type did not hold: each column set decodes for itself, as a bad value spoils only the rules that read it."""
        if self._apart is None:
            groups: dict[frozenset[str], list[Reader]] = {}
            for place in self.places:
                groups.setdefault(frozenset(place.need.columns), []).append(place)
            self._apart = tuple(Branch(self._feed, group) for group in groups.values())
        counts = [branch.run(delivery, now, False) for branch in self._apart]
        return max(counts, key=lambda pair: pair[0])

    def _decode(self, delivery: Delivery) -> Batch:
        if delivery.rows is not None:
            batch = Batch(from_dicts(self._rows, delivery.rows), records=delivery.rows)
        else:
            decoder = self._made
            if decoder is None:
                # a source of rows never gets here, and may have a format that nobody knows
                decoder = self._made = self._feed.decoder(self._plan)
            if delivery.lines is not None:
                batch = decoder.decode_lines(delivery.lines)
            elif self._wants_meta and isinstance(delivery.meta, list):
                return self._decode_with_meta(decoder, delivery.payloads or (), delivery.meta)
            else:
                batch = decoder.decode(delivery.payloads or ())
        if self._wants_meta:
            batch.meta = delivery.meta
        if self._unguarded:
            batch.guarded = False
        return batch

    def _decode_with_meta(self, decoder: Decoder, payloads: Sequence[bytes], meta: list[Any]) -> Batch:
        """Payloads with metadata of their own, which each row of a payload gets."""
        batch = decoder.decode(payloads)
        if batch.origins is not None:
            batch.meta = [meta[i] for i in batch.origins]
        else:
            batch.meta = meta if not batch.errors else _without_refused(meta, batch.errors)
        if self._unguarded:
            batch.guarded = False
        return batch

    def _unpack(self, batch: Batch, inner: InnerPayload) -> Batch:
        records, origins, errors = inner.records(batch)
        meta = batch.meta
        return Batch(
            from_dicts(self._rows, records),
            records=records,
            arrival=batch.arrival,
            meta=[meta[i] for i in origins] if isinstance(meta, list) else meta,
            errors=errors or None,
        )


def branches_of(feed: Upstream, places: Sequence[Reader]) -> list[Branch]:
    """How the rules of a feed share its decoding."""
    if not places:
        return []
    strict = feed.request.strict and bool(feed.request.schema)
    groups: dict[Any, list[Reader]] = {}
    for place in places:
        need = place.need
        groups.setdefault((frozenset(need.columns), need.whole, need.times) if strict else need.times, []).append(place)
    return [Branch(feed, group) for group in groups.values()]


def _kinds(needs: Sequence[Any]) -> tuple[dict[str, str], bool]:
    """The union of the types that the rules assume, and whether two rules contradict each other."""
    kinds: dict[str, str] = {}
    contradicts = False
    for need in needs:
        for column, kind in need.kinds.items():
            both = common_kind(kinds.get(column, kind), kind)
            contradicts = contradicts or both is None
            kinds[column] = both or kind
    return kinds, contradicts


def _without_refused(meta: Sequence[Any], errors: Sequence[RowError]) -> list[Any]:
    """Metadata of the payloads that became rows, where each payload gave one row or one error."""
    refused = {error.at + k for k, error in enumerate(errors)}
    return [own for i, own in enumerate(meta) if i not in refused]
