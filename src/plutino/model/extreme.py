"""The largest and the smallest of a list of values (sql reference §6.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plutino.errors import EvaluationError
from plutino.model.number import truncate
from plutino.model.text import describe

_NAMES = {int: "int64", float: "float64", str: "string"}


def extreme(values: Sequence[Any], largest: bool) -> Any:
    """The largest (or smallest) value; nulls are skipped, null when nothing else is there.

    The first value decides the kind: among integers later floats are cut to integers, anything else of another kind is an EvaluationError.
    """
    present = [v for v in values if v is not None]
    if not present:
        return None
    kind = type(present[0])
    if kind not in _NAMES:
        raise EvaluationError(f"found invalid arg {describe(present[0])}")
    if kind is int:
        present = [truncate(v) if type(v) is float else v for v in present]
    for value in present:
        if type(value) is not kind:
            raise EvaluationError(f"requires {_NAMES[kind]} but found {describe(value)}")
    return max(present) if largest else min(present)
