"""How long to wait before the next attempt: exponential growth with jitter, so that a thousand clients do not come back at once."""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """Delays of one series of attempts, in seconds: ``first`` ms, growing by ``factor`` up to ``limit`` ms.

    ``jitter`` is the share of a delay that ``random`` (0 ≤ x < 1) takes off, so no delay is longer than its limit.
    """

    __slots__ = ("_factor", "_first", "_jitter", "_limit", "_next", "_random")

    def __init__(
        self,
        random: Callable[[], float],
        *,
        first: float = 100,
        limit: float = 10_000,
        factor: float = 2.0,
        jitter: float = 0.2,
    ) -> None:
        self._random = random
        self._first = self._next = first
        self._limit = limit
        self._factor = factor
        self._jitter = jitter

    def delay(self) -> float:
        """Seconds to wait now; the next call gives more."""
        ms = min(self._next, self._limit)
        self._next = min(self._next * self._factor, self._limit)
        return ms * (1 - self._jitter * self._random()) / 1000

    def reset(self) -> None:
        """An attempt succeeded: start over with the first delay."""
        self._next = self._first
