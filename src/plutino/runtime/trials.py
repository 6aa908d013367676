"""Trial runs: rules that nobody stored, run for a while, and whose results go to who listens on the data server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from plutino.errors import NotFoundError, PlutinoError
from plutino.runtime.channels import Channel
from plutino.runtime.deadlines import Timer
from plutino.runtime.facilities import Facilities
from plutino.runtime.states import State
from plutino.spi import Deployment

LIFE_MS = 300_000
"""A trial ends this long after its start, or after it was prepared when it is not started."""

MOST = 64
"""Trials at a time; the oldest ends for another one."""


def trial_path(id: str) -> str:
    """Where the results of a trial are listened to."""
    return f"/test/{id}"


class Runner(Protocol):
    """The part of the engine that trials need."""

    async def deploy(self, deployment: Deployment) -> None: ...

    async def start(self, rule: str) -> None: ...

    async def remove(self, rule: str) -> None: ...

    def state(self, rule: str) -> str: ...

    def status(self, rule: str) -> dict[str, Any] | None: ...


class Trial:
    """One trial: its rule, its channel, its end."""

    __slots__ = ("channel", "leave", "rule", "timer")

    def __init__(self, rule: str, end: Callable[[], None]) -> None:
        self.rule = rule
        self.channel = Channel()
        self.timer = Timer(lambda _: end())
        self.leave: Callable[[], None] = lambda: None


class Trials:
    """Trials by id. ``rules`` are the names of their rules in the engine, which lists leave out; ``channels`` those that sinks write to."""

    __slots__ = ("_channels", "_facilities", "_runner", "_trials", "rules")

    def __init__(self, facilities: Facilities, channels: dict[str, Channel], runner: Runner) -> None:
        self._facilities = facilities
        self._channels = channels
        self._runner = runner
        self._trials: dict[str, Trial] = {}
        self.rules: set[str] = set()

    async def create(self, id: str, deployment: Deployment) -> int:
        """Serve the results of a trial, and prepare its rule; the result is the port. A trial of this id ends."""
        while len(self._trials) >= MOST and id not in self._trials:
            await self.end(next(iter(self._trials)))
        old, path = self._trials.pop(id, None), trial_path(id)
        trial = Trial(deployment.rule, lambda: self._expire(id))
        if old is not None:
            self._close(old)
        self._trials[id] = trial
        self._channels[path] = trial.channel
        trial.leave = self._facilities.ingress.stream(path, trial.channel.listen)
        self.rules.add(trial.rule)
        self._arm(trial)
        if old is not None:
            await self._remove(old)
        await self._runner.deploy(deployment)
        if self._trials.get(id) is not trial:  # it was ended, or replaced, meanwhile
            await self._remove(trial)
        return self._facilities.ingress.port

    async def start(self, id: str) -> None:
        """Run a trial; NotFoundError when there is none, PlutinoError when it cannot run."""
        trial = self._trials.get(id)
        if trial is None:
            raise NotFoundError(f"try to start test rule {id} but it is not found")
        self._arm(trial)
        await self._runner.start(trial.rule)
        if self._runner.state(trial.rule) == State.FAILED.value:
            raise PlutinoError((self._runner.status(trial.rule) or {}).get("message", ""))

    async def end(self, id: str) -> None:
        """Stop a trial and forget it; unknown ones are ignored."""
        trial = self._trials.pop(id, None)
        if trial is not None:
            self._close(trial)
            self._channels.pop(trial_path(id), None)
            await self._remove(trial)

    def close(self) -> None:
        """Nobody listens any more; the rules end with the engine."""
        for trial in self._trials.values():
            self._close(trial)

    # -- inside

    def _arm(self, trial: Trial) -> None:
        self._facilities.deadlines.arm(trial.timer, self._facilities.clock.now_ms() + LIFE_MS)

    def _expire(self, id: str) -> None:
        self._facilities.spawn(self.end(id))

    def _close(self, trial: Trial) -> None:
        self._facilities.deadlines.arm(trial.timer, None)
        trial.leave()
        trial.channel.close()

    async def _remove(self, trial: Trial) -> None:
        await self._runner.remove(trial.rule)
        self.rules.discard(trial.rule)
