"""A machine that follows all alternatives of a pattern at once (Pike's): time grows with pattern times text, never faster.

Threads are kept in order of preference, so that the match is the one a backtracking engine would find first.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, Final

from plutino.errors import EvaluationError
from plutino.model.regex.tree import Choice, Edge, Group, OneOf, Part, Ranges, Repeat, Sequence, nullable

MAX_PROGRAM: Final = 20_000
"""Instructions of one pattern, counts written out."""


class TooLongError(EvaluationError):
    """A search was given up."""


@dataclass(frozen=True, slots=True)
class _Take:
    """Take one character out of a set."""

    lows: tuple[int, ...]
    highs: tuple[int, ...]

    def fits(self, code: int) -> bool:
        at = bisect_right(self.lows, code) - 1
        return at >= 0 and code <= self.highs[at]


@dataclass(slots=True)
class _Fork:
    """Go on at both places, the first preferred."""

    first: int = -1
    second: int = -1


@dataclass(frozen=True, slots=True)
class _Save:
    """Remember where a group begins or ends."""

    slot: int


@dataclass(frozen=True, slots=True)
class _Look:
    """Go on only at a certain place."""

    place: Any


@dataclass(slots=True)
class _Jump:
    """Go on elsewhere."""

    to: int = -1


@dataclass(frozen=True, slots=True)
class _Match:
    """The whole pattern fits."""


_Step = _Take | _Fork | _Save | _Look | _Jump | _Match
_Slots = tuple[int, ...]
_Threads = dict[int, "_Slots | None"]
"""The places of the program where threads wait, the preferred first, with what they saved; ``None`` where one only passed."""


class Machine:
    """A pattern as program."""

    __slots__ = ("groups", "steps")

    def __init__(self, part: Part, groups: int) -> None:
        self.groups = groups
        self.steps: list[_Step] = []
        self._emit(Group(part, 0))
        self.steps.append(_Match())

    def search(self, text: str, start: int, budget: list[int]) -> _Slots | None:
        """Begin and end of the first match and of its groups, -1 where a group has none; ``budget[0]`` counts down."""
        best: _Slots | None = None
        empty = (-1,) * (2 * self.groups + 2)
        current: _Threads = {}
        for at in range(start, len(text) + 1):
            if best is None:
                self._follow(0, empty, at, text, current)
            if not current:
                break
            budget[0] -= len(current) + 1
            if budget[0] < 0:
                raise TooLongError("regular expression takes too long for this text")
            code = ord(text[at]) if at < len(text) else -1
            following: _Threads = {}
            for place, slots in current.items():
                if slots is None:
                    continue
                step = self.steps[place]
                if type(step) is _Match:
                    best = slots
                    break
                if type(step) is _Take and code >= 0 and step.fits(code):
                    self._follow(place + 1, slots, at + 1, text, following)
            current = following
        return best

    def _follow(self, place: int, slots: _Slots, at: int, text: str, threads: _Threads) -> None:
        """Add the threads that ``place`` leads to without taking a character, and remember the places that were passed."""
        waiting = [(place, slots)]
        while waiting:
            place, slots = waiting.pop()
            if place in threads:
                continue
            step = self.steps[place]
            match step:
                case _Take() | _Match():
                    threads[place] = slots
                    continue
                case _Fork(first, second):
                    waiting += ((second, slots), (first, slots))
                case _Jump(to):
                    waiting.append((to, slots))
                case _Save(slot):
                    waiting.append((place + 1, (*slots[:slot], at, *slots[slot + 1 :])))
                case _Look(edge):
                    if edge.match(text, at) is not None:
                        waiting.append((place + 1, slots))
            threads[place] = None

    def _emit(self, part: Part) -> None:
        if len(self.steps) > MAX_PROGRAM:
            raise EvaluationError("error parsing regexp: expression too large")
        match part:
            case OneOf(ranges):
                self.steps.append(_take(ranges))
            case Edge(edge):
                self.steps.append(_Look(re.compile(edge)))
            case Sequence(parts):
                for one in parts:
                    self._emit(one)
            case Choice(parts):
                self._emit_choice(parts)
            case Group(inner, number):
                self.steps.append(_Save(2 * number))
                self._emit(inner)
                self.steps.append(_Save(2 * number + 1))
            case Repeat():
                self._emit_repeat(part)

    def _emit_choice(self, parts: tuple[Part, ...]) -> None:
        jumps: list[_Jump] = []
        for one in parts[:-1]:
            fork = _Fork(first=len(self.steps) + 1)
            self.steps.append(fork)
            self._emit(one)
            jump = _Jump()
            self.steps.append(jump)
            jumps.append(jump)
            fork.second = len(self.steps)
        self._emit(parts[-1])
        for jump in jumps:
            jump.to = len(self.steps)

    def _emit_repeat(self, part: Repeat) -> None:
        inner, greedy = part.part, part.greedy
        for _ in range(part.least if part.most is not None else max(part.least - 1, 0)):
            self._emit(inner)
        if part.most is None:
            if part.least == 0:
                # A star of something that can be empty is an optional plus.
                self._emit_optional(inner, greedy, loop=True, once_more=nullable(inner))
            else:
                self._emit_plus(inner, greedy)
            return
        forks: list[_Fork] = []
        for _ in range(part.most - part.least):
            fork = _Fork()
            self.steps.append(fork)
            forks.append(fork)
            self._set(fork, greedy, inside=len(self.steps))
            self._emit(inner)
        for fork in forks:
            self._set(fork, not greedy, inside=len(self.steps))

    def _emit_optional(self, inner: Part, greedy: bool, *, loop: bool, once_more: bool) -> None:
        fork = _Fork()
        start = len(self.steps)
        self.steps.append(fork)
        self._set(fork, greedy, inside=len(self.steps))
        if once_more:
            self._emit_plus(inner, greedy)
        else:
            self._emit(inner)
            if loop:
                self.steps.append(_Jump(start))
        self._set(fork, not greedy, inside=len(self.steps))

    def _emit_plus(self, inner: Part, greedy: bool) -> None:
        start = len(self.steps)
        self._emit(inner)
        fork = _Fork()
        self.steps.append(fork)
        self._set(fork, greedy, inside=start)
        self._set(fork, not greedy, inside=len(self.steps))

    def _set(self, fork: _Fork, first: bool, inside: int) -> None:
        if first:
            fork.first = inside
        else:
            fork.second = inside


def _take(ranges: Ranges) -> _Take:
    return _Take(tuple(low for low, _ in ranges), tuple(high for _, high in ranges))
