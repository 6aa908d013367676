"""State windows that keep accumulators, not rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from plutino.errors import EvaluationError
from plutino.execution.accumulators import Groups, hashable
from plutino.execution.aggregates import group_text
from plutino.execution.entry import Entry
from plutino.execution.failures import StageError
from plutino.execution.state import pack_value, unpack_value

Condition = Callable[[Entry, Sequence[Any]], Any]


class StatesCode(Struct, frozen=True):
    """What begins a window, what ends it (None: the row that begins the next one), and by which values rows have windows of their own."""

    begin: Condition
    emit: Condition | None
    partition: Callable[[Entry, Sequence[Any]], tuple[Any, ...]] | None


class OpenState(Struct):
    """A window that has begun."""

    start: int
    groups: Groups


class OpenStates:
    """The open windows, one per value of the partition. The rules are those of ``windows.states.StateWindow``."""

    __slots__ = ("_code", "_make", "_memories", "_open")

    def __init__(self, code: StatesCode, memories: Sequence[Any], make: Callable[[], Groups]) -> None:
        self._code = code
        self._memories = memories
        self._make = make
        self._open: dict[Any, OpenState] = {}

    def place(self, entry: Entry) -> tuple[OpenState | None, OpenState | None]:
        """The window that takes a row, and the one that is given out: once it has the row where both are the same, before it otherwise."""
        code, key = self._code, self._key_of(entry)
        held = self._open.get(key)
        if code.emit is None:
            if not self._holds(code.begin, entry):
                return held, None
            return self._begun(key, entry), held
        if held is None:
            return (self._begun(key, entry), None) if self._holds(code.begin, entry) else (None, None)
        if not self._holds(code.emit, entry):
            return held, None
        del self._open[key]
        return held, held

    def _begun(self, key: Any, entry: Entry) -> OpenState:
        found = self._open[key] = OpenState(entry.time, self._make())
        return found

    def _key_of(self, entry: Entry) -> Any:
        if self._code.partition is None:
            return ()
        try:
            return tuple(map(group_text, self._code.partition(entry, self._memories)))
        except EvaluationError as error:
            raise StageError("window", f"run Window error: {error}") from error

    def _holds(self, condition: Condition, entry: Entry) -> bool:
        """Whether a condition holds; one that fails does not."""
        try:
            return condition(entry, self._memories) is True
        except EvaluationError:
            return False

    def snapshot(self) -> Any:
        return [[pack_value(list(key)), held.start, held.groups.snapshot()] for key, held in self._open.items()]

    def restore(self, state: Any) -> None:
        self._open = {}
        for key, start, contents in state:
            held = self._open[hashable(unpack_value(key))] = OpenState(start, self._make())
            held.groups.restore(contents)
