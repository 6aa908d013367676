"""The syntax tree: immutable nodes with spans, told apart by class (``match`` + ``assert_never`` on the unions below).

Every node ends with ``span``, the half-open character range ``text[start:end]`` it was read from; a node made by hand has
``(0, 0)``. Spans take no part in equality and hash: two trees are equal when they say the same, wherever they stood. Literals
compare by kind as well as by value (``1``, ``1.0`` and ``TRUE`` are three literals).

Names are kept as written (the planner folds the case of built-in functions); keywords, units, types and option names are kept in
one case. Parentheses and layout are not kept; ``to_sql`` puts back the parentheses that are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, TypeAlias
from typing import Literal as OneOf

from msgspec import Struct

Span: TypeAlias = tuple[int, int]
"""Half-open range of characters in the statement's text."""

NOWHERE: Final[Span] = (0, 0)

Value: TypeAlias = int | float | str | bool

Operator = OneOf["AND", "OR", "=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "&", "|", "^"]
Unit = OneOf["dd", "hh", "mi", "ss", "ms"]
WindowKind = OneOf["tumblingwindow", "hoppingwindow", "slidingwindow", "sessionwindow", "countwindow", "statewindow"]
JoinKind = OneOf["INNER", "LEFT", "RIGHT", "FULL", "CROSS"]
SourceKind = OneOf["stream", "table"]
TypeName = OneOf["bigint", "float", "string", "bytea", "datetime", "boolean"]

_contents: dict[type[Any], Callable[[Any], object]] = {}
"""Per node class: what equality and hash look at, all fields but the span."""


class Node(Struct, frozen=True, eq=False, gc=False):
    """Base of all nodes; holds nothing but equality and hash that do not look at spans."""

    def __eq__(self, other: object) -> bool:
        kind = type(self)
        if kind is not type(other):
            return False
        contents = _contents.get(kind) or _contents_of(kind)
        return contents(self) == contents(other)

    def __ne__(self, other: object) -> bool:  # Struct brings its own, by identity
        return not self == other

    def __hash__(self) -> int:
        kind = type(self)
        contents = _contents.get(kind) or _contents_of(kind)
        return hash((kind, contents(self)))


def _contents_of(kind: type[Node]) -> Callable[[Any], object]:
    contents = attrgetter(*(field for field in kind.__struct_fields__ if field != "span"))
    _contents[kind] = contents
    return contents


# --- expressions ------------------------------------------------------------------------------------------------------------------


class Literal(Node, frozen=True, eq=False, gc=False):
    """A constant: integer (64 bits), fraction, text or truth value. There is no NULL literal."""

    value: Value
    span: Span = NOWHERE

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and type(self.value) is type(other.value) and self.value == other.value

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


class TimeUnit(Node, frozen=True, eq=False, gc=False):
    """``DD``, ``HH``, ``MI``, ``SS`` or ``MS`` as an argument of a window; anywhere else these words are columns."""

    unit: Unit
    span: Span = NOWHERE


class Column(Node, frozen=True, eq=False, gc=False):
    """``name`` or ``stream.name``.

    ``a.b`` reads as ``Column("a", "b")`` whether or not ``a`` is a source: the planner turns it into key ``b`` of column ``a`` when
    it is not. Everything longer is an ``Arrow`` on top (``a.b.c`` is ``Arrow(Column("a", "b"), "c")``).
    """

    stream: str | None
    name: str
    span: Span = NOWHERE


class Wildcard(Node, frozen=True, eq=False, gc=False):
    """``*`` or ``stream.*``, as a select item or an argument; ``excepted`` names columns, ``replaced`` holds ``e AS name`` items."""

    stream: str | None
    excepted: tuple[str, ...] = ()
    replaced: tuple[Field, ...] = ()
    span: Span = NOWHERE


class Binary(Node, frozen=True, eq=False, gc=False):
    """``left op right``; ``op`` in upper case."""

    op: Operator
    left: Expr
    right: Expr
    span: Span = NOWHERE


class Arrow(Node, frozen=True, eq=False, gc=False):
    """``base->name``, also ``base.name`` where that is no plain ``Column``."""

    base: Expr
    name: str
    span: Span = NOWHERE


class ArrowLiteral(Node, frozen=True, eq=False, gc=False):
    """``base->1``: no key, but the dialect lets it pass and fails each row (``the right expression is not a field reference node``)."""

    base: Expr
    key: Literal
    span: Span = NOWHERE


class Index(Node, frozen=True, eq=False, gc=False):
    """``base[index]``."""

    base: Expr
    index: Expr
    span: Span = NOWHERE


class Slice(Node, frozen=True, eq=False, gc=False):
    """``base[start:end]``; a bound that is not written is None, and ``base[]`` is ``base[:]``."""

    base: Expr
    start: Expr | None
    end: Expr | None
    span: Span = NOWHERE


class Over(Node, frozen=True, eq=False, gc=False):
    """``OVER (PARTITION BY … ORDER BY … WHEN …)`` of a function call; at least one part is there."""

    partition_by: tuple[Expr, ...] = ()
    order_by: tuple[SortKey, ...] = ()
    when: Expr | None = None
    span: Span = NOWHERE


class Call(Node, frozen=True, eq=False, gc=False):
    """``name(args)`` or ``name(DISTINCT args)``; ``name`` as written."""

    name: str
    args: tuple[Expr, ...] = ()
    over: Over | None = None
    distinct: bool = False
    span: Span = NOWHERE


class Window(Node, frozen=True, eq=False, gc=False):
    """A window constructor with its checked arguments.

    The first one in GROUP BY becomes ``Select.window``; one found anywhere else stays where it is, and the planner decides.
    ``args``: for time windows a ``TimeUnit`` and integer literals, for countwindow integer literals, for statewindow conditions.
    """

    kind: WindowKind
    args: tuple[Expr, ...]
    filter: Expr | None = None
    when: Expr | None = None
    partition_by: tuple[Expr, ...] = ()
    span: Span = NOWHERE


class In(Node, frozen=True, eq=False, gc=False):
    """``operand [NOT] IN (a, b)`` with a tuple, or ``operand [NOT] IN expr`` with an expression that must give a list."""

    operand: Expr
    choices: tuple[Expr, ...] | Expr
    negated: bool = False
    span: Span = NOWHERE


class Between(Node, frozen=True, eq=False, gc=False):
    """``operand [NOT] BETWEEN low AND high``."""

    operand: Expr
    low: Expr
    high: Expr
    negated: bool = False
    span: Span = NOWHERE


class Like(Node, frozen=True, eq=False, gc=False):
    """``operand [NOT] LIKE pattern``."""

    operand: Expr
    pattern: Expr
    negated: bool = False
    span: Span = NOWHERE


class IsNull(Node, frozen=True, eq=False, gc=False):
    """``operand IS [NOT] NULL``."""

    operand: Expr
    negated: bool = False
    span: Span = NOWHERE


class Branch(Node, frozen=True, eq=False, gc=False):
    """``WHEN condition THEN result``; with a CASE subject, ``condition`` is the value compared with it."""

    condition: Expr
    result: Expr
    span: Span = NOWHERE


class Case(Node, frozen=True, eq=False, gc=False):
    """``CASE [subject] WHEN … THEN … [ELSE otherwise] END``; at least one branch."""

    subject: Expr | None
    branches: tuple[Branch, ...]
    otherwise: Expr | None = None
    span: Span = NOWHERE


Expr: TypeAlias = (
    Literal
    | TimeUnit
    | Column
    | Wildcard
    | Binary
    | Arrow
    | ArrowLiteral
    | Index
    | Slice
    | Call
    | Window
    | In
    | Between
    | Like
    | IsNull
    | Case
)


# --- SELECT -----------------------------------------------------------------------------------------------------------------------


class Field(Node, frozen=True, eq=False, gc=False):
    """One item of the select list, or of REPLACE."""

    expr: Expr
    alias: str | None = None
    invisible: bool = False
    span: Span = NOWHERE


class Source(Node, frozen=True, eq=False, gc=False):
    """A stream or table in FROM or JOIN; ``name`` may hold ``/``, ``+`` and ``#``. A ``query`` in parentheses has the name of its alias."""

    name: str
    alias: str | None = None
    query: Select | Union | None = None
    span: Span = NOWHERE


class Join(Node, frozen=True, eq=False, gc=False):
    """``[ASOF] kind JOIN source [ON on] [WITHIN (unit, length)]``; CROSS has no ``on``.

    ``within`` bounds the distance in time of rows that join without a window. ``latest``: ASOF, each row joins the latest one alone.
    """

    kind: JoinKind
    source: Source
    on: Expr | None = None
    within: tuple[Unit, int] | None = None
    span: Span = NOWHERE
    latest: bool = False


class SortKey(Node, frozen=True, eq=False, gc=False):
    """One key of ORDER BY."""

    expr: Expr
    descending: bool = False
    span: Span = NOWHERE


class Select(Node, frozen=True, eq=False, gc=False):
    """A query.

    ``group_by`` holds the dimensions without the window (further windows stay in it). A negative ``limit`` means no limit.
    """

    fields: tuple[Field, ...]
    source: Source
    joins: tuple[Join, ...] = ()
    where: Expr | None = None
    group_by: tuple[Expr, ...] = ()
    window: Window | None = None
    having: Expr | None = None
    order_by: tuple[SortKey, ...] = ()
    limit: int | None = None
    span: Span = NOWHERE
    qualify: Expr | None = None


class Union(Node, frozen=True, eq=False, gc=False):
    """``SELECT … UNION ALL SELECT …``: the rows of all."""

    selects: tuple[Select, ...]
    span: Span = NOWHERE


Query: TypeAlias = Select | Union


# --- definitions ------------------------------------------------------------------------------------------------------------------


class SimpleType(Node, frozen=True, eq=False, gc=False):
    """A type without parts; ``name`` in lower case."""

    name: TypeName
    span: Span = NOWHERE


class ArrayType(Node, frozen=True, eq=False, gc=False):
    """``ARRAY(element)``."""

    element: ColumnType
    span: Span = NOWHERE


class StructType(Node, frozen=True, eq=False, gc=False):
    """``STRUCT(fields)``."""

    fields: tuple[ColumnDef, ...]
    span: Span = NOWHERE


ColumnType: TypeAlias = SimpleType | ArrayType | StructType


class ColumnDef(Node, frozen=True, eq=False, gc=False):
    """``name type [DEFAULT default]``; ``default`` is already of the column's kind, None where none is written."""

    name: str
    type: ColumnType
    default: Value | None = None
    span: Span = NOWHERE


class CreateStream(Node, frozen=True, eq=False):
    """``CREATE STREAM|TABLE name (columns) WITH (options)``.

    ``options``: upper-case names in the order written (the last of a repeated one wins) with text values; SHARED, TEMP and
    STRICT_VALIDATION are bool and RETAIN_SIZE is int. Not hashable because of it.
    """

    kind: SourceKind
    name: str
    columns: tuple[ColumnDef, ...] = ()
    options: dict[str, str | bool | int] = {}
    span: Span = NOWHERE


class Show(Node, frozen=True, eq=False, gc=False):
    """``SHOW STREAMS`` or ``SHOW TABLES``."""

    kind: SourceKind
    span: Span = NOWHERE


class Describe(Node, frozen=True, eq=False, gc=False):
    """``DESCRIBE STREAM|TABLE name``."""

    kind: SourceKind
    name: str
    span: Span = NOWHERE


class Explain(Node, frozen=True, eq=False, gc=False):
    """``EXPLAIN STREAM|TABLE name``."""

    kind: SourceKind
    name: str
    span: Span = NOWHERE


class Drop(Node, frozen=True, eq=False, gc=False):
    """``DROP STREAM|TABLE name``."""

    kind: SourceKind
    name: str
    span: Span = NOWHERE


Definition: TypeAlias = CreateStream | Show | Describe | Explain | Drop
Statement: TypeAlias = Query | Definition
