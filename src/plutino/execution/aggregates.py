"""Accumulators: what a window keeps of its rows when every aggregate allows it.

``fold`` takes the argument's values of some rows, in order; folding in any portions gives what the aggregate gives over all values, to
the last digit: floats are added from left to right, as the original does. Parts that were summed apart and are put together by ``merge``
or ``lead`` may differ from that in the last digit; everything but sums of floats does not depend on how it is put together.
With ``loose`` values come as they stood in schemaless JSON: whole numbers mean floats, a missing key is null.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from itertools import accumulate, chain
from types import NoneType
from typing import Any, Protocol, TypeAlias

from msgspec import UNSET, UnsetType

from plutino.errors import EvaluationError
from plutino.execution.kernels import loose
from plutino.execution.state import pack_value, unpack_value
from plutino.model.number import divide, truncate, wrap
from plutino.model.value import describe, general_text


class Failed:
    """An argument that failed for one row: it counts as a value, and fails the aggregate that computes with it."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def _shown(value: Any) -> str:
    return f"*errors.errorString({value.text})" if isinstance(value, Failed) else describe(value)


_NULLS = frozenset((NoneType, UnsetType))
_FLOAT = frozenset((float,))
_INT = frozenset((int,))
_NUMBER = frozenset((int, float))
_TEXT = frozenset((str,))
_FAMILIES = (_FLOAT, _INT, _TEXT)
_LOOSE_FAMILIES = (_NUMBER, _TEXT)
"""Kinds of values that compare with each other."""


Kinds: TypeAlias = AbstractSet[type]


class Accumulator(Protocol):
    """The running value of one aggregate in one group."""

    def fold(self, values: Sequence[Any], kinds: Kinds | None = None) -> None:
        """Take the values of more rows, of these ``kinds`` where they are known already (``kinds_of``).

        Raises nothing: what cannot be aggregated shows in ``result``.
        """
        ...

    def of_each(self, lists: Sequence[Sequence[Any]], kinds: Kinds) -> list[Any] | None:
        """What each of several lists, none of them empty, gives by itself; None where ``kinds``, those of all values, make that doubtful.

        The accumulator itself stays as it is.
        """
        ...

    def merge(self, other: Any) -> bool:
        """Take what another accumulator of the same aggregate made of the rows behind; False when only folding those rows is right."""
        ...

    def suffixes(self, values: Sequence[Any]) -> Sequence[Any] | None:
        """Per value what ``lead`` takes for it and those behind it; None when only folding them is right."""
        ...

    def lead(self, suffixes: Any, low: int) -> None:
        """Begin, before anything is folded, with the values from number ``low`` on, of which ``suffixes`` tells."""
        ...

    def result(self) -> Any:
        """The aggregate so far; null over no values. EvaluationError when a value could not be aggregated."""
        ...

    def snapshot(self) -> Any:
        """The state as a msgpack value."""
        ...

    def restore(self, state: Any) -> None: ...


def kinds_of(values: Sequence[Any]) -> Kinds:
    """The types among values."""
    if isinstance(values, array):
        return _FLOAT if values.typecode == "d" else _INT
    return set(map(type, values))


def _present(values: Sequence[Any], kinds: Kinds) -> tuple[Sequence[Any], Kinds]:
    """The values that are not null, and their kinds."""
    if kinds.isdisjoint(_NULLS):
        return values, kinds
    return [v for v in values if v is not None and v is not UNSET], kinds - _NULLS


def _forwards(values: Iterable[Any], start: float) -> float:
    """A sum from left to right, without compensation."""
    for value in values:
        start += value
    return start


_sum: Callable[[Iterable[Any], float], float] = sum if sys.version_info < (3, 12) else _forwards
"""Since Python 3.12 ``sum`` compensates for rounding, so that what it gives depends on how the values come in portions."""


def _backwards(values: Iterable[Any]) -> list[Any]:
    """What was accumulated from the last value on, by the number of the first value in it."""
    found = list(values)
    found.reverse()
    return found


def _is_null(value: Any) -> bool:
    return value is None or value is UNSET


