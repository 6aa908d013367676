"""Graph rules: nodes and edges read, checked, and translated into statements that plan like those of SQL rules."""

from plutino.planner.graph.document import Graph, Node, nodes_of, prop, read_graph, source_ref
from plutino.planner.graph.level import Role, Roles
from plutino.planner.graph.operations import expression_texts
from plutino.planner.graph.scripting import script_functions
from plutino.planner.graph.translating import Emitter, Ending, Translation, emitter_name, translate

__all__ = [
    "Emitter",
    "Ending",
    "Graph",
    "Node",
    "Role",
    "Roles",
    "Translation",
    "emitter_name",
    "expression_texts",
    "nodes_of",
    "prop",
    "read_graph",
    "script_functions",
    "source_ref",
    "translate",
]
