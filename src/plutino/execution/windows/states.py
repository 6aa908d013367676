"""State windows: rows between a row that begins and a row that ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plutino.errors import EvaluationError
from plutino.execution.aggregates import group_text
from plutino.execution.entry import Entry, pack_entry, unpack_entry
from plutino.execution.failures import StageError
from plutino.execution.state import pack_value, unpack_value
from plutino.execution.windows.operator import Fired

Condition = Callable[[Entry, Sequence[Any]], Any]


class StateWindow:
    """With two conditions: the row that ``begin`` takes opens, the first later row that ``emit`` takes closes; both belong to the window.

    With one: each row that it takes closes the window before (without it) and opens the next (with it). There is one state per value of
    ``partition``.
    """

    def __init__(
        self,
        begin: Condition,
        emit: Condition | None,
        partition: Callable[[Entry, Sequence[Any]], tuple[Any, ...]] | None,
        memories: Sequence[Any],
    ) -> None:
        self._begin = begin
        self._emit = emit
        self._partition = partition
        self._memories = memories
        self._open: dict[Any, list[Entry]] = {}

    def start(self, now: int) -> None:
        """Nothing depends on when the rule begins."""

    def add(self, entry: Entry) -> list[Fired]:
        key = self._key_of(entry)
        held = self._open.get(key)
        if self._emit is None:
            return self._single(key, held, entry)
        if held is None:
            if self._holds(self._begin, entry):
                self._open[key] = [entry]
            return []
        held.append(entry)
        if not self._holds(self._emit, entry):
            return []
        del self._open[key]
        return [_fired(held, entry.time)]

    def _key_of(self, entry: Entry) -> Any:
        if self._partition is None:
            return ()
        try:
            return tuple(map(group_text, self._partition(entry, self._memories)))
        except EvaluationError as error:
            raise StageError("window", f"run Window error: {error}") from error

    def _single(self, key: Any, held: list[Entry] | None, entry: Entry) -> list[Fired]:
        if not self._holds(self._begin, entry):
            if held is not None:
                held.append(entry)
            return []
        self._open[key] = [entry]
        return [] if held is None else [_fired(held, entry.time)]

    def _holds(self, condition: Condition, entry: Entry) -> bool:
        try:
            return condition(entry, self._memories) is True
        except EvaluationError:
            return False

    def advance(self, now: int) -> list[Fired]:
        return []

    def deadline(self) -> int | None:
        return None

    def snapshot(self) -> Any:
        return [[pack_value(list(key)), [pack_entry(e) for e in held]] for key, held in self._open.items()]

    def restore(self, state: Any) -> None:
        self._open = {_key(unpack_value(key)): [unpack_entry(e) for e in held] for key, held in state}


def _fired(entries: list[Entry], end: int) -> Fired:
    return Fired(entries, entries[0].time, end, end)


def _key(value: Any) -> Any:
    return tuple(_key(v) for v in value) if isinstance(value, list) else value
