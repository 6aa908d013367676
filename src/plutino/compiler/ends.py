"""Rules with several ends: the programs of all, over the same streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from plutino.compiler.rule import CompiledRule, chained, compile_plan, merged_tables, part_of
from plutino.compiler.shapes import together
from plutino.execution.composite import CompositeProgram
from plutino.execution.ends import Ends, kind_of
from plutino.execution.portions import merged_needs
from plutino.planner.plan import Plan, RulePlan, UnionPlan
from plutino.spi import Counted

if TYPE_CHECKING:
    from plutino.planner.graph import Roles


def compile_ends(ends: Sequence[Plan], shared: Sequence[str] = ()) -> CompiledRule:
    """One rule whose outputs stay apart; a single end needs nothing around it.

    ``shared``: queries in FROM whose rows are made once for all that read them, each behind those that it reads itself.
    """
    rule = _apart([compile_plan(end, shared) for end in ends])
    for name in reversed(shared):
        plan = next(found for end in ends if (found := _query(end, name)) is not None)
        rule = chained({name: compile_plan(plan, shared)}, rule)
    return rule


def _apart(ends: Sequence[CompiledRule]) -> CompiledRule:
    if len(ends) == 1:
        return ends[0]
    needs = merged_needs([end.needs for end in ends])
    parts = [part_of(end, needs) for end in ends]
    streams = tuple(dict.fromkeys(stream for end in ends for stream in end.streams))
    columns = tuple(dict.fromkeys(name for end in ends for name in end.columns))
    shape = together([end.shape for end in ends])
    return CompiledRule(partial(CompositeProgram, parts, needs, Ends), streams, columns, shape, needs, merged_tables(ends))


def _query(plan: Plan, name: str) -> Plan | None:
    """The plan of a query in FROM, wherever it stands."""
    parts = plan.parts if isinstance(plan, UnionPlan) else plan.derived.values()
    if isinstance(plan, RulePlan) and name in plan.derived:
        return plan.derived[name]
    return next((found for part in parts if (found := _query(part, name)) is not None), None)


def positions(rule: CompiledRule, roles: Sequence[Sequence[Roles]]) -> dict[str, Counted]:
    """By node of a graph the operators that count its rows.

    ``roles``: for each shared query, then for each end, those of its queries. What several ends have in common is counted at the first of
    them, a switch at all.
    """
    found: dict[str, Counted] = {}
    cases: set[tuple[str, int]] = set()
    kinds = [kind_of(name.rpartition("/")[2]) for name in rule.factory().operators]
    start = 0
    for queries in roles:
        own, start = _positions(kinds, start, queries, found)
        for query in queries:
            for node, role in query.items():
                if node not in found:
                    found[node] = own[node]
                elif role.case is not None and (node, role.case) not in cases:
                    found[node] = Counted((*found[node].operators, *own[node].operators))
                if role.case is not None:
                    cases.add((node, role.case))
    return found


def _positions(kinds: Sequence[str], start: int, queries: Sequence[Roles], before: Mapping[str, Counted]) -> tuple[dict[str, Counted], int]:
    """The operators of one end, from ``start`` on, and where the next begins. ``before``: nodes whose place is known."""
    found: dict[str, Counted] = {}
    for query in queries:
        stop = _query_end(kinds, start)
        for node, role in query.items():
            at = _find(kinds[start:stop], (role.kind, *_INSTEAD.get(role.kind, ())))
            if at is not None:
                found[node] = Counted((start + at,))
            else:
                passed = [known.operators for other in role.after if (known := found.get(other) or before.get(other)) is not None]
                fails = _find(kinds[start:stop], (role.faults,))
                faults = None if fails is None else start + fails
                found[node] = Counted(tuple(at for operators in passed for at in operators), passes=True, faults=faults)
        start = stop
    return found, start


_INSTEAD: Mapping[str, Sequence[str]] = {"filter": ("windowFilter",), "aggregate": ("project",)}
"""Where a role is taken over by another operator."""


def _query_end(kinds: Sequence[str], start: int) -> int:
    """Where the operators of one query end: behind its projection."""
    stop = kinds.index("project", start) + 1
    return stop + 1 if kinds[stop : stop + 1] == ["projectset"] else stop


def _find(kinds: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((kinds.index(kind) for kind in wanted if kind in kinds), None)
