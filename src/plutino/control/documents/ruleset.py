"""The ruleset: streams, tables and rules of a v1 document (rest reference §2.10). It is always laid over what is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from plutino.control.documents import v1
from plutino.control.documents.content import DocumentContent, Format, ObjectText, Steps
from plutino.control.failure import Failure

SECTIONS = ("streams", "tables", "rules")


def read(text: str) -> Steps[DocumentContent]:
    """The objects of the three sections; others are warnings."""
    return (yield from v1.read(text, SECTIONS))


def write(objects: Sequence[ObjectText], blob: Callable[[str], bytes]) -> Steps[str]:
    """The three sections; objects of others are left out."""
    return (yield from v1.write([item for item in objects if item.section in SECTIONS], blob, SECTIONS))


def refusal(failures: Sequence[Failure]) -> str:
    """Each refused entry with its reason, one a line."""
    return "\n".join(f"{failure.object_path}: {failure.wire_text}" for failure in failures if not failure.further)


FORMAT: Format[str] = Format("ruleset", read, write, refusal)
