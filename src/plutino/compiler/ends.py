"""Rules with several ends: the programs of all, over the same streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from plutino.compiler.rule import CompiledRule, merged_tables, part_of
from plutino.execution.composite import merged_needs
from plutino.execution.ends import EndsProgram, kind_of
from plutino.planner.graph import Roles
from plutino.spi import Counted


def compile_ends(ends: Sequence[CompiledRule]) -> CompiledRule:
    """One rule whose outputs stay apart; a single end needs nothing around it."""
    if len(ends) == 1:
        return ends[0]
    needs = merged_needs([end.needs for end in ends])
    parts = [part_of(end, needs) for end in ends]
    streams = tuple(dict.fromkeys(stream for end in ends for stream in end.streams))
    columns = tuple(dict.fromkeys(name for end in ends for name in end.columns))
    return CompiledRule(partial(EndsProgram, parts, needs), streams, columns, repr([end.shape for end in ends]), needs, merged_tables(ends))


def positions(ends: Sequence[CompiledRule], roles: Sequence[Sequence[Roles]]) -> dict[str, Counted]:
    """By node of a graph the operators that count its rows, among those of ``compile_ends``.

    ``roles``: for each end and each of its queries. What several ends have in common is counted at the first of them, a switch at all.
    """
    found: dict[str, Counted] = {}
    cases: set[tuple[str, int]] = set()
    before = 0
    for end, queries in zip(ends, roles, strict=True):
        kinds = [kind_of(name) for name in end.factory().operators]
        own = _positions(kinds, before, queries)
        for query in queries:
            for node, role in query.items():
                if node not in found:
                    found[node] = own[node]
                elif role.case is not None and (node, role.case) not in cases:
                    found[node] = Counted((*found[node].operators, *own[node].operators))
                if role.case is not None:
                    cases.add((node, role.case))
        before += len(kinds)
    return found


def _positions(kinds: Sequence[str], before: int, queries: Sequence[Roles]) -> dict[str, Counted]:
    """The operators of one end, of which ``before`` stand in front."""
    found: dict[str, Counted] = {}
    start = 0
    for query in queries:
        stop = _query_end(kinds, start)
        for node, role in query.items():
            at = _find(kinds[start:stop], (role.kind, *_INSTEAD.get(role.kind, ())))
            if at is not None:
                found[node] = Counted((before + start + at,))
            else:
                passed = (found[other].operators for other in role.after if other in found)
                fails = _find(kinds[start:stop], (role.faults,))
                faults = None if fails is None else before + start + fails
                found[node] = Counted(tuple(at for operators in passed for at in operators), passes=True, faults=faults)
        start = stop
    return found


_INSTEAD: Mapping[str, Sequence[str]] = {"filter": ("windowFilter",), "aggregate": ("project",)}
"""Where a role is taken over by another operator."""


def _query_end(kinds: Sequence[str], start: int) -> int:
    """Where the operators of one query end: behind its projection."""
    stop = kinds.index("project", start) + 1
    return stop + 1 if kinds[stop : stop + 1] == ["projectset"] else stop


def _find(kinds: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((kinds.index(kind) for kind in wanted if kind in kinds), None)
