"""The exact tier: expressions as calls of kernels that follow the dialect's rules to the letter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from msgspec import Struct

from plutino.compiler.code import Constants
from plutino.execution.arithmetic import WIDE
from plutino.execution.kernels import OPERATORS, guarded_call
from plutino.execution.patterns import like_regex
from plutino.model import attribute
from plutino.planner.bound import (
    AggregateRef,
    AliasRef,
    AnalyticRef,
    Bound,
    Choice,
    ColumnRef,
    Const,
    ContextValue,
    Element,
    FunctionCall,
    HitValue,
    Item,
    Key,
    Match,
    Member,
    MetaRef,
    Operation,
    Part,
    Range,
    RowNumber,
    WholeRow,
    walk,
)
from plutino.spi import FunctionSpec

_callables: dict[tuple[str, Any], Any] = {}


def callable_of(spec: FunctionSpec) -> Any:
    """The function of a spec with its null guard and error prefix, the same one for every rule."""
    key = (spec.name, spec.call)
    found = _callables.get(key)
    if found is None:
        found = _callables[key] = guarded_call(spec.name, spec.call, spec.nulls.value, spec.bare_errors)
    return found


class Access(Struct, frozen=True):
    """How a generated function reaches what expressions refer to, as Python text.

    - ``sources``: per source its row, its metadata and its whole row; ``merged``: all of them, ``undeclared``: the schemaless ones, as
      they are asked for a column that several have
    - ``time``: the row's time; ``analytic``: the values of the analytic calls, by number
    - ``context``: window bounds and the like; ``hits``: per clause the memory that counts it
    - ``partial``: a source may have no row here; its columns are missing then
    """

    sources: Mapping[str, tuple[str, str, str]]
    merged: tuple[str, ...]
    undeclared: tuple[str, ...]
    time: str
    analytic: Sequence[str]
    context: Mapping[str, str] = {}
    hits: Mapping[str, str] = {}
    partial: bool = False


class ExactEmitter:
    """Python text for bound expressions.

    ``aliases`` holds the variables of aliases that are computed already; any other alias is computed in place.
    """

    def __init__(self, constants: Constants, items: Sequence[Item], access: Access) -> None:
        self.constants = constants
        self.items = {item.name: item for item in items if item.aliased}
        self.access = access
        self.aliases: dict[str, str] = {}
        self.columns: dict[tuple[str, str], str] = {}
        self.aggregates: Mapping[int, str] = {}
        self._variables = 0

    def reads(self, exprs: Sequence[Bound]) -> list[str]:
        """Lines that read every column that the expressions use into variables."""
        lines: list[str] = []
        for column in self._columns_of(exprs):
            place = (column.source, column.name)
            if place not in self.columns:
                self.columns[place] = f"v{len(self.columns)}"
                how = "plain" if column.exact else "loose"
                lines.append(f"{self.columns[place]} = {how}({self.raw(column)})")
        return lines

    def raw(self, column: ColumnRef) -> str:
        """The column as it stands in the row, UNSET when it is missing."""
        if column.source:
            return self._place(column.source, column.name)
        return f"first_of({', '.join(self._place(source, column.name) for source in self.access.undeclared)})"

    def _place(self, source: str, column: str) -> str:
        row, name = self.access.sources[source][0], attribute(column)
        return f"getattr({row}, {name!r}, UNSET)" if self.access.partial else f"{row}.{name}"

    def _columns_of(self, exprs: Sequence[Bound]) -> list[ColumnRef]:
        found: list[ColumnRef] = []
        for expr in exprs:
            for part in walk(expr):
                if isinstance(part, ColumnRef):
                    found.append(part)
                elif isinstance(part, AliasRef) and part.name not in self.aliases:
                    found.extend(self._columns_of([self.items[part.name].expr]))
        return found

    def variable(self) -> str:
        """A fresh local name."""
        self._variables += 1
        return f"t{self._variables}"

    def emit(self, expr: Bound) -> str:
        """The text of an expression; columns must have been read."""
        match expr:
            case Const(value=value):
                return self.constants(value)
            case ColumnRef(source=source, name=name):
                return self.columns[source, name]
            case AliasRef(name=name):
                return self.aliases.get(name) or self.emit(self.items[name].expr)
            case Operation():
                return self._operation(expr)
            case Key(base=base, name=None):
                return f"no_key({self.emit(base)})"
            case Key(base=base, name=name):
                return f"key({self.emit(base)}, {self.constants(name)})"
            case Element(base=base, index=index):
                return f"element({self.emit(base)}, {self.emit(index)})"
            case Part(base=base, start=start, end=end):
                low = self.constants(0) if start is None else self.emit(start)
                high = "None" if end is None else self.emit(end)
                return f"part({self.emit(base)}, {low}, {high}, {end is None})"
            case FunctionCall(spec=spec, args=args):
                return f"{self.constants(callable_of(spec))}({', '.join(self.emit(a) for a in args)})"
            case AggregateRef(index=index):
                return self.aggregates[index]
            case AnalyticRef(index=index):
                return self.access.analytic[index]
            case RowNumber(index=index):
                return f"n[{index}]"
            case ContextValue(name=name):
                return self.access.context.get(name, "None")
            case HitValue(clause=clause, time=time):
                return f"{self.access.hits[clause]}.{'time' if time else 'count'}"
            case Member():
                return self._member(expr)
            case Range(operand=operand, low=first, high=last, negated=negated):
                return f"between({self.emit(operand)}, {self.emit(first)}, {self.emit(last)}, {negated})"
            case Match():
                return self._match(expr)
            case Choice():
                return self._choice(expr)
            case MetaRef(source=source, path=path):
                return f"metadata({self.access.sources[source][1]}, {self.constants(path)})"
            case WholeRow(sources=sources):
                return f"loose({self.merged(sources)})"
            case _:
                assert_never(expr)

    def whole(self, source: str) -> str:
        """The whole row of a source as a dict."""
        row, _, whole = self.access.sources[source]
        return whole if source in self.access.undeclared else f"to_dict({row})"

    def merged(self, sources: Sequence[str]) -> str:
        """The whole rows of several sources as one dict: where names clash, the first source wins."""
        wholes = [self.whole(source) for source in sources]
        return wholes[0] if len(wholes) == 1 else f"{{{', '.join(f'**{whole}' for whole in reversed(wholes))}}}"

    def _operation(self, expr: Operation) -> str:
        left, right = self.emit(expr.left), self.emit(expr.right)
        if expr.op == "AND":
            t = self.variable()
            return f"(False if ({t} := {left}) is False else both({t}, {right}))"
        if expr.op == "OR":
            t = self.variable()
            return f"(True if ({t} := {left}) is True else either({t}, {right}))"
        if expr.op in WIDE and any(isinstance(side, ColumnRef) and not side.exact for side in (expr.left, expr.right)):
            return f"{WIDE[expr.op].__name__}({left}, {right})"
        return f"{OPERATORS[expr.op][0]}({left}, {right})"

    def _member(self, expr: Member) -> str:
        operand = self.emit(expr.operand)
        if expr.among is not None:
            return f"member({operand}, {self.emit(expr.among)}, {expr.negated})"
        choices = ", ".join(self.emit(c) for c in expr.choices)
        return f"member({operand}, ({choices},), {expr.negated})"

    def _match(self, expr: Match) -> str:
        operand = self.emit(expr.operand)
        if isinstance(expr.pattern, Const) and isinstance(expr.pattern.value, str):
            return f"matches({operand}, {self.constants(like_regex(expr.pattern.value))}, {expr.negated})"
        return f"like({operand}, {self.emit(expr.pattern)}, {expr.negated})"

    def _choice(self, expr: Choice) -> str:
        text = "None" if expr.otherwise is None else self.emit(expr.otherwise)
        subject, opening = "", ""
        if expr.subject is not None:
            subject = self.variable()
            opening = self.emit(expr.subject)
        for position, (condition, result) in reversed(list(enumerate(expr.branches))):
            if expr.subject is None:
                test = f"{self.emit(condition)} is True"
            else:
                value = f"({subject} := {opening})" if position == 0 else subject
                test = f"same({value}, {self.emit(condition)})"
            text = f"({self.emit(result)} if {test} else {text})"
        return text
