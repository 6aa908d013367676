"""The dialect's own print of expressions, as its error messages and plans quote them (``binaryExpr:{ demo.a + 1 }``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, assert_never

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
    Key,
    Match,
    Member,
    MetaRef,
    Operation,
    Part,
    Range,
    RowNumber,
    WholeRow,
)

_OPEN_END = "-2147483648"


def printed(expr: Bound, aggregates: Mapping[int, str] | None = None, aliases: Mapping[str, str] | None = None) -> str:
    """The print of an expression; ``aggregates`` and ``aliases`` give the prints of what it refers to.

    ``aggregates`` holds analytic calls too, number ``i`` under ``-1 - i``.
    """

    def show(part: Bound) -> str:
        return printed(part, aggregates, aliases)

    match expr:
        case Const(value=value):
            return _constant(value)
        case ColumnRef(source=source, name=name):
            return f"{source or '$$default'}.{name}"
        case AliasRef(name=name):
            meant = (aliases or {}).get(name)
            return f"$$alias.{name}" + (f",aliasRef:{meant}" if meant else "")
        case Operation(op=op, left=left, right=right):
            return f"binaryExpr:{{ {show(left)} {op} {show(right)} }}"
        case Key(base=base, name=None):
            return f"binaryExpr:{{ {show(base)} -> }}"
        case Key(base=base, name=name):
            return f"binaryExpr:{{ {show(base)} -> jsonFieldName:{name} }}"
        case Element(base=base, index=index):
            return f"binaryExpr:{{ {show(base)}[{show(index)}] }}"
        case Part(base=base, start=start, end=end):
            low, high = ("0" if start is None else show(start)), (_OPEN_END if end is None else show(end))
            return f"binaryExpr:{{ {show(base)}[ColonExpr:{{ start:{{ {low} }}, end:{{ {high} }} }}] }}"
        case FunctionCall(spec=spec, args=args):
            return printed_call(spec.name, args, aggregates, aliases)
        case AggregateRef(index=index):
            return (aggregates or {}).get(index, f"aggregate {index}")
        case ContextValue(name=name):
            return f"Call:{{ name:{name} }}"
        case AnalyticRef(index=index):
            return (aggregates or {}).get(-1 - index, f"analytic {index}")
        case RowNumber():
            return "Call:{ name:row_number }"
        case HitValue(time=time):
            return f"Call:{{ name:{'last_hit_time' if time else 'last_hit_count'} }}"
        case Member() | Range() | Match() | Choice():
            return _condition(expr, show)
        case MetaRef(source=source, path=path):
            return f"Call:{{ name:meta, args:[{source}.{'->'.join(path) or '*'}] }}"
        case WholeRow():
            return "*"
        case _:
            assert_never(expr)


def _condition(expr: Member | Range | Match | Choice, show: Callable[[Bound], str]) -> str:
    """What tells cases apart: IN, BETWEEN, LIKE and CASE."""
    match expr:
        case Member():
            return _member(expr, [show(c) for c in expr.choices], show(expr.operand), None if expr.among is None else show(expr.among))
        case Range(operand=operand, low=first, high=last, negated=negated):
            word = "NOT BETWEEN" if negated else "BETWEEN"
            return f"binaryExpr:{{ {show(operand)} {word} betweenExpr:{{ {show(first)}, {show(last)} }} }}"
        case Match(operand=operand, pattern=pattern, negated=negated):
            word = "NOT LIKE" if negated else "LIKE"
            return f"binaryExpr:{{ {show(operand)} {word} likePattern:{_pattern(pattern, show(pattern))} }}"
        case Choice(subject=subject, branches=branches):
            value = "" if subject is None else f"value:{{ {show(subject)} }}, "
            clauses = ", ".join(f"{{ whenClause:{{ {show(condition)} }} }}" for condition, _ in branches)
            return f"caseExprValue:{{ {value}whenClauses:[{clauses}] }}"
        case _:
            assert_never(expr)


def printed_call(
    name: str, args: tuple[Bound, ...], aggregates: Mapping[int, str] | None = None, aliases: Mapping[str, str] | None = None
) -> str:
    """The print of a call."""
    inside = ", ".join(printed(a, aggregates, aliases) for a in args)
    return f"Call:{{ name:{name}, args:[{inside}] }}" if args else f"Call:{{ name:{name} }}"


def _constant(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, float) else str(value)


def _member(expr: Member, choices: list[str], operand: str, among: str | None) -> str:
    word = "NOT IN" if expr.negated else "IN"
    inside = f"literalExprs:[{', '.join(choices)}]" if among is None else f"arrayExpr:{{ {among} }}"
    return f"binaryExpr:{{ {operand} {word} valueSetExpr:{{ {inside} }} }}"


def _pattern(pattern: Bound, text: str) -> str:
    if isinstance(pattern, Const) and isinstance(pattern.value, str):
        return "^" + pattern.value.replace("%", ".*").replace("_", ".") + "$"
    return text
