"""What is right in the statement of a rule, but likely means something else than it seems to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from plutino.spi.linting import DOUBTFUL, Advice
from plutino.sql import columns_in, tree

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def statement_advice(query: tree.Query) -> Iterator[Advice]:
    """Column names between quotes, which other dialects read as columns, and NULL, which they do not."""
    for select in query.selects if isinstance(query, tree.Union) else (query,):
        if any(column.name.upper() == "NULL" for column in columns_in(select)):
            yield Advice(DOUBTFUL, ("sql",), "NULL: read as a column of that name; null is asked for with IS NULL")
        for field in select.fields:
            value = field.expr.value if isinstance(field.expr, tree.Literal) else None
            # With a name of its own it is meant as a constant.
            if field.alias is None and isinstance(value, str) and _NAME.fullmatch(value):
                yield Advice(DOUBTFUL, ("sql",), f'"{value}": a text, the same in every row; if the column is meant, leave out the quotes')
