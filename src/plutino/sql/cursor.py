"""The parser's place in the tokens of one statement, and the one way it reports an error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NoReturn

from plutino.errors import Position, SqlSyntaxError
from plutino.model.nearest import nearest
from plutino.sql.lexer import BAD, IDENT, INTEGER, KEYWORDS, NUMBER, SINGLE, STRING, Token, tokenize

MAX_NESTING: Final = 100
"""How deep expressions and types may nest, so that no statement can exhaust the interpreter's stack."""

_HINTS: Final = {("<", ">"): "!=", ("=", "="): "=", ("=", ">"): ">=", ("=", "<"): "<=", ("|", "|"): "concat(a, b)"}
"""Operators of other dialects, as pairs of tokens, and what to write here."""

_CLAUSES: Final = frozenset(("FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "BY", "SELECT", "JOIN", "ON", "AS"))
"""Reserved words that rather stand too early than are meant as a name."""

_SAID_OTHERWISE: Final = {
    "NOT": "a condition is negated with = false: (a > 1) = false",
    "JOIN": "the kind of a join is always written: INNER JOIN, LEFT JOIN …",
    ":": 'types are converted by cast(a, "bigint")',
}
"""Words and signs of other dialects, and how to say it here."""


class Cursor:
    """Walks over the tokens of ``text``. ``kind`` and ``token`` are the current token; ``end`` is where the last one read ended."""

    __slots__ = ("at", "end", "kind", "nesting", "text", "token", "tokens")

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.at = 0
        self.token = self.tokens[0]
        self.kind = self.token[0]
        self.end = 0
        self.nesting = 0

    def advance(self) -> Token:
        """Reads the current token. The end is never passed."""
        read = self.token
        self.end = read[3]
        if self.at + 1 < len(self.tokens):
            self.at += 1
            self.token = self.tokens[self.at]
            self.kind = self.token[0]
        return read

    def accept(self, kind: str) -> bool:
        """Reads the current token if it is of this kind."""
        if self.kind == kind:
            self.advance()
            return True
        return False

    def peek(self) -> str:
        """The kind of the token after the current one."""
        return self.tokens[min(self.at + 1, len(self.tokens) - 1)][0]

    def word(self) -> str:
        """The current token in upper case if it is an unreserved word (``STREAM``, ``WITH``, …), else an empty text."""
        return self.token[1].upper() if self.kind == IDENT else ""

    def at_union(self) -> bool:
        """Whether ``UNION ALL`` or ``UNION SELECT`` stands here; UNION and ALL are not reserved."""
        if self.word() != "UNION":
            return False
        kind, text, _, _ = self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        return kind == "SELECT" or (kind == IDENT and text.upper() == "ALL")

    def written(self) -> str:
        """The current token as it stands in the text."""
        return self.text[self.token[2] : self.token[3]]

    def shown(self) -> str:
        """The current token as error messages show it."""
        return quote(self.token[1])

    def nest(self) -> None:
        """One level deeper; the caller lowers ``nesting`` again. Refuses what is too deep."""
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            self.fail(f"statement is nested too deeply: more than {MAX_NESTING} levels; split it, or use IN for long lists of values")

    def found(self, expected: str, *names: str, like: Iterable[str] = (), advice: str | None = None) -> NoReturn:
        """Refuses the current token: ``found "X", <expected>.``

        ``names`` are the words that could stand here; ``like`` are further words to look for a misspelling in; ``advice`` is for a token
        that resembles none of them.
        """
        suggestion = self._suggestion((*names, *like))
        self.fail(f"found {self.shown()}, {expected}.", names, suggestion, advice=None if suggestion else advice)

    def misspelt(self, message: str, *names: str) -> NoReturn:
        """Refuses the current token with ``message``; one of ``names`` was expected, and suggested if it is close."""
        self.fail(message, names, self._suggestion(names))

    def fail(
        self,
        message: str,
        expected: tuple[str, ...] = (),
        suggestion: str | None = None,
        span: tuple[int, int] | None = None,
        advice: str | None = None,
    ) -> NoReturn:
        """Refuses the statement with this message, at ``span`` or at the current token."""
        start, end = span or self.token[2:4]
        place = Position.of(self.text, start, end)
        if span is None and suggestion is None and advice is None:
            advice = self._advice()
        raise SqlSyntaxError(message, text=self.text, position=place, expected=expected, suggestion=suggestion, advice=advice)

    def _advice(self) -> str | None:
        """What to do about a token that no place of the grammar would take."""
        written = self.written()
        if self.kind == BAD and written[:1] in ("'", '"'):
            if self.token[3] == len(self.text) and not (len(written) > 1 and written.endswith(written[0])):
                return "the text that begins here has no closing quote"
            return r"a text in quotes stands on one line; a line break in it is \n, a backslash is \\"
        if self.kind == BAD and written.startswith("/"):
            return "the comment that begins here has no end"
        before = self.tokens[self.at - 1][0] if self.at else ""
        if before == "AS" and self.kind in (STRING, SINGLE):
            return f"a name stands without quotes, or in backquotes: `{self.token[1]}`"
        if self.kind in _SAID_OTHERWISE:
            return _SAID_OTHERWISE[self.kind]
        if self.kind in _CLAUSES and before == ",":
            return f"remove the comma before {self.kind}"
        if self.at and self.kind in KEYWORDS and (self.kind not in _CLAUSES or before == "AS"):
            return f"{self.kind} is a reserved word; where it is meant as a name, write `{written}` in backquotes"
        return None

    def _suggestion(self, words: tuple[str, ...]) -> str | None:
        kind, text, _, _ = self.token
        if kind == BAD:
            return "!=" if text == "!" else None
        before = self.tokens[self.at - 1][0] if self.at else ""
        if kind == IDENT:
            if before in (INTEGER, NUMBER) and text[:1] in "eE":
                return "a number without exponent"
            close = nearest(text.upper(), words, 1, 0.6)
            return close[0] if close else None
        return _HINTS.get((before, kind))


def quote(text: str) -> str:
    """``text`` between double quotes, escaped as Go's ``%q`` does."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_quoted(character) for character in text) + '"'


_QUOTED: Final = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", '"': '\\"', "\\": "\\\\"}


def _quoted(character: str) -> str:
    escaped = _QUOTED.get(character)
    if escaped is not None:
        return escaped
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
