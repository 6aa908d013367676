"""What a program that waits for others tells the runtime: which queries, and where their answers belong.

A program never waits itself. Where rows need something from outside (lookup tables), ``push``, ``advance`` and ``resume`` return
``Suspended``: the rows stay inside the program, in order, and are part of its snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from msgspec import Struct

from plutino.errors import PlutinoError
from plutino.model import Batch

Answer: TypeAlias = list[dict[str, Any]] | PlutinoError
"""The rows of one query, not to be changed, or why there are none: an error for the rows that asked."""


class LookupCall(Struct, frozen=True):
    """Queries of one lookup table: each of ``queries`` holds a value per key, none of them null.

    ``fields`` are the columns wanted, ``("*",)`` for all.
    """

    table: str
    fields: tuple[str, ...]
    keys: tuple[str, ...]
    queries: tuple[tuple[Any, ...], ...]


class Suspended(Struct, frozen=True):
    """Rows wait for ``calls``; ``token`` names them, and grows. Without calls they only wait for rows that came before.

    ``output`` leaves at once all the same.
    """

    token: int
    calls: tuple[LookupCall, ...]
    output: Batch | None = None


@runtime_checkable
class Suspending(Protocol):
    """What a ``Program`` has besides, when it looks up tables."""

    @property
    def tables(self) -> Sequence[str]:
        """The lookup tables it asks."""
        ...

    @property
    def oldest(self) -> int | None:
        """The token of the rows that have waited longest; everything with a smaller one has left. None when nothing waits."""
        ...

    @property
    def waiting(self) -> int:
        """How many rows wait."""
        ...

    def resume(self, token: int, answers: Sequence[Sequence[Answer]]) -> Batch | Suspended | None:
        """Go on with the rows of ``token``; ``answers`` has one entry per query, call by call.

        Tokens may be answered in any order. The result is what leaves now, in order: nothing while older rows wait, else also what
        waited for these rows. ``Suspended`` (with the same token) when the rows need another call.
        """
        ...

    def suspended(self) -> Sequence[Suspended]:
        """Everything that waits for calls, oldest first: to be asked after ``restore``, as answers that were on their way are lost."""
        ...


_PLAIN = frozenset((int, float, str))
"""Kinds of which every two equal values are one key."""


def key_of(values: Sequence[Any]) -> tuple[Any, ...]:
    """Values as a key that tells kinds apart: ``1`` and ``true`` differ, ``1`` and ``1.0`` are one number."""
    if _PLAIN.issuperset(map(type, values)):
        return tuple(values)
    return tuple(_hashable(value) for value in values)


def same_value(left: Any, right: Any) -> bool:
    """Equality of two dialect values: numbers by value whatever their kind, booleans equal booleans only."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def rows_with(rows: Iterable[dict[str, Any]], keys: Sequence[str], values: Sequence[Any]) -> list[dict[str, Any]]:
    """The rows in which every key has its value, for tables that look for themselves."""
    wanted = list(zip(keys, values, strict=True))
    return [row for row in rows if all(key in row and same_value(row[key], value) for key, value in wanted)]


def _hashable(value: Any) -> Any:
    match value:
        case bool():
            return (bool, value)
        case list():
            return (list, tuple(_hashable(v) for v in value))
        case Mapping():
            return (dict, frozenset((k, _hashable(v)) for k, v in value.items()))
        case _:
            return value


__all__ = ["Answer", "LookupCall", "Suspended", "Suspending", "key_of", "rows_with", "same_value"]
