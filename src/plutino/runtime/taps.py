"""Who only looks on: the output of a rule as messages (``spi.Tap``)."""

from __future__ import annotations

from typing import Any

from plutino.model import Batch


def messages_of(out: Batch, with_errors: bool) -> list[Any]:
    """Every message of an output in order: a dict for each row, a list of dicts for each window; ``{"error": text}`` for what failed."""
    rows: list[Any] = out.dicts()
    found: list[Any] = []
    errors = iter(out.errors or () if with_errors else ())
    error = next(errors, None)
    start = 0
    for size in out.sizes if out.sizes is not None else [1] * len(rows):
        while error is not None and error.at <= start:
            found.append({"error": error.text})
            error = next(errors, None)
        found.append(rows[start] if out.sizes is None else rows[start : start + size])
        start += size
    while error is not None:
        found.append({"error": error.text})
        error = next(errors, None)
    return found
