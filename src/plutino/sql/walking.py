"""What stands in a statement, or in a part of one."""

from __future__ import annotations

from typing import get_args

from msgspec.structs import fields

from plutino.sql.tree import Call, Column, Node, Select


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
                inner = _INNER[kind] = tuple(field.name for field in reversed(fields(kind)) if _holds_nodes(field.type))
            for name in inner:
                waiting.append(getattr(item, name))
    return found


def _holds_nodes(type_: object) -> bool:
    """Whether a value of an annotated type may be a node, or have some inside."""
    return isinstance(type_, type) and issubclass(type_, Node) if not get_args(type_) else any(map(_holds_nodes, get_args(type_)))


def calls_in(part: object) -> tuple[Call, ...]:
    """Every call, in the order of the text, outer ones first."""
    return tuple(node for node in _nodes(part) if isinstance(node, Call))


def columns_in(part: object) -> tuple[Column, ...]:
    """Every column, in the order of the text."""
    return tuple(node for node in _nodes(part) if isinstance(node, Column))


def selects_in(part: object) -> tuple[Select, ...]:
    """Every SELECT, in the order of the text, outer ones first."""
    return tuple(node for node in _nodes(part) if isinstance(node, Select))


_INNER: dict[type, tuple[str, ...]] = {}
"""The fields of each class that may hold nodes, last first: nothing has to be asked for each node of thousands of rules."""
