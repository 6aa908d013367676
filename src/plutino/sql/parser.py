"""Entry points of the parser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

from plutino.sql.cursor import Cursor
from plutino.sql.ddl import DEFINITIONS, definition
from plutino.sql.expressions import expression
from plutino.sql.lexer import END
from plutino.sql.select import query
from plutino.sql.tree import Expr, Node, Query, Statement

Tree = TypeVar("Tree", Query, Expr)

MAX_DEPTH: Final = 200
"""How high a tree may grow. Long chains (``a OR b OR …``) are read in a loop, but who walks the tree goes down once per operator."""


def parse_statement(text: str) -> Statement:
    """Parses SELECT or a statement about streams and tables.

    Raises ``SqlSyntaxError``; for a text that begins with no known word (or is empty) it says ``Invalid stream statement: <text>``.
    After CREATE and a ``;``, and after the name in DESCRIBE, EXPLAIN and DROP, anything may follow; it is ignored.
    """
    cursor = Cursor(text)
    if cursor.kind == "SELECT":
        return _checked(cursor, query(cursor))
    if cursor.word() in DEFINITIONS:
        return definition(cursor)
    cursor.misspelt(f"Invalid stream statement: {text}", "SELECT", *sorted(DEFINITIONS))


def parse_select(text: str) -> Query:
    """Parses a SELECT, or several with UNION ALL between them.

    Raises ``SqlSyntaxError``; for a text that does not begin so (see ``is_select``) with its own message.
    """
    cursor = Cursor(text)
    if cursor.kind != "SELECT":
        cursor.misspelt(f"SQL {text} is not a select statement", "SELECT")
    return _checked(cursor, query(cursor))


def is_select(text: str) -> bool:
    """Whether the first word of ``text`` is SELECT, right or wrong as the rest may be."""
    return Cursor(text).kind == "SELECT"


def parse_expression(text: str) -> Expr:
    """Parses one expression that fills the whole text. Raises ``SqlSyntaxError``."""
    cursor = Cursor(text)
    found = expression(cursor)
    if cursor.kind != END:
        cursor.found("expected EOF")
    return _checked(cursor, found)


def _checked(cursor: Cursor, tree: Tree) -> Tree:
    """``tree``, unless it is too high. A tree has no more levels than its text has tokens, so that few are looked at."""
    if len(cursor.tokens) > MAX_DEPTH and _height_exceeds(tree, MAX_DEPTH):
        cursor.fail(f"statement is nested too deeply: more than {MAX_DEPTH} levels; use IN for long lists of values", span=tree.span)
    return tree


def _height_exceeds(tree: Node, limit: int) -> bool:
    level: list[object] = [tree]
    for _ in range(limit):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(node: object) -> Iterator[object]:
    if isinstance(node, Node):
        for name in node.__struct_fields__:
            value = getattr(node, name)
            if isinstance(value, Node):
                yield value
            elif isinstance(value, tuple) and name != "span":
                yield from (item for item in value if isinstance(item, Node))
