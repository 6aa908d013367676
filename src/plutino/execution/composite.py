"""Rules made of several queries: UNION ALL, and queries in FROM."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from plutino.execution.kernels import loose
from plutino.execution.tokens import Gathering, Tokens
from plutino.model import Batch, RowError, row_type
from plutino.model.row import from_dicts
from plutino.spi import InputNeed, LookupAnswer, Program, Scanning, common_kind
from plutino.spi.suspension import Suspended


def merged_needs(parts: Sequence[Mapping[str, InputNeed]]) -> dict[str, InputNeed]:
    """What several programs need of their streams together. Assumptions that they do not share are not made."""
    merged: dict[str, InputNeed] = {}
    for needs in parts:
        for stream, need in needs.items():
            known = merged.get(stream)
            merged[stream] = msgspec.structs.replace(need, guard=None, twin=None) if known is None else _both(known, need)
    return merged


def _both(a: InputNeed, b: InputNeed) -> InputNeed:
    kinds = {**a.kinds, **b.kinds}
    both = {name: common_kind(a.kinds.get(name, kind), b.kinds.get(name, kind)) for name, kind in kinds.items()}
    agreed = {name: kind for name, kind in both.items() if kind is not None}
    columns = tuple(dict.fromkeys((*a.columns, *b.columns)))
    return InputNeed(columns, a.whole or b.whole, a.meta or b.meta, a.times or b.times, agreed)


def keeps_promise(need: InputNeed, merged: InputNeed) -> bool:
    """Whether a batch that keeps the merged assumptions keeps those of one program."""
    return all(name in merged.kinds and common_kind(merged.kinds[name], kind) == merged.kinds[name] for name, kind in need.kinds.items())


class Part(Struct, frozen=True):
    """One query of a composite: ``guarded`` names the streams whose batches may keep their promise for it."""

    make: Callable[[], Program]
    guarded: frozenset[str]


class UnionProgram:
    """The outputs of several programs, in the order of the statement."""

    __slots__ = ("_inputs", "_parts", "_programs", "_tokens")

    def __init__(self, parts: Sequence[Part], inputs: Mapping[str, InputNeed]) -> None:
        self._parts = parts
        self._programs = [part.make() for part in parts]
        self._tokens = Tokens(self._programs)
        self._inputs = inputs

    @property
    def inputs(self) -> Mapping[str, InputNeed]:
        return self._inputs

    @property
    def json_numbers(self) -> Collection[str] | None:
        found: set[str] = set()
        for program in self._programs:
            if program.json_numbers is None:
                return None
            found.update(program.json_numbers)
        return found

    @property
    def operators(self) -> Sequence[str]:
        return [name for program in self._programs for name in program.operators]

    @property
    def counters(self) -> Sequence[list[int]]:
        return [counter for program in self._programs for counter in program.counters]

    def start(self, now: int) -> None:
        for program in self._programs:
            program.start(now)

    def push(self, stream: str, batch: Batch) -> Batch | Suspended | None:
        """Decoding errors of the batch are given out once."""
        found = Gathering(self._tokens)
        errors = batch.errors
        for number, (part, program) in enumerate(zip(self._parts, self._programs, strict=True)):
            if stream in program.inputs:
                made = program.push(stream, portion(batch, stream in part.guarded, errors))
                found.outputs.append(found.take(number, made))
                errors = None
        return found.result(joined(found.outputs, batch.arrival), pushed=True)

    def advance(self, now: int) -> Batch | Suspended | None:
        found = Gathering(self._tokens)
        found.outputs += [found.take(number, program.advance(now)) for number, program in enumerate(self._programs)]
        return found.result(joined(found.outputs, now), pushed=True)

    @property
    def tables(self) -> Sequence[str]:
        return self._tokens.tables

    @property
    def oldest(self) -> int | None:
        return self._tokens.oldest

    @property
    def waiting(self) -> int:
        return self._tokens.waiting

    def resume(self, token: int, answers: Sequence[Sequence[LookupAnswer]]) -> Batch | Suspended | None:
        found = Gathering(self._tokens, token)
        found.outputs += [found.take(number, out, others) for number, out, others in self._tokens.resumed(token, answers)]
        return found.result(joined(found.outputs, 0), pushed=False)

    def suspended(self) -> Sequence[Suspended]:
        return self._tokens.suspended()

    def next_deadline(self) -> int | None:
        return min((d for program in self._programs if (d := program.next_deadline()) is not None), default=None)

    def scanned(self) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        return all_scanned(self._programs)

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode([[program.snapshot() for program in self._programs], self._tokens.snapshot()])

    def restore(self, state: bytes) -> None:
        if state:
            programs, tokens = msgspec.msgpack.decode(state)
            for program, kept in zip(self._programs, programs, strict=True):
                program.restore(kept)
            self._tokens.restore(tokens)


class ChainProgram:
    """A program that reads the outputs of others: queries in FROM, by the names they have there."""

    __slots__ = ("_inner", "_inputs", "_last", "_names", "_now", "_outer", "_outer_guarded", "_parts", "_tokens")

    def __init__(self, inner: Mapping[str, Part], outer: Part, inputs: Mapping[str, InputNeed]) -> None:
        self._parts = inner
        self._inner = {name: part.make() for name, part in inner.items()}
        self._outer = outer.make()
        self._outer_guarded = outer.guarded
        self._names = list(inner)
        self._now = 0
        """The latest time seen: what waited for lookups in an inner program reaches the outer one then."""
        self._last = len(inner)
        """The number of the outer program; inner ones are numbered in order."""
        self._tokens = Tokens([*self._inner.values(), self._outer])
        self._inputs = inputs

    @property
    def inputs(self) -> Mapping[str, InputNeed]:
        return self._inputs

    @property
    def json_numbers(self) -> Collection[str] | None:
        return self._outer.json_numbers

    @property
    def operators(self) -> Sequence[str]:
        return [name for program in (*self._inner.values(), self._outer) for name in program.operators]

    @property
    def counters(self) -> Sequence[list[int]]:
        return [counter for program in (*self._inner.values(), self._outer) for counter in program.counters]

    def start(self, now: int) -> None:
        for program in (*self._inner.values(), self._outer):
            program.start(now)

    def push(self, stream: str, batch: Batch) -> Batch | Suspended | None:
        self._now = max(self._now, batch.arrival)
        found = Gathering(self._tokens)
        errors = batch.errors
        for number, (name, program) in enumerate(self._inner.items()):
            if stream in program.inputs:
                made = found.take(number, program.push(stream, portion(batch, stream in self._parts[name].guarded, errors)))
                self._into_outer(name, made, found)
                errors = None
        if stream in self._outer.inputs and stream not in self._inner:
            out = self._outer.push(stream, portion(batch, stream in self._outer_guarded, errors))
            found.outputs.append(found.take(self._last, out))
        return found.result(joined(found.outputs, batch.arrival), pushed=True)

    def advance(self, now: int) -> Batch | Suspended | None:
        self._now = max(self._now, now)
        found = Gathering(self._tokens)
        for number, (name, program) in enumerate(self._inner.items()):
            self._into_outer(name, found.take(number, program.advance(now)), found)
        found.outputs.append(found.take(self._last, self._outer.advance(now)))
        return found.result(joined(found.outputs, now), pushed=True)

    @property
    def tables(self) -> Sequence[str]:
        return self._tokens.tables

    @property
    def oldest(self) -> int | None:
        return self._tokens.oldest

    @property
    def waiting(self) -> int:
        return self._tokens.waiting

    def resume(self, token: int, answers: Sequence[Sequence[LookupAnswer]]) -> Batch | Suspended | None:
        found = Gathering(self._tokens, token)
        for number, out, others in self._tokens.resumed(token, answers):
            made = found.take(number, out, others)
            if number == self._last:
                found.outputs.append(made)
            else:
                self._into_outer(self._names[number], made, found, others)
        return found.result(joined(found.outputs, 0), pushed=False)

    def suspended(self) -> Sequence[Suspended]:
        return self._tokens.suspended()

    def _into_outer(self, name: str, made: Batch | None, found: Gathering, others: Collection[int] = ()) -> None:
        """Give the rows of an inner program to the outer one; every row of a window counts by itself."""
        if made is None:
            return
        numbers = self._inner[name].json_numbers
        records = [_settled(record, numbers) for record in made.dicts()]
        if made.errors:
            found.outputs.append(Batch([], arrival=made.arrival, errors=made.errors))
        if not records:
            return
        need = self._outer.inputs[name]
        rows = from_dicts(row_type(need.columns), records)
        out = self._outer.push(name, Batch(rows, records=records, arrival=max(made.arrival, self._now)))
        found.outputs.append(found.take(self._last, out, others))

    def next_deadline(self) -> int | None:
        programs = (*self._inner.values(), self._outer)
        return min((d for program in programs if (d := program.next_deadline()) is not None), default=None)

    def scanned(self) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        return all_scanned((*self._inner.values(), self._outer))

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode([[p.snapshot() for p in self._inner.values()], self._outer.snapshot(), self._tokens.snapshot()])

    def restore(self, state: bytes) -> None:
        if not state:
            return
        inner, outer, tokens = msgspec.msgpack.decode(state)
        for program, kept in zip(self._inner.values(), inner, strict=True):
            program.restore(kept)
        self._outer.restore(outer)
        self._tokens.restore(tokens)


def _settled(record: dict[str, object], numbers: Collection[str] | None) -> dict[str, object]:
    """A row with the dialect's kinds of numbers, where it still holds those of schemaless JSON."""
    if numbers is None:
        return {name: loose(value) for name, value in record.items()}
    return {**record, **{name: loose(record[name]) for name in numbers if name in record}} if numbers else record


