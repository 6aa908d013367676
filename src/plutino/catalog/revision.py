"""Values that the catalog keeps of its own history."""

from __future__ import annotations

import zlib

import msgspec
from msgspec import Struct

from plutino.errors import PlutinoError
from plutino.model import Blobs, Ref
from plutino.spi import Origin

_PLAIN_LIMIT = 4096
"""Longer differences are stored compressed: an import of thousands of objects would fill a small disk otherwise."""


class Edit(Struct, frozen=True, omit_defaults=True):
    """The way of one stored text, and of the bytes kept beside it, from ``before`` to ``after``; None means absent.

    Of kind ``catalog.trigger.TRIGGER`` are the edits of stored triggers; ``said`` is what the rule's text says, which decides where
    there is none. Of kind ``catalog.owner.OWNER`` are those of owners. ``found``: it was so before already, and only the history did not
    say it.
    """

    ref: Ref
    before: str | None
    after: str | None
    before_blobs: Blobs = ()
    after_blobs: Blobs = ()
    said: bool | None = None
    found: bool = False


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


def plain(number: int, stored: object) -> bytes:
    """What was given to ``compressed`` for a revision. PlutinoError when this is nothing that it gives."""
    # SQLite columns take values of any type.
    packed = stored.encode() if isinstance(stored, str) else stored
    if not isinstance(packed, bytes):
        raise damage(number)
    try:
        return packed if packed[:1] == b"[" else zlib.decompress(packed)
    except zlib.error as error:
        raise damage(number) from error


def unpack(number: int, packed: bytes) -> tuple[Edit, ...]:
    """The edits of a revision, out of their plain form. PlutinoError when it is none."""
    try:
        return msgspec.json.decode(packed, type=tuple[Edit, ...])
    except (msgspec.DecodeError, RecursionError) as error:
        raise damage(number) from error


def damage(number: int) -> PlutinoError:
    """What to say of a revision whose difference is not what was written."""
    return PlutinoError(f"revision {number}: its difference cannot be read; the file was changed or damaged, restore it from a backup")
