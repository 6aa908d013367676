"""The parts of a parsed pattern."""

from __future__ import annotations

from dataclasses import dataclass

Ranges = tuple[tuple[int, int], ...]
"""Code points from the first to the second of each pair, in order, without overlap."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """One character out of a set."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Edge:
    """A place: ``\\A``, ``\\z``, ``^`` and ``$`` of a line, ``\\b``, ``\\B``, as Python writes them."""

    place: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after another; empty matches the empty text."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """The first that leads to a match."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """Between ``least`` and ``most`` times; ``None`` is without end."""

    part: Part
    least: int
    most: int | None
    greedy: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A numbered part of the match."""

    part: Part
    number: int


Part = OneOf | Edge | Sequence | Choice | Repeat | Group

MAX_CODE = 0x10FFFF


def normalized(ranges: list[tuple[int, int]]) -> Ranges:
    """Sorted, overlaps joined."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def inverted(ranges: Ranges) -> Ranges:
    """All other characters."""
    found: list[tuple[int, int]] = []
    start = 0
    for low, high in ranges:
        if start < low:
            found.append((start, low - 1))
        start = high + 1
    if start <= MAX_CODE:
        found.append((start, MAX_CODE))
    return tuple(found)


def nullable(part: Part) -> bool:
    """Whether the part can match the empty text."""
    match part:
        case OneOf():
            return False
        case Edge():
            return True
        case Sequence(parts):
            return all(map(nullable, parts))
        case Choice(parts):
            return any(map(nullable, parts))
        case Repeat(inner, least, _, _):
            return least == 0 or nullable(inner)
        case Group(inner, _):
            return nullable(inner)
