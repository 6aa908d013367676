"""How much one rendering may do: steps, sizes and depths, so that no template hangs the engine or eats its memory.

A step is some tenths of a microsecond: one node of the template executed, one value visited, a few characters handled.
"""

from __future__ import annotations

from typing import Final

from plutino.templates.go.values import Failure

MAX_STEPS: Final = 5_000_000
"""Steps of one rendering, where they are counted: in templates with loops, calls, or functions that make much out of little."""
MAX_TEXT: Final = 4 << 20
"""Characters of one string that a function makes."""
MAX_OUTPUT: Final = 32 << 20
"""Characters of a whole result, or of one JSON text."""
MAX_ITEMS: Final = 1_000_000
"""Elements of one list that a function makes."""
MAX_PARTS: Final = 4_000_000
"""Values that one function visits inside nested lists and maps."""
MAX_CALLS: Final = 100
"""Templates that call one another."""


class LimitExceeded(Failure):
    """A function would do more than it may; never taken for an ordinary fault of the data."""


class Meter:
    """Counts the steps that functions take; only ever rises, callers look at the difference. One per process: rendering does not wait."""

    __slots__ = ("spent",)

    def __init__(self) -> None:
        self.spent = 0


meter: Final = Meter()


def check_text(length: int, limit: int = MAX_TEXT) -> None:
    """Refuse to make a string of ``length`` characters when that is too long."""
    if length > limit:
        raise LimitExceeded(f"result too large: {length} characters; at most {limit}")


def check_items(count: int) -> None:
    """Refuse to make a list of ``count`` elements when that is too long."""
    meter.spent += count >> 4
    if count > MAX_ITEMS:
        raise LimitExceeded(f"result too large: {count} elements; at most {MAX_ITEMS}")


class Walk:
    """Counts the values that one function visits; data that contain themselves or share parts many times over end here."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_PARTS

    def visit(self, count: int) -> None:
        """Count ``count`` values; raises LimitExceeded when there were too many."""
        meter.spent += count + 1
        self.left -= count + 1
        if self.left < 0:
            raise LimitExceeded(f"value too large: more than {MAX_PARTS} parts")


def join_parts(parts: list[str], separator: str) -> str:
    """Join texts unless the result is too long."""
    check_text(sum(map(len, parts)) + len(separator) * len(parts))
    return separator.join(parts)
