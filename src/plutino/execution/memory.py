"""What a rule remembers between rows, apart from windows: analytic calls, changed columns, hit counters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import UNSET

from plutino.errors import EvaluationError
from plutino.execution.aggregates import group_text
from plutino.execution.state import pack_value, unpack_value


class Memory(Protocol):
    """One remembered thing of a program."""

    def snapshot(self) -> Any:
        """The state as a msgpack value."""
        ...

    def restore(self, state: Any) -> None: ...


class RuleClock:
    """When the rule began (epoch ms), for ``rule_start``."""

    __slots__ = ("started",)

    def __init__(self) -> None:
        self.started = 0

    def snapshot(self) -> Any:
        return self.started

    def restore(self, state: Any) -> None:
        self.started = state


class AnalyticState(Protocol):
    """The state of one analytic call in one partition (``FunctionSpec.call`` of an analytic function makes it)."""

    def step(self, args: Sequence[Any], accepted: bool) -> Any:
        """The value for a row; ``accepted`` is what WHEN says of it. EvaluationError when the arguments do not fit."""
        ...

    def snapshot(self) -> Any: ...

    def restore(self, state: Any) -> None: ...


class Analytic:
    """One analytic call site: a state per value of PARTITION BY."""

    __slots__ = ("_make", "_name", "_partitions")

    def __init__(self, name: str, make: Any) -> None:
        self._name = name
        self._make = make
        self._partitions: dict[Any, AnalyticState] = {}

    def step(self, partition: tuple[Any, ...], when: Any, args: Sequence[Any]) -> Any:
        """The value for a row; a WHEN that is null or no condition counts as true, as in the original."""
        key = tuple(map(group_text, partition))
        state = self._partitions.get(key)
        if state is None:
            state = self._partitions[key] = self._make()
        try:
            return state.step(args, when is not False)
        except EvaluationError as error:
            raise EvaluationError(f"call func {self._name} error: {error}") from error

    def snapshot(self) -> Any:
        return [[pack_value(list(key)), pack_value(state.snapshot())] for key, state in self._partitions.items()]

    def restore(self, state: Any) -> None:
        self._partitions = {}
        for key, kept in state:
            partition = self._partitions[_key(unpack_value(key))] = self._make()
            partition.restore(unpack_value(kept))


def _key(value: Any) -> Any:
    return tuple(_key(v) for v in value) if isinstance(value, list) else value


class Changes:
    """``changed_cols``: the last value of each column that was shown."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[str, Any] = {}

    def changed(self, prefix: Any, ignore_null: Any, columns: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        """The columns whose value differs from the one before, under ``prefix`` + name."""
        if not isinstance(prefix, str):
            raise EvaluationError("call func changed_cols error: the prefix must be a string")
        found: dict[str, Any] = {}
        for name, value in columns:
            value = None if value is UNSET else value
            if value is None and ignore_null is True:
                continue
            if name not in self._last or type(self._last[name]) is not type(value) or self._last[name] != value:
                self._last[name] = value
                found[prefix + name] = value
        return found

    def snapshot(self) -> Any:
        return pack_value(self._last)

    def restore(self, state: Any) -> None:
        self._last = unpack_value(state)


class Hits:
    """How often and when a clause was passed, for ``last_hit_count`` and ``last_hit_time``."""

    __slots__ = ("count", "time")

    def __init__(self) -> None:
        self.count = 0
        self.time = 0

    def hit(self, time: int) -> bool:
        """The clause was passed at ``time`` (epoch ms); returns True, to stand in a condition."""
        self.count += 1
        self.time = time
        return True

    def snapshot(self) -> Any:
        return [self.count, self.time]

    def restore(self, state: Any) -> None:
        self.count, self.time = state
