"""RE2 regular expressions, as the dialect has them, on top of Python's ``re``.

An expression is read by RE2's grammar and written again in Python's: look-around, back-references, possessive and nested repetitions are
refused with RE2's wording, ``\\d \\w \\s \\b`` know ASCII only, ``$`` is the very end of the text, flags may stand anywhere. What
matches is the same (both take the first alternative that fits); the time is not, as Python's matcher backtracks.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import lru_cache, partial

from plutino.errors import EvaluationError

Ranges = list[tuple[int, int]]

_TOP = sys.maxunicode
_DIGIT: Ranges = [(0x30, 0x39)]
_SPACE: Ranges = [(9, 10), (12, 13), (32, 32)]
_WORD: Ranges = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]
_PERL = {"d": _DIGIT, "s": _SPACE, "w": _WORD}
_POSIX: dict[str, Ranges] = {
    "alnum": [(0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)],
    "alpha": [(0x41, 0x5A), (0x61, 0x7A)],
    "ascii": [(0, 0x7F)],
    "blank": [(9, 9), (32, 32)],
    "cntrl": [(0, 0x1F), (0x7F, 0x7F)],
    "digit": _DIGIT,
    "graph": [(0x21, 0x7E)],
    "lower": [(0x61, 0x7A)],
    "print": [(0x20, 0x7E)],
    "punct": [(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)],
    "space": [(9, 13), (32, 32)],
    "upper": [(0x41, 0x5A)],
    "word": _WORD,
    "xdigit": [(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)],
}
_CONTROLS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}


@lru_cache(maxsize=1024)
def compile_regexp(pattern: str) -> re.Pattern[str]:
    """The compiled expression; EvaluationError ``error parsing regexp: …`` when RE2 refuses it."""
    translated = _Translator(pattern).translate()
    try:
        return re.compile(translated)
    except (re.error, OverflowError, RecursionError) as error:
        raise EvaluationError(f"error parsing regexp: {error}: `{pattern}`") from None


def matches(expression: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """All matches as RE2 finds them: an empty one directly after another match does not count."""
    end = -1
    for match in expression.finditer(text):
        if match.end() == match.start() == end:
            continue
        end = match.end()
        yield match


_EXPANSION = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")


def replace_all(expression: re.Pattern[str], text: str, replacement: str) -> str:
    """Replace every match; ``$1``, ``${1}``, ``$name`` and ``${name}`` stand for groups (empty when there is none), ``$$`` for ``$``."""
    parts: list[str] = []
    last = 0
    for match in matches(expression, text):
        parts.append(text[last : match.start()])
        parts.append(_EXPANSION.sub(partial(_group, match=match), replacement))
        last = match.end()
    parts.append(text[last:])
    return "".join(parts)


def _group(found: re.Match[str], match: re.Match[str]) -> str:
    if found[1]:
        return "$"
    name = found[2] or found[3]
    groups = match.re.groupindex
    number = int(name) if name.isdecimal() else groups.get(name, -1)
    return (match[number] or "") if 0 <= number <= match.re.groups else ""


class _Translator:
    """Reads an RE2 expression and writes Python's; flags are those in force where it stands."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.names: set[str] = set()

    def translate(self) -> str:
        text = self._alternatives("")
        if self.at < len(self.pattern):
            raise self._refuse("unexpected )", self.pattern)
        return text

    def _refuse(self, what: str, where: str) -> EvaluationError:
        return EvaluationError(f"error parsing regexp: {what}: `{where}`")

    def _ahead(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def _alternatives(self, flags: str) -> str:
        """Everything up to the end of the expression or a closing parenthesis (which is left)."""
        out: list[str] = []
        opened = False
        repeatable = False
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            char = self.pattern[self.at]
            if char == "|":
                self.at += 1
                # Flags set before the bar hold after it too, but must not bind the alternatives together.
                out.append(f")|{_scope(flags)}" if opened else "|")
                repeatable = False
            elif char in "*+?" or (char == "{" and self._repeat_count() is not None):
                if not repeatable:
                    raise self._refuse("missing argument to repetition operator", self._operator_text())
                out.append(self._repetition(flags))
                repeatable = False
            elif self._ahead("(?") and (changed := self._flag_group(flags)) is not None:
                flags = changed
                out.append((")" if opened else "") + _scope(flags))
                opened = True
                repeatable = False
            else:
                out.append(self._item(flags))
                repeatable = True
        return "".join(out) + (")" if opened else "")

    def _operator_text(self) -> str:
        count = self._repeat_count()
        return self.pattern[self.at : count[2]] if count is not None else self.pattern[self.at]

    def _repeat_count(self) -> tuple[int, int | None, int] | None:
        """Minimum, maximum and end of ``{n,m}`` here; None when the brace is a literal."""
        match = _COUNT.match(self.pattern, self.at)
        if match is None:
            return None
        low = int(match[1])
        high = low if match[2] is None else (int(match[3]) if match[3] else None)
        return low, high, match.end()

    def _repetition(self, flags: str) -> str:
        start = self.at
        count = self._repeat_count() if self.pattern[self.at] == "{" else None
        if count is not None:
            low, high, self.at = count
            text = self.pattern[start : self.at]
            if low > 1000 or (high is not None and (high > 1000 or low > high)):
                raise self._refuse("invalid repeat count", text)
        else:
            text = self.pattern[self.at]
            self.at += 1
        lazy = self._ahead("?")
        self.at += lazy
        if self.at < len(self.pattern) and (self.pattern[self.at] in "*+?" or self._repeat_count() is not None):
            end = (self._repeat_count() or (0, 0, self.at + 1))[2]
            raise self._refuse("invalid nested repetition operator", self.pattern[start:end])
        return text + ("?" if lazy != ("U" in flags) else "")

    def _item(self, flags: str) -> str:
        char = self.pattern[self.at]
        if char == "(":
            return self._group(flags)
        if char == "[":
            return self._bracket()
        if char == "\\":
            return self._escape()
        self.at += 1
        if char == "$":
            return "$" if "m" in flags else r"\Z"
        return char if char in ".^" else re.escape(char)

    def _group(self, flags: str) -> str:
        whole = self.pattern
        self.at += 1
        if not self._ahead("?"):
            head = "("
        elif self._ahead("?:"):
            self.at += 2
            head = "(?:"
        elif (match := _NAMED.match(whole, self.at)) is not None:
            if match[1] in self.names:
                raise self._refuse("duplicate capture group name", match[1])
            self.names.add(match[1])
            self.at = match.end()
            head = f"(?P<{match[1]}>"
        elif self._ahead("?P<") or (self._ahead("?<") and not self._ahead("?<=") and not self._ahead("?<!")):
            end = whole.find(">", self.at)
            text = whole[self.at - 1 : end + 1] if end >= 0 else whole[self.at - 1 :]
            raise self._refuse("invalid named capture", text)
        else:
            head, flags = self._scoped(flags)
        body = self._alternatives(flags)
        if not self._ahead(")"):
            raise self._refuse("missing closing )", whole)
        self.at += 1
        return head + body + ")"

    def _scoped(self, flags: str) -> tuple[str, str]:
        """The head of ``(?flags:…)``; ``at`` stands on the question mark."""
        match = _FLAGS.match(self.pattern, self.at)
        if match is None or self.pattern[match.end() : match.end() + 1] != ":":
            raise self._bad_perl()
        flags = _changed(flags, match[1], match[2])
        self.at = match.end() + 1
        return _scope(flags), flags

    def _flag_group(self, flags: str) -> str | None:
        """The flags after ``(?flags)`` here, consumed; None when something else stands here."""
        match = _FLAGS.match(self.pattern, self.at + 1)
        if match is None or self.pattern[match.end() : match.end() + 1] != ")":
            return None
        self.at = match.end() + 1
        return _changed(flags, match[1], match[2])

    def _bad_perl(self) -> EvaluationError:
        """What stands after ``(?`` means nothing: the text up to the letter that is wrong."""
        start = self.at - 1
        end = self.at + 1
        while end < len(self.pattern) and self.pattern[end] in "imsU-":
            end += 1
        if end >= len(self.pattern):
            return self._refuse("missing closing )", self.pattern)
        shown = 3 if self.pattern[start : start + 3] == "(?<" else end + 1 - start
        return self._refuse("invalid or unsupported Perl syntax", self.pattern[start : start + shown])

    def _escape(self) -> str:
        start = self.at
        letter = self.pattern[start + 1 : start + 2]
        if letter in ("A", "B", "b", "z"):
            self.at += 2
            return {"A": r"\A", "z": r"\Z"}.get(letter) or f"(?a:\\{letter})"
        if letter == "Q":
            end = self.pattern.find("\\E", start)
            literal = self.pattern[start + 2 :] if end < 0 else self.pattern[start + 2 : end]
            self.at = len(self.pattern) if end < 0 else end + 2
            return re.escape(literal)
        ranges = self._class_escape()
        if ranges is not None:
            return _class(ranges)
        return re.escape(chr(self._character_escape()))

    def _class_escape(self) -> Ranges | None:
        r"""The characters of ``\d``, ``\W``, ``\p{L}`` … here; None when something else stands here."""
        letter = self.pattern[self.at + 1 : self.at + 2]
        if letter and letter in "dswDSW":
            self.at += 2
            ranges = _PERL[letter.lower()]
            return ranges if letter.islower() else _without(ranges)
        if letter and letter in "pP":
            match = _UNICODE.match(self.pattern, self.at)
            if match is None:
                raise self._refuse("invalid character class range", self.pattern[self.at : self.at + 3])
            name = match[2] or match[3]
            found = _unicode_ranges(name.removeprefix("^"))
            if not found:
                raise self._refuse("invalid character class range", match[0])
            self.at = match.end()
            return found if (letter == "p") != name.startswith("^") else _without(found)
        return None

    def _character_escape(self) -> int:
        """The code of an escaped character here."""
        match = _CHARACTER.match(self.pattern, self.at)
        if match is None:
            letter = self.pattern[self.at + 1 : self.at + 2]
            if not letter:
                raise self._refuse("trailing backslash at end of expression", "")
            raise self._refuse("invalid escape sequence", self.pattern[self.at : self.at + 2])
        octal, hexa, braced, control, other = match.groups()
        code = int(octal, 8) if octal else int(hexa or braced, 16) if hexa or braced else _CONTROLS[control] if control else ord(other)
        if code > _TOP:
            raise self._refuse("invalid escape sequence", match[0])
        self.at = match.end()
        return code

    def _bracket(self) -> str:
        start = self.at
        self.at += 1
        negated = self._ahead("^")
        self.at += negated
        ranges: Ranges = []
        first = True
        while first or not self._ahead("]"):
            first = False
            if self.at >= len(self.pattern):
                raise self._refuse("missing closing ]", self.pattern[start:])
            ranges.extend(self._bracket_item(start))
        self.at += 1
        return _class(_without(ranges) if negated else ranges)

    def _bracket_item(self, start: int) -> Ranges:
        posix = _POSIX_CLASS.match(self.pattern, self.at)
        if posix is not None:
            name = posix[2]
            if name not in _POSIX:
                raise self._refuse("invalid character class range", posix[0])
            self.at = posix.end()
            return _without(_POSIX[name]) if posix[1] else _POSIX[name]
        if self._ahead("\\"):
            ranges = self._class_escape()
            if ranges is not None:
                return ranges
        begin = self.at
        low = self._bracket_character(start)
        if self._ahead("-") and not self._ahead("-]"):
            self.at += 1
            high = self._bracket_character(start)
            if high < low:
                raise self._refuse("invalid character class range", self.pattern[begin : self.at])
            return [(low, high)]
        return [(low, low)]

    def _bracket_character(self, start: int) -> int:
        if self.at >= len(self.pattern):
            raise self._refuse("missing closing ]", self.pattern[start:])
        if self._ahead("\\"):
            return self._character_escape()
        self.at += 1
        return ord(self.pattern[self.at - 1])


_COUNT = re.compile(r"\{(\d+)(,(\d*))?\}", re.ASCII)
_NAMED = re.compile(r"\?P?<([A-Za-z_0-9]+)>", re.ASCII)
_FLAGS = re.compile(r"\?(?=[imsU-])([imsU]*)(?:-([imsU]+))?")
_UNICODE = re.compile(r"\\([pP])(?:\{(\^?\w+)\}|([A-Za-z]))", re.ASCII)
_CHARACTER = re.compile(
    r"\\(?:(0[0-7]{0,2}|[1-7][0-7]{1,2})|x([0-9A-Fa-f]{2})|x\{([0-9A-Fa-f]+)\}|([afnrtv])|([!-/:-@\[-`{-~]))",
)
_POSIX_CLASS = re.compile(r"\[:(\^?)(\w+):\]", re.ASCII)


def _changed(flags: str, on: str, off: str | None) -> str:
    kept = set(flags) | set(on)
    return "".join(sorted(kept - set(off or "")))


def _scope(flags: str) -> str:
    """The head of a group in which exactly these flags hold (``U`` is already worked in)."""
    on = "".join(f for f in "ims" if f in flags)
    off = "".join(f for f in "ims" if f not in flags)
    return f"(?{on}{'-' + off if off else ''}:"


def _class(ranges: Ranges) -> str:
    """A bracket expression of these characters; an empty one matches nothing."""
    if not ranges:
        return r"[^\x00-\U0010ffff]"
    return "[" + "".join(_code(low) if low == high else f"{_code(low)}-{_code(high)}" for low, high in ranges) + "]"


def _code(code: int) -> str:
    return f"\\U{code:08x}"


def _without(ranges: Ranges) -> Ranges:
    """Every character that is not in ``ranges``."""
    rest: Ranges = []
    start = 0
    for low, high in sorted(ranges):
        if low > start:
            rest.append((start, low - 1))
        start = max(start, high + 1)
    if start <= _TOP:
        rest.append((start, _TOP))
    return rest


@lru_cache(maxsize=64)
def _unicode_ranges(name: str) -> Ranges:
    """The characters of a Unicode category (``L``, ``Nd``) or, told by their names, of a script (``Greek``); empty for an unknown one."""
    if name == "Any":
        return [(0, _TOP)]
    prefix = {"Han": "CJK UNIFIED IDEOGRAPH"}.get(name, name.upper().replace("_", " ")) + ("" if name == "Han" else " ")
    is_category = len(name) <= 2
    ranges: Ranges = []
    for code in range(_TOP + 1):
        char = chr(code)
        if unicodedata.category(char).startswith(name) if is_category else unicodedata.name(char, "").startswith(prefix):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1] = (ranges[-1][0], code)
            else:
                ranges.append((code, code))
    return ranges
