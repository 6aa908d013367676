"""Graph rules: nodes and edges read, checked, and translated into statements that plan like those of SQL rules.

What translates is loaded with the first graph: most servers have none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from plutino.planner.graph.document import Graph, Node, nodes_of, prop, read_graph, source_ref

if TYPE_CHECKING:
    from plutino.planner.graph.level import Role, Roles
    from plutino.planner.graph.operations import expression_texts
    from plutino.planner.graph.scripting import script_functions
    from plutino.planner.graph.translating import Emitter, Ending, Translation, emitter_name, translate

_LATER = {
    **dict.fromkeys(("Role", "Roles"), "level"),
    "expression_texts": "operations",
    "script_functions": "scripting",
    **dict.fromkeys(("Emitter", "Ending", "Translation", "emitter_name", "translate"), "translating"),
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


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
