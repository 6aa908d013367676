"""What a registered schema says, free of its syntax."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from plutino.model.datatype import Schema


class SchemaContent(Struct, frozen=True):
    """The content of a ``schema`` definition, which is called ``<type>_<name>``.

    ``messages`` are the columns of its message types by full name (``pkg.Outer.Inner``), ``descriptors`` the compiled form (protobuf: a
    serialized ``FileDescriptorSet``). ``sha256`` and ``so_sha256`` name its kept bytes. ``source`` is the text or URL of a definition that
    has not been staged, empty afterwards.
    """

    type: str
    name: str
    version: str = ""
    sha256: str = ""
    so_sha256: str = ""
    messages: Mapping[str, Schema] = {}
    descriptors: bytes = b""
    source: str = ""

    def message(self, name: str) -> str | None:
        """The full name of the message type that ``name`` means: itself, or the only one that ends with it."""
        if name in self.messages:
            return name
        found = [full for full in self.messages if full.endswith(f".{name}")]
        return found[0] if len(found) == 1 else None
