"""Programs without windows: each row is filtered and projected by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from plutino.execution.failures import FAST_FAILURES, StageError
from plutino.execution.memory import Memory, RuleClock
from plutino.model import Batch, RowError
from plutino.spi import InputNeed

PATIENCE = 8
"""Batches in a row that the fast tier may fail before it is left alone …"""
PAUSE = 256
"""… for this many batches."""


class RowCode(Struct, frozen=True):
    """The compiled functions of a rule without window, and what they need.

    - ``fast(rows)`` or, for ``whole`` output, ``fast(rows, wholes)``: output rows of a batch; None where the rule has no fast tier
    - ``exact(row, meta, whole, time, memories)``: the output row, or None for a row that is filtered out; StageError when it fails
    - ``output``: ``rows`` (structs), ``records`` (dicts), ``pass`` (whole rows handed on unchanged) or ``spread`` (``exact`` gives a list
      of dicts, each a message of its own)
    """

    fast: Callable[..., list[Any]] | None
    exact: Callable[[Any, Mapping[str, Any], Any, int, Sequence[Any]], Any]
    output: str
    guarded: bool
    stream: str
    need: InputNeed
    operators: tuple[str, ...]
    memories: tuple[Callable[[], Memory], ...] = (RuleClock,)
    json_numbers: frozenset[str] | None = frozenset()


class RowProgram:
    """A rule that needs nothing but the row at hand, and what analytic calls remember."""

    __slots__ = ("_code", "_failed", "_fast", "_memories", "_pause", "_rows_in", "_rows_lost", "_rows_out")

    def __init__(self, code: RowCode) -> None:
        self._code = code
        self._fast = code.fast
        self._memories: list[Any] = [make() for make in code.memories]
        self._failed = 0
        self._pause = 0
        self._rows_in = 0
        self._rows_out = 0
        self._rows_lost = 0

    @property
    def inputs(self) -> Mapping[str, InputNeed]:
        return {self._code.stream: self._code.need}

    @property
    def json_numbers(self) -> frozenset[str] | None:
        return self._code.json_numbers

    @property
    def operators(self) -> Sequence[str]:
        return self._code.operators

    @property
    def counters(self) -> Sequence[list[int]]:
        """Rows in, rows out, errors per operator: the first filters or projects, what follows sees what is left."""
        kept = self._rows_out
        first = [self._rows_in, kept, self._rows_lost]
        return [first, *([kept, kept, 0] for _ in self._code.operators[1:])]

    def start(self, now: int) -> None:
        clock = self._memories[0]
        clock.started = clock.started or now

    def push(self, stream: str, batch: Batch) -> Batch | None:
        rows = batch.rows
        self._rows_in += len(rows)
        if self._fast is not None and batch.errors is None and (batch.guarded or not self._code.guarded):
            out = self._push_fast(batch)
            if out is not None:
                self._rows_out += len(out)
                return self._batch(batch, out, None) if out else None
        return self._push_exact(batch)

    def project(self, batch: Batch) -> Batch | None:
        """Outputs of the fast tier for all rows, not counted; None when it fails."""
        out = self._push_fast(batch)
        return None if out is None else self._batch(batch, out, None)

    def _push_fast(self, batch: Batch) -> list[Any] | None:
        """Output rows of the fast tier; None when the batch belongs to the exact tier."""
        if self._pause:
            self._pause -= 1
            return None
        assert self._fast is not None
        try:
            out = self._fast(batch.rows) if self._code.output == "rows" else self._fast(batch.rows, self._wholes(batch))
        except FAST_FAILURES:
            self._failed += 1
            if self._failed >= PATIENCE:
                self._failed, self._pause = 0, PAUSE
            return None
        self._failed = 0
        return out

    def _wholes(self, batch: Batch) -> list[Any]:
        if self._code.output == "pass" and batch.payloads is not None:
            return batch.payloads
        if batch.records is not None:
            return batch.records
        return [batch.record(i) for i in range(len(batch.rows))]

    def _push_exact(self, batch: Batch) -> Batch | None:
        exact, meta, times, memories = self._code.exact, self._code.need.meta, batch.times, self._memories
        wholes = self._wholes(batch) if self._code.need.whole else None
        failed_before = list(batch.errors or ())
        spread = self._code.output == "spread"
        out: list[Any] = []
        errors: list[RowError] = []
        for i, row in enumerate(batch.rows):
            while failed_before and failed_before[0].at <= i:
                errors.append(_moved(failed_before.pop(0), len(out)))
            try:
                made = exact(
                    row,
                    batch.meta_of(i) if meta else {},
                    None if wholes is None else wholes[i],
                    batch.arrival if times is None else times[i],
                    memories,
                )
            except StageError as error:
                errors.append(RowError(len(out), str(error), error.stage))
                self._rows_lost += 1
            else:
                if made is not None:
                    out.extend(made) if spread else out.append(made)
        errors.extend(_moved(e, len(out)) for e in failed_before)
        self._rows_out += len(out)
        return self._batch(batch, out, errors or None) if out or errors else None

    def _batch(self, source: Batch, out: list[Any], errors: list[RowError] | None) -> Batch:
        if self._code.output == "pass" and source.payloads is not None:
            return Batch([], payloads=out, passthrough=True, whole=source.whole, arrival=source.arrival, errors=errors)
        return Batch(out, arrival=source.arrival, errors=errors)

    def advance(self, now: int) -> Batch | None:
        return None

    def next_deadline(self) -> int | None:
        return None

    def snapshot(self) -> bytes:
        if len(self._memories) == 1:
            return b""
        return msgspec.msgpack.encode([memory.snapshot() for memory in self._memories])

    def restore(self, state: bytes) -> None:
        if state:
            for memory, kept in zip(self._memories, msgspec.msgpack.decode(state), strict=True):
                memory.restore(kept)


class RowTwin:
    """The projection that several rules have in common, without their conditions: ``InputNeed.twin``."""

    __slots__ = ("__weakref__", "_guarded", "_program")

    def __init__(self, fast: Callable[..., list[Any]], output: str, guarded: bool) -> None:
        self._program = RowProgram(RowCode(fast, _no_exact_tier, output, guarded, "", InputNeed(()), ()))
        self._guarded = guarded

    def __call__(self, batch: Batch) -> Batch | None:
        """The outputs of all rows, or None where the fast tier cannot make them."""
        if self._guarded and not batch.guarded:
            return None
        return self._program.project(batch)


def _no_exact_tier(*_: Any) -> Any:
    raise AssertionError("a projection without condition has a fast tier only")


def _moved(error: RowError, at: int) -> RowError:
    return RowError(at, error.text, error.stage)
