"""Rows that wait for lookups in the parts of a composite, under tokens of the composite's own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeAlias

from plutino.model import Batch
from plutino.spi import LookupAnswer, LookupCall, Program, Suspended, Suspending

Place: TypeAlias = tuple[int, int]
"""Number of a program, and the token under which rows wait in it."""

Resumed: TypeAlias = Iterator[tuple[int, Batch | Suspended | None, Collection[int]]]
"""What came out of the programs that got answers: number, output, and the other tokens whose rows may be in it."""


class Tokens:
    """One token stands for everything that one push or advance left waiting, in whichever program."""

    __slots__ = ("_asked", "_next", "_open", "_programs")

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs: dict[int, Suspending] = {i: p for i, p in enumerate(programs) if isinstance(p, Suspending) and p.tables}
        self._next = 0
        self._open: dict[int, list[Place]] = {}
        """Where rows of a token wait, oldest token first."""
        self._asked: dict[int, list[tuple[int, Suspended]]] = {}
        """What is under way for a token."""

    @property
    def tables(self) -> Sequence[str]:
        """The lookup tables of all programs, each once."""
        return tuple(dict.fromkeys(table for program in self._programs.values() for table in program.tables))

    @property
    def oldest(self) -> int | None:
        """The oldest token whose rows still wait somewhere."""
        for token in sorted(self._open):
            if any(self._waits(place) for place in self._open[token]):
                return token
            del self._open[token]
        return None

    @property
    def waiting(self) -> int:
        """How many rows wait."""
        return sum(program.waiting for program in self._programs.values())

    def fresh(self) -> int:
        """A token for what a push or advance leaves waiting."""
        self._next += 1
        return self._next - 1

    def hold(self, token: int, number: int, suspended: Suspended, others: Collection[int] = ()) -> None:
        """A program holds rows back for a token, and for ``others`` whose rows may be among them."""
        for each in (*others, token):
            self._open.setdefault(each, []).append((number, suspended.token))
        if suspended.calls:
            self._asked.setdefault(token, []).append((number, suspended))

    def calls(self, token: int) -> tuple[LookupCall, ...]:
        """Everything that is to be asked for a token."""
        return tuple(call for _, suspended in self._asked.get(token, ()) for call in suspended.calls)

    def holds(self, token: int) -> bool:
        """Whether anything waits for a token."""
        return token in self._open

    def resumed(self, token: int, answers: Sequence[Sequence[LookupAnswer]]) -> Resumed:
        """Hand the answers for a token to its programs, one after the other."""
        start = 0
        for number, suspended in self._asked.pop(token, []):
            program = self._programs[number]
            end = start + len(suspended.calls)
            before = [t for t, places in self._open.items() if any(n == number and self._waits((n, sub)) for n, sub in places)]
            out = program.resume(suspended.token, answers[start:end])
            start = end
            left = [t for t in before if t != token and not any(n == number and self._waits((n, s)) for n, s in self._open.get(t, ()))]
            yield number, out, left

    def suspended(self) -> Sequence[Suspended]:
        """After ``restore``: everything that must be asked again, by token."""
        self._asked.clear()
        for number, program in self._programs.items():
            for suspended in program.suspended():
                place = (number, suspended.token)
                token = next((t for t, places in self._open.items() if place in places), None)
                if token is None:
                    token = self.fresh()
                    self._open[token] = [place]
                self._asked.setdefault(token, []).append((number, suspended))
        return [Suspended(token, self.calls(token)) for token in sorted(self._asked)]

    def snapshot(self) -> Any:
        """The state as a msgpack value."""
        return [self._next, [[token, places] for token, places in self._open.items()]]

    def restore(self, state: Any) -> None:
        self._next, opened = state
        self._open = {token: [(number, sub) for number, sub in places] for token, places in opened}

    def _waits(self, place: Place) -> bool:
        oldest = self._programs[place[0]].oldest
        return oldest is not None and oldest <= place[1]


class Gathering:
    """What the programs of a composite hold back during one call."""

    __slots__ = ("_token", "_tokens")

    def __init__(self, tokens: Tokens, token: int | None = None) -> None:
        self._tokens = tokens
        self._token = token

    def take(self, number: int, out: Batch | Suspended | None, others: Collection[int] = ()) -> Batch | None:
        """What leaves program ``number`` now; what it holds back is noted."""
        if not isinstance(out, Suspended):
            return out
        if self._token is None:
            self._token = self._tokens.fresh()
        self._tokens.hold(self._token, number, out, others)
        return out.output

    def result(self, output: Batch | None, *, pushed: bool) -> Batch | Suspended | None:
        """What the composite returns; ``pushed``: rows that only wait for others are new to whoever called."""
        token = self._token
        if token is None:
            return output
        calls = self._tokens.calls(token)
        if calls or (pushed and self._tokens.holds(token)):
            return Suspended(token, calls, output)
        return output
