"""A whole REST side without an engine: the real application, kinds, controller and catalog on a host that only remembers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plutino.app import components
from plutino.catalog import Catalog
from plutino.control import Controller, Policy
from plutino.errors import NotFoundError, PlutinoError, ProvisionError, TransportError
from plutino.rest.application import Application
from plutino.rest.batch import Batch
from plutino.rest.discretion import Discretion
from plutino.rest.endpoints import METRICS_FOLDER, all_actions
from plutino.rest.guard import Guard
from plutino.rest.metrics import MetricsRecord
from plutino.rest.routes import Routes
from plutino.spi import Clock, Deployment, LookupRequest, Registry, SystemClock, Tap
from plutino.spi.access import Access
from plutino.spi.discovery import resource_kinds
from plutino.spi.discretion import declared_secrets
from plutino.spi.plugin import PluginPackage, PluginStatus
from plutino.spi.staging import Attached


class MemoryLog:
    """Remembers what was logged."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))

    warning = error = info


@dataclass
class FakeLogControl:
    """Remembers what was asked of the log."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)
    refused: str = ""

    def set_level(self, level: str) -> None:
        self.asked.append(("level", level))

    def set_debug(self, on: bool) -> None:
        self.asked.append(("debug", on))

    def write_to(self, *, console: bool | None, file: bool | None) -> None:
        if self.refused:
            raise PlutinoError(self.refused)
        self.asked.append(("write", console, file))


@dataclass
class FakeHost:
    """An engine that starts and stops rules at once and moves no data."""

    deployed: dict[str, Deployment] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    named: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    tables: dict[str, LookupRequest] = field(default_factory=dict)
    unreachable: bool = False
    refusal: str = ""
    strategies: dict[str, str] = field(default_factory=dict)
    trials: dict[str, Deployment] = field(default_factory=dict)
    kept_traces: dict[str, dict[str, Any]] = field(default_factory=dict)
    plugins: dict[str, PluginPackage] = field(default_factory=dict)
    aggregates: tuple[str, ...] = ()

    async def deploy(self, deployment: Deployment) -> None:
        self.calls.append(("deploy", deployment.rule))
        known = deployment.rule in self.deployed
        self.deployed[deployment.rule] = deployment
        self.states[deployment.rule] = "running" if deployment.triggered else "stopped"
        self.messages[deployment.rule] = "stopped by update" if known and not deployment.triggered else ""

    async def remove(self, rule: str) -> None:
        for kept in (self.deployed, self.states, self.messages):
            kept.pop(rule, None)

    async def start(self, rule: str) -> None:
        self.calls.append(("start", rule))
        self.states[rule] = "running"

    async def stop(self, rule: str) -> None:
        self.calls.append(("stop", rule))
        self.states[rule] = "stopped"
        self.messages[rule] = "canceled manually"

    async def restart(self, rule: str) -> None:
        self.calls.append(("restart", rule))
        self.states[rule] = "running"

    def fail(self, rule: str, error: str) -> None:
        self.states[rule] = "stopped by error"
        self.messages[rule] = error

    def status(self, rule: str) -> dict[str, Any] | None:
        if rule not in self.states:
            return None
        return {"status": self.states[rule], "message": self.messages.get(rule, "")}

    def state(self, rule: str) -> str:
        return self.states.get(rule, "")

    def summary(self) -> dict[str, dict[str, Any]]:
        return {rule: {"status": state} for rule, state in self.states.items()}

    def topology(self, rule: str) -> dict[str, Any] | None:
        return {"sources": [], "edges": {}} if self.states.get(rule) == "running" else None

    def scanned(self, rule: str) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        return None

    def tap(self, rule: str, listener: Tap) -> Callable[[], None]:
        raise NotFoundError(f"rule {rule} has no results here")

    def trace(self, rule: str, strategy: str) -> bool:
        if self.states.get(rule) != "running":
            return False
        self.strategies[rule] = strategy
        return True

    def traced(self, rule: str) -> bool:
        return bool(self.strategies.get(rule))

    def traces(self, rule: str) -> Sequence[str]:
        return tuple(id for id, span in reversed(self.kept_traces.items()) if span["ruleID"] == rule)

    def trace_of(self, trace: str) -> Mapping[str, Any] | None:
        return self.kept_traces.get(trace)

    async def export_traces(self, collector: str, service: str) -> None:
        self.calls.append(("export traces", f"{service} to {collector}"))

    async def keep_traces(self) -> None:
        self.calls.append(("keep traces", ""))

    async def install_plugin(self, package: PluginPackage) -> None:
        self.plugins[package.name] = package

    async def remove_plugin(self, name: str) -> None:
        self.plugins.pop(name, None)

    def plugin_status(self, name: str) -> PluginStatus | None:
        return PluginStatus("running") if name in self.plugins else None

    def plugin_aggregates(self, name: str, digest: str) -> tuple[str, ...]:
        return self.aggregates

    async def try_out(self, trial: str, deployment: Deployment) -> int:
        self.trials[trial] = deployment
        return 10081

    async def start_trial(self, trial: str) -> None:
        if trial not in self.trials:
            raise NotFoundError(f"try to start test rule {trial} but it is not found")
        self.calls.append(("start trial", trial))

    async def end_trial(self, trial: str) -> None:
        self.trials.pop(trial, None)

    def readers(self, stream: str) -> tuple[str, ...]:
        running = [d for d in self.deployed.values() if self.states.get(d.rule) == "running"]
        used = {d.rule: {*(feed.stream for feed in d.feeds), *(request.table for request in d.tables)} for d in running}
        return tuple(rule for rule, names in used.items() if stream in names)

    async def probe_table(self, request: LookupRequest) -> None:
        if self.unreachable:
            raise TransportError(f"dial tcp {request.datasource}: connect: connection refused")

    async def open_table(self, request: LookupRequest) -> None:
        self.tables[request.table] = request

    async def close_table(self, table: str) -> None:
        self.tables.pop(table, None)

    async def connect(self, id: str, connector: str, properties: Mapping[str, Any]) -> None:
        self.named[id] = {"id": id, "typ": connector, "props": dict(properties), "isNamed": True, "status": "connected"}

    async def disconnect(self, id: str) -> None:
        self.named.pop(id, None)

    def connections(self, include_anonymous: bool) -> list[dict[str, Any]]:
        return list(self.named.values())

    def references(self, connection: str) -> tuple[str, ...]:
        return tuple(
            f"{d.rule}-{sink.name}-{sink.properties.get('topic', '')}-mqtt-sink"
            for d in self.deployed.values()
            for sink in d.sinks
            if sink.connection == connection
        )

    async def ping(self, role: str, connector: str, properties: Mapping[str, Any]) -> None:
        self.calls.append((f"ping {role}", connector))
        if self.refusal:
            raise ProvisionError(self.refusal)
        if self.unreachable:
            raise TransportError(f"found error when connecting for {properties.get('server')}")

    def begin(self) -> None:
        self.calls.append(("begin", ""))

    async def finish(self) -> None:
        self.calls.append(("finish", ""))


@dataclass(frozen=True)
class Reply:
    """An answer as a client sees it."""

    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.data)


async def ask(app: Any, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
    """One request through an ASGI application; ``body`` is sent as JSON unless it is text or bytes."""
    text = "" if body is None else body if isinstance(body, str | bytes) else json.dumps(body)
    data = text if isinstance(text, bytes) else text.encode()
    path, _, query = path.partition("?")
    sent = {"host": "127.0.0.1:9081", **(headers or {})}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 5000),
        "http_version": "1.1",
    }
    messages: list[Any] = []
    bodies = iter([{"type": "http.request", "body": data, "more_body": False}])

    async def receive() -> Any:
        found = next(bodies, None)
        return found if found is not None else await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        messages.append(message)

    await app(scope, receive, send)
    start = messages[0]
    answered = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], answered, b"".join(m.get("body", b"") for m in messages[1:]))


@dataclass(frozen=True)
class Api:
    """The REST side of one test."""

    app: Application
    host: FakeHost
    controller: Controller
    log: MemoryLog
    log_control: FakeLogControl
    record: MetricsRecord

    async def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        return await ask(self.app, method, path, body, headers)

    async def stream(self, name: str = "demo", columns: str = "a BIGINT, b STRING", options: str = "") -> None:
        """Create a memory stream."""
        sql = f'CREATE STREAM {name} ({columns}) WITH (DATASOURCE="topic/{name}", TYPE="memory", FORMAT="json"{options})'
        assert (await self.ask("POST", "/streams", {"sql": sql})).status == 201

    async def rule(self, id: str = "r", sql: str = "SELECT a FROM demo", **fields: Any) -> Reply:
        """Create a rule with a nop sink."""
        return await self.ask("POST", "/rules", {"id": id, "sql": sql, "actions": [{"nop": {}}], **fields})


@asynccontextmanager
async def open_api(
    data: Path,
    registry: Registry | None = None,
    guard: Guard | None = None,
    policy: Policy | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Api]:
    """The REST side on a data directory; ``registry`` defaults to the components that are built in."""
    known, host, log = registry or components(), FakeHost(), MemoryLog()
    kinds = resource_kinds("plutino.resources")
    for kind in kinds.values():
        if isinstance(kind, Attached):
            kind.attach(host)
    catalog = await Catalog.open(data, clock=SystemClock())
    try:
        policy = policy or Policy()
        controller = Controller(catalog, host, kinds, registry=known, settings={"data_dir": str(data)}, policy=policy)
        await controller.boot()
        batch, control = Batch(), FakeLogControl()
        record = MetricsRecord(host, data / METRICS_FOLDER, clock=clock or SystemClock(), log=log)
        routes = Routes(all_actions(controller, Access(str(data)), "0", batch=batch, record=record, log=control))
        discretion = Discretion(declared_secrets(known), plain=policy.default == "plain")
        app = Application(routes, controller, guard or Guard("127.0.0.1"), log, discretion=discretion)
        batch.door = app.carry_out
        yield Api(app, host, controller, log, control, record)
        await record.disable()
        await controller.close()
    finally:
        await catalog.close()
