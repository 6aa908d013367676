"""From a graph to statements: one for everything that is sent to the same sinks.

The way from the sources to a sink becomes a SELECT, or several inside of one another (see ``Level``), which plan, run and explain like
those that somebody has written. A rule with several ends has a statement for each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import assert_never

from msgspec import Struct

from plutino.errors import PlanError, SqlSyntaxError, UnsupportedError
from plutino.model import StreamContent
from plutino.planner.calls import find_function
from plutino.planner.graph.document import SINK, SOURCE, Edge, Graph, Node, check_edges, source_ref
from plutino.planner.graph.flow import COLLECTION, GROUPED, Flow, flows
from plutino.planner.graph.level import UNION, Level, Role, Roles, all_of, source_of
from plutino.planner.graph.operations import (
    Emitters,
    Filter,
    Function,
    GroupBy,
    Join,
    Operation,
    OrderBy,
    Pick,
    Script,
    Switch,
    Watermark,
    Window,
    read_operations,
)
from plutino.spi import Environment, FunctionKind, RuleOptions
from plutino.sql import calls_in, tree

MOST_STEPS = 10_000
"""How many nodes all ways together may have: ways that part and meet again double each time."""


class Ending(Struct, frozen=True):
    """What some sinks get. ``roles``: for each SELECT, in the order of their programs, the nodes whose work its operators do."""

    sinks: tuple[str, ...]
    query: tree.Query
    roles: tuple[Roles, ...]


class Emitter(Struct, frozen=True):
    """A source node: ``name`` as expressions use it, ``stream`` as the environment knows it, with its content."""

    node: str
    name: str
    stream: str
    content: StreamContent


class Translation(Struct, frozen=True):
    """The statements of a graph, and the streams and tables of its source nodes.

    ``shared``: names of queries in FROM whose rows are made once for all statements, each behind those that it reads; with their roles.
    """

    endings: tuple[Ending, ...]
    emitters: tuple[Emitter, ...]
    shared: Mapping[str, tuple[Roles, ...]] = {}

    @property
    def roles(self) -> tuple[tuple[Roles, ...], ...]:
        """The roles of the shared queries, then of all endings."""
        return (*self.shared.values(), *(ending.roles for ending in self.endings))


def translate(graph: Graph, emitters: tuple[Emitter, ...], env: Environment, options: RuleOptions) -> Translation:
    """The statements of a graph whose sources are known; PlanError with the wire text for everything that does not fit together.

    ``env`` knows the streams of all emitters.
    """
    named = Emitters(
        [e.name for e in emitters if not e.content.is_table],
        [e.name for e in emitters if e.content.is_lookup],
        [e.name for e in emitters if e.content.is_table and not e.content.is_lookup],
    )
    operations = read_operations(graph, named, env)
    check_edges(graph)
    lookups = frozenset(e.node for e in emitters if e.content.is_lookup)
    translator = _Translator(graph, operations, flows(graph, lookups), {e.node: e for e in emitters}, env, options)
    endings = translator.endings()
    if translator.share():
        endings = translator.endings()
    return Translation(endings, emitters, translator.stages)


class _Translator:
    def __init__(
        self,
        graph: Graph,
        operations: Mapping[str, Operation],
        flow: Mapping[str, Flow],
        emitters: Mapping[str, Emitter],
        env: Environment,
        options: RuleOptions,
    ) -> None:
        self.graph = graph
        self.operations = operations
        self.flow = flow
        self.emitters = emitters
        self.env = env
        self.options = options
        self.steps = 0
        self.visits: Counter[str] = Counter()
        self.apart: frozenset[str] = frozenset()
        """Nodes whose work must be done once, though several statements need it."""
        self.stages: dict[str, tuple[Roles, ...]] = {}

    def endings(self) -> tuple[Ending, ...]:
        """A statement for each set of nodes that lead into the same sinks, in the order of the document."""
        sinks: dict[tuple[Edge, ...], list[str]] = {}
        for node in self.graph.of_role(SINK):
            ways = tuple(Edge(edge.start, "", edge.case) for edge in self.graph.into(node.name))
            sinks.setdefault(ways, []).append(node.name)
        return tuple(self._ending(tuple(names), ways) for ways, names in sinks.items())

    def _ending(self, sinks: tuple[str, ...], ways: tuple[Edge, ...]) -> Ending:
        levels = [self._closed(self._behind(edge)) for edge in ways]
        selects = tuple(level.select() for level in levels)
        roles = tuple(segment for level in levels for segment in level.all_segments())
        return Ending(sinks, selects[0] if len(selects) == 1 else tree.Union(selects), roles)

    def share(self) -> bool:
        """Whether there are nodes that must not do their work twice: what they compute may differ, or cost something elsewhere."""
        self.apart = frozenset(name for name, count in self.visits.items() if count > 1 and self._once(self.operations.get(name)))
        self.steps = 0
        return bool(self.apart) and not self.options.is_event_time

    def _once(self, operation: Operation | None) -> bool:
        exprs: tuple[object, ...]
        match operation:
            case Script():
                return True
            case Function(call=call):
                exprs = (call,)
            case Filter(condition=condition):
                exprs = (condition,)
            case Pick(fields=fields):
                exprs = tuple(field.expr for field in fields)
            case _:
                return False
        specs = (find_function(call, self.env) for expr in exprs for call in calls_in(expr) if call.name.lower() not in ("meta", "mqtt"))
        return any(not spec.pure for spec in specs)

    def _apart(self, node: str, level: Level) -> Level:
        """What follows reads the rows of a node from a query that all statements share."""
        level = self._closed(level)
        if level.window is not None or level.joins:
            return level  # a query has no windows to hand on, and no names of the joined
        name = f"rows of {node}"
        self.stages[name] = tuple(level.all_segments())
        found = self._level({name: [level]})
        found.dissolved = level.dissolved | set(level.sources)
        found.shared = next(iter(level.inputs))
        return found

    # --- along the ways

    def _behind(self, edge: Edge) -> Level:
        """What flows over an edge."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise PlanError(f"graph: more than {MOST_STEPS} steps on all ways from sources to sinks; let fewer ways part and meet again")
        level = self._at(self.graph.nodes[edge.start])
        operation = self.operations.get(edge.start)
        if isinstance(operation, Switch):
            level = self._ready(self._continued(edge.start, level), operation.cases)
            case = edge.case or 0
            kind = level.keep(edge.start, _case(operation, case), grouped=self._grouped(edge.start), whole=True)
            level.roles[edge.start] = self._role(edge.start, kind, case)
        return level

    def _at(self, node: Node) -> Level:
        """What leaves a node; the cases of a switch are told apart behind it."""
        self.visits[node.name] += 1
        level = self._leaving(node)
        return self._apart(node.name, level) if node.name in self.apart else level

    def _leaving(self, node: Node) -> Level:
        if node.role == SOURCE:
            return self._source(self.emitters[node.name])
        operation = self.operations[node.name]
        edges = self.graph.into(node.name)
        if isinstance(operation, Join):
            return self._join(node.name, operation, [e for e in edges if not self._is_lookup(e.start)] or list(edges))
        inputs = [self._behind(edge) for edge in edges]
        match operation:
            case Watermark():
                return self._watermark(node.name, inputs)
            case Window():
                return self._window(node.name, operation, inputs)
            case _:
                return self._apply(node.name, operation, self._continued(node.name, self._closed(inputs[0])))

    def _apply(self, node: str, operation: Function | Filter | Pick | GroupBy | OrderBy | Switch | Script, level: Level) -> Level:
        match operation:
            case Function(name=name, call=call):
                level = self._ready(level, (call,))
                self._check_order(node, level, (call,))
                level.compute(node, name, call)
                level.roles[node] = self._role(node, "aggregate" if self._aggregates(call) else "")
            case Filter(condition=condition):
                level = self._ready(level, (condition,))
                level.roles[node] = self._role(node, level.keep(node, condition, grouped=self._grouped(node)))
            case Pick(fields=fields):
                level = self._ready(level, tuple(field.expr for field in fields))
                self._check_order(node, level, tuple(field.expr for field in fields))
                level.pick(node, fields)
                level.roles[node] = self._role(node, "project")
            case GroupBy(keys=keys):
                level.group(node, keys)
                level.roles[node] = self._role(node, "aggregate")
            case OrderBy(keys=keys):
                level.sort(node, keys)
                level.roles[node] = self._role(node, "order")
            case Script(function=function, whole=whole):
                level = self._scripted(level, function, whole)
                level.roles[node] = self._role(node, "project")
            case Switch():
                pass
            case _:
                assert_never(operation)
        return level

    def _scripted(self, level: Level, function: str, whole: bool) -> Level:
        """A level whose rows go through a script, which sees every column."""
        if level.window is None and (level.results or level.shown is not None or level.joins):
            level = self._nested(level)
        elif level.joins:
            raise UnsupportedError(
                f"{function}: behind a join of windows; put a window of its own behind the join, or join behind the script"
            )
        direct = all(isinstance(part, tree.Source) for parts in level.inputs.values() for part in parts)
        level.transform(function, whole=whole, meta=level.window is None and direct)
        return level

    def _continued(self, node: str, level: Level) -> Level:
        """What comes behind a script is a statement on top of its rows."""
        if level.rows is None:
            return level
        if level.window is not None:
            raise UnsupportedError(f"node {node} stands behind a script that makes the rows of a window; let the script do its work, too")
        return self._nested(level)

    def _source(self, emitter: Emitter) -> Level:
        alias = None if emitter.name == emitter.stream else emitter.name
        return self._level({emitter.name: [tree.Source(emitter.stream, alias)]})

    def _watermark(self, node: str, inputs: list[Level]) -> Level:
        level = self._continued(node, inputs[0]) if len(inputs) == 1 else self._gathered(inputs)
        level.roles[node] = self._role(node, "watermark")
        return level

    def _window(self, node: str, operation: Window, inputs: list[Level]) -> Level:
        level = self._named(self._continued(node, inputs[0])) if len(inputs) == 1 else self._gathered(inputs)
        level.window = operation.window
        level.roles[node] = self._role(node, "window")
        return level

    def _join(self, node: str, operation: Join, edges: list[Edge]) -> Level:
        level = self._continued(node, self._behind(edges[0]))
        if operation.source not in level.inputs:
            if len(level.inputs) > 1 or level.window is not None or operation.source not in level.dissolved:
                raise PlanError(f"join node {node}: its input has no rows of {operation.source}, but of {', '.join(level.inputs)}")
            level = self._nested(level, operation.source)
        lifted = self._lifted(level, operation)
        level.where += lifted.get(operation.source, [])
        rest = {name: parts for name, parts in level.inputs.items() if name != operation.source}
        joins = []
        for join in operation.joins:
            name = join.source.name
            emitter = next(e for e in self.emitters.values() if e.name == name)
            if name in rest:
                source = source_of(name, rest.pop(name))
            elif emitter.content.is_lookup:
                source = tree.Source(emitter.stream, None if emitter.name == emitter.stream else emitter.name)
            else:
                raise PlanError(f"join node {node}: its input has no rows of {name}; a way from it through the window is expected")
            on = [] if join.on is None else [level.read(node, join.on)]
            joins.append(tree.Join(join.kind, source, all_of([*on, *lifted.get(name, [])]) if on else None))
        if rest:
            raise PlanError(f"join node {node}: its input has rows of {', '.join(rest)}; every stream of the window is expected in joins")
        level.join(operation.source, tuple(joins))
        asked = next((e for e in self.emitters.values() if e.content.is_lookup and e.name in level.sources), None)
        level.roles[node] = self._role(node, "join" if asked is None else asked.stream)
        return level

    def _lifted(self, level: Level, operation: Join) -> dict[str, list[tree.Expr]]:
        """By stream the conditions in front of its window that can as well be asked behind it.

        In event time they must: the rows of a query in FROM have no time of their own.
        """
        window = level.window
        if window is None or not self.options.is_event_time or window.kind not in ("tumblingwindow", "hoppingwindow"):
            return {}
        if any(join.kind not in ("INNER", "LEFT") for join in operation.joins):
            return {}
        return {name: level.lift(name) for name in list(level.inputs)}

    # --- levels

    def _level(self, inputs: dict[str, list[Level | tree.Source]]) -> Level:
        return Level(inputs, self._aggregates, self._analyses, self.options.is_event_time)

    def _gathered(self, inputs: list[Level]) -> Level:
        """Rows of several nodes side by side; each stream keeps its name."""
        found = self._level({})
        for level in map(self._named, inputs):
            names = (*level.inputs,)
            found.dissolved |= level.dissolved
            for name in names:
                parts = level.inputs[name] if _is_bare(level) else [level]
                found.inputs.setdefault(name, []).extend(parts)
            if not _is_bare(level) and len(names) > 1:
                raise AssertionError("rows of several sources are put together before anything is done with them")
            if _is_bare(level):
                found.roles |= level.roles
        return found

    def _named(self, level: Level) -> Level:
        """A level whose rows have the name of their stream, by which a join asks for them."""
        return level if level.shared is None else self._nested(level, level.shared)

    def _closed(self, level: Level) -> Level:
        """A level that reads one thing: rows of several streams that are not joined become those of a union."""
        if level.joins or (len(level.inputs) == 1 and len(next(iter(level.inputs.values()))) == 1):
            return level
        parts = [part for parts in level.inputs.values() for part in parts]
        name = next(iter(level.inputs)) if len(level.inputs) == 1 else UNION
        level.dissolved |= set(level.inputs) - {name}
        level.inputs = {name: parts}
        return level

    def _nested(self, level: Level, name: str | None = None) -> Level:
        """A level on top of another one."""
        level = self._closed(level)
        found = self._level({name or next(iter(level.inputs)): [level]})
        found.dissolved = level.dissolved | set(level.sources)
        return found

    def _ready(self, level: Level, exprs: Collection[tree.Expr | tree.ArrowLiteral]) -> Level:
        """The level to which expressions can be added: analytic functions see rows before every condition of their statement."""
        level = self._closed(level)
        analyses = any(self._analyses(expr) for expr in exprs)
        held = bool(level.early or level.where) and level.window is None
        return self._nested(level) if analyses and held else level

    # --- what is asked

    def _check_order(self, node: str, level: Level, exprs: Collection[object]) -> None:
        """Refuse aggregates that depend on the order of their rows behind an orderby: a statement sorts after them."""
        calls = (call for expr in exprs if level.order for call in calls_in(expr) if self._kind(call) is FunctionKind.AGGREGATE)
        for call in calls:
            if find_function(call, self.env).incremental is None:
                raise UnsupportedError(
                    f"node {node} calls {call.name} behind an orderby; rows are sorted after aggregates, put it in front"
                )

    def _role(self, node: str, kind: str, case: int | None = None) -> Role:
        return Role(kind, tuple(edge.start for edge in self.graph.into(node)), case)

    def _grouped(self, node: str) -> bool:
        flow = self.flow[node]
        return flow.form == COLLECTION and flow.collection == GROUPED

    def _is_lookup(self, node: str) -> bool:
        return node in self.emitters and self.emitters[node].content.is_lookup

    def _aggregates(self, expr: object) -> bool:
        return any(self._kind(call) is FunctionKind.AGGREGATE for call in calls_in(expr))

    def _analyses(self, expr: object) -> bool:
        return any(self._kind(call) is FunctionKind.ANALYTIC for call in calls_in(expr))

    def _kind(self, call: tree.Call) -> FunctionKind | None:
        if call.name.lower() in ("meta", "mqtt"):
            return None
        try:
            return find_function(call, self.env).kind
        except SqlSyntaxError:
            return None  # refused where the statement is bound


def _is_bare(level: Level) -> bool:
    """Whether nothing was done with the rows yet."""
    touched = (level.early, level.where, level.results, level.shown, level.window, level.joins, level.having, level.order, level.rows)
    return not any(part for part in touched)


def _case(switch: Switch, number: int) -> tree.Expr:
    """The condition of one output of a switch."""
    if number >= len(switch.cases):
        raise PlanError(f"switch has {len(switch.cases)} cases, but output {number} is connected")
    if not switch.first or not number:
        return switch.cases[number]
    branches = [tree.Branch(case, tree.Literal(False)) for case in switch.cases[:number]]
    branches.append(tree.Branch(switch.cases[number], tree.Literal(True)))
    return tree.Case(None, tuple(branches), tree.Literal(False))


def emitter_name(node: Node) -> str:
    """How expressions call the rows of a source node: like the stream that it names, else like the node."""
    ref = source_ref(node)
    return node.name if ref is None else ref.name
