"""Compiled patterns and what Go does with them: find, replace, split."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from plutino.model.regex.machine import Machine
from plutino.model.regex.parser import Parsed
from plutino.model.regex.translate import open_repeats, to_python

_PYTHON_STEPS: Final = 10_000_000
"""What a backtracking search may take at worst before the machine is used."""
_MACHINE_STEPS: Final = 2_000_000
"""What the machine may take for one text."""
_MAX_MATCHES: Final = 1_000_000
_REFERENCE: Final = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")

Span = tuple[int, ...]
"""Begin and end of the match, then of each group; -1 where a group took no part."""


class Regex:
    """A pattern, ready to use. All methods raise TooLongError when the text takes too long.

    ``steps``: how many the machine has taken so far.
    """

    __slots__ = ("_machine", "_open", "_parsed", "_python", "steps")

    def __init__(self, parsed: Parsed) -> None:
        self._parsed = parsed
        self._open = open_repeats(parsed.part)
        self._python = re.compile(to_python(parsed.part)) if self._open is not None else None
        self._machine: Machine | None = None
        self.steps = 0

    def fits(self, text: str) -> bool:
        """Whether there is a match."""
        if self._python is not None and self._bounded(text):
            return self._python.search(text) is not None
        return self.find(text) is not None

    def find(self, text: str) -> Span | None:
        """The first match."""
        return self._search(text)(0)

    def find_all(self, text: str, limit: int = -1) -> Iterator[Span]:
        """Matches that do not overlap; an empty one right after another match does not count."""
        search = self._search(text)
        at, last_end, count = 0, -1, 0
        while at <= len(text) and count != limit:
            span = search(at)
            if span is None:
                return
            start, end = span[0], span[1]
            counts = True
            if end == at:
                counts = start != last_end
                at += 1
            else:
                at = end
            last_end = end
            if counts:
                count += 1
                if count > _MAX_MATCHES:
                    return
                yield span

    def replace(self, text: str, replacement: Callable[[Span], str]) -> str:
        """``text`` with every match replaced."""
        search = self._search(text)
        parts: list[str] = []
        at = last_end = 0
        while at <= len(text):
            span = search(at)
            if span is None:
                break
            start, end = span[0], span[1]
            parts.append(text[last_end:start])
            if end > last_end or start == 0:
                parts.append(replacement(span))
            last_end = end
            at = end if end > at else at + 1
        parts.append(text[last_end:])
        return "".join(parts)

    def expand(self, template: str, text: str, span: Span) -> str:
        """``template`` with ``$1``, ``${name}`` and ``$$`` filled in; unknown groups are empty."""
        return _REFERENCE.sub(lambda found: self._reference(found, text, span), template) if "$" in template else template

    def _reference(self, found: re.Match[str], text: str, span: Span) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        number = int(name) if name.isascii() and name.isdecimal() and len(name) < 6 else self._parsed.names.get(name, -1)
        if not 0 <= number <= self._parsed.groups or span[2 * number] < 0:
            return ""
        return text[span[2 * number] : span[2 * number + 1]]

    def split(self, text: str, limit: int) -> list[str]:
        """The parts between matches, at most ``limit`` when that is not negative."""
        if limit == 0:
            return []
        if not text:
            return [""]
        parts: list[str] = []
        begin = end = 0
        for span in self.find_all(text, limit):
            if limit > 0 and len(parts) == limit - 1:
                break
            end = span[0]
            if span[1] != 0:
                parts.append(text[begin:end])
            begin = span[1]
        if end != len(text):
            parts.append(text[begin:])
        return parts

    def _search(self, text: str) -> Callable[[int], Span | None]:
        """A search from a position on, by the engine that is safe for this text."""
        if self._python is not None and self._bounded(text):
            python = self._python
            groups = range(self._parsed.groups + 1)

            def by_python(start: int) -> Span | None:
                found = python.search(text, start)
                return None if found is None else tuple(edge for group in groups for edge in found.span(group))

            return by_python
        if self._machine is None:
            self._machine = Machine(self._parsed.part, self._parsed.groups)
        machine, budget = self._machine, [_MACHINE_STEPS]

        def by_machine(start: int) -> Span | None:
            before = budget[0]
            try:
                return machine.search(text, start, budget)
            finally:
                self.steps += before - budget[0]

        return by_machine

    def _bounded(self, text: str) -> bool:
        """Whether Python's engine takes not too long for a text, at worst."""
        size = len(text) + 1
        return self._open is not None and size ** (self._open + 1) <= max(_PYTHON_STEPS, size)
