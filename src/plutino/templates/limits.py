"""How much one rendering may do: steps, sizes and depths, so that no template hangs the engine or eats its memory.

A step is about one node of the template executed, or a few hundred characters handled in a loop: some tenths of a microsecond.
"""

from __future__ import annotations

from typing import Any, Final

from plutino.templates.values import Failure

MAX_STEPS: Final = 5_000_000
MAX_TEXT: Final = 16 << 20
"""Characters of one string that a function makes."""
MAX_OUTPUT: Final = 32 << 20
"""Characters of a whole result."""
MAX_ITEMS: Final = 1_000_000
"""Elements of one list that a function makes, values that one function visits inside nested lists and maps."""
MAX_CALLS: Final = 100
"""Templates that call one another."""


def check_text(length: int) -> None:
    """Refuse to make a string of ``length`` characters when that is too long."""
    if length > MAX_TEXT:
        raise Failure(f"result too large: {length} characters; at most {MAX_TEXT}")


def check_items(count: int) -> None:
    """Refuse to make a list of ``count`` elements when that is too long."""
    if count > MAX_ITEMS:
        raise Failure(f"result too large: {count} elements; at most {MAX_ITEMS}")


class Walk:
    """Counts the values that one function visits; data that contain themselves or share parts many times over end here."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_ITEMS

    def visit(self, count: int) -> None:
        """Count ``count`` values; raises Failure when there were too many."""
        self.left -= count + 1
        if self.left < 0:
            raise Failure(f"value too large: more than {MAX_ITEMS} parts")


def weigh(value: Any) -> int:
    """The steps to charge for a function that looks into ``value``: its parts, at most ``MAX_ITEMS``."""
    total = 0
    open_values = [value]
    while open_values:
        item = open_values.pop()
        if isinstance(item, str | bytes):
            total += len(item) >> 8
        elif isinstance(item, dict):
            total += len(item)
            open_values.extend(item.values())
        elif isinstance(item, list | tuple):
            total += len(item)
            open_values.extend(item)
        if total > MAX_ITEMS:
            return total
    return total
