"""How a row's failure travels inside a program, and what sends a batch from the fast to the exact tier."""

from __future__ import annotations

from plutino.errors import EvaluationError


class StageError(EvaluationError):
    """A row failed in the operator ``stage``; the text is the wire text."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(message)
        self.stage = stage


FAST_FAILURES = (TypeError, AttributeError, ArithmeticError, ValueError, LookupError, EvaluationError)
"""What plain Python operators raise when a value breaks the fast tier's assumptions; the exact tier then decides."""
