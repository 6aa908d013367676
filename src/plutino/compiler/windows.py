"""Compiling rules with a window: what to keep of each row, and what to give when the window closes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from plutino.compiler.code import Constants, build
from plutino.compiler.exact import ExactEmitter, callable_of
from plutino.compiler.fast import FastEmitter, NotFast
from plutino.compiler.items import emit_items, json_numbers
from plutino.compiler.rows import output_kind
from plutino.execution.aggregates import Accumulator, Count, Extreme, Gathered, Total
from plutino.execution.collecting import GroupCode, GroupCollector, RowCollector, RowsCode
from plutino.execution.tumbling import WindowCode
from plutino.model import attribute, row_type
from plutino.planner.bound import AggregateCall, AliasRef, Bound, ColumnRef, Item, WholeRow, walk
from plutino.planner.plan import Aggregate, Filter, Node, Project, RulePlan, Scan, Window
from plutino.spi import InputNeed

_SPAN = {"window_start": "x[0]", "window_end": "x[1]", "window_trigger": "x[1]"}


def compile_window(plan: RulePlan, operators: tuple[str, ...]) -> tuple[WindowCode, dict[str, str]]:
    """The code of a rule with a window, and the generated source by function name."""
    chain = plan.chain()
    scan = chain[0]
    assert isinstance(scan, Scan)
    window = next(node for node in chain if isinstance(node, Window))
    aggregate = next((node for node in chain if isinstance(node, Aggregate)), None)
    conditions = _conditions(chain, window)
    constants = Constants()
    emitter = FastEmitter(constants, plan.root.items)
    if aggregate is None:
        functions = _row_functions(plan, conditions, constants, emitter)
        made = build(functions, constants)
        rows = RowsCode(made.get("keep"), made["exact"], made["emit"])
        collector: Callable[[], Any] = partial(RowCollector, rows)
    else:
        functions = _group_functions(plan, aggregate, conditions, constants, emitter)
        made = build(functions, constants)
        collector = partial(GroupCollector, _group_code(plan, aggregate, made, scan))
    fast = "keep" in functions or "buckets" in functions
    spec, options = window.window, plan.options
    code = WindowCode(
        collector=collector,
        stream=scan.source.stream,
        need=InputNeed(scan.columns, scan.whole, scan.meta, options.is_event_time, emitter.kinds if fast else {}),
        operators=operators,
        unit=spec.unit,
        step=spec.step,
        length=spec.length,
        guarded=fast and bool(emitter.kinds),
        event_time=options.is_event_time,
        late_tolerance=options.late_tolerance,
        filtered=options.is_event_time and any(isinstance(n, Filter) for n in chain),
        grouped=aggregate is not None and bool(aggregate.keys),
        shape=_shape(plan, window, aggregate),
        json_numbers=json_numbers(plan.root),
    )
    return code, functions


def _conditions(chain: tuple[Node, ...], window: Window) -> list[tuple[Bound, str]]:
    """What a row must pass before it counts, with the operator that names its failure."""
    found = [(node.condition, "filter") for node in chain if isinstance(node, Filter)]
    return ([(window.condition, "windowFilter")] if window.condition is not None else []) + found


def _shape(plan: RulePlan, window: Window, aggregate: Aggregate | None) -> str:
    """Equal texts say that one version's state fits the other: window, group keys and what is accumulated."""
    aggregates = () if aggregate is None else tuple((c.spec.name, c.args) for c in aggregate.calls)
    keys = () if aggregate is None else aggregate.keys
    rows = () if aggregate is not None else tuple(i.expr for i in plan.root.items)
    times = (plan.options.is_event_time, plan.options.late_tolerance if plan.options.is_event_time else 0)
    return repr((window.window, window.condition, times, keys, aggregates, rows, plan.sources[0].stream))


# --- rows -----------------------------------------------------------------------------------------------------------------------------


