"""Compiling rules whose windows keep rows: every window, joins, analytic functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from plutino.compiler.aggregates import function_of
from plutino.compiler.code import build
from plutino.compiler.finishing import finish_code, finish_functions
from plutino.compiler.items import json_numbers
from plutino.compiler.pieces import Pieces, define, returning, tuple_form
from plutino.compiler.shapes import state_shape
from plutino.execution.buffered import BufferedCode, SourceCode
from plutino.execution.entry import Entry
from plutino.execution.grouping import AggregatesCode, GroupingCode
from plutino.execution.joining import JoinCode
from plutino.execution.lookups import LookupCode
from plutino.execution.portions import merged_needs
from plutino.execution.windows import WindowOperator
from plutino.execution.windows.boundaries import BoundaryWindow
from plutino.execution.windows.counting import CountWindow
from plutino.execution.windows.interval import IntervalWindow
from plutino.execution.windows.latest import LatestWindow
from plutino.execution.windows.session import SessionWindow
from plutino.execution.windows.sliding import SlidingWindow
from plutino.execution.windows.states import StateWindow
from plutino.model import row_type
from plutino.planner.bound import AggregateCall, Bound, ColumnRef, Item, Operation, walk
from plutino.planner.plan import Aggregate, Filter, Having, Join, LookupJoin, RulePlan, Scan, Window, WindowSpec
from plutino.planner.windows import ASOF, INTERVAL
from plutino.spi import RuleOptions

ROW_ARGUMENTS = "r, m, w, t, s"
ENTRY_ARGUMENTS = "e, s"
WINDOW_ARGUMENTS = "e, x, s"
RETAINED_ROWS = 9999
"""Rows that a scan table over files keeps when RETAIN_SIZE is not given; tables of other types keep one."""


def compile_buffered(plan: RulePlan, operators: tuple[str, ...]) -> tuple[BufferedCode, dict[str, str]]:
    """The code of a rule over kept rows, and the generated source by function name."""
    pieces = Pieces(plan)
    window, aggregate = plan.find(Window), plan.find(Aggregate)
    pushed, early, behind = filters_of(plan)
    functions = {f"take{i}": take_function(pieces, i, scan, window, pushed) for i, scan in enumerate(plan.scans)}
    if window is not None:
        functions |= window_functions(pieces, window.window)
    joins = plan.find_all(Join)
    for join in joins:
        functions |= _join_functions(pieces, join)
    if window is not None and window.window.kind in (INTERVAL, ASOF):
        functions |= _interval_keys(pieces, joins)
    lookups = plan.find_all(LookupJoin)
    for lookup in lookups:
        functions |= _lookup_functions(pieces, lookup)
    if early is not None:
        functions["early"] = _where(pieces, early, "early")
    if behind is not None:
        functions["where"] = _where(pieces, behind)
        functions |= _arguments(pieces, behind.aggregates, "w", bounded=False)
    if aggregate is not None:
        functions |= _arguments(pieces, aggregate.calls, "g", bounded=True)
        if aggregate.keys:
            functions["keys"] = returning("keys", WINDOW_ARGUMENTS, aggregate.keys, pieces.at_entry(), tuple_form(len(aggregate.keys)))
    functions |= finish_functions(pieces)
    made = build(functions, pieces.constants)
    items = plan.root.items
    code = BufferedCode(
        sources=_sources(pieces, made),
        window=None if window is None else _operator(window.window, made, plan),
        joins=tuple(_join_code(join, made) for join in joins),
        where=made.get("where"),
        where_aggregates=None if behind is None or not behind.aggregates else _aggregates(behind.aggregates, made, "w", items),
        grouping=None
        if aggregate is None
        else GroupingCode(made.get("keys"), _aggregates(aggregate.calls, made, "g", items), aggregate.grouped),
        finish=finish_code(pieces, made),
        memories=tuple(pieces.memories),
        empty=tuple(Entry(row_type(scan.columns)(), 0, {}, {}, (None,) * len(pieces.analytics), i) for i, scan in enumerate(plan.scans)),
        operators=operators,
        event_time=plan.options.is_event_time,
        late_tolerance=plan.options.late_tolerance,
        idle_timeout=plan.options.idle_timeout,
        shape=state_shape(plan),
        json_numbers=json_numbers(plan.root),
        always_fires=_always_fires(plan, window, behind),
        lookups=tuple(_lookup_code(plan, lookup, made) for lookup in lookups),
        early=made.get("early"),
    )
    return code, functions


def filters_of(plan: RulePlan) -> tuple[Filter | None, Filter | None, Filter | None]:
    """The condition in front of the window, the one between it and lookups, and the one behind both.

    Without window and joins the condition stands in front, unless it asks for aggregates.
    """
    found: list[Filter | None] = [None, None, None]
    looks_up = plan.find(LookupJoin) is not None
    place = 0
    for node in plan.chain():
        match node:
            case Window() | Join():
                place = 1 if looks_up else 2
            case LookupJoin():
                place = 2
            case Filter():
                found[2 if node.aggregates else place] = node
            case _:
                pass
    return found[0], found[1], found[2]


def _always_fires(plan: RulePlan, window: Window | None, behind: Filter | None) -> bool:
    if window is None or behind is not None or any(isinstance(node, Join | LookupJoin) for node in plan.chain()):
        return False
    return window.window.kind in ("tumblingwindow", "hoppingwindow")


# --- rows coming in -------------------------------------------------------------------------------------------------------------------


def take_function(pieces: Pieces, index: int, scan: Scan, window: Window | None, pushed: Filter | None) -> str:
    """Window FILTER, analytic calls and a condition in front of the window; returns the analytic values, or None."""
    emitter = pieces.at_row(index)
    lines: list[str] = []
    if not scan.source.content.is_table:
        lines += pieces.analytic_lines(emitter, index)
        if window is not None and window.condition is not None:
            lines += pieces.passing(window.condition, "windowFilter", emitter, "None")
        if pushed is not None:
            lines += pieces.passing(pushed.condition, "filter", emitter, "None", "where")
    known = not scan.source.content.is_table
    values = "".join(f"n{i}, " if known and pieces.homes[i] == index else "None, " for i in range(len(pieces.homes)))
    return define(f"take{index}", ROW_ARGUMENTS, [*lines, f"return ({values})"])


def _sources(pieces: Pieces, made: dict[str, Any]) -> tuple[SourceCode, ...]:
    """The sources; those of one stream, which is joined with itself, get the same rows."""
    found = [_source(pieces, i, scan, made) for i, scan in enumerate(pieces.plan.scans)]
    needs = merged_needs([{source.stream: source.need} for source in found])
    return tuple(source if source.lookup else replace(source, need=needs[source.stream]) for source in found)


def _source(pieces: Pieces, index: int, scan: Scan, made: dict[str, Any]) -> SourceCode:
    content = scan.source.content
    retained = content.option("RETAIN_SIZE", "0")
    retain = int(retained) if retained.isdigit() else 0
    default = RETAINED_ROWS if content.connector == "file" else 1
    table, lookup = content.is_table and not content.is_lookup, content.is_lookup
    return SourceCode(scan.source.stream, pieces.need(index), made[f"take{index}"], table, retain or default, lookup)


# --- windows --------------------------------------------------------------------------------------------------------------------------


def window_functions(pieces: Pieces, spec: WindowSpec) -> dict[str, str]:
    """The conditions and partition values of a window."""
    functions: dict[str, str] = {}
    if spec.when is not None:
        emitter = pieces.at_arrival()
        lines = emitter.reads([spec.when])
        hit = f" and {pieces.hits['when']}.hit(e.time)" if "when" in pieces.hits else ""
        functions["when"] = define("when", ENTRY_ARGUMENTS, [*lines, f"return ({emitter.emit(spec.when)}) is True{hit}"])
    for name, condition in (("begin", spec.begin), ("close", spec.emit)):
        if condition is not None:
            functions[name] = returning(name, ENTRY_ARGUMENTS, [condition], pieces.at_arrival())
    if spec.partition:
        functions["partition"] = returning(
            "partition", ENTRY_ARGUMENTS, spec.partition, pieces.at_arrival(), tuple_form(len(spec.partition))
        )
    return functions


def _operator(spec: WindowSpec, made: dict[str, Any], plan: RulePlan) -> Callable[[Sequence[Any]], WindowOperator]:
    if spec.kind in (INTERVAL, ASOF):
        keys = {int(name.removeprefix("near")): function for name, function in made.items() if name.startswith("near")}
        return partial(_make_latest, spec, keys) if spec.kind == ASOF else partial(_make_interval, spec, keys or None)
    return partial(_make_operator, spec, made.get("when"), made.get("begin"), made.get("close"), made.get("partition"), plan.options)


def _make_interval(spec: WindowSpec, keys: Mapping[int, Any] | None, memories: Sequence[Any]) -> WindowOperator:
    return IntervalWindow(spec.length, spec.outer, keys)


def _make_latest(spec: WindowSpec, keys: Mapping[int, Any], memories: Sequence[Any]) -> WindowOperator:
    return LatestWindow(max(keys), spec.length, keys, outer=spec.outer is not None)


def _make_operator(
    spec: WindowSpec, when: Any, begin: Any, close: Any, partition: Any, options: RuleOptions, memories: Sequence[Any]
) -> WindowOperator:
    event_time = options.is_event_time
    match spec.kind:
        case "tumblingwindow":
            return BoundaryWindow(spec.unit, spec.step, spec.length, spec.length, event_time=event_time)
        case "hoppingwindow":
            return BoundaryWindow(spec.unit, spec.step, spec.length, spec.hop, event_time=event_time, hopping=True)
        case "sessionwindow":
            return SessionWindow(spec.unit, spec.step, spec.length, spec.hop, event_time=event_time)
        case "countwindow":
            return CountWindow(spec.length, spec.hop)
        case "statewindow":
            return StateWindow(begin, close, partition, memories)
        case _:
            return SlidingWindow(
                spec.length,
                spec.delay,
                when,
                memories,
                second_version=spec.version == "v2",
                event_time=event_time,
                twice=options.send_sliding_window_twice,
            )


# --- joins ----------------------------------------------------------------------------------------------------------------------------


def _join_functions(pieces: Pieces, join: Join) -> dict[str, str]:
    functions: dict[str, str] = {}
    if join.on is None:
        return functions
    functions[f"on{join.right}"] = returning(f"on{join.right}", ENTRY_ARGUMENTS, [join.on], pieces.at_entry(bounded=False))
    sides = _equality(join.on, pieces.names[join.right])
    if sides is not None:
        for name, side in zip(("left", "right"), sides, strict=True):
            functions[f"{name}{join.right}"] = returning(f"{name}{join.right}", "e", [side], pieces.at_entry())
    return functions


def _interval_keys(pieces: Pieces, joins: Sequence[Join]) -> dict[str, str]:
    """The values of both streams that the condition of their join demands to be equal."""
    streams = [i for i, scan in enumerate(pieces.plan.scans) if not scan.source.content.is_table]
    on = next((join.on for join in joins if join.right == streams[-1]), None)
    sides = None if on is None else _equality(on, pieces.names[streams[-1]])
    if sides is None or not isinstance(sides[0], ColumnRef) or sides[0].source != pieces.names[streams[0]]:
        return {}
    return {f"near{i}": returning(f"near{i}", "e", [side], pieces.at_arrival()) for i, side in zip(streams, sides, strict=True)}


def _equality(on: Bound, right: str) -> tuple[Bound, Bound] | None:
    """The sides of an equality between columns of other sources and columns of the source that is joined."""
    while isinstance(on, Operation) and on.op == "AND":
        on = on.left
    if not isinstance(on, Operation) or on.op != "=":
        return None
    sides = [{p.source for p in walk(side) if isinstance(p, ColumnRef)} for side in (on.left, on.right)]
    if not all(isinstance(side, ColumnRef) and side.source for side in (on.left, on.right)):
        return None
    if sides[1] == {right} and right not in sides[0]:
        return on.left, on.right
    return (on.right, on.left) if sides[0] == {right} and right not in sides[1] else None


def _join_code(join: Join, made: dict[str, Any]) -> JoinCode:
    return JoinCode(join.kind, join.right, made.get(f"on{join.right}"), made.get(f"left{join.right}"), made.get(f"right{join.right}"))


def _lookup_functions(pieces: Pieces, lookup: LookupJoin) -> dict[str, str]:
    """The values that the keys must equal, and what else a pair must fulfil."""
    name = f"key{lookup.right}"
    values = returning(name, ENTRY_ARGUMENTS, lookup.values, pieces.at_entry(bounded=False), tuple_form(len(lookup.values)))
    functions = {name: values}
    if lookup.rest is not None:
        name = f"rest{lookup.right}"
        functions[name] = returning(name, ENTRY_ARGUMENTS, [lookup.rest], pieces.at_entry(bounded=False))
    return functions


def _lookup_code(plan: RulePlan, lookup: LookupJoin, made: dict[str, Any]) -> LookupCode:
    scan = plan.scans[lookup.right]
    return LookupCode(
        table=scan.source.stream,
        right=lookup.right,
        left=lookup.left,
        keys=lookup.keys,
        fields=("*",) if scan.whole else scan.columns or lookup.keys,
        values=made[f"key{lookup.right}"],
        on=made.get(f"rest{lookup.right}"),
        make=row_type(scan.columns),
        columns=scan.columns,
        whole=scan.whole,
    )


# --- aggregates -----------------------------------------------------------------------------------------------------------------------


def _where(pieces: Pieces, behind: Filter, name: str = "where") -> str:
    emitter = pieces.at_entry(bounded=False)
    emitter.aggregates = {i: f"g[{i}]" for i in range(len(behind.aggregates))}
    return define(name, "e, g, x, n, s", [*pieces.passing(behind.condition, "filter", emitter, "False", "where"), "return True"])


def _arguments(pieces: Pieces, calls: Sequence[AggregateCall], prefix: str, *, bounded: bool) -> dict[str, str]:
    """Per aggregate a function of ``e, x, s`` that gives the first argument and the tuple of the others."""
    functions: dict[str, str] = {}
    for i, call in enumerate(calls):
        emitter = pieces.at_entry(bounded=bounded)
        counted = call.counts_rows
        lines = [] if counted else emitter.reads(call.args)
        first = "True" if counted or not call.args else emitter.emit(call.args[0])
        others = "".join(f"{emitter.emit(a)}, " for a in call.args[1:])
        lines += [f"try: a_ = {first}", "except EvaluationError as error: a_ = Failed(str(error))", f"return a_, ({others})"]
        functions[f"{prefix}{i}"] = define(f"{prefix}{i}", WINDOW_ARGUMENTS, lines)
    return functions


def _aggregates(calls: Sequence[AggregateCall], made: dict[str, Any], prefix: str, items: tuple[Item, ...]) -> AggregatesCode:
    return AggregatesCode(
        tuple(made[f"{prefix}{i}"] for i in range(len(calls))),
        tuple(function_of(call, items) for call in calls),
        tuple(call.spec.whole_rows for call in calls),
        tuple(call.spec.incremental is not None for call in calls),
    )


def needs_buffer(plan: RulePlan) -> bool:
    """Whether a rule keeps rows or waits for others: a window, a join, event time, or a condition over groups."""
    return plan.options.is_event_time or any(isinstance(node, Window | Join | LookupJoin | Having) for node in plan.chain())
