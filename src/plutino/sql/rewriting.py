"""Option values of CREATE statements changed in place; everything else stays as its author wrote it."""

from __future__ import annotations

from collections.abc import Callable

from plutino.sql.lexer import IDENT, SINGLE, STRING, tokenize
from plutino.sql.printer import quoted


def rewrite_options(text: str, change: Callable[[str, str], str | None]) -> str:
    """``text`` with texts among the options of its WITH replaced by what ``change`` makes of name (upper case) and value; None leaves one.

    Never fails: in a text that is no statement, what looks like an option is one.
    """
    parts: list[str] = []
    at = 0
    options = False
    tokens = tokenize(text)
    for (kind, name, *_), (mark, *_), (form, value, start, end) in zip(tokens, tokens[1:], tokens[2:], strict=False):
        options = options or (kind == IDENT and name.upper() == "WITH" and mark == "(")
        if options and kind == IDENT and mark == "=" and form in (STRING, SINGLE):
            found = change(name.upper(), value)
            if found is not None:
                parts += (text[at:start], quoted(found, single=form == SINGLE))
                at = end
    return "".join((*parts, text[at:])) if parts else text
