"""Generated source: assembled from fixed words, made into functions once per shape, readable in tracebacks.

The source holds no user text: columns are attributes of interned names, literals and names are bound as constants. Two rules that differ
only in constants have the same source and share its code objects.
"""

from __future__ import annotations

import linecache
import math
from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from plutino.errors import EvaluationError
from plutino.execution import arithmetic, kernels, paths
from plutino.execution.aggregates import Failed, group_text
from plutino.execution.failures import StageError
from plutino.execution.finishing import extracted, listed, unnested
from plutino.model import to_dict
from plutino.model.number import wrap

_shapes: dict[str, Callable[[tuple[Any, ...]], tuple[Any, ...]]] = {}

_NAMES: dict[str, Any] = {
    **dict(kernels.OPERATORS.values()),
    **{
        function.__name__: function
        for function in (
            kernels.loose,
            kernels.plain,
            kernels.shown,
            kernels.filled,
            kernels.both,
            kernels.either,
            kernels.holds,
            kernels.between,
            kernels.member,
            kernels.like,
            kernels.matches,
            kernels.same,
            paths.key,
            paths.no_key,
            paths.element,
            paths.part,
            paths.metadata,
            kernels.bail,
            kernels.first_of,
            unnested,
            extracted,
            listed,
            to_dict,
        )
    },
    **{function.__name__: function for function in arithmetic.WIDE.values()},
    "wrap": wrap,
    "group_text": group_text,
    "Failed": Failed,
    "fmod": math.fmod,
    "UNSET": UNSET,
    "EvaluationError": EvaluationError,
    "StageError": StageError,
}


class Constants:
    """The values a piece of generated code refers to, as ``k0``, ``k1`` … in order of use."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def __call__(self, value: Any) -> str:
        """The name under which generated code finds ``value``."""
        self.values.append(value)
        return f"k{len(self.values) - 1}"


def build(functions: dict[str, str], constants: Constants) -> dict[str, Callable[..., Any]]:
    """The functions whose ``def`` texts are given by name, bound to the constants.

    Equal texts are compiled once per process.
    """
    source = source_of(functions, len(constants.values))
    make = _shapes.get(source)
    if make is None:
        make = _shapes[source] = _compiled(source)
    return dict(zip(functions, make(tuple(constants.values)), strict=True))


def source_of(functions: dict[str, str], constants: int) -> str:
    """The module text that makes the functions: one factory that takes the constants."""
    names = ", ".join(f"k{i}" for i in range(constants))
    unpack = f"    ({names},) = constants\n" if constants else ""
    bodies = "".join("".join(f"    {line}\n" for line in text.splitlines()) for text in functions.values())
    return f"def make(constants):\n{unpack}{bodies}    return ({', '.join(functions)},)\n"


def _compiled(source: str) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    filename = f"<plutino rule shape {len(_shapes)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    names = dict(_NAMES)
    exec(compile(source, filename, "exec"), names)
    make: Callable[[tuple[Any, ...]], tuple[Any, ...]] = names["make"]
    return make
