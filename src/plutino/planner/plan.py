"""Logical plans: what a rule computes, as relational nodes over bound expressions."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from plutino.planner.bound import AggregateCall, Bound, Item, Star
from plutino.planner.scope import SourceScope
from plutino.spi import RuleOptions


class Scan(Struct, frozen=True):
    """The rows of one source: ``columns`` are read, ``whole`` rows too when the plan shows or passes them whole."""

    source: SourceScope
    columns: tuple[str, ...]
    whole: bool = False
    meta: bool = False


class Filter(Struct, frozen=True):
    """Rows for which ``condition`` is true. ``stage`` is how errors name the clause (``Where``)."""

    input: Node
    condition: Bound
    stage: str = "Where"


class WindowSpec(Struct, frozen=True):
    """A window constructor with its lengths in milliseconds; ``unit`` decides how the first boundary is aligned (sql reference §5.2)."""

    kind: str
    unit: str
    step: int
    length: int


class Window(Struct, frozen=True):
    """Rows gathered into windows; ``condition`` is the window's own FILTER."""

    input: Node
    window: WindowSpec
    condition: Bound | None = None


class Aggregate(Struct, frozen=True):
    """One row per group of a window (or per row, without a window): group keys and aggregate results."""

    input: Node
    keys: tuple[Bound, ...]
    calls: tuple[AggregateCall, ...]


class Project(Struct, frozen=True):
    """The output: ``star`` rows first, then ``items``; ``order`` is the order in which items are computed."""

    input: Node
    items: tuple[Item, ...]
    star: Star | None
    order: tuple[int, ...]


Node: TypeAlias = Scan | Filter | Window | Aggregate | Project


class RulePlan(Struct, frozen=True):
    """A planned rule. ``columns`` are the output names as ``/rules/{id}/schema`` lists them: aliased first, then plain ones."""

    rule: str
    root: Project
    sources: tuple[SourceScope, ...]
    options: RuleOptions
    columns: tuple[str, ...]

    def chain(self) -> tuple[Node, ...]:
        """The nodes from scan to projection."""
        found: list[Node] = []
        node: Node = self.root
        while True:
            found.append(node)
            if isinstance(node, Scan):
                return tuple(reversed(found))
            node = node.input
