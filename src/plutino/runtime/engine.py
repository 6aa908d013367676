"""The engine: everything that runs, behind the door that the control path knows (``spi.Host``)."""

from __future__ import annotations

import asyncio
import dataclasses
import random as random_module
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from plutino.errors import NotFoundError
from plutino.runtime.assembly import Assembler, sink_reference
from plutino.runtime.channels import Channel, with_channels
from plutino.runtime.connections import ConnectionPool
from plutino.runtime.contexts import no_connection, source_context
from plutino.runtime.deadlines import Deadlines
from plutino.runtime.discretion import Discretion
from plutino.runtime.errorlog import ErrorEntry
from plutino.runtime.facilities import Facilities, Log, Silence
from plutino.runtime.feeds import Feeds, source_reference
from plutino.runtime.lifecycle import Lifecycle
from plutino.runtime.lookups import Lookups
from plutino.runtime.ping import ping
from plutino.runtime.pipeline import Pipeline
from plutino.runtime.plugins.connectors import Components
from plutino.runtime.plugins.host import Plugins
from plutino.runtime.states import CANCELED, UPDATED, State
from plutino.runtime.trace_export import TraceExport
from plutino.runtime.trials import Trials
from plutino.spi import Clock, Deployment, HttpIngress, LookupRequest, Registry, Scanning, SourceContext, StateStore, Tap
from plutino.spi.bus import Bus
from plutino.spi.plugin import PluginPackage, PluginSettings, PluginStatus

PLUGIN_SETTINGS = PluginSettings()


