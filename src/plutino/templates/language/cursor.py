"""The tokens of a template, read one after the other, and the faults of Go's parser: ``template: sink:LINE: text``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from plutino.errors import TemplateError
from plutino.templates.language.lexer import Kind, Token


class Cursor:
    """A place among tokens; ``name`` stands in faults, and ``action_line`` is where the action begins that is read, 0 outside of one."""

    def __init__(self, source: Iterator[Token], name: str) -> None:
        self.action_line = 0
        self._source = source
        self._name = name
        self._ahead: list[Token] = []
        self._line = 0

    def fork(self) -> Cursor:
        """The same place for a template of its own inside this one: what is read there is read here, too."""
        other = Cursor(self._source, self._name)
        other._ahead = self._ahead
        return other

    def next(self) -> Token:
        """The next token; behind the last one, EOF."""
        if self._ahead:
            return self._ahead.pop()
        token = next(self._source, Token(Kind.EOF, 0, "EOF", self._line))
        self._line = token.line
        return token

    def back(self, *read: Token) -> None:
        """Give tokens back, the last one read first."""
        self._ahead.extend(read)

    def peek(self) -> Token:
        """The next token, which stays."""
        token = self.next()
        self.back(token)
        return token

    def next_word(self) -> Token:
        """The next token that is no space."""
        token = self.next()
        while token.kind is Kind.SPACE:
            token = self.next()
        return token

    def peek_word(self) -> Token:
        """The next token that is no space, which stays; spaces in front of it are gone."""
        token = self.next_word()
        self.back(token)
        return token

    def expect(self, kind: Kind, context: str) -> Token:
        """The next word, which must be of this kind."""
        token = self.next_word()
        if token.kind is not kind:
            self.unexpected(token, context)
        return token

    def fail(self, message: str) -> NoReturn:
        """Raise TemplateError for the current line."""
        raise TemplateError(f"template: {self._name}:{self._line}: {message}")

    def unexpected(self, token: Token, context: str) -> NoReturn:
        """Raise TemplateError for a token that must not stand here."""
        if token.kind is Kind.ERROR:
            where = ""
            if self.action_line not in (0, token.line):
                where = f" started at {self._name}:{self.action_line}"
                if not token.text.endswith(" action"):
                    where = " in action" + where
            self.fail(f"{token}{where}")
        self.fail(f"unexpected {token} in {context}")
