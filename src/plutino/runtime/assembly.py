"""Making a run out of a deployment: program, outlets, places on feeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from plutino.errors import PlutinoError
from plutino.runtime.checkpoints import Checkpoints
from plutino.runtime.connections import ConnectionPool
from plutino.runtime.contexts import no_connection, no_header, sink_context
from plutino.runtime.facilities import Facilities
from plutino.runtime.feed import Feed
from plutino.runtime.feeds import Feeds, common_format
from plutino.runtime.intake import FeedOptions
from plutino.runtime.lookups import Lookups
from plutino.runtime.pending import Pending
from plutino.runtime.plugins.beside import WORK, Beside
from plutino.runtime.plugins.host import Plugins, RuleCaller
from plutino.runtime.run import Keeper, Run
from plutino.runtime.sinks import Outlet
from plutino.runtime.status import NO_LINK, Link
from plutino.runtime.transform import SinkPlan, compile_sink
from plutino.spi import Deployment, FeedRequest, Program, SinkRequest, Suspending
from plutino.spi.options import decode_options

R = TypeVar("R", FeedRequest, SinkRequest)

KEPT_PLANS = 4096
"""Compiled actions that are kept, as thousands of rules often have equal ones."""


class Assembler:
    """Builds runs; equal actions of different rules share their compiled plan."""

    __slots__ = ("_facilities", "_feeds", "_lookups", "_plans", "_plugins", "_pool")

    def __init__(self, facilities: Facilities, feeds: Feeds, lookups: Lookups, pool: ConnectionPool, plugins: Plugins) -> None:
        self._facilities = facilities
        self._feeds = feeds
        self._lookups = lookups
        self._pool = pool
        self._plugins = plugins
        self._plans: dict[tuple[str, ...], SinkPlan] = {}

    async def assemble(self, deployment: Deployment, keeper: Keeper, reuse: Run | None = None) -> Run:
        """A run with its outlets open (or opening), not on any feed yet; raises what programs, sinks or their options raise.

        ``reuse``: an earlier version; outlets with equal actions stay with it until ``adopt``, and are listed in the new run already.
        """
        run = Run(deployment.rule, self._program(deployment), deployment.options.send_error, keeper, self._facilities, deployment.drawing)
        source_format = common_format(deployment.feeds)
        old = list(reuse.outlets) if reuse is not None else []
        outlets: list[Outlet] = []
        fresh: list[Outlet] = []
        try:
            if deployment.tables or deployment.plugins:
                run.pending = self._pending(run, deployment)
            for request in deployment.sinks:
                plan = self.plan(self._facilities.references.sink(request), source_format)
                kept = next((outlet for outlet in old if outlet.plan is plan), None)
                if kept is not None:
                    old.remove(kept)
                    outlets.append(kept)
                else:
                    made = self._outlet(plan, request.properties, run)
                    outlets.append(made)
                    fresh.append(made)
            loose = loose_columns(run, outlets)
            for outlet in fresh:
                await outlet.open(loose)
        except PlutinoError:
            run.let_go(release=True)
            for outlet in fresh:
                await outlet.close(release=True)
            raise
        run.connect(outlets)
        if run.pending is not None:
            run.pending.holds = deployment.options.qos == 0
        if deployment.options.qos > 0:
            run.checkpoints = Checkpoints(run, deployment.shape, deployment.options.checkpoint_interval, self._facilities)
        return run

    def _program(self, deployment: Deployment) -> Program:
        """A fresh program; one that calls functions of plugins works on threads."""
        program: Program = deployment.program()
        if not deployment.plugins:
            return program
        return Beside(program, self._plugins.threads, RuleCaller(deployment.rule, self._plugins))

    def _pending(self, run: Run, deployment: Deployment) -> Pending:
        """What waits for the rule's lookup tables, and for its own work on threads."""
        program = run.program
        assert isinstance(program, Suspending)
        kept = [request.stream for request in deployment.feeds if request.is_table]
        pending = Pending(run, program, {}, deployment.options.buffer_length, kept, self._lookups, self._facilities)
        if isinstance(program, Beside):
            pending.tables[WORK] = program
            program.moved = run.rearm
        try:
            for request in deployment.tables:
                pending.tables[request.table] = self._lookups.acquire(request, deployment.rule)
        except PlutinoError:
            pending.close(release=True)
            raise
        return pending

    def feeds(self, deployment: Deployment, positions: Mapping[str, Any], reuse: Run | None = None) -> list[Feed]:
        """The feeds of a deployment, in order; those of an earlier version stay where the request is equal.

        ``positions``: where sources go on that nobody has opened yet.
        """
        mine = [place.feed for place in reuse.places] if reuse is not None else []
        found = []
        for asked in deployment.feeds:
            request = self._facilities.references.feed(asked, FeedOptions)
            feed = next((f for f in mine if not f.ended and f.request == request), None) or self._feeds.get(
                request, deployment.rule, asked.properties
            )
            if not feed.opened and feed.position is None:
                feed.position = positions.get(request.stream)
            found.append(feed)
        return found

    def plan(self, request: SinkRequest, source_format: str) -> SinkPlan:
        """The compiled plan of an action."""
        properties = msgspec.json.encode(request.properties, order="sorted").decode()
        key = (request.connector, request.name, request.connection, source_format, properties)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= KEPT_PLANS:
                self._plans.clear()
            plan = self._plans[key] = compile_sink(request, self._facilities.registry, source_format=source_format)
        return plan

    def _outlet(self, plan: SinkPlan, shown: Mapping[str, Any], run: Run) -> Outlet:
        """``shown``: the properties as others may see them, with references."""
        request, spec = plan.request, plan.spec
        connector = self._facilities.registry.connectors[request.connector]
        options = decode_options(spec.options, request.properties)
        encoder = plan.encoder()
        link = Link() if spec.shows_link else NO_LINK
        access = None
        if request.connection or connector.connection is not None:
            reference = sink_reference(run.rule, request)
            access = self._pool.access(request.connection, connector, options, shown, reference, link)
        connection = access.connection if access is not None else no_connection
        header = encoder.header if encoder is not None else no_header
        context = sink_context(self._facilities, run.rule, request.name, connection=connection, header=header)
        try:
            sink = spec.create(options, context)
        except PlutinoError:
            if access is not None:
                access.release()
            raise
        return Outlet(plan, sink, encoder, access, link, run, self._facilities)


def loose_columns(run: Run, outlets: Sequence[Outlet]) -> Any:
    """``Program.json_numbers`` where a template of an outlet must know it."""
    return run.loose if any(outlet.plan.reads_values for outlet in outlets) else ()


def sink_reference(rule: str, request: SinkRequest) -> str:
    """How a rule's use of a connection through a sink is called on the wire: ``<rule>-<op>-<topic>-mqtt-sink``."""
    topic = next((v for k, v in request.properties.items() if k.lower() == "topic" and isinstance(v, str)), "")
    return "-".join(part for part in (rule, request.name, topic, request.connector, "sink") if part)


def interned(deployment: Deployment, feeds: Sequence[Feed], outlets: Sequence[Outlet]) -> Deployment:
    """The deployment with requests that other rules have too: thousands of rules keep one copy."""
    return msgspec.structs.replace(
        deployment,
        feeds=tuple(map(_same, deployment.feeds, (feed.request for feed in feeds))),
        sinks=tuple(map(_same, deployment.sinks, (outlet.plan.request for outlet in outlets))),
    )


def _same(asked: R, opened: R) -> R:
    """The copy that others have; a request with references stays as it was asked for, to be resolved again."""
    return opened if asked == opened else asked
