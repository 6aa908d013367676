"""The kind ``native_plugin``: named ``<sources|sinks|functions>_<name>``, as in documents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from plutino.errors import ConflictError, DefinitionError, PlutinoError
from plutino.model import Definition, Ref
from plutino.resources.native_plugin.builtin import is_listed, is_present, stand_in_connectors, stand_in_functions
from plutino.resources.native_plugin.content import NativeContent, Package, Role
from plutino.resources.native_plugin.endpoints import SHAPES, endpoints
from plutino.resources.native_plugin.packages import instead, read_package
from plutino.spi import Action, Area, DeclaredConnector, Environment, FunctionSpec, Host, Mode
from plutino.spi.linting import CODES, Advice, text_advice
from plutino.spi.package import (
    check_new_connectors,
    check_new_functions,
    check_script,
    check_symbols,
    check_url,
    declared_function,
    fetch,
    not_executed,
    portable_text,
    read_request,
    secret_url,
)
from plutino.spi.wire import check_id

_SUFFIXES = (".zip", ".whl")


class NativePluginKind:
    """Spec of ``native_plugin``.

    Plugins of the original are Go libraries, which do not run here. An entry for one of its own counts as installed and keeps its text;
    what it declares is known to rules, and where this engine does not do its work, their status says so. Entries for other libraries are
    refused with what to do, and Python packages take their place.
    """

    kind = "native_plugin"
    section = "nativePlugins"
    kept_when_present = True

    @property
    def actions(self) -> Sequence[Action]:
        return endpoints(self.kind)

    def parse(self, ref: Ref, text: str) -> Definition:
        role, name = _split(ref.name)
        request = read_request(text, SHAPES[role])
        check_id(request.name)
        if request.name != name:
            raise DefinitionError(f"invalid name {request.name}: the entry is called {ref.name}; {role}_{request.name} is expected")
        check_url(request.file, _SUFFIXES, "invalid uri")
        if role is Role.FUNCTIONS:
            check_symbols(role.one, request.functions, "invalid plugin")
        return Definition(ref, text, NativeContent(role, request))

    async def stage(self, definition: Definition, area: Area) -> Definition:
        content: NativeContent = definition.content
        if is_listed(content.role, content.name) and not _is_wheel(content.request.file):
            return definition
        package: Package | None = None
        fault = ""
        # Whether it is needed at all is known when it is checked.
        try:
            blob = await fetch(area, content.request)
        except PlutinoError as error:
            fault = error.message + _no_download(content)
        else:
            try:
                package = await asyncio.to_thread(read_package, content, blob)
            except PlutinoError as error:
                fault = f"fail to install plugin: {error.message}"
        return msgspec.structs.replace(definition, content=msgspec.structs.replace(content, package=package, fault=fault))

    def portable(self, definition: Definition, read: Callable[[str], bytes]) -> str:
        return portable_text(definition, definition.content.request, read)

    def functions(self, definition: Definition) -> tuple[FunctionSpec, ...]:
        content: NativeContent = definition.content
        if content.package is None:
            return () if content.fault else stand_in_functions(content, definition.ref)
        if content.role is not Role.FUNCTIONS:
            return ()
        digest, about = content.package.digest, "Function of a native plugin"
        return tuple(declared_function(name, definition.ref, digest, about) for name in content.symbols)

    def connectors(self, definition: Definition) -> tuple[DeclaredConnector, ...]:
        content: NativeContent = definition.content
        if content.package is None:
            return () if content.fault else stand_in_connectors(content, definition.ref)
        if content.role is Role.FUNCTIONS:
            return ()
        role = content.role.one
        return tuple(DeclaredConnector(role, name, not_executed(role, name, definition.ref)) for name in content.symbols)

    def depends_on(self, definition: Definition, env: Environment) -> Iterable[Ref]:
        return ()

    def check(self, before: Definition | None, after: Definition | None, env: Environment, mode: Mode) -> None:
        """A package that cannot be used is refused, unless the installation has what it would bring; names are free."""
        if after is None:
            return
        content: NativeContent = after.content
        if mode is Mode.CREATE and before is not None:
            raise duplicate(content.name)
        if content.fault and not is_present(content, env):
            raise DefinitionError(content.fault)
        if mode is Mode.BOOT:
            return
        if content.package is not None:
            check_script(content.package.script, env.settings)
        try:
            stand_in = content.package is None
            check_new_functions(tuple(made.name for made in self.functions(after)), after.ref, env, stand_in=stand_in)
            check_new_connectors(self.connectors(after), after.ref, env, stand_in=stand_in)
        except ConflictError as error:
            if content.package is None:
                raise ConflictError(f"{error.message}; leave this entry out, as its Go library would not run here") from None
            raise

    async def activate(self, before: Definition | None, after: Definition | None, prepared: Any, host: Host) -> None:
        """Nothing runs for a plugin in this version."""

    def secrets(self, definition: Definition, env: Environment) -> Iterable[tuple[str, ...]]:
        return secret_url(definition.content.request)

    def lint(self, definition: Definition, env: Environment, codes: Collection[str] = CODES) -> Iterable[Advice]:
        """Members that mean nothing."""
        return text_advice(definition.text, SHAPES[definition.content.role])


def duplicate(name: str) -> ConflictError:
    """The refusal of a second plugin with a name."""
    return ConflictError(f"invalid name {name}: duplicate")


def _is_wheel(url: str) -> bool:
    return urlsplit(url).path.lower().endswith(".whl")


def _no_download(content: NativeContent) -> str:
    """What else is to be said of a package that is not to be had: most entries with a URL are for Go libraries."""
    if _is_wheel(content.request.file) or urlsplit(content.request.file).scheme.lower() not in ("http", "https"):
        return ""
    return f"; a Go library, as plugins of eKuiper are, would not load here anyway: {instead(content)}"


def _split(name: str) -> tuple[Role, str]:
    """Role and plugin name of an object; only the first underscore divides them."""
    word, divided, rest = name.partition("_")
    if not divided or word not in set(Role):
        raise DefinitionError(f"plugin {name}: sources_, sinks_ or functions_ is expected in front of the name")
    return Role(word), rest
