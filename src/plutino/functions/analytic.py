"""Analytic functions: the value for a row out of the rows before it (sql reference §6.8).

``FunctionSpec.call`` of an analytic function makes a fresh state for one partition. ``step(args, accepted)`` gives the value for a row;
``accepted`` is what ``OVER (WHEN …)`` says of it. States snapshot as msgpack values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plutino.errors import EvaluationError
from plutino.model.value import general_text, to_float
from plutino.spi import Arg, ArgCheck, FunctionKind, FunctionSpec
from plutino.spi.function import Literal


def _differs(a: Any, b: Any) -> bool:
    return type(a) is not type(b) or a != b


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise EvaluationError(f"first arg is not a bool but got {value}")
    return value


_MOST_ROWS = 1_000_000


def _rows(value: Any) -> int:
    if type(value) not in (int, float) or value != value or not -_MOST_ROWS <= value <= _MOST_ROWS:
        raise EvaluationError(f"{general_text(value)} rows; a number up to {_MOST_ROWS} is expected")
    return int(value)


class Lag:
    """The value ``n`` accepted rows ago; the slots before the first row hold the default."""

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots: list[Any] | None = None

    def step(self, args: Sequence[Any], accepted: bool) -> Any:
        value, *rest = args
        back = _rows(rest[0]) if rest else 1
        if back <= 0:
            return None
        if self._slots is None:
            self._slots = [rest[1] if len(rest) > 1 else None] * back
        oldest = self._slots[0]
        keep_null = len(rest) > 2 and rest[2] is False
        if accepted and (value is not None or keep_null):
            self._slots = [*self._slots[1:], value]
        return oldest

    def snapshot(self) -> Any:
        return self._slots

    def restore(self, state: Any) -> None:
        self._slots = state


class Latest:
    """The newest value that is not null."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: Any = None

    def step(self, args: Sequence[Any], accepted: bool) -> Any:
        value, *rest = args
        if accepted and value is not None:
            self._value = value
        return self._value if self._value is not None else (rest[0] if rest else None)

    def snapshot(self) -> Any:
        return self._value

    def restore(self, state: Any) -> None:
        self._value = state


class ChangedColumn:
    """The value if it differs from the one before, else null."""

    __slots__ = ("_last", "_seen")

    def __init__(self) -> None:
        self._seen = False
        self._last: Any = None

    def step(self, args: Sequence[Any], accepted: bool) -> Any:
        ignore_null, value = _flag(args[0]), args[1]
        if not accepted or (value is None and ignore_null):
            return None
        if self._seen and not _differs(self._last, value):
            return None
        self._seen, self._last = True, value
        return value

    def snapshot(self) -> Any:
        return [self._seen, self._last]

    def restore(self, state: Any) -> None:
        self._seen, self._last = state


class HadChanged:
    """Whether any of the values differs from the one before; the first value counts as a change."""

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots: dict[int, Any] = {}

    def step(self, args: Sequence[Any], accepted: bool) -> Any:
        ignore_null = _flag(args[0])
        if not accepted:
            return False
        changed = False
        for i, value in enumerate(args[1:]):
            if value is None and ignore_null:
                continue
            if i not in self._slots or _differs(self._slots[i], value):
                self._slots[i] = value
                changed = True
        return changed

    def snapshot(self) -> Any:
        return [[i, v] for i, v in self._slots.items()]

    def restore(self, state: Any) -> None:
        self._slots = dict(state)


class Running:
    """A running sum, count, maximum, minimum or mean.

    With ``begin`` and ``reset`` it runs from a row that begins to one that resets, both included, and starts anew with the next row.
    """

    __slots__ = ("_active", "_count", "_extreme", "_kind", "_total")

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._active = False
        self._count = 0
        self._total = 0.0
        self._extreme: float | None = None

    def step(self, args: Sequence[Any], accepted: bool) -> Any:
        value, *bounds = args
        if not bounds:
            if accepted:
                self._take(value)
            return self._value()
        for name, flag in zip(("onBegin", "onReset"), bounds, strict=True):
            if not isinstance(flag, bool):
                raise EvaluationError(f"{name} should be boolean")
        self._active = self._active or bounds[0]
        if self._active and accepted:
            self._take(value)
        shown = self._value()
        if self._active and bounds[1]:
            self._active, self._count, self._total, self._extreme = False, 0, 0.0, None
        return shown

    def _take(self, value: Any) -> None:
        if value is None:
            return
        if self._kind != "count":
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise EvaluationError("the value should be number")
            self._total += value
            best = self._extreme
            pick = max if self._kind == "max" else min
            self._extreme = float(value) if best is None else pick(best, float(value))
        self._count += 1

    def _value(self) -> Any:
        match self._kind:
            case "count":
                return self._count
            case "sum":
                return self._total
            case "avg":
                return self._total / self._count if self._count else 0.0
            case _:
                return 0.0 if self._extreme is None else self._extreme

    def snapshot(self) -> Any:
        return [self._active, self._count, self._total, self._extreme]

    def restore(self, state: Any) -> None:
        self._active, self._count, self._total, self._extreme = state


