"""The kind ``service``: what a descriptor must be, and the endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import msgspec

from plutino.errors import ConflictError, DefinitionError, NotFoundError, PlutinoError
from plutino.model import Definition, Ref
from plutino.resources.service.content import Interface, Procedure, ServiceContent
from plutino.resources.service.descriptor import read_service
from plutino.spi import Action, Answer, Area, Call, Environment, FunctionSpec, Host, Mode, Origin
from plutino.spi.gojson import GoJsonError, decode
from plutino.spi.linting import CODES, Advice, text_advice
from plutino.spi.package import (
    REQUEST_SCHEMA,
    check_new_functions,
    check_url,
    declared_function,
    fetch,
    portable_text,
    read_request,
    request_shape,
    request_text,
    secret_url,
)
from plutino.spi.wire import check_id, json_answer, text_answer, with_prefix

_SHAPE = request_shape("service.ServiceCreationRequest")
_DECODING = "Invalid body: Error decoding the %s service request payload"
_OBJECT = {"type": "object"}


class ServiceKind:
    """Spec of ``service``. This version declares the functions of services, and does not call them."""

    kind = "service"
    section = "Service"
    kept_when_present = True

    @property
    def actions(self) -> Sequence[Action]:
        path, functions, tags = "/services", "/services/functions", ("services",)
        one, names = f"{path}/{{name}}", {"type": "array", "items": {"type": "string"}}
        listed = {"type": "array", "items": _OBJECT}
        return (
            Action("GET", path, self._list, "Names of external services", reply=names, tags=tags),
            Action("POST", path, self._create, "Create an external service", body=REQUEST_SCHEMA, status=201, tags=tags),
            Action("GET", functions, self._list_functions, "Functions of all external services", reply=listed, tags=tags),
            Action("GET", f"{functions}/{{name}}", self._describe_function, "A function of a service", reply=_OBJECT, tags=tags),
            Action("GET", one, self._describe, "Interfaces and functions of a service", reply=_OBJECT, tags=tags),
            Action("PUT", one, self._update, "Replace an external service", body=REQUEST_SCHEMA, tags=tags),
            Action("DELETE", one, self._delete, "Delete an external service that no rule uses", tags=tags),
        )

    def parse(self, ref: Ref, text: str) -> Definition:
        request = read_request(text, _SHAPE)
        check_id(request.name)
        check_url(request.file, (), "invalid file path")
        if request.name != ref.name:
            raise DefinitionError(f"invalid name {request.name}: the entry is called {ref.name}; both must be equal")
        return Definition(ref, text, ServiceContent(request))

    async def stage(self, definition: Definition, area: Area) -> Definition:
        request = definition.content.request
        blob = await fetch(area, request)
        return msgspec.structs.replace(definition, content=await asyncio.to_thread(read_service, request, blob))

    def portable(self, definition: Definition, read: Callable[[str], bytes]) -> str:
        return portable_text(definition, definition.content.request, read)

    def functions(self, definition: Definition) -> tuple[FunctionSpec, ...]:
        content: ServiceContent = definition.content
        about = "Function of an external service"
        return tuple(declared_function(procedure.function, definition.ref, content.digest, about) for _, procedure in content.procedures())

    def depends_on(self, definition: Definition, env: Environment) -> Iterable[Ref]:
        return ()

    def check(self, before: Definition | None, after: Definition | None, env: Environment, mode: Mode) -> None:
        """Function names are free. Whether a service may be deleted is up to who uses it: see the endpoint."""
        if after is None or mode is Mode.BOOT:
            return
        if mode is Mode.CREATE and before is not None:
            raise _exists(after.ref.name)
        check_new_functions(tuple(procedure.function for _, procedure in after.content.procedures()), after.ref, env)

    async def activate(self, before: Definition | None, after: Definition | None, prepared: Any, host: Host) -> None:
        """Nothing is called for a service in this version."""

    def secrets(self, definition: Definition, env: Environment) -> Iterable[tuple[str, ...]]:
        yield ("interfaces", "*", "options", "headers", "*")
        yield from secret_url(definition.content.request)

    def lint(self, definition: Definition, env: Environment, codes: Collection[str] = CODES) -> Iterable[Advice]:
        """Members that mean nothing."""
        return text_advice(definition.text, _SHAPE)

    async def _list(self, call: Call) -> Answer:
        return json_answer(call.control.environment.names(self.kind))

    async def _create(self, call: Call) -> Answer:
        prefix = "service create command error"
        try:
            async with request_text(call, _SHAPE) as (name, text):
                check_id(name)
                if call.control.environment.get(Ref(self.kind, name)) is not None:
                    raise ConflictError(f"{prefix}: {_exists(name).message}")
                await self._put(call, name, text, Mode.CREATE, prefix)
        except GoJsonError as error:
            with_prefix(error, _DECODING)
            raise
        return text_answer(f"service {name} is created", 201)

    async def _update(self, call: Call) -> Answer:
        name, prefix = _name(call), "service update command error"
        try:
            async with request_text(call, _SHAPE, name) as (given, text):
                if call.control.environment.get(Ref(self.kind, name)) is None:
                    raise NotFoundError(f"{prefix}: {name} is not found")
                # The path alone says which; a name in the body is not looked at.
                await self._put(call, name, text if given == name else _named(text, name), Mode.UPDATE, prefix)
        except GoJsonError as error:
            with_prefix(error, _DECODING)
            raise
        return text_answer(f"service {name} is updated")

    async def _put(self, call: Call, name: str, text: str, mode: Mode, prefix: str) -> None:
        try:
            await call.control.put(Ref(self.kind, name), text, mode=mode, origin=Origin("rest", call.client))
        except PlutinoError as error:
            with_prefix(error, prefix)
            raise

    async def _describe(self, call: Call) -> Answer:
        name = _name(call)
        found = call.control.environment.get(Ref(self.kind, name))
        if found is None or found.content is None:
            raise NotFoundError(f"describe service {name} error: not found")
        content: ServiceContent = found.content
        return json_answer({"About": content.about, "Interfaces": {i.name: _interface_view(i) for i in content.interfaces}})

    async def _delete(self, call: Call) -> Answer:
        name, control = _name(call), call.control
        ref = Ref(self.kind, name)
        if control.environment.get(ref) is None:
            raise NotFoundError(f"delete service {name} error: {name} is not found")
        rules = sorted(user.name for user in control.users(ref) if user.kind == "rule")
        if rules:
            raise ConflictError(f"service {name} is referenced by the rule {', '.join(rules)}")
        await control.delete(ref, origin=Origin("rest", call.client))
        return text_answer(f"service {name} is deleted")

    async def _list_functions(self, call: Call) -> Answer:
        return json_answer(sorted(_function_views(self.kind, call.control.environment), key=lambda view: view["FuncName"]))

    async def _describe_function(self, call: Call) -> Answer:
        name = call.params["name"]
        views = _function_views(self.kind, call.control.environment)
        found = next((view for view in views if view["FuncName"] == name), None)
        if found is None:
            raise NotFoundError(f"describe function {name} error: not found")
        return json_answer(found)


def _named(text: str, name: str) -> str:
    """A request with another name in it."""
    others = {field: value for field, value in decode(text, exact=True).items() if field.lower() != "name"}
    return msgspec.json.encode({"name": name, **others}).decode()


def _name(call: Call) -> str:
    check_id(call.params["name"])
    return call.params["name"]


def _exists(name: str) -> ConflictError:
    return ConflictError(f"service {name} exist")


def _interface_view(interface: Interface) -> dict[str, Any]:
    return {
        "Desc": interface.description,
        "Addr": interface.address,
        "Protocol": interface.protocol,
        "Schema": {"SchemaType": interface.schema_type, "SchemaFile": interface.schema_file, "Schemaless": interface.schemaless},
        "Functions": [procedure.function for procedure in interface.procedures],
        "Options": interface.options,
    }


def _function_views(kind: str, env: Environment) -> list[dict[str, str]]:
    found = []
    for name in env.names(kind):
        definition = env.get(Ref(kind, name))
        if definition is not None and definition.content is not None:
            found += [_function_view(name, *pair) for pair in definition.content.procedures()]
    return found


def _function_view(service: str, interface: Interface, procedure: Procedure) -> dict[str, str]:
    return {
        "FuncName": procedure.function,
        "ServiceName": service,
        "InterfaceName": interface.name,
        "Addr": interface.address,
        "MethodName": procedure.method,
    }
