"""What specs say of types at run time is true: advice on statements is built on it."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from plutino.errors import EvaluationError
from plutino.planner.value_types import accepted
from plutino.spi import FunctionKind, FunctionSpec
from plutino.spi.discovery import scan

SPECS = {spec.name: spec for spec in scan("plutino.functions", FunctionSpec)}
BY_NAME = {name: spec for spec in SPECS.values() for name in (spec.name, *spec.synonyms)}
TEXTS = ("", "a", "1", "1.5", "-1", "0x1f", "true", "2024-01-01", "2024-01-01T00:00:00Z", "1h", "{}", '{"a":1}', "$.a", "UTC", "md5")
SAMPLES: dict[str, tuple[Any, ...]] = {
    "bigint": (0, 1, -1, 5, 1700000000000),
    "float": (2.5, 0.0, -1.0),
    "string": TEXTS,
    "boolean": (True, False),
    "array": ([1], ["a"], [[1]], [{"key": "a", "value": 1}], [["a", 1]], [1, 2.5]),
    "struct": ({"a": 1}, {"a": "x", "b": [1]}),
}
CLASSES = {"bigint": int, "float": float, "string": str, "boolean": bool, "array": list, "struct": dict}


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.Name(id=name):
            return {"null": None, "true": True, "false": False}[name]
        case ast.Call(func=ast.Name(id=name), args=args):
            return BY_NAME[name].call(*map(_value, args))
    raise AssertionError(ast.dump(node))


def _calls(spec: FunctionSpec) -> list[list[Any]]:
    """Arguments that the examples of a function are called with."""
    found = [(text, None) for text, _ in spec.examples] + [(text, values) for text, values, _ in spec.over_rows]
    calls: list[list[Any]] = []
    for text, values in found:
        node = ast.parse(text.replace("*", "x"), mode="eval").body
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and BY_NAME[node.func.id] is spec:
            first = [] if values is None else [list(values)]
            calls.append([*first, *map(_value, node.args[len(first) :])])
    return calls


CHECKED = [
    pytest.param(spec, position, id=f"{spec.name}-{arg.name}")
    for spec in SPECS.values()
    for position, arg in enumerate(spec.args)
    if spec.kind in (FunctionKind.SCALAR, FunctionKind.AGGREGATE) and accepted(spec, position)
]


@pytest.mark.parametrize(("spec", "position"), CHECKED)
def test_a_value_of_another_type_is_always_refused(spec: FunctionSpec, position: int) -> None:
    """Whatever the value is, so that a column of such a type can be advised against."""
    aggregate = spec.kind is FunctionKind.AGGREGATE and position == 0
    calls = [args for args in _calls(spec) if position < len(args)]
    for kind in SAMPLES.keys() - set(accepted(spec, position)):
        for args in calls:
            for sample in SAMPLES[kind]:
                changed = [*args[:position], [sample] if aggregate else sample, *args[position + 1 :]]
                with pytest.raises(EvaluationError):
                    spec.call(*changed)


@pytest.mark.parametrize("spec", [pytest.param(spec, id=name) for name, spec in SPECS.items()])
def test_examples_give_the_type_that_is_told(spec: FunctionSpec) -> None:
    """A function that names the type of its result gives such values, or null."""
    wanted = CLASSES.get(spec.returns)
    results = [value for text, value in spec.examples if BY_NAME[text.partition("(")[0]] is spec]
    for _, _, given in spec.over_rows:
        results += given if spec.kind is not FunctionKind.AGGREGATE else [given]
    if wanted is not None and spec.kind not in (FunctionKind.MULTI_ROW, FunctionKind.MULTI_COLUMN):
        assert all(value is None or type(value) is wanted for value in results)
