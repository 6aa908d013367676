"""A compiled rule, and how a plan becomes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import assert_never

from msgspec import Struct

from plutino.compiler.accumulating import accumulates, compile_accumulating
from plutino.compiler.buffered import compile_buffered, needs_buffer
from plutino.compiler.finishing import state_shape
from plutino.compiler.rows import compile_rows
from plutino.execution.accumulating import AccumulatingCode, AccumulatingProgram
from plutino.execution.buffered import BufferedCode, BufferedProgram
from plutino.execution.rows import RowCode, RowProgram
from plutino.planner.plan import Aggregate, Analytic, Filter, Gather, Having, Join, Node, Order, Project, RulePlan, Scan, Window
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
    streams = tuple(s.stream for s in plan.sources)
    code, _ = generate(plan, operator_names(plan))
    match code:
        case AccumulatingCode():
            return CompiledRule(partial(AccumulatingProgram, code), streams, plan.columns, code.shape, {code.stream: code.need})
        case BufferedCode():
            needs = {source.stream: source.need for source in code.sources}
            return CompiledRule(partial(BufferedProgram, code), streams, plan.columns, code.shape, needs)
        case RowCode():
            shape = "rows" if len(code.memories) == 1 else state_shape(plan)
            return CompiledRule(partial(RowProgram, code), streams, plan.columns, shape, {code.stream: code.need})
        case _:
            assert_never(code)


def generate(plan: RulePlan, operators: tuple[str, ...]) -> tuple[AccumulatingCode | BufferedCode | RowCode, Mapping[str, str]]:
    """The code of a plan in the cheapest form that can compute it, and its source by function name."""
    if accumulates(plan):
        return compile_accumulating(plan, operators)
    if needs_buffer(plan):
        return compile_buffered(plan, operators)
    return compile_rows(plan, operators)


def operator_names(plan: RulePlan) -> tuple[str, ...]:
    """Wire names of the operators after the decoder."""
    kinds: list[str] = ["watermark"] if plan.options.is_event_time else []
    for node in plan.chain():
        kinds += _kinds(node)
    if any(item.spread for item in plan.root.items):
        kinds.append("projectset")
    return tuple(f"{FIRST_OPERATOR + i}_{kind}" for i, kind in enumerate(kinds))


def _kinds(node: Node) -> list[str]:
    match node:
        case Scan():
            return []
        case Gather(inputs=inputs):
            return ["join_aligner"] if any(s.source.content.is_table for s in inputs) else []
        case Analytic():
            return ["analytic"]
        case Filter():
            return ["filter"]
        case Window(condition=None):
            return ["window"]
        case Window():
            return ["windowFilter", "window"]
        case Join():
            return ["join"]
        case Aggregate(keys=keys):
            return ["aggregate"] if keys else []
        case Having():
            return ["having"]
        case Order():
            return ["order"]
        case Project(numberings=numberings):
            return ["windowFunc", "project"] if numberings else ["project"]
        case _:
            assert_never(node)
