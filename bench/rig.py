"""The product in this process: catalog, control path and engine as a server has them, with a source that gives what it is told to."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import msgspec
from msgspec import Struct

from plutino.app import Core, components
from plutino.compiler import CompiledRule, compile_plan
from plutino.model import Ref
from plutino.planner import Plan, plan_rule
from plutino.settings import Settings
from plutino.spi import ConnectorSpec, Delivery, IngressHandler, Inlet, Mode, Origin, Registry, RuleOptions, SinkSpec, SourceSpec
from plutino.sql import parse_select

CONNECTOR = "bench"
NOP: Sequence[Mapping[str, Any]] = ({"nop": {}},)
KEEP: Sequence[Mapping[str, Any]] = ({CONNECTOR: {}},)
Load = Sequence[tuple[str, Delivery]]
"""Deliveries with the datasource they come from, in order."""


class NoOptions(Struct, frozen=True):
    """A component without options."""


@dataclass
class Rig:
    """``flood`` plays a load through everything that was deployed; ``kept`` has what rules sent to ``KEEP``, by rule."""

    core: Core
    inlets: dict[str, Inlet] = field(default_factory=dict)
    kept: dict[str, list[Any]] = field(default_factory=dict)

    async def deploy(
        self, statements: Sequence[str], rules: Mapping[str, str], actions: Sequence[Mapping[str, Any]] = NOP, **options: Any
    ) -> None:
        """Create streams (``CREATE STREAM name …``) and rules, and wait until the sources are there."""
        changes: dict[Ref, str | None] = {}
        for statement in statements:
            _, kind, name, *_ = statement.split(maxsplit=3)
            changes[Ref(kind.lower(), name)] = statement
        for rule, sql in rules.items():
            changes[Ref("rule", rule)] = json.dumps({"id": rule, "sql": sql, "actions": actions, "options": options})
        await self.core.controller.apply(changes, mode=Mode.CREATE, origin=Origin("bench"))
        await asyncio.sleep(0.05)
        for rule in rules:
            assert self.core.engine.state(rule) == "running", self.core.engine.status(rule)

    async def drop(self, *refs: Ref) -> None:
        """Delete rules and streams."""
        await self.core.controller.apply(dict.fromkeys(refs), mode=Mode.UPDATE, origin=Origin("bench"))

    async def flood(self, load: Load) -> float:
        """Seconds until everything has gone through; fails when a row was refused on the way, which would make the figure a lie."""
        started = perf_counter()
        for datasource, delivery in load:
            if (inlet := self.inlets.get(datasource)) is not None:
                await inlet.put(delivery)
        spent = perf_counter() - started
        for rule in self.core.engine.summary():
            status = self.core.engine.status(rule) or {}
            troubles = {name: value for name, value in status.items() if name.endswith(("_exceptions_total", "_buffer_length")) and value}
            assert not troubles, f"{rule}: {troubles} {[v for n, v in status.items() if n.endswith('_last_exception') and v]}"
        return spent

    def plan(self, sql: str, **options: Any) -> Plan:
        """The plan of a statement over what is deployed."""
        return plan_rule(parse_select(sql), self.core.controller.environment, RuleOptions(**options), rule_id="bench")

    def compiled(self, sql: str, **options: Any) -> CompiledRule:
        """The compiled form of a statement over what is deployed."""
        return compile_plan(self.plan(sql, **options))

    def columns(self, sql: str, **options: Any) -> dict[str, tuple[str, ...]]:
        """Which columns a statement reads, by stream."""
        return {stream: need.columns for stream, need in self.compiled(sql, **options).needs.items()}


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    """A product of its own in a folder of its own."""
    found = components()
    inlets: dict[str, Inlet] = {}
    kept: dict[str, list[Any]] = {}
    source = SourceSpec(NoOptions, lambda options, datasource, context: Tap(datasource, inlets))
    sink = SinkSpec(NoOptions, lambda options, context: Kept(kept.setdefault(context.rule, [])), connects=False)
    connectors = {**found.connectors, CONNECTOR: ConnectorSpec(CONNECTOR, "Played by the bench", source=source, sink=sink)}
    with tempfile.TemporaryDirectory(prefix="plutino-bench-") as folder:
        core = await Core.open(Settings(folder), NoIngress(), Quiet(), registry=Registry(connectors, found.formats, found.functions))
        try:
            yield Rig(core, inlets, kept)
        finally:
            await core.close()


def stream(name: str, columns: str = "", **options: str) -> str:
    """The statement of a stream that the bench plays."""
    more = "".join(f', {key}="{value}"' for key, value in options.items())
    return f'CREATE STREAM {name} ({columns}) WITH (DATASOURCE="{name}", TYPE="{CONNECTOR}", FORMAT="json"{more})'


def load_of(datasource: str, payloads: Sequence[bytes], size: int) -> Load:
    """Payloads as deliveries of ``size`` messages."""
    return [(datasource, Delivery(payloads=payloads[at : at + size])) for at in range(0, len(payloads), size)]


class Tap:
    """A source that leaves its inlet to the rig."""

    def __init__(self, datasource: str, inlets: dict[str, Inlet]) -> None:
        self._datasource = datasource
        self._inlets = inlets

    async def run(self, inlet: Inlet, resume: Any) -> None:
        """Stay there until it is stopped."""
        inlet.connected()
        self._inlets[self._datasource] = inlet
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._inlets.pop(self._datasource, None)


class Kept:
    """A sink that keeps what it gets, decoded."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    async def open(self) -> None:
        """Nothing to open."""

    def write(self, items: Sequence[bytes], properties: Sequence[Mapping[str, Any]] | None) -> None:
        """Keep the rows of each message."""
        for item in items:
            self._items += msgspec.json.decode(item)

    async def close(self) -> None:
        """Nothing to close."""


class NoIngress:
    """There is no HTTP server here."""

    port = 0

    def register(self, path: str, method: str, handler: IngressHandler) -> Callable[[], None]:
        """Nobody asks."""
        raise NotImplementedError

    def stream(self, path: str, listen: Callable[[], AsyncGenerator[bytes, None]]) -> Callable[[], None]:
        """Nobody asks."""
        raise NotImplementedError


class Quiet:
    """A log that says nothing."""

    def info(self, event: str, **fields: Any) -> None:
        """Nothing."""

    warning = error = info
