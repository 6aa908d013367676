"""The fast tier: expressions as plain Python operators, under assumptions that the decoder or the operators themselves check.

An expression is taken only where plain Python gives the dialect's result for the assumed kinds, or raises. Whatever raises sends the batch
to the exact tier. Kinds: ``number``, ``string``, ``boolean``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plutino.compiler.code import Constants
from plutino.compiler.exact import callable_of
from plutino.execution.patterns import like_regex
from plutino.model import ANY, DataType, TypeName, attribute
from plutino.model.number import EXACT_FLOAT_INT
from plutino.planner.bound import (
    AliasRef,
    Bound,
    Choice,
    ColumnRef,
    Const,
    FunctionCall,
    Item,
    Key,
    Match,
    Member,
    Operation,
    Range,
)
from plutino.spi import ArgCheck, Nulls, common_kind

_COMPARE = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_NUMERIC_ARGS = (ArgCheck.NUMBER, ArgCheck.INT)
_LIMIT = 80
"""Bound nodes of one expression, aliases written out; larger ones are left to the exact tier."""


def each_row(*pairs: tuple[str, str]) -> str:
    """``a, b in zip(as, bs)`` for names and the lists that they run through."""
    names, lists = zip(*pairs, strict=True)
    return f"{names[0]} in {lists[0]}" if len(pairs) == 1 else f"{', '.join(names)} in zip({', '.join(lists)})"


class NotFast(Exception):  # noqa: N818
    """This expression belongs to the exact tier."""


class FastEmitter:
    """Python text over ``r`` inside a comprehension; ``kinds`` collects what is assumed of each column.

    ``vectors`` collects calls that are made once for all rows: lines that put their results into ``c0``, ``c1`` …, whose values are ``v0``,
    ``v1`` … beside ``r``. None while there is no place for such lines (in conditions that decide which rows there are).
    """

    def __init__(self, constants: Constants, items: Sequence[Item]) -> None:
        self.constants = constants
        self.items = {item.name: item for item in items if item.aliased}
        self.kinds: dict[str, str] = {}
        self.vectors: list[str] | None = None
        self._variables = 0
        self._budget = _LIMIT

    # --- conditions

    def condition(self, expr: Bound) -> str:
        """Text whose value is True or False, or that raises."""
        self._spend()
        match expr:
            case AliasRef(name=name):
                return self.condition(self.items[name].expr)
            case Const(value=bool() as value):
                return self.constants(value)
            case ColumnRef():
                # null is neither true nor false, and not the same as false under OR
                t = self._variable()
                return f"({t} if ({t} := {self._column(expr, 'boolean')}).__class__ is bool else bail())"
            case Operation(op="AND" | "OR", left=left, right=right):
                return f"({self.condition(left)} {expr.op.lower()} {self.condition(right)})"
            case Operation(op=op) if op in _COMPARE:
                return self._comparison(expr)
            case Range():
                return self._range(expr)
            case Member(among=None):
                return self._member(expr)
            case Match(pattern=Const(value=str() as pattern), operand=operand, negated=negated):
                test = "is" if negated else "is not"
                return f"({self.constants(like_regex(pattern).fullmatch)}({self._text(operand)}) {test} None)"
            case _:
                raise NotFast

    def _comparison(self, expr: Operation) -> str:
        kind = self._kind(expr.left) or self._kind(expr.right)
        if kind is None:
            raise NotFast
        left, right = self._operand(expr.left, kind), self._operand(expr.right, kind)
        if kind == "boolean" and expr.op not in ("=", "!="):
            raise NotFast
        if expr.op in ("=", "!=") and not isinstance(expr.right, Const):
            raise NotFast
        text = f"{left} {_COMPARE[expr.op]} {right}"
        if expr.op != "!=":
            return f"({text})"
        # a null is equal to nothing and unequal to nothing
        return f"({text} and {left} is not None and {left} is not UNSET)"

    def _range(self, expr: Range) -> str:
        kind = self._kind(expr.low) or self._kind(expr.high)
        if kind not in ("number", "string"):
            raise NotFast
        if not isinstance(expr.high, Const if expr.negated else Const | ColumnRef):
            # Python does not look at it when the lower bound decides; it could fail, and a null there is neither inside nor outside
            raise NotFast
        operand, low, high = (self._operand(e, kind) for e in (expr.operand, expr.low, expr.high))
        return f"({'not ' if expr.negated else ''}{low} <= {operand} <= {high})"

    def _member(self, expr: Member) -> str:
        kinds = {self._kind(c) for c in expr.choices if isinstance(c, Const)}
        if len(kinds) != 1 or not all(isinstance(c, Const) for c in expr.choices):
            raise NotFast
        kind = kinds.pop()
        assert kind is not None
        operand = self._operand(expr.operand, kind)
        choices = self.constants(frozenset(c.value for c in expr.choices if isinstance(c, Const)))
        if not expr.negated:
            return f"({operand} in {choices})"
        return f"({operand} not in {choices} and {operand} is not None and {operand} is not UNSET)"

    # --- values

    def value(self, expr: Bound) -> tuple[str, bool]:
        """Text of an output value and whether it may be null (then it must pass through ``shown``)."""
        match expr:
            case AliasRef(name=name):
                return self.value(self.items[name].expr)
            case Const(value=value):
                return self.constants(value), False
            case ColumnRef():
                return f"r.{attribute(expr.name)}", True
            case Key(base=base, name=str() as name):
                return f"{self._map(base)}.get({self.constants(name)})", True
            case Operation(op="+" | "-" | "*" | "/" | "%"):
                # of nulls plain operators raise, the division of integers gives null
                return self._number(expr), expr.op in "/%"
            case Operation() | Range() | Member() | Match():
                return self.condition(expr), False
            case FunctionCall():
                return self._call(expr), True
            case Choice():
                return self._choice(expr)
            case _:
                raise NotFast

    def _choice(self, expr: Choice) -> tuple[str, bool]:
        text, null = ("None", True) if expr.otherwise is None else self.value(expr.otherwise)
        for condition, result in reversed(expr.branches):
            test = self.condition(condition if expr.subject is None else Operation("=", expr.subject, condition))
            shown, maybe = self.value(result)
            text, null = f"({shown} if {test} else {text})", null or maybe
        return text, null

    def _map(self, base: Bound) -> str:
        match base:
            case ColumnRef():
                return f"r.{attribute(base.name)}"
            case Key(base=inner, name=str() as name):
                return f"{self._map(inner)}.get({self.constants(name)})"
            case _:
                raise NotFast

    def _operand(self, expr: Bound, kind: str) -> str:
        if kind == "number":
            return self._number(expr)
        if kind == "string":
            return self._text(expr)
        match expr:
            case AliasRef(name=name):
                return self._operand(self.items[name].expr, kind)
            case Const(value=bool() as value):
                return self.constants(value)
            case ColumnRef():
                return self._column(expr, "boolean")
            case _:
                return self.condition(expr)

    def _number(self, expr: Bound) -> str:
        self._spend()
        match expr:
            case AliasRef(name=name):
                return self._number(self.items[name].expr)
            case Const(value=float() as value) if abs(value) > EXACT_FLOAT_INT:
                # integers as large are compared as floats, which Python does not do
                raise NotFast
            case Const(value=value) if isinstance(value, int | float) and not isinstance(value, bool):
                return self.constants(value)
            case ColumnRef():
                return self._column(expr, "number")
            case Key(base=base, name=str() as name):
                t, found = self._variable(), f"{self._map(base)}.get({self.constants(name)})"
                return f"({t} if ({t} := {found}).__class__ is float or {t}.__class__ is int else bail())"
            case Operation(op="+" | "-" | "*" | "/" | "%"):
                return self._arithmetic(expr)
            case FunctionCall(spec=spec) if spec.returns in ("float", "bigint"):
                return self._call(expr)
            case _:
                raise NotFast

    def _term(self, expr: Bound) -> str:
        """A number to calculate with: of schemaless rows only one that a float holds exactly, as the dialect calculates with floats."""
        match expr:
            case AliasRef(name=name):
                return self._term(self.items[name].expr)
            case ColumnRef(type=DataType(name=TypeName.ANY)):
                self._spend()
                return self._column(expr, "float")
            case Key():
                t, found = self._variable(), self._number(expr)
                return f"({t} if -9007199254740992 <= ({t} := {found}) <= 9007199254740992 or {t}.__class__ is float else bail())"
            case _:
                return self._number(expr)

    def _arithmetic(self, expr: Operation) -> str:
        left, right = self._term(expr.left), self._term(expr.right)
        whole = self._is_bigint(expr.left) and self._is_bigint(expr.right)
        if expr.op in "+-*":
            return f"wrap({left} {expr.op} {right})" if whole else f"({left} {expr.op} {right})"
        if whole:
            return f"{'div' if expr.op == '/' else 'mod'}({left}, {right})"
        return f"({left} / {right})" if expr.op == "/" else f"fmod({left}, {right})"

    def _is_bigint(self, expr: Bound) -> bool:
        """Whether the dialect computes with integers here: declared BIGINT, integer literals, and what is made of them."""
        match expr:
            case AliasRef(name=name):
                return self._is_bigint(self.items[name].expr)
            case Const(value=value):
                return isinstance(value, int)
            case ColumnRef(type=DataType(name=TypeName.BIGINT)):
                return True
            case ColumnRef(exact=exact, type=DataType(name=TypeName.ANY)) if exact:
                raise NotFast
            case Key():
                return self._is_bigint_member(expr)
            case Operation(left=left, right=right):
                return self._is_bigint(left) and self._is_bigint(right)
            case FunctionCall(spec=spec):
                return spec.returns == "bigint"
            case _:
                return False

    def _is_bigint_member(self, expr: Key) -> bool:
        kind = self._declared(expr)
        if kind.name in (TypeName.BIGINT, TypeName.FLOAT):
            return kind.name is TypeName.BIGINT
        base: Bound = expr
        while isinstance(base, Key):
            base = base.base
        if not isinstance(base, ColumnRef) or base.exact:
            raise NotFast
        return False

    def _declared(self, expr: Bound) -> DataType:
        """The type that a schema gives to a column or to a member of a struct."""
        match expr:
            case ColumnRef(type=kind):
                return kind
            case Key(base=base, name=name):
                return next((field.type for field in self._declared(base).fields if field.name == name), ANY)
            case _:
                return ANY

    def _text(self, expr: Bound) -> str:
        self._spend()
        match expr:
            case AliasRef(name=name):
                return self._text(self.items[name].expr)
            case Const(value=str() as value):
                return self.constants(value)
            case ColumnRef():
                return self._column(expr, "string")
            case Key(base=base, name=str() as name):
                t = self._variable()
                return f"({t} if ({t} := {self._map(base)}.get({self.constants(name)})).__class__ is str else bail())"
            case FunctionCall(spec=spec) if spec.returns == "string":
                return self._call(expr)
            case _:
                raise NotFast

    def _call(self, expr: FunctionCall) -> str:
        spec = expr.spec
        if not spec.kind_blind or spec.nulls is Nulls.CALL:
            raise NotFast
        args: list[str] = []
        for i, arg in enumerate(expr.args):
            check = spec.args[min(i, len(spec.args) - 1)].check
            if check in _NUMERIC_ARGS:
                args.append(self._present(self._number(arg), arg, "float or {}.__class__ is int"))
            elif check is ArgCheck.STRING:
                args.append(self._present(self._text(arg), arg, "str"))
            else:
                raise NotFast
        if spec.call_many is None or self.vectors is None:
            return f"{self.constants(callable_of(spec))}({', '.join(args)})"
        columns = ", ".join(f"[{arg} for {self.rows}]" for arg in args)
        self.vectors.append(f"c{len(self.vectors)} = {self.constants(spec.call_many)}({columns})")
        return f"v{len(self.vectors) - 1}"

    @property
    def rows(self) -> str:
        """The ``for`` of a comprehension over all rows with the results that there are for them."""
        return each_row(("r", "rows"), *((f"v{i}", f"c{i}") for i in range(len(self.vectors or ()))))

    def _present(self, text: str, arg: Bound, test: str) -> str:
        """An argument that must be there: columns may be null or missing, which the exact tier decides."""
        if not isinstance(arg, ColumnRef | AliasRef):
            return text
        t = self._variable()
        return f"({t} if ({t} := {text}).__class__ is {test.replace('{}', t)} else bail())"

    # --- kinds

    def _kind(self, expr: Bound) -> str | None:
        """The kind of an expression as far as it is known without data."""
        match expr:
            case AliasRef(name=name):
                return self._kind(self.items[name].expr)
            case Const(value=bool()):
                return "boolean"
            case Const(value=str()):
                return "string"
            case Const() | Operation(op="+" | "-" | "*" | "/" | "%"):
                return "number"
            case Operation() | Range() | Member() | Match():
                return "boolean"
            case ColumnRef(type=kind):
                return _TYPE_KINDS.get(kind.name)
            case FunctionCall(spec=spec):
                return {"float": "number", "bigint": "number", "string": "string", "boolean": "boolean"}.get(spec.returns)
            case _:
                return None

    def _column(self, column: ColumnRef, kind: str) -> str:
        both = common_kind(self.kinds.get(column.name, kind), kind)
        if both is None or _TYPE_KINDS.get(column.type.name, kind) != kind:
            raise NotFast
        self.kinds[column.name] = both
        return f"r.{attribute(column.name)}"

    def _variable(self) -> str:
        self._variables += 1
        return f"t{self._variables}"

    def _spend(self) -> None:
        self._budget -= 1
        if self._budget < 0:
            raise NotFast


_TYPE_KINDS: Mapping[TypeName, str] = {
    TypeName.BIGINT: "number",
    TypeName.FLOAT: "number",
    TypeName.STRING: "string",
    TypeName.BOOLEAN: "boolean",
}