class Count:
    """Values that are not null; ``rows`` counts every row."""

    __slots__ = ("_count", "_rows")

    def __init__(self, rows: bool) -> None:
        self._rows = rows
        self._count = 0

    def fold(self, values: Sequence[Any], kinds: Kinds | None = None) -> None:
        if self._rows or (kinds_of(values) if kinds is None else kinds).isdisjoint(_NULLS):
            self._count += len(values)
        else:
            self._count += sum(1 for v in values if v is not None and v is not UNSET)

    def of_each(self, lists: Sequence[Sequence[Any]], kinds: Kinds) -> list[Any] | None:
        return list(map(len, lists)) if self._rows or kinds.isdisjoint(_NULLS) else None

    def merge(self, other: Count) -> bool:
        self._count += other._count
        return True

    def suffixes(self, values: Sequence[Any]) -> Sequence[int]:
        if self._rows or kinds_of(values).isdisjoint(_NULLS):
            return range(len(values), 0, -1)
        return _backwards(accumulate(not _is_null(v) for v in reversed(values)))

    def lead(self, suffixes: Sequence[int], low: int) -> None:
        self._count = int(suffixes[low])

    def result(self) -> int:
        return self._count

    def snapshot(self) -> Any:
        return self._count

    def restore(self, state: Any) -> None:
        self._count = state


class Total:
    """``sum`` and ``avg``: the first value that is not null decides between integers and floats."""

    __slots__ = ("_count", "_error", "_loose", "_mean", "_total")

    def __init__(self, loose_values: bool, mean: bool) -> None:
        self._loose = loose_values
        self._mean = mean
        self._count = 0
        self._total: int | float | None = None
        self._error: str | None = None

    def fold(self, values: Sequence[Any], kinds: Kinds | None = None) -> None:
        present, kinds = _present(values, kinds_of(values) if kinds is None else kinds)
        if not present or self._error is not None:
            return
        if kinds <= (_NUMBER if self._loose else _FLOAT) and not isinstance(self._total, int):
            self._total = _sum(present, self._total or 0.0)
        elif kinds <= _INT and not self._loose and not isinstance(self._total, float):
            self._total = wrap((self._total or 0) + sum(present))
        else:
            self._fold_mixed([float(v) if type(v) is int else v for v in present] if self._loose else present)
        self._count += len(present)

    def _fold_mixed(self, values: Sequence[Any]) -> None:
        for value in values:
            kind = type(value)
            if self._total is None and kind in _NUMBER:
                self._total = value
            elif self._total is None:
                self._error = f"run {'avg' if self._mean else 'sum'} function error: found invalid arg {_shown(value)}"
            elif isinstance(self._total, float) and kind is float:
                self._total += value
            elif isinstance(self._total, int) and kind in _NUMBER:
                self._total = wrap(self._total + (value if kind is int else truncate(value)))
            else:
                self._error = f"requires {'float64' if isinstance(self._total, float) else 'int'} but found {_shown(value)}"
            if self._error is not None:
                return

    def of_each(self, lists: Sequence[Sequence[Any]], kinds: Kinds) -> list[Any] | None:
        if kinds <= (_NUMBER if self._loose else _FLOAT):
            totals = [_sum(values, 0.0) for values in lists]
            return [total / len(values) for total, values in zip(totals, lists, strict=True)] if self._mean else totals
        if kinds <= _INT:
            wholes = [wrap(sum(values)) for values in lists]
            return [divide(total, len(values)) for total, values in zip(wholes, lists, strict=True)] if self._mean else wholes
        return None

    def merge(self, other: Total) -> bool:
        if type(self._total) is type(other._total) is float and self._error is other._error is None:
            self._total += other._total
            self._count += other._count
            return True
        kinds = {type(total) for total in (self._total, other._total) if total is not None}
        if self._error is not None or other._error is not None or len(kinds) > 1:
            return False
        self._count += other._count
        if self._total is None or other._total is None:
            self._total = other._total if self._total is None else self._total
        else:
            total = self._total + other._total
            self._total = wrap(total) if isinstance(total, int) else total
        return True

    def suffixes(self, values: Sequence[Any]) -> Sequence[tuple[Any, int]] | None:
        kinds = kinds_of(values)
        if not any(kinds - _NULLS <= family for family in ((_NUMBER,) if self._loose else (_FLOAT, _INT))):
            return None
        zero: int | float = 0 if kinds - _NULLS <= _INT and not self._loose else 0.0
        if kinds.isdisjoint(_NULLS):
            counts: Iterable[int] = range(1, len(values) + 1)
        else:
            counts = accumulate(not _is_null(v) for v in reversed(values))
            values = [zero if _is_null(v) else v for v in values]
        totals = accumulate(chain((zero,), reversed(values)))
        next(totals)
        return _backwards(zip(totals, counts, strict=True))

    def lead(self, suffixes: Sequence[tuple[Any, int]], low: int) -> None:
        total, self._count = suffixes[low]
        if self._count:
            self._total = wrap(total) if isinstance(total, int) else total

    def result(self) -> Any:
        if self._error is not None:
            name = "avg" if self._mean else "sum"
            raise EvaluationError(f"call func {name} error: {self._error}")
        if self._total is None or not self._mean:
            return self._total
        return divide(self._total, self._count) if isinstance(self._total, int) else self._total / self._count

    def snapshot(self) -> Any:
        return [self._count, pack_value(self._total), self._error]

    def restore(self, state: Any) -> None:
        self._count, total, self._error = state
        self._total = unpack_value(total)


