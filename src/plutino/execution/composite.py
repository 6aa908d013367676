"""Rules made of several queries: one program around theirs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from plutino.execution.portions import portion
from plutino.execution.tokens import Gathering, Resumed, Tokens
from plutino.model import Batch, RowError
from plutino.spi import Capturing, InputNeed, LookupAnswer, Program, Scanning
from plutino.spi.suspension import Suspended


class Part(Struct, frozen=True):
    """One query of a composite: ``guarded`` names the streams whose batches may keep their promise for it."""

    make: Callable[[], Program]
    guarded: frozenset[str]


class Member(Struct, frozen=True):
    """The program of a part, with its number in the composite."""

    number: int
    program: Program
    guarded: frozenset[str]

    def push(self, stream: str, batch: Batch, errors: list[RowError] | None, found: Gathering) -> Batch | None:
        """Give it a batch of a stream, with these errors for its own; what leaves now."""
        return found.take(self.number, self.program.push(stream, portion(batch, stream in self.guarded, errors)))

    def advance(self, now: int, found: Gathering) -> Batch | None:
        """Tell it the time (epoch ms); what leaves now."""
        return found.take(self.number, self.program.advance(now))


class Wiring(Protocol):
    """Which rows go where inside of a composite. What a program holds back is noted in ``found``; the results leave now."""

    @property
    def last(self) -> Sequence[Member]:
        """The programs whose rows leave the composite."""
        ...

    def operator(self, number: int, name: str) -> str:
        """What the operator ``name`` of program ``number`` is called in the composite."""
        ...

    def push(self, stream: str, batch: Batch, found: Gathering) -> Batch | None:
        """As ``Program.push``."""
        ...

    def advance(self, now: int, found: Gathering) -> Batch | None:
        """As ``Program.advance``."""
        ...

    def resume(self, resumed: Resumed, found: Gathering) -> Batch | None:
        """What programs gave that have got answers goes on."""
        ...


class CompositeProgram:
    """Several programs that count, wait and are kept as one; ``wiring`` says how rows pass through them."""

    __slots__ = ("_inputs", "_programs", "_tokens", "_wiring")

    def __init__(self, parts: Sequence[Part], inputs: Mapping[str, InputNeed], wiring: Callable[[Sequence[Member]], Wiring]) -> None:
        self._programs = [part.make() for part in parts]
        self._tokens = Tokens(self._programs)
        self._inputs = inputs
        self._wiring = wiring(
            [Member(number, program, part.guarded) for number, (part, program) in enumerate(zip(parts, self._programs, strict=True))]
        )

    @property
    def inputs(self) -> Mapping[str, InputNeed]:
        return self._inputs

    @property
    def json_numbers(self) -> Collection[str] | None:
        """What one program passes on as JSON had it, another one may; templates see floats in either case."""
        found: set[str] = set()
        for member in self._wiring.last:
            numbers = member.program.json_numbers
            if numbers is None:
                return None
            found.update(numbers)
        return found

    @property
    def operators(self) -> Sequence[str]:
        return [self._wiring.operator(number, name) for number, program in enumerate(self._programs) for name in program.operators]

    @property
    def counters(self) -> Sequence[list[int]]:
        return [counter for program in self._programs for counter in program.counters]

    def start(self, now: int) -> None:
        for program in self._programs:
            program.start(now)

    def push(self, stream: str, batch: Batch) -> Batch | Suspended | None:
        found = Gathering(self._tokens)
        return found.result(self._wiring.push(stream, batch, found), pushed=True)

    def advance(self, now: int) -> Batch | Suspended | None:
        found = Gathering(self._tokens)
        return found.result(self._wiring.advance(now, found), pushed=True)

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
        return found.result(self._wiring.resume(self._tokens.resumed(token, answers), found), pushed=False)

    def suspended(self) -> Sequence[Suspended]:
        return self._tokens.suspended()

    def next_deadline(self) -> int | None:
        return min((d for program in self._programs if (d := program.next_deadline()) is not None), default=None)

    def scanned(self) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        found = [program.scanned() for program in self._programs if isinstance(program, Scanning)]
        kept = [rows for rows in found if rows is not None]
        return [row for rows in kept for row in rows] if kept else None

    def snapshot(self) -> bytes:
        return self.capture()()

    def capture(self) -> Callable[[], bytes]:
        """What encodes the state as it is now (``spi.Capturing``)."""
        parts = [p.capture() if isinstance(p, Capturing) else partial(bytes, p.snapshot()) for p in self._programs]
        tokens = msgspec.Raw(msgspec.msgpack.encode(self._tokens.snapshot()))
        return partial(_encoded, parts, tokens, bool(self._tokens.tables))

    def restore(self, state: bytes) -> None:
        if state:
            programs, tokens = msgspec.msgpack.decode(state)
            for program, kept in zip(self._programs, programs, strict=True):
                program.restore(kept)
            self._tokens.restore(tokens)


def _encoded(parts: Sequence[Callable[[], bytes]], tokens: msgspec.Raw, waits: bool) -> bytes:
    """The state of several programs; ``waits``: also where none of them has any."""
    states = [make() for make in parts]
    return msgspec.msgpack.encode([states, tokens]) if any(states) or waits else b""
