"""Definitions: the desired state of named objects, kept as their authors wrote them."""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct


class Ref(Struct, frozen=True, order=True):
    """Names one object: ``kind`` is a resource kind (``stream``, ``rule`` …), ``name`` is unique within it.

    Configurations are named ``<type>.<key>`` (``mqtt.plant1``), everything else by its id.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


Blobs: TypeAlias = tuple[tuple[str, str], ...]
"""Bytes that belong to an object beside its text: (role, SHA-256 in hex) pairs, sorted; ``(("file", "9f86d0…"),)``."""


class Definition(Struct, frozen=True, eq=False):
    """The desired state of one object.

    ``text`` is verbatim what the author wrote (SQL statement or JSON), so that an export returns it. Equality is by parsed
    ``content``, so another spelling of the same thing is no change. ``content`` is a plain comparable value; a kind keeps in it what
    two texts must agree on, no syntax trees. ``temporary`` definitions (stream option TEMP, rule field ``temp``) live in memory only:
    they are not exported and end with the process.

    ``blobs`` are the bytes that the server keeps for it, because the text only names where they came from: the same text with other
    bytes is a change when the content says so.
    """

    ref: Ref
    text: str
    content: Any = None
    temporary: bool = False
    blobs: Blobs = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Definition):
            return NotImplemented
        alike = self.text == other.text and self.blobs == other.blobs
        return self.ref == other.ref and (alike or same_value(self.content, other.content))

    def __ne__(self, other: object) -> bool:
        # Without this, ``!=`` would be the struct's own and compare the texts.
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __hash__(self) -> int:
        return hash(self.ref)


def same_value(left: Any, right: Any) -> bool:
    """Equality that tells ``1``, ``1.0`` and ``true`` apart, as options do."""
    if type(left) is not type(right):
        return False
    match left:
        case dict():
            return len(left) == len(right) and all(key in right and same_value(value, right[key]) for key, value in left.items())
        case list() | tuple():
            return len(left) == len(right) and all(map(same_value, left, right))
        case _:
            return bool(left == right)