class Extreme:
    """``min`` and ``max``: the first value that is not null decides between integers, floats and texts."""

    __slots__ = ("_best", "_error", "_loose", "_name", "_pick")

    def __init__(self, loose_values: bool, largest: bool) -> None:
        self._loose = loose_values
        self._name = "max" if largest else "min"
        self._pick: Callable[..., Any] = max if largest else min
        self._best: Any = None
        self._error: str | None = None

    def fold(self, values: Sequence[Any], kinds: Kinds | None = None) -> None:
        present, kinds = _present(values, kinds_of(values) if kinds is None else kinds)
        if not present or self._error is not None:
            return
        for family in _LOOSE_FAMILIES if self._loose else _FAMILIES:
            if kinds <= family and (self._best is None or type(self._best) in family):
                best = self._pick(present)
                self._best = best if self._best is None else self._pick(self._best, best)
                return
        self._fold_mixed([loose(v) for v in present] if self._loose else present)

    def _fold_mixed(self, values: Sequence[Any]) -> None:
        if self._loose:
            self._best = loose(self._best)
        for value in values:
            kind = type(value)
            if self._best is None and (kind in _NUMBER or kind is str):
                self._best = value
            elif self._best is None:
                self._error = f"found invalid arg {_shown(value)}"
            elif isinstance(self._best, int) and kind is float:
                self._best = self._pick(self._best, truncate(value))
            elif type(self._best) is kind:
                self._best = self._pick(self._best, value)
            else:
                wanted = {int: "int", float: "float64", str: "string"}[type(self._best)]
                self._error = f"requires {wanted} but found {_shown(value)}"
            if self._error is not None:
                return

    def of_each(self, lists: Sequence[Sequence[Any]], kinds: Kinds) -> list[Any] | None:
        if not any(kinds <= family for family in (_LOOSE_FAMILIES if self._loose else _FAMILIES)):
            return None
        found = list(map(self._pick, lists))
        return [loose(best) for best in found] if self._loose and int in kinds else found

    def merge(self, other: Extreme) -> bool:
        if self._error is not None or other._error is not None:
            return False
        if self._best is None or other._best is None:
            self._best = other._best if self._best is None else self._best
            return True
        family = _NUMBER if self._loose and type(self._best) in _NUMBER else frozenset((type(self._best),))
        if type(other._best) not in family:
            return False
        self._best = self._pick(self._best, other._best)
        return True

    def suffixes(self, values: Sequence[Any]) -> Sequence[Any] | None:
        kinds = kinds_of(values)
        if not any(kinds - _NULLS <= family for family in (_LOOSE_FAMILIES if self._loose else _FAMILIES)):
            return None
        pick = self._pick
        if kinds.isdisjoint(_NULLS):
            return _backwards(accumulate(reversed(values), pick))
        return _backwards(accumulate(reversed(values), lambda best, v: best if _is_null(v) else v if _is_null(best) else pick(best, v)))

    def lead(self, suffixes: Sequence[Any], low: int) -> None:
        best = suffixes[low]
        self._best = None if best is UNSET else best

    def result(self) -> Any:
        if self._error is not None:
            raise EvaluationError(f"call func {self._name} error: {self._error}")
        return loose(self._best) if self._loose else self._best

    def snapshot(self) -> Any:
        return [pack_value(self._best), self._error]

    def restore(self, state: Any) -> None:
        best, self._error = state
        self._best = unpack_value(best)


