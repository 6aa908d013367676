"""The wire text of a plan (rest reference §3.8): one JSON object per node, children below, tabs by depth."""

from __future__ import annotations

import json
from typing import assert_never

from plutino.planner.bound import ColumnRef, Item
from plutino.planner.plan import Aggregate, Filter, Node, Project, RulePlan, Scan, Window
from plutino.planner.printing import printed

_WINDOW_NAMES = {
    "tumblingwindow": "TUMBLING_WINDOW",
    "hoppingwindow": "HOPPING_WINDOW",
    "slidingwindow": "SLIDING_WINDOW",
    "sessionwindow": "SESSION_WINDOW",
    "countwindow": "COUNT_WINDOW",
    "statewindow": "STATE_WINDOW",
}


def explain(plan: RulePlan) -> str:
    """The plan, root first; ends without a newline."""
    aggregates = {i: call.text for node in plan.chain() if isinstance(node, Aggregate) for i, call in enumerate(node.calls)}
    aliases = {i.name: i.text or printed(i.expr, aggregates) for i in plan.root.items if i.aliased}
    lines: list[str] = []
    for depth, node in enumerate(reversed(plan.chain())):
        name, info = _described(node, aggregates, aliases)
        body = json.dumps({"op": f"{name}_{depth}", "info": info}, separators=(",", ":"), ensure_ascii=False)
        lines.append("\t" * (2 * depth - 1 if depth else 0) + body)
    return "\n".join(lines)


def _described(node: Node, aggregates: dict[int, str], aliases: dict[str, str]) -> tuple[str, str]:
    match node:
        case Project(items=items, star=star):
            shown = ["*"] if star is not None or any(i.text == "*" for i in items) else []
            shown += [_field(i, aliases) for i in sorted(items, key=lambda i: not i.aliased) if i.text != "*"]
            return "ProjectPlan", f"Fields:[ {', '.join(shown)} ]"
        case Aggregate(keys=keys):
            return "AggregatePlan", f"Dimension:{{ {', '.join(printed(k, aggregates, aliases) for k in keys)} }}"
        case Window(window=window):
            return "WindowPlan", f"{{ length:{window.step}, windowType:{_WINDOW_NAMES[window.kind]}, limit: 0 }}"
        case Filter(condition=condition):
            return "FilterPlan", f"Condition:{{ {printed(condition, aggregates, aliases)} }}, "
        case Scan(source=source, columns=columns):
            names = sorted(set(columns) | (set(source.content.schema.names) if not columns else set()))
            return "DataSourcePlan", f"StreamName: {source.stream}, StreamFields:[ {', '.join(names)} ]"
        case _:
            assert_never(node)


def _field(item: Item, aliases: dict[str, str]) -> str:
    if item.aliased:
        return f"$$alias.{item.name},aliasRef:{aliases[item.name]}"
    return item.text if item.text or not isinstance(item.expr, ColumnRef) else printed(item.expr)
