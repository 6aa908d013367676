"""Composition root: discovers the components, opens the catalog, starts the engine and the servers, and stops them in order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plutino import __version__
from plutino.catalog import Catalog
from plutino.control import Controller
from plutino.control.provisioning import Provisioning
from plutino.errors import Fault, PlutinoError
from plutino.model import Ref
from plutino.runtime import Engine
from plutino.settings import Settings
from plutino.spi import Control, HttpIngress, Origin, Registry, SystemClock, discover
from plutino.spi.discovery import resource_kinds
from plutino.spi.discretion import declared_secrets
from plutino.spi.limits import use_limits
from plutino.spi.staging import Attached

if TYPE_CHECKING:
    from plutino.rest.configs import LogControl
    from plutino.rest.metrics import MetricsRecord
    from plutino.rest.serving import HttpServer

END_DELAY_S = 1.0
"""How long after an answer the server ends that was asked to."""


@dataclass(frozen=True, slots=True)
class Core:
    """Catalog, engine and control path of one data directory, without any server: what a one-off rule needs."""

    settings: Settings
    registry: Registry
    catalog: Catalog
    engine: Engine
    controller: Controller
    log: Any

    @classmethod
    async def open(cls, settings: Settings, ingress: HttpIngress, log: Any, *, registry: Registry | None = None) -> Core:
        """Everything made, nothing running yet. PlutinoError when the data directory cannot be had.

        ``registry`` replaces the components of this installation.
        """
        try:
            Path(settings.data_dir).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PlutinoError(f"data directory {settings.data_dir}: {(error.strerror or str(error)).lower()}") from error
        use_limits(settings.intake())
        found, policy = registry or components(), settings.policy()
        catalog = await Catalog.open(
            settings.data_dir, clock=SystemClock(), keep_revisions=settings.keep_revisions, keep_audit=settings.keep_audit
        )
        try:
            finished, access = _Finished(log), settings.access
            engine = Engine(
                found,
                clock=SystemClock(),
                ingress=ingress,
                state=catalog.state,
                data_dir=access.data_dir,
                allow_file=access.file,
                allow_host=access.host,
                allow_variable=access.variable,
                log=log,
                on_finished=finished,
                plugins=settings.plugin_settings(),
            )
            kinds = resource_kinds("plutino.resources")
            for kind in kinds.values():
                if isinstance(kind, Attached):
                    kind.attach(engine)
            controller = Controller(catalog, engine, kinds, registry=found, settings=settings.for_checks(), policy=policy)
            finished.control = controller
            engine.plugins.on_learned = _Learned(controller, log)
        except BaseException:
            await catalog.close()
            raise
        return cls(settings, found, catalog, engine, controller, log)

    async def provision(self) -> None:
        """Import what lies beside the server, after the stored state was loaded."""
        data = Path(self.settings.data_dir)
        etc = Path(self.settings.etc_dir) if self.settings.etc_dir else data / "etc"
        await Provisioning(self.controller, data, etc, os.environ, self.log).run()

    def known_secrets(self) -> Collection[str]:
        """The secrets of the configuration, and what its references stand for: no line of a log may tell them."""
        return self.controller.known_secrets() | self.engine.secret_values()

    async def close(self) -> None:
        """Undo what is half done, let rules finish what they have, and give everything back."""
        await self.controller.close()
        await self.engine.close()
        await self.catalog.close()


class End:
    """The wish that came over the API to end the server, and the exit code that goes with it."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._code: int | None = None

    def ask(self, code: int) -> None:
        """End soon, when the answer has gone out; the first wish counts."""
        if self._code is None:
            self._code = code
            asyncio.get_running_loop().call_later(END_DELAY_S, self._asked.set)

    async def wait(self) -> int:
        """The exit code, once the server is to end."""
        await self._asked.wait()
        return self._code or 0


