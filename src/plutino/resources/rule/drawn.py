"""Graph rules: what their nodes use, and how a graph becomes something that runs (rest reference §3.9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from plutino.compiler import CompiledRule, compile_ends, positions
from plutino.errors import PlanError, PlutinoError, SqlSyntaxError
from plutino.model import Definition, Ref, Schema, StreamContent
from plutino.planner import Plan, UnionPlan, plan_rule
from plutino.planner import graph as graphs
from plutino.planner.graph import Graph, Node, nodes_of, prop, read_graph, source_ref
from plutino.resources.rule.provision import Provision
from plutino.spi import Counted, Drawing, Environment, FeedRequest, Registry, RuleOptions, UserConnector, UserFunction
from plutino.spi.layers import source_refs
from plutino.sql import calls_in, parse_select
from plutino.templates.go.printing import show

SINK, SOURCE, OPERATOR = "sink", "source", "operator"

_OPTIONS: Mapping[str, str] = {
    "datasource": "DATASOURCE",
    "key": "KEY",
    "format": "FORMAT",
    "confkey": "CONF_KEY",
    "strictvalidation": "STRICT_VALIDATION",
    "timestamp": "TIMESTAMP",
    "timestampformat": "TIMESTAMP_FORMAT",
    "retainsize": "RETAIN_SIZE",
    "shared": "SHARED",
    "schemaid": "SCHEMAID",
    "delimiter": "DELIMITER",
}
"""Properties of a source node that are options of a stream, by lower-case name."""

_OTHERS = frozenset(("sourcename", "sourcetype", "schemaname", "schemamessage"))


class Drawn(Struct, frozen=True):
    """A graph rule that is compiled: ``feeds`` and ``tables`` by what it reads, ``ends`` by sink node in the order of the document."""

    compiled: CompiledRule
    feeds: tuple[FeedRequest, ...]
    sinks: tuple[Node, ...]
    drawing: Drawing


class Overlay:
    """The desired state, and the streams and functions of a rule that have no definition of their own."""

    def __init__(self, below: Environment, own: Mapping[Ref, Definition], functions: Mapping[str, UserFunction]) -> None:
        self._below = below
        self._own = own
        self._functions = functions

    @property
    def registry(self) -> Registry:
        return self._below.registry

    @property
    def settings(self) -> Mapping[str, Any]:
        return self._below.settings

    def get(self, ref: Ref) -> Definition | None:
        return self._own.get(ref) or self._below.get(ref)

    def names(self, kind: str) -> Sequence[str]:
        return self._below.names(kind)

    def function(self, name: str) -> UserFunction | None:
        return self._functions.get(name) or self._below.function(name)

    def functions(self) -> Sequence[str]:
        return self._below.functions()

    def connector(self, role: str, name: str) -> UserConnector | None:
        return self._below.connector(role, name)

    def blob(self, digest: str) -> str:
        return self._below.blob(digest)

    def triggered(self, rule: str) -> bool | None:
        return self._below.triggered(rule)


# --- what a graph uses


def nodes_in(content: Mapping[str, Any], role: str) -> Iterator[Node]:
    """Nodes of one role, however wrong the rest of the graph is."""
    return (node for node in nodes_of(content.get("graph")) if node.role == role)


def source_uses(content: Mapping[str, Any], rule: str, provision: Provision, env: Environment) -> Iterator[Ref]:
    """Streams and tables of a graph, and what those that it connects itself are made of."""
    for node in nodes_in(content, SOURCE):
        if source_ref(node) is None:
            try:
                yield from source_refs(inline_stream(node, rule), env)
            except PlutinoError:
                continue  # such a rule does not run
        else:
            name = graphs.emitter_name(node)
            yield from (Ref("stream", name), Ref("table", name))
            yield from provision.feed_refs(name, env)


def called_in(content: Mapping[str, Any]) -> list[str]:
    """Names of all functions in the expressions of a graph, as written, each once."""
    found: dict[str, None] = {}
    for node in nodes_in(content, OPERATOR):
        for text in graphs.expression_texts(node):
            try:
                query = parse_select(f"select {text} from nonexist")
            except SqlSyntaxError:
                continue  # refused when the rule is checked
            found.update(dict.fromkeys(call.name for call in calls_in(query)))
    return list(found)


def stream_names(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The defined streams and tables that a graph names."""
    return tuple(dict.fromkeys(ref.name for node in nodes_in(content, SOURCE) if (ref := source_ref(node)) is not None))


