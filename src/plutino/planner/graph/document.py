"""The document of a graph rule: nodes, and which leads to which (runtime reference §6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from plutino.errors import PlanError
from plutino.model import Ref

SOURCE, OPERATOR, SINK = "source", "operator", "sink"
JOIN, SCRIPT, SWITCH = "join", "script", "switch"
OPERATORS = frozenset(
    ("aggfunc", "filter", "function", "groupby", JOIN, "orderby", "pick", SCRIPT, SWITCH, "watermark", "window"),
)
_SEVERAL = frozenset(("watermark", "window", JOIN))
"""Operators that take rows of several nodes."""


class Node(Struct, frozen=True):
    """One node: ``role`` is source, operator or sink; ``kind`` a connector for sources and sinks, else what the operator does."""

    name: str
    role: str
    kind: str
    props: Mapping[str, Any]

    @property
    def operation(self) -> str:
        """What an operator does, in lower case."""
        return self.kind.lower()


class Edge(Struct, frozen=True):
    """A way from a node to a target; ``case`` counts the cases of a switch, None where there are none."""

    start: str
    end: str
    case: int | None = None


class Graph(Struct, frozen=True):
    """A graph: ``nodes`` in the order of the document, ``sources`` as ``topo`` lists them, and the ``edges`` between nodes.

    ``written``: the edges of the document. Its faults are told in the order of the original, so that they are looked for on the way.
    """

    nodes: Mapping[str, Node]
    sources: tuple[str, ...]
    edges: tuple[Edge, ...]
    written: Mapping[str, Any] = {}

    def into(self, name: str) -> tuple[Edge, ...]:
        """The edges that end at a node, in the order of the document."""
        return tuple(edge for edge in self.edges if edge.end == name)

    def out_of(self, name: str) -> tuple[Edge, ...]:
        """The edges that start at a node."""
        return tuple(edge for edge in self.edges if edge.start == name)

    def of_role(self, role: str) -> Iterator[Node]:
        """Nodes of one role, in the order of the document."""
        return (node for node in self.nodes.values() if node.role == role)


def nodes_of(document: object) -> tuple[Node, ...]:
    """Every node that can be read, whatever else is wrong with the document."""
    nodes = document.get("nodes") if isinstance(document, dict) else None
    if not isinstance(nodes, dict):
        return ()
    return tuple(_node(name, node) for name, node in nodes.items() if isinstance(node, dict))


def source_ref(node: Node) -> Ref | None:
    """The stream or table that a source node names; None for one that is connected by its own properties."""
    name, kind = prop(node, "sourceName"), prop(node, "sourceType")
    if node.role != SOURCE or not isinstance(name, str) or not name:
        return None
    return Ref("table" if kind == "table" else "stream", name)


def prop(node: Node, name: str) -> Any:
    """A property, whatever the case of its name; None when it is not there."""
    found = node.props.get(name)
    if found is not None:
        return found
    return next((value for key, value in node.props.items() if key.lower() == name.lower()), None)


def read_graph(document: Mapping[str, Any], rule: str) -> Graph:
    """The graph of a rule; PlanError with the wire text when there is none, or its sources are not there."""
    topo = document.get("topo")
    nodes = {node.name: node for node in nodes_of(document)}
    if not nodes or not isinstance(topo, dict):
        there = ", ".join(sorted(document)) or "nothing"
        raise PlanError(f"Rule {rule} has a graph with {there}; nodes and topo are expected")
    written = topo.get("edges") or {}
    sources = tuple(topo.get("sources") or ())
    _check_sources(sources, nodes, written)
    edges = (edge for edge in _edges(written) if isinstance(edge, Edge) and edge.start in nodes and edge.end in nodes)
    return Graph(nodes, sources, tuple(edges), written)


def check_edges(graph: Graph) -> None:
    """PlanError with the wire text unless edges lead from nodes to nodes, and every node lies on a way from a source."""
    for edge in _edges(graph.written):
        if not isinstance(edge, Edge):
            raise PlanError(f"invalid edge toNode {edge}; the name of a node is expected")
        for name in (edge.start, edge.end):
            if name not in graph.nodes:
                raise PlanError(f"node {name} is not defined")
    for start in graph.written:
        if start not in graph.nodes:
            raise PlanError(f"node {start} is not defined")
    for edge in graph.edges:
        if edge.case and graph.nodes[edge.start].operation != SWITCH:
            raise PlanError(f"node {edge.start} is not a switch node but have multiple output")
    _check_reached(graph)


def check_inputs(graph: Graph, name: str) -> None:
    """PlanError unless an operator has as many inputs as it takes."""
    node, edges = graph.nodes[name], graph.into(name)
    if len(edges) > 1 and node.operation not in _SEVERAL:
        raise PlanError(f"operator {name} of type {node.kind} does not allow multiple inputs")
    if not edges:
        raise PlanError(f"operator {name} of type {node.kind} has no input")


def in_order(graph: Graph) -> list[str]:
    """Nodes so that each stands behind what leads to it; PlanError for a circle."""
    done: dict[str, None] = {}
    waiting = dict.fromkeys(graph.nodes)
    while waiting:
        ready = [name for name in waiting if all(edge.start in done for edge in graph.into(name))]
        if not ready:
            raise PlanError(f"graph: nodes {', '.join(waiting)} lead back to themselves; a way from sources to sinks is expected")
        for name in ready:
            done[name] = None
            del waiting[name]
    return list(done)


def _node(name: str, written: Mapping[str, Any]) -> Node:
    props = written.get("props")
    return Node(name, _text(written.get("type")), _text(written.get("nodeType")), props if isinstance(props, dict) else {})


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _check_sources(sources: Sequence[str], nodes: Mapping[str, Node], edges: Mapping[str, Any]) -> None:
    for name in sources:
        if name not in nodes:
            raise PlanError(f"source node {name} not defined")
        if name not in edges:
            raise PlanError(f"no edge defined for source node {name}")


def check_role(node: Node, graph: Graph) -> None:
    """PlanError with the wire text for a node of an unknown kind, or without the edges that its kind has."""
    match node.role:
        case "source":
            pass
        case "sink":
            if node.name in graph.written:
                raise PlanError(f"sink {node.name} has edge")
        case "operator":
            if node.name not in graph.written:
                raise PlanError(f"no edge defined for operator node {node.name}")
            if node.operation not in OPERATORS:
                raise PlanError(f"unknown operator type {node.kind}")
        case _:
            raise PlanError(f"unknown node type {node.role}")


def _edges(written: Mapping[str, Any]) -> Iterator[Edge | object]:
    """The edges of a document; what is no name as it stands."""
    for start, targets in written.items():
        for case, target in enumerate(targets or ()):
            for end in target if isinstance(target, list) else (target,):
                yield Edge(start, end, case if isinstance(target, list) else None) if isinstance(end, str) else end


def _check_reached(graph: Graph) -> None:
    """Every node lies on a way from one of the sources."""
    reached = dict.fromkeys(graph.sources)
    todo = list(reached)
    while todo:
        for edge in graph.out_of(todo.pop()):
            if edge.end not in reached:
                reached[edge.end] = None
                todo.append(edge.end)
    for name, node in graph.nodes.items():
        if name not in reached:
            if node.role == OPERATOR:
                raise PlanError(f"operator {name} of type {node.kind} has no input")
            where = "it is missing in topo.sources" if node.role == SOURCE else "no edge leads to it"
            raise PlanError(f"can't find node {name}: {where}")
    if not any(True for _ in graph.of_role(SINK)):
        raise PlanError("graph has no sink; a node of type sink is expected")
