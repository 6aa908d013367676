"""Compiling sliding windows that keep aggregates of slices."""

from __future__ import annotations

from plutino.compiler.accumulating import group_code, group_functions, reads_rows_alone
from plutino.compiler.aggregates import asks_bounds, is_loose
from plutino.compiler.buffered import window_functions
from plutino.compiler.code import build
from plutino.compiler.fast import FastEmitter, NotFast
from plutino.compiler.finishing import finish_code, finish_functions, state_shape
from plutino.compiler.items import json_numbers
from plutino.compiler.pieces import Pieces
from plutino.execution.slicing import SlicingCode
from plutino.planner.bound import ColumnRef, RowNumber, walk
from plutino.planner.plan import Aggregate, Analytic, Filter, Having, Order, RulePlan, Window, WindowSpec


def slices(plan: RulePlan) -> bool:
    """Whether a rule has a sliding window without groups whose aggregates can be put together from those of its parts."""
    window, aggregate = plan.find(Window), plan.find(Aggregate)
    if window is None or aggregate is None or window.window.kind != "slidingwindow" or len(plan.scans) > 1:
        return False
    if window.window.delay or window.condition is not None or plan.options.is_event_time or aggregate.keys or not aggregate.grouped:
        return False
    if plan.find(Analytic) is not None or any(node.aggregates for node in plan.find_all(Filter)):
        return False
    if not all(call.spec.incremental is not None and len(call.args) == 1 for call in aggregate.calls):
        return False
    if asks_bounds(aggregate, plan.root.items) or any(isinstance(p, RowNumber) for i in plan.root.items for p in walk(i.expr)):
        return False
    return reads_rows_alone(Pieces(plan), aggregate)


def compile_slicing(plan: RulePlan, operators: tuple[str, ...]) -> tuple[SlicingCode, dict[str, str]]:
    """The code of a sliding window over slices, and the generated source by function name."""
    pieces = Pieces(plan)
    window, aggregate, condition = plan.find(Window), plan.find(Aggregate), plan.find(Filter)
    assert window is not None
    assert aggregate is not None
    emitter = FastEmitter(pieces.constants, plan.root.items)
    functions = group_functions(pieces, aggregate, None if condition is None else condition.condition, emitter)
    functions |= window_functions(pieces, window.window) | _triggers(pieces, window.window, emitter, fast="buckets" in functions)
    functions |= finish_functions(pieces)
    made = build(functions, pieces.constants)
    fast = "buckets" in functions
    code = SlicingCode(
        groups=group_code(plan, aggregate, made),
        finish=finish_code(pieces, made),
        memories=tuple(pieces.memories),
        stream=plan.sources[0].stream,
        need=pieces.need(0, emitter.kinds if fast else {}),
        operators=operators,
        length=window.window.length,
        inclusive=window.window.version != "v2",
        when=made.get("when"),
        triggers=made.get("triggers"),
        counted=tuple(call.counts_rows for call in aggregate.calls),
        loose=tuple(is_loose(call.args[0], plan.root.items) for call in aggregate.calls),
        keeps_rows=_shows_columns(plan),
        guarded=fast and bool(emitter.kinds),
        shape=state_shape(plan),
        json_numbers=json_numbers(plan.root),
    )
    return code, functions


def _triggers(pieces: Pieces, spec: WindowSpec, emitter: FastEmitter, *, fast: bool) -> dict[str, str]:
    """The triggering condition over many rows in the fast tier, where the rest of the rule has one and nothing counts its hits."""
    if spec.when is None or not fast or "when" in pieces.hits:
        return {}
    mark = len(pieces.constants.values)
    try:
        return {"triggers": f"def triggers(rows):\n    return [i for i, r in enumerate(rows) if {emitter.condition(spec.when)}]"}
    except NotFast:
        del pieces.constants.values[mark:]
        return {}


def _shows_columns(plan: RulePlan) -> bool:
    """Whether the output reads columns beside the aggregates: those of the first row."""
    having, order = plan.find(Having), plan.find(Order)
    exprs = [i.expr for i in plan.root.items]
    exprs += [] if having is None else [having.condition]
    exprs += [] if order is None else [key.expr for key in order.keys]
    return any(isinstance(p, ColumnRef) for e in exprs for p in walk(e))
