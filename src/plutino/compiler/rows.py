"""Compiling rules without windows: one fused function per tier."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from weakref import WeakValueDictionary

from msgspec.structs import replace

from plutino.compiler.aggregates import function_of
from plutino.compiler.code import Constants, build
from plutino.compiler.exact import ExactEmitter
from plutino.compiler.fast import FastEmitter, NotFast, each_row
from plutino.compiler.items import json_numbers, output_kind
from plutino.compiler.pieces import Pieces, define
from plutino.execution.aggregates import aggregate_of_one
from plutino.execution.rows import RowCode, RowTwin
from plutino.model import attribute, row_type
from plutino.planner.bound import AggregateCall, AliasRef, Bound, ColumnRef, Const, FunctionCall, HitValue, Item, Operation, walk
from plutino.planner.plan import Aggregate, Analytic, Filter, RulePlan
from plutino.spi import Guard, RuleOptions


def compile_rows(plan: RulePlan, operators: tuple[str, ...]) -> tuple[RowCode, dict[str, str]]:
    """The code of a rule without window, and the generated source by function name."""
    pieces = Pieces(plan)
    functions: dict[str, str] = {}
    where = _where(plan)
    fast = _fast(plan, where, pieces.constants)
    if fast is not None:
        functions["fast"] = fast[0]
    functions["exact"] = _exact(pieces)
    made = build(functions, pieces.constants)
    kinds = {} if fast is None else fast[1]
    stateful = len(pieces.memories) > 1
    guard = None if stateful else guard_of(where, plan.root.items)
    need = replace(pieces.need(0, kinds), guard=guard, twin=None if guard is None else twin_of(plan, where))
    code = RowCode(
        fast=made.get("fast"),
        exact=made["exact"],
        output=pieces.output,
        guarded=bool(kinds),
        stream=plan.sources[0].stream,
        need=need,
        operators=operators,
        memories=tuple(pieces.memories),
        json_numbers=json_numbers(plan.root),
    )
    return code, functions


def _where(plan: RulePlan) -> Bound | None:
    condition = plan.find(Filter)
    return None if condition is None else condition.condition


# --- fast -----------------------------------------------------------------------------------------------------------------------------


def _fast(plan: RulePlan, where: Bound | None, constants: Constants) -> tuple[str, dict[str, str]] | None:
    """The ``def`` text of the fast tier under a condition, and its assumptions; None where the rule needs the exact tier."""
    output = output_kind(plan.root, plan.options)
    if plan.options.send_meta_to_sink or plan.scans[0].meta or plan.root.changed or plan.root.numberings or output == "spread":
        return None
    if plan.find(Aggregate) is not None or plan.find(Analytic) is not None or plan.root.qualify is not None:
        return None
    emitter = FastEmitter(constants, plan.root.items)
    mark = len(constants.values)
    try:
        keep = "" if where is None else f" if {emitter.condition(where)}"
        if output == "pass":
            return _function("rows, wholes", "w", keep, emitter), emitter.kinds
        emitter.vectors = []
        shown = [(i.name, *_fast_item(i, emitter, plan.options)) for i in plan.root.items if i.visible]
        if output == "rows":
            made = constants(row_type([name for name, _, _ in shown]))
            values = ", ".join(f"shown({text})" if null else text for _, text, null in shown)
            return _function("rows", f"{made}({values})", keep, emitter), emitter.kinds
        assert plan.root.star is not None
        if plan.root.star.excepted or any(null for _, _, null in shown):
            raise NotFast
        pairs = "".join(f", {constants(name)}: {text}" for name, text, _ in shown)
        return _function("rows, wholes", f"{{**w{pairs}}}", keep, emitter), emitter.kinds
    except NotFast:
        del constants.values[mark:]
        return None


def _function(lists: str, made: str, keep: str, emitter: FastEmitter) -> str:
    """The ``def`` text of a fast tier that gives ``made`` for each row that is kept."""
    pairs = [("r", "rows"), ("w", "wholes")] if "wholes" in lists else [("r", "rows")]
    lines: list[str] = []
    if emitter.vectors:
        # what is called for all rows at once gets those that are left
        if keep and len(pairs) == 1:
            lines.append(f"rows = [r for r in rows{keep}]")
        elif keep:
            lines += [f"kept = [(r, w) for {each_row(*pairs)}{keep}]", "rows, wholes = zip(*kept) if kept else ((), ())"]
        keep = ""
        lines += ["if not rows: return []", *emitter.vectors]
        pairs += [(f"v{i}", f"c{i}") for i in range(len(emitter.vectors))]
    lines.append(f"return [{made} for {each_row(*pairs)}{keep}]")
    return define("fast", lists, lines)


def _fast_item(item: Item, emitter: FastEmitter, options: RuleOptions) -> tuple[str, bool]:
    """Text of one output value and whether nulls must be taken out of it."""
    if isinstance(item.expr, ColumnRef) and not item.aliased:
        text = f"r.{attribute(item.expr.name)}"
        return (f"filled({text})" if options.send_nil_field and not item.of_star else text), False
    text, null = emitter.value(item.expr)
    if options.send_nil_field:
        return (f"filled({text})" if null else text), False
    return text, null


# --- exact ----------------------------------------------------------------------------------------------------------------------------


def _exact(pieces: Pieces) -> str:
    emitter = pieces.at_row()
    lines = pieces.analytic_lines(emitter)
    items = pieces.plan.root.items
    condition, aggregate = pieces.plan.find(Filter), pieces.plan.find(Aggregate)
    if condition is not None:
        lines += _group_of_one(condition.aggregates, emitter, "w", items)
        lines += pieces.passing(condition.condition, "filter", emitter, "None", "where")
    lines += _group_of_one(() if aggregate is None else aggregate.calls, emitter, "g", items)
    if pieces.plan.root.numberings:
        lines.append(f"n = (1,) * {len(pieces.plan.root.numberings)}")
    if pieces.output == "pass":
        lines.append("return w")
    else:
        lines += pieces.select_lines(emitter, pieces.output)
    return define("exact", "r, m, w, t, s", lines)


def _group_of_one(calls: Sequence[AggregateCall], emitter: ExactEmitter, prefix: str, items: tuple[Item, ...]) -> list[str]:
    """Without a window every row is a group of its own: its aggregates are computed over the one value."""
    lines: list[str] = []
    for i, call in enumerate(calls):
        lines += [] if call.counts_rows else emitter.reads(call.args)
        args = "True, " if call.counts_rows else "".join(f"{emitter.emit(a)}, " for a in call.args)
        folding = call.spec.incremental is not None
        made = emitter.constants(partial(aggregate_of_one, function_of(call, items), call.spec.whole_rows, folding))
        lines.append(f"{prefix}{i} = lambda: {made}(lambda: ({args}))")
    emitter.aggregates = {i: f"{prefix}{i}()" for i in range(len(calls))}
    return lines


# --- guards ---------------------------------------------------------------------------------------------------------------------------

_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def guard_of(where: Bound | None, items: Sequence[Item]) -> Guard | None:
    """A necessary condition ``column op constant`` of a condition; None where there is none, or where a rejected row could still
    have had an effect (an impure function)."""
    if where is None or any(isinstance(p, HitValue) or (isinstance(p, FunctionCall) and not p.spec.pure) for p in walk(where)):
        return None
    # the first term of a conjunction: later ones are not evaluated when it is false, earlier ones could fail before a later one
    while isinstance(where, Operation) and where.op == "AND":
        where = where.left
    if not isinstance(where, Operation) or where.op not in _MIRRORED:
        return None
    aliases = {i.name: i.expr for i in items if i.aliased}
    for side, other, op in ((where.left, where.right, where.op), (where.right, where.left, _MIRRORED[where.op])):
        column = aliases.get(side.name, side) if isinstance(side, AliasRef) else side
        if isinstance(column, ColumnRef) and isinstance(other, Const) and not isinstance(other.value, bool):
            return Guard(column.name, op, other.value)
    return None


_twins: WeakValueDictionary[object, RowTwin] = WeakValueDictionary()
"""By what two rules must have in common to be twins; a twin lives as long as one of its rules."""


def twin_of(plan: RulePlan, where: Bound | None) -> RowTwin | None:
    """What rules with the same projection share, where one comparison is their whole condition; None where there is no such thing."""
    if not isinstance(where, Operation) or where.op not in _MIRRORED:
        return None
    root = plan.root
    plain = len(plan.chain()) == 3 and all(item.expr.__class__ is ColumnRef for item in root.items)  # scan, filter, projection
    # Columns as they are, the most frequent case: their names say everything, and no code has to be made to find that out.
    key: object = (root.items, root.star, root.changed, root.numberings, plan.scans[0].meta, plan.options) if plain else None
    twin = _twins.get(key)
    if twin is not None:
        return twin
    if any(isinstance(p, FunctionCall) and not p.spec.pure for item in root.items for p in walk(item.expr)):
        return None
    constants = Constants()
    made = _fast(plan, None, constants)
    if made is None:
        return None
    output = output_kind(root, plan.options)
    if key is None:
        values = [value for value in constants.values if not isinstance(value, type)]
        key = repr((output, [item.name for item in root.items if item.visible], made, values))
        twin = _twins.get(key)
    if twin is None:
        twin = _twins[key] = RowTwin(build({"fast": made[0]}, constants)["fast"], output, bool(made[1]))
    return twin
