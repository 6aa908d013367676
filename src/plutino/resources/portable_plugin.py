"""Portable plugins: the kind ``portable_plugin`` (rest reference §1.10, §5.2), programs beside the server in a language of their own.

A plugin is its package: a zip with a manifest ``<name>.json``, the program and what its sources need. The package is kept as it came;
nothing of it is unpacked or run while it is checked. Once it is stored, the engine runs the program, and rules use its functions,
sources and sinks.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from plutino.errors import ConflictError, DefinitionError, NotFoundError, PlutinoError
from plutino.model import Definition, Ref
from plutino.spi import (
    Action,
    Answer,
    Area,
    Arg,
    Blob,
    Call,
    DeclaredConnector,
    Environment,
    FunctionKind,
    FunctionSpec,
    Host,
    Mode,
    Origin,
)
from plutino.spi.archive import Archive
from plutino.spi.gojson import GoJsonError, Shape, bind, decode
from plutino.spi.linting import CODES, Advice, text_advice
from plutino.spi.outside import OutsideFunction
from plutino.spi.package import (
    INSTALL_SCRIPT,
    MANIFEST_LIMIT,
    REQUEST_SCHEMA,
    Request,
    check_new_connectors,
    check_new_functions,
    check_script,
    check_symbols,
    check_url,
    fetch,
    opened,
    portable_text,
    read_presets,
    read_request,
    request_shape,
    request_text,
    secret_url,
)
from plutino.spi.plugin import PluginPackage, PluginStatus
from plutino.spi.wire import json_answer, text_answer, with_prefix

_SHAPE = request_shape("plugin.IOPlugin")
_MANIFEST = Shape(
    "portable.PluginInfo",
    {
        "name": "string",
        "version": "string",
        "language": "string",
        "executable": "string",
        "virtualEnvType": "string",
        "env": "string",
        "sources": "[]string",
        "sinks": "[]string",
        "functions": "[]string",
    },
)
_NAME = re.compile(r"[\w\-][\w.\-]*", re.ASCII)
_LANGUAGES = ("go", "python")
_INVALID = "invalid plugin"
_DECODING = "Invalid body: Error decoding the portable plugin json"


class Manifest(Struct, frozen=True):
    """What the manifest of a package says; ``script``: it comes with an installation script."""

    version: str
    language: str
    executable: str
    sources: tuple[str, ...]
    sinks: tuple[str, ...]
    functions: tuple[str, ...]
    virtual_env_type: str = ""
    env: str = ""
    script: bool = False
    presets: Mapping[str, Mapping[str, Mapping[str, Any]]] = {}
    """By source its shipped configurations, by key."""


class PortableContent(Struct, frozen=True):
    """What two texts must agree on: the request, and the package behind it. ``manifest`` is None until the package was read."""

    request: Request
    digest: str = ""
    manifest: Manifest | None = None


class PluginView(Struct, omit_defaults=True):
    """How a plugin is shown."""

    name: str
    version: str
    language: str
    executable: str
    sources: tuple[str, ...]
    sinks: tuple[str, ...]
    functions: tuple[str, ...]
    virtualEnvType: str = ""  # noqa: N815 - the wire spells it so
    env: str = ""


class PortablePluginKind:
    """Spec of ``portable_plugin``."""

    kind = "portable_plugin"
    section = "portablePlugins"
    kept_when_present = True

    def __init__(self) -> None:
        self._host: Host | None = None
        """The engine: it knows which functions are aggregates."""

    def attach(self, host: Host) -> None:
        self._host = host

    @property
    def actions(self) -> Sequence[Action]:
        path, tags = "/plugins/portables", ("plugins",)
        one, view, status = f"{path}/{{name}}", PluginView, {"type": "object"}
        return (
            Action("GET", path, self._list, "Portable plugins", reply=list[PluginView], tags=tags),
            Action("POST", path, self._create, "Install a portable plugin", body=REQUEST_SCHEMA, status=201, tags=tags),
            Action("GET", one, self._describe, "What a portable plugin brings", reply=view, tags=tags),
            Action("GET", f"{one}/status", self._status, "The process of a portable plugin", reply=status, tags=tags),
            Action("PUT", one, self._update, "Install another package of a portable plugin", body=REQUEST_SCHEMA, tags=tags),
            Action("DELETE", one, self._delete, "Remove a portable plugin that no rule uses", tags=tags),
        )

    def parse(self, ref: Ref, text: str) -> Definition:
        request = read_request(text, _SHAPE)
        check_name(request.name)
        check_url(request.file, (".zip",), "invalid uri")
        if request.name != ref.name:
            raise DefinitionError(f"invalid name {request.name}: the entry is called {ref.name}; both must be equal")
        return Definition(ref, text, PortableContent(request))

    async def stage(self, definition: Definition, area: Area) -> Definition:
        request: Request = definition.content.request
        blob = await fetch(area, request)
        try:
            manifest = await asyncio.to_thread(_read, request.name, blob)
        except PlutinoError as error:
            with_prefix(error, "fail to install plugin")
            raise
        return msgspec.structs.replace(definition, content=PortableContent(request, blob.digest, manifest))

    def portable(self, definition: Definition, read: Callable[[str], bytes]) -> str:
        return portable_text(definition, definition.content.request, read)

    def functions(self, definition: Definition) -> tuple[FunctionSpec, ...]:
        content: PortableContent = definition.content
        if content.manifest is None:
            return ()
        plugin = definition.ref.name
        aggregates = self._host.plugin_aggregates(plugin, content.digest) if self._host is not None else ()
        return tuple(_function(name, plugin, content.digest, name in aggregates) for name in content.manifest.functions)

    def connectors(self, definition: Definition) -> tuple[DeclaredConnector, ...]:
        manifest: Manifest | None = definition.content.manifest
        if manifest is None:
            return ()
        declared = [("source", name) for name in manifest.sources] + [("sink", name) for name in manifest.sinks]
        return tuple(DeclaredConnector(role, name, "", manifest.presets.get(name, {})) for role, name in declared)

    def depends_on(self, definition: Definition, env: Environment) -> Iterable[Ref]:
        return ()

    def check(self, before: Definition | None, after: Definition | None, env: Environment, mode: Mode) -> PluginPackage | None:
        """Names are free, and an installation script is allowed. Whether a plugin may be removed is up to who uses it: see the endpoint."""
        if after is None or after.content.manifest is None:
            return None
        if mode is not Mode.BOOT:
            if mode is Mode.CREATE and before is not None:
                raise _duplicate(after.ref.name)
            check_script(after.content.manifest.script, env.settings)
            check_new_functions(after.content.manifest.functions, after.ref, env)
            check_new_connectors(self.connectors(after), after.ref, env)
        return _package(after, env)

    async def activate(self, before: Definition | None, after: Definition | None, prepared: Any, host: Host) -> None:
        """Its program runs from now on, or no more."""
        if prepared is not None:
            await host.install_plugin(prepared)
        elif after is None and before is not None:
            await host.remove_plugin(before.ref.name)

    def secrets(self, definition: Definition, env: Environment) -> Iterable[tuple[str, ...]]:
        return secret_url(definition.content.request)

    def lint(self, definition: Definition, env: Environment, codes: Collection[str] = CODES) -> Iterable[Advice]:
        """Members that mean nothing."""
        return text_advice(definition.text, _SHAPE)

    async def _list(self, call: Call) -> Answer:
        env = call.control.environment
        views = [_view(found, env) for name in env.names(self.kind) if (found := _installed(name, env)) is not None]
        return json_answer(views)

    async def _create(self, call: Call) -> Answer:
        try:
            async with request_text(call, _SHAPE) as (name, text):
                if call.control.environment.get(Ref(self.kind, name)) is not None:
                    raise _create_error(_duplicate(name))
                await self._put(call, name, text, Mode.CREATE, "portable plugin create command error")
        except GoJsonError as error:
            with_prefix(error, _DECODING)
            raise
        return text_answer(f"portable plugin {name} is created", 201)

    async def _update(self, call: Call) -> Answer:
        wanted = call.params["name"]
        try:
            async with request_text(call, _SHAPE, wanted) as (name, text):
                if name != wanted:
                    raise DefinitionError(f"portable plugin update command error: invalid name {name}: the path says {wanted}")
                await self._put(call, name, text, Mode.UPDATE, "portable plugin update command error")
        except GoJsonError as error:
            with_prefix(error, _DECODING)
            raise
        return text_answer(f"portable plugin {name} is updated")

    async def _put(self, call: Call, name: str, text: str, mode: Mode, prefix: str) -> None:
        try:
            await call.control.put(Ref(self.kind, name), text, mode=mode, origin=Origin("rest", call.client))
            made = call.control.environment.get(Ref(self.kind, name))
            if made is not None and call.control.host.plugin_aggregates(name, made.content.digest):
                # The next rule must find its functions for what they are.
                await call.control.reactivate(Ref(self.kind, name))
        except PlutinoError as error:
            with_prefix(error, prefix)
            raise

    async def _describe(self, call: Call) -> Answer:
        name, env = call.params["name"], call.control.environment
        found = _installed(name, env)
        if found is None:
            raise NotFoundError(f"describe portable plugin {name} error: not found")
        return json_answer(_view(found, env))

    async def _status(self, call: Call) -> Answer:
        name = call.params["name"]
        if call.control.environment.get(Ref(self.kind, name)) is None:
            raise NotFoundError(f"portable plugin {name} not found: not found")
        found = call.control.host.plugin_status(name) or PluginStatus("stop")
        return json_answer(found.wire())

    async def _delete(self, call: Call) -> Answer:
        name, control = call.params["name"], call.control
        ref = Ref(self.kind, name)
        if control.environment.get(ref) is None:
            raise PlutinoError(f"delete portable plugin {name} error: portable plugin {name} is not found")
        rules = [user.name for user in control.users(ref) if user.kind == "rule"]
        if rules:
            raise ConflictError(f"plugin {name} is referenced by the rule {', '.join(sorted(rules))}")
        await control.delete(ref, origin=Origin("rest", call.client))
        return text_answer(f"portable plugin {name} is deleted")


def check_name(name: str) -> None:
    """DefinitionError for a name that cannot be that of a plugin and its directory."""
    if not name.strip():
        raise DefinitionError(f"invalid name {name}: should not be empty")
    if _NAME.fullmatch(name) is None or len(name) > 200:
        raise DefinitionError(f"invalid name {name[:200]}: letters, digits and ._- are expected, and no dot in front")


def _read(name: str, blob: Blob) -> Manifest:
    with opened(blob) as archive:
        found = _manifest(name, archive)
        if found.executable not in archive:
            raise DefinitionError(f"missing {found.executable}")
        presets = {source: read_presets(archive, f"sources/{source}.yaml") for source in found.sources}
        return msgspec.structs.replace(found, presets=presets)


def _manifest(name: str, archive: Archive) -> Manifest:
    file = f"{name}.json"
    if file not in archive:
        raise DefinitionError(f"missing or invalid json file {file}, found {len(archive.names)} files in total")
    try:
        body = bind(decode(archive.text(file, MANIFEST_LIMIT), exact=True), _MANIFEST)
    except GoJsonError as error:
        raise DefinitionError(f"{file}: {error.message}") from None
    if body.get("name", name) != name:
        raise DefinitionError(f"{_INVALID}, expect name '{name}' but got '{body['name']}'")
    found = Manifest(
        body.get("version", ""),
        body.get("language", ""),
        body.get("executable", ""),
        tuple(body.get("sources", ())),
        tuple(body.get("sinks", ())),
        tuple(body.get("functions", ())),
        body.get("virtualEnvType", ""),
        body.get("env", ""),
        INSTALL_SCRIPT in archive,
    )
    _validate(found)
    return found


def _validate(found: Manifest) -> None:
    if not found.language:
        raise DefinitionError(f"{_INVALID}, missing language")
    if not found.executable:
        raise DefinitionError(f"{_INVALID}, missing executable")
    if not (found.sources or found.sinks or found.functions):
        raise DefinitionError(f"{_INVALID}, must define at lease one source, sink or function")
    if found.language not in _LANGUAGES:
        raise DefinitionError(f"{_INVALID}, language '{found.language}' is not supported")
    for role, names in (("source", found.sources), ("sink", found.sinks), ("function", found.functions)):
        check_symbols(role, names, _INVALID)


def _installed(name: str, env: Environment) -> Definition | None:
    """A plugin whose package could be read when the server started."""
    found = env.get(Ref(PortablePluginKind.kind, name))
    return found if found is not None and found.content is not None and found.content.manifest is not None else None


def _view(definition: Definition, env: Environment) -> PluginView:
    name, found = definition.ref.name, definition.content.manifest
    folder = os.path.join(os.path.abspath(str(env.settings.get("data_dir", "."))), "plugins", "portable", name)
    return PluginView(
        name=name,
        version=found.version,
        language=found.language,
        executable=os.path.join(folder, *found.executable.split("/")),
        sources=found.sources,
        sinks=found.sinks,
        functions=found.functions,
        virtualEnvType=found.virtual_env_type,
        env=found.env,
    )


def _function(name: str, plugin: str, digest: str, aggregate: bool) -> FunctionSpec:
    """A function that takes whatever it is given, as only its plugin knows better."""
    return FunctionSpec(
        name,
        OutsideFunction(plugin, name, digest, aggregate),
        "Function of a portable plugin",
        args=(Arg("value"),),
        optional=1,
        variadic=True,
        kind=FunctionKind.AGGREGATE if aggregate else FunctionKind.SCALAR,
        pure=False,
    )


def _package(definition: Definition, env: Environment) -> PluginPackage:
    content: PortableContent = definition.content
    manifest = content.manifest
    assert manifest is not None
    return PluginPackage(
        definition.ref.name,
        content.digest,
        env.blob(content.digest),
        manifest.executable,
        manifest.language,
        manifest.env if manifest.virtual_env_type else "",
        manifest.functions,
        manifest.sources,
        manifest.sinks,
        content.request.shell_paras if manifest.script else None,
    )


def _duplicate(name: str) -> ConflictError:
    return ConflictError(f"invalid name {name}: duplicate")


def _create_error(error: PlutinoError) -> PlutinoError:
    with_prefix(error, "portable plugin create command error")
    return error


SPECS = (PortablePluginKind(),)
