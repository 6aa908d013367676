"""Aggregates: one value of all rows of a group (sql reference §6.2).

Every call gets the list of the group's values first (null for a missing column), then the other arguments of its first row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from plutino.errors import EvaluationError
from plutino.model.cast import SAMEKIND, to_float
from plutino.model.extreme import extreme
from plutino.model.number import divide, truncate, wrap
from plutino.model.text import describe, general_text
from plutino.spi import Arg, ArgCheck, FunctionKind, FunctionSpec, Nulls

Values = Sequence[Any]


def _count(values: Values) -> int:
    return sum(1 for v in values if v is not None)


def _sum(values: Values) -> int | float | None:
    return _total(values, "sum")[0]


def _avg(values: Values) -> int | float | None:
    total, count = _total(values, "avg")
    if total is None:
        return None
    return divide(total, count) if isinstance(total, int) else total / count


def _total(values: Values, name: str) -> tuple[int | float | None, int]:
    """Sum and number of the values that are not null; the first one decides between integers and floats."""
    present = [v for v in values if v is not None]
    if not present:
        return None, 0
    kind = type(present[0])
    if kind is not int and kind is not float:
        raise EvaluationError(f"run {name} function error: found invalid arg {describe(present[0])}")
    if kind is float:
        for value in present:
            if type(value) is not float:
                raise EvaluationError(f"requires float64 but found {describe(value)}")
        return float(sum(present)), len(present)
    total = 0
    for value in present:
        if type(value) not in (int, float):
            raise EvaluationError(f"requires int but found {describe(value)}")
        total = wrap(total + (truncate(value) if type(value) is float else value))
    return total, len(present)


def _merge(values: Values) -> dict[str, Any] | None:
    merged: dict[str, Any] = {}
    maps = [v for v in values if type(v) is dict]
    for value in maps:
        merged.update(value)
    return merged if maps else None


def _deduplicate(keys: Values, every: Any, rows: Sequence[dict[str, Any]]) -> Any:
    """``rows`` are the whole rows of the group, which the engine adds as the last argument."""
    texts = [general_text(key) for key in keys]
    if every:
        first: dict[str, dict[str, Any]] = {}
        for text, row in zip(texts, rows, strict=True):
            first.setdefault(text, row)
        return list(first.values())
    return rows[-1] if rows and texts[-1] not in texts[:-1] else None


def _last_value(values: Values, ignore_nulls: Any) -> Any:
    if ignore_nulls:
        return next((v for v in reversed(values) if v is not None), None)
    return values[-1] if values else None


def _median(values: Values) -> int | float | None:
    kind = type(values[0])
    if kind not in (int, float):
        raise EvaluationError(f"{general_text(values[0])} should be number")
    numbers = _integers(values) if kind is int else _floats(values)
    ordered = sorted(numbers)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (float(ordered[middle - 1]) + float(ordered[middle])) / 2


def _integers(values: Values) -> list[int]:
    if any(type(v) not in (int, float) for v in values):
        raise EvaluationError(f"requires int64 slice but found {describe(list(values))}")
    return [truncate(v) if type(v) is float else v for v in values]


def _floats(values: Values) -> list[float]:
    """The values that are not null, as floats."""
    try:
        return [to_float(v, SAMEKIND) for v in values if v is not None]
    except EvaluationError:
        raise EvaluationError(f"requires float64 slice but found {describe(list(values))}") from None


def _variance(sample: bool) -> Callable[[Values], float | None]:
    def call(values: Values) -> float | None:
        numbers = _floats(values)
        if not numbers:
            return None
        mean = sum(numbers) / len(numbers)
        squares = sum((x - mean) ** 2 for x in numbers)
        degrees = len(numbers) - 1 if sample else len(numbers)
        return squares / degrees if degrees else math.nan

    return call


def _deviation(sample: bool) -> Callable[[Values], float | None]:
    variance = _variance(sample)

    def call(values: Values) -> float | None:
        result = variance(values)
        return None if result is None else math.sqrt(result)

    return call


def _out_of_range() -> EvaluationError:
    return EvaluationError("percentile exec with error: Input is outside of range.")


def _percentile_cont(values: Values, fraction: Any) -> float | None:
    ordered = sorted(_floats(values))
    percent = to_float(fraction, SAMEKIND) * 100
    if len(ordered) < 2:
        return ordered[0] if ordered else None
    if not 0 < percent <= 100:
        raise _out_of_range()
    index = percent / 100 * len(ordered)
    if index.is_integer():
        return ordered[int(index) - 1]
    if index < 1:
        raise _out_of_range()
    return (ordered[int(index) - 1] + ordered[int(index)]) / 2


def _percentile_disc(values: Values, fraction: Any) -> float | None:
    ordered = sorted(_floats(values))
    percent = to_float(fraction, SAMEKIND) * 100
    if not ordered:
        return None
    if not 0 <= percent <= 100:
        raise _out_of_range()
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def _aggregate(
    name: str,
    call: Callable[..., Any],
    about: str,
    *more: Arg,
    check: ArgCheck = ArgCheck.NUMBER,
    takes: tuple[str, ...] = (),
    returns: str = "any",
    nulls: Nulls = Nulls.NULL,
    incremental: bool = False,
    whole_rows: bool = False,
    over_rows: Sequence[tuple[str, tuple[Any, ...], Any]] = (),
) -> FunctionSpec:
    return FunctionSpec(
        name,
        call,
        about,
        (Arg("x", check, takes), *more),
        returns=returns,
        kind=FunctionKind.AGGREGATE,
        nulls=nulls,
        incremental=name if incremental else None,
        whole_rows=whole_rows,
        over_rows=tuple(over_rows),
    )


_FRACTION = Arg("fraction", ArgCheck.NUMBER)
_FLAG = Arg("flag", ArgCheck.BOOL)

SPECS = (
    _aggregate(
        "count",
        _count,
        "Number of values that are not null; of rows for *",
        check=ArgCheck.ANY,
        returns="bigint",
        incremental=True,
        over_rows=[("count(x)", (1, None, "a"), 2), ("count(*)", (1, None, "a"), 3)],
    ),
    _aggregate(
        "sum",
        _sum,
        "Sum; the first value decides between integers and floats",
        incremental=True,
        over_rows=[("sum(x)", (1, 2.5, None), 3.5)],
    ),
    _aggregate("avg", _avg, "Mean; of integers as an integer, truncated", incremental=True, over_rows=[("avg(x)", (1, 2, None), 1.5)]),
    _aggregate(
        "max",
        lambda values: extreme(values, True),
        "Largest number or text",
        takes=("bigint", "float", "string"),
        incremental=True,
        over_rows=[("max(x)", (3, 10, None), 10.0), ("max(x)", ("ab", "b"), "b")],
    ),
    _aggregate(
        "min",
        lambda values: extreme(values, False),
        "Smallest number or text",
        takes=("bigint", "float", "string"),
        incremental=True,
        over_rows=[("min(x)", (3, 10, None), 3.0)],
    ),
    _aggregate(
        "collect",
        list,
        "All values as a list, nulls included",
        check=ArgCheck.ANY,
        nulls=Nulls.CALL,
        over_rows=[("collect(x)", (1, None, 2), [1.0, None, 2.0])],
    ),
    _aggregate(
        "merge_agg",
        _merge,
        "All maps merged into one; later keys win",
        check=ArgCheck.ANY,
        over_rows=[("merge_agg(x)", ({"a": 1, "b": 1}, {"b": 2}), {"a": 1.0, "b": 2.0})],
    ),
    _aggregate(
        "deduplicate",
        _deduplicate,
        "With true the first row of each key, with false the last row if its key is new",
        _FLAG,
        check=ArgCheck.ANY,
        whole_rows=True,
        over_rows=[("deduplicate(x, true)", ("a", "b", "a"), [{"x": "a"}, {"x": "b"}]), ("deduplicate(x, false)", ("a", "b"), {"x": "b"})],
    ),
    _aggregate(
        "last_value",
        _last_value,
        "Last value; with true the last that is not null",
        _FLAG,
        check=ArgCheck.ANY,
        over_rows=[("last_value(x, true)", (1, 2, None), 2.0)],
    ),
    _aggregate(
        "median",
        _median,
        "Middle value; the mean of the two middle ones of an even number",
        over_rows=[("median(x)", (1, 9, 5), 5.0), ("median(x)", (1, 2, 3, 4), 2.5)],
    ),
    _aggregate(
        "stddev",
        _deviation(sample=False),
        "Standard deviation of a population",
        returns="float",
        over_rows=[("stddev(x)", (2, 4, 4, 4, 5, 5, 7, 9), 2.0)],
    ),
    _aggregate(
        "stddevs",
        _deviation(sample=True),
        "Standard deviation of a sample",
        returns="float",
        over_rows=[("stddevs(x)", (1, 3), 1.4142135623730951)],
    ),
    _aggregate(
        "var", _variance(sample=False), "Variance of a population", returns="float", over_rows=[("var(x)", (2, 4, 4, 4, 5, 5, 7, 9), 4.0)]
    ),
    _aggregate("vars", _variance(sample=True), "Variance of a sample", returns="float", over_rows=[("vars(x)", (1, 3), 2.0)]),
    _aggregate(
        "percentile_cont",
        _percentile_cont,
        "Value below which a fraction of the values lies, interpolated between two",
        _FRACTION,
        returns="float",
        over_rows=[("percentile_cont(x, 0.5)", (100, 150, 200), 125.0)],
    ),
    _aggregate(
        "percentile_disc",
        _percentile_disc,
        "Value below which a fraction of the values lies, one of them",
        _FRACTION,
        returns="float",
        over_rows=[("percentile_disc(x, 0.5)", (100, 150, 200), 150.0)],
    ),
)