class Incremental:
    """The running value of an aggregate over the rows so far; a row without a value shows null and counts for nothing."""

    __slots__ = ("_kind", "_running", "_value")

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._running = Running(kind)
        self._value: Any = None

    def step(self, args: Sequence[Any], accepted: bool) -> Any:
        value = args[0]
        if value is None or value == [] or value == {}:
            return None
        match self._kind:
            case "count" | "sum" | "avg":
                return self._running.step((value if self._kind == "count" else to_float(value),), True)
            case "max" | "min":
                # values of no order, and of another kind than the first one, give null
                first = value if self._value is None else self._value
                if type(value) not in (int, float, str) or isinstance(value, str) != isinstance(first, str):
                    return None
                if self._value is None or (value > self._value) == (self._kind == "max"):
                    self._value = value
            case "merge_agg":
                if not isinstance(value, dict):
                    raise EvaluationError("argument is not a map[string]interface{}")
                self._value = {**(self._value or {}), **value}
            case "collect":
                self._value = [*(self._value or []), value]
            case _:
                self._value = value
        return self._value

    def snapshot(self) -> Any:
        return [self._running.snapshot(), self._value]

    def restore(self, state: Any) -> None:
        running, self._value = state
        self._running.restore(running)


def _incremental(kind: str, *args: Arg) -> FunctionSpec:
    return _analytic(f"inc_{kind}", lambda: Incremental(kind), f"The running {kind} over the rows so far", args)


def _lag_literals(args: Sequence[Literal]) -> str | None:
    if len(args) > 1 and args[1].known and isinstance(args[1].value, int) and args[1].value < 0:
        return "the index should not be a nagtive integer"
    return None


def _begin_and_reset(args: Sequence[Literal]) -> str | None:
    return None if len(args) in (1, 3) else f"Expect 1/3 arguments but found {len(args)}."


def _analytic(name: str, call: Callable[[], Any], about: str, args: tuple[Arg, ...], **more: Any) -> FunctionSpec:
    return FunctionSpec(name=name, call=call, about=about, args=args, kind=FunctionKind.ANALYTIC, pure=False, **more)


def _running(kind: str, about: str, *results: Any) -> FunctionSpec:
    return _analytic(
        f"acc_{kind}",
        lambda: Running(kind),
        about,
        (Arg("value"), Arg("begin"), Arg("reset")),
        optional=2,
        returns="bigint" if kind == "count" else "float",
        validate=_begin_and_reset,
        count_error="Expect 1/3 arguments but found {given}.",
        over_rows=((f"acc_{kind}(x)", (3, None, 1), list(results)),),
    )


FUNCTIONS = (
    _analytic(
        "lag",
        Lag,
        "The value some accepted rows ago (1 unless told), or a default while there are not that many",
        (Arg("value"), Arg("rows", ArgCheck.INT), Arg("default"), Arg("ignore_null", ArgCheck.BOOL)),
        optional=3,
        validate=_lag_literals,
        over_rows=(("lag(x)", (1, 2, None, 4), [None, 1.0, 2.0, 2.0]), ("lag(x, 2, 0)", (1, 2, 3), [0, 0, 1.0])),
    ),
    _analytic(
        "latest",
        Latest,
        "The newest value that is not null, or a default",
        (Arg("value"), Arg("default")),
        optional=1,
        over_rows=(("latest(x, 0)", (None, 1, None), [0, 1.0, 1.0]),),
    ),
    _analytic(
        "changed_col",
        ChangedColumn,
        "The value when it differs from the one before, else null",
        (Arg("ignore_null", ArgCheck.BOOL), Arg("value")),
        over_rows=(("changed_col(true, x)", (1, 1, 2, None), [1.0, None, 2.0, None]),),
    ),
    _analytic(
        "had_changed",
        HadChanged,
        "Whether any of the values differs from the one before",
        (Arg("ignore_null", ArgCheck.BOOL), Arg("value")),
        variadic=True,
        returns="boolean",
        count_error="expect more than one arg but got {given}",
        over_rows=(("had_changed(true, x)", (1, 1, 2, None), [True, False, True, False]),),
    ),
    _running("sum", "The running sum, from a row that begins to a row that resets where these are given", 3.0, 3.0, 4.0),
    _running("count", "The running number of values that are not null", 1, 1, 2),
    _running("max", "The running maximum, 0 before the first value", 3.0, 3.0, 3.0),
    _running("min", "The running minimum, 0 before the first value", 3.0, 3.0, 1.0),
    _running("avg", "The running mean, 0 before the first value", 3.0, 3.0, 2.0),
    *(_incremental(kind, Arg("value")) for kind in ("count", "collect")),
    *(_incremental(kind, Arg("value", ArgCheck.NUMBER)) for kind in ("sum", "avg", "max", "min", "merge_agg")),
    _incremental("last_value", Arg("value"), Arg("ignore_null", ArgCheck.NUMBER)),
)
