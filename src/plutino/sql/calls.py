"""Which functions a statement, or a part of one, calls."""

from __future__ import annotations

from plutino.sql.tree import Call, Node


def calls_in(part: object) -> tuple[Call, ...]:
    """Every call in a syntax tree (or a tuple of trees), in the order of the text, outer ones first."""
    found: list[Call] = []
    waiting = [part]
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind is tuple:
            waiting.extend(item[::-1])  # type: ignore[index]
        elif kind is Call:
            assert isinstance(item, Call)
            found.append(item)
        inner = _INNER.get(kind)
        if inner is None:
            inner = _INNER[kind] = _fields(kind)
        for field in inner:
            waiting.append(getattr(item, field))
    return tuple(found)


_INNER: dict[type, tuple[str, ...]] = {}
"""By class, so that nothing has to be asked for each node of thousands of rules."""


def _fields(kind: type) -> tuple[str, ...]:
    """The fields of a node that may hold nodes, last first."""
    fields = kind.__struct_fields__ if issubclass(kind, Node) else ()
    return tuple(field for field in reversed(fields) if field != "span")
