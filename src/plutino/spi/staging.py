"""Contract of kinds whose objects are more than their text: bytes from a URL, an archive, an upload.

They are brought together before anything is checked, hashed and kept beside the text, so that an object can be restored, rolled back and
started again without asking the place they came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from plutino.model import Definition
from plutino.spi.function import FunctionSpec
from plutino.spi.host import Host

SIZE_LIMIT = 1 << 40
"""Bytes of one blob at most, as far as its kind is concerned: what the process takes in is limited by ``spi.limits``."""

SCHEME = "blob:"
"""``blob:<sha256>`` is the URL of bytes that this server keeps already."""


class Blob(Struct, frozen=True):
    """Kept bytes: ``digest`` is their SHA-256 in hex, ``size`` in bytes, ``path`` a file for reading only."""

    digest: str
    size: int
    path: str


class Area(Protocol):
    """Where a kind brings the bytes of one object together. What is not committed afterwards is taken away again."""

    async def fetch(self, role: str, url: str, *, limit: int = SIZE_LIMIT) -> Blob:
        """The bytes behind ``file://``, ``http://``, ``https://``, ``data:`` or ``blob:``, kept for the object under ``role``.

        Bytes that are kept for this very text already are not fetched again. PlutinoError with the wire text when they cannot be had, are
        more than ``limit``, or may not be read.
        """
        ...

    async def put(self, role: str, data: bytes) -> Blob:
        """Keep bytes that the text itself holds."""
        ...


@runtime_checkable
class Staged(Protocol):
    """What a ``ResourceSpec`` has besides, when its objects need bytes or work that takes time before they can be checked."""

    async def stage(self, definition: Definition, area: Area) -> Definition:
        """The parsed definition with what its bytes say in its ``content``; PlutinoError when they are wrong.

        Runs before ``check`` for every text that is new or changed, and at start-up from the kept bytes. May wait; must not change anything
        but through ``area``. ``blobs`` are filled in by the caller.
        """
        ...


@runtime_checkable
class Portable(Protocol):
    """What a ``ResourceSpec`` has besides, when its texts may name bytes that only this server has."""

    def portable(self, definition: Definition, read: Callable[[str], bytes]) -> str:
        """The text for a document that goes elsewhere, with such bytes in it; ``read`` gives the bytes of a digest."""
        ...


@runtime_checkable
class KeptWhenPresent(Protocol):
    """What a ``ResourceSpec`` has besides, when a partial import leaves its objects alone that are there already."""

    @property
    def kept_when_present(self) -> bool: ...


@runtime_checkable
class Functional(Protocol):
    """What a ``ResourceSpec`` has besides, when its objects bring SQL functions."""

    def functions(self, definition: Definition) -> tuple[FunctionSpec, ...]:
        """The functions of an object; their specs are equal as long as they do the same, so that a rule knows when to start anew."""
        ...


@runtime_checkable
class Attached(Protocol):
    """What a ``ResourceSpec`` has besides, when it must know the engine before its first object is brought there."""

    def attach(self, host: Host) -> None:
        """Remember the engine; called once, before anything is checked."""
        ...


class DeclaredConnector(Struct, frozen=True):
    """A type of source or sink that an object brings: ``role`` is ``source`` or ``sink``.

    ``unavailable`` says why it cannot run here: rules that use it are checked, but do not start. ``presets``: shipped configuration keys
    of a source, among them ``default``.
    """

    role: str
    name: str
    unavailable: str
    presets: Mapping[str, Mapping[str, Any]] = {}


@runtime_checkable
class Connecting(Protocol):
    """What a ``ResourceSpec`` has besides, when its objects bring types of sources and sinks."""

    def connectors(self, definition: Definition) -> tuple[DeclaredConnector, ...]:
        """The types that an object declares."""
        ...