def _row_functions(plan: RulePlan, conditions: list[tuple[Bound, str]], constants: Constants, emitter: FastEmitter) -> dict[str, str]:
    functions: dict[str, str] = {}
    if not _needs_more_than_row(plan):
        mark = len(constants.values)
        try:
            keep = " and ".join(emitter.condition(c) for c, _ in conditions)
            functions["keep"] = f"def keep(rows):\n    return [r for r in rows if {keep}]" if keep else "def keep(rows):\n    return rows"
        except NotFast:
            del constants.values[mark:]
    exact = ExactEmitter(constants, plan.root.items)
    functions["exact"] = _defined("exact", "r, m, w", [*_passing(conditions, exact, "False"), "return True"])
    functions["emit"] = _emit(plan, constants, {})
    return functions


def _needs_more_than_row(plan: RulePlan) -> bool:
    scan = plan.chain()[0]
    assert isinstance(scan, Scan)
    return scan.meta or scan.whole


def _passing(conditions: list[tuple[Bound, str]], emitter: ExactEmitter, refused: str) -> list[str]:
    """Lines that leave the function with ``refused`` when a condition does not hold."""
    lines: list[str] = []
    for condition, stage in conditions:
        lines += emitter.reads([condition])
        lines += [
            "try:",
            f"    if not holds({emitter.emit(condition)}): return {refused}",
            "except EvaluationError as error:",
            f"    raise StageError('{stage}', 'run Where error: ' + str(error)) from error",
        ]
    return lines


def _emit(plan: RulePlan, constants: Constants, aggregates: dict[int, str]) -> str:
    emitter = ExactEmitter(constants, plan.root.items)
    emitter.aggregates = aggregates
    emitter.context = {**_SPAN, "rule_id": constants(plan.rule)}
    lines = emit_items(plan.root, emitter, plan.options, _output(plan.root, plan))
    return _defined("emit", "r, m, w, g, x", lines)


def _output(project: Project, plan: RulePlan) -> str:
    kind = output_kind(project, plan.options)
    return "records" if kind == "pass" else kind


def _defined(name: str, arguments: str, lines: list[str]) -> str:
    return f"def {name}({arguments}):\n" + "\n".join(f"    {line}" for line in lines)


# --- groups ---------------------------------------------------------------------------------------------------------------------------


def _group_functions(
    plan: RulePlan, aggregate: Aggregate, conditions: list[tuple[Bound, str]], constants: Constants, emitter: FastEmitter
) -> dict[str, str]:
    functions: dict[str, str] = {}
    if not _needs_more_than_row(plan) or _whole_only_counted(plan, aggregate):
        mark = len(constants.values)
        try:
            functions.update(_fast_functions(aggregate, conditions, emitter))
        except NotFast:
            del constants.values[mark:]
    exact = ExactEmitter(constants, plan.root.items)
    lines = _passing(conditions, exact, "None")
    lines += exact.reads([*aggregate.keys, *(a for call in aggregate.calls for a in call.args)])
    functions["exact"] = _defined("exact", "r, m, w", [*lines, *_taken(aggregate, exact, plan)])
    functions["emit"] = _emit(plan, constants, {i: f"g[{i}]" for i in range(len(aggregate.calls))})
    return functions


def _whole_only_counted(plan: RulePlan, aggregate: Aggregate) -> bool:
    """Whether whole rows appear in nothing but ``count(*)``, which does not look at them."""
    scan = plan.chain()[0]
    assert isinstance(scan, Scan)
    others = [a for call in aggregate.calls if call.spec.incremental != "count" for a in call.args]
    exprs = [*(i.expr for i in plan.root.items), *aggregate.keys, *others]
    return not scan.meta and plan.root.star is None and not any(isinstance(p, WholeRow) for e in exprs for p in walk(e))


