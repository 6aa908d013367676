"""Every example of a function's spec is true."""

from __future__ import annotations

import ast
import math
from datetime import datetime
from typing import Any

import pytest

from plutino.model.moment import json_moment
from plutino.spi import FunctionKind, FunctionSpec, Nulls
from plutino.spi.discovery import scan
from plutino.spi.function import Literal

SPECS = {spec.name: spec for spec in scan("plutino.functions", FunctionSpec)}
BY_NAME = {name: spec for spec in SPECS.values() for name in (spec.name, *spec.synonyms)}
INSTEAD = {Nulls.NULL: None, Nulls.FALSE: False, Nulls.ZERO: 0}
EXAMPLES = [(text, expected) for spec in SPECS.values() for text, expected in spec.examples]


def evaluate(node: ast.expr) -> Any:
    """The value of literals and nested calls: SQL spells those as Python does, but for null, true and false."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -evaluate(operand)
        case ast.Name(id=name):
            return {"null": None, "true": True, "false": False}[name]
        case ast.Call(func=ast.Name(id=name), args=args):
            return call(BY_NAME[name], args)
    raise AssertionError(f"an example may hold literals and calls only, not {ast.dump(node)}")


def call(spec: FunctionSpec, nodes: list[ast.expr]) -> Any:
    """Call a function as the engine does, after its parse-time check."""
    assert len(spec.args) - spec.optional <= len(nodes)
    assert spec.variadic or len(nodes) <= len(spec.args)
    args = [evaluate(node) for node in nodes]
    if spec.validate is not None:
        known = [not isinstance(node, ast.Call) for node in nodes]
        assert spec.validate([Literal(k, a if k else None) for k, a in zip(known, args, strict=True)]) is None
    if spec.nulls in INSTEAD and any(a is None or a == [] or a == {} for a in args):
        return INSTEAD[spec.nulls]
    return spec.call(*args)


@pytest.mark.parametrize(("text", "expected"), EXAMPLES, ids=[text for text, _ in EXAMPLES])
def test_example(text: str, expected: Any) -> None:
    """An example gives what the docs say, in value and in kind."""
    got = evaluate(ast.parse(text, mode="eval").body)
    if isinstance(got, datetime):
        got = json_moment(got)
    assert type(got) is type(expected)
    if isinstance(expected, float):
        assert math.isclose(got, expected, rel_tol=1e-12)
    else:
        assert got == expected


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_spec_is_complete(spec: FunctionSpec) -> None:
    """Every function says what it does, names its arguments, and scalar functions that give the same each time show an example."""
    assert spec.about
    assert all(arg.name for arg in spec.args)
    assert 0 <= spec.optional <= len(spec.args)
    if spec.kind is FunctionKind.SCALAR and spec.pure:
        assert spec.examples


def test_no_name_hides_another() -> None:
    """Names and synonyms are all different."""
    names = [name for spec in SPECS.values() for name in (spec.name, *spec.synonyms)]
    assert len(names) == len(set(names))
