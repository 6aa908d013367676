"""On whose behalf an object is kept, as an entry of the history."""

from __future__ import annotations

from plutino.model import Ref

OWNER = "owner"
"""Kind of these entries: their texts are the owners."""


def entry(ref: Ref) -> Ref:
    """The entry of an object."""
    return Ref(OWNER, f"{ref.kind}/{ref.name}")


def owned(entry: Ref) -> Ref:
    """The object of an entry."""
    kind, _, name = entry.name.partition("/")
    return Ref(kind, name)
