"""Rules made of several queries: UNION ALL, and queries in FROM."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from plutino.execution.kernels import loose
from plutino.model import Batch, RowError, row_type
from plutino.model.row import from_dicts
from plutino.spi import InputNeed, Program, Scanning
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
    agreed = {name: kind for name, kind in kinds.items() if a.kinds.get(name, kind) == kind and b.kinds.get(name, kind) == kind}
    columns = tuple(dict.fromkeys((*a.columns, *b.columns)))
    return InputNeed(columns, a.whole or b.whole, a.meta or b.meta, a.times or b.times, agreed)


def keeps_promise(need: InputNeed, merged: InputNeed) -> bool:
    """Whether a batch that keeps the merged assumptions keeps those of one program."""
    return all(merged.kinds.get(name) == kind for name, kind in need.kinds.items())


class Part(Struct, frozen=True):
    """One query of a composite: ``guarded`` names the streams whose batches may keep their promise for it."""

    make: Callable[[], Program]
    guarded: frozenset[str]


class UnionProgram:
    """The outputs of several programs, in the order of the statement."""

    __slots__ = ("_inputs", "_parts", "_programs")

    def __init__(self, parts: Sequence[Part], inputs: Mapping[str, InputNeed]) -> None:
        self._parts = parts
        self._programs = [part.make() for part in parts]
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

    def push(self, stream: str, batch: Batch) -> Batch | None:
        """Decoding errors of the batch are given out once."""
        outputs: list[Batch | None] = []
        errors = batch.errors
        for part, program in zip(self._parts, self._programs, strict=True):
            if stream in program.inputs:
                outputs.append(pushed(program, stream, _portion(batch, stream in part.guarded, errors)))
                errors = None
        return joined(outputs, batch.arrival)

    def advance(self, now: int) -> Batch | None:
        return joined([at_once(program.advance(now)) for program in self._programs], now)

    def next_deadline(self) -> int | None:
        return min((d for program in self._programs if (d := program.next_deadline()) is not None), default=None)

    def scanned(self) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        return all_scanned(self._programs)

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode([program.snapshot() for program in self._programs])

    def restore(self, state: bytes) -> None:
        if state:
            for program, kept in zip(self._programs, msgspec.msgpack.decode(state), strict=True):
                program.restore(kept)


class ChainProgram:
    """A program that reads the outputs of others: queries in FROM, by the names they have there."""

    __slots__ = ("_inner", "_inputs", "_outer", "_outer_guarded", "_parts")

    def __init__(self, inner: Mapping[str, Part], outer: Part, inputs: Mapping[str, InputNeed]) -> None:
        self._parts = inner
        self._inner = {name: part.make() for name, part in inner.items()}
        self._outer = outer.make()
        self._outer_guarded = outer.guarded
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

    def push(self, stream: str, batch: Batch) -> Batch | None:
        outputs: list[Batch | None] = []
        errors = batch.errors
        for name, program in self._inner.items():
            if stream in program.inputs:
                made = pushed(program, stream, _portion(batch, stream in self._parts[name].guarded, errors))
                outputs += self._into_outer(name, made)
                errors = None
        if stream in self._outer.inputs:
            outputs.append(pushed(self._outer, stream, _portion(batch, stream in self._outer_guarded, errors)))
        return joined(outputs, batch.arrival)

    def advance(self, now: int) -> Batch | None:
        outputs: list[Batch | None] = []
        for name, program in self._inner.items():
            outputs += self._into_outer(name, at_once(program.advance(now)))
        outputs.append(at_once(self._outer.advance(now)))
        return joined(outputs, now)

    def _into_outer(self, name: str, made: Batch | None) -> list[Batch | None]:
        """The outer program's output for rows of an inner one; every row of a window counts by itself."""
        if made is None:
            return []
        numbers = self._inner[name].json_numbers
        records = [_settled(record, numbers) for record in made.dicts()]
        failed: list[Batch | None] = [Batch([], arrival=made.arrival, errors=made.errors)] if made.errors else []
        if not records:
            return failed
        need = self._outer.inputs[name]
        rows = from_dicts(row_type(need.columns), records)
        return [*failed, pushed(self._outer, name, Batch(rows, records=records, arrival=made.arrival))]

    def next_deadline(self) -> int | None:
        programs = (*self._inner.values(), self._outer)
        return min((d for program in programs if (d := program.next_deadline()) is not None), default=None)

    def scanned(self) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        return all_scanned((*self._inner.values(), self._outer))

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode([[p.snapshot() for p in self._inner.values()], self._outer.snapshot()])

    def restore(self, state: bytes) -> None:
        if not state:
            return
        inner, outer = msgspec.msgpack.decode(state)
        for program, kept in zip(self._inner.values(), inner, strict=True):
            program.restore(kept)
        self._outer.restore(outer)


def _settled(record: dict[str, object], numbers: Collection[str] | None) -> dict[str, object]:
    """A row with the dialect's kinds of numbers, where it still holds those of schemaless JSON."""
    if numbers is None:
        return {name: loose(value) for name, value in record.items()}
    return {**record, **{name: loose(record[name]) for name in numbers if name in record}} if numbers else record


def _portion(batch: Batch, guarded: bool, errors: list[RowError] | None) -> Batch:
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


def pushed(program: Program, stream: str, batch: Batch) -> Batch | None:
    """What a program gives at once."""
    return at_once(program.push(stream, batch))


def at_once(output: Batch | Suspended | None) -> Batch | None:
    """An output of a program that never waits; the planner refuses lookups inside composites."""
    assert not isinstance(output, Suspended)
    return output


def joined(outputs: Sequence[Batch | None], arrival: int) -> Batch | None:
    """Several outputs as one, message by message."""
    made = [output for output in outputs if output is not None]
    if len(made) < 2:
        return made[0] if made else None
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
