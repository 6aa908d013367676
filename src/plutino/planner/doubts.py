"""What a statement asks that can never work: operators, functions and conditions that do not fit the declared types of columns.

The dialect takes such statements and fails, or says no, row by row. What has no declared type is never doubted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, assert_never

from msgspec import Struct

from plutino.errors import PlanError, Position, SqlSyntaxError
from plutino.model import ANY, DataType, Schema, TypeName
from plutino.planner.calls import find_function
from plutino.planner.scope import Scope, SourceScope, open_scope, suggested
from plutino.planner.value_types import accepted, comparable, element_of, is_known, named, of_arithmetic, of_literal, of_name, typed_columns
from plutino.spi import Environment, FunctionKind, FunctionSpec
from plutino.sql import calls_in, columns_in, selects_in, tree

_CHECKED: Final = (FunctionKind.SCALAR, FunctionKind.AGGREGATE)
_ARITHMETIC: Final = frozenset("+-*/%")
_BITS: Final = frozenset("&|^")
_ORDERED: Final = frozenset(("<", "<=", ">", ">="))
_BOOLEAN: Final = DataType(TypeName.BOOLEAN)
_NUMBERS: Final = (TypeName.BIGINT, TypeName.FLOAT)
_SHOWN: Final = 60


class Doubt(Struct, frozen=True):
    """Something in a statement that can never work, or means less than it seems to: what, where and why."""

    position: Position
    shown: str
    text: str

    def __str__(self) -> str:
        return f"line {self.position.line}, column {self.position.column}: {self.shown}: {self.text}"


def doubts_of(query: tree.Query, env: Environment, text: str) -> tuple[Doubt, ...]:
    """What is doubtful in a statement, in the order of the text; nothing where its names mean nothing (any more), which is an error."""
    found: list[Doubt] = []
    try:
        for select in selects_in(query):
            found += _Reader(select, env, text).doubts()
    except (PlanError, SqlSyntaxError):
        return ()
    return tuple(sorted(found, key=lambda doubt: doubt.position.start))


class _Reader:
    """Reads the clauses of one SELECT. Columns of queries in FROM have no declared types."""

    def __init__(self, select: tree.Select, env: Environment, text: str) -> None:
        sources = (select.source, *(join.source for join in select.joins))
        self._scope: Scope = open_scope(select, env, derived={s.name: Schema() for s in sources if s.query is not None})
        self._typed = {source.name for source in self._scope.sources.values() if typed_columns(source.content, env)}
        self._select, self._env, self._text = select, env, text
        self._types: dict[int, DataType] = {}
        self._found: list[Doubt] = []

    def doubts(self) -> list[Doubt]:
        """Everything that is doubtful in the statement."""
        select = self._select
        for field in select.fields:
            self._look(field.expr, field.alias)
        for name, condition in self._conditions():
            self._condition(name, condition)
        for expr in (*select.group_by, *(key.expr for key in select.order_by)):
            self._look(expr)
        self._alone()
        self._without_aggregate()
        return self._found

    def _conditions(self) -> Iterator[tuple[str, tree.Expr | None]]:
        select = self._select
        yield from (("WHERE", select.where), ("HAVING", select.having), ("QUALIFY", select.qualify))
        yield from (("ON", join.on) for join in select.joins)
        if select.window is not None:
            yield from (("FILTER", select.window.filter), ("WHEN", select.window.when))
            if select.window.kind == "statewindow":
                yield from (("a state window", arg) for arg in select.window.args)

    def _doubt(self, node: tree.Node, text: str) -> None:
        span: tree.Span = getattr(node, "span", tree.NOWHERE)
        if self._text and span != tree.NOWHERE:
            self._found.append(Doubt(Position.of(self._text, *span), self._shown(node), text))

    def _shown(self, node: tree.Node) -> str:
        span: tree.Span = getattr(node, "span", tree.NOWHERE)
        shown = " ".join(self._text[slice(*span)].split())
        return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"

    # --- windows

    def _functions(self, part: object) -> list[tuple[tree.Call, FunctionSpec]]:
        return [(call, find_function(call, self._env)) for call in calls_in(part) if call.name.lower() != "dedup_trigger"]

    def _alone(self) -> None:
        """Aggregates without a window, which see one row."""
        select = self._select
        if select.window is not None or select.joins or select.source.query is not None:
            return
        for call, spec in self._functions(select):
            if spec.kind is FunctionKind.AGGREGATE:
                self._doubt(
                    call, "without a window an aggregate sees one row, the one that has just come; GROUP BY a window is what gathers rows"
                )

    def _without_aggregate(self) -> None:
        """A window that gathers rows of which nothing is made."""
        select, window = self._select, self._select.window
        if window is None or window.kind == "statewindow" or window.when is not None or select.joins or select.limit is not None:
            return
        if select.order_by or select.having is not None or select.qualify is not None:
            return
        columns = columns_in(select.fields)
        plain = all(spec.kind is FunctionKind.SCALAR and spec.name not in ("meta", "mqtt") for _, spec in self._functions(select))
        starred = any(isinstance(arg, tree.Wildcard) for call in calls_in(select.fields) for arg in call.args)
        if not plain or starred or not columns or any(isinstance(field.expr, tree.Wildcard) for field in select.fields):
            return
        keys = columns_in(select.group_by)
        if not keys:
            self._doubt(
                window,
                "no aggregate; each row is given out as it came, only later. avg(…), count(*) and the like give one value per window",
            )
        elif any(column not in keys for column in columns):
            self._doubt(
                window, "no aggregate; the first row of each group is given out. avg(…), count(*) and the like give one value per group"
            )

    # --- expressions

    def _condition(self, name: str, expr: tree.Expr | None) -> None:
        if expr is not None:
            kind = self._look(expr)
            if is_known(kind) and kind.name is not TypeName.BOOLEAN:
                self._doubt(expr, f"is {named(kind)}; {name} wants what is true or false, a comparison for example")

    def _look(self, expr: tree.Expr | tree.ArrowLiteral, own: str | None = None) -> DataType:
        """Doubt what is inside, then the expression itself; gives its type. ``own`` is the alias that is being defined."""
        known = self._types.get(id(expr))
        if known is None:
            self._types[id(expr)] = ANY  # where aliases lead in a circle, which is an error and told as one
            known = self._types[id(expr)] = self._typed_as(expr, own)
        return known

    def _typed_as(self, expr: tree.Expr | tree.ArrowLiteral, own: str | None) -> DataType:
        match expr:
            case tree.Literal():
                return of_literal(expr.value)
            case tree.Column():
                return self._column(expr, own)
            case tree.TimeUnit():
                return self._column(tree.Column(None, expr.unit, expr.span), own)
            case tree.Binary():
                return self._binary(expr, self._look(expr.left, own), self._look(expr.right, own))
            case tree.Arrow():
                return self._key(expr, self._look(expr.base, own), expr.name)
            case tree.ArrowLiteral():
                self._look(expr.base, own)
                self._doubt(expr, "a key is a name, not a number or text; each row fails")
                return ANY
            case tree.Index():
                return self._element(expr, own)
            case tree.Slice():
                return self._part(expr, own)
            case tree.Call():
                return self._call(expr, own)
            case tree.In():
                return self._member(expr, own)
            case tree.Between():
                operand = self._look(expr.operand, own)
                for bound in (expr.low, expr.high):
                    self._compare("<", bound, operand, self._look(bound, own), self._shown(expr.operand))
                return _BOOLEAN
            case tree.Like():
                self._want(expr.operand, self._look(expr.operand, own), (TypeName.STRING,), "LIKE looks at texts")
                self._want(expr.pattern, self._look(expr.pattern, own), (TypeName.STRING,), "a pattern of LIKE is a text")
                return _BOOLEAN
            case tree.IsNull():
                self._look(expr.operand, own)
                return _BOOLEAN
            case tree.Case():
                return self._case(expr, own)
            case tree.Wildcard():
                for field in expr.replaced:
                    self._look(field.expr, field.alias)
                return ANY
            case tree.Window():
                return ANY
            case _:
                assert_never(expr)

    def _column(self, expr: tree.Column, own: str | None) -> DataType:
        scope = self._scope
        if expr.stream is None:
            return self._name(expr.name, own)
        if expr.stream in scope.sources:
            return self._declared(scope.sources[expr.stream], expr.name)
        return self._key(expr, self._name(expr.stream, own), expr.name)

    def _name(self, name: str, own: str | None) -> DataType:
        scope = self._scope
        if name in scope.aliases and name != own:
            # Beside columns of any name, what a name means depends on where it stands.
            return ANY if scope.schemaless else self._look(scope.aliases[name].expr, name)
        found = scope.resolve(name)
        return self._declared(found[0], name) if len(found) == 1 else ANY

    def _declared(self, source: SourceScope, name: str) -> DataType:
        return (source.type_of(name) or ANY) if source.name in self._typed else ANY

    def _binary(self, expr: tree.Binary, left: DataType, right: DataType) -> DataType:
        op = expr.op
        if op in ("AND", "OR"):
            for side, kind in ((expr.left, left), (expr.right, right)):
                self._want(side, kind, (TypeName.BOOLEAN,), f"{op} connects what is true or false")
            return _BOOLEAN
        if op in _ARITHMETIC:
            for side, kind in ((expr.left, left), (expr.right, right)):
                hint = "; texts are put together with concat" if op == "+" and kind.name is TypeName.STRING else ""
                self._want(side, kind, _NUMBERS, f"{op} computes with numbers{hint}")
            return of_arithmetic(left, right)
        if op in _BITS:
            whole = (TypeName.BIGINT, TypeName.BOOLEAN)
            for side, kind in ((expr.left, left), (expr.right, right)):
                self._want(side, kind, whole, f"{op} combines whole numbers, or what is true or false")
            return left if left == right else ANY
        self._compare(op, expr, left, right, "")
        return _BOOLEAN

    def _want(self, node: tree.Node, kind: DataType, wanted: Sequence[TypeName], why: str) -> None:
        if is_known(kind) and kind.name not in wanted:
            self._doubt(node, f"is {named(kind)}; {why}")

    def _compare(self, op: str, node: tree.Node, left: DataType, right: DataType, other: str) -> None:
        """Doubt a comparison; ``other`` is what ``node`` is compared with, empty where the node is the comparison itself."""
        if comparable(left, right, ordered=op in _ORDERED):
            return
        if left.name is TypeName.BOOLEAN and right.name is TypeName.BOOLEAN:
            self._doubt(node, "true and false have no order; they can be equal or not")
        elif other:
            self._doubt(node, f"is {named(right)}, and {other} {named(left)}; the two cannot be compared")
        else:
            self._doubt(node, f"compares {named(left)} with {named(right)}, which never works")

    def _member(self, expr: tree.In, own: str | None) -> DataType:
        operand, shown = self._look(expr.operand, own), self._shown(expr.operand)
        if isinstance(expr.choices, tuple):
            for choice in expr.choices:
                self._compare("=", choice, operand, self._look(choice, own), shown)
            return _BOOLEAN
        among = self._look(expr.choices, own)
        self._want(expr.choices, among, (TypeName.ARRAY,), "IN looks into a list")
        if among.name is TypeName.ARRAY and not comparable(operand, element_of(among)):
            self._doubt(expr, f"looks for {named(operand)} in {named(among)}, which never works")
        return _BOOLEAN

    def _case(self, expr: tree.Case, own: str | None) -> DataType:
        subject = None if expr.subject is None else self._look(expr.subject, own)
        results: list[DataType] = []
        for branch in expr.branches:
            condition = self._look(branch.condition, own)
            if expr.subject is not None and subject is not None:
                self._compare("=", branch.condition, subject, condition, self._shown(expr.subject))
            else:
                self._want(branch.condition, condition, (TypeName.BOOLEAN,), "WHEN wants what is true or false")
            results.append(self._look(branch.result, own))
        if expr.otherwise is not None:
            results.append(self._look(expr.otherwise, own))
        return results[0] if all(kind == results[0] for kind in results) else ANY

    # --- paths

    def _key(self, expr: tree.Arrow | tree.Column, base: DataType, name: str) -> DataType:
        if not is_known(base):
            return ANY
        if base.name is not TypeName.STRUCT:
            shown = self._shown(expr.base) if isinstance(expr, tree.Arrow) else expr.stream
            self._doubt(expr, f"{shown} is {named(base)}; only a struct has keys")
            return ANY
        if not base.fields:
            return ANY
        for field in base.fields:
            if field.name == name:
                return field.type
        keys = [field.name for field in base.fields]
        near = suggested(name, keys)
        told = f"did you mean {near}?" if near else f"there {'is' if len(keys) == 1 else 'are'} {', '.join(keys)}"
        self._doubt(expr, f"{name} is no key of {named(base)}, so this is always null; {told}")
        return ANY

    def _list(self, base: tree.Expr, own: str | None, places: Sequence[tree.Expr | None]) -> DataType:
        kind = self._look(base, own)
        self._want(base, kind, (TypeName.ARRAY,), "only an array has elements by number")
        for place in places:
            if place is not None:
                self._want(place, self._look(place, own), _NUMBERS, "the place of an element is a number")
        return kind if kind.name is TypeName.ARRAY else ANY

    def _element(self, expr: tree.Index, own: str | None) -> DataType:
        return element_of(self._list(expr.base, own, (expr.index,)))

    def _part(self, expr: tree.Slice, own: str | None) -> DataType:
        return self._list(expr.base, own, (expr.start, expr.end))

    # --- calls

    def _call(self, expr: tree.Call, own: str | None) -> DataType:
        if expr.name.lower() in ("meta", "mqtt"):
            return ANY  # its argument is a key of the metadata
        kinds = [self._look(arg, own) for arg in expr.args]
        if expr.over is not None:
            for part in (*expr.over.partition_by, *(key.expr for key in expr.over.order_by)):
                self._look(part, own)
            self._condition("WHEN", expr.over.when)
        if expr.name.lower() == "dedup_trigger":
            return ANY
        spec = find_function(expr, self._env)
        for position, (arg, kind) in enumerate(zip(expr.args, kinds, strict=True)):
            taken = accepted(spec, position) if spec.kind in _CHECKED and not isinstance(arg, tree.Wildcard) else ()
            if taken and is_known(kind) and kind.name not in taken:
                self._doubt(expr, f"{self._shown(arg)} is {named(kind)}; {spec.name} works with {' or '.join(taken)}")
        return of_name(spec.returns)
