"""How a row's failure travels inside a program, and what sends a batch from the fast to the exact tier."""

from __future__ import annotations

from typing import Any

from plutino.errors import EvaluationError
from plutino.model.value import describe, go_type_name

_NUMBERS = frozenset((int, float))
_CONTAINERS = (list, dict, bytes, tuple)


class StageError(EvaluationError):
    """A row failed in the operator ``stage``; the text is the wire text."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(message)
        self.stage = stage


FAST_FAILURES = (TypeError, AttributeError, ArithmeticError, ValueError, LookupError, EvaluationError)
"""What plain Python operators raise when a value breaks the fast tier's assumptions; the exact tier then decides."""


def refused(op: str, left: Any, right: Any) -> EvaluationError:
    """The error of an operator that is not for these operands."""
    for side in (left, right):
        if isinstance(side, _CONTAINERS):
            return EvaluationError(f"{op} is an invalid operation for {go_type_name(side)}")
    if {type(left), type(right)} == _NUMBERS:
        left, right = float(left), float(right)
    return EvaluationError(f"invalid operation {describe(left)} {op} {describe(right)}")
