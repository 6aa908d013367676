"""A compiled rule, and how a plan becomes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from msgspec import Struct

from plutino.compiler.rows import compile_rows
from plutino.compiler.windows import compile_window
from plutino.execution.rows import RowProgram
from plutino.execution.tumbling import WindowProgram
from plutino.planner.plan import Aggregate, Filter, Node, Project, RulePlan, Scan, Window
from plutino.spi import InputNeed, Program

FIRST_OPERATOR = 3
"""Operators are numbered in flow order: 1 is the source, 2 the decoder."""


class CompiledRule(Struct, frozen=True):
    """What is kept of a rule after compiling: bound code, no syntax and no plan.

    - ``factory``: makes a fresh program
    - ``streams``: the streams it reads, in order of the statement
    - ``columns``: output names as ``/rules/{id}/schema`` lists them
    - ``shape``: equal for two versions of a rule whose state one can hand to the other
    """

    factory: Callable[[], Program]
    streams: tuple[str, ...]
    columns: tuple[str, ...]
    shape: str
    needs: Mapping[str, InputNeed]


def compile_plan(plan: RulePlan) -> CompiledRule:
    """Generate and bind the code of a plan."""
    operators = operator_names(plan)
    streams = tuple(s.stream for s in plan.sources)
    if any(isinstance(node, Window) for node in plan.chain()):
        window, _ = compile_window(plan, operators)
        return CompiledRule(partial(WindowProgram, window), streams, plan.columns, window.shape, {streams[0]: window.need})
    code, _ = compile_rows(plan, operators)
    shape = "rows" if not code.event_time else f"ordered {sorted(code.need.columns)}"
    return CompiledRule(partial(RowProgram, code), streams, plan.columns, shape, {streams[0]: code.need})


def operator_names(plan: RulePlan) -> tuple[str, ...]:
    """Wire names of the operators after the decoder."""
    kinds: list[str] = ["watermark"] if plan.options.is_event_time else []
    for node in plan.chain():
        kinds += _kinds(node)
    return tuple(f"{FIRST_OPERATOR + i}_{kind}" for i, kind in enumerate(kinds))


def _kinds(node: Node) -> list[str]:
    match node:
        case Scan():
            return []
        case Filter():
            return ["filter"]
        case Window(condition=None):
            return ["window"]
        case Window():
            return ["windowFilter", "window"]
        case Aggregate(keys=keys):
            return ["aggregate"] if keys else []
        case Project():
            return ["project"]
