"""States of a rule, and which moves between them are legal."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """What a rule does; the value is the text on the wire (rest reference §3.3)."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    WAITING = "stopped: waiting for next schedule."
    FAILED = "stopped by error"


MOVES: dict[State, frozenset[State]] = {
    State.STOPPED: frozenset({State.STARTING, State.WAITING, State.FAILED}),
    State.WAITING: frozenset({State.STARTING, State.STOPPED, State.FAILED}),
    State.FAILED: frozenset({State.STARTING, State.WAITING, State.STOPPED}),
    State.STARTING: frozenset({State.RUNNING, State.STOPPING, State.FAILED}),
    State.RUNNING: frozenset({State.STOPPING, State.FAILED}),
    State.STOPPING: frozenset({State.STOPPED, State.WAITING, State.FAILED}),
}
"""Every legal move; anything else is a defect of the engine."""

ACTIVE = frozenset({State.STARTING, State.RUNNING, State.STOPPING})
"""States in which a rule owns feeds and sinks."""

CANCELED = "canceled manually"
UPDATED = "stopped by update"
DONE = "done"
SCHEDULE_ENDED = "schedule terminated"
DURATION_ENDED = "duration terminated"
