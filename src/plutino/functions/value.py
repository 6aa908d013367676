"""Values of any kind: whether they are there, how many they hold (sql reference §6.9)."""

from __future__ import annotations

import uuid
from typing import Any

from plutino.spi import Arg, FunctionSpec, Nulls

_X = (Arg("value"),)


def _coalesce(*values: Any) -> Any:
    return next((v for v in values if v is not None), None)


def _cardinality(value: Any) -> int:
    return len(value) if type(value) is list else 0


SPECS = (
    FunctionSpec(
        "isnull",
        lambda value: value is None,
        "Whether a value is null or its column is missing; empty lists and maps are not null",
        _X,
        returns="boolean",
        examples=(("isnull(null)", True), ("isnull('')", False)),
    ),
    FunctionSpec(
        "coalesce",
        _coalesce,
        "The first argument that is not null",
        _X,
        variadic=True,
        examples=(("coalesce(null, 2, 3)", 2),),
    ),
    FunctionSpec(
        "cardinality",
        _cardinality,
        "Number of elements of a list; 0 for anything else",
        _X,
        returns="bigint",
        nulls=Nulls.ZERO,
        examples=(("cardinality(array_create(1, 2))", 2), ("cardinality('x')", 0)),
    ),
    FunctionSpec("newuuid", lambda: str(uuid.uuid1()), "A new UUID, made of time and machine (version 1)", returns="string", pure=False),
    FunctionSpec("bypass", lambda value: value, "The argument itself", _X, examples=(("bypass('x')", "x"),)),
)
