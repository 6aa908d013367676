"""Compiling rules without windows: one fused function per tier."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from plutino.compiler.code import Constants, build
from plutino.compiler.exact import ExactEmitter
from plutino.compiler.fast import FastEmitter, NotFast
from plutino.compiler.items import emit_items, json_numbers
from plutino.execution.rows import RowCode
from plutino.model import attribute, row_type
from plutino.planner.bound import AliasRef, Bound, ColumnRef, Const, FunctionCall, Item, Operation, walk
from plutino.planner.plan import Filter, Project, RulePlan, Scan
from plutino.spi import Guard, InputNeed, RuleOptions

META_COLUMN = "__meta"


class Parts(Struct, frozen=True):
    """The pieces of a plan that the row compiler needs."""

    scan: Scan
    where: Bound | None
    project: Project
    options: RuleOptions


def parts_of(plan: RulePlan) -> Parts:
    """The pieces of a plan; a condition before any window only."""
    scan, *others = plan.chain()
    assert isinstance(scan, Scan)
    first = others[0]
    return Parts(scan, first.condition if isinstance(first, Filter) else None, plan.root, plan.options)


def output_kind(project: Project, options: RuleOptions) -> str:
    """How output rows are made, see ``RowCode``."""
    if project.star is None:
        return "rows"
    changed = project.star.excepted or options.send_meta_to_sink or any(i.visible for i in project.items)
    return "records" if changed else "pass"


def compile_rows(plan: RulePlan, operators: tuple[str, ...]) -> tuple[RowCode, dict[str, str]]:
    """The code of a rule without window, and the generated source by function name."""
    parts = parts_of(plan)
    output = output_kind(parts.project, plan.options)
    constants = Constants()
    functions: dict[str, str] = {}
    fast = _fast(parts, output, constants)
    if fast is not None:
        functions["fast"] = fast[0]
    functions["exact"] = _exact(parts, output, constants)
    made = build(functions, constants)
    kinds = {} if fast is None else fast[1]
    need = InputNeed(
        columns=parts.scan.columns,
        whole=parts.scan.whole,
        meta=parts.scan.meta,
        times=plan.options.is_event_time,
        kinds=kinds,
        guard=None if plan.options.is_event_time else guard_of(parts.where, parts.project.items),
    )
    code = RowCode(
        fast=made.get("fast"),
        exact=made["exact"],
        output=output,
        guarded=bool(kinds),
        stream=parts.scan.source.stream,
        need=need,
        operators=operators,
        event_time=plan.options.is_event_time,
        late_tolerance=plan.options.late_tolerance,
        json_numbers=json_numbers(parts.project),
    )
    return code, functions


# --- fast -----------------------------------------------------------------------------------------------------------------------------


def _fast(parts: Parts, output: str, constants: Constants) -> tuple[str, dict[str, str]] | None:
    """The ``def`` text of the fast tier and its assumptions; None where the rule needs the exact tier."""
    if parts.options.send_meta_to_sink or parts.scan.meta:
        return None
    emitter = FastEmitter(constants, parts.project.items)
    mark = len(constants.values)
    try:
        keep = "" if parts.where is None else f" if {emitter.condition(parts.where)}"
        if output == "pass":
            return f"def fast(rows, wholes):\n    return [w for r, w in zip(rows, wholes){keep}]", emitter.kinds
        shown = [(i.name, *_fast_item(i, emitter, parts.options)) for i in parts.project.items if i.visible]
        if output == "rows":
            made = constants(row_type([name for name, _, _ in shown]))
            values = ", ".join(f"shown({text})" if null else text for _, text, null in shown)
            return f"def fast(rows):\n    return [{made}({values}) for r in rows{keep}]", emitter.kinds
        assert parts.project.star is not None
        if parts.project.star.excepted or any(null for _, _, null in shown):
            raise NotFast
        pairs = "".join(f", {constants(name)}: {text}" for name, text, _ in shown)
        return f"def fast(rows, wholes):\n    return [{{**w{pairs}}} for r, w in zip(rows, wholes){keep}]", emitter.kinds
    except NotFast:
        del constants.values[mark:]
        return None


def _fast_item(item: Item, emitter: FastEmitter, options: RuleOptions) -> tuple[str, bool]:
    """Text of one output value and whether nulls must be taken out of it."""
    if isinstance(item.expr, ColumnRef) and not item.aliased:
        text = f"r.{attribute(item.expr.name)}"
        return (f"filled({text})", False) if options.send_nil_field else (text, False)
    text, null = emitter.value(item.expr)
    if options.send_nil_field:
        return (f"filled({text})" if null else text), False
    return text, null


# --- exact ----------------------------------------------------------------------------------------------------------------------------


def _exact(parts: Parts, output: str, constants: Constants) -> str:
    emitter = ExactEmitter(constants, parts.project.items)
    lines: list[str] = []
    if parts.where is not None:
        lines += emitter.reads([parts.where])
        lines += [
            "try:",
            f"    if not holds({emitter.emit(parts.where)}): return None",
            "except EvaluationError as error:",
            "    raise StageError('filter', 'run Where error: ' + str(error)) from error",
        ]
    if output == "pass":
        lines.append("return w")
    else:
        lines += emit_items(parts.project, emitter, parts.options, output)
    return "def exact(r, m, w):\n" + "\n".join(f"    {line}" for line in lines)


# --- guards ---------------------------------------------------------------------------------------------------------------------------

_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def guard_of(where: Bound | None, items: Sequence[Item]) -> Guard | None:
    """A necessary condition ``column op constant`` among the terms of a condition; None where there is none, or where a
    rejected row could still have had an effect (an impure function)."""
    if where is None or any(isinstance(p, FunctionCall) and not p.spec.pure for p in walk(where)):
        return None
    aliases = {i.name: i.expr for i in items if i.aliased}
    for term in _terms(where):
        if not isinstance(term, Operation) or term.op not in _MIRRORED:
            continue
        for side, other, op in ((term.left, term.right, term.op), (term.right, term.left, _MIRRORED[term.op])):
            column = aliases.get(side.name, side) if isinstance(side, AliasRef) else side
            if isinstance(column, ColumnRef) and isinstance(other, Const) and not isinstance(other.value, bool):
                return Guard(column.name, op, other.value)
    return None


def _terms(where: Bound) -> list[Bound]:
    """The first term of a conjunction: later ones are not evaluated when it is false, earlier ones could fail before a later one."""
    while isinstance(where, Operation) and where.op == "AND":
        where = where.left
    return [where]