def portion(batch: Batch, guarded: bool, errors: list[RowError] | None) -> Batch:
    """The batch for one of several readers."""
    if (guarded or not batch.guarded) and errors is batch.errors:
        return batch
    return Batch(
        batch.rows,
        payloads=batch.payloads,
        records=batch.records,
        whole=batch.whole,
        arrival=batch.arrival,
        times=batch.times,
        meta=batch.meta,
        guarded=batch.guarded and guarded,
        errors=errors,
    )


def all_scanned(programs: Collection[Program]) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
    """The rows of the scan tables of several programs, None when none has any."""
    found = [program.scanned() for program in programs if isinstance(program, Scanning)]
    kept = [rows for rows in found if rows is not None]
    return [row for rows in kept for row in rows] if kept else None


def joined(outputs: Sequence[Batch | None], arrival: int) -> Batch | None:
    """Several outputs as one, message by message."""
    made = [output for output in outputs if output is not None]
    if len(made) < 2:
        return made[0] if made else None
    if any(output.parts is not None for output in made):
        return _joined_parts(made, arrival)
    rows: list[object] = []
    sizes: list[int] = []
    errors: list[RowError] = []
    for output in made:
        errors += [RowError(len(rows) + e.at, e.text, e.stage) for e in output.errors or ()]
        part = output.dicts() if output.passthrough else output.rows
        sizes += output.sizes if output.sizes is not None else []
        rows += part
        if output.sizes is None:
            sizes += [1] * len(part)
    windowed = any(output.sizes is not None for output in made)
    return Batch(rows, arrival=arrival, sizes=sizes if windowed else None, errors=errors or None)


def _joined_parts(made: Sequence[Batch], arrival: int) -> Batch:
    """Outputs of a rule with several ends as one, end by end; errors from before the ways part belong to every end."""
    count = next(len(output.parts) for output in made if output.parts is not None)
    parts: list[list[Batch | None]] = [[] for _ in range(count)]
    for output in made:
        for end, part in zip(parts, output.parts if output.parts is not None else [output] * count, strict=True):
            end.append(part)
    out = Batch([], arrival=arrival, errors=[error for output in made for error in output.errors or ()] or None)
    out.parts = [joined(outputs, arrival) for outputs in parts]
    return out
