"""Rules with several ends: the programs of all, over the same streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from plutino.compiler.rule import CompiledRule, merged_tables, part_of
from plutino.execution.composite import merged_needs
from plutino.execution.ends import EndsProgram, kind_of


def compile_ends(ends: Sequence[CompiledRule]) -> CompiledRule:
    """One rule whose outputs stay apart; a single end needs nothing around it."""
    if len(ends) == 1:
        return ends[0]
    needs = merged_needs([end.needs for end in ends])
    parts = [part_of(end, needs) for end in ends]
    streams = tuple(dict.fromkeys(stream for end in ends for stream in end.streams))
    columns = tuple(dict.fromkeys(name for end in ends for name in end.columns))
    return CompiledRule(partial(EndsProgram, parts, needs), streams, columns, repr([end.shape for end in ends]), needs, merged_tables(ends))


def positions(ends: Sequence[CompiledRule], roles: Sequence[Sequence[Mapping[str, str]]]) -> dict[str, int | None]:
    """By name the position of the operator that does its work, among those of ``compile_ends``; None where no operator has that role.

    ``roles``: for each end and each of its queries the kind of operator by name. What several ends have in common is counted at the first.
    """
    found: dict[str, int | None] = {}
    before = 0
    for end, queries in zip(ends, roles, strict=True):
        kinds = [kind_of(name) for name in end.factory().operators]
        start = 0
        for query in queries:
            stop = _query_end(kinds, start)
            for name, role in query.items():
                if found.get(name) is None:
                    at = _find(kinds[start:stop], (role, *_INSTEAD.get(role, ())))
                    found[name] = None if at is None else before + start + at
            start = stop
        before += len(kinds)
    return found


_INSTEAD: Mapping[str, Sequence[str]] = {"filter": ("windowFilter",), "aggregate": ("project",)}
"""Where a role is taken over by another operator."""


def _query_end(kinds: Sequence[str], start: int) -> int:
    """Where the operators of one query end: behind its projection."""
    stop = kinds.index("project", start) + 1
    return stop + 1 if kinds[stop : stop + 1] == ["projectset"] else stop


def _find(kinds: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((kinds.index(kind) for kind in wanted if kind in kinds), None)
