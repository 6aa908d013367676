"""What is right in a rule, but likely means something else than it seems to, or does not run here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from plutino.spi import Environment
from plutino.spi.json_text import Path
from plutino.spi.layers import brought_connector
from plutino.spi.linting import DOUBTFUL, Advice
from plutino.sql import columns_in, tree

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def statement_advice(query: tree.Query, text: str, env: Environment) -> Iterator[Advice]:
    """Column names between quotes, which other dialects read as columns, NULL, which they do not, and what can never work."""
    for select in query.selects if isinstance(query, tree.Union) else (query,):
        if any(column.name.upper() == "NULL" for column in columns_in(select)):
            yield Advice(DOUBTFUL, ("sql",), "NULL: read as a column of that name; null is asked for with IS NULL")
        for field in select.fields:
            value = field.expr.value if isinstance(field.expr, tree.Literal) else None
            # With a name of its own it is meant as a constant.
            if field.alias is None and isinstance(value, str) and _NAME.fullmatch(value):
                yield Advice(DOUBTFUL, ("sql",), f'"{value}": a text, the same in every row; if the column is meant, leave out the quotes')
    from plutino.planner.doubts import doubts_of  # a running server needs none of it

    for doubt in doubts_of(query, env, text):
        yield Advice(DOUBTFUL, ("sql",), str(doubt))


def unavailable_advice(role: str, connector: str, path: Path, env: Environment) -> Iterator[Advice]:
    """A type of source or sink that a stored object declares, and that does not run here."""
    brought = brought_connector(role, connector, env)
    if brought is not None and brought.declared.unavailable:
        yield Advice(DOUBTFUL, path, brought.declared.unavailable)
