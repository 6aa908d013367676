"""Bound expressions: what the binder makes of syntax once every name, function and type is known.

The compiler walks these; they hold no user syntax and no spans. ``text`` of an item is the dialect's own print of the expression, which
error messages quote (``binaryExpr:{ demo.a + 1 }``).
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

from msgspec import Struct

from plutino.model import DataType
from plutino.spi import FunctionSpec


class Const(Struct, frozen=True):
    """A literal: int is bigint, float, str or bool."""

    value: Any


class ColumnRef(Struct, frozen=True):
    """A column of a source. ``exact``: whole numbers of this schemaless column are bigints, not floats.

    An empty ``source`` is an unqualified name among several schemaless sources: the first of them that has the column gives the value.
    """

    source: str
    name: str
    type: DataType
    exact: bool = False


class AliasRef(Struct, frozen=True):
    """The value of a select item, by alias."""

    name: str


class Operation(Struct, frozen=True):
    """A binary operator: arithmetic, comparison, logic or bits; ``op`` as in the syntax tree."""

    op: str
    left: Bound
    right: Bound


class Key(Struct, frozen=True):
    """``base->name``; ``name`` None stands for a right side that names no key and fails per row."""

    base: Bound
    name: str | None


class Element(Struct, frozen=True):
    """``base[index]``."""

    base: Bound
    index: Bound


class Part(Struct, frozen=True):
    """``base[start:end]``; a missing bound is None."""

    base: Bound
    start: Bound | None
    end: Bound | None


class FunctionCall(Struct, frozen=True):
    """A scalar function. ``site`` numbers the call sites of a rule."""

    spec: FunctionSpec
    args: tuple[Bound, ...]
    site: int


class AggregateRef(Struct, frozen=True):
    """The result of aggregate number ``index`` of the plan."""

    index: int


class AnalyticRef(Struct, frozen=True):
    """The value of analytic call number ``index`` of the plan for the row."""

    index: int


class RowNumber(Struct, frozen=True):
    """Row number ``index`` of the plan: the position of the row in the window's output."""

    index: int


class ContextValue(Struct, frozen=True):
    """A value of the engine: ``window_start``, ``window_end``, ``window_trigger``, ``event_time``, ``rule_id`` or ``rule_start``."""

    name: str


class HitValue(Struct, frozen=True):
    """``last_hit_count`` or ``last_hit_time`` (and their ``agg`` forms) of one clause: ``select``, ``where``, ``when`` or ``having``."""

    clause: str
    time: bool


class Member(Struct, frozen=True):
    """``operand [NOT] IN``: ``choices`` for a written list, ``among`` for an expression that gives one."""

    operand: Bound
    choices: tuple[Bound, ...]
    among: Bound | None
    negated: bool


class Range(Struct, frozen=True):
    """``operand [NOT] BETWEEN low AND high``."""

    operand: Bound
    low: Bound
    high: Bound
    negated: bool


class Match(Struct, frozen=True):
    """``operand [NOT] LIKE pattern``."""

    operand: Bound
    pattern: Bound
    negated: bool


class Choice(Struct, frozen=True):
    """CASE; with a subject the conditions are values compared with it."""

    subject: Bound | None
    branches: tuple[tuple[Bound, Bound], ...]
    otherwise: Bound | None


class MetaRef(Struct, frozen=True):
    """Metadata of the row: the value under ``path``, or everything when it is empty."""

    source: str
    path: tuple[str, ...]


class WholeRow(Struct, frozen=True):
    """The whole row as one struct (``*`` as an argument): the columns of these sources, of the first that has one of a name."""

    sources: tuple[str, ...]


Bound: TypeAlias = (
    Const
    | ColumnRef
    | AliasRef
    | Operation
    | Key
    | Element
    | Part
    | FunctionCall
    | AggregateRef
    | AnalyticRef
    | RowNumber
    | ContextValue
    | HitValue
    | Member
    | Range
    | Match
    | Choice
    | MetaRef
    | WholeRow
)


