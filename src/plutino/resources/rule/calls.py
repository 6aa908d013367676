"""Which functions a rule calls."""

from __future__ import annotations

from functools import lru_cache

from plutino.resources.rule.body import select_of
from plutino.sql.tree import Call, Node


@lru_cache(maxsize=64)  # checking a rule and following its uses come one after the other
def called_functions(sql: str) -> tuple[str, ...]:
    """Names of all functions in a statement, as written, each once."""
    found: dict[str, None] = {}
    _collect(select_of(sql), found)
    return tuple(found)


def _collect(node: object, found: dict[str, None]) -> None:
    if isinstance(node, Call):
        found[node.name] = None
    if isinstance(node, Node):
        for field in node.__struct_fields__:
            if field != "span":
                _collect(getattr(node, field), found)
    elif isinstance(node, tuple):
        for member in node:
            _collect(member, found)
