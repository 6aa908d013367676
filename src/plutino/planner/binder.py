"""Binding: syntax in, bound expressions out; every name, function and type is known afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import assert_never

from plutino.errors import PlanError, Position, SqlSyntaxError, UnsupportedError
from plutino.model import ANY, TypeName
from plutino.planner.bound import (
    AggregateCall,
    AggregateRef,
    AliasRef,
    AnalyticCall,
    AnalyticRef,
    Bound,
    Choice,
    ColumnRef,
    Const,
    ContextValue,
    Element,
    FunctionCall,
    HitValue,
    Key,
    Match,
    Member,
    MetaRef,
    Numbering,
    Operation,
    Part,
    Range,
    RowNumber,
    SortKey,
    WholeRow,
)
from plutino.planner.calls import check_call, distinct, find_function, kinds_of_alias
from plutino.planner.printing import printed_call
from plutino.planner.scope import Scope
from plutino.spi import Environment, FunctionKind, FunctionSpec
from plutino.sql import tree

CONTEXT = frozenset(("window_start", "window_end", "window_trigger", "event_time", "rule_id", "rule_start"))
HITS = frozenset(("last_hit_count", "last_hit_time", "last_agg_hit_count", "last_agg_hit_time"))


_NUMBERED = "OVER of row_number"
"""Rows and groups are numbered when aggregates are known."""


class Binder:
    """Binds the expressions of one statement and collects its aggregates, analytic calls and row numbers.

    ``own`` of ``bind`` is the alias that is being defined, whose name means the column inside its own definition.
    """

    def __init__(self, scope: Scope, env: Environment, text: str = "") -> None:
        self.scope = scope
        self.env = env
        self.text = text
        """The statement, for the places of errors."""
        self.aggregates: list[AggregateCall] = []
        self.analytics: list[AnalyticCall] = []
        self.analytic_sites: list[tree.Call] = []
        """Where each of them is written."""
        self.numberings: list[Numbering] = []
        self.hits: set[str] = set()
        """Clauses that some expression asks how often they have passed."""
        self.position: int | None = None
        """Index of the select item that is being bound; None in every other clause."""
        self.clause = "select"
        """``select``, ``where``, ``when``, ``having`` …: what ``last_hit_count`` counts in, and where row numbers may stand."""
        self._sites = 0
        self._inside: str | None = None
        """The aggregate whose arguments are being bound."""
        self._early: str | None = None
        """What is being bound and asked of each row as it arrives, before there are groups and row numbers."""

    @contextmanager
    def within(self, clause: str) -> Iterator[list[AggregateCall]]:
        """Bind in another clause, whose aggregates are collected apart when it is WHERE."""
        kept, self.clause = self.clause, clause
        aggregates = self.aggregates
        if clause == "where":
            self.aggregates = []
        early, self._early = self._early, "a condition of the window or of a join" if clause == "when" else None
        try:
            yield self.aggregates
        finally:
            self.clause, self.aggregates, self._early = kept, aggregates, early

    @contextmanager
    def _row_by_row(self, place: str) -> Iterator[None]:
        """Bind what is asked of each row by itself."""
        kept, self._early = self._early, place
        try:
            yield
        finally:
            self._early = kept

    def bind(self, expr: tree.Expr | tree.ArrowLiteral, own: str | None = None) -> Bound:
        """PlanError or SqlSyntaxError when a name, a function or an argument does not fit, with the place of the innermost expression."""
        try:
            return self._bound(expr, own)
        except (PlanError, SqlSyntaxError) as error:
            self._place(error, expr.span)
            raise

    @contextmanager
    def placing(self, node: tree.Node | None) -> Iterator[None]:
        """What is refused meanwhile is refused at the place of this node, unless a place inside of it is known."""
        try:
            yield
        except (PlanError, SqlSyntaxError) as error:
            self._place(error, getattr(node, "span", tree.NOWHERE))
            raise

    def _place(self, error: PlanError | SqlSyntaxError, span: tree.Span) -> None:
        if error.position is None and self.text and span != tree.NOWHERE:
            error.text, error.position = self.text, Position.of(self.text, *span)

    def _bound(self, expr: tree.Expr | tree.ArrowLiteral, own: str | None) -> Bound:
        match expr:
            case tree.Literal():
                return Const(expr.value)
            case tree.Column():
                return self._column(expr, own)
            case tree.Binary():
                return Operation(expr.op, self.bind(expr.left, own), self.bind(expr.right, own))
            case tree.Arrow():
                return Key(self.bind(expr.base, own), expr.name)
            case tree.ArrowLiteral():
                return Key(self.bind(expr.base, own), None)
            case tree.Index():
                return Element(self.bind(expr.base, own), self.bind(expr.index, own))
            case tree.Slice():
                return self._slice(expr, own)
            case tree.Call():
                return self._call(expr, own)
            case tree.In():
                return self._member(expr, own)
            case tree.Between():
                return Range(self.bind(expr.operand, own), self.bind(expr.low, own), self.bind(expr.high, own), expr.negated)
            case tree.Like():
                return Match(self.bind(expr.operand, own), self.bind(expr.pattern, own), expr.negated)
            case tree.IsNull():
                test = self._call(tree.Call("isnull", (expr.operand,)), own)
                return Operation("=", test, Const(False)) if expr.negated else test
            case tree.Case():
                return self._case(expr, own)
            case tree.Wildcard():
                if expr.stream is not None and expr.stream not in self.scope.sources:
                    raise PlanError(f"stream {expr.stream} not found")
                return self._whole_row(expr.stream)
            case tree.TimeUnit():
                return self._column(tree.Column(None, expr.unit), own)
            case tree.Window():
                # outside GROUP BY a window constructor has no value
                return ContextValue(expr.kind)
            case _:
                assert_never(expr)

    def texts(self) -> dict[int, str]:
        """The prints of the aggregates and analytic calls found so far, as ``printed`` wants them."""
        return {i: call.text for i, call in enumerate(self.aggregates)} | {-1 - i: call.text for i, call in enumerate(self.analytics)}

    # --- names

    def _column(self, expr: tree.Column, own: str | None) -> Bound:
        scope = self.scope
        if expr.stream is None:
            if expr.name != own and self._is_alias(expr.name):
                return self._alias(expr.name)
            return self._field(None, expr.name)
        if expr.stream in scope.sources:
            return self._field(expr.stream, expr.name)
        named = expr.stream != own and self._is_alias(expr.stream)
        base = self._alias(expr.stream) if named else self._field(None, expr.stream)
        return Key(base, expr.name)

    def _alias(self, name: str) -> Bound:
        """An alias, where the value of its item is known; in WHERE an item with aggregates is computed over the window's rows anew."""
        kinds = kinds_of_alias(self.scope.aliases, name, self.env)
        if "row_number" in kinds and (self.clause in ("where", "group", "having") or self._early or self._inside):
            raise SqlSyntaxError("window functions can only be in select fields")
        if FunctionKind.AGGREGATE in kinds:
            self._refuse_aggregate(name)
            if self.clause == "where":
                kept, self.position = self.position, self.scope.order[name]
                try:
                    return self.bind(self.scope.aliases[name].expr, name)
                finally:
                    self.position = kept
        return AliasRef(name)

    def is_aggregated(self, alias: str) -> bool:
        """Whether an item is computed over groups."""
        return FunctionKind.AGGREGATE in kinds_of_alias(self.scope.aliases, alias, self.env)

    def _refuse_aggregate(self, shown: str) -> None:
        if self._inside is not None:
            raise PlanError(f"invalid argument for func {self._inside}: aggregate argument is not allowed")
        if self._early not in (None, _NUMBERED):
            raise PlanError(f"aggregate {shown} in {self._early}: this is asked of each row, aggregates are known when the window closes")

    def _is_alias(self, name: str) -> bool:
        """Whether a name means an alias here.

        Inside the select list of schemaless sources a *later* item is meant only when it merely renames a column; otherwise the name is
        a column.
        """
        field = self.scope.aliases.get(name)
        if field is None or self.position is None or not self.scope.schemaless:
            return field is not None
        return isinstance(field.expr, tree.Column) or self.scope.order[name] < self.position

    def _field(self, source: str | None, name: str) -> ColumnRef:
        found = [self.scope.sources[source]] if source is not None else self.scope.resolve(name)
        if len(found) > 1:
            return ColumnRef("", name, ANY, all(s.exact for s in found))
        kind = found[0].type_of(name) if found else None
        if kind is None:
            shown = name if source is None else f"{source}.{name}"
            near = self.scope.suggest(name)
            raise PlanError(f"unknown field {shown}", suggestion=near)
        return ColumnRef(found[0].name, name, kind, found[0].exact or kind.name is not TypeName.ANY)

    # --- paths, predicates

    def _slice(self, expr: tree.Slice, own: str | None) -> Bound:
        start, end = (None if e is None else self.bind(e, own) for e in (expr.start, expr.end))
        if isinstance(start, Const) and isinstance(end, Const) and isinstance(start.value, int) and isinstance(end.value, int):
            low, high = start.value, end.value
            if low > high and (low < 0) == (high < 0):
                raise PlanError("colon start value can't be greater than end value")
        return Part(self.bind(expr.base, own), start, end)

    def _member(self, expr: tree.In, own: str | None) -> Bound:
        operand = self.bind(expr.operand, own)
        if isinstance(expr.choices, tuple):
            return Member(operand, tuple(self.bind(c, own) for c in expr.choices), None, expr.negated)
        return Member(operand, (), self.bind(expr.choices, own), expr.negated)

    def _case(self, expr: tree.Case, own: str | None) -> Bound:
        subject = None if expr.subject is None else self.bind(expr.subject, own)
        branches = tuple((self.bind(b.condition, own), self.bind(b.result, own)) for b in expr.branches)
        return Choice(subject, branches, None if expr.otherwise is None else self.bind(expr.otherwise, own))

    # --- calls

    def _call(self, expr: tree.Call, own: str | None) -> Bound:
        name = expr.name.lower()
        if name in ("meta", "mqtt"):
            return self._meta(expr, name)
        spec = find_function(expr, self.env)
        check_call(expr, spec)
        if expr.distinct and spec.kind is not FunctionKind.AGGREGATE:
            raise PlanError(f"DISTINCT in {name}: {name} is no aggregate function; leave DISTINCT out")
        match spec.kind:
            case FunctionKind.SCALAR | FunctionKind.MULTI_ROW:
                args = tuple(self.bind(a, own) for a in expr.args)
                self._sites += 1
                return FunctionCall(spec, args, self._sites)
            case FunctionKind.AGGREGATE:
                return self._aggregate(expr, spec, own)
            case FunctionKind.ANALYTIC:
                return self._analytic(expr, spec, own)
            case FunctionKind.MULTI_COLUMN:
                raise SqlSyntaxError(f"function {name} can only be used inside the select clause")
            case FunctionKind.WINDOW:
                return self._row_number(expr, own)
            case FunctionKind.CONTEXT:
                return self._context(name)
            case _:
                assert_never(spec.kind)

    def _context(self, name: str) -> Bound:
        if name in HITS:
            # HAVING counts what it lets pass, group by group, while the select list is computed behind all of them
            own = name.startswith("last_hit") or self.clause == "having"
            hit = HitValue(self.clause if own else "group", name.endswith("time"))
            self.hits.add(hit.clause)
            return hit
        if name in CONTEXT:
            return ContextValue(name)
        raise UnsupportedError(f"function {name} is not supported yet")

    def _whole_row(self, stream: str | None) -> WholeRow:
        """The row of one source, or of all of them; what is asked of each row as it arrives sees that row alone."""
        if stream is not None:
            return WholeRow((stream,))
        return WholeRow((next(iter(self.scope.sources)),) if self._early is not None else self.scope.merged)

    def _row_number(self, expr: tree.Call, own: str | None) -> Bound:
        if self.clause not in ("select", "qualify") or self._early or self._inside:
            raise SqlSyntaxError("window functions can only be in select fields")
        over = expr.over or tree.Over()
        with self._row_by_row(_NUMBERED):
            order = tuple(SortKey(self.bind(k.expr, own), k.descending) for k in over.order_by)
            self.numberings.append(Numbering(tuple(self.bind(p, own) for p in over.partition_by), order))
        return RowNumber(len(self.numberings) - 1)

    def _aggregate(self, expr: tree.Call, spec: FunctionSpec, own: str | None) -> Bound:
        self._refuse_aggregate(spec.name)
        self._inside = spec.name
        try:
            args = tuple(self.bind(a, own) for a in expr.args)
        finally:
            self._inside = None
        text = printed_call(spec.name, args, self.texts())
        if spec.whole_rows:
            args = (*args, self._whole_row(None))
        call = AggregateCall(distinct(spec) if expr.distinct else spec, args, text)
        if call in self.aggregates:
            return AggregateRef(self.aggregates.index(call))
        self.aggregates.append(call)
        return AggregateRef(len(self.aggregates) - 1)

    def _analytic(self, expr: tree.Call, spec: FunctionSpec, own: str | None) -> Bound:
        # had_changed compares every column of a whole row; for all others a whole row is one value
        whole = spec.name == "had_changed" and any(isinstance(a, tree.Wildcard) for a in expr.args)
        over = expr.over or tree.Over()
        with self._row_by_row(f"analytic function {spec.name}"):
            args = tuple(self.bind(a, own) for a in expr.args if not (whole and isinstance(a, tree.Wildcard)))
            partition = tuple(self.bind(p, own) for p in over.partition_by)
            when = None if over.when is None else self.bind(over.when, own)
        self.analytics.append(AnalyticCall(spec, args, partition, when, printed_call(spec.name, args, self.texts()), whole))
        self.analytic_sites.append(expr)
        return AnalyticRef(len(self.analytics) - 1)

    def _meta(self, expr: tree.Call, name: str) -> Bound:
        if len(expr.args) != 1:
            raise SqlSyntaxError(f"validate function {name} error: Expect 1 arguments but found {len(expr.args)}.")
        source, path = self._meta_path(expr.args[0], name)
        if name == "mqtt":
            if len(path) != 1 or path[0].lower() not in ("topic", "messageid"):
                raise SqlSyntaxError("validate function mqtt error: Parameter of mqtt function can be only topic or messageid.")
            path = ("messageId",) if path[0].lower() == "messageid" else path
        return MetaRef(source, path)

    def _meta_path(self, arg: tree.Expr | tree.ArrowLiteral, name: str) -> tuple[str, tuple[str, ...]]:
        first = next(iter(self.scope.sources))
        match arg:
            case tree.Wildcard(stream=stream, excepted=excepted, replaced=replaced):
                if excepted or replaced:
                    raise SqlSyntaxError("validate function meta error: the * of meta cannot have EXCEPT or REPLACE")
                return stream or first, ()
            case tree.Column(stream=None, name=column):
                return first, (column,)
            case tree.TimeUnit(unit=unit):
                return first, (unit,)
            case tree.Column(stream=stream, name=column):
                assert stream is not None
                return (stream, (column,)) if stream in self.scope.sources else (first, (stream, column))
            case tree.Arrow(base=base, name=column):
                source, path = self._meta_path(base, name)
                return source, (*path, column)
            case _:
                raise SqlSyntaxError(f"validate function {name} error: Expect a key of the metadata for parameter 1")
