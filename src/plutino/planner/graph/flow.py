"""What flows between the nodes of a graph: rows or collections, of one emitter or joined, grouped or not (runtime reference §6)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from plutino.errors import PlanError
from plutino.planner.graph.document import JOIN, OPERATOR, SOURCE, Graph, check_inputs, in_order

ROW, COLLECTION = "row", "collection"
SINGLE, MERGED = "single emitter row", "merged row"
UNGROUPED, GROUPED, ANY = "non-grouped collection", "grouped collection", "any"


class Flow(Struct, frozen=True):
    """What leaves a node, in the words of the messages."""

    form: str = ROW
    row: str = SINGLE
    collection: str = ANY


class _Taken(Struct, frozen=True):
    """What a node takes; ``any`` takes everything."""

    form: str = ANY
    row: str = ANY
    collection: str = ANY


_TAKEN: Mapping[str, _Taken] = {
    "aggfunc": _Taken(form=COLLECTION),
    "function": _Taken(collection=UNGROUPED),
    "groupby": _Taken(form=COLLECTION, collection=UNGROUPED),
    "join": _Taken(row=SINGLE, collection=UNGROUPED),
    "orderby": _Taken(form=COLLECTION),
    "watermark": _Taken(form=ROW),
    "window": _Taken(form=ROW),
}


def flows(graph: Graph, lookups: frozenset[str]) -> dict[str, Flow]:
    """What leaves each node; PlanError with the wire text where it is not what the next node takes. ``lookups``: nodes of lookup tables."""
    found: dict[str, Flow] = {}
    for name in in_order(graph):
        node = graph.nodes[name]
        if node.role == SOURCE:
            found[name] = Flow()
        elif node.role == OPERATOR:
            check_inputs(graph, name)
            edges = graph.into(name)
            if node.operation == JOIN and sum(edge.start not in lookups for edge in edges) > 1:
                raise PlanError(f"join node {name} does not allow multiple stream inputs")
            taken = _TAKEN.get(node.operation, _Taken())
            for edge in edges:
                fault = _misfit(found[edge.start], taken)
                if fault:
                    raise PlanError(f"node {edge.start} output does not match node {name} input: {fault}")
            first = next((edge.start for edge in edges if edge.start not in lookups), edges[0].start)
            found[name] = _left(node.operation, found[first])
    return found


def _misfit(flow: Flow, taken: _Taken) -> str:
    pairs = (
        ("input type", taken.form, flow.form),
        ("row type", taken.row, flow.row),
        ("collection type", taken.collection, flow.collection),
    )
    for what, wanted, given in pairs:
        if ANY not in (wanted, given) and wanted != given:
            return f"{what} mismatch, expect {wanted}, got {given}"
    return ""


def _left(operation: str, flow: Flow) -> Flow:
    match operation:
        case "window":
            return Flow(COLLECTION, SINGLE, UNGROUPED)
        case "join":
            return Flow(COLLECTION, MERGED, UNGROUPED)
        case "groupby" | "aggfunc":
            return Flow(COLLECTION, flow.row, GROUPED)
        case _:
            return flow
