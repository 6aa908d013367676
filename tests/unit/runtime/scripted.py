"""Programs of engine tests, written as Python functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET

from plutino.errors import EvaluationError
from plutino.model import Batch, RowError, attribute
from plutino.spi import Guard, InputNeed


@dataclass
class Script:
    """A program as a function: ``row`` maps a dict to a dict (or None, or raises EvaluationError), ``need`` as the engine sees it."""

    row: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda row: row
    columns: tuple[str, ...] = ("a", "b")
    whole: bool = False
    meta: bool = False
    times: bool = False
    guard: Guard | None = None
    twin: Any = None
    streams: tuple[str, ...] = ("s",)
    every: int = 0
    """Collect rows and give them as one window every so many ms."""
    made: list[Acting] = field(default_factory=list)

    def __call__(self) -> Acting:
        acting = Acting(self)
        self.made.append(acting)
        return acting


class Acting:
    """A running ``Script``."""

    json_numbers: Any = ()

    def __init__(self, script: Script) -> None:
        self.script = script
        self.operators = ("2_filter", "3_project")
        self.counts = [0, 0, 0]
        self.pushed: list[Batch] = []
        self.kept: list[dict[str, Any]] = []
        self.due: int | None = None
        self.started: int | None = None

    @property
    def counters(self) -> list[list[int]]:
        return [list(self.counts), [self.counts[1], self.counts[1], 0]]

    @property
    def inputs(self) -> dict[str, InputNeed]:
        s = self.script
        need = InputNeed(s.columns, whole=s.whole, meta=s.meta, times=s.times, guard=s.guard, twin=s.twin)
        return dict.fromkeys(s.streams, need)

    def start(self, now: int) -> None:
        self.started = now
        if self.script.every:
            self.due = now + self.script.every

    def push(self, stream: str, batch: Batch) -> Batch | None:
        self.pushed.append(batch)
        out: list[dict[str, Any]] = []
        errors: list[RowError] = []
        for i, row in enumerate(batch.rows):
            self.counts[0] += 1
            record = batch.record(i) if self.script.whole else record_of(row, self.script.columns)
            if self.script.meta:
                record = {**record, "meta": dict(batch.meta_of(i))}
            if batch.times is not None:
                record = {**record, "time": batch.times[i]}
            try:
                made = self.script.row(record)
            except EvaluationError as error:
                errors.append(RowError(len(out), str(error), "project"))
                self.counts[2] += 1
            else:
                if made is not None:
                    self.counts[1] += 1
                    out.append(made)
        if self.script.every:
            self.kept += out
            return None
        return Batch(out, errors=errors or None) if out or errors else None

    def advance(self, now: int) -> Batch | None:
        if self.due is None or now < self.due:
            return None
        self.due += self.script.every
        rows, self.kept = self.kept, []
        return Batch(rows, sizes=[len(rows)])

    def next_deadline(self) -> int | None:
        return self.due

    def snapshot(self) -> bytes:
        return json.dumps([self.due, self.kept]).encode() if self.script.every else b""

    def restore(self, state: bytes) -> None:
        self.due, self.kept = json.loads(state)


def record_of(row: Any, columns: Sequence[str]) -> dict[str, Any]:
    """A row as a dict of the columns that a script reads."""
    if isinstance(row, dict):
        return {name: row[name] for name in columns if name in row}
    found = {name: getattr(row, attribute(name)) for name in columns}
    return {name: value for name, value in found.items() if value is not UNSET}
