"""What must be known of the arguments of aggregates: whether whole numbers mean floats, whether they look at the window."""

from __future__ import annotations

from collections.abc import Sequence

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
    walk,
)
from plutino.planner.plan import Aggregate


def asks_bounds(aggregate: Aggregate, items: Sequence[Item]) -> bool:
    """Whether keys or arguments look at the bounds of the window, which are known when it closes."""
    aliases = {item.name: item.expr for item in items if item.aliased}
    exprs = [*aggregate.keys, *(a for call in aggregate.calls for a in call.args)]
    parts = [p for e in exprs for p in walk(e)]
    for part in parts:
        if isinstance(part, AliasRef):
            parts += walk(aliases[part.name])
    return any(isinstance(p, ContextValue) and p.name.startswith("window_") for p in parts)


def adds_loosely(call: AggregateCall, items: tuple[Item, ...]) -> bool:
    """Whether an aggregate that the first value tells what it computes with takes whole numbers for floats."""
    return call.spec.incremental in ("sum", "avg", "max", "min") and bool(call.args) and is_loose(call.args[0], items)


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
