"""Template text to tokens, with trim markers applied; follows Go's scanner, so that faults carry its texts and lines.

Positions are character offsets; the place in an error message is worked out from them when it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from plutino.templates.go.quoting import is_print, quote

SPACES: Final = " \t\r\n"
_TERMINATORS: Final = ".,|:)("


class Kind(Enum):
    """What a token is."""

    ERROR = auto()
    BOOL = auto()
    CHARACTER = auto()
    CHARACTER_CONSTANT = auto()
    COMPLEX = auto()
    ASSIGN = auto()
    DECLARE = auto()
    EOF = auto()
    FIELD = auto()
    IDENTIFIER = auto()
    LEFT_DELIMITER = auto()
    LEFT_PAREN = auto()
    NUMBER = auto()
    PIPE = auto()
    RAW_STRING = auto()
    RIGHT_DELIMITER = auto()
    RIGHT_PAREN = auto()
    SPACE = auto()
    STRING = auto()
    TEXT = auto()
    VARIABLE = auto()
    BLOCK = auto()
    BREAK = auto()
    CONTINUE = auto()
    DOT = auto()
    DEFINE = auto()
    ELSE = auto()
    END = auto()
    IF = auto()
    NIL = auto()
    RANGE = auto()
    TEMPLATE = auto()
    WITH = auto()


KEYWORDS: Final = {
    "block": Kind.BLOCK,
    "break": Kind.BREAK,
    "continue": Kind.CONTINUE,
    "define": Kind.DEFINE,
    "else": Kind.ELSE,
    "end": Kind.END,
    "if": Kind.IF,
    "nil": Kind.NIL,
    "range": Kind.RANGE,
    "template": Kind.TEMPLATE,
    "with": Kind.WITH,
}
_KEYWORD_KINDS: Final = frozenset(KEYWORDS.values()) | {Kind.DOT}


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its text, its character offset, the 1-based line where it starts."""

    kind: Kind
    position: int
    text: str
    line: int

    def __str__(self) -> str:
        if self.kind is Kind.EOF:
            return "EOF"
        if self.kind is Kind.ERROR:
            return self.text
        if self.kind in _KEYWORD_KINDS:
            return f"<{self.text}>"
        if len(self.text) > 10:
            return quote(self.text[:10]) + "..."
        return quote(self.text)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a template; ends with EOF or with the first ERROR."""
    return _Scanner(text).scan()


class _Fault(Exception):  # noqa: N818 - internal signal
    """Scanning cannot go on."""


class _Scanner:
    __slots__ = ("depth", "line", "line_at", "position", "start", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.start = 0
        self.line = 1
        self.line_at = 0
        self.depth = 0

    def scan(self) -> Iterator[Token]:
        try:
            while True:
                left = self.text.find("{{", self.position)
                if left < 0:
                    if self.position < len(self.text):
                        self.start, self.position = self.position, len(self.text)
                        yield self._token(Kind.TEXT)
                    yield Token(Kind.EOF, self.position, "EOF", self._line_of(self.position))
                    return
                if left > self.position:
                    plain = self.text[self.position : left]
                    if self._left_trim_at(left + 2):
                        plain = plain.rstrip(SPACES)
                    if plain:
                        yield Token(Kind.TEXT, self.position, plain, self._line_of(self.position))
                self.position = self.start = left
                after = left + 4 if self._left_trim_at(left + 2) else left + 2
                if self.text.startswith("/*", after):
                    self._comment(after)
                    continue
                yield Token(Kind.LEFT_DELIMITER, left, "{{", self._line_of(left))
                self.position = self.start = after
                self.depth = 0
                yield from self._action()
        except _Fault as fault:
            yield Token(Kind.ERROR, self.start, str(fault), self._line_of(self.start))

    def _comment(self, at: int) -> None:
        self.start = at
        end = self.text.find("*/", at + 2)
        if end < 0:
            raise _Fault("unclosed comment")
        end += 2
        if self._right_trim_at(end) and self.text.startswith("}}", end + 2):
            self.position = self._skip_spaces(end + 4)
        elif self.text.startswith("}}", end):
            self.position = end + 2
        else:
            raise _Fault("comment ends before closing delimiter")

    def _action(self) -> Iterator[Token]:
        text = self.text
        while True:
            self.start = self.position
            closing = self._right_delimiter()
            if closing:
                if self.depth:
                    raise _Fault("unclosed left paren")
                yield self._close(closing == 4)
                return
            if self.position >= len(text):
                raise _Fault("unclosed action")
            c = text[self.position]
            if c in SPACES:
                end = self._skip_spaces(self.position)
                # A trim marker before the closing delimiter starts with the last space of the run.
                self.position = end - 1 if text.startswith("-}}", end) else end
                yield self._token(Kind.SPACE)
                continue
            yield self._item(c)

    def _item(self, c: str) -> Token:
        """One token of an action that is neither space nor delimiter."""
        following = self.text[self.position + 1 : self.position + 2]
        if c == "." and not ("0" <= following <= "9" and following):
            if following == "" and self.position + 1 >= len(self.text):
                # Go looks for a digit first and reads a lone dot at the end of the text as a number.
                return self._number()
            self.position += 1
            return self._name(Kind.FIELD)
        if c in ".+-" or "0" <= c <= "9":
            return self._number()
        if is_alphanumeric(c):
            return self._identifier()
        self.position += 1
        match c:
            case "=":
                return self._token(Kind.ASSIGN)
            case ":":
                self.position += 1
                if following != "=":
                    raise _Fault("expected :=")
                return self._token(Kind.DECLARE)
            case "|":
                return self._token(Kind.PIPE)
            case '"':
                return self._quoted('"', Kind.STRING, "unterminated quoted string")
            case "'":
                return self._quoted("'", Kind.CHARACTER_CONSTANT, "unterminated character constant")
            case "`":
                end = self.text.find("`", self.position)
                if end < 0:
                    raise _Fault("unterminated raw quoted string")
                self.position = end + 1
                return self._token(Kind.RAW_STRING)
            case "$":
                return self._token(Kind.VARIABLE) if self._at_terminator() else self._name(Kind.VARIABLE)
            case "(":
                self.depth += 1
                return self._token(Kind.LEFT_PAREN)
            case ")":
                self.depth -= 1
                if self.depth < 0:
                    raise _Fault("unexpected right paren")
                return self._token(Kind.RIGHT_PAREN)
        if c.isascii() and c.isprintable():
            return self._token(Kind.CHARACTER)
        raise _Fault(f"unrecognized character in action: {show_character(c)}")

    def _close(self, trim: bool) -> Token:
        """The right delimiter, and the spaces after it when it trims."""
        if trim:
            self.position += 2
        self.start = self.position
        token = Token(Kind.RIGHT_DELIMITER, self.start, "}}", self._line_of(self.start))
        self.position = self._skip_spaces(self.start + 2) if trim else self.start + 2
        return token

    def _identifier(self) -> Token:
        self._skip_alphanumeric()
        word = self.text[self.start : self.position]
        self._need_terminator()
        if word in KEYWORDS:
            return self._token(KEYWORDS[word])
        return self._token(Kind.BOOL if word in ("true", "false") else Kind.IDENTIFIER)

    def _name(self, kind: Kind) -> Token:
        if self._at_terminator():
            return self._token(Kind.VARIABLE if kind is Kind.VARIABLE else Kind.DOT)
        self._skip_alphanumeric()
        self._need_terminator()
        return self._token(kind)

    def _need_terminator(self) -> None:
        if not self._at_terminator():
            raise _Fault(f"bad character {show_character(self.text[self.position])}")

    def _at_terminator(self) -> bool:
        if self.position >= len(self.text):
            return True
        c = self.text[self.position]
        return c in SPACES or c in _TERMINATORS or self.text.startswith("}}", self.position)

    def _skip_alphanumeric(self) -> None:
        text, at = self.text, self.position
        while at < len(text) and is_alphanumeric(text[at]):
            at += 1
        self.position = at

    def _quoted(self, end: str, kind: Kind, fault: str) -> Token:
        text = self.text
        while self.position < len(text):
            c = text[self.position]
            self.position += 1
            if c == end:
                return self._token(kind)
            if c == "\\":
                if self.position >= len(text) or text[self.position] == "\n":
                    break
                self.position += 1
            elif c == "\n":
                break
        raise _Fault(fault)

    def _number(self) -> Token:
        kind = Kind.NUMBER
        good = self._scan_number()
        if good and self.position < len(self.text) and self.text[self.position] in "+-":
            kind = Kind.COMPLEX
            good = self._scan_number() and self.text[self.position - 1] == "i"
        if not good:
            raise _Fault(f"bad number syntax: {quote(self.text[self.start : self.position])}")
        return self._token(kind)

    def _scan_number(self) -> bool:
        self._accept("+-")
        digits = "0123456789_"
        if self._accept("0"):
            if self._accept("xX"):
                digits = "0123456789abcdefABCDEF_"
            elif self._accept("oO"):
                digits = "01234567_"
            elif self._accept("bB"):
                digits = "01_"
        self._accept_run(digits)
        if self._accept("."):
            self._accept_run(digits)
        if (len(digits) == 11 and self._accept("eE")) or (len(digits) == 23 and self._accept("pP")):
            self._accept("+-")
            self._accept_run("0123456789_")
        self._accept("i")
        if self.position < len(self.text) and is_alphanumeric(self.text[self.position]):
            self.position += 1
            return False
        return True

    def _accept(self, valid: str) -> bool:
        if self.position < len(self.text) and self.text[self.position] in valid:
            self.position += 1
            return True
        return False

    def _accept_run(self, valid: str) -> None:
        while self._accept(valid):
            pass

    def _right_delimiter(self) -> int:
        """The length of the closing delimiter here, with its trim marker; 0 when there is none."""
        if self._right_trim_at(self.position) and self.text.startswith("}}", self.position + 2):
            return 4
        return 2 if self.text.startswith("}}", self.position) else 0

    def _left_trim_at(self, at: int) -> bool:
        return self.text[at : at + 1] == "-" and self.text[at + 1 : at + 2] in tuple(SPACES)

    def _right_trim_at(self, at: int) -> bool:
        return self.text[at : at + 1] in tuple(SPACES) and self.text[at + 1 : at + 2] == "-"

    def _skip_spaces(self, at: int) -> int:
        while at < len(self.text) and self.text[at] in SPACES:
            at += 1
        return at

    def _token(self, kind: Kind) -> Token:
        token = Token(kind, self.start, self.text[self.start : self.position], self._line_of(self.start))
        self.start = self.position
        return token

    def _line_of(self, at: int) -> int:
        """The line of an offset; offsets come in rising order, so the count goes on from the last one."""
        if at < self.line_at:
            return self.text.count("\n", 0, at) + 1
        self.line += self.text.count("\n", self.line_at, at)
        self.line_at = at
        return self.line


def is_alphanumeric(c: str) -> bool:
    """Letters, decimal digits and the underscore."""
    return c == "_" or c.isalpha() or c.isdecimal()


def show_character(c: str) -> str:
    """A character as Go's ``%#U`` prints it."""
    shown = f" '{c}'" if is_print(c) else ""
    return f"U+{ord(c):04X}{shown}"