class Gathered:
    """Any other aggregate: keeps all values of its group and computes over the list."""

    __slots__ = ("_error", "_function", "_loose", "_others", "_values")

    def __init__(self, loose_values: bool, function: Callable[..., Any]) -> None:
        self._loose = loose_values
        self._function = function
        self._values: list[Any] = []
        self._others: tuple[Any, ...] | None = None
        self._error: str | None = None

    def fold(self, values: Sequence[Any], kinds: Kinds | None = None) -> None:
        self._values.extend([loose(v) for v in values] if self._loose else values)

    def attend(self, others: tuple[Any, ...] | Failed) -> None:
        """The further arguments, of which those of the first row count; where they fail, they fail the aggregate."""
        if isinstance(others, Failed):
            self._error = self._error or others.text
        elif self._others is None:
            self._others = others

    def of_each(self, lists: Sequence[Sequence[Any]], kinds: Kinds) -> list[Any] | None:
        return None

    def merge(self, other: Gathered) -> bool:
        self._values.extend(other._values)
        self._others = other._others if self._others is None else self._others
        return True

    def suffixes(self, values: Sequence[Any]) -> Sequence[Any]:
        return values

    def lead(self, suffixes: Sequence[Any], low: int) -> None:
        self.fold(suffixes[low:])

    def result(self) -> Any:
        if self._error is not None:
            raise EvaluationError(self._error)
        return self._function(checked(self._values), *(self._others or ()))

    def snapshot(self) -> Any:
        values = [[True, v.text] if isinstance(v, Failed) else [False, pack_value(v)] for v in self._values]
        return [values, pack_value(self._others), self._error]

    def restore(self, state: Any) -> None:
        values, others, self._error = state
        self._values = [Failed(v) if failed else unpack_value(v) for failed, v in values]
        self._others = None if others is None else tuple(unpack_value(others))


def checked(values: list[Any]) -> list[Any]:
    """The values of an aggregate; EvaluationError when the argument failed for one of the rows."""
    for value in values:
        if isinstance(value, Failed):
            raise EvaluationError(f"found invalid arg {_shown(value)}")
    return values


def folded(make: Callable[[], Accumulator], values: Sequence[Any]) -> Any:
    """An aggregate over a list of values; null over no values."""
    if not values:
        return None
    made = make()
    made.fold(values)
    return made.result()


def aggregate_of_one(function: Callable[..., Any], whole: bool, folding: bool, arguments: Callable[[], tuple[Any, ...]]) -> Any:
    """An aggregate over a single row: ``whole``, its last argument is the row; ``folding``, it looks itself at an argument that failed."""
    try:
        value, *others = arguments() or (None,)
    except EvaluationError as error:
        if folding:
            return function([Failed(str(error))])
        raise
    return function([value], *others[:-1], [others[-1]]) if whole else function([value], *others)


def group_text(value: Any) -> Any:
    """A group key that tells true from 1 and can be hashed: scalars as they are, lists and maps by their text."""
    if isinstance(value, bool):
        return ("bool", value)
    return ("text", general_text(value)) if isinstance(value, list | dict) else value
