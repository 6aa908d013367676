"""Named connections: the kind ``connection`` (rest reference §1.8, §6.4), stored as ``<type>.<id>``.

Ids are unique across types. What is live is the engine's business; here is what is desired, and how both are shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from plutino.errors import ConfigKeyError, ConflictError, PlutinoError
from plutino.model import Definition, Ref
from plutino.spi import Action, Answer, Call, Environment, Host, Mode, Origin
from plutino.spi.gojson import GoJsonError, Shape, bind, decode
from plutino.spi.linting import CODES, INVALID, Advice, missing_advice, property_advice, type_advice, value_advice
from plutino.spi.options import secret_paths
from plutino.spi.uploads import upload_refs
from plutino.spi.wire import check_id, current_spelling, json_answer, text_answer, truth, with_prefix

_BODY = Shape("server.ConnectionRequest", {"id": "string", "typ": "string", "props": "map[string]interface {}"})
_PROPERTIES = {"type": "object", "description": "Properties of the connection"}


class ConnectionBody(Struct):
    """What POST and PUT take; PUT ignores ``id``."""

    typ: str
    id: str = ""
    props: dict[str, Any] = {}


class ConnectionView(Struct, omit_defaults=True):
    """How a connection is shown."""

    id: str
    typ: str
    props: dict[str, Any]
    isNamed: bool  # noqa: N815 - the wire spells it so
    status: str = ""
    err: str = ""
    refCount: int = 0  # noqa: N815


class ConnectionKind:
    """Spec of ``connection``; the content is the object of its properties in current spelling."""

    kind = "connection"
    section = "connectionConfig"

    @property
    def actions(self) -> Sequence[Action]:
        tags, path, stored = ("connections",), "/connections/{id}", ("configurations",)
        key = "/metadata/connections/{type}/confKeys/{key}"
        everything = {"forceAll": "true: also the anonymous connections of rules"}
        listed, object_ = list[ConnectionView], {"type": "object"}
        return (
            Action("GET", "/connections", self._list, "All connections", reply=listed, tags=tags, query=everything),
            Action("POST", "/connections", self._create, "Create a connection", body=ConnectionBody, status=201, tags=tags),
            Action("GET", path, self._describe, "One connection and its state", reply=ConnectionView, tags=tags),
            Action("PUT", path, self._update, "Replace a connection that nothing uses", body=ConnectionBody, tags=tags),
            Action("DELETE", path, self._drop, "Delete a connection that nothing uses", tags=tags),
            Action("GET", "/metadata/connections/yaml/{type}", self._show, "All connections of a type", reply=object_, tags=stored),
            Action("PUT", key, self._put_stored, "Create or replace a connection of a type", body=_PROPERTIES, tags=stored),
            Action("DELETE", key, self._delete_stored, "Delete a connection of a type", tags=stored),
        )

    def parse(self, ref: Ref, text: str) -> Definition:
        connector, _, _ = ref.name.rpartition(".")
        try:
            content = _object(decode(text, exact=True))
        except GoJsonError as error:
            raise ConfigKeyError(error.message) from error
        return Definition(ref, text, current_spelling(connector, content))

    def depends_on(self, definition: Definition, env: Environment) -> Iterable[Ref]:
        """Uploads that it names, such as certificates."""
        return upload_refs(definition.content or {}, env)

    def check(self, before: Definition | None, after: Definition | None, env: Environment, mode: Mode) -> bool:
        """Ids are unique across types. True when there is something to open: other types only keep properties for their users."""
        if after is None:
            return False
        connector, _, id = after.ref.name.rpartition(".")
        if mode is not Mode.BOOT:
            check_id(id)
            for name in _names_of(id, env):
                if name != after.ref.name or (mode is Mode.CREATE and before is not None):
                    raise ConflictError(f"connection {id} already been created")
        spec = env.registry.connectors.get(connector)
        return spec is not None and spec.connection is not None

    async def activate(self, before: Definition | None, after: Definition | None, prepared: Any, host: Host) -> None:
        if after is not None:
            connector, _, id = after.ref.name.rpartition(".")
            if prepared:
                await host.connect(id, connector, after.content)
        elif before is not None:
            await host.disconnect(before.ref.name.rpartition(".")[2])

    def secrets(self, definition: Definition, env: Environment) -> Iterable[tuple[str, ...]]:
        spec = env.registry.connectors.get(definition.ref.name.rpartition(".")[0])
        models = [side.options for side in (spec.connection, spec.source, spec.sink) if side is not None] if spec is not None else []
        return secret_paths(models, definition.content or {})

    def lint(self, definition: Definition, env: Environment, codes: Collection[str] = CODES) -> Iterable[Advice]:
        """Unknown and older names, values and types that cannot be used, what is missing, secrets in plain text."""
        connector = definition.ref.name.rpartition(".")[0]
        spec = env.registry.connectors.get(connector)
        if spec is None:
            yield type_advice(connector, env.registry.connectors, "connection", ())
            return
        sides = (spec.connection, spec.source, spec.sink, spec.lookup)
        models = [side.options for side in sides if side is not None]
        yield from property_advice(connector, models, _object(decode(definition.text, exact=True)), (), codes=codes)
        yield from value_advice(models, definition.content or {}, ())
        if INVALID in codes and spec.connection is not None:
            yield from missing_advice(spec.connection.options, definition.content or {}, ())

    async def _list(self, call: Call) -> Answer:
        return json_answer(_views(call, include_anonymous=truth(call.query.get("forceAll", ""))))

    async def _describe(self, call: Call) -> Answer:
        return json_answer(_view(_id(call), call))

    async def _create(self, call: Call) -> Answer:
        body = _body(call)
        check_id(body.id)
        try:
            if not body.typ:
                raise PlutinoError("connection id and type should be defined")
            _check_type(body.typ, call.control.environment)
            await call.control.put(Ref(self.kind, f"{body.typ}.{body.id}"), _text(body.props), mode=Mode.CREATE, origin=_origin(call))
        except PlutinoError as error:
            with_prefix(error, "create connection failed", code=PlutinoError.code)
            raise
        return text_answer("success", 201)

    async def _update(self, call: Call) -> Answer:
        id, body = _id(call), _body(call)
        try:
            name = _unused(id, call)
            connector = body.typ or name.rpartition(".")[0]
            _check_type(connector, call.control.environment)
            if f"{connector}.{id}" == name:
                await call.control.put(Ref(self.kind, name), _text(body.props), mode=Mode.UPDATE, origin=_origin(call))
            else:
                await self._change_type(Ref(self.kind, name), Ref(self.kind, f"{connector}.{id}"), _text(body.props), call)
        except PlutinoError as error:
            with_prefix(error, "update connection failed")
            raise
        return text_answer("success")

    async def _change_type(self, old: Ref, new: Ref, text: str, call: Call) -> None:
        """Two types never have one id at the same time, so the old connection goes first; it comes back when the new one is refused."""
        definition, control, origin = call.control.environment.get(old), call.control, _origin(call)
        await control.delete(old, origin=origin)
        try:
            await control.put(new, text, mode=Mode.CREATE, origin=origin)
        except PlutinoError:
            if definition is not None:
                await control.put(old, definition.text, mode=Mode.CREATE, origin=origin)
            raise

    async def _drop(self, call: Call) -> Answer:
        id = _id(call)
        try:
            await call.control.delete(Ref(self.kind, _unused(id, call)), origin=_origin(call))
        except PlutinoError as error:
            with_prefix(error, "drop connection failed")
            raise
        return text_answer("success")

    async def _show(self, call: Call) -> Answer:
        connector, env = call.params["type"], call.control.environment
        shown = {}
        for name in env.names(self.kind):
            definition = env.get(Ref(self.kind, name)) if name.rpartition(".")[0] == connector else None
            if definition is not None:
                shown[name.rpartition(".")[2]] = definition.content
        if not shown and connector not in env.registry.connectors:
            raise ConfigKeyError(f"This plugin was not found:connections.{connector}")
        return json_answer(shown)

    async def _put_stored(self, call: Call) -> Answer:
        connector, id = _stored(call)
        try:
            text = call.body.decode("utf-8", "replace")
            await call.control.put(Ref(self.kind, f"{connector}.{id}"), text, mode=Mode.UPDATE, origin=_origin(call))
        except ConfigKeyError as error:
            with_prefix(error, "Invalid body", code=PlutinoError.code)
            raise
        return Answer()

    async def _delete_stored(self, call: Call) -> Answer:
        connector, id = _stored(call)
        ref, env = Ref(self.kind, f"{connector}.{id}"), call.control.environment
        if env.get(ref) is None:
            owner = f"connections.{connector}"
            if connector not in env.registry.connectors:
                raise ConfigKeyError(f"This plugin was not found:{owner}")
            raise ConfigKeyError(f"Failed to write data to file:{owner}.{owner}.{id} is not found")
        _check_unused(id, call)
        await call.control.delete(ref, origin=_origin(call))
        return Answer()


def _id(call: Call) -> str:
    check_id(call.params["id"])
    return call.params["id"]


def _stored(call: Call) -> tuple[str, str]:
    try:
        check_id(call.params["key"])
    except PlutinoError as error:
        with_prefix(error, "Invalid confKey")
        raise
    return call.params["type"], call.params["key"]


def _origin(call: Call) -> Origin:
    return Origin("rest", call.client)


def _object(value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        kind = {bool: "bool", int: "number", float: "number", str: "string"}.get(type(value), "array")
        raise ConfigKeyError(f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
    return value or {}


def _body(call: Call) -> ConnectionBody:
    try:
        found = bind(decode(call.body, exact=True), _BODY)
    except GoJsonError as error:
        with_prefix(error, "Invalid body")
        raise
    return ConnectionBody(found.get("typ", ""), found.get("id", ""), found.get("props", {}))


def _text(properties: dict[str, Any]) -> str:
    return msgspec.json.encode(properties, order="sorted").decode()


def _check_type(connector: str, env: Environment) -> None:
    spec = env.registry.connectors.get(connector)
    if spec is None or spec.connection is None:
        known = ", ".join(sorted(name for name, s in env.registry.connectors.items() if s.connection is not None))
        raise PlutinoError(f"unknown connection type {connector}; one of {known} is expected")


def _names_of(id: str, env: Environment) -> list[str]:
    """Stored names with this id, whatever their type."""
    return [name for name in env.names(ConnectionKind.kind) if name.rpartition(".")[2] == id]


def _unused(id: str, call: Call) -> str:
    """The stored name of a connection that may be replaced or deleted."""
    names = _names_of(id, call.control.environment)
    if not names:
        if any(live.get("id") == id for live in call.control.host.connections(True)):
            raise PlutinoError(f"internal connection {id} can't be edit")
        raise PlutinoError(f"connection {id} not existed")
    _check_unused(id, call)
    return names[0]


def _check_unused(id: str, call: Call) -> None:
    references = call.control.host.references(id)
    if references:
        raise PlutinoError(f"connection {id} can't be dropped due to rule references [{' '.join(references)}]")


def _views(call: Call, *, include_anonymous: bool) -> list[dict[str, Any]]:
    """Live connections, and those stored ones that are properties only, by id."""
    live = {str(shown["id"]): shown for shown in call.control.host.connections(include_anonymous)}
    env = call.control.environment
    for name in env.names(ConnectionKind.kind):
        connector, _, id = name.rpartition(".")
        definition = env.get(Ref(ConnectionKind.kind, name))
        if id not in live and definition is not None:
            live[id] = {"id": id, "typ": connector, "props": definition.content, "isNamed": True}
    return [live[id] for id in sorted(live)]


def _view(id: str, call: Call) -> dict[str, Any]:
    for shown in _views(call, include_anonymous=True):
        if shown["id"] == id:
            return shown
    raise PlutinoError(f"connection {id} not existed")


SPECS = (ConnectionKind(),)
