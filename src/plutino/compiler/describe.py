"""What ``plutino explain`` shows of a rule: plan, needed columns, generated code."""

from __future__ import annotations

from plutino.compiler.rule import compile_plan, generate, operator_names
from plutino.planner import RulePlan, explain


def describe(plan: RulePlan) -> str:
    """Plan, columns that the decoder is asked for, assumptions of the fast tier and the generated functions, as text."""
    compiled = compile_plan(plan)
    sources = generate(plan, ())[1]
    lines = ["plan", *(f"  {line}" for line in explain(plan).splitlines()), "", "operators"]
    lines.append("  " + " -> ".join(("2_decoder", *operator_names(plan))))
    for stream, need in compiled.needs.items():
        lines += ["", f"columns of {stream}", "  " + (", ".join(need.columns) or "none")]
        if need.whole:
            lines.append("  and the whole row")
        lines += [f"  {name} is assumed to be a {kind} in the fast tier" for name, kind in need.kinds.items()]
        if need.guard is not None:
            lines.append(f"  rows can matter only where {need.guard.column} {need.guard.op} {need.guard.constant!r}")
    lines += ["", "code"]
    for text in sources.values():
        lines += [f"  {line}" for line in text.splitlines()]
    return "\n".join(lines)
