"""Figures: what something costs, next to a limit that was measured in the same run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

ROUNDS = 5
"""Measurements of each side; the best counts."""


@dataclass(frozen=True)
class Figure:
    """``cost`` and ``limit`` are per item, in ``unit``; ``per`` is what an item is."""

    group: str
    name: str
    cost: float
    limit: float
    limit_is: str
    per: str = "message"
    unit: str = "µs"

    @property
    def times(self) -> float:
        """How many times the limit it is."""
        return self.cost / self.limit if self.limit else float("inf")

    @property
    def rate(self) -> float | None:
        """Items per second, None for what is no time."""
        return 1e6 / self.cost if self.unit == "µs" and self.cost else None

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "times": self.times, "rate": self.rate}


def compared(product: Callable[[], Any], limit: Callable[[], Any], count: int, rounds: int = ROUNDS) -> tuple[float, float]:
    """Microseconds per item of both, each the best of some rounds; they take turns, so that a busy machine slows both."""
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        for side, call in enumerate((product, limit)):
            best[side] = min(best[side], seconds(call))
    return best[0] / count * 1e6, best[1] / count * 1e6


def seconds(call: Callable[[], Any]) -> float:
    """How long a call takes."""
    started = perf_counter()
    call()
    return perf_counter() - started


def table(figures: Iterable[Figure]) -> list[str]:
    """The figures as lines."""
    lines = []
    group = ""
    for figure in figures:
        if figure.group != group:
            group = figure.group
            lines += ["", f"{group:46} {'per second':>12} {'cost':>14} {'limit':>10} {'times':>6}  the limit is"]
        rate = f"{figure.rate:,.0f}" if figure.rate is not None else ""
        cost = f"{_short(figure.cost)} {figure.unit}"
        lines.append(f"  {figure.name:44} {rate:>12} {cost:>14} {_short(figure.limit):>10} {_short(figure.times):>6}  {figure.limit_is}")
    return lines[1:]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"
