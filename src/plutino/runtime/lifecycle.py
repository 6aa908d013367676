"""The life of each rule: start, swap, stop, schedule, failure and what comes after it."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator, Callable
from time import perf_counter

from plutino.errors import PlutinoError
from plutino.model.moment import local_zone
from plutino.runtime.acks import Receipt
from plutino.runtime.assembly import Assembler, interned, loose_columns
from plutino.runtime.backoff import Backoff
from plutino.runtime.checkpoints import load
from plutino.runtime.deadlines import Timer
from plutino.runtime.errorlog import mask_text
from plutino.runtime.facilities import Facilities
from plutino.runtime.feed import Feed
from plutino.runtime.feeds import Feeds
from plutino.runtime.pipeline import Pipeline
from plutino.runtime.plugins.beside import Beside, hand_over
from plutino.runtime.run import Run
from plutino.runtime.schedule import schedule_of
from plutino.runtime.states import CANCELED, DONE, DURATION_ENDED, SCHEDULE_ENDED, UPDATED, State
from plutino.spi import Deployment

PATIENCE_SECONDS = 2.0
"""How long a stopping rule waits for lookup tables."""

SLICE_SECONDS = 0.005
"""Work on many rules lets running rules go on after this time."""


class Turn:
    """Whose turn it is on one rule, and how many wait or work."""

    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class Lifecycle:
    """Moves pipelines between their states. Every method that changes one is called inside ``alone`` for its rule.

    Implements ``run.Keeper``. ``on_finished(rule)`` is called when a rule ended by itself, as all its sources did.
    """

    __slots__ = ("_assembler", "_changing", "_facilities", "_feeds", "_on_finished", "_owners", "_slice", "_starting", "_turns", "closed")

    def __init__(self, facilities: Facilities, feeds: Feeds, assembler: Assembler, on_finished: Callable[[str], None]) -> None:
        self._facilities = facilities
        self._feeds = feeds
        self._assembler = assembler
        self._on_finished = on_finished
        self._owners: dict[Run, Pipeline] = {}
        self._turns: dict[str, Turn] = {}
        self._starting: list[Pipeline] = []
        self._changing = 0
        self._slice = 0.0
        self.closed = False

    # -- changesets

    def hold(self) -> None:
        """Feeds wait with opening and closing until ``settle``."""
        self._changing += 1

    async def settle(self) -> None:
        """A changeset is applied."""
        self._changing -= 1
        await self._settle_feeds()

    @contextlib.asynccontextmanager
    async def alone(self, rule: str) -> AsyncIterator[None]:
        """Operations on one rule wait for each other; a long series of operations lets running rules go on."""
        turn = self._turns.get(rule)
        if turn is None:
            turn = self._turns[rule] = Turn()
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[rule]
        if perf_counter() - self._slice > SLICE_SECONDS:
            await asyncio.sleep(0)
            self._slice = perf_counter()

    # -- operations on one rule

    async def deploy(self, pipeline: Pipeline, deployment: Deployment) -> None:
        """Create a rule, or swap a running one; what makes that impossible shows in its status."""
        old = pipeline.deployment
        if old is not None and old.options.qos > 0 and deployment.options.qos == 0:
            await self._facilities.state.drop(deployment.rule)
        pipeline.wanted = deployment.triggered
        pipeline.attempts = 0
        try:
            pipeline.schedule = schedule_of(deployment.options, local_zone())
        except PlutinoError as error:
            await self.refuse(pipeline, deployment, error)
            return
        if not deployment.triggered:
            await self.halt(pipeline, UPDATED)
            if pipeline.deployment is None and pipeline.state is State.FAILED:
                pipeline.move(State.STOPPED, "")
            pipeline.deployment = deployment
        elif pipeline.state is State.RUNNING and pipeline.run is not None:
            await self._swap(pipeline, deployment, pipeline.run)
        else:
            pipeline.deployment = deployment
            await self.begin(pipeline)

    async def begin(self, pipeline: Pipeline) -> None:
        """Start, unless the schedule says later; a running rule is stopped first."""
        if pipeline.active:
            await self.halt(pipeline, CANCELED, sweep=False)
        if pipeline.deployment is None:
            return
        now = self._facilities.clock.now_ms()
        schedule = pipeline.schedule
        if schedule is not None and schedule.windowed:
            verdict = schedule.verdict(now)
            self._arm(pipeline, verdict.again)
            if not verdict.run:
                if pipeline.state is not State.WAITING:
                    pipeline.move(State.WAITING, "")
                return
        elif schedule is not None:
            self._arm(pipeline, now + schedule.duration)
        await self._launch(pipeline, pipeline.deployment)

    async def _launch(self, pipeline: Pipeline, deployment: Deployment) -> None:
        pipeline.move(State.STARTING, "")
        run: Run | None = None
        try:
            state, positions = await load(deployment.rule, deployment.shape, self._facilities) if deployment.options.qos > 0 else (b"", {})
            run = await self._assembler.assemble(deployment, self)
            feeds = self._assembler.feeds(deployment, positions)
            now = self._facilities.clock.now_ms()
            run.program.start(now)
            if state:
                run.program.restore(state)
            places = [run.place(feed) for feed in feeds]
        except Exception as error:  # supervisor: what one rule's parts raise stays with that rule
            if run is not None:
                await self._clean(run)
            self._cannot_start(pipeline, error)
            return
        pipeline.run = run
        pipeline.deployment = interned(deployment, feeds, run.outlets)
        pipeline.started_at = now
        self._owners[run] = pipeline
        for place in places:
            place.feed.attach(place)
        self._run_on(run)
        self._starting.append(pipeline)
        await self._settle_feeds()

    async def _swap(self, pipeline: Pipeline, deployment: Deployment, old: Run) -> None:
        """Put a new version in the place of a running one, between two batches."""
        run: Run | None = None
        try:
            run = await self._assembler.assemble(deployment, self, old)
            feeds = self._assembler.feeds(deployment, {}, old)
            if not old.dead:
                self._exchange(pipeline, deployment, old, run, feeds)
        except Exception as error:  # supervisor: as above; the old version must not go on under a new definition
            await self._close_new(run, old)
            await self.refuse(pipeline, deployment, error)
            return
        if old.dead and pipeline.run is old:  # it failed or ended while the new one was prepared
            await self._close_new(run, old)
            pipeline.deployment = deployment
            await self.begin(pipeline)
            return
        # rows of the old version that could not go over into the new one still get their answers
        await old.answered(PATIENCE_SECONDS)
        old.let_go(release=True)
        for outlet in old.outlets:
            if outlet not in run.outlets:
                await outlet.close(release=True)
        old.outlets = []
        await self._settle_feeds()

    async def _close_new(self, run: Run | None, old: Run) -> None:
        """Close what was opened for a version that does not come about."""
        if run is not None:
            run.let_go(release=True)
            for outlet in run.outlets:
                if outlet not in old.outlets:
                    await outlet.close(release=True)

    def _exchange(self, pipeline: Pipeline, deployment: Deployment, old: Run, run: Run, feeds: list[Feed]) -> None:
        """The part of a swap that no batch can come between."""
        now = self._facilities.clock.now_ms()
        run.program.start(now)
        fresh = [run.place(feed) for feed in feeds]
        previous = pipeline.deployment
        if previous is not None and previous.shape == deployment.shape and old.stateful and run.stateful:
            if isinstance(run.program, Beside) or isinstance(old.program, Beside):
                hand_over(old.program, run.program, run.begin)
            else:
                run.program.restore(old.program.snapshot())
                if run.pending is not None and old.pending is not None:
                    run.pending.inherit(old.pending)
                    old.let_go(release=False)
            if run.checkpoints is not None and old.checkpoints is not None:
                run.checkpoints.inherit(old.checkpoints)
        for place in old.places:
            place.feed.detach(place)
            if place.feed not in feeds:
                self._feeds.left(place.feed)
        old.retire()
        loose = loose_columns(run, run.outlets)
        for outlet in run.outlets:
            if outlet in old.outlets:
                outlet.adopt(run, loose)
        for place in fresh:
            place.feed.attach(place)
        self._owners.pop(old, None)
        self._owners[run] = pipeline
        pipeline.run = run
        pipeline.deployment = interned(deployment, feeds, run.outlets)
        pipeline.started_at = now
        pipeline.message = ""
        self._run_on(run)
        schedule = pipeline.schedule
        if schedule is None:
            self._arm(pipeline, None)
        else:
            self._arm(pipeline, schedule.verdict(now).again if schedule.windowed else now + schedule.duration)

    def listen(self, pipeline: Pipeline) -> None:
        """Let exactly the listeners of a pipeline see what leaves its run."""
        if pipeline.run is not None:
            pipeline.run.show_to(pipeline.listeners)

    def _run_on(self, run: Run) -> None:
        pipeline = self._owners[run]
        if pipeline.listeners:
            self.listen(pipeline)
        run.begin()
        if run.checkpoints is not None:
            run.checkpoints.begin()

    async def halt(self, pipeline: Pipeline, message: str, state: State = State.STOPPED, *, sweep: bool = True) -> None:
        """Stop an active rule, or one that waits for its schedule or its next attempt."""
        self._arm(pipeline, None)
        if not pipeline.active:
            if pipeline.state is State.WAITING or (pipeline.state is State.FAILED and pipeline.deployment is not None):
                pipeline.move(State.STOPPED, message)
            return
        run = pipeline.run
        pipeline.move(State.STOPPING)
        if pipeline in self._starting:
            self._starting.remove(pipeline)
        if run is not None:
            await self._end(run)
        if pipeline.state is State.STOPPING:
            pipeline.move(state, message)
        pipeline.stopped_at = self._facilities.clock.now_ms()
        if sweep and not self._changing:
            await self._feeds.sweep()

    async def _end(self, run: Run) -> None:
        """Take a run off its feeds, save its state, close its sinks."""
        alone = all(len(place.feed.places) <= 1 for place in run.places)
        run.end()
        for place in run.places:
            self._feeds.left(place.feed)
        await run.answered(PATIENCE_SECONDS)
        if run.checkpoints is not None:
            await run.checkpoints.end()
        run.let_go(release=not alone)
        for outlet in run.outlets:
            await outlet.close(release=not alone)
        self._owners.pop(run, None)

    async def refuse(self, pipeline: Pipeline, deployment: Deployment, error: BaseException) -> None:
        """Stop what runs, and show why the new version cannot."""
        await self.halt(pipeline, UPDATED)
        pipeline.deployment = deployment
        self._cannot_start(pipeline, error)

    def _cannot_start(self, pipeline: Pipeline, error: BaseException) -> None:
        text = str(error) if isinstance(error, PlutinoError) else f"internal error: {type(error).__name__}: {mask_text(str(error))[:200]}"
        if not isinstance(error, PlutinoError):
            frames = "".join(traceback.format_tb(error.__traceback__))
            self._facilities.log.error("rule cannot start", rule=pipeline.rule, error=text, traceback=frames)
        if pipeline.state is not State.FAILED:
            pipeline.move(State.FAILED, text)
        pipeline.message = text
        pipeline.stopped_at = self._facilities.clock.now_ms()
        self._plan_retry(pipeline)

    # -- what runs report (run.Keeper)

    def run_finished(self, run: Run) -> None:
        """All sources of a run ended: it stops when its sinks have everything."""
        self._facilities.spawn(self._finish(run))

    def run_failed(self, run: Run, error: BaseException) -> None:
        """Stop a run because of an error; the others go on."""
        pipeline = self._owners.get(run)
        run.end()
        if pipeline is None or pipeline.run is not run:
            return
        if isinstance(error, PlutinoError):
            text = str(error)
            self._facilities.log.warning("rule stopped by error", rule=run.rule, error=mask_text(text))
        else:
            text = f"internal error: {type(error).__name__}: {mask_text(str(error))[:200]}"
            # the frames only: the values in them are payloads
            frames = "".join(traceback.format_tb(error.__traceback__))
            self._facilities.log.error("rule stopped by a defect", rule=run.rule, error=text, traceback=frames)
        now = self._facilities.clock.now_ms()
        self._facilities.errors.add(run.rule, now, "rule", text)
        pipeline.move(State.FAILED, text)
        pipeline.stopped_at = now
        self._facilities.spawn(self._clean(run))
        if pipeline.deployment is not None and now - pipeline.started_at > pipeline.deployment.options.restart.max_delay:
            pipeline.attempts = 0  # it ran well for a while
        self._plan_retry(pipeline)

    # -- inside

    async def _settle_feeds(self) -> None:
        """Outside of a changeset: open what is read, close what is not, and call started rules running."""
        if self._changing:
            return
        self._feeds.open()
        starting, self._starting = self._starting, []
        for pipeline in starting:
            if pipeline.state is State.STARTING:
                pipeline.move(State.RUNNING)
        await self._feeds.sweep()

    async def _finish(self, run: Run) -> None:
        await run.answered(None)
        for outlet in run.outlets:
            outlet.flush()
        await self._drained(run)
        pipeline = self._owners.get(run)
        if pipeline is None:
            return
        async with self.alone(pipeline.rule):
            if pipeline.run is not run or not pipeline.active:
                return
            pipeline.wanted = False
            await self.halt(pipeline, DONE)
        self._on_finished(pipeline.rule)

    async def _drained(self, run: Run) -> None:
        """Wait until the sinks of a run have everything."""
        done = asyncio.Event()
        barrier = Receipt(done.set, inside=True)
        for outlet in run.outlets:
            outlet.when_sent(barrier)
        barrier.release()
        await done.wait()

    async def _clean(self, run: Run) -> None:
        """Close what a failed run had open."""
        run.end()
        run.let_go(release=True)
        for outlet in run.outlets:
            await outlet.close(release=True)
        for place in run.places:
            self._feeds.left(place.feed)
        self._owners.pop(run, None)
        if not self._changing:
            await self._feeds.sweep()

    # -- schedules and attempts

    def _arm(self, pipeline: Pipeline, due: int | None) -> None:
        if pipeline.timer is None:
            if due is None:
                return
            pipeline.timer = Timer(lambda _: self._on_timer(pipeline))
        self._facilities.deadlines.arm(pipeline.timer, due)

    def _on_timer(self, pipeline: Pipeline) -> None:
        self._facilities.spawn(self._follow(pipeline))

    async def _follow(self, pipeline: Pipeline) -> None:
        """A window of the schedule begins or ends, or a failed rule gets its next attempt."""
        async with self.alone(pipeline.rule):
            if not pipeline.wanted or self.closed:
                return
            if pipeline.state is State.FAILED:
                await self.begin(pipeline)
                return
            schedule = pipeline.schedule
            if schedule is None:
                return
            if not schedule.windowed:
                if pipeline.active:
                    await self.halt(pipeline, DURATION_ENDED)
                return
            verdict = schedule.verdict(self._facilities.clock.now_ms())
            if verdict.run and not pipeline.active:
                await self.begin(pipeline)
                return
            if not verdict.run and pipeline.active:
                await self.halt(pipeline, SCHEDULE_ENDED, State.WAITING)
            self._arm(pipeline, verdict.again)

    def _plan_retry(self, pipeline: Pipeline) -> None:
        """Start a failed rule again after a delay, as often as its restart strategy says."""
        deployment = pipeline.deployment
        if deployment is None or not pipeline.wanted or self.closed:
            return
        strategy = deployment.options.restart
        if pipeline.attempts >= strategy.attempts:
            return
        backoff = Backoff(
            self._facilities.random,
            first=strategy.delay,
            limit=max(strategy.delay, strategy.max_delay),
            factor=max(1.0, strategy.multiplier),
            jitter=min(max(strategy.jitter_factor, 0.0), 1.0),
        )
        for _ in range(pipeline.attempts):
            backoff.delay()
        pipeline.attempts += 1
        self._arm(pipeline, self._facilities.clock.now_ms() + int(backoff.delay() * 1000))
