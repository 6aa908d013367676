"""What ``plutino explain`` shows of a rule: plan, needed columns, generated code."""

from __future__ import annotations

from plutino.compiler.rule import compile_plan, generate, operator_names
from plutino.planner import Plan, RulePlan, UnionPlan
from plutino.planner.explain import explain


def describe(plan: Plan) -> str:
    """Plan, columns that the decoder is asked for, assumptions of the fast tier and the generated functions, as text."""
    compiled = compile_plan(plan)
    lines = ["plan", *(f"  {line}" for line in explain(plan).splitlines()), "", "operators"]
    selects = _selects(plan)
    lines += ["  " + " -> ".join(("2_decoder", *operator_names(select))) for select in selects]
    for stream, need in compiled.needs.items():
        lines += ["", f"columns of {stream}", "  " + (", ".join(need.columns) or "none")]
        if need.whole:
            lines.append("  and the whole row")
        lines += [f"  {name} is assumed to be a {kind} in the fast tier" for name, kind in need.kinds.items()]
        if need.guard is not None:
            lines.append(f"  rows can matter only where {need.guard.column} {need.guard.op} {need.guard.constant!r}")
    lines += ["", "code"]
    for select in selects:
        for text in generate(select, ())[1].values():
            lines += [f"  {line}" for line in text.splitlines()]
    return "\n".join(lines)


def _selects(plan: Plan) -> list[RulePlan]:
    """Every SELECT of a plan, inner ones first."""
    if isinstance(plan, UnionPlan):
        return [select for part in plan.parts for select in _selects(part)]
    return [*(select for inner in plan.derived.values() for select in _selects(inner)), plan]
