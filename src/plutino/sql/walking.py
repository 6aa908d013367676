"""What stands in a statement, or in a part of one."""

from __future__ import annotations

from plutino.sql.tree import Call, Column, Node


def _nodes(part: object) -> list[Node]:
    """Every node in a syntax tree (or a tuple of trees), in the order of the text, outer ones first."""
    found: list[Node] = []
    waiting = [part]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple):
            waiting.extend(item[::-1])
        elif isinstance(item, Node):
            found.append(item)
            kind = type(item)
            inner = _INNER.get(kind)
            if inner is None:
                inner = _INNER[kind] = tuple(field for field in reversed(kind.__struct_fields__) if field != "span")
            waiting.extend([getattr(item, field) for field in inner])
    return found


def calls_in(part: object) -> tuple[Call, ...]:
    """Every call, in the order of the text, outer ones first."""
    return tuple(node for node in _nodes(part) if isinstance(node, Call))


def columns_in(part: object) -> tuple[Column, ...]:
    """Every column, in the order of the text."""
    return tuple(node for node in _nodes(part) if isinstance(node, Column))


_INNER: dict[type, tuple[str, ...]] = {}
"""The fields of each class that may hold nodes, last first: nothing has to be asked for each node of thousands of rules."""
