"""Script nodes: JavaScript that makes rows of a row, or of all rows of a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plutino.errors import EvaluationError, PlanError
from plutino.planner.graph.document import OPERATOR, SCRIPT, Graph, Node, prop
from plutino.spi import Arg, FunctionKind, FunctionSpec
from plutino.spi.javascript import JavaScript, Machine

ENTRY = "exec"
"""The function that a script must define: ``exec(msg, meta)``."""


@dataclass(frozen=True, slots=True)
class Rewriting:
    """The function of a script node: it gives rows, of which there may be none.

    What a script keeps in global variables is kept for the rule that owns it.
    """

    function: JavaScript
    owner: str

    def __call__(self, row: Any, meta: Any = None) -> list[dict[str, Any]]:
        """EvaluationError when the script fails, or gives what is no row."""
        found = self.function(row, meta)
        rows = found if isinstance(found, list) else [] if found is None else [found]
        for made in rows:
            if not isinstance(made, dict):
                raise EvaluationError(f"{ENTRY} of the script gives {made}; an object, or an array of objects, is expected")
        return rows


def function_name(node: str) -> str:
    """How statements call the function of a script node; no other function can have this name."""
    return f"script of {node}"


def script_of(node: Node) -> str:
    """The text of a script, which runs; PlanError and DefinitionError with the wire text."""
    text = prop(node, "script")
    if not isinstance(text, str) or not text:
        raise PlanError("script node must have script")
    Machine(ENTRY, text)
    return text


def script_functions(graph: Graph, rule: str) -> Mapping[str, FunctionSpec]:
    """The functions of all script nodes with a text, by name."""
    found = {}
    for node in graph.of_role(OPERATOR):
        text = prop(node, "script")
        if node.operation == SCRIPT and isinstance(text, str):
            name = function_name(node.name)
            call = Rewriting(JavaScript(ENTRY, text, False), rule)
            args = (Arg("row"), Arg("meta"))
            found[name] = FunctionSpec(name, call, "A script node", args, optional=1, kind=FunctionKind.MULTI_ROW, pure=False)
    return found