def _fast_functions(aggregate: Aggregate, conditions: list[tuple[Bound, str]], emitter: FastEmitter) -> dict[str, str]:
    """Bucketing by key, and the values of each aggregate out of a bucket."""
    functions: dict[str, str] = {}
    keep = " and ".join(emitter.condition(c) for c, _ in conditions)
    if aggregate.keys:
        key = ", ".join(_fast_key(k, emitter) for k in aggregate.keys)
        lines = ["found = {}", "for r in rows:", *([f"    if not ({keep}): continue"] if keep else [])]
        lines += [f"    key = ({key},)" if len(aggregate.keys) > 1 else f"    key = {key}"]
        lines += ["    if key in found: found[key].append(r)", "    else: found[key] = [r]", "return found"]
    else:
        lines = [f"kept = [r for r in rows if {keep}]" if keep else "kept = rows", "return {(): kept} if kept else {}"]
    functions["buckets"] = _defined("buckets", "rows", lines)
    for i, call in enumerate(aggregate.calls):
        if call.spec.incremental is None or len(call.args) != 1:
            raise NotFast
        argument = call.args[0]
        if not isinstance(argument, WholeRow):
            functions[f"values{i}"] = f"def values{i}(rows):\n    return [{emitter.value(argument)[0]} for r in rows]"
    return functions


def _fast_key(key: Bound, emitter: FastEmitter) -> str:
    """A group key in plain Python: a column known to hold numbers or texts, where missing and null are one group."""
    if not isinstance(key, ColumnRef):
        raise NotFast
    kind = emitter.kinds.setdefault(key.name, "scalar")
    if kind == "boolean":
        raise NotFast
    t = f"r.{attribute(key.name)}"
    return f"(None if {t} is UNSET else {t})"


def _taken(aggregate: Aggregate, emitter: ExactEmitter, plan: RulePlan) -> list[str]:
    """Lines that compute group key and arguments of a row. A failing argument fails its row, a failing key likewise."""
    keys = "".join(f"group_text({emitter.emit(k)}), " for k in aggregate.keys)
    keys = keys[:-2] if len(aggregate.keys) == 1 else f"({keys})"
    values = "".join(f"{emitter.emit(call.args[0]) if call.args else 'None'}, " for call in aggregate.calls)
    others = "".join(f"({''.join(emitter.emit(a) + ', ' for a in call.args[1:])}), " for call in aggregate.calls)
    return [
        f"try: key_ = {keys}",
        "except EvaluationError as error: raise StageError('aggregate', 'run Group By error: ' + str(error)) from error",
        f"try: return key_, ({values}), ({others})",
        "except EvaluationError as error: raise StageError('project', 'run Select error: ' + str(error)) from error",
    ]


def _group_code(plan: RulePlan, aggregate: Aggregate, made: dict[str, Any], scan: Scan) -> GroupCode:
    return GroupCode(
        fast_buckets=made.get("buckets"),
        fast_values=tuple(made.get(f"values{i}") for i in range(len(aggregate.calls))),
        exact=made["exact"],
        emit=made["emit"],
        accumulators=tuple(_accumulator(call, plan.root.items) for call in aggregate.calls),
        grouped=bool(aggregate.keys),
        empty_row=row_type(scan.columns)(),
    )


def _accumulator(call: AggregateCall, items: tuple[Item, ...]) -> Callable[[], Accumulator]:
    argument = call.args[0] if call.args else None
    loose = argument is not None and _is_loose(argument, items)
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


def _is_loose(argument: Bound, items: tuple[Item, ...]) -> bool:
    """Whether the fast tier's values of an argument are raw schemaless numbers, whose whole ones mean floats."""
    match argument:
        case AliasRef(name=name):
            return _is_loose(next(i.expr for i in items if i.aliased and i.name == name), items)
        case ColumnRef():
            return not argument.exact
        case _:
            parts = walk(argument)
            return any(isinstance(p, ColumnRef) and not p.exact for p in parts) or any(
                isinstance(p, AliasRef) and _is_loose(p, items) for p in parts
            )
