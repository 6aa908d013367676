"""The wire text of a plan (rest reference §3.8): one JSON object per node, children below, tabs by depth."""

from __future__ import annotations

import json
from typing import assert_never

from plutino.planner.bound import AliasRef, AnalyticRef, Bound, ColumnRef, Dedup, Item, RowNumber, SortKey, walk
from plutino.planner.listing import as_listed
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
from plutino.planner.printing import printed, printed_call

_WINDOW_NAMES = {
    "tumblingwindow": "TUMBLING_WINDOW",
    "hoppingwindow": "HOPPING_WINDOW",
    "slidingwindow": "SLIDING_WINDOW",
    "sessionwindow": "SESSION_WINDOW",
    "countwindow": "COUNT_WINDOW",
    "statewindow": "",
    "interval": "INTERVAL",
    "asof": "ASOF",
}


_JOIN_NAMES = {"INNER": "INNER_JOIN", "LEFT": "LEFT_JOIN", "RIGHT": "RIGHT_JOIN", "FULL": "FULL_JOIN", "CROSS": "CROSS_JOIN"}


class _Texts:
    """The prints of what expressions refer to."""

    def __init__(self, plan: RulePlan) -> None:
        self.schemaless = any(source.schemaless for source in plan.sources)
        self.calls: dict[int, str] = {}
        for node in plan.chain():
            if isinstance(node, Aggregate):
                self.calls |= {i: call.text for i, call in enumerate(node.calls)}
            elif isinstance(node, Analytic):
                # inner calls come before those that hold them, so their texts are known
                for i, call in enumerate(node.calls):
                    when = "" if call.when is None else f", when:{{ {printed(call.when, self.calls)} }}"
                    self.calls[-1 - i] = printed_call(call.spec.name, call.args, self.calls).removesuffix(" }") + f"{when} }}"
        called = [part for item in plan.root.items for part in walk(item.expr)]
        self.selected = self._within({part.index for part in called if isinstance(part, AnalyticRef)}, plan)
        self._whens = {i for node in plan.find_all(Analytic) for i, call in enumerate(node.calls) if call.when is not None}
        self.aliases: dict[str, str] = {}
        for item in (plan.root.items[i] for i in plan.root.order):  # what an alias stands for comes before what names it
            if item.aliased:
                self.aliases[item.name] = self.item(item)

    @staticmethod
    def _within(named: set[int], plan: RulePlan) -> set[int]:
        """Analytic calls with those that are arguments of theirs."""
        calls = [call for node in plan.find_all(Analytic) for call in node.calls]
        for i in sorted(named, reverse=True):
            inner = (part for arg in calls[i].args for part in walk(arg))
            named = named | {part.index for part in inner if isinstance(part, AnalyticRef)}
        return named

    def show(self, expr: Bound) -> str:
        return printed(expr, self.calls, self.aliases)

    def item(self, item: Item) -> str:
        """The print of an output column. Row numbers are computed by an operator of their own, and read from its column."""
        parts = walk(item.expr)
        numbers = [part for part in parts if isinstance(part, RowNumber)]
        if not numbers and not any(isinstance(p, AliasRef) or (isinstance(p, AnalyticRef) and p.index in self._whens) for p in parts):
            return item.text or printed(item.expr, self.calls)
        shown = self.show(item.expr)
        for part in numbers:
            shown = shown.replace(printed(part), f"Call:{{ name:bypass, args:[{_number_column(part.index)}] }}", 1)
        return shown


def _number_column(index: int) -> str:
    return f"wf_row_number_{index + 1}"


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
    found: list[str] = []
    level = depth
    for node in reversed(_shown(plan)):
        if not isinstance(node, Scan | Gather):
            for name, info in _described(node, texts):
                found.append(_line(name, info, level, number + len(found)))
                level += 1
            continue
        for name, info in _watermark(plan, node):
            found.append(_line(name, info, level, number + len(found)))
            level += 1
        for deeper, shown in _spread(node):
            if isinstance(shown, Scan) and shown.source.name in plan.derived:
                found += _lines(plan.derived[shown.source.name], level + deeper, number + len(found))
            else:
                found.append(_line(*_read(shown), level + deeper, number + len(found)))
    return found


def _line(name: str, info: str, depth: int, number: int) -> str:
    body = json.dumps({"op": f"{name}_{number}", "info": info}, separators=(",", ":"), ensure_ascii=False)
    return "\t" * (2 * depth - 1 if depth else 0) + body


def _spread(node: Scan | Gather) -> list[tuple[int, Scan | Gather]]:
    """The lines of what is read with how much deeper they stand: sources side by side, below their alignment where one is a table."""
    if not isinstance(node, Gather):
        return [(0, node)]
    read = [s for s in node.inputs if not s.source.content.is_lookup]
    aligned = any(s.source.content.is_table for s in read)
    return [*([(0, node)] if aligned else []), *((int(aligned), scan) for scan in read)]


def _watermark(plan: RulePlan, node: Scan | Gather) -> list[tuple[str, str]]:
    """In event time the rows of all streams pass one place that keeps the time."""
    if not plan.options.is_event_time:
        return []
    scans = node.inputs if isinstance(node, Gather) else (node,)
    streams = ", ".join(s.source.stream for s in scans if not s.source.content.is_table)
    windowed = "true" if plan.find(Window) is not None else "false"
    return [("WatermarkPlan", f"Emitters:[ {streams} ], SendWatermark:{windowed}")]


