"""What the state of a rule looks like: equal for two versions of a rule whose state one can hand to the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from plutino.planner.plan import Aggregate, Analytic, Filter, Join, LookupJoin, RulePlan, Window

_REASONS = {
    "sources": "it reads other streams or columns",
    "window": "its window is another",
    "groups": "it groups by something else",
    "aggregates": "its aggregates are others",
    "analytic": "its analytic functions are others",
    "changed": "the columns whose changes it tells are others",
    "joins": "its joins are others",
    "lookups": "its lookups are others",
    "conditions": "a condition has come or gone",
    "time": "its time is counted otherwise",
    "shown": "it shows other columns of the rows in its window",
    "dedup": "its repetitions are told apart otherwise",
    "form": "its state is kept in another form",
}
"""By the part of a shape that differs, what the author has changed; what says more comes first."""


def state_shape(plan: RulePlan, form: str = "rows") -> str:
    """What is read, windowed, grouped, accumulated and remembered, and in which form; a line for each part."""
    parts: dict[str, list[Any]] = {"form": [form]}
    parts["sources"] = [(s.source.stream, s.columns, s.whole, s.meta) for s in plan.scans]
    for node in plan.chain():
        match node:
            case Window():
                parts["window"] = [node.window, node.condition]
            case Aggregate():
                parts["groups"] = list(node.keys)
                parts["aggregates"] = [(c.spec.name, c.args) for c in node.calls]
            case Analytic():
                parts["analytic"] = [(c.spec.name, c.args, c.partition, c.when) for c in node.calls]
            case Join():
                parts.setdefault("joins", []).append((node.kind, node.right, node.on))
            case LookupJoin():
                parts.setdefault("lookups", []).append((node.right, node.keys, node.values))
            case Filter():
                parts.setdefault("conditions", []).append("filter")
            case _:
                pass
    parts["changed"] = list(plan.root.changed)
    parts["time"] = [plan.options.is_event_time, plan.options.late_tolerance]
    return "\n".join(f"{name}: {value!r}" for name, value in parts.items() if value)


def with_part(shape: str, name: str, value: object) -> str:
    """A shape with one more part."""
    return f"{name}: {value!r}\n{shape}"


def together(shapes: Sequence[str]) -> str:
    """The shape of a rule that is made of several."""
    return "\n".join(f"{i}/{line}" for i, shape in enumerate(shapes, 1) for line in shape.splitlines())


def why_other(old: str, new: str) -> str:
    """In words why the state of one version does not fit another; empty when it does."""
    if old == new:
        return ""
    before, after = dict(_lines(old)), dict(_lines(new))
    differing = [name for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name)]
    kinds = {name.rpartition("/")[2] for name in differing}
    return next(reason for kind, reason in _REASONS.items() if kind in kinds)


def _lines(shape: str) -> Iterator[tuple[str, str]]:
    for line in shape.splitlines():
        name, _, value = line.partition(": ")
        yield name, value