def drawing_text(content: Mapping[str, Any]) -> str:
    """A graph as a text that is equal for two that do the same: without what editors keep in it."""
    graph = content["graph"]
    nodes = {name: {k: v for k, v in node.items() if k != "ui"} for name, node in graph.get("nodes", {}).items() if isinstance(node, dict)}
    return msgspec.json.encode({**graph, "nodes": nodes}, order="sorted").decode()


# --- from a graph to a program


def inline_stream(node: Node, rule: str) -> StreamContent:
    """The stream that a source node connects by its own properties. What is no option of a stream is a property of the connector.

    PlanError for an option that is no text, number or truth value.
    """
    options: dict[str, str | bool] = {"TYPE": node.kind}
    extra = {}
    for name, value in node.props.items():
        option = _OPTIONS.get(name.lower())
        if option is None:
            if name.lower() not in _OTHERS:
                extra[name] = value
        elif isinstance(value, str | bool | int | float):
            options[option] = value if isinstance(value, bool) else str(value)
        else:
            raise PlanError(f"'{name}': {show(value)}; a text is expected")
    schema, message = prop(node, "schemaName"), prop(node, "schemaMessage")
    if not options.get("SCHEMAID") and isinstance(schema, str) and isinstance(message, str):
        options["SCHEMAID"] = f"{schema}.{message}"
    if extra:
        options["EXTRA"] = msgspec.json.encode(extra, order="sorted").decode()
    return StreamContent(f"{rule}/{node.name}", False, Schema(()), options)


def draw(definition: Definition, env: Environment, options: RuleOptions, provision: Provision) -> Drawn:
    """Check and compile a graph rule; PlanError with the wire text."""
    content, rule = definition.content, definition.ref.name
    if ((content.get("options") or {}).get("experiment") or {}).get("useSliceTuple"):
        raise PlanError("graph mode does not support slice-tuple mode")
    graph = read_graph(content["graph"], rule)
    emitters, feeds, overlay = _emitters(graph, definition, env, provision)
    translation = graphs.translate(graph, emitters, overlay, options)
    plans = _plans(translation, rule, overlay, options)
    compiled = compile_ends(plans, tuple(translation.shared))
    sinks = tuple(graph.of_role(SINK))
    return Drawn(compiled, tuple(feeds[s] for s in compiled.streams), sinks, _drawing(graph, translation, compiled, sinks))


def plan_graph(definition: Definition, env: Environment, options: RuleOptions, provision: Provision) -> Plan:
    """The plan of a graph rule: of several ends as the parts of a union, in the order of their sinks."""
    rule = definition.ref.name
    graph = read_graph(definition.content["graph"], rule)
    emitters, _, overlay = _emitters(graph, definition, env, provision)
    plans = _plans(graphs.translate(graph, emitters, overlay, options), rule, overlay, options)
    if len(plans) == 1:
        return plans[0]
    parts = tuple(part for plan in plans for part in (plan.parts if isinstance(plan, UnionPlan) else (plan,)))
    return UnionPlan(rule, parts, tuple(dict.fromkeys(name for part in parts for name in part.columns)))


def _plans(translation: graphs.Translation, rule: str, env: Environment, options: RuleOptions) -> list[Plan]:
    try:
        return [plan_rule(ending.query, env, options, rule_id=rule) for ending in translation.endings]
    except SqlSyntaxError as error:
        # the place would be one in a text that nobody has written
        raise PlanError(error.message, suggestion=error.suggestion) from error


