"""A small plant for engine tests: sources that tests play, sinks that keep what they get, programs as ``scripted`` has them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from plutino.connectors.memory import CONNECTOR as MEMORY
from plutino.errors import PlutinoError, TransportError
from plutino.formats.delimited import DELIMITED
from plutino.formats.json import JSON
from plutino.model import Column, DataType, Schema, TypeName
from plutino.runtime import Engine
from plutino.spi import (
    Connection,
    ConnectionSpec,
    ConnectorSpec,
    Delivery,
    Deployment,
    FeedRequest,
    Inlet,
    LookupSpec,
    Registry,
    RuleOptions,
    SinkContext,
    SinkRequest,
    SinkSpec,
    SourceContext,
    SourceSpec,
)
from plutino.spi.bus import Bus
from plutino.testing import FakeClock, FakeIngress
from unit.runtime.scripted import Script

BIGINT = DataType(TypeName.BIGINT)
STRING = DataType(TypeName.STRING)
DATETIME = DataType(TypeName.DATETIME)


def schema(**columns: DataType) -> Schema:
    """Declared columns."""
    return Schema(tuple(Column(name, kind) for name, kind in columns.items()))


class NoOptions(Struct, frozen=True, rename="camel"):
    """A component without options of its own, except for what names its connection."""

    server: str = ""


class PlayedSource:
    """A source that a test plays: it hands over what ``plant.sources`` is told to."""

    def __init__(self, plant: Plant, datasource: str, context: SourceContext) -> None:
        self.context = context
        self.inlet: Inlet | None = None
        self.resumed: list[Any] = []
        self.runs = 0
        self.faults: list[PlutinoError] = []
        self.cancelled = False
        self.at_once = plant.at_once.get(datasource, ())
        self._end: asyncio.Future[PlutinoError | None] | None = None
        plant.sources.setdefault(datasource, []).append(self)

    async def run(self, inlet: Inlet, resume: Any) -> None:
        self.runs += 1
        self.resumed.append(resume)
        if self.faults:
            raise self.faults.pop(0)
        self.inlet = inlet
        inlet.connected()
        if self.at_once:
            self.offer(*self.at_once)
        self._end = asyncio.get_running_loop().create_future()
        try:
            error = await self._end
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            self.inlet = None
        if error is not None:
            raise error

    def end(self, error: PlutinoError | None = None) -> None:
        assert self._end is not None
        self._end.set_result(error)

    def offer(self, *payloads: Any, **more: Any) -> bool:
        assert self.inlet is not None
        return self.inlet.offer(Delivery(payloads=[encoded(p) for p in payloads], **more))

    async def put(self, *payloads: Any, **more: Any) -> None:
        assert self.inlet is not None
        await self.inlet.put(Delivery(payloads=[encoded(p) for p in payloads], **more))


class KeptSink:
    """A sink that keeps what it gets; ``faults`` are raised first, ``gate`` makes writes wait."""

    def __init__(self, plant: Plant, context: SinkContext) -> None:
        self.context = context
        self.items: list[Any] = []
        self.properties: list[Any] = []
        self.writes = 0
        self.opened = 0
        self.closed = 0
        self.open_faults: list[PlutinoError] = list(plant.open_faults)
        self.faults: list[PlutinoError] = []
        self.gate: asyncio.Event | None = None
        self.defect = False
        plant.sinks[f"{context.rule}/{context.action}"] = self

    async def open(self) -> None:
        self.opened += 1
        if self.open_faults:
            raise self.open_faults.pop(0)

    def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> Awaitable[None] | None:
        self.writes += 1
        if self.defect:
            raise ZeroDivisionError("a defect in the sink")
        if self.gate is not None:
            return self._later(list(items), properties)
        if self.faults:
            error = self.faults.pop(0)
            if isinstance(error, TransportError):
                self.items.extend(items[: error.delivered])
            raise error
        self._keep(items, properties)
        return None

    async def close(self) -> None:
        self.closed += 1

    @property
    def texts(self) -> list[str]:
        return [item.decode() for item in self.items]

    @property
    def values(self) -> list[Any]:
        return [json.loads(item) if isinstance(item, bytes) else item for item in self.items]

    async def _later(self, items: list[Any], properties: Sequence[Mapping[str, Any]] | None) -> None:
        assert self.gate is not None
        await self.gate.wait()
        if self.faults:
            raise self.faults.pop(0)
        self._keep(items, properties)

    def _keep(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> None:
        self.items.extend(items)
        self.properties.extend(properties or ())


class PlayedLookup:
    """A lookup table over ``plant.rows`` (by the value of the only key) that a test lets wait (``gate``) and fail (``faults``)."""

    def __init__(self, plant: Plant, datasource: str) -> None:
        self.plant = plant
        self.asked: list[list[Any]] = []
        self.opened = self.closed = 0
        self.open_faults: list[PlutinoError] = list(plant.open_faults)
        self.faults: list[PlutinoError] = []
        self.gate: asyncio.Event | None = None
        self.under_way = self.most = 0
        plant.lookups.setdefault(datasource, []).append(self)

    async def open(self) -> None:
        self.opened += 1
        if self.open_faults:
            raise self.open_faults.pop(0)

    def lookup(self, fields: Sequence[str], keys: Sequence[str], queries: Sequence[Sequence[Any]]) -> Any:
        self.asked.append([values[0] for values in queries])
        if self.gate is not None:
            return self._later(queries, self.gate)
        return self._now(queries)

    async def close(self) -> None:
        self.closed += 1

    def _now(self, queries: Sequence[Sequence[Any]]) -> list[Any]:
        if self.faults:
            raise self.faults.pop(0)
        return [self.plant.rows.get(values[0], []) for values in queries]

    async def _later(self, queries: Sequence[Sequence[Any]], gate: asyncio.Event) -> list[Any]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await gate.wait()
            return self._now(queries)
        finally:
            self.under_way -= 1


class PlayedConnection:
    """A connection that a test lets go up and down."""

    def __init__(self, plant: Plant, id: str) -> None:
        self.opened = self.closed = 0
        self.lost: asyncio.Future[str] | None = None
        self.faults: list[PlutinoError] = []
        plant.connections.setdefault(id, []).append(self)

    async def open(self) -> None:
        self.opened += 1
        if self.faults:
            raise self.faults.pop(0)
        self.lost = asyncio.get_running_loop().create_future()

    async def ping(self) -> None:
        """Always answers."""

    async def wait_lost(self) -> str:
        assert self.lost is not None
        return await self.lost

    async def close(self) -> None:
        self.closed += 1


class Lines:
    """A log that keeps every line with its fields."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    warning = error = info