class Item(Struct, frozen=True):
    """One output column: ``name``, its expression, and the print of both that error texts quote.

    ``aliased`` tells a written alias from a derived name; ``visible`` is False for INVISIBLE items. ``spread`` names a set-returning
    function (``unnest`` or ``extract``) whose argument is ``expr``.
    """

    name: str
    expr: Bound
    text: str
    aliased: bool = False
    visible: bool = True
    spread: str = ""

    @property
    def of_star(self) -> bool:
        """Whether this is one of the declared columns that a star stands for, which shows what the row has and nothing else."""
        return self.text == "*"


class ChangedColumns(Struct, frozen=True):
    """``changed_cols(prefix, ignore_null, …)`` in the select list: ``columns`` by name; ``star`` takes every column of the row too."""

    prefix: Bound
    ignore_null: Bound
    columns: tuple[tuple[str, Bound], ...]
    star: bool


class Dedup(Struct, frozen=True):
    """``dedup_trigger(start, end, now, expire)`` in the select list: its value stands under ``name``.

    Its columns, called ``shown`` in the statement, are items of the names ``COLUMNS``, which the rows carry as far as the operator; these
    lie where Unicode has no letters.
    """

    name: str
    shown: tuple[str, str, str]
    expire: int

    COLUMNS: ClassVar[tuple[str, str, str]] = ("\ue000start", "\ue000end", "\ue000now")


class Star(Struct, frozen=True):
    """``*`` over rows whose columns are not known beforehand: every column that arrived from ``sources``, without ``excepted``."""

    sources: tuple[str, ...]
    excepted: tuple[str, ...] = ()


class AggregateCall(Struct, frozen=True):
    """One aggregate of a plan: ``args`` are evaluated per row; the first is collected, the others are taken from the first row."""

    spec: FunctionSpec
    args: tuple[Bound, ...]
    text: str

    @property
    def counts_rows(self) -> bool:
        """``count(*)``, which reads nothing of its rows."""
        return self.spec.incremental == "count" and len(self.args) == 1 and isinstance(self.args[0], WholeRow)


class AnalyticCall(Struct, frozen=True):
    """One analytic call site: its state is kept per value of ``partition``; ``when`` says which rows it takes."""

    spec: FunctionSpec
    args: tuple[Bound, ...]
    partition: tuple[Bound, ...]
    when: Bound | None
    text: str
    whole: bool = False
    """The last argument is ``*``: every column of the row."""


class SortKey(Struct, frozen=True):
    """One key of ORDER BY."""

    expr: Bound
    descending: bool


class Numbering(Struct, frozen=True):
    """``row_number() OVER (PARTITION BY … ORDER BY …)``; without OVER in order of arrival over the whole window."""

    partition: tuple[Bound, ...] = ()
    order: tuple[SortKey, ...] = ()


def children(expr: Bound) -> tuple[Bound, ...]:
    """The direct operands of an expression."""
    match expr:
        case Operation():
            return (expr.left, expr.right)
        case Key():
            return (expr.base,)
        case Element():
            return (expr.base, expr.index)
        case Part():
            return tuple(e for e in (expr.base, expr.start, expr.end) if e is not None)
        case FunctionCall():
            return expr.args
        case Member():
            return (expr.operand, *expr.choices, *(() if expr.among is None else (expr.among,)))
        case Range():
            return (expr.operand, expr.low, expr.high)
        case Match():
            return (expr.operand, expr.pattern)
        case Choice():
            branches = tuple(e for pair in expr.branches for e in pair)
            return tuple(e for e in (expr.subject, *branches, expr.otherwise) if e is not None)
        case _:
            return ()


_LEAVES = frozenset((Const, ColumnRef, AliasRef, MetaRef, WholeRow))


def walk(expr: Bound) -> list[Bound]:
    """The expression and everything inside it, parents first."""
    found = [expr]
    if expr.__class__ not in _LEAVES:
        for child in children(expr):
            found.extend(walk(child))
    return found
