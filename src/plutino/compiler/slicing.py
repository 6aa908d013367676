"""Compiling sliding windows that keep aggregates of slices."""

from __future__ import annotations

from plutino.compiler.accumulating import group_code, group_functions, sliceable
from plutino.compiler.aggregates import asks_bounds, slices_code
from plutino.compiler.buffered import window_functions
from plutino.compiler.code import build
from plutino.compiler.fast import FastEmitter, NotFast
from plutino.compiler.finishing import finish_code, finish_functions, state_shape
from plutino.compiler.items import json_numbers
from plutino.compiler.pieces import Pieces, define
from plutino.execution.slicing import SlicingCode
from plutino.planner.bound import Bound
from plutino.planner.plan import Aggregate, Analytic, Filter, RulePlan, Window, WindowSpec


def slices(plan: RulePlan) -> bool:
    """Whether a rule has a sliding window whose aggregates can be put together from those of its parts."""
    window, aggregate = plan.find(Window), plan.find(Aggregate)
    if window is None or aggregate is None or window.window.kind != "slidingwindow" or len(plan.scans) > 1:
        return False
    if window.window.delay or not aggregate.grouped or (window.condition is not None and plan.options.is_event_time):
        return False
    if plan.find(Analytic) is not None or any(node.aggregates for node in plan.find_all(Filter)):
        return False
    if asks_bounds(aggregate, plan.root.items) or plan.root.numberings:
        return False
    return sliceable(plan, aggregate)


def compile_slicing(plan: RulePlan, operators: tuple[str, ...]) -> tuple[SlicingCode, dict[str, str]]:
    """The code of a sliding window over slices, and the generated source by function name."""
    pieces = Pieces(plan)
    window, aggregate, condition = plan.find(Window), plan.find(Aggregate), plan.find(Filter)
    assert window is not None
    assert aggregate is not None
    emitter = FastEmitter(pieces.constants, plan.root.items)
    functions = group_functions(pieces, aggregate, None if condition is None else condition.condition, emitter)
    functions |= window_functions(pieces, window.window) | _triggers(pieces, window.window, emitter, fast="fast" in functions)
    functions |= _admission(pieces, window.condition, emitter, fast="fast" in functions) | finish_functions(pieces)
    made = build(functions, pieces.constants)
    fast = "fast" in functions
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
        admit=made.get("admit"),
        admits=made.get("admits"),
        slices=slices_code(plan, aggregate, exact=False),
        guarded=fast and bool(emitter.kinds),
        event_time=plan.options.is_event_time,
        late_tolerance=plan.options.late_tolerance,
        shape=f"slices {state_shape(plan)}",
        json_numbers=json_numbers(plan.root),
    )
    return code, functions


def _admission(pieces: Pieces, condition: Bound | None, emitter: FastEmitter, *, fast: bool) -> dict[str, str]:
    """The window's own FILTER for one row, and over many rows in the fast tier."""
    if condition is None:
        return {}
    lines = pieces.passing(condition, "windowFilter", pieces.at_arrival(), "False")
    functions = {"admit": define("admit", "e, s", [*lines, "return True"])}
    mark = len(pieces.constants.values)
    try:
        if fast:
            functions["admits"] = define("admits", "rows", [f"return [r for r in rows if {emitter.condition(condition)}]"])
    except NotFast:
        del pieces.constants.values[mark:]
    return functions


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
