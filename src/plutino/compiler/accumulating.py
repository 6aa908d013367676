"""Compiling windows that keep accumulators or slices: what to take of each row, and what to give when the window closes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from plutino.compiler.aggregates import accumulator_of, argument_columns, asks_bounds, slices_code
from plutino.compiler.buffered import filters_of, take_function, window_functions
from plutino.compiler.code import build
from plutino.compiler.exact import ExactEmitter
from plutino.compiler.fast import FastEmitter, NotFast
from plutino.compiler.finishing import asked_behind, finish_code, finish_functions
from plutino.compiler.items import json_numbers
from plutino.compiler.pieces import Pieces, define
from plutino.compiler.shapes import state_shape, with_part
from plutino.execution.accumulating import AccumulatingCode
from plutino.execution.accumulators import GroupCode
from plutino.execution.closing import BoundaryClosing, Closing, CountClosing, SessionClosing
from plutino.execution.entry import Entry
from plutino.execution.stated import StatesCode
from plutino.model import attribute, row_type
from plutino.planner.bound import AggregateCall, Bound, ColumnRef, WholeRow, walk
from plutino.planner.plan import Aggregate, Analytic, Filter, RulePlan, Window, WindowSpec

KINDS = ("tumblingwindow", "hoppingwindow", "sessionwindow", "countwindow", "statewindow")
EXACT_SHARE = 16
"""Windows that share each row with at most so many others add up all their rows, from left to right."""


def accumulates(plan: RulePlan) -> bool:
    """Whether a rule with a window (not a sliding one) can do without its rows."""
    window, aggregate = plan.find(Window), plan.find(Aggregate)
    if window is None or aggregate is None or window.window.kind not in KINDS or not folds(plan, aggregate):
        return False
    return sliceable(aggregate) if shares_rows(window.window) else not any(call.spec.whole_rows for call in aggregate.calls)


def folds(plan: RulePlan, aggregate: Aggregate) -> bool:
    """Whether nothing but the aggregates themselves asks for more than one row of a window, or for its bounds before it ends."""
    if not aggregate.grouped or len(plan.scans) > 1 or asks_bounds(aggregate, plan.root.items):
        return False
    return not any(node.aggregates for node in plan.find_all(Filter))


def shares_rows(spec: WindowSpec) -> bool:
    """Whether the rows of a window may be in further ones."""
    return spec.kind == "hoppingwindow" or (spec.kind == "countwindow" and spec.hop < spec.length)


def sliceable(aggregate: Aggregate) -> bool:
    """Whether the aggregates can be put together from those of parts of a window."""
    return all(call.spec.incremental is not None and len(call.args) == 1 for call in aggregate.calls)


def compile_accumulating(plan: RulePlan, operators: tuple[str, ...]) -> tuple[AccumulatingCode, dict[str, str]]:
    """The code of an aggregating window, and the generated source by function name."""
    pieces = Pieces(plan)
    window, aggregate = plan.find(Window), plan.find(Aggregate)
    assert window is not None
    assert aggregate is not None
    spec, options = window.window, plan.options
    pushed, _, behind = filters_of(plan)
    emitter = FastEmitter(pieces.constants, plan.root.items)
    functions = window_functions(pieces, spec)
    condition, admitted = behind or pushed, window.condition
    if _admits_apart(plan, window, pushed):
        functions["take0"] = take_function(pieces, 0, plan.scans[0], window, pushed)
        condition, admitted = behind, None
    functions |= group_functions(pieces, aggregate, None if condition is None else condition.condition, emitter, admitted)
    functions |= finish_functions(pieces)
    made = build(functions, pieces.constants)
    fast, sharing = "fast" in functions, shares_rows(spec)
    exact = spec.length <= (spec.hop or spec.length) * EXACT_SHARE
    kept = slices_code(plan, aggregate, exact=exact, alone=reads_rows_alone(pieces, aggregate)) if sharing else None
    code = AccumulatingCode(
        groups=group_code(pieces, aggregate, made),
        finish=finish_code(pieces, made),
        memories=tuple(pieces.memories),
        stream=plan.sources[0].stream,
        need=pieces.need(0, emitter.kinds if fast else {}),
        operators=operators,
        closing=None if spec.kind == "statewindow" else partial(_closing, spec, options.is_event_time),
        states=StatesCode(made["begin"], made.get("close"), made.get("partition")) if spec.kind == "statewindow" else None,
        take=made.get("take0"),
        slices=kept,
        guarded=fast and bool(emitter.kinds),
        event_time=options.is_event_time,
        late_tolerance=options.late_tolerance,
        idle_timeout=options.idle_timeout,
        filtered=behind is not None,
        shape=state_shape(plan, "accumulators") if kept is None else with_part(state_shape(plan, "slices"), "shown", kept.kept),
        json_numbers=json_numbers(plan.root),
    )
    return code, functions


def _admits_apart(plan: RulePlan, window: Window, pushed: Filter | None) -> bool:
    """Whether something stands in front of the window that must be known of a row before it is clear to which window it belongs."""
    if plan.find(Analytic) is not None or (window.window.kind == "statewindow" and pushed is not None):
        return True
    return window.condition is not None and (window.window.kind in ("countwindow", "statewindow") or plan.options.is_event_time)


def _closing(spec: WindowSpec, event_time: bool) -> Closing:
    match spec.kind:
        case "countwindow":
            return CountClosing(spec.length, spec.hop)
        case "sessionwindow":
            return SessionClosing(spec.unit, spec.step, spec.length, spec.hop, event_time=event_time)
        case _:
            hop, sharing = spec.hop or spec.length, shares_rows(spec)
            return BoundaryClosing(spec.unit, spec.step, spec.length, hop, sharing=sharing, event_time=event_time)


def group_functions(
    pieces: Pieces, aggregate: Aggregate, where: Bound | None, emitter: FastEmitter, admitted: Bound | None = None
) -> dict[str, str]:
    """How rows are told apart, and what aggregates take of them, in both tiers where the rule has a fast one. ``admitted``: the
    window's own FILTER."""
    functions: dict[str, str] = {}
    constants = pieces.constants
    if reads_rows_alone(pieces, aggregate):
        mark = len(constants.values)
        try:
            functions.update(_fast_functions(aggregate, [c for c in (admitted, where) if c is not None], emitter))
        except NotFast:
            del constants.values[mark:]
            functions.clear()
    exact = pieces.at_entry(bounded=False)
    lines = [] if admitted is None else pieces.passing(admitted, "windowFilter", exact, "None")
    lines += [] if where is None else pieces.passing(where, "filter", exact, "None", "where")
    lines += exact.reads([*aggregate.keys, *(a for call in aggregate.calls for a in call.args)])
    functions["exact"] = define("exact", "e, s", [*lines, *_taken(aggregate, exact)])
    return functions