def _shown(plan: RulePlan) -> list[Node]:
    """The nodes that have a line: an ungrouped aggregation shows in the projection alone, joins with streams are one."""
    nodes = plan.chain()
    behind = [*nodes[1:], None]
    return [
        node
        for node, following in zip(nodes, behind, strict=True)
        if not (isinstance(node, Aggregate) and not node.keys) and not (isinstance(node, Join) and isinstance(following, Join))
    ]


def _described(node: Node, texts: _Texts) -> list[tuple[str, str]]:
    """Name and text of the lines of a node, each below the one before."""
    match node:
        case Project():
            return _projection(node, texts)
        case Order(keys=keys):
            return [("OrderPlan", f"SortFields:[ {', '.join(_sort_field(k, texts) for k in keys)} ]")]
        case Having(condition=condition):
            return [("HavingPlan", f"Condition:{{ {texts.show(condition)} }}, ")]
        case Aggregate(keys=keys):
            return [("AggregatePlan", f"Dimension:{{ {', '.join(texts.show(k) for k in keys)} }}")]
        case Join():
            return [("JoinPlan", f"Joins:[ {', '.join(_joins(node, texts))} ]")]
        case LookupJoin(kind=kind, on=on, rest=rest):
            others = "" if rest is None else f"Condition:{{ {texts.show(rest)} }}, "
            joined = "" if on is None else f", expr:{texts.show(on)}"
            return [("LookupPlan", f"{others}Join:{{ joinType:{_JOIN_NAMES[kind]}{joined} }}")]
        case Window(window=window, condition=condition):
            admitted = "" if condition is None else f", condition:{texts.show(condition)}"
            return [("WindowPlan", f"{{ length:{window.size}, windowType:{_WINDOW_NAMES[window.kind]}{admitted}, limit: 0 }}")]
        case Filter(condition=condition):
            return [("FilterPlan", f"Condition:{{ {texts.show(condition)} }}, ")]
        case Analytic(calls=calls):
            return [("AnalyticFuncsPlan", _analytic_text(len(calls), texts))]
        case Scan() | Gather():
            return [_read(node)]
        case _:
            assert_never(node)


def _projection(node: Project, texts: _Texts) -> list[tuple[str, str]]:
    spread = next((i for i in node.items if i.spread), None)
    listed = as_listed(node.items, node.place, schemaless=texts.schemaless)
    shown = ["*" if i is None else _field(i, texts) for i in listed if i is None or i.name not in Dedup.COLUMNS]
    chosen = "" if node.qualify is None else f", Qualify:{{ {texts.show(node.qualify)} }}"
    limited = "" if node.limit is None or spread is not None else f", Limit:{node.limit}"
    lines = [("ProjectPlan", f"Fields:[ {', '.join(shown)} ]{chosen}{limited}")]
    if spread is not None:
        lines.insert(0, ("ProjectSetPlan", f"SrfMap:{{key:{spread.name}}}, EnableLimit:{'false' if node.limit is None else 'true'}"))
    for index in reversed(range(len(node.numberings))):
        lines.append(("WindowFuncPlan", f"windowFuncField:{{name:{_number_column(index)}, expr:{printed(RowNumber(index))}}}"))
    return lines


def _joins(node: Join, texts: _Texts) -> list[str]:
    """All joins with streams and scan tables, in order of the statement."""
    before = _joins(node.input, texts) if isinstance(node.input, Join) else []
    on = "" if node.on is None else texts.show(node.on)
    return [*before, f"{{ joinType:{_JOIN_NAMES[node.kind]}, {on} }}"]


def _analytic_text(count: int, texts: _Texts) -> str:
    """Calls of the select list stand for themselves, behind those of all other clauses."""
    own = [i for i in range(count) if i in texts.selected]
    others = [i for i in range(count) if i not in texts.selected]
    shown = f"Funcs:[ {', '.join(texts.calls[-1 - i] for i in reversed(others))} ], " if others else ""
    return shown + (f"FieldFuncs:[ {', '.join(texts.calls[-1 - i] for i in own)} ]" if own else "")


def _read(node: Scan | Gather) -> tuple[str, str]:
    if isinstance(node, Gather):
        kept = [s.source.stream for s in node.inputs if s.source.content.is_table and not s.source.content.is_lookup]
        return "JoinAlignPlan", f"Emitters:[ {', '.join(kept)} ]"
    names = sorted(node.named or node.source.content.schema.names)
    columns = f", StreamFields:[ {', '.join(names)} ]" if names else ""
    return "DataSourcePlan", f"StreamName: {node.source.stream}{columns}"


def _sort_field(key: SortKey, texts: _Texts) -> str:
    name = key.expr.name if isinstance(key.expr, AliasRef | ColumnRef) else texts.show(key.expr)
    return f"sortField:{{ name:{name}, ascending:{'false' if key.descending else 'true'}, fieldExpr:{{ {texts.show(key.expr)} }} }}"


def _field(item: Item, texts: _Texts) -> str:
    if item.aliased:
        return f"$$alias.{item.name},aliasRef:{texts.aliases[item.name]}"
    return texts.item(item)
