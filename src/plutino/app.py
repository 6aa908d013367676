"""Composition root: discovers the components, opens the catalog, starts the engine and the servers, and stops them in order."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from plutino import __version__
from plutino.catalog import KEEP_AUDIT, KEEP_REVISIONS, Catalog
from plutino.control import Controller, Policy
from plutino.control.encryption import read_passphrase
from plutino.control.provisioning import Provisioning
from plutino.control.secrecy import MODES
from plutino.errors import Fault, OptionError, PlutinoError
from plutino.model import Ref
from plutino.model.duration import parse_nanoseconds
from plutino.runtime import Engine
from plutino.spi import Control, HttpIngress, Registry, SystemClock, discover
from plutino.spi.access import Access
from plutino.spi.discovery import resource_kinds
from plutino.spi.discretion import declared_secrets
from plutino.spi.limits import Limits, limits_from, use_limits
from plutino.spi.plugin import PluginSettings
from plutino.spi.staging import Attached

if TYPE_CHECKING:
    from plutino.rest.configs import LogControl
    from plutino.rest.metrics import MetricsRecord
    from plutino.rest.serving import HttpServer

END_DELAY_S = 1.0
"""How long after an answer the server ends that was asked to."""

LOG_LEVELS = ("debug", "info", "warning", "error")
SECRET_MODES = MODES


class Settings(Struct, frozen=True):
    """Everything that a server can be told when it starts.

    - ``host``, ``port``: where the REST API listens; ``push_host`` (empty: as ``host``), ``push_port``: where HTTP push sources listen
    - ``allow_host``, ``allow_origin``: names of the server and origins of web pages besides those of this machine
    - ``external_files``: files outside of ``<data_dir>/uploads`` may be named; None: while the API listens on loopback only
    - ``private_net``: HTTP sources, sinks and downloads may reach loopback and private addresses
    - ``install_scripts``: plugin packages with a shell script (``install.sh``) are taken
    - ``timezone``: IANA name, ``Local`` for that of the machine
    - ``files_dir``: where relative paths of file sources and sinks begin; empty for ``data_dir``
    - ``secrets``: how exports show secrets when nobody says: plain, redact or encrypt; ``plain_secrets`` False: never plain, also not where
      single objects are shown; ``secrets_key_file``: a file with the passphrase for requests that bring none
    - ``etc_dir``: where configuration lies that is imported at the start; empty for ``<data_dir>/etc``
    - ``plugins``: portable plugins are run; ``python_bin``: the interpreter of those in Python, empty for that of the PATH;
      ``plugin_init_timeout``, ``plugin_send_timeout``, ``plugin_recv_timeout``: how long they may take to start, to be there, and to
      answer, as ``5s``
    - ``trusted_keys``: files with public keys (Ed25519, PEM); when there are any, bundles must be signed by one of them
    - ``limits``: what is taken in at most, as ``NAME=VALUE`` (see ``spi.limits``)
    - ``keep_revisions``: how many revisions can be rolled back to; ``keep_audit``: how many the history tells of
    """

    data_dir: str
    host: str = "127.0.0.1"
    port: int = 9081
    push_host: str = ""
    push_port: int = 10081
    allow_host: tuple[str, ...] = ()
    allow_origin: tuple[str, ...] = ()
    external_files: bool | None = None
    private_net: bool = False
    install_scripts: bool = False
    timezone: str = "Local"
    log_level: str = "info"
    files_dir: str = ""
    limits: tuple[str, ...] = ()
    secrets: str = "plain"
    plain_secrets: bool = True
    secrets_key_file: str = ""
    etc_dir: str = ""
    trusted_keys: tuple[str, ...] = ()
    plugins: bool = True
    python_bin: str = ""
    plugin_init_timeout: str = "60s"
    plugin_send_timeout: str = "5s"
    plugin_recv_timeout: str = "5s"
    keep_revisions: int = KEEP_REVISIONS
    keep_audit: int = KEEP_AUDIT

    @property
    def access(self) -> Access:
        """What configurations may reach."""
        external = _is_loopback(self.host) if self.external_files is None else self.external_files
        return Access(self.files_dir or self.data_dir, external_files=external, private_net=self.private_net)

    def intake(self) -> Limits:
        """What is taken in at most; OptionError for what is no limit."""
        return limits_from(dict(_pair(text) for text in self.limits))

    def plugin_settings(self) -> PluginSettings:
        """How portable plugins are run; OptionError for what is no duration."""
        return PluginSettings(
            self.plugins,
            self.python_bin,
            _milliseconds("plugin_init_timeout", self.plugin_init_timeout),
            _milliseconds("plugin_send_timeout", self.plugin_send_timeout),
            _milliseconds("plugin_recv_timeout", self.plugin_recv_timeout),
        )

    def policy(self) -> Policy:
        """How secrets are shown; PlutinoError when the key file cannot be read. Blocks."""
        default = "redact" if self.secrets == "plain" and not self.plain_secrets else self.secrets
        if default not in SECRET_MODES:
            raise OptionError(f"secrets: {default}; one of {', '.join(SECRET_MODES)} is expected", path="secrets")
        return Policy(default, self.plain_secrets, read_passphrase(self.secrets_key_file) if self.secrets_key_file else "")

    def for_checks(self) -> Mapping[str, Any]:
        """The part that checks of definitions depend on."""
        access = self.access
        return {
            "data_dir": access.data_dir,
            "allow_external_file_access": access.external_files,
            "enable_private_net": access.private_net,
            "allow_install_scripts": self.install_scripts,
            "timezone": self.timezone,
        }


_VARIABLES = {
    "KUIPER__BASIC__RESTIP": "host",
    "KUIPER__BASIC__RESTPORT": "port",
    "KUIPER__BASIC__TIMEZONE": "timezone",
    "KUIPER__BASIC__LOGLEVEL": "log_level",
    "KUIPER__BASIC__ALLOWEXTERNALFILEACCESS": "external_files",
    "KUIPER__BASIC__ENABLEPRIVATENET": "private_net",
    "KUIPER__PORTABLE__PYTHONBIN": "python_bin",
    "KUIPER__PORTABLE__INITTIMEOUT": "plugin_init_timeout",
    "KUIPER__PORTABLE__SENDTIMEOUT": "plugin_send_timeout",
    "KUIPER__PORTABLE__RECVTIMEOUT": "plugin_recv_timeout",
    "PLUTINO__SECRETS__MODE": "secrets",
    "PLUTINO__SECRETS__PLAIN": "plain_secrets",
    "PLUTINO__SECRETS__KEYFILE": "secrets_key_file",
    "KUIPER__SOURCE__HTTPSERVERIP": "push_host",
    "KUIPER__SOURCE__HTTPSERVERPORT": "push_port",
}
_LEVELS = {"warn": "warning", "fatal": "error", "panic": "error"}


_LIMIT = "PLUTINO__LIMITS__"


def settings_from(environ: Mapping[str, str], **given: Any) -> Settings:
    """Settings from environment variables with eKuiper's names, and from ``given`` ones that are not None, which win.

    OptionError for a variable whose value does not fit.
    """
    found: dict[str, Any] = {}
    for variable, value in environ.items():
        name = _VARIABLES.get(variable.upper())
        if name is not None:
            found[name] = _converted(variable, name, value.strip())
        elif variable.upper().startswith(_LIMIT):
            limit = (f"{variable.upper().removeprefix(_LIMIT)}={value}",)
            found["limits"] = (*found.get("limits", ()), *limit)
    if given.get("limits"):
        # Each by itself: an option wins over the variable of the same limit.
        given["limits"] = (*found.get("limits", ()), *given["limits"])
    found.update({name: value for name, value in given.items() if value is not None})
    return Settings(**found)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise OptionError(f"limit {text}: no value; NAME=VALUE is expected", path=name)
    return name, value


def _milliseconds(name: str, text: str) -> int:
    try:
        found = int(text) if text.isdecimal() else parse_nanoseconds(text) // 1_000_000
    except ValueError as error:
        raise OptionError(f"{name}: {error}; a duration such as 5s is expected", path=name) from None
    if found <= 0:
        raise OptionError(f"{name}: {text}; more than nothing is expected", path=name)
    return found


def _converted(variable: str, name: str, value: str) -> Any:
    if name == "log_level":
        level = _LEVELS.get(value.lower(), value.lower())
        if level not in LOG_LEVELS:
            raise OptionError(f"{variable}: {value}; one of {', '.join(LOG_LEVELS)} is expected", path=variable)
        return level
    kind = next(field.type for field in msgspec.structs.fields(Settings) if field.name == name)
    if kind is str:
        return value
    try:
        return msgspec.convert(value.lower(), kind, strict=False)
    except msgspec.ValidationError as error:
        raise OptionError(f"{variable}: {value}; {str(error).lower()}", path=variable) from None


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
        self.control: Control | None = None
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, rule: str) -> None:
        task = asyncio.get_running_loop().create_task(self._store(rule))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _store(self, rule: str) -> None:
        assert self.control is not None
        try:
            await self.control.trigger([rule], False)
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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
