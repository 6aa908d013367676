"""SQL files for ``plutino run``: CREATE statements and one SELECT, separated by semicolons."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from plutino.cli.output import Failure, Misuse
from plutino.errors import Position, SqlSyntaxError, explanation
from plutino.sql import parse_statement, to_sql, tree
from plutino.sql.lexer import END, tokenize

STDIN = "stdin"
"""Source type of the stream that reads standard input."""


@dataclass(frozen=True, slots=True)
class Script:
    """What a file asks for: definitions by kind and name, the statement of the rule, and whether its results come when windows close."""

    definitions: dict[tuple[str, str], str]
    select: str
    windowed: bool = False


def read_script(text: str, name: str, stdin: str = "") -> Script:
    """The script in ``text``, with the stream ``stdin`` reading standard input; it is made up when no statement defines it.

    Failure for statements that do not parse, with the place in the file called ``name``; Misuse when it is no such script.
    """
    definitions: dict[tuple[str, str], str] = {}
    selects: list[str] = []
    windowed = False
    for start, statement in _statements(text):
        match _parsed(text, name, start, statement):
            case tree.CreateStream() as created:
                if created.name == stdin:
                    statement = to_sql(msgspec.structs.replace(created, options={**created.options, "TYPE": STDIN}))
                definitions[created.kind, created.name] = statement
            case tree.Select() | tree.Union() as query:
                selects.append(statement)
                windowed = any(select.window is not None for select in (query.selects if isinstance(query, tree.Union) else (query,)))
            case _:
                word = statement.split(None, 1)[0].upper()
                raise Misuse(f"{_place(text, name, start)}: {word} has no place here", "use CREATE and one SELECT")
    if len(selects) != 1:
        raise Misuse(f"{name} holds {len(selects)} SELECT statements", "write exactly one; end statements with ;")
    if stdin and ("stream", stdin) not in definitions:
        definitions["stream", stdin] = f'CREATE STREAM `{stdin}` () WITH (TYPE="{STDIN}", FORMAT="json")'
    return Script(definitions, selects[0], windowed)


def _statements(text: str) -> list[tuple[int, str]]:
    """Where each statement begins, and its text."""
    found, start, first = [], -1, True
    for kind, _, begin, _ in tokenize(text):
        if kind in (";", END):
            if not first:
                found.append((start, text[start:begin]))
            first = True
        elif first:
            start, first = begin, False
    return [(start, statement.rstrip()) for start, statement in found]


def _parsed(text: str, name: str, start: int, statement: str) -> tree.Statement:
    try:
        return parse_statement(statement)
    except SqlSyntaxError as error:
        begin, end = (0, 0) if error.position is None else (error.position.start, error.position.end)
        place = _place(text, name, start + begin)
        # Lines and columns of the file, not of the statement.
        error.text, error.position = text, Position.of(text, start + begin, start + end)
        _, _, shown = (explanation(error) or "").partition("\n")
        raise Failure(f"{place}: {error.message}", explanation=shown) from error


def _place(text: str, name: str, offset: int) -> str:
    line = text.count("\n", 0, offset) + 1
    return f"{name} line {line}, column {offset - text.rfind(chr(10), 0, offset)}"
