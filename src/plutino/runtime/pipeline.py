"""One rule as the engine keeps it: its deployment, its state, and its run while it has one."""

from __future__ import annotations

from typing import Any

from plutino.runtime.deadlines import Timer
from plutino.runtime.run import Run
from plutino.runtime.schedule import Schedule
from plutino.runtime.states import ACTIVE, MOVES, State
from plutino.runtime.status import metrics, summary
from plutino.spi import Deployment, Tap


class Pipeline:
    """A rule. ``wanted`` is what its user asked for last; ``run`` is kept after a stop, for its numbers.

    ``deployment`` is None for a rule that could not be prepared, whose ``message`` then says why.
    """

    __slots__ = (
        "attempts",
        "deployment",
        "listeners",
        "message",
        "rule",
        "run",
        "schedule",
        "started_at",
        "state",
        "stopped_at",
        "timer",
        "wanted",
    )

    def __init__(self, rule: str, deployment: Deployment | None, schedule: Schedule | None) -> None:
        self.rule = rule
        self.deployment = deployment
        self.schedule = schedule
        self.state = State.STOPPED
        self.message = ""
        self.run: Run | None = None
        self.started_at = 0
        self.stopped_at = 0
        self.wanted = False
        self.attempts = 0
        self.listeners: tuple[Tap, ...] = ()
        self.timer: Timer | None = None
        """For the schedule, or for the next attempt after a failure."""

    @property
    def active(self) -> bool:
        """Whether it owns feeds and sinks."""
        return self.state in ACTIVE

    def move(self, state: State, message: str | None = None) -> None:
        """Go to another state; RuntimeError for a move that the table does not have."""
        if state not in MOVES[self.state]:
            legal = ", ".join(sorted(other.name for other in MOVES[self.state]))
            raise RuntimeError(f"rule {self.rule}: {self.state.name} to {state.name}; {legal} is legal")
        self.state = state
        if message is not None:
            self.message = message

    def status(self, now: int) -> dict[str, Any]:
        """The status on the wire (rest reference §3.4)."""
        found: dict[str, Any] = {
            "status": self.state.value,
            "message": self.message,
            "lastStartTimestamp": self.started_at,
            "lastStopTimestamp": self.stopped_at,
            "nextStartTimestamp": self.schedule.next_start(now) if self.schedule is not None else 0,
        }
        if self.run is not None:
            found |= metrics(self.run.nodes())
        return found

    def summary(self) -> dict[str, Any]:
        """State and last exception."""
        found: dict[str, Any] = {"status": self.state.value}
        if self.run is not None:
            found["last_exception"], found["exceptions_total"] = summary(self.run.nodes())
        return found
