"""What is right in the statement of a rule, but likely means something else than it seems to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from plutino.spi.linting import DOUBTFUL, Advice
from plutino.sql import tree

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def statement_advice(query: tree.Query) -> Iterator[Advice]:
    """Column names between quotes, which other dialects read as columns, and NULL, which they do not."""
    for select in query.selects if isinstance(query, tree.Union) else (query,):
        if any(isinstance(node, tree.Column) and node.name.upper() == "NULL" for node in _nodes(select)):
            yield Advice(DOUBTFUL, ("sql",), "NULL: read as a column of that name; null is asked for with IS NULL")
        for field in select.fields:
            value = field.expr.value if isinstance(field.expr, tree.Literal) else None
            # With a name of its own it is meant as a constant.
            if field.alias is None and isinstance(value, str) and _NAME.fullmatch(value):
                yield Advice(DOUBTFUL, ("sql",), f'"{value}": a text, the same in every row; if the column is meant, leave out the quotes')


def _nodes(root: tree.Node) -> Iterator[object]:
    """Everything in a statement."""
    waiting: list[object] = [root]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, tree.Node):
            waiting += [getattr(node, name) for name in node.__struct_fields__ if name != "span"]
        elif isinstance(node, tuple):
            waiting += node
