"""Guards of rules, and the rows that a rule must see because of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import UNSET

from plutino.model import Batch
from plutino.spi import Guard

OPS = ("=", ">", ">=", "<", "<=")

NUMBERS = frozenset({int, float})
TEXTS = frozenset({str})

_EXACT = 2**53
"""Beyond this the dialect compares numbers as rounded floats: such constants are no help."""

Call = tuple[Callable[[str, Batch], Any], Callable[[Any], None], Any]
"""``(push, emit, place)`` of one rule, ready to be called."""

Selection = tuple[Sequence[Call], Batch, "Sequence[Sequence[int] | None] | None"]
"""Calls and the rows that they must be pushed; or, with shares, an output made for them and which of its rows each gets (None: all)."""


def family_of(guard: Guard | None) -> frozenset[type] | None:
    """The types of value that a guard speaks of, None when it cannot be used."""
    if guard is None or guard.op not in OPS or guard.constant is UNSET:
        return None
    kind = type(guard.constant)
    if kind is str:
        return TEXTS
    if kind in NUMBERS and -_EXACT < guard.constant < _EXACT:
        return NUMBERS
    return None


def pick(batch: Batch, indices: Sequence[int]) -> Batch:
    """Some rows of a batch, with everything that belongs to them."""
    rows, payloads, records, times, meta = batch.rows, batch.payloads, batch.records, batch.times, batch.meta
    return Batch(
        [rows[i] for i in indices],
        payloads=None if payloads is None else [payloads[i] for i in indices],
        records=None if records is None else [records[i] for i in indices],
        whole=batch.whole,
        arrival=batch.arrival,
        times=None if times is None else [times[i] for i in indices],
        meta=[meta[i] for i in indices] if isinstance(meta, list) else meta,
        guarded=batch.guarded,
    )
