"""The wire text of a plan (rest reference §3.8): one JSON object per node, children below, tabs by depth."""

from __future__ import annotations

import json
from typing import assert_never

from plutino.planner.bound import AliasRef, Bound, ColumnRef, Dedup, Item, SortKey
from plutino.planner.plan import (
    Aggregate,
    Analytic,
    Filter,
    Gather,
    Having,
    Join,
    LookupJoin,
    Node,
    Order,
    Plan,
    Project,
    RulePlan,
    Scan,
    UnionPlan,
    Window,
)
from plutino.planner.printing import printed

_WINDOW_NAMES = {
    "tumblingwindow": "TUMBLING_WINDOW",
    "hoppingwindow": "HOPPING_WINDOW",
    "slidingwindow": "SLIDING_WINDOW",
    "sessionwindow": "SESSION_WINDOW",
    "countwindow": "COUNT_WINDOW",
    "statewindow": "STATE_WINDOW",
    "interval": "INTERVAL",
}


_JOIN_NAMES = {"INNER": "INNER_JOIN", "LEFT": "LEFT_JOIN", "RIGHT": "RIGHT_JOIN", "FULL": "FULL_JOIN", "CROSS": "CROSS_JOIN"}


class _Texts:
    """The prints of what expressions refer to."""

    def __init__(self, plan: RulePlan) -> None:
        self.calls: dict[int, str] = {}
        for node in plan.chain():
            if isinstance(node, Aggregate):
                self.calls |= {i: call.text for i, call in enumerate(node.calls)}
            elif isinstance(node, Analytic):
                self.calls |= {-1 - i: call.text for i, call in enumerate(node.calls)}
        self.aliases = {i.name: i.text or printed(i.expr, self.calls) for i in plan.root.items if i.aliased}

    def show(self, expr: Bound) -> str:
        return printed(expr, self.calls, self.aliases)


def explain(plan: Plan) -> str:
    """The plan, root first; ends without a newline. A query in FROM stands below the projection that reads it."""
    return "\n".join(_lines(plan, 0, 0))


def _lines(plan: Plan, depth: int, number: int) -> list[str]:
    if isinstance(plan, UnionPlan):
        lines = [_line("UnionPlan", f"Queries:{len(plan.parts)}", depth, number)]
        for part in plan.parts:
            lines += _lines(part, depth + 1, number + len(lines))
        return lines
    texts = _Texts(plan)
    lines = []
    for level, node in enumerate(reversed(_shown(plan)), depth):
        for deeper, shown in _spread(node):
            if isinstance(shown, Scan) and shown.source.name in plan.derived:
                lines += _lines(plan.derived[shown.source.name], level + deeper, number + len(lines))
            else:
                lines.append(_line(*_described(shown, texts), level + deeper, number + len(lines)))
    return lines


def _line(name: str, info: str, depth: int, number: int) -> str:
    body = json.dumps({"op": f"{name}_{number}", "info": info}, separators=(",", ":"), ensure_ascii=False)
    return "\t" * (2 * depth - 1 if depth else 0) + body


def _spread(node: Node) -> list[tuple[int, Node]]:
    """The lines of a node with how much deeper they stand: several sources side by side, below their alignment where one is a table."""
    if not isinstance(node, Gather):
        return [(0, node)]
    read = [s for s in node.inputs if not s.source.content.is_lookup]
    aligned = any(s.source.content.is_table for s in read)
    return [*([(0, node)] if aligned else []), *((int(aligned), scan) for scan in read)]


def _shown(plan: RulePlan) -> list[Node]:
    """The nodes that have a line: an ungrouped aggregation shows in the projection alone."""
    return [n for n in plan.chain() if not (isinstance(n, Aggregate) and not n.keys)]


def _described(node: Node, texts: _Texts) -> tuple[str, str]:
    match node:
        case Project(items=items, star=star, qualify=qualify):
            shown = ["*"] if star is not None or any(i.of_star for i in items) else []
            shown += [_field(i, texts) for i in sorted(items, key=lambda i: not i.aliased) if not i.of_star and i.name not in Dedup.COLUMNS]
            chosen = "" if qualify is None else f", Qualify:{{ {texts.show(qualify)} }}"
            return "ProjectPlan", f"Fields:[ {', '.join(shown)} ]{chosen}"
        case Order(keys=keys):
            return "OrderPlan", f"SortFields:[ {', '.join(_sort_field(k, texts) for k in keys)} ]"
        case Having(condition=condition):
            return "HavingPlan", f"Condition:{{ {texts.show(condition)} }}, "
        case Aggregate(keys=keys):
            return "AggregatePlan", f"Dimension:{{ {', '.join(texts.show(k) for k in keys)} }}"
        case Join(kind=kind, on=on):
            on_text = "" if on is None else f", {texts.show(on)}"
            return "JoinPlan", f"Joins:[ {{ joinType:{_JOIN_NAMES[kind]}{on_text} }} ]"
        case LookupJoin(kind=kind, on=on, rest=rest):
            others = "" if rest is None else f"Condition:{{ {texts.show(rest)} }}, "
            joined = "" if on is None else f", expr:{texts.show(on)}"
            return "LookupPlan", f"{others}Join:{{ joinType:{_JOIN_NAMES[kind]}{joined} }}"
        case Window(window=window):
            return "WindowPlan", f"{{ length:{window.size}, windowType:{_WINDOW_NAMES[window.kind]}, limit: 0 }}"
        case Filter(condition=condition):
            return "FilterPlan", f"Condition:{{ {texts.show(condition)} }}, "
        case Analytic(calls=calls):
            return "AnalyticFuncsPlan", f"Funcs:[ {', '.join(c.text for c in calls)} ]"
        case Gather():
            kept = [s.source.stream for s in node.inputs if s.source.content.is_table and not s.source.content.is_lookup]
            return "JoinAlignPlan", f"Emitters:[ {', '.join(kept)} ]"
        case Scan(source=source, named=named):
            names = sorted(named or source.content.schema.names)
            return "DataSourcePlan", f"StreamName: {source.stream}, StreamFields:[ {', '.join(names)} ]"
        case _:
            assert_never(node)


def _sort_field(key: SortKey, texts: _Texts) -> str:
    name = key.expr.name if isinstance(key.expr, AliasRef | ColumnRef) else texts.show(key.expr)
    return f"sortField:{{ name:{name}, ascending:{'false' if key.descending else 'true'}, fieldExpr:{{ {texts.show(key.expr)} }} }}"


def _field(item: Item, texts: _Texts) -> str:
    if item.aliased:
        return f"$$alias.{item.name},aliasRef:{texts.aliases[item.name]}"
    return item.text if item.text or not isinstance(item.expr, ColumnRef) else printed(item.expr)
