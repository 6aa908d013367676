"""What the engine was given to work with, in one place for feeds, outlets and connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from plutino.runtime.acks import Flow
from plutino.runtime.backoff import Backoff
from plutino.runtime.deadlines import Deadlines
from plutino.runtime.errorlog import ErrorLog
from plutino.runtime.references import References
from plutino.runtime.traces import Traces
from plutino.spi import Clock, HttpIngress, Registry, StateStore
from plutino.spi.bus import Bus


class Log(Protocol):
    """The part of a structured logger that the engine uses."""

    def info(self, event: str, **fields: Any) -> Any: ...

    def warning(self, event: str, **fields: Any) -> Any: ...

    def error(self, event: str, **fields: Any) -> Any: ...


class Silence:
    """A log that keeps nothing."""

    def info(self, event: str, **fields: Any) -> None:
        """Nothing."""

    def warning(self, event: str, **fields: Any) -> None:
        """Nothing."""

    def error(self, event: str, **fields: Any) -> None:
        """Nothing."""


@dataclass(slots=True)
class Facilities:
    """Outside (registry, clock, data server, state, files, memory topics, log, randomness) and what the engine shares inside."""

    registry: Registry
    clock: Clock
    ingress: HttpIngress
    state: StateStore
    data_dir: str
    allow_file: Callable[[str], str]
    allow_host: Callable[[str], None]
    bus: Bus
    log: Log
    random: Callable[[], float]
    deadlines: Deadlines
    allow_variable: Callable[[str], None] = lambda _: None
    errors: ErrorLog = field(default_factory=ErrorLog)
    flow: Flow = field(default_factory=Flow)
    traces: Traces = field(default_factory=Traces)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    references: References = field(init=False)

    def __post_init__(self) -> None:
        self.references = References(self.registry, self.allow_file, self.allow_variable)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine as a task that is kept until it ends."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def backoff(self) -> Backoff:
        """Delays for reconnecting: 100 ms doubling to 10 s."""
        return Backoff(self.random)


async def settle(waiting: Awaitable[Any]) -> None:
    """Wait for a task that was told to end, whatever it ends with."""
    await asyncio.gather(waiting, return_exceptions=True)