class Engine:
    """Runs deployed rules. Implements ``spi.Host``; operations on one rule never overlap.

    ``on_finished(rule)`` is called when a rule ended by itself, as all its sources did. ``random`` (0 ≤ x < 1) spreads reconnects.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        clock: Clock,
        ingress: HttpIngress,
        state: StateStore,
        data_dir: str,
        allow_file: Callable[[str], str],
        allow_host: Callable[[str], None],
        allow_variable: Callable[[str], None] = lambda _: None,
        bus: Bus | None = None,
        log: Log | None = None,
        on_finished: Callable[[str], None] = lambda _: None,
        random: Callable[[], float] = random_module.random,
        plugins: PluginSettings = PLUGIN_SETTINGS,
    ) -> None:
        channels: dict[str, Channel] = {}
        known = with_channels(registry, channels)
        components = Components(known.connectors)
        self._facilities = Facilities(
            dataclasses.replace(known, connectors=components),
            clock,
            ingress,
            state,
            data_dir,
            allow_file,
            allow_host,
            bus or Bus(),
            log or Silence(),
            random,
            Deadlines(clock),
            allow_variable,
        )
        self._pool = ConnectionPool(self._facilities, self._connection_context)
        self._feeds = Feeds(self._facilities, self._pool)
        self._lookups = Lookups(self._facilities, self._pool)
        self.plugins = Plugins(self._facilities, plugins, components)
        assembler = Assembler(self._facilities, self._feeds, self._lookups, self._pool, self.plugins)
        self._life = Lifecycle(self._facilities, self._feeds, assembler, self._finished)
        self._on_finished = on_finished
        self._trials = Trials(self._facilities, channels, self)
        self._export = TraceExport(self._facilities)
        self._pipelines: dict[str, Pipeline] = {}
        self._discretion = Discretion(self._facilities)

    # -- changes

    def begin(self) -> None:
        """A changeset starts: feeds wait with opening, and with closing, until ``finish``."""
        self._life.hold()

    async def finish(self) -> None:
        """The changeset is applied: open feeds that are read, close those that are not."""
        await self._life.settle()

    async def deploy(self, deployment: Deployment) -> None:
        """Create a rule, or swap a running one between two batches."""
        async with self._life.alone(deployment.rule):
            pipeline = self._pipelines.get(deployment.rule)
            if pipeline is None:
                pipeline = self._pipelines[deployment.rule] = Pipeline(deployment.rule, None, None)
            await self._life.deploy(pipeline, deployment)

    async def remove(self, rule: str) -> None:
        """Stop a rule and forget its metrics, its errors and its state."""
        async with self._life.alone(rule):
            pipeline = self._pipelines.get(rule)
            if pipeline is None:
                return
            pipeline.wanted = False
            await self._life.halt(pipeline, CANCELED)
            del self._pipelines[rule]
            self._facilities.errors.forget(rule)
            self._facilities.traces.forget(rule)
            if pipeline.deployment is not None and pipeline.deployment.options.qos > 0:
                await self._facilities.state.drop(rule)

    async def start(self, rule: str) -> None:
        """Run a rule (again, when it runs); NotFoundError when it is not deployed. What prevents it shows in the status."""
        async with self._life.alone(rule):
            pipeline = self._known(rule)
            pipeline.wanted = True
            pipeline.attempts = 0
            await self._life.begin(pipeline)

    async def stop(self, rule: str) -> None:
        """Stop a rule; nothing happens when it is stopped. NotFoundError when it is not deployed."""
        async with self._life.alone(rule):
            pipeline = self._known(rule)
            pipeline.wanted = False
            await self._life.halt(pipeline, CANCELED)

    async def restart(self, rule: str) -> None:
        """Stop and start a rule."""
        await self.start(rule)

    def fail(self, rule: str, error: str) -> None:
        """Show a rule that could not be prepared."""
        pipeline = self._pipelines.get(rule)
        if pipeline is None:
            pipeline = self._pipelines[rule] = Pipeline(rule, None, None)
        if pipeline.active and pipeline.run is not None:
            self._facilities.spawn(self._replace_by_failure(pipeline, error))
            return
        _show_failure(pipeline, error)

    # -- questions

    def status(self, rule: str) -> dict[str, Any] | None:
        """Status on the wire, None for an unknown rule."""
        pipeline = self._pipelines.get(rule)
        return self._discretion.status(pipeline, pipeline.status(self._facilities.clock.now_ms())) if pipeline is not None else None

    def state(self, rule: str) -> str:
        """State text, ``""`` for an unknown rule."""
        pipeline = self._pipelines.get(rule)
        return pipeline.state.value if pipeline is not None else ""

    def summary(self) -> dict[str, dict[str, Any]]:
        """State and last exception of all rules."""
        return {
            rule: self._discretion.status(pipeline, pipeline.summary())
            for rule, pipeline in self._pipelines.items()
            if rule not in self._trials.rules
        }

    def topology(self, rule: str) -> dict[str, Any] | None:
        """Sources and edges of the last run, None when the rule never ran."""
        pipeline = self._pipelines.get(rule)
        return pipeline.run.topology() if pipeline is not None and pipeline.run is not None else None

    def scanned(self, rule: str) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        """What the scan tables of a rule hold, None when it has none or never ran."""
        pipeline = self._pipelines.get(rule)
        program = None if pipeline is None or pipeline.run is None else pipeline.run.program
        return program.scanned() if isinstance(program, Scanning) else None

    def errors(self, rule: str) -> tuple[ErrorEntry, ...]:
        """Recent errors of a rule and of the streams it reads, oldest first: a sample, secrets masked."""
        pipeline, errors = self._pipelines.get(rule), self._facilities.errors
        found = list(errors.recent(rule))
        if pipeline is not None and pipeline.run is not None:
            for place in pipeline.run.places:
                found += errors.recent(place.feed.log_key)
        if pipeline is not None:
            found = [replace(entry, text=self._discretion.text(pipeline, entry.text)) for entry in found]
        return tuple(sorted(found, key=lambda entry: entry.time))

    def tap(self, rule: str, listener: Tap) -> Callable[[], None]:
        """Let ``listener`` see every result of a rule, across its updates and restarts; the result of this call ends that."""
        pipeline = self._known(rule)
        pipeline.listeners = (*pipeline.listeners, listener)
        self._life.listen(pipeline)

        def leave() -> None:
            pipeline.listeners = tuple(each for each in pipeline.listeners if each is not listener)
            self._life.listen(pipeline)

        return leave

    def trace(self, rule: str, strategy: str) -> bool:
        """Trace the rows of a rule's present run, or no more with an empty strategy; False when it does not run."""
        pipeline = self._pipelines.get(rule)
        if pipeline is None or pipeline.run is None or not pipeline.active:
            return False
        pipeline.run.follow(strategy, pipeline.listeners)
        return True

    def traced(self, rule: str) -> bool:
        """Whether the rows of a rule are traced now."""
        pipeline = self._pipelines.get(rule)
        return pipeline is not None and pipeline.active and pipeline.run is not None and pipeline.run.tracer is not None

    def traces(self, rule: str) -> Sequence[str]:
        """Ids of the traces that are kept of a rule, newest first."""
        return self._facilities.traces.of(rule)

    def trace_of(self, trace: str) -> Mapping[str, Any] | None:
        """A trace with all its spans, None when it is not kept."""
        return self._facilities.traces.get(trace)

    async def export_traces(self, collector: str, service: str) -> None:
        """Send what is traced to a collector as well."""
        await self._export.start(collector, service)

    async def keep_traces(self) -> None:
        """Send traces nowhere."""
        await self._export.stop()

    def readers(self, stream: str) -> tuple[str, ...]:
        """Rules that run on a stream or table now; trials are not counted."""
        found = dict.fromkeys((*self._feeds.readers(stream), *self._lookups.users(stream)))
        return tuple(rule for rule in found if rule not in self._trials.rules)

    # -- trials

    async def try_out(self, trial: str, deployment: Deployment) -> int:
        """Prepare a trial run; the result is the port on which its results can be listened to."""
        return await self._trials.create(trial, deployment)

    async def start_trial(self, trial: str) -> None:
        """Run a trial."""
        await self._trials.start(trial)

    async def end_trial(self, trial: str) -> None:
        """Stop a trial and forget it."""
        await self._trials.end(trial)

    # -- lookup tables

    async def probe_table(self, request: LookupRequest) -> None:
        """Open a lookup table and close it again."""
        await self._lookups.probe(request)

    async def open_table(self, request: LookupRequest) -> None:
        """Keep a lookup table open."""
        await self._lookups.open(request)

    async def close_table(self, table: str) -> None:
        """Close a lookup table as soon as no rule uses it."""
        await self._lookups.close(table)

    # -- plugins

    async def install_plugin(self, package: PluginPackage) -> None:
        """Run a portable plugin."""
        await self.plugins.install(package)

    async def remove_plugin(self, name: str) -> None:
        """End a portable plugin."""
        await self.plugins.remove(name)

    def plugin_status(self, name: str) -> PluginStatus | None:
        """How the process of a portable plugin is."""
        return self.plugins.status(name)

    def plugin_aggregates(self, name: str, digest: str) -> tuple[str, ...]:
        """Which functions of a package are aggregates."""
        return self.plugins.aggregates(name, digest)

    # -- connections

    async def connect(self, id: str, connector: str, properties: Mapping[str, Any]) -> None:
        """Open or replace a named connection in the background."""
        await self._pool.connect(id, connector, properties)

    async def disconnect(self, id: str) -> None:
        """Close a named connection."""
        await self._pool.disconnect(id)

    def connections(self, include_anonymous: bool) -> list[dict[str, Any]]:
        """Connections on the wire."""
        return [self._discretion.connection(found) for found in self._pool.shown(include_anonymous)]

    def secret_values(self) -> set[str]:
        """What references stood for lately: no line of a log may tell it."""
        return self._discretion.values()

    def references(self, connection: str) -> tuple[str, ...]:
        """What running rules use a connection for."""
        found = []
        for pipeline in self._pipelines.values():
            if not pipeline.active or pipeline.run is None:
                continue
            rule, run = pipeline.rule, pipeline.run
            found += [source_reference(rule, place.feed.request) for place in run.places if place.feed.request.connection == connection]
            requests = [outlet.plan.request for outlet in run.outlets]
            found += [sink_reference(rule, request) for request in requests if request.connection == connection]
        return (*found, *self._lookups.references(connection))

    async def ping(self, role: str, connector: str, properties: Mapping[str, Any]) -> None:
        """Try to reach an external system."""
        await ping(self._facilities, role, connector, properties)

    async def close(self) -> None:
        """Stop everything: no more input, sinks are drained, states saved."""
        self._life.closed = True
        self._trials.close()
        await self._export.stop()
        await self._feeds.close()
        for pipeline in list(self._pipelines.values()):
            pipeline.wanted = False
        await asyncio.gather(*(self._close(pipeline) for pipeline in list(self._pipelines.values()) if pipeline.active))
        await self.plugins.close()
        await self._lookups.shut()
        await self._pool.close()
        self._facilities.deadlines.close()
        for task in list(self._facilities.tasks):
            task.cancel()
        await asyncio.gather(*self._facilities.tasks, return_exceptions=True)

    # -- inside

    def _finished(self, rule: str) -> None:
        """A rule ended by itself; trials are nobody's concern."""
        if rule not in self._trials.rules:
            self._on_finished(rule)

    def _known(self, rule: str) -> Pipeline:
        pipeline = self._pipelines.get(rule)
        if pipeline is None:
            raise NotFoundError(f"Rule {rule} is not found in registry, please check if it is created")
        return pipeline

    async def _replace_by_failure(self, pipeline: Pipeline, error: str) -> None:
        async with self._life.alone(pipeline.rule):
            await self._life.halt(pipeline, UPDATED)
            _show_failure(pipeline, error)

    async def _close(self, pipeline: Pipeline) -> None:
        async with self._life.alone(pipeline.rule):
            await self._life.halt(pipeline, CANCELED)

    def _connection_context(self, id: str) -> SourceContext:
        return source_context(self._facilities, id, "", connection=no_connection, needs_meta=lambda: False)


def _show_failure(pipeline: Pipeline, error: str) -> None:
    pipeline.deployment = None
    pipeline.schedule = None
    if pipeline.state is not State.FAILED:
        pipeline.move(State.FAILED)
    pipeline.message = error