class MemoryState:
    """A state store in memory; ``broken`` makes it fail."""

    def __init__(self) -> None:
        self.owners: dict[str, dict[str, bytes]] = {}
        self.saves = 0
        self.broken = False

    async def load(self, owner: str, key: str) -> bytes | None:
        return self.owners.get(owner, {}).get(key)

    async def save(self, owner: str, entries: dict[str, bytes]) -> None:
        if self.broken:
            raise TransportError("the disk is full")
        self.saves += 1
        self.owners.setdefault(owner, {}).update(entries)

    async def drop(self, owner: str) -> None:
        self.owners.pop(owner, None)


def encoded(payload: Any) -> bytes:
    """A payload as bytes: bytes as they are, everything else as JSON."""
    return payload if isinstance(payload, bytes) else json.dumps(payload, separators=(",", ":")).encode()


class Plant:
    """An engine with played sources and kept sinks. Connectors: ``played`` (bytes), ``rows``, ``replayed`` (a feed per rule); sinks
    ``kept`` (bytes, connects), ``plain`` (bytes, nothing to connect to), ``table`` (rows), ``topic`` (bytes, dynamic ``topic``); lookup
    tables ``asked``."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.bus = Bus()
        self.state = MemoryState()
        self.log = Lines()
        self.sources: dict[str, list[PlayedSource]] = {}
        self.at_once: dict[str, Sequence[Any]] = {}
        """Payloads that sources of a datasource hand over as soon as they are started."""
        self.sinks: dict[str, KeptSink] = {}
        self.lookups: dict[str, list[PlayedLookup]] = {}
        self.rows: dict[Any, Any] = {}
        self.connections: dict[str, list[PlayedConnection]] = {}
        self.finished: list[str] = []
        self.open_faults: list[PlutinoError] = []
        self.engine = Engine(
            Registry(connectors=self._connectors(), formats={"json": JSON, "delimited": DELIMITED}),
            clock=self.clock,
            ingress=FakeIngress(),
            state=self.state,
            data_dir="/nowhere",
            allow_file=lambda path: path,
            allow_host=lambda host: None,
            log=self.log,
            bus=self.bus,
            on_finished=self.finished.append,
            random=lambda: 0.0,
        )

    async def settle(self) -> None:
        """Let everything run that can."""
        await self.clock.advance(0)

    def source(self, datasource: str = "d") -> PlayedSource:
        """The newest source of a datasource."""
        return self.sources[datasource][-1]

    def sink(self, rule: str = "r", action: str = "plain_0") -> KeptSink:
        """The newest sink of an action."""
        return self.sinks[f"{rule}/{action}"]

    async def run(self, deployment: Deployment) -> None:
        """Deploy and let everything start."""
        await self.engine.deploy(deployment)
        await self.settle()

    def status(self, rule: str = "r") -> dict[str, Any]:
        found = self.engine.status(rule)
        assert found is not None
        return found

    def _connectors(self) -> dict[str, ConnectorSpec]:
        def source(_: Any, datasource: str, context: SourceContext) -> PlayedSource:
            return PlayedSource(self, datasource, context)

        def sink(_: Any, context: SinkContext) -> KeptSink:
            return KeptSink(self, context)

        def lookup(_: Any, datasource: str, context: SourceContext) -> PlayedLookup:
            return PlayedLookup(self, datasource)

        def connection(id: str, _: Any, context: SourceContext) -> Connection:
            return PlayedConnection(self, id)

        shared = ConnectionSpec(NoOptions, connection)
        specs = [
            ConnectorSpec("played", "", source=SourceSpec(NoOptions, source), connection=shared),
            ConnectorSpec("rows", "", source=SourceSpec(NoOptions, source, delivers="rows")),
            ConnectorSpec("replayed", "", source=SourceSpec(NoOptions, source, replays=True)),
            ConnectorSpec("kept", "", sink=SinkSpec(NoOptions, sink), connection=shared),
            ConnectorSpec("asked", "", lookup=LookupSpec(NoOptions, lookup)),
            ConnectorSpec("plain", "", sink=SinkSpec(NoOptions, sink, connects=False)),
            ConnectorSpec("silent", "", sink=SinkSpec(NoOptions, sink, connects=False, shows_link=False)),
            ConnectorSpec("table", "", sink=SinkSpec(NoOptions, sink, accepts="rows", connects=False)),
            ConnectorSpec("topic", "", sink=SinkSpec(NoOptions, sink, connects=False, dynamic=("topic", "headers"))),
        ]
        return {spec.name: spec for spec in (*specs, MEMORY)}


def feed(stream: str = "s", connector: str = "played", datasource: str = "d", **more: Any) -> FeedRequest:
    """A stream as a rule reads it."""
    known = {"format": "json", "properties": {}, "schema": Schema(), **more}
    return FeedRequest(stream=stream, connector=connector, datasource=datasource, **known)


def action(connector: str = "plain", index: int = 0, connection: str = "", **properties: Any) -> SinkRequest:
    """An action of a rule."""
    return SinkRequest(f"{connector}_{index}", connector, properties, connection)


def rule(
    program: Callable[[], Any] | None = None,
    *,
    name: str = "r",
    feeds: Sequence[FeedRequest] | None = None,
    sinks: Sequence[SinkRequest] | None = None,
    triggered: bool = True,
    shape: str = "shape",
    **options: Any,
) -> Deployment:
    """A rule ready to run: everything of ``s`` into ``plain_0`` unless said otherwise."""
    return Deployment(
        rule=name,
        program=program or Script(),
        feeds=tuple(feeds if feeds is not None else (feed(),)),
        sinks=tuple(sinks if sinks is not None else (action(),)),
        options=RuleOptions(**options),
        triggered=triggered,
        shape=shape,
    )
