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
    """The way of one stored text, and of the bytes kept beside it, from ``before`` to ``after``; None means absent."""

    ref: Ref
    before: str | None
    after: str | None
    before_blobs: Blobs = ()
    after_blobs: Blobs = ()


class Revision(Struct, frozen=True):
    """One entry of the history: ``at`` in epoch milliseconds, ``outcome`` a short text about what was done.

    ``edits`` is empty in lists of revisions; ``Catalog.revision`` fills it.
    """

    number: int
    at: int
    origin: Origin
    outcome: str
    edits: tuple[Edit, ...] = ()


def pack(edits: tuple[Edit, ...]) -> bytes:
    """Edits as JSON ``[{"ref": {"kind", "name"}, "before", "after"}]``, compressed when long."""
    plain = msgspec.json.encode(edits)
    return plain if len(plain) <= _PLAIN_LIMIT else zlib.compress(plain, 1)


def unpack(stored: bytes) -> tuple[Edit, ...]:
    """What ``pack`` made."""
    plain = stored if stored[:1] == b"[" else zlib.decompress(stored)
    return msgspec.json.decode(plain, type=tuple[Edit, ...])
