"""Rules of a feed that project alike and differ only in the constant of their condition: one of them does the work for all.

The rows that any of them wants are projected once, encoded once per action, and each rule hands its share of the messages to its sink.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from operator import ge, gt, le, lt
from typing import Any

from plutino.model import Batch
from plutino.runtime.guards import Call, Selection, pick
from plutino.spi import Guard

Twin = Callable[[Batch], Batch | None]

_HOLDS = {">": gt, ">=": ge, "<": lt, "<=": le}


class RangeTwins:
    """Twins with one of the comparisons ``> >= < <=``: constants and calls in ascending order."""

    __slots__ = ("_bisect", "_calls", "_constants", "_op", "_rising", "_twin")

    def __init__(self, twin: Twin, op: str, entries: Iterable[tuple[Guard, Call]]) -> None:
        ordered = sorted(((guard.constant, call) for guard, call in entries), key=lambda pair: pair[0])
        self._twin = twin
        self._op = op
        self._constants = [constant for constant, _ in ordered]
        self._calls = [call for _, call in ordered]
        self._rising = op in (">", ">=")
        self._bisect = bisect_left if op in (">", "<=") else bisect_right

    def select_one(self, value: Any, batch: Batch, found: list[Selection]) -> None:
        """What a batch of one row concerns."""
        at = self._bisect(self._constants, value)
        calls = self._calls[:at] if self._rising else self._calls[at:]
        if calls:
            _share(self._twin, calls, batch, None, found)

    def select_many(self, values: list[Any], low: Any, high: Any, batch: Batch, found: list[Selection]) -> None:
        """What a batch concerns whose values lie between ``low`` and ``high``."""
        at = self._bisect(self._constants, high if self._rising else low)
        first, last = (0, at) if self._rising else (at, len(self._constants))
        if first == last:
            return
        constants, calls = self._constants[first:last], self._calls[first:last]
        weakest = constants[0] if self._rising else constants[-1]
        holds = _HOLDS[self._op]
        if holds(low if self._rising else high, weakest):
            rows, kept = batch, values
        else:
            indices = [i for i, value in enumerate(values) if holds(value, weakest)]
            rows, kept = pick(batch, indices), [values[i] for i in indices]
            low, high = min(kept), max(kept)
        edge = low if self._rising else high
        shares = [None if holds(edge, constant) else _positions(self._op, kept, constant) for constant in constants]
        _share(self._twin, calls, rows, shares, found)


class EqualTwins:
    """Twins with the comparison ``=``: calls by constant."""

    __slots__ = ("_table", "_twin")

    def __init__(self, twin: Twin, entries: Iterable[tuple[Guard, Call]]) -> None:
        self._twin = twin
        self._table: dict[Any, list[Call]] = {}
        for guard, call in entries:
            self._table.setdefault(guard.constant, []).append(call)

    def select_one(self, value: Any, batch: Batch, found: list[Selection]) -> None:
        """What a batch of one row concerns."""
        calls = self._table.get(value)
        if calls is not None:
            _share(self._twin, calls, batch, None, found)

    def select_many(self, values: list[Any], batch: Batch, found: list[Selection]) -> None:
        """What a batch concerns."""
        table = self._table
        hits = [i for i, value in enumerate(values) if value in table]
        if not hits:
            return
        positions: defaultdict[Any, list[int]] = defaultdict(list)
        for k, i in enumerate(hits):
            positions[values[i]].append(k)
        calls: list[Call] = []
        shares: list[list[int] | None] = []
        for value, where in positions.items():
            for call in table[value]:
                calls.append(call)
                shares.append(where if len(where) < len(hits) else None)
        _share(self._twin, calls, batch if len(hits) == len(values) else pick(batch, hits), shares, found)


def share_of(out: Batch, positions: Sequence[int]) -> Batch:
    """Some rows of an output."""
    if out.passthrough and out.payloads is not None:
        payloads = out.payloads
        return Batch([], payloads=[payloads[k] for k in positions], passthrough=True, whole=out.whole, arrival=out.arrival)
    rows = out.rows
    return Batch([rows[k] for k in positions], arrival=out.arrival)


def _positions(op: str, values: list[Any], constant: Any) -> list[int]:
    match op:
        case ">":
            return [k for k, value in enumerate(values) if value > constant]
        case ">=":
            return [k for k, value in enumerate(values) if value >= constant]
        case "<":
            return [k for k, value in enumerate(values) if value < constant]
        case _:
            return [k for k, value in enumerate(values) if value <= constant]


def _share(twin: Twin, calls: Sequence[Call], rows: Batch, shares: Sequence[Sequence[int] | None] | None, found: list[Selection]) -> None:
    """One output for several calls; where it cannot be made (or is not worth it) each call gets its rows as ever."""
    out = twin(rows) if len(calls) > 1 else None
    if out is None:
        if shares is None:
            found.append((calls, rows, None))
        else:
            for call, share in zip(calls, shares, strict=True):
                found.append(((call,), rows if share is None else pick(rows, share), None))
        return
    found.append((calls, out, shares if shares is not None else [None] * len(calls)))