def reads_rows_alone(pieces: Pieces, aggregate: Aggregate) -> bool:
    """Whether the fast tier sees all that the rule needs: no metadata, no counters, whole rows in nothing but ``count(*)``."""
    plan = pieces.plan
    others = [a for call in aggregate.calls if call.spec.incremental != "count" for a in call.args]
    exprs = [*asked_behind(plan), *aggregate.keys, *others]
    whole = plan.root.star is not None or any(isinstance(p, WholeRow) for e in exprs for p in walk(e))
    return not plan.scans[0].meta and not whole and not pieces.analytics and "where" not in pieces.hits


def _fast_functions(aggregate: Aggregate, conditions: Sequence[Bound], emitter: FastEmitter) -> dict[str, str]:
    """The rows that pass, their keys, and the values of each distinct argument."""
    if any(call.spec.incremental is None or len(call.args) != 1 for call in aggregate.calls):
        raise NotFast
    keep = " and ".join(emitter.condition(condition) for condition in conditions)
    keys = [_fast_key(k, emitter) for k in aggregate.keys]
    key = keys[0] if len(keys) == 1 else "(" + ", ".join(keys) + ")"
    columns = argument_columns(aggregate)
    arguments = [aggregate.calls[columns.index(i)].args[0] for i in sorted({c for c in columns if c is not None})]
    values = "".join(f"[{emitter.value(argument)[0]} for r in kept], " for argument in arguments)
    lines = [f"kept = [r for r in rows if {keep}]" if keep else "kept = rows"]
    lines.append(f"return kept, {f'[{key} for r in kept]' if keys else 'None'}, ({values})")
    return {"fast": define("fast", "rows", lines)}


def _fast_key(key: Bound, emitter: FastEmitter) -> str:
    """A group key in plain Python: a column known to hold numbers or texts, where missing and null are one group."""
    if not isinstance(key, ColumnRef) or emitter.kinds.setdefault(key.name, "scalar") == "boolean":
        raise NotFast
    text = f"r.{attribute(key.name)}"
    return f"(None if {text} is UNSET else {text})"


def _taken(aggregate: Aggregate, emitter: ExactEmitter) -> list[str]:
    """Lines that compute group key and arguments of a row. A failing key fails the window, a failing argument its aggregate."""
    keys = "".join(f"group_text({emitter.emit(k)}), " for k in aggregate.keys)
    keys = keys[:-2] if len(aggregate.keys) == 1 else f"({keys})"
    lines: list[str] = []
    for i, call in enumerate(aggregate.calls):
        lines += [f"try: a{i}_ = {_first_argument(call, emitter)}", f"except EvaluationError as error: a{i}_ = Failed(str(error))"]
        if len(call.args) > 1:
            further = "".join(emitter.emit(a) + ", " for a in call.args[1:])
            lines += [f"try: b{i}_ = ({further})", f"except EvaluationError as error: b{i}_ = Failed(str(error))"]
    values = "".join(f"a{i}_, " for i in range(len(aggregate.calls)))
    others = "".join(f"b{i}_, " if len(call.args) > 1 else "(), " for i, call in enumerate(aggregate.calls))
    return [
        f"try: key_ = {keys}",
        "except EvaluationError as error: raise StageError('aggregate', 'run Group By error: ' + str(error)) from error",
        *lines,
        f"return key_, ({values}), ({others})",
    ]


def _first_argument(call: AggregateCall, emitter: ExactEmitter) -> str:
    if not call.args or call.counts_rows:
        return "True"
    return emitter.emit(call.args[0])


def group_code(pieces: Pieces, aggregate: Aggregate, made: dict[str, Any]) -> GroupCode:
    """The functions of ``group_functions`` in their places."""
    plan = pieces.plan
    return GroupCode(
        fast=made.get("fast"),
        columns=argument_columns(aggregate),
        exact=made["exact"],
        accumulators=tuple(accumulator_of(call, plan.root.items) for call in aggregate.calls),
        grouped=bool(aggregate.keys),
        empty=Entry(row_type(plan.scans[0].columns)(), 0, {}, {}, (None,) * len(pieces.analytics)),
    )
