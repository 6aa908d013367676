"""Endpoints of native plugins (rest reference §1.10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from plutino.errors import ConflictError, DefinitionError, NotFoundError, PlutinoError
from plutino.model import Definition, Ref
from plutino.resources.native_plugin.builtin import prebuilt
from plutino.resources.native_plugin.content import NativeContent, Role
from plutino.spi import Action, Answer, Call, Environment, Mode, Origin
from plutino.spi.gojson import GoJsonError, Shape, bind, decode
from plutino.spi.package import REQUEST_SCHEMA, request_shape, request_text
from plutino.spi.wire import check_id, json_answer, text_answer, with_prefix

SHAPES = {
    Role.SOURCES: request_shape("plugin.IOPlugin"),
    Role.SINKS: request_shape("plugin.IOPlugin"),
    Role.FUNCTIONS: request_shape("plugin.FuncPlugin"),
}
_FUNCTIONS = Shape("server.functionList", {"functions": "[]string"})
_TAGS = ("plugins",)
_NAMES = {"type": "array", "items": {"type": "string"}}
_OBJECT = {"type": "object"}
_RESTART = "eKuiper must restart for the change to take effect."


def endpoints(kind: str) -> Sequence[Action]:
    """The actions of the kind."""
    found: list[Action] = []
    for role in Role:
        found += _Endpoints(kind, role).actions
    functions = _Endpoints(kind, Role.FUNCTIONS)
    register, udfs = "/plugins/functions/{name}/register", "/plugins/udfs"
    return (
        *found,
        Action("POST", register, functions.register, "Name the functions of a function plugin", body=_OBJECT, tags=_TAGS),
        Action("GET", udfs, functions.list_functions, "Functions of native plugins", reply=_NAMES, tags=_TAGS),
        Action("GET", f"{udfs}/{{name}}", functions.describe_function, "The plugin that brings a function", reply=_OBJECT, tags=_TAGS),
    )


class _Endpoints:
    """Those of one role."""

    def __init__(self, kind: str, role: Role) -> None:
        self._kind = kind
        self._role = role

    @property
    def actions(self) -> tuple[Action, ...]:
        path, one = f"/plugins/{self._role}", self._role.one
        single, stop = f"{path}/{{name}}", {"stop": "1: the client wants the server to restart afterwards; not needed here"}
        prebuild = f"{path}/prebuild"
        return (
            Action("GET", path, self.list, f"Names of {one} plugins", reply=_NAMES, tags=_TAGS),
            Action("POST", path, self.create, f"Install a {one} plugin", body=REQUEST_SCHEMA, status=201, tags=_TAGS),
            Action("GET", prebuild, self.prebuild, f"The original's own {one} plugins, which need no package", reply=_OBJECT, tags=_TAGS),
            Action("GET", single, self.describe, f"A {one} plugin", reply=_OBJECT, tags=_TAGS),
            Action("PUT", single, self.update, f"Install another package of a {one} plugin", body=REQUEST_SCHEMA, tags=_TAGS),
            Action("DELETE", single, self.drop, f"Remove a {one} plugin that no rule uses", tags=_TAGS, query=stop),
        )

    async def list(self, call: Call) -> Answer:
        prefix = f"{self._role}_"
        names = call.control.environment.names(self._kind)
        return json_answer([name.removeprefix(prefix) for name in names if name.startswith(prefix)])

    async def prebuild(self, call: Call) -> Answer:
        return json_answer(prebuilt(self._role))

    async def create(self, call: Call) -> Answer:
        try:
            async with request_text(call, SHAPES[self._role]) as (name, text):
                check_id(name)
                if self._find(name, call) is not None:
                    raise ConflictError(f"{self._role} plugins create command error: invalid name {name}: duplicate")
                await self._put(call, name, text, Mode.CREATE, f"{self._role} plugins create command error")
        except GoJsonError as error:
            with_prefix(error, f"Invalid body: Error decoding the {self._role} plugin json")
            raise
        return text_answer(f"{self._role} plugin {name} is created", 201)

    async def update(self, call: Call) -> Answer:
        wanted = _name(call)
        prefix = f"update {self._role} plugin {wanted} error"
        try:
            async with request_text(call, SHAPES[self._role], wanted) as (name, text):
                if self._find(wanted, call) is None:
                    raise NotFoundError(f"{prefix}, cannot delete old version: invalid name {wanted}: not exist")
                if name != wanted:
                    raise DefinitionError(f"{prefix}: invalid name {name}: the path says {wanted}")
                await self._put(call, name, text, Mode.UPDATE, prefix)
        except GoJsonError as error:
            with_prefix(error, f"Invalid body: Error decoding the {self._role} plugin json")
            raise
        return text_answer(f"plugin {name} is updated and {_RESTART}")

    async def describe(self, call: Call) -> Answer:
        name = _name(call)
        found = self._find(name, call)
        if found is None:
            raise NotFoundError(f"describe {self._role} plugin {name} error: not found")
        content: NativeContent | None = found.content
        package = content.package if content is not None else None
        shown: dict[str, object] = {"name": name, "version": "" if package is None else package.version.removeprefix("v")}
        if self._role is Role.FUNCTIONS and content is not None:
            shown["functions"] = content.symbols
        return json_answer(shown)

    async def drop(self, call: Call) -> Answer:
        name = _name(call)
        ref = self._ref(name)
        if self._find(name, call) is None:
            raise NotFoundError(f"delete {self._role} plugin {name} error: invalid name {name}: not exist")
        rules = sorted(user.name for user in call.control.users(ref) if user.kind == "rule")
        if rules:
            raise ConflictError(f"plugin {name} is referenced by the rule {', '.join(rules)}")
        await call.control.delete(ref, origin=Origin("rest", call.client))
        return text_answer(f"{self._role} plugin {name} is deleted and {_RESTART}")

    async def register(self, call: Call) -> Answer:
        name = _name(call)
        found = self._find(name, call)
        if found is None:
            raise NotFoundError(f"register functions plugin {name} error: not found")
        try:
            functions = bind(decode(call.body, exact=False), _FUNCTIONS).get("functions", [])
        except GoJsonError as error:
            with_prefix(error, "Invalid body: Error decoding the function list json")
            raise
        prefix = f"function plugins {name} regiser functions error"
        if not functions:
            raise PlutinoError(f"{prefix}: property 'functions' must not be empty")
        await self._put(call, name, _with_functions(found, functions), Mode.FULL, prefix)
        return text_answer(f"function plugin {name} function list is registered")

    async def list_functions(self, call: Call) -> Answer:
        return json_answer(sorted(symbol for _, symbol in _symbols(self._kind, call.control.environment)))

    async def describe_function(self, call: Call) -> Answer:
        name = _name(call)
        plugin = next((plugin for plugin, symbol in _symbols(self._kind, call.control.environment) if symbol == name), None)
        if plugin is None:
            raise NotFoundError(f"describe function {name} error: not found")
        return json_answer({"name": name, "plugin": plugin})

    async def _put(self, call: Call, name: str, text: str, mode: Mode, prefix: str) -> None:
        try:
            await call.control.put(self._ref(name), text, mode=mode, origin=Origin("rest", call.client))
        except PlutinoError as error:
            with_prefix(error, prefix)
            raise

    def _ref(self, name: str) -> Ref:
        return Ref(self._kind, f"{self._role}_{name}")

    def _find(self, name: str, call: Call) -> Definition | None:
        return call.control.environment.get(self._ref(name))


def _name(call: Call) -> str:
    check_id(call.params["name"])
    return call.params["name"]


def _symbols(kind: str, env: Environment) -> Iterator[tuple[str, str]]:
    """Plugin and name of every function."""
    for name in env.names(kind):
        found = env.get(Ref(kind, name))
        if found is not None and found.content is not None and found.content.role is Role.FUNCTIONS:
            for symbol in found.content.symbols:
                yield found.content.name, symbol


def _with_functions(found: Definition, functions: list[str]) -> str:
    """The text with another list of functions. Its package stays: it is named by its hash, so that nothing is fetched again."""
    value = {key: member for key, member in decode(found.text, exact=True).items() if key.lower() not in ("functions", "sha256")}
    package = found.content.package if found.content is not None else None
    pinned = {} if package is None else {"sha256": package.digest}
    return msgspec.json.encode({**value, "functions": functions, **pinned}).decode()
