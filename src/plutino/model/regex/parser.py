"""RE2 pattern text to its tree, with Go's faults."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from plutino.errors import EvaluationError
from plutino.model.regex.charsets import ANYTHING, NOT_NEWLINE, PERL, POSIX, fold, unicode_set
from plutino.model.regex.tree import Choice, Edge, Group, OneOf, Part, Ranges, Repeat, Sequence, inverted, normalized

MAX_PATTERN: Final = 10_000
"""Characters of a pattern."""
_MAX_DEPTH: Final = 50
_MAX_COUNT: Final = 1000

_COUNT: Final = re.compile(r"\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}", re.ASCII)
_NAME: Final = re.compile(r"\(\?P?<([^>]*)>")
_OCTAL: Final = re.compile(r"\\(?:0[0-7]{0,2}|[1-7][0-7]{1,2})")
_HEX: Final = re.compile(r"\\x(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]+)\})")
_SIMPLE: Final = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_EDGES: Final = {"A": r"\A", "b": r"(?a:\b)", "B": r"(?:(?<=[0-9A-Za-z_])(?=[0-9A-Za-z_])|(?<![0-9A-Za-z_])(?![0-9A-Za-z_]))", "z": r"\Z"}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A pattern: its tree, how many groups it has, their numbers by name."""

    part: Part
    groups: int
    names: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Flags:
    fold: bool = False
    lines: bool = False
    dot_newline: bool = False
    lazy: bool = False


@dataclass(slots=True)
class _Open:
    """A parenthesis that is not closed yet: alternatives so far, the current one, the number when it is a group."""

    number: int | None
    flags: _Flags
    choices: list[Part] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    def close(self) -> Part:
        choices = [*self.choices, _sequence(self.parts)]
        return choices[0] if len(choices) == 1 else Choice(tuple(choices))


def parse_pattern(pattern: str) -> Parsed:
    """The tree of ``pattern``; raises EvaluationError with Go's text."""
    return _Parser(pattern).parse()


def _fault(code: str, part: str) -> EvaluationError:
    return EvaluationError(f"error parsing regexp: {code}: `{part}`")


