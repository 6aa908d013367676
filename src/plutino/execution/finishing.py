"""From groups to output rows: HAVING, row numbers, ORDER BY, LIMIT, select list, set-returning functions (sql reference §3.9, §3.12)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import cmp_to_key
from typing import Any

from msgspec import Struct

from plutino.errors import EvaluationError
from plutino.execution.aggregates import group_text
from plutino.execution.entry import Span
from plutino.execution.failures import StageError
from plutino.model.value import go_type_name

Pair = tuple[Any, Any]
"""A row (an entry, or one entry per source) and the aggregate results it stands with."""


class NumberingCode(Struct, frozen=True):
    """One ``row_number()``: ``key(e, g, x, n, s)`` gives partition values and sort values."""

    key: Callable[..., tuple[tuple[Any, ...], tuple[Any, ...]]] | None
    descending: tuple[bool, ...]


class FinishCode(Struct, frozen=True):
    """The compiled clauses behind grouping; all take ``(e, g, x, n, s)``: row, aggregates, span, row numbers, memories.

    - ``having`` says whether a group stays; ``once``: it is asked once for all rows of the window
    - ``order`` gives the sort values, ``descending`` per value
    - ``emit`` gives the output row, or with ``spread`` the list of output rows; where rows are ``qualified``, None for one that is not
    """

    emit: Callable[..., Any]
    having: Callable[..., bool] | None = None
    once: bool = False
    order: Callable[..., tuple[Any, ...]] | None = None
    descending: tuple[bool, ...] = ()
    numberings: tuple[NumberingCode, ...] = ()
    limit: int | None = None
    spread: bool = False
    qualified: bool = False


def finish(code: FinishCode, pairs: Sequence[Pair], span: Span, memories: Sequence[Any]) -> list[Any] | None:
    """The output rows of one window; None when HAVING, QUALIFY or LIMIT 0 leave nothing. StageError replaces the whole window."""
    if code.limit == 0:
        return None
    pairs = _having(code, pairs, span, memories)
    if not pairs and code.having is not None:
        return None
    numbers = _numbers(code, pairs, span, memories)
    if code.order is not None:
        pairs, numbers = _ordered(code, pairs, numbers, span, memories)
    out: list[Any] = []
    for (e, g), n in zip(pairs, numbers, strict=True):
        if code.limit is not None and len(out) >= code.limit:
            break
        made = code.emit(e, g, span, n, memories)
        if made is None:
            continue
        if code.spread:
            out.extend(made)
        else:
            out.append(made)
    if code.qualified and not out:
        return None
    return out if code.limit is None else out[: code.limit]


def _having(code: FinishCode, pairs: Sequence[Pair], span: Span, memories: Sequence[Any]) -> Sequence[Pair]:
    if code.having is None:
        return pairs
    if code.once:
        return pairs if pairs and code.having(*pairs[0], span, (), memories) else ()
    return [(e, g) for e, g in pairs if code.having(e, g, span, (), memories)]


def _numbers(code: FinishCode, pairs: Sequence[Pair], span: Span, memories: Sequence[Any]) -> list[tuple[int, ...]]:
    if not code.numberings:
        return [()] * len(pairs)
    columns = [_numbered(numbering, pairs, span, memories) for numbering in code.numberings]
    return list(zip(*columns, strict=True))


def _numbered(numbering: NumberingCode, pairs: Sequence[Pair], span: Span, memories: Sequence[Any]) -> list[int]:
    if numbering.key is None:
        return list(range(1, len(pairs) + 1))
    partitions: dict[Any, list[tuple[int, tuple[Any, ...]]]] = {}
    for i, (e, g) in enumerate(pairs):
        try:
            partition, sort = numbering.key(e, g, span, (), memories)
        except EvaluationError as error:
            raise error if isinstance(error, StageError) else StageError("windowFunc", f"call func row_number error: {error}") from error
        partitions.setdefault(tuple(map(group_text, partition)), []).append((i, sort))
    found = [0] * len(pairs)
    sortable = cmp_to_key(_comparison(numbering.descending))
    for members in partitions.values():
        try:
            members.sort(key=lambda member: sortable(member[1]))
        except EvaluationError as error:
            raise StageError("windowFunc", f"call func row_number error: {error}") from error
        for number, (i, _) in enumerate(members, 1):
            found[i] = number
    return found


def _ordered(
    code: FinishCode, pairs: Sequence[Pair], numbers: list[tuple[int, ...]], span: Span, memories: Sequence[Any]
) -> tuple[list[Pair], list[tuple[int, ...]]]:
    assert code.order is not None
    keys = [code.order(e, g, span, n, memories) for (e, g), n in zip(pairs, numbers, strict=True)]
    order = list(range(len(keys)))
    if all(_is_plain([key[i] for key in keys]) for i in range(len(code.descending))):
        for i in reversed(range(len(code.descending))):
            order.sort(key=[key[i] for key in keys].__getitem__, reverse=code.descending[i])
    else:
        sortable = cmp_to_key(_comparison(code.descending))
        try:
            order.sort(key=lambda number: sortable(keys[number]))
        except EvaluationError as error:
            raise StageError("order", f"run Order By error: {error}") from error
    return [pairs[i] for i in order], [numbers[i] for i in order]


def _is_plain(values: Collection[Any]) -> bool:
    """Whether Python sorts values as the dialect does: numbers or texts alone, none of them null or no number at all."""
    kinds = set(map(type, values))
    return kinds == {str} or (kinds <= {int, float} and not any(value != value for value in values))


def _comparison(descending: Sequence[bool]) -> Callable[[Sequence[Any], Sequence[Any]], int]:
    def compare(left: Sequence[Any], right: Sequence[Any]) -> int:
        for a, b, down in zip(left, right, descending, strict=True):
            if a is None or b is None:
                if a is b:
                    continue
                return 1 if a is None else -1
            sign = _compare_values(a, b)
            if sign:
                return -sign if down else sign
        return 0

    return compare


def _compare_values(a: Any, b: Any) -> int:
    numbers = isinstance(a, int | float) and isinstance(b, int | float) and isinstance(a, bool) == isinstance(b, bool)
    if numbers or (isinstance(a, str) and isinstance(b, str)) or (isinstance(a, datetime) and isinstance(b, datetime)):
        return int(a > b) - int(a < b)
    raise EvaluationError(f"incompatible types for comparison: {go_type_name(a)} and {go_type_name(b)}")


def unnested(row: dict[str, Any], name: str, value: Any) -> list[dict[str, Any]]:
    """``unnest``: one row per element; maps spread as columns, anything else stands under ``name``."""
    if value is None or value == []:
        raise StageError("projectset", f"can't find the result from the {name} function")
    if not isinstance(value, list):
        raise StageError("projectset", f"the argument for the {name} function should be array")
    return [{**row, **element} if isinstance(element, dict) else {**row, name: element} for element in value]


def listed(row: dict[str, Any], name: str, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Functions that give the rows themselves, of which there may be none."""
    return [{**row, **made} for made in value]


def extracted(row: dict[str, Any], name: str, value: Any) -> list[dict[str, Any]]:
    """``extract``: the keys of a map spread as columns of the row."""
    if value is None or value == {}:
        raise StageError("projectset", f"can't find the result from the {name} function")
    if not isinstance(value, dict):
        raise StageError("projectset", f"the argument for the {name} function should be map")
    return [{**row, **value}]
