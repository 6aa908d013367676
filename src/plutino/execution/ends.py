"""Rules with several ends: each has a program, and sinks of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from plutino.execution.composite import Part, all_scanned, joined, portion
from plutino.execution.tokens import Gathering, Tokens
from plutino.model import Batch, RowError
from plutino.spi import InputNeed, LookupAnswer
from plutino.spi.suspension import Suspended


class EndsProgram:
    """Several programs over the same streams, whose outputs stay apart (``Batch.parts``).

    Operators and the stages of errors are named ``<end>/<kind>``.
    """

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
        """What one end passes on as JSON had it, another one may; templates see floats in either case."""
        found: set[str] = set()
        for program in self._programs:
            if program.json_numbers is None:
                return None
            found.update(program.json_numbers)
        return found

    @property
    def operators(self) -> Sequence[str]:
        return [_at(end, kind_of(name)) for end, program in enumerate(self._programs) for name in program.operators]

    @property
    def counters(self) -> Sequence[list[int]]:
        return [counter for program in self._programs for counter in program.counters]

    def start(self, now: int) -> None:
        for program in self._programs:
            program.start(now)

    def push(self, stream: str, batch: Batch) -> Batch | Suspended | None:
        found = Gathering(self._tokens)
        made: list[list[Batch | None]] = [[] for _ in self._programs]
        for end, (part, program) in enumerate(zip(self._parts, self._programs, strict=True)):
            if stream in program.inputs:
                out = program.push(stream, portion(batch, stream in part.guarded, batch.errors))
                made[end].append(found.take(end, out))
        return found.result(_together(made, batch.arrival), pushed=True)

    def advance(self, now: int) -> Batch | Suspended | None:
        found = Gathering(self._tokens)
        made: list[list[Batch | None]] = [[found.take(end, program.advance(now))] for end, program in enumerate(self._programs)]
        return found.result(_together(made, now), pushed=True)

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
        made: list[list[Batch | None]] = [[] for _ in self._programs]
        for end, out, others in self._tokens.resumed(token, answers):
            made[end].append(found.take(end, out, others))
        return found.result(_together(made, 0), pushed=False)

    def suspended(self) -> Sequence[Suspended]:
        return self._tokens.suspended()

    def next_deadline(self) -> int | None:
        return min((d for program in self._programs if (d := program.next_deadline()) is not None), default=None)

    def scanned(self) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        return all_scanned(self._programs)

    def snapshot(self) -> bytes:
        states = [program.snapshot() for program in self._programs]
        return msgspec.msgpack.encode([states, self._tokens.snapshot()]) if any(states) or self._tokens.tables else b""

    def restore(self, state: bytes) -> None:
        if state:
            programs, tokens = msgspec.msgpack.decode(state)
            for program, kept in zip(self._programs, programs, strict=True):
                program.restore(kept)
            self._tokens.restore(tokens)


def kind_of(operator: str) -> str:
    """The kind of an operator without its number (``3_filter``)."""
    number, _, kind = operator.partition("_")
    return kind if number.isdigit() and kind else operator


def _at(end: int, kind: str) -> str:
    return f"{end}/{kind}"


def _together(made: Sequence[Sequence[Batch | None]], arrival: int) -> Batch | None:
    """The outputs of all ends as one, None when nothing leaves."""
    parts = [joined(outputs, arrival) for outputs in made]
    if all(part is None for part in parts):
        return None
    errors = [
        RowError(error.at, error.text, _at(end, error.stage))
        for end, part in enumerate(parts)
        if part is not None
        for error in part.errors or ()
    ]
    out = Batch([], arrival=arrival, errors=errors or None)
    out.parts = parts
    return out
