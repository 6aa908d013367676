"""What leaves a program during one call."""

from __future__ import annotations

from typing import Any

from plutino.execution.failures import StageError
from plutino.model import Batch, RowError


class Output:
    """Messages made during one call: rows, the number of rows per message, and what failed in between."""

    __slots__ = ("errors", "rows", "sizes")

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.sizes: list[int] = []
        self.errors: list[RowError] = []

    def fail(self, error: StageError) -> None:
        """A message failed: an error row stands in its place."""
        self.errors.append(RowError(len(self.rows), str(error), error.stage))

    def batch(self, arrival: int) -> Batch | None:
        """The output batch, None when nothing was made."""
        if not self.sizes and not self.errors:
            return None
        return Batch(self.rows, arrival=arrival, sizes=self.sizes, errors=self.errors or None)
