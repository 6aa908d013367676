"""Compiling sliding windows that keep aggregates of slices."""

from __future__ import annotations

from collections.abc import Sequence

from plutino.compiler.accumulating import folds, group_code, group_functions, reads_rows_alone, sliceable
from plutino.compiler.aggregates import slices_code
from plutino.compiler.buffered import filters_of, take_function, window_functions
from plutino.compiler.code import build
from plutino.compiler.fast import FastEmitter, NotFast
from plutino.compiler.finishing import finish_code, finish_functions
from plutino.compiler.items import json_numbers
from plutino.compiler.pieces import Pieces, define
from plutino.compiler.shapes import state_shape, with_part
from plutino.execution.slicing import SlicingCode
from plutino.planner.bound import Bound
from plutino.planner.plan import Aggregate, RulePlan, Window, WindowSpec


def slices(plan: RulePlan) -> bool:
    """Whether a rule has a sliding window whose aggregates can be put together from those of its parts."""
    window, aggregate = plan.find(Window), plan.find(Aggregate)
    if window is None or aggregate is None or window.window.kind != "slidingwindow":
        return False
    if plan.options.send_sliding_window_twice and window.window.delay and plan.hits:
        return False  # rows are asked for twice, and would count twice
    return folds(plan, aggregate) and sliceable(aggregate)


def compile_slicing(plan: RulePlan, operators: tuple[str, ...]) -> tuple[SlicingCode, dict[str, str]]:
    """The code of a sliding window over slices, and the generated source by function name."""
    pieces = Pieces(plan)
    window, aggregate = plan.find(Window), plan.find(Aggregate)
    assert window is not None
    assert aggregate is not None
    spec, options = window.window, plan.options
    pushed, _, behind = filters_of(plan)
    alone = reads_rows_alone(pieces, aggregate)
    emitter = FastEmitter(pieces.constants, plan.root.items)
    functions = group_functions(pieces, aggregate, None if behind is None else behind.condition, emitter)
    functions |= window_functions(pieces, spec)
    if window.condition is not None or pushed is not None or pieces.analytics:
        functions["take0"] = take_function(pieces, 0, plan.scans[0], window, pushed)
    if "fast" in functions:
        functions |= _in_front(pieces, [c.condition for c in (window, pushed) if c is not None and c.condition is not None], emitter)
        functions |= _triggers(pieces, spec, emitter)
    functions |= finish_functions(pieces)
    made = build(functions, pieces.constants)
    fast = "fast" in functions
    kept = slices_code(plan, aggregate, exact=False, alone=alone)
    code = SlicingCode(
        groups=group_code(pieces, aggregate, made),
        finish=finish_code(pieces, made),
        memories=tuple(pieces.memories),
        stream=plan.sources[0].stream,
        need=pieces.need(0, emitter.kinds if fast else {}),
        operators=operators,
        length=spec.length,
        delay=spec.delay,
        second=spec.version == "v2",
        twice=options.send_sliding_window_twice and spec.delay > 0,
        when=made.get("when"),
        triggers=made.get("triggers"),
        take=made.get("take0"),
        admits=made.get("admits"),
        slices=kept,
        guarded=fast and bool(emitter.kinds),
        event_time=options.is_event_time,
        late_tolerance=options.late_tolerance,
        idle_timeout=options.idle_timeout,
        shape=with_part(state_shape(plan, "slices"), "shown", kept.kept),
        json_numbers=json_numbers(plan.root),
    )
    return code, functions


def _in_front(pieces: Pieces, conditions: Sequence[Bound], emitter: FastEmitter) -> dict[str, str]:
    """The conditions in front of the window over many rows in the fast tier."""
    mark = len(pieces.constants.values)
    try:
        keep = " and ".join(emitter.condition(condition) for condition in conditions)
    except NotFast:
        del pieces.constants.values[mark:]
        return {}
    return {"admits": define("admits", "rows", [f"return [r for r in rows if {keep}]"])} if keep else {}


def _triggers(pieces: Pieces, spec: WindowSpec, emitter: FastEmitter) -> dict[str, str]:
    """The triggering condition over many rows in the fast tier, where nothing counts its hits."""
    if spec.when is None or "when" in pieces.hits:
        return {}
    mark = len(pieces.constants.values)
    try:
        condition = emitter.condition(spec.when)
    except NotFast:
        del pieces.constants.values[mark:]
        return {}
    return {"triggers": define("triggers", "rows", [f"return [i for i, r in enumerate(rows) if {condition}]"])}