@dataclass(frozen=True, slots=True)
class Server:
    """A whole server in this process: ``open``, ``start``, ``close``."""

    core: Core
    rest: HttpServer
    push: HttpServer
    record: MetricsRecord
    end: End

    @classmethod
    async def open(cls, settings: Settings, log: Any, log_control: LogControl) -> Server:
        """Everything made and bound, nothing running yet. PlutinoError when an address or the data directory cannot be had.

        ``log_control`` is what the API may change about ``log``.
        """
        # Here, so that commands which need the core alone do not load a web framework.
        from plutino.rest.application import Application
        from plutino.rest.batch import Batch
        from plutino.rest.data_server import DataServer
        from plutino.rest.discretion import Discretion
        from plutino.rest.endpoints import METRICS_FOLDER, all_actions
        from plutino.rest.guard import Guard
        from plutino.rest.metrics import MetricsRecord
        from plutino.rest.routes import Routes
        from plutino.rest.serving import HttpServer

        use_limits(settings.intake())
        hosts, origins = _lowered(settings.allow_host), _lowered(settings.allow_origin)
        push_host = settings.push_host or settings.host
        data_server = DataServer(Guard(push_host, hosts, origins), log)
        core = await Core.open(settings, data_server, log)
        try:
            controller = core.controller
            batch = Batch()
            record = MetricsRecord(core.engine, Path(settings.data_dir) / METRICS_FOLDER, clock=SystemClock(), log=log)
            keys = [_key(path) for path in settings.trusted_keys]
            routes = Routes(
                all_actions(controller, settings.access, __version__, batch=batch, record=record, log=log_control, trusted_keys=keys)
            )
            discretion = Discretion(declared_secrets(core.registry), plain=controller.policy.default == "plain")
            application = Application(routes, controller, Guard(settings.host, hosts, origins), log, discretion=discretion)
            batch.door = application.carry_out
            rest = HttpServer(application, settings.host, settings.port, "REST API", before_stop=application.end_streams)
            rooms, end_streams = data_server.rooms, data_server.end_streams
            push = HttpServer(data_server, push_host, settings.push_port, "push server", rooms=rooms, before_stop=end_streams)
            data_server.port = push.port
        except BaseException:
            await core.close()
            raise
        end = End()
        controller.on_shut_down = end.ask
        return cls(core, rest, push, record, end)

    @property
    def url(self) -> str:
        """Address of the REST API."""
        return _url(self.core.settings.host, self.rest.port)

    @property
    def push_url(self) -> str:
        """Address of the data server."""
        return _url(self.core.settings.push_host or self.core.settings.host, self.push.port)

    async def start(self) -> Sequence[Fault]:
        """Load what is stored, run the rules, then take requests; gives back what is stored and cannot be had as it is."""
        await self.push.start()
        loaded = await self.core.controller.boot()
        await self.core.provision()
        await self.rest.start()
        return loaded.faults

    async def close(self) -> None:
        """Take no more requests, let rules finish what they have, and give everything back."""
        await asyncio.gather(self.rest.stop(), self.push.stop(), self.record.disable())
        await self.core.close()


class _Finished:
    """Stores that a rule which ended by itself is not started any more, so that the next start of the server leaves it alone."""

    def __init__(self, log: Any) -> None:
        self.control: Controller | None = None
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, rule: str) -> None:
        task = asyncio.get_running_loop().create_task(self._store(rule))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _store(self, rule: str) -> None:
        assert self.control is not None
        try:
            await self.control.end(rule, origin=Origin("rule", summary=f"rule {rule} ended"))
        except PlutinoError as error:
            self._log.warning("the end of a rule was not stored", rule=rule, error=error.message)


class _Learned:
    """Makes rules anew when a plugin has said that functions which they use are aggregates."""

    def __init__(self, control: Control, log: Any) -> None:
        self._control = control
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, plugin: str) -> None:
        task = asyncio.get_running_loop().create_task(self._follow(Ref("portable_plugin", plugin)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, plugin: Ref) -> None:
        try:
            await self._control.reactivate(plugin)
        except PlutinoError as error:
            self._log.warning("what a plugin brings was not taken over", plugin=plugin.name, error=error.message)
            return
        for user in self._control.users(plugin):
            try:
                await self._control.reactivate(user)
            except PlutinoError as error:
                self._log.warning("a rule cannot use the functions of a plugin", rule=user.name, error=error.message)


def components() -> Registry:
    """Connectors, formats and functions of this installation."""
    return discover("plutino.connectors", "plutino.formats", "plutino.functions")


def _key(path: str) -> bytes:
    """A trusted key, which is looked at now: with one that is none, every import would be refused later."""
    from plutino.control.documents.bundle import public_key

    try:
        pem = Path(path).read_bytes()
    except OSError as error:
        raise PlutinoError(f"trusted key {path}: {(error.strerror or str(error)).lower()}") from error
    try:
        public_key(pem)
    except PlutinoError as error:
        raise PlutinoError(f"{path}: {error.message}") from error
    return pem


def _lowered(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
