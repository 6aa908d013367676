"""The shape of the v1 transfer document: twelve sections of ``entry -> text``."""

from __future__ import annotations

from collections.abc import Mapping

from plutino.model import Ref
from plutino.spi import ResourceSpec

SECTIONS = (
    "streams",
    "tables",
    "rules",
    "nativePlugins",
    "portablePlugins",
    "sourceConfig",
    "sinkConfig",
    "connectionConfig",
    "Service",
    "Schema",
    "uploads",
    "scripts",
)
"""Spelling and order of the original; read case-insensitively."""

GROUPED = frozenset({"sourceConfig", "sinkConfig", "connectionConfig"})
"""Sections whose entries hold all keys of one type in one text: ``{"mqtt": "{\\"key1\\": {…}, \\"key2\\": {…}}"}``."""


def kinds_by_section(specs: Mapping[str, ResourceSpec]) -> dict[str, str]:
    """The kind whose objects stand in each section."""
    return {spec.section: kind for kind, spec in specs.items()}


def entry_of(ref: Ref, section: str) -> tuple[str, str]:
    """The entry that holds an object, and the key inside it (empty where an entry is one object)."""
    if section in GROUPED:
        group, _, key = ref.name.rpartition(".")
        return group, key
    return ref.name, ""
