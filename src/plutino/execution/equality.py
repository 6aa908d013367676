"""Partners by look-up: which rows of the other side an equality may join with a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_LARGEST = 9007199254740992
"""Below this a whole number and a float are equal in the dialect just where they are in Python."""
_NUMBERS = ("int", "float")


def _family(key: Any) -> str:
    """Values that Python compares as the dialect does; those of two families do not compare, but for numbers, or not in this way."""
    match key:
        case None:
            return "null"
        case bool():
            return "boolean"
        case float():
            return "float"
        case int():
            return "int"
        case str():
            return "text"
        case _:
            return ""


class KeyIndex(Generic[T]):
    """Rows in order of arrival, by the value that an equality compares.

    Values that do not compare fail a join, so they are found by everyone: ``candidates`` gives every row for which the equality could be
    true or could fail, and perhaps others.
    """

    __slots__ = ("_by_key", "_counts", "_key")

    def __init__(self, key: Callable[[T], Any], rows: Iterable[T] = ()) -> None:
        self._key = key
        self._by_key: dict[Any, list[T]] = {}
        self._counts: dict[str, int] = {}
        """How many rows there are of each family of keys."""
        for row in rows:
            self.add(row)

    def add(self, row: T) -> None:
        """A row behind all others."""
        key = self._key(row)
        family = _family(key)
        self._counts[family] = self._counts.get(family, 0) + 1
        if family not in ("", "null"):
            self._by_key.setdefault(key, []).append(row)

    def drop(self, rows: Sequence[T]) -> None:
        """Forget the first rows, which are these."""
        gone: dict[Any, int] = {}
        for row in rows:
            key = self._key(row)
            family = _family(key)
            self._counts[family] -= 1
            if family not in ("", "null"):
                gone[key] = gone.get(key, 0) + 1
        for key, count in gone.items():
            held = self._by_key[key]
            if count == len(held):
                del self._by_key[key]
            else:
                del held[:count]

    def candidates(self, key: Any) -> Sequence[T] | None:
        """Rows that may be partners of a row with this key, in order; None: any of them may."""
        family = _family(key)
        if family == "null":
            return ()
        for other, count in self._counts.items():
            if count and other not in (family, "null"):
                mixed = family in _NUMBERS and other in _NUMBERS
                if not mixed or not -_LARGEST < key < _LARGEST:
                    return None
        if not family:
            return None
        return self._by_key.get(key, ())
