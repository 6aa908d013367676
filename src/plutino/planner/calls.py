"""Checks of function calls that the original does while it parses: names, counts and literal arguments (sql reference §6.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from plutino.errors import SqlSyntaxError
from plutino.model.nearest import nearest
from plutino.model.value import general_text
from plutino.spi import Arg, ArgCheck, Environment, FunctionKind, FunctionSpec
from plutino.spi.function import Literal
from plutino.sql import calls_in, columns_in, tree
from plutino.sql.windows import WINDOWS

_BOOLEAN_OPS = frozenset(("AND", "OR", "=", "!=", "<", "<=", ">", ">="))

_ELSEWHERE = {
    "if": "CASE WHEN … THEN … ELSE … END",
    "iff": "CASE WHEN … THEN … ELSE … END",
    "iif": "CASE WHEN … THEN … ELSE … END",
    "ifnull": "coalesce",
    "nvl": "coalesce",
    "len": "length",
    "substr": "substring",
    "ucase": "upper",
    "lcase": "lower",
    "mean": "avg",
    "average": "avg",
    "date_format": "format_time",
    "to_char": "format_time",
}
"""Functions of other dialects, and what does the same here."""

_NOWHERE = "it is not built in, and no script, plugin, service or installed package that is here brings it"


def find_function(call: tree.Call, env: Environment) -> FunctionSpec:
    """The spec a call names: built-ins in any case, those of stored objects as written. SqlSyntaxError when there is none."""
    functions = env.registry.functions
    spec = functions.get(call.name.lower()) or functions.get(call.name)
    if spec is None:
        own = env.function(call.name)
        if own is not None:
            return own.spec
        elsewhere = _ELSEWHERE.get(call.name.lower())
        if elsewhere is not None:
            raise SqlSyntaxError(f"function {call.name} not found", suggestion=elsewhere)
        near = nearest(call.name.lower(), [*functions, *WINDOWS, *env.functions()], 1)
        raise SqlSyntaxError(f"function {call.name} not found", suggestion=near[0] if near else None, advice=None if near else _NOWHERE)
    return spec


def kinds_of_alias(aliases: Mapping[str, tree.Field], name: str, env: Environment) -> set[str]:
    """The kinds of functions that an item calls, by itself and through the aliases that it names; ``row_number`` is a kind of its own."""
    found: set[str] = set()
    seen = {name}
    todo = [aliases[name].expr] if name in aliases else []
    while todo:
        expr = todo.pop()
        specs = (env.registry.functions.get(call.name.lower()) for call in calls_in(expr))
        found.update("row_number" if spec.name == "row_number" else spec.kind for spec in specs if spec is not None)
        used = {column.stream or column.name for column in columns_in(expr)} & aliases.keys() - seen
        seen |= used
        todo += [aliases[alias].expr for alias in used]
    return found


def check_call(call: tree.Call, spec: FunctionSpec) -> None:
    """SqlSyntaxError when the call cannot be right, whatever the rows hold."""
    if call.over is not None and spec.kind is not FunctionKind.ANALYTIC and spec.name != "row_number":
        raise SqlSyntaxError(f"Found OVER after non analytic function {call.name.lower()}")
    text = _count_fault(call, spec) or _kind_fault(call.args, spec)
    if text is None and spec.validate is not None:
        text = spec.validate([_literal(a) for a in call.args])
    if text is not None:
        raise SqlSyntaxError(f"validate function {call.name.lower()} error: {text}")


def _count_fault(call: tree.Call, spec: FunctionSpec) -> str | None:
    given, most = len(call.args), len(spec.args)
    least = most - spec.optional
    if least <= given and (spec.variadic or given <= most):
        return None
    if spec.count_error is not None:
        return spec.count_error.replace("{given}", str(given))
    if spec.variadic:
        return f"At least has {least} argument but found {given}."
    wanted = str(most) if least == most else f"{least}/{most}" if most - least == 1 else f"{least}-{most}"
    return f"Expect {wanted} arguments but found {given}."


def _kind_fault(args: Sequence[tree.Expr], spec: FunctionSpec) -> str | None:
    for i, arg in enumerate(args):
        declared: Arg = spec.args[min(i, len(spec.args) - 1)]
        if _refused(declared.check, arg):
            word = {
                ArgCheck.NUMBER: "number - float or int",
                ArgCheck.INT: "int",
                ArgCheck.STRING: "string",
                ArgCheck.DATETIME: "datetime",
                ArgCheck.BOOL: "bool",
            }[declared.check]
            return f"Expect {word} type for parameter {i + 1}"
    return None


def _refused(check: ArgCheck, arg: tree.Expr) -> bool:
    is_text = isinstance(arg, tree.Literal) and isinstance(arg.value, str)
    is_bool = isinstance(arg, tree.Literal) and isinstance(arg.value, bool)
    is_float = isinstance(arg, tree.Literal) and isinstance(arg.value, float)
    is_number = isinstance(arg, tree.Literal) and not is_text and not is_bool
    is_unit = isinstance(arg, tree.TimeUnit)
    is_condition = isinstance(arg, tree.Binary) and arg.op in _BOOLEAN_OPS
    match check:
        case ArgCheck.NUMBER:
            return is_text or is_unit or is_bool or is_condition
        case ArgCheck.INT:
            return is_text or is_unit or is_bool or is_float or is_condition
        case ArgCheck.STRING:
            return is_number or is_unit or is_bool
        case ArgCheck.DATETIME:
            return is_number or is_text or is_bool
        case ArgCheck.BOOL:
            return is_number or is_text or is_unit
        case ArgCheck.ANY:
            return False


def _literal(arg: tree.Expr) -> Literal:
    return Literal(True, arg.value) if isinstance(arg, tree.Literal) else Literal(False)


_distinct: dict[str, FunctionSpec] = {}


def distinct(spec: FunctionSpec) -> FunctionSpec:
    """An aggregate over each value once: nulls are left out, values of different kinds differ."""
    found = _distinct.get(spec.name)
    if found is None:

        def call(values: Sequence[Any], *others: Any) -> Any:
            return spec.call(_once(values), *others)

        found = _distinct[spec.name] = replace(spec, call=call, incremental=None)
    return found


def _once(values: Sequence[Any]) -> list[Any]:
    seen: set[Any] = set()
    kept: list[Any] = []
    for value in values:
        key = (type(value).__name__, general_text(value))
        if value is not None and key not in seen:
            seen.add(key)
            kept.append(value)
    return kept
