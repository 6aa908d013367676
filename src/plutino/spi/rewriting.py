"""Contract of kinds whose texts are no JSON: how single values in them are changed while the rest stays as written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, runtime_checkable

from msgspec import Struct

from plutino.spi.json_text import Path, encoded, inner, rewritten


class Literal(Struct, frozen=True):
    """A JSON token that takes the place of a value: for numbers, which are no text."""

    token: str


Change: TypeAlias = Callable[[Path, Any], "str | Literal | None"]
"""What becomes of the value at a path; None leaves it as it is. Called with texts, numbers, booleans and nulls."""


@runtime_checkable
class Rewritable(Protocol):
    """What a ``ResourceSpec`` has besides, when its texts are no JSON but hold values that may be secret."""

    def rewritten(self, text: str, change: Change) -> str:
        """``text`` with its values changed; paths as in the content of its definition. Never fails: what cannot be read stays."""
        ...


def rewritten_json(text: str, change: Change) -> str:
    """A JSON text with its values changed."""

    def token(path: Path, value: Any) -> str | None:
        match change(path, value):
            case None:
                return None
            case Literal(token=found):
                return found
            case found:
                return encoded(found)

    return rewritten(text, lambda leaf: token(leaf.path, leaf.value))


def rewritten_inside(path: Path, value: Any, change: Change) -> str | None:
    """A text value that is a JSON object or list itself, with what it holds changed; None when it is none, or nothing changes."""
    if not inner(value):
        return None
    found = rewritten_json(value, lambda below, leaf: change((*path, *below), leaf))
    return None if found == value else found
