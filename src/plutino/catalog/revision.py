"""Values that the catalog keeps of its own history."""

from __future__ import annotations

import zlib

import msgspec
from msgspec import Struct

from plutino.model import Blobs, Ref
from plutino.spi import Origin

_PLAIN_LIMIT = 4096
"""Longer differences are stored compressed: an import of thousands of objects would fill a small disk otherwise."""


class Edit(Struct, frozen=True, omit_defaults=True):
    """The way of one stored text, and of the bytes kept beside it, from ``before`` to ``after``; None means absent.

    Of kind ``catalog.trigger.TRIGGER`` are the edits of stored triggers; ``said`` is what the rule's text says, which decides where
    there is none. Of kind ``catalog.owner.OWNER`` are those of owners.
    """

    ref: Ref
    before: str | None
    after: str | None
    before_blobs: Blobs = ()
    after_blobs: Blobs = ()
    said: bool | None = None


class Revision(Struct, frozen=True):
    """One entry of the history: ``at`` in epoch milliseconds, ``outcome`` a short text about what was done.

    ``edits`` is empty in lists of revisions; ``Catalog.read_revision`` fills it. ``kept``: whether the history still has them; old
    revisions only tell who did what when. ``hash`` is the entry's place in the chain of the audit log, empty for entries before it.
    """

    number: int
    at: int
    origin: Origin
    outcome: str
    edits: tuple[Edit, ...] = ()
    kept: bool = True
    hash: str = ""


class TaskRecord(Struct, frozen=True):
    """What is kept of a background task: ``status`` and ``message`` as on the wire, times in epoch milliseconds.

    ``revision``: the one that its commit made, None before that (and for a task that had nothing to change).
    """

    id: str
    status: str
    message: str
    created: int
    updated: int
    revision: int | None = None


def pack(edits: tuple[Edit, ...]) -> bytes:
    """Edits as JSON ``[{"ref": {"kind", "name"}, "before", "after"}]``."""
    return msgspec.json.encode(edits)


def compressed(packed: bytes) -> bytes:
    """Packed edits as they are stored: compressed when long."""
    return packed if len(packed) <= _PLAIN_LIMIT else zlib.compress(packed, 1)


def plain(stored: bytes) -> bytes:
    """What was given to ``compressed``."""
    return stored if stored[:1] == b"[" else zlib.decompress(stored)


def unpack(stored: bytes) -> tuple[Edit, ...]:
    """The edits of a stored difference."""
    return msgspec.json.decode(plain(stored), type=tuple[Edit, ...])
