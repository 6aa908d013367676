"""One SELECT that grows node by node along a way through a graph.

A node that follows in the order in which SELECT computes its clauses becomes part of the statement. What would be computed too early waits
in a statement of its own, which the next one reads as a query in FROM.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct

from plutino.errors import PlanError, UnsupportedError
from plutino.planner.graph.rewriting import of_groups, plain_names, renamed, rewritten
from plutino.planner.rule import PUSHED_WINDOWS
from plutino.planner.select_list import derived_name
from plutino.sql import tree

N = TypeVar("N")


class Role(Struct, frozen=True):
    """Which operator of its statement does the work of a node.

    ``kind`` is empty for one that has none and lets every row pass that the nodes in front of it, ``after``, give; what it computes may
    fail in the operator ``faults``. ``case``: the output of a switch that the statement goes on with.
    """

    kind: str
    after: tuple[str, ...] = ()
    case: int | None = None
    faults: str = "project"


Roles = dict[str, Role]

UNION = "rows"
"""The name of the rows of several streams that are not joined."""


@dataclass
class Level:
    """A statement under construction.

    - ``inputs``: what is read, by the name that expressions use and in the order of the statement; several are joined, or wait for that
    - ``dissolved``: names of sources that expressions may still use, though their rows came out of a query since
    - ``early``: conditions on rows before the window; ``where``: behind it, or behind a join
    - ``results``: what nodes have computed, by column; ``shown``: the columns that go on, None for all
    - ``rows``: what a script gives, a list of the rows that go on; nothing can follow in the same statement
    - ``shared``: what it reads is made once for several statements, of rows that had this name
    - ``roles``: see ``Roles``
    """

    inputs: dict[str, list[Level | tree.Source]]
    aggregates: Callable[[tree.Expr], bool]
    analyses: Callable[[tree.Expr], bool]
    event_time: bool = False
    joins: tuple[tree.Join, ...] = ()
    dissolved: set[str] = field(default_factory=set)
    early: list[tree.Expr] = field(default_factory=list)
    window: tree.Window | None = None
    where: list[tree.Expr] = field(default_factory=list)
    keys: tuple[tree.Expr, ...] = ()
    having: list[tree.Expr] = field(default_factory=list)
    order: tuple[tree.SortKey, ...] = ()
    results: dict[str, tree.Expr] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    shown: list[str] | None = None
    star: tuple[tree.Field, ...] = ()
    rows: tree.Expr | None = None
    shared: str | None = None
    roles: Roles = field(default_factory=dict)

    # --- names

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of what is read, joined tables included."""
        return (*self.inputs, *(join.source.alias or join.source.name for join in self.joins))

    def read(self, node: str, expr: N) -> N:
        """An expression of a node in the names of this statement; PlanError for a column that a node before has not picked."""
        found = rewritten(expr, self._resolved)
        if self.shown is not None and not self.star:
            left_out = sorted(plain_names(found, self.sources) - set(self.shown))
            if left_out:
                raise PlanError(f"node {node} reads {', '.join(left_out)}; the nodes before it have picked {', '.join(self.shown)}")
        return found

    def _resolved(self, found: tree.Column | tree.Wildcard) -> tree.Expr:
        if found.stream in self.dissolved and found.stream not in self.sources:
            return tree.Column(None, found.name) if isinstance(found, tree.Column) else tree.Wildcard(None, found.excepted, found.replaced)
        return found

    # --- what nodes do

    def compute(self, node: str, name: str, expr: tree.Expr) -> None:
        """A column more."""
        self._add(node, {name: self.read(node, expr)})
        if self.shown is not None and name not in self.shown:
            self.shown.append(name)

    def pick(self, node: str, fields: Sequence[tree.Field]) -> None:
        """The columns that go on from here."""
        made: dict[str, tree.Expr] = {}
        shown: list[str] = []
        star: list[tree.Field] = []
        for number, item in enumerate(fields):
            expr = self.read(node, item.expr)
            if isinstance(expr, tree.Wildcard):
                star.append(tree.Field(expr))
                continue
            name = item.alias or derived_name(expr) or f"kuiper_field_{number}"
            if name in shown:
                raise PlanError(f"duplicate field definition {name}")
            if not item.invisible:
                shown.append(name)
            if expr != tree.Column(None, name):
                made[name] = expr
        if star:
            before = [name for name in self.results if name not in self.hidden] if self.shown is None else self.shown
            shown = [*(name for name in before if name not in shown and name not in made), *shown]
            if self.shown is not None and not self.star:
                star = []
        self._add(node, made)
        self.shown, self.star = shown, tuple(star)

    def _add(self, node: str, made: Mapping[str, tree.Expr]) -> None:
        pending = dict(made)
        for name in made:
            if name in self.results:
                self._hide(name, pending)
            elif any(name in plain_names(part, self.sources) for part in (*self._parts(), *pending.values())):
                self._qualify(node, name, pending)
        self.results.update(pending)

    def _hide(self, name: str, pending: dict[str, tree.Expr]) -> None:
        """Another column gets this name; who has read the old one still reads it."""
        free = next(new for i in range(len(self.results) + 1) if (new := f"{name}__{i}") not in self.results)
        self._change(lambda part: renamed(part, name, tree.Column(None, free), self.sources), pending)
        self.results = {free if known == name else known: expr for known, expr in self.results.items()}
        self.hidden.add(free)

    def _qualify(self, node: str, name: str, pending: dict[str, tree.Expr]) -> None:
        """A computed column gets the name of one of the source that is read already."""
        if len(self.sources) > 1 or len(next(iter(self.inputs.values()))) > 1:
            if all(name not in plain_names(part, self.sources) for part in self._parts()):
                return  # inside of its own definition, the name is the column's anyway
            raise PlanError(f"node {node} computes {name}, which is read before; give the result another name")
        column = tree.Column(next(iter(self.inputs)), name)
        self._change(lambda part: renamed(part, name, column, self.sources), pending)

    def _parts(self) -> Iterable[tree.Node]:
        found: tuple[tree.Node, ...] = (*self.early, *self.where, *self.keys, *self.having, *self.order, *self.results.values())
        return (*found, *(join.on for join in self.joins if join.on is not None))

    def _change(self, change: Callable[[Any], Any], pending: dict[str, tree.Expr]) -> None:
        self.early = [change(part) for part in self.early]
        self.where = [change(part) for part in self.where]
        self.having = [change(part) for part in self.having]
        self.keys = tuple(change(part) for part in self.keys)
        self.order = tuple(change(part) for part in self.order)
        self.results = {name: change(part) for name, part in self.results.items()}
        pending.update({name: change(part) for name, part in pending.items()})

    def join(self, source: str, joins: tuple[tree.Join, ...]) -> None:
        """What is read from here on is joined; what was read so far was of ``source``."""
        names = {name for part in self._parts() for name in plain_names(part, self.sources)} - set(self.results)
        for name in sorted(names):
            self._change(partial(_read_of, name, source), {})
        order = (source, *(join.source.alias or join.source.name for join in joins))
        self.inputs = {name: self.inputs[name] for name in order if name in self.inputs}
        self.joins = joins

    def lift(self, name: str) -> list[tree.Expr]:
        """The conditions in front of a window on the rows of one stream, taken out to be asked behind it.

        None are where nodes did more, or other streams share the name: these rows stay those of a query.
        """
        parts = self.inputs[name]
        inner = parts[0]
        if len(parts) > 1 or not isinstance(inner, Level) or not inner.early or not _only_filters(inner):
            return []
        (self.inputs[name],) = inner.inputs.values()
        self.roles |= inner.roles
        conditions = list(inner.early)
        for column in sorted({column for part in conditions for column in plain_names(part, (name,))}):
            conditions = [_read_of(column, name, part) for part in conditions]
        return conditions

    def keep(self, node: str, condition: tree.Expr, *, grouped: bool, whole: bool = False) -> str:
        """Rows, or groups, for which a condition is true; the result is the kind of the operator that looks at it.

        ``whole``: a window goes on with all its rows, or not at all. Of groups and whole windows, columns are those of the first row.
        """
        expr = self.read(node, condition)
        if self._aggregated(expr) or (grouped and not self._of_keys(expr)) or (whole and self.window is not None):
            self.having.append(of_groups(expr, self.aggregates, self._is_of_groups))
            return "having"
        if self.having and not grouped:
            raise UnsupportedError(f"node {node} looks at rows behind a condition on their whole window; put it in front of that")
        if self.window is not None or self.joins:
            if self.where and self.aggregates(expr):
                self._settle_where(node)
            self.where.append(expr)
        else:
            self.early.append(expr)
        return "filter"

    def _settle_where(self, node: str) -> None:
        """Let the conditions so far restrict what the aggregates of another one see, which all stand in one clause."""
        commutes = self.window is not None and self.window.kind in ("tumblingwindow", "hoppingwindow") and not self.joins
        if not commutes or any(self.aggregates(part) for part in self.where):
            raise UnsupportedError(f"node {node} compares rows with their window behind another filter; put that in front of the window")
        self.early += self.where
        self.where = []

    def _is_of_groups(self, column: tree.Column) -> bool:
        """Whether a column has one value for a whole group."""
        name = column.name if column.stream is None else column.stream
        return column.stream not in self.sources and name in self.results and self.aggregates(self.results[name])

    def _of_keys(self, expr: tree.Expr) -> bool:
        """Whether a condition on groups is one on their keys alone, and can be asked of each row."""
        names = plain_names(expr, self.sources)
        plain = {key.name for key in self.keys if isinstance(key, tree.Column)}
        return bool(names) and names <= plain and not self.aggregates(expr)

    def _aggregated(self, expr: tree.Expr) -> bool:
        return any(self.aggregates(self.results[name]) for name in plain_names(expr, self.sources) if name in self.results)

    def group(self, node: str, keys: Sequence[tree.Expr]) -> None:
        """Windows taken apart."""
        if self.having:
            raise UnsupportedError(f"node {node} groups rows behind a condition on their whole window; put it in front of that")
        self.keys = tuple(self.read(node, key) for key in keys)

    def sort(self, node: str, keys: Sequence[tree.SortKey]) -> None:
        """Rows of a window in order; an earlier order decides where this one leaves it open."""
        self.order = (*(self.read(node, key) for key in keys), *self.order)

    def transform(self, function: str, *, whole: bool, meta: bool) -> None:
        """Rows that a script makes of each row, or with ``whole`` of all rows of a window."""
        row = self._row()
        if whole and self.window is not None:
            row = tree.Call("collect", (row,))
        args: tuple[tree.Expr, ...] = (row, tree.Call("meta", (tree.Wildcard(None),))) if meta else (row,)
        self.rows = tree.Call(function, args)

    def _row(self) -> tree.Expr:
        """A row with everything that nodes have computed, as an object."""
        shown = [name for name in self.results if name not in self.hidden] if self.shown is None else self.shown
        pairs = tuple(part for name in shown for part in (tree.Literal(name), tree.Column(None, name)))
        made = tree.Call("object_construct", pairs)
        if self.shown is not None and not self.star:
            return made
        return tree.Call("object_concat", (tree.Wildcard(None), made)) if pairs else tree.Wildcard(None)

    # --- the statement

    def select(self) -> tree.Select:
        """The statement as it stands."""
        if len(self.inputs) > 1 and not self.joins:
            raise AssertionError("rows of several sources are put together before a statement is made of them")
        (name, first), *_ = self.inputs.items()
        source = source_of(name, first)
        where, window = self._conditions()
        return tree.Select(self._fields(), source, self.joins, all_of(where), self.keys, window, all_of(self.having), self.order)

    def all_segments(self) -> list[Roles]:
        """The roles of this statement behind those of the queries inside, in the order of their programs."""
        found: list[Roles] = []
        for parts in () if self.shared is not None else self.inputs.values():
            if len(parts) > 1 or isinstance(parts[0], Level):
                for part in parts:
                    found += part.all_segments() if isinstance(part, Level) else [{}]
        return [*found, self.roles]

    def _conditions(self) -> tuple[list[tree.Expr], tree.Window | None]:
        """WHERE, and the window with what it must not see."""
        window, early = self.window, list(self.early)
        if window is None:
            return [*early, *self.where], None
        late = list(self.where)
        asks_window = any(self.aggregates(part) for part in late)
        pushed = window.kind in PUSHED_WINDOWS and not (self.event_time or self.joins or self._analytic() or asks_window)
        if late and pushed and window.kind == "sessionwindow":
            # which rows end a session must not depend on a condition behind it, so that is made one on the window
            late.append(tree.Binary(">=", tree.Call("count", (tree.Wildcard(None),)), tree.Literal(0)))
            pushed = False
        if pushed:
            return [*early, *late], window
        condition = all_of(early)
        filtered = window if condition is None else tree.Window(window.kind, window.args, condition)
        return late, filtered

    def _analytic(self) -> bool:
        return any(self.analyses(expr) for expr in (*self.results.values(), *self.early, *self.where))

    def _fields(self) -> tuple[tree.Field, ...]:
        """The select list: what is shown, and in front of each column what it reads."""
        placed: dict[str, tree.Field] = {}
        if self.rows is not None:
            for name in self.results:
                self._place(name, (), placed)
            return (*placed.values(), tree.Field(self.rows))
        shown = [name for name in self.results if name not in self.hidden] if self.shown is None else self.shown
        for name in self._needed():
            self._place(name, shown, placed)
        for name in shown:
            self._place(name, shown, placed)
        star = (tree.Field(tree.Wildcard(None)),) if self.shown is None else self.star
        return (*star, *placed.values())

    def _needed(self) -> list[str]:
        """Results that other clauses read, and aggregates: without one in the select list, there would be no groups."""
        parts: list[tree.Node] = [*self.early, *self.where, *self.keys, *self.having, *self.order]
        parts += [join.on for join in self.joins if join.on is not None]
        names = {name for part in parts for name in plain_names(part, self.sources)}
        names |= {name for name, expr in self.results.items() if self.aggregates(expr)}
        return [name for name in self.results if name in names and (name in self.hidden or name not in (self.shown or self.results))]

    def _place(self, name: str, shown: Collection[str], placed: dict[str, tree.Field]) -> None:
        if name in placed:
            return
        expr = self.results.get(name)
        if expr is None:
            placed[name] = tree.Field(tree.Column(None, name))
            return
        for other in sorted(plain_names(expr, self.sources) - {name}):
            if other in self.results:
                self._place(other, shown, placed)
        placed[name] = tree.Field(expr, name, invisible=name not in shown)


def _read_of(name: str, source: str, part: N) -> N:
    return renamed(part, name, tree.Column(source, name), (source,))


def source_of(name: str, inputs: Sequence[Level | tree.Source]) -> tree.Source:
    """What a statement reads under a name: the stream itself, or a query for what nodes have done to its rows."""
    if len(inputs) == 1 and isinstance(inputs[0], tree.Source):
        return inputs[0]
    selects = tuple(part.select() if isinstance(part, Level) else _everything(part) for part in inputs)
    return tree.Source(name, None, selects[0] if len(selects) == 1 else tree.Union(selects))


def _only_filters(level: Level) -> bool:
    more = (level.where, level.results, level.shown, level.window, level.joins, level.having, level.order, level.rows)
    return not any(more) and all(isinstance(part, tree.Source) for parts in level.inputs.values() for part in parts)


def _everything(source: tree.Source) -> tree.Select:
    return tree.Select((tree.Field(tree.Wildcard(None)),), source)


def all_of(conditions: Sequence[tree.Expr]) -> tree.Expr | None:
    """Conditions connected by AND, None for none."""
    found: tree.Expr | None = None
    for condition in conditions:
        found = condition if found is None else tree.Binary("AND", found, condition)
    return found
