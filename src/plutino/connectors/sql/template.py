"""Query templates: Go-style placeholders become bound parameters, so that no value is ever part of a statement."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from plutino.connectors.sql.database import bound_value
from plutino.errors import PlutinoError, ProvisionError

_PIECE = re.compile(
    r"""
    '\s*\{\{-?\s*\.(?P<quoted>\w+)\s*-?\}\}\s*'   # '{{.name}}'
    | \{\{-?\s*\.(?P<bare>\w+)\s*-?\}\}            # {{.name}}
    | (?P<text>'(?:[^']|'')*')                     # a literal of the statement
    | (?P<other>\{\{)                              # any other action of a template
    """,
    re.VERBOSE,
)


class SqlTemplate:
    """A statement with named parameters: ``{{.id}}`` or ``'{{.id}}'`` stand for the value of ``id``."""

    def __init__(self, text: str) -> None:
        self.names: list[str] = []
        """Parameters in order of appearance, each once."""
        self._statement = ""
        end = 0
        for match in _PIECE.finditer(text):
            self._statement += _escaped(text[end : match.start()]) + self._piece(match, text)
            end = match.end()
        self._statement += _escaped(text[end:])

    @property
    def statement(self) -> str:
        """The statement with ``:p0``, ``:p1`` … for the parameters."""
        return self._statement

    def parameters(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The bound values; PlutinoError when one is missing."""
        missing = [name for name in self.names if name not in values]
        if missing:
            raise PlutinoError(f"templateSql: no value for {', '.join(missing)}; {', '.join(values) or 'nothing'} is known")
        return {f"p{i}": bound_value(values[name]) for i, name in enumerate(self.names)}

    def _piece(self, match: re.Match[str], text: str) -> str:
        name = match["quoted"] or match["bare"]
        if name is not None:
            if name not in self.names:
                self.names.append(name)
            return f":p{self.names.index(name)}"
        literal = match["text"]
        if literal is None or "{{" in literal:
            raise ProvisionError(
                f"templateSql {text}: {{{{.name}}}} may only stand alone, as values are bound; join texts with the database's operators"
            )
        return _escaped(literal)


def _escaped(text: str) -> str:
    """Text in which a colon does not begin a parameter."""
    return text.replace("\\", "\\\\").replace(":", "\\:") if ":" in text else text
