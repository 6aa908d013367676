"""A row on its way through a window, with everything that later clauses may ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from plutino.execution.state import pack_row, pack_value, unpack_row, unpack_value


class Entry(Struct, gc=False):
    """One source row: ``time`` in epoch ms (arrival, or event time), ``values`` of the analytic calls, ``source`` by number.

    ``whole`` is the whole record where the plan reads whole rows, else None.
    """

    row: Any
    time: int
    meta: Mapping[str, Any]
    whole: Any
    values: tuple[Any, ...] = ()
    source: int = 0


Span = tuple[int, int, int]
"""Start, end and trigger of a window, epoch ms."""


def pack_entry(entry: Entry) -> list[Any]:
    """An entry as a msgpack value."""
    return [
        pack_row(entry.row),
        entry.time,
        pack_value(dict(entry.meta)),
        pack_value(entry.whole),
        pack_value(list(entry.values)),
        entry.source,
    ]


def unpack_entry(packed: Any) -> Entry:
    """What ``pack_entry`` packed."""
    row, time, meta, whole, values, source = packed
    return Entry(unpack_row(row), time, unpack_value(meta), unpack_value(whole), tuple(unpack_value(values)), source)