class _Parser:
    def __init__(self, pattern: str) -> None:
        if len(pattern) > MAX_PATTERN:
            raise _fault("expression too large", pattern[:40])
        self.pattern = pattern
        self.at = 0
        self.flags = _Flags()
        self.groups = 0
        self.names: dict[str, int] = {}
        self.open = [_Open(None, self.flags)]
        self.repeated_at = -1
        self.repeat_end = -1

    def parse(self) -> Parsed:
        while self.at < len(self.pattern):
            self.step(self.pattern[self.at])
        if len(self.open) > 1:
            raise _fault("missing closing )", self.pattern)
        return Parsed(self.open[0].close(), self.groups, self.names)

    def push(self, part: Part, length: int) -> None:
        self.open[-1].parts.append(part)
        self.at += length

    def step(self, c: str) -> None:
        match c:
            case "(":
                self.parenthesis()
            case "|":
                top = self.open[-1]
                top.choices.append(_sequence(top.parts))
                top.parts = []
                self.at += 1
            case ")":
                if len(self.open) == 1:
                    raise _fault("unexpected )", self.pattern)
                closed = self.open.pop()
                self.flags = closed.flags
                part = closed.close()
                self.push(part if closed.number is None else Group(part, closed.number), 1)
            case "^":
                self.push(Edge("(?m:^)" if self.flags.lines else r"\A"), 1)
            case "$":
                self.push(Edge("(?m:$)" if self.flags.lines else r"\Z"), 1)
            case ".":
                self.push(OneOf(ANYTHING if self.flags.dot_newline else NOT_NEWLINE), 1)
            case "[":
                self.bracket()
            case "*" | "+" | "?":
                self.repeat(int(c == "+"), 1 if c == "?" else None, self.at + 1)
            case "{":
                self.count()
            case "\\":
                self.escape()
            case _:
                self.push(self.one(ord(c)), 1)

    def one(self, code: int) -> OneOf:
        ranges: Ranges = ((code, code),)
        return OneOf(fold(ranges) if self.flags.fold else ranges)

    def parenthesis(self) -> None:
        if len(self.open) > _MAX_DEPTH:
            raise _fault("expression nests too deeply", self.pattern)
        rest = self.pattern[self.at :]
        if not rest.startswith("(?"):
            self.groups += 1
            self.open.append(_Open(self.groups, self.flags))
            self.at += 1
        elif rest.startswith(("(?P<", "(?<")):
            self.named(rest)
        else:
            self.perl_flags(rest)

    def named(self, rest: str) -> None:
        found = _NAME.match(rest)
        if found is None:
            raise _fault("invalid named capture", rest)
        name = found[1]
        if re.fullmatch(r"[A-Za-z0-9_]+", name, re.ASCII) is None:
            raise _fault("invalid named capture", found[0])
        self.groups += 1
        self.names.setdefault(name, self.groups)
        self.open.append(_Open(self.groups, self.flags))
        self.at += found.end()

    def perl_flags(self, rest: str) -> None:
        flags, value, seen = self.flags, True, False
        for index, c in enumerate(rest[2:], start=3):
            if c == "-" and value:
                value, seen = False, False
            elif c in "imsU":
                name = {"i": "fold", "m": "lines", "s": "dot_newline", "U": "lazy"}[c]
                flags, seen = replace(flags, **{name: value}), True
            elif c in ":)" and (value or seen):
                if c == ":":
                    self.open.append(_Open(None, self.flags))
                self.flags = flags
                self.at += index
                return
            else:
                raise _fault("invalid or unsupported Perl syntax", rest[:index])
        raise _fault("missing closing )" if len(rest) == 2 else "invalid or unsupported Perl syntax", rest)

    def count(self) -> None:
        found = _COUNT.match(self.pattern, self.at)
        if found is None:
            self.push(self.one(ord("{")), 1)
            return
        if max(len(found[1]), len(found[3] or "")) > 4:
            raise _fault("invalid repeat count", found[0])
        least = int(found[1])
        most = least if found[2] is None else None if found[3] is None else int(found[3])
        if max(least, most or 0) > _MAX_COUNT or (most is not None and least > most):
            raise _fault("invalid repeat count", found[0])
        self.repeat(least, most, found.end())

    def repeat(self, least: int, most: int | None, end: int) -> None:
        start = self.at
        greedy = not self.flags.lazy
        if self.pattern[end : end + 1] == "?":
            end, greedy = end + 1, not greedy
        if self.repeat_end == start:
            raise _fault("invalid nested repetition operator", self.pattern[self.repeated_at : end])
        parts = self.open[-1].parts
        if not parts:
            raise _fault("missing argument to repetition operator", self.pattern[start:end])
        parts[-1] = Repeat(parts[-1], least, most, greedy)
        if _copies(parts[-1]) > _MAX_COUNT:
            raise _fault("invalid repeat count", self.pattern[start:end])
        self.repeated_at, self.repeat_end = start, end
        self.at = end

    def escape(self) -> None:
        following = self.pattern[self.at + 1 : self.at + 2]
        if following in _EDGES:
            self.push(Edge(_EDGES[following]), 2)
        elif following == "Q":
            text, _, _ = self.pattern[self.at + 2 :].partition("\\E")
            for c in text:
                self.push(self.one(ord(c)), 0)
            self.at = min(len(self.pattern), self.at + len(text) + 4)
        elif (found := self.named_set()) is not None:
            self.push(OneOf(found), 0)
        else:
            code = self.escaped()
            self.push(self.one(code), 0)

    def named_set(self) -> Ranges | None:
        """``\\d`` and ``\\p{…}``; moves past it."""
        c = self.pattern[self.at + 1 : self.at + 2]
        if self.pattern[self.at : self.at + 1] != "\\" or not c:
            return None
        if c in PERL:
            self.at += 2
            return PERL[c]
        if c not in "pP":
            return None
        rest = self.pattern[self.at :]
        if rest[2:3] == "{":
            end = rest.find("}")
            if end < 0:
                raise _fault("invalid character class range", rest)
            written, name = rest[: end + 1], rest[3:end]
        else:
            written, name = rest[:3], rest[2:3]
        found = unicode_set(name.removeprefix("^"))
        if found is None:
            raise _fault("invalid character class range", written)
        self.at += len(written)
        if self.flags.fold:
            found = fold(found)
        return inverted(found) if (c == "P") != name.startswith("^") else found

    def escaped(self) -> int:
        """The code of an escaped character; moves past it."""
        rest = self.pattern[self.at : self.at + 12]
        c = rest[1:2]
        if not c:
            raise EvaluationError("error parsing regexp: trailing backslash at end of expression: ``")
        if (found := _OCTAL.match(rest)) is not None:
            code = int(found[0][1:], 8)
            self.at += found.end()
            return code
        if (found := _HEX.match(self.pattern, self.at)) is not None:
            code = int(found[1] or found[2][:12], 16)
            if code <= 0x10FFFF:
                self.at = found.end()
                return code
        elif c in _SIMPLE:
            self.at += 2
            return _SIMPLE[c]
        elif c.isascii() and not c.isalnum():
            self.at += 2
            return ord(c)
        raise _fault("invalid escape sequence", self._bad_escape(rest))

    def _bad_escape(self, rest: str) -> str:
        return rest[: 4 if rest[1:2] == "x" else 2]

    def bracket(self) -> None:
        whole = self.pattern[self.at :]
        self.at += 1
        negated = self.pattern[self.at : self.at + 1] == "^"
        self.at += negated
        ranges: list[tuple[int, int]] = []
        first = True
        while first or self.pattern[self.at : self.at + 1] != "]":
            first = False
            ranges.extend(self.bracket_item(whole))
        found = normalized(ranges)
        if self.flags.fold:
            found = fold(found)
        self.push(OneOf(inverted(found) if negated else found), 1)

    def bracket_item(self, whole: str) -> Ranges:
        posix = re.compile(r"\[:(\^?)([^\]]*?):\]").match(self.pattern, self.at)
        if posix is not None:
            known = POSIX.get(posix[2])
            if known is None:
                raise _fault("invalid character class range", posix[0])
            self.at = posix.end()
            return inverted(known) if posix[1] else known
        named = self.named_set()
        if named is not None:
            return named
        start = self.at
        low = high = self.bracket_character(whole)
        if self.pattern[self.at : self.at + 1] == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
            self.at += 1
            high = self.bracket_character(whole)
            if high < low:
                raise _fault("invalid character class range", self.pattern[start : self.at])
        return ((low, high),)

    def bracket_character(self, whole: str) -> int:
        c = self.pattern[self.at : self.at + 1]
        if not c:
            raise _fault("missing closing ]", whole)
        if c == "\\":
            return self.escaped()
        self.at += 1
        return ord(c)


def _sequence(parts: list[Part]) -> Part:
    return parts[0] if len(parts) == 1 else Sequence(tuple(parts))


def _copies(part: Part) -> int:
    """How often the innermost part is written out when all counts are."""
    match part:
        case Repeat(inner, least, most, _):
            count = max(least, most or 0, 1)
            return count * _copies(inner)
        case Sequence(parts) | Choice(parts):
            return max((_copies(p) for p in parts), default=1)
        case Group(inner, _):
            return _copies(inner)
    return 1
