"""A compiled rule, and how a plan becomes one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from plutino.compiler.accumulating import accumulates, compile_accumulating
from plutino.compiler.buffered import compile_buffered, needs_buffer
from plutino.compiler.rows import compile_rows
from plutino.compiler.shapes import state_shape, together, with_part
from plutino.compiler.slicing import compile_slicing, slices
from plutino.execution.accumulating import AccumulatingCode, AccumulatingProgram
from plutino.execution.buffered import BufferedCode, BufferedProgram
from plutino.execution.composite import CompositeProgram, Part
from plutino.execution.deduplicating import DedupCode, DedupProgram
from plutino.execution.portions import keeps_promise, merged_needs
from plutino.execution.queries import Chain, Union
from plutino.execution.rows import RowCode, RowProgram
from plutino.execution.slicing import SlicingCode, SlicingProgram
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
from plutino.spi import InputNeed, Program

FIRST_OPERATOR = 3
"""Operators are numbered in flow order: 1 is the source, 2 the decoder."""


LOOKUP = "lookup"
WINDOW_FILTER = "windowFilter"


class CompiledRule(Struct, frozen=True):
    """What is kept of a rule after compiling: bound code, no syntax and no plan.

    - ``factory``: makes a fresh program
    - ``streams``: the streams and scan tables it reads, in order of the statement; ``tables``: the lookup tables it asks
    - ``columns``: output names as ``/rules/{id}/schema`` lists them
    - ``shape``: equal for two versions of a rule whose state one can hand to the other
    """

    factory: Callable[[], Program]
    streams: tuple[str, ...]
    columns: tuple[str, ...]
    shape: str
    needs: Mapping[str, InputNeed]
    tables: tuple[str, ...] = ()


Code: TypeAlias = AccumulatingCode | SlicingCode | BufferedCode | RowCode


def compile_plan(plan: Plan, given: Collection[str] = ()) -> CompiledRule:
    """Generate and bind the code of a plan. The rows of the queries ``given`` come from elsewhere, like those of streams."""
    if isinstance(plan, UnionPlan):
        return _compile_union(plan, given)
    return _compile_chain(plan, given) if any(name not in given for name in plan.derived) else _compile_select(plan)


def _compile_select(plan: RulePlan) -> CompiledRule:
    compiled = _compile_root(plan)
    dedup = plan.root.dedup
    if dedup is None:
        return compiled
    ((stream, need),) = compiled.needs.items()
    need = replace(need, twin=None)  # rows of a twin would pass the operator by
    names = operator_names(plan)
    names = (*names[:-1], f"{FIRST_OPERATOR + len(names) - 1}_dedup_trigger", f"{FIRST_OPERATOR + len(names)}_project")
    code = DedupCode(compiled.factory, dedup.name, dedup.COLUMNS, dedup.shown, dedup.expire, names, need)
    shape = with_part(compiled.shape, "dedup", dedup.expire)
    return CompiledRule(partial(DedupProgram, code), compiled.streams, compiled.columns, shape, {stream: need})


def _compile_root(plan: RulePlan) -> CompiledRule:
    streams = tuple(dict.fromkeys(s.stream for s in plan.sources if not s.content.is_lookup))
    code, _ = generate(plan, operator_names(plan))
    match code:
        case AccumulatingCode():
            return CompiledRule(partial(AccumulatingProgram, code), streams, plan.columns, code.shape, {code.stream: code.need})
        case SlicingCode():
            return CompiledRule(partial(SlicingProgram, code), streams, plan.columns, code.shape, {code.stream: code.need})
        case BufferedCode():
            needs = {source.stream: source.need for source in code.sources if not source.lookup}
            tables = tuple(dict.fromkeys(lookup.table for lookup in code.lookups))
            return CompiledRule(partial(BufferedProgram, code), streams, plan.columns, code.shape, needs, tables)
        case RowCode():
            shape = "" if len(code.memories) == 1 else state_shape(plan)
            return CompiledRule(partial(RowProgram, code), streams, plan.columns, shape, {code.stream: code.need})
        case _:
            assert_never(code)


def _compile_union(plan: UnionPlan, given: Collection[str]) -> CompiledRule:
    compiled = [compile_plan(part, given) for part in plan.parts]
    needs = merged_needs([c.needs for c in compiled])
    parts = [part_of(c, needs) for c in compiled]
    streams = tuple(dict.fromkeys(stream for c in compiled for stream in c.streams))
    shape = together([c.shape for c in compiled])
    return CompiledRule(partial(CompositeProgram, parts, needs, Union), streams, plan.columns, shape, needs, merged_tables(compiled))


def _compile_chain(plan: RulePlan, given: Collection[str]) -> CompiledRule:
    inner = {name: compile_plan(part, given) for name, part in plan.derived.items() if name not in given}
    return chained(inner, _compile_select(plan))


def chained(inner: Mapping[str, CompiledRule], outer: CompiledRule) -> CompiledRule:
    """A rule that reads the rows of others, by the names of streams."""
    own = {stream: need for stream, need in outer.needs.items() if stream not in inner}
    needs = merged_needs([*(c.needs for c in inner.values()), own])
    parts = [part_of(c, needs) for c in (*inner.values(), outer)]
    streams = tuple(dict.fromkeys([*(s for c in inner.values() for s in c.streams), *(s for s in outer.streams if s not in inner)]))
    shape = together([*(c.shape for c in inner.values()), outer.shape])
    tables = merged_tables([*inner.values(), outer])
    factory = partial(CompositeProgram, parts, needs, partial(Chain, tuple(inner)))
    return CompiledRule(factory, streams, outer.columns, shape, needs, tables)


def merged_tables(parts: Iterable[CompiledRule]) -> tuple[str, ...]:
    """The lookup tables of several rules, each once."""
    return tuple(dict.fromkeys(table for part in parts for table in part.tables))


def part_of(compiled: CompiledRule, merged: Mapping[str, InputNeed]) -> Part:
    """A compiled query as a part of a rule that needs ``merged`` of its streams."""
    kept = frozenset(s for s, need in compiled.needs.items() if s in merged and keeps_promise(need, merged[s]))
    return Part(compiled.factory, kept)


def generate(plan: RulePlan, operators: tuple[str, ...]) -> tuple[Code, Mapping[str, str]]:
    """The code of a plan in the cheapest form that can compute it, and its source by function name."""
    if accumulates(plan):
        return compile_accumulating(plan, operators)
    if slices(plan):
        return compile_slicing(plan, operators)
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
    # a lookup is called like its table, as in the original
    tables = [""] * len(kinds)
    lookups = [plan.scans[node.right].source.stream for node in plan.find_all(LookupJoin)]
    for i, kind in enumerate(kinds):
        if kind == LOOKUP:
            tables[i] = lookups.pop(0)
    # a window and its filter have one number
    return tuple(tables[i] or f"{FIRST_OPERATOR + i - kinds[:i].count(WINDOW_FILTER)}_{kind}" for i, kind in enumerate(kinds))


def _kinds(node: Node) -> list[str]:
    match node:
        case Scan():
            return []
        case Gather(inputs=inputs):
            return ["join_aligner"] if any(s.source.content.is_table and not s.source.content.is_lookup for s in inputs) else []
        case Analytic():
            return ["analytic"]
        case Filter():
            return ["filter"]
        case Window(condition=None):
            return ["window"]
        case Window():
            return [WINDOW_FILTER, "window"]
        case Join(input=Join()):
            return []  # all joins with streams are one operator
        case Join():
            return ["join"]
        case LookupJoin():
            return [LOOKUP]
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
