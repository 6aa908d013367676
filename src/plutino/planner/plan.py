"""Logical plans: what a rule computes, as relational nodes over bound expressions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TypeAlias, TypeVar

from msgspec import Struct

from plutino.planner.bound import AggregateCall, AnalyticCall, Bound, ChangedColumns, Dedup, Item, Numbering, SortKey, Star
from plutino.planner.scope import SourceScope
from plutino.spi import RuleOptions

N = TypeVar("N")


class Scan(Struct, frozen=True):
    """The rows of one source: ``columns`` are read, ``whole`` rows too when the plan shows or passes them whole.

    ``named``: the columns that explanations name, where ``count(*)`` stands for all of them.
    """

    source: SourceScope
    columns: tuple[str, ...]
    whole: bool = False
    meta: bool = False
    named: tuple[str, ...] = ()


class Gather(Struct, frozen=True):
    """The rows of several sources, in order of the statement; they share one window. Lookup tables have their place, but are not read."""

    inputs: tuple[Scan, ...]


class Analytic(Struct, frozen=True):
    """Analytic calls, computed once per row as it arrives, inner calls before outer ones."""

    input: Node
    calls: tuple[AnalyticCall, ...]


class Filter(Struct, frozen=True):
    """Rows for which ``condition`` is true. ``aggregates`` are those of the condition, over the whole window."""

    input: Node
    condition: Bound
    aggregates: tuple[AggregateCall, ...] = ()


class WindowSpec(Struct, frozen=True):
    """A window constructor with lengths in milliseconds (rows for a count window); ``size`` is the length as written.

    ``unit`` and ``step`` decide how the first boundary is aligned (sql reference §5.2). ``hop``: distance of hopping windows, time-out of
    sessions, distance of count windows. ``begin``/``emit``: conditions of a state window (one alone serves as both). The kind ``interval``
    stands for WITHIN of a join, ``asof`` for an as-of join: ``outer`` is the source whose rows are kept without a partner too.
    """

    kind: str
    unit: str
    step: int
    length: int
    hop: int = 0
    delay: int = 0
    when: Bound | None = None
    begin: Bound | None = None
    emit: Bound | None = None
    partition: tuple[Bound, ...] = ()
    version: str = ""
    size: int = 0
    outer: int | None = None


class Window(Struct, frozen=True):
    """Rows gathered into windows; ``condition`` is the window's own FILTER."""

    input: Node
    window: WindowSpec
    condition: Bound | None = None


class Join(Struct, frozen=True):
    """The rows of a window (or, with tables alone on the other side, of a stream) joined with source number ``right``."""

    input: Node
    kind: str
    right: int
    on: Bound | None


class LookupJoin(Struct, frozen=True):
    """Each row joined with what lookup table number ``right`` gives for ``keys`` = ``values``, where ``rest`` holds.

    ``left``: rows without partner stay. ``on`` is the condition as it was written.
    """

    input: Node
    right: int
    left: bool
    keys: tuple[str, ...]
    values: tuple[Bound, ...]
    rest: Bound | None
    kind: str
    on: Bound | None


class Aggregate(Struct, frozen=True):
    """One row per group of a window (or per row, without a window): group keys and aggregate results.

    ``grouped`` False: the aggregates are over the whole window, but its rows stay (aggregates in HAVING or ORDER BY alone).
    """

    input: Node
    keys: tuple[Bound, ...]
    calls: tuple[AggregateCall, ...]
    grouped: bool = True


class Having(Struct, frozen=True):
    """Groups for which ``condition`` is true."""

    input: Node
    condition: Bound


class Order(Struct, frozen=True):
    """Rows of a window's output, sorted."""

    input: Node
    keys: tuple[SortKey, ...]


class Project(Struct, frozen=True):
    """The output: ``star`` rows first, then ``items``; ``order`` is the order in which items are computed.

    ``qualify``: what holds of the rows that are given out, asked when their items are known. ``place``: the items before the wildcard.
    """

    input: Node
    items: tuple[Item, ...]
    star: Star | None
    order: tuple[int, ...]
    changed: tuple[ChangedColumns, ...] = ()
    numberings: tuple[Numbering, ...] = ()
    limit: int | None = None
    dedup: Dedup | None = None
    qualify: Bound | None = None
    place: int | None = None


Node: TypeAlias = Scan | Gather | Analytic | Filter | Window | Join | LookupJoin | Aggregate | Having | Order | Project


class RulePlan(Struct, frozen=True, dict=True):
    """A planned SELECT.

    ``columns`` are the output names as ``/rules/{id}/schema`` lists them, without those of a wildcard. ``derived`` holds the plans of
    queries in FROM, by the names of the sources that they are. ``hits``: the clauses that some expression asks how often they have passed.
    """

    rule: str
    root: Project
    sources: tuple[SourceScope, ...]
    options: RuleOptions
    columns: tuple[str, ...]
    derived: Mapping[str, Plan] = {}
    hits: tuple[str, ...] = ()

    def chain(self) -> tuple[Node, ...]:
        """The nodes from what is read to the projection."""
        return self._chain

    @cached_property
    def _chain(self) -> tuple[Node, ...]:
        found: list[Node] = []
        node: Node = self.root
        while True:
            found.append(node)
            if isinstance(node, Scan | Gather):
                return tuple(reversed(found))
            node = node.input

    @property
    def scans(self) -> tuple[Scan, ...]:
        """What is read, in order of the statement."""
        bottom = self._chain[0]
        if isinstance(bottom, Gather):
            return bottom.inputs
        assert isinstance(bottom, Scan)
        return (bottom,)

    def find(self, kind: type[N]) -> N | None:
        """The first node of a class, counted from the scan."""
        for node in self._chain:
            if isinstance(node, kind):
                return node
        return None

    def find_all(self, kind: type[N]) -> tuple[N, ...]:
        """All nodes of a class, from the scan upwards."""
        return tuple(node for node in self._chain if isinstance(node, kind))


class UnionPlan(Struct, frozen=True):
    """Several planned queries whose rows are given out together."""

    rule: str
    parts: tuple[RulePlan, ...]
    columns: tuple[str, ...]


Plan: TypeAlias = RulePlan | UnionPlan
