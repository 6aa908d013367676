"""Large states as msgpack, written piece by piece: what is kept as packed numbers goes from memory to memory.

Whoever does that beside the event loop holds it up for no longer than one piece takes.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from typing import Any, TypeAlias

import msgspec

_ARRAY = b"\xdd"
_BYTES = b"\xc6"
"""Heads of arrays and of byte strings in their longest form; a length of four bytes follows."""


class Packing:
    """Msgpack under way. What is written becomes one value when every array has got as many values as it was begun with."""

    __slots__ = ("_out", "_pack")

    def __init__(self) -> None:
        self._out = BytesIO()
        self._pack = msgspec.msgpack.Encoder().encode

    def begin(self, count: int) -> None:
        """Begin an array of so many values, which are written next."""
        self._out.write(_ARRAY + count.to_bytes(4, "big"))

    def value(self, value: Any) -> None:
        """One value that msgpack has a form for; OverflowError, and nothing written, when a whole number is too large for it."""
        self._out.write(self._pack(value))

    def ready(self, value: bytes) -> None:
        """One value that is msgpack already."""
        self._out.write(value)

    def numbers(self, numbers: array[Any]) -> None:
        """Packed numbers, as a byte string."""
        self._out.write(_BYTES + (len(numbers) * numbers.itemsize).to_bytes(4, "big"))
        self._out.write(numbers)

    def done(self) -> bytes:
        """All that was written."""
        return self._out.getvalue()


Written: TypeAlias = Callable[[Packing], None]
"""Writes one value as it was at a moment, whatever has happened since; on any thread."""


def packed(parts: Sequence[Written]) -> bytes:
    """An array of values."""
    out = Packing()
    out.begin(len(parts))
    for write in parts:
        write(out)
    return out.done()


def value(made: Any) -> Written:
    """What writes a value as it is now."""
    return partial(_write, msgspec.msgpack.encode(made))


def _write(made: bytes, out: Packing) -> None:
    out.ready(made)