def _emitters(
    graph: Graph, definition: Definition, env: Environment, provision: Provision
) -> tuple[tuple[graphs.Emitter, ...], dict[str, FeedRequest], Overlay]:
    """The source nodes, and how their streams are read."""
    own: dict[Ref, Definition] = {}
    scripts = {name: UserFunction(spec, definition.ref) for name, spec in graphs.script_functions(graph, definition.ref.name).items()}
    overlay = Overlay(env, own, scripts)
    feeds: dict[str, FeedRequest] = {}
    emitters: list[graphs.Emitter] = []
    temporary = definition.content.get("temp", False)
    for name in graph.sources:
        node = graph.nodes[name]
        try:
            emitter = _emitter(node, definition, env)
            if source_ref(node) is None:
                ref = Ref("stream", emitter.stream)
                own[ref] = Definition(ref, drawing_text({"graph": {"nodes": {name: dict(node.props)}}}), emitter.content)
            if any(other.name == emitter.name and other.stream != emitter.stream for other in emitters):
                raise PlanError(f"another source is called {emitter.name}; give the node another name")
            if not emitter.content.is_lookup:
                request = provision.feed(emitter.stream, temporary, overlay)
                feeds[emitter.stream] = request if source_ref(node) is not None else replace(request, label=name)
        except PlutinoError as error:
            raise PlanError(f"parse source {name} with {show(dict(node.props))} error: {error.message}") from error
        emitters.append(emitter)
    return tuple(emitters), feeds, overlay


def _emitter(node: Node, definition: Definition, env: Environment) -> graphs.Emitter:
    kind = prop(node, "sourceType") or "stream"
    if kind not in ("stream", "table"):
        raise PlanError(f"source type {show(kind)} not supported")
    ref = source_ref(node)
    if ref is None:
        content = inline_stream(node, definition.ref.name)
        return graphs.Emitter(node.name, node.name, content.name, content)
    found = env.get(Ref("stream", ref.name)) or env.get(Ref("table", ref.name))
    if found is None or found.content is None:
        raise PlanError(f"fail to get stream {ref.name}, please check if stream is created")
    content = found.content
    if kind == "table" and not content.is_table:
        raise PlanError(f"stream {ref.name} is not a table")
    if kind == "stream" and content.is_table:
        raise PlanError(f"table {ref.name} is not a stream")
    if node.kind not in (content.option("TYPE") or "mqtt", content.connector):
        raise PlanError(f"source type {node.kind} does not match the stream type {content.option('TYPE') or 'mqtt'}")
    return graphs.Emitter(node.name, ref.name, ref.name, content)


def _drawing(graph: Graph, translation: graphs.Translation, compiled: CompiledRule, sinks: Iterable[Node]) -> Drawing:
    """How the status shows the nodes: a lookup is called like its table, as in the original."""
    places = positions(compiled, translation.roles)
    tables = {e.stream for e in translation.emitters if e.content.is_lookup}
    kinds = {name: role.kind for queries in translation.roles for query in queries for name, role in query.items()}
    operators = []
    for node in graph.of_role(OPERATOR):
        kind = kinds.get(node.name, "")
        operators.append((node.name, kind if kind in tables else node.name, places.get(node.name, Counted(passes=True))))
    edges = {name: tuple(dict.fromkeys(edge.end for edge in graph.out_of(name))) for name in graph.nodes if graph.out_of(name)}
    sources = {e.node: e.stream for e in translation.emitters if not e.content.is_lookup}
    by_sink = {sink: number for number, ending in enumerate(translation.endings) for sink in ending.sinks}
    numbers = tuple(by_sink[sink.name] for sink in sinks) if len(translation.endings) > 1 else ()
    return Drawing(sources, tuple(operators), edges, numbers)
