"""How aggregates are computed, value by value or over a list, and what must be known of their arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

from plutino.compiler.exact import callable_of
from plutino.compiler.finishing import asked_behind
from plutino.execution.aggregates import Accumulator, Count, Extreme, Gathered, Total, folded
from plutino.execution.slices import SlicesCode
from plutino.planner.bound import (
    AggregateCall,
    AliasRef,
    Bound,
    Choice,
    ColumnRef,
    ContextValue,
    Element,
    FunctionCall,
    Item,
    Key,
    Operation,
    Part,
    WholeRow,
    walk,
)
from plutino.planner.plan import Aggregate, RulePlan


def asks_bounds(aggregate: Aggregate, items: Sequence[Item]) -> bool:
    """Whether keys or arguments look at the bounds of the window, which are known when it closes."""
    aliases = {item.name: item.expr for item in items if item.aliased}
    exprs = [*aggregate.keys, *(a for call in aggregate.calls for a in call.args)]
    parts = [p for e in exprs for p in walk(e)]
    for part in parts:
        if isinstance(part, AliasRef):
            parts += walk(aliases[part.name])
    return any(isinstance(p, ContextValue) and p.name.startswith("window_") for p in parts)


def accumulator_of(call: AggregateCall, items: tuple[Item, ...]) -> Callable[[], Accumulator]:
    """What makes the running value of an aggregate."""
    argument = call.args[0] if call.args else None
    loose = argument is not None and is_loose(argument, items)
    match call.spec.incremental:
        case "count":
            return partial(Count, isinstance(argument, WholeRow))
        case "sum":
            return partial(Total, loose, False)
        case "avg":
            return partial(Total, loose, True)
        case "max":
            return partial(Extreme, loose, True)
        case "min":
            return partial(Extreme, loose, False)
        case _:
            return partial(Gathered, False, callable_of(call.spec))


def argument_columns(aggregate: Aggregate) -> tuple[int | None, ...]:
    """Per aggregate the number of its argument, None where it has none or counts rows. Equal arguments are one, unless they may differ
    from call to call."""
    numbers: dict[str, int] = {}
    found: list[int | None] = []
    for i, call in enumerate(aggregate.calls):
        argument = call.args[0] if call.args else None
        if argument is None or isinstance(argument, WholeRow):
            found.append(None)
            continue
        pure = all(not isinstance(p, FunctionCall) or p.spec.pure for p in walk(argument))
        found.append(numbers.setdefault(repr(argument) if pure else f"{i} alone", len(numbers)))
    return tuple(found)


def slices_code(plan: RulePlan, aggregate: Aggregate, *, exact: bool, alone: bool) -> SlicesCode:
    """How slices hold the arguments of these aggregates. ``alone``: nothing but the columns of rows is read."""
    columns, items = argument_columns(aggregate), plan.root.items
    arguments = [aggregate.calls[columns.index(i)].args[0] for i in sorted({c for c in columns if c is not None})]
    return SlicesCode(
        makers=tuple(accumulator_of(call, items) for call in aggregate.calls),
        columns=columns,
        loose=tuple(is_loose(argument, items) for argument in arguments),
        shown=_shown_columns(plan) if alone else (),
        entries=not alone,
        exact=exact,
    )


def _shown_columns(plan: RulePlan) -> tuple[str, ...]:
    """The columns that the output reads beside the aggregates: those of the first row."""
    return tuple(sorted({p.name for e in asked_behind(plan) for p in walk(e) if isinstance(p, ColumnRef)}))


def function_of(call: AggregateCall, items: tuple[Item, ...]) -> Callable[..., Any]:
    """An aggregate over a list of values, with the same results as its accumulator."""
    if call.spec.incremental is None:
        return cast("Callable[..., Any]", callable_of(call.spec))
    return partial(folded, accumulator_of(call, items))


def is_loose(argument: Bound, items: tuple[Item, ...]) -> bool:
    """Whether whole numbers among the values of an argument mean floats: it gives numbers of schemaless rows, as they are or calculated
    with, and perhaps integer literals among them."""
    match argument:
        case AliasRef(name=name):
            return is_loose(next(i.expr for i in items if i.aliased and i.name == name), items)
        case ColumnRef():
            return not argument.exact
        case Key(base=base) | Element(base=base) | Part(base=base):
            return is_loose(base, items)
        case Operation(left=left, right=right):
            return is_loose(left, items) or is_loose(right, items)
        case Choice(branches=branches, otherwise=otherwise):
            results = [result for _, result in branches] + ([] if otherwise is None else [otherwise])
            return any(is_loose(result, items) for result in results)
        case FunctionCall(spec=spec, args=args):
            return spec.returns not in ("bigint", "string", "boolean") and spec.name != "cast" and any(is_loose(a, items) for a in args)
        case _:
            return False
