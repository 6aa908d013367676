"""Named configurations of sources and sinks: the kinds ``source_config`` and ``sink_config`` (rest reference §1.9, §6.1).

A configuration is named ``<type>.<key>``; its content is the object of its properties in current spelling. Any type name is accepted, as a
component may be installed later; the properties are checked when a stream or rule uses them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from plutino.errors import ConfigKeyError, PlutinoError, TransportError
from plutino.model import Definition, Ref
from plutino.runtime.intake import FeedOptions
from plutino.runtime.lookups import TableOptions
from plutino.runtime.sink_options import SinkOptions
from plutino.spi import Action, Answer, Call, ConnectorSpec, Environment, Host, Mode, Origin
from plutino.spi.gojson import GoJsonError, decode
from plutino.spi.layers import SELECTOR, connection_ref
from plutino.spi.linting import (
    CODES,
    INVALID,
    Advice,
    connection_advice,
    format_advice,
    format_models,
    property_advice,
    type_advice,
    value_advice,
)
from plutino.spi.options import secret_paths
from plutino.spi.schemas import schema_ref
from plutino.spi.uploads import upload_refs
from plutino.spi.wire import check_id, current_spelling, json_answer, with_prefix

_OTHERS = (
    *("connectionSelector", "resourceId", "sourceType", "datasource", "key", "schemaId", "delimiter", "retainSize", "strictValidation"),
    *("timestamp", "timestampFormat", "format", "bufferLength", "concurrency", "runAsync", "cacheLength", "cacheSaveInterval"),
)
"""Properties that are read from a configuration beside those of its type."""

_PROPERTIES = {"type": "object", "description": "Properties of the configuration"}
_TEST_DATASOURCE = "/$$TEST_CONNECTION$$"


class Role(Struct, frozen=True):
    """What tells sources from sinks: resource kind, key in v1 documents, and the word in paths and messages."""

    kind: str
    section: str
    plural: str
    word: str


_FORMATS, _INNER_FORMATS = ("format", "schemaId"), ("payloadFormat", "payloadSchemaId")
"""Properties that name a payload format and its message type."""

SOURCE = Role("source_config", "sourceConfig", "sources", "source")
SINK = Role("sink_config", "sinkConfig", "sinks", "sink")


class ConfigurationKind:
    """Spec of ``source_config`` or ``sink_config``."""

    def __init__(self, role: Role, further: Sequence[Action] = ()) -> None:
        self.role = role
        self.kind = role.kind
        self.section = role.section
        self._further = further

    @property
    def actions(self) -> Sequence[Action]:
        word, path, tags = self.role.word, f"/metadata/{self.role.plural}", ("configurations",)
        key = f"{path}/{{type}}/confKeys/{{key}}"
        return (
            Action("GET", f"{path}/yaml/{{type}}", self._show, f"All configurations of a {word} type", reply={"type": "object"}, tags=tags),
            Action("PUT", key, self._put, f"Create or replace a configuration of a {word} type", body=_PROPERTIES, tags=tags),
            Action("DELETE", key, self._delete, f"Delete a configuration of a {word} type", tags=tags),
            Action("POST", f"{path}/connection/{{type}}", self._ping, f"Try to reach what a {word} would use", body=_PROPERTIES, tags=tags),
            *self._further,
        )

    def parse(self, ref: Ref, text: str) -> Definition:
        connector, _, _ = ref.name.rpartition(".")
        return Definition(ref, text, current_spelling(connector, _properties(text)))

    def depends_on(self, definition: Definition, env: Environment) -> Iterable[Ref]:
        """The connection that it selects, its schema, and uploads that it names, such as certificates."""
        connector, properties = definition.ref.name.rpartition(".")[0], definition.content or {}
        if isinstance(selector := properties.get(SELECTOR), str) and selector:
            yield connection_ref(connector, selector, env)
        format, schema = _FORMATS if self.role is SINK else _INNER_FORMATS
        if isinstance(properties.get(format), str) and (ref := schema_ref(properties[format], properties.get(schema))) is not None:
            yield ref
        yield from upload_refs(properties, env)

    def check(self, before: Definition | None, after: Definition | None, env: Environment, mode: Mode) -> None:
        """Only the name can be wrong by itself."""
        if after is not None and mode is not Mode.BOOT:
            _check_key(after.ref.name.rpartition(".")[2])

    async def activate(self, before: Definition | None, after: Definition | None, prepared: Any, host: Host) -> None:
        """Nothing runs for a configuration by itself: its users are brought up to date as their dependants."""

    def secrets(self, definition: Definition, env: Environment) -> Iterable[tuple[str, ...]]:
        spec = env.registry.connectors.get(definition.ref.name.rpartition(".")[0])
        return secret_paths(_models(spec, self.role), definition.content or {})

    def lint(self, definition: Definition, env: Environment, codes: Collection[str] = CODES) -> Iterable[Advice]:
        """Unknown and older names, values and types that cannot be used, secrets in plain text."""
        connector = definition.ref.name.rpartition(".")[0]
        spec = env.registry.connectors.get(connector)
        if not _has_role(spec, self.role):
            if env.connector(self.role.word, connector) is None:
                yield type_advice(connector, env.registry.connectors, self.role.word, ())
            return
        engine: tuple[type[Struct], ...] = (SinkOptions,) if self.role is SINK else (FeedOptions, TableOptions)
        connection = (spec.connection.options,) if spec is not None and spec.connection is not None else ()
        models, engine = _models(spec, self.role), (*engine, *format_models(env.registry))
        properties = definition.content or {}
        yield from property_advice(
            connector, (*models, *connection, *engine), _properties(definition.text), (), others=_OTHERS, codes=codes
        )
        yield from value_advice(models, properties, (), engine=engine)
        if INVALID in codes:
            yield from connection_advice(connector, properties, (), env)
            yield from format_advice(properties, (), env, _FORMATS if self.role is SINK else _INNER_FORMATS)

    async def _show(self, call: Call) -> Answer:
        connector, env = call.params["type"], call.control.environment
        shown = dict(_shipped(env.registry.connectors.get(connector), self.role))
        known = _has_role(env.registry.connectors.get(connector), self.role)
        prefix = f"{connector}."
        for name in env.names(self.kind):
            if name.startswith(prefix) and "." not in (key := name[len(prefix) :]):
                definition = env.get(Ref(self.kind, name))
                stored = definition.content if definition is not None else None
                shown[key] = {**shown.get(key, {}), **(stored or {})}
        if not shown and not known:
            raise ConfigKeyError(f"This plugin was not found:{self.role.plural}.{connector}")
        return json_answer({key: current_spelling(connector, shown[key]) for key in sorted(shown)})

    async def _put(self, call: Call) -> Answer:
        connector, key = call.params["type"], call.params["key"]
        _check_key(key)
        text = call.body.decode("utf-8", "replace")
        try:
            await call.control.put(Ref(self.kind, f"{connector}.{key}"), text, mode=Mode.UPDATE, origin=Origin("rest", call.client))
        except ConfigKeyError as error:
            error.message = f"Type conversion failed:{connector}.{error.message}"
            error.args = (error.message,)
            raise
        return Answer()

    async def _delete(self, call: Call) -> Answer:
        connector, key = call.params["type"], call.params["key"]
        _check_key(key)
        ref, env = Ref(self.kind, f"{connector}.{key}"), call.control.environment
        if env.get(ref) is None:
            stored = any(name.rpartition(".")[0] == connector for name in env.names(self.kind))
            if not stored and not _has_role(env.registry.connectors.get(connector), self.role):
                raise ConfigKeyError(f"This plugin was not found:{self.role.plural}.{connector}")
            owner = f"{self.role.plural}.{connector}"
            raise ConfigKeyError(f"Failed to write data to file:{owner}.{owner}.{key} is not found")
        await call.control.delete(ref, origin=Origin("rest", call.client))
        return Answer()

    async def _ping(self, call: Call) -> Answer:
        connector = call.params["type"]
        properties = _ping_properties(connector, call.body)
        spec = call.control.environment.registry.connectors.get(connector)
        side = (spec.sink if self.role is SINK else spec.source) if spec is not None else None
        if side is None or side.ping is None:
            raise PlutinoError(f"{self.role.word} {connector} doesn't support ping connection")
        if self.role is SOURCE:
            properties.setdefault("datasource", _TEST_DATASOURCE)
        await _reach(call, self.role.word, connector, properties)
        return Answer()


async def _ping_lookup(call: Call) -> Answer:
    connector = call.params["type"]
    properties = _ping_properties(connector, call.body)
    spec = call.control.environment.registry.connectors.get(connector)
    if spec is None or spec.lookup is None:
        raise PlutinoError(f"lookup source type {connector} not found")
    if spec.lookup.ping is None:
        raise PlutinoError(f"lookup source {connector} doesn't support ping connection")
    properties.setdefault("datasource", _TEST_DATASOURCE)
    await _reach(call, "lookup", connector, properties)
    return Answer()


async def _reach(call: Call, word: str, connector: str, properties: Mapping[str, Any]) -> None:
    """Reach out once. Only what the other side answers has a code of its own: wrong properties are no more than an error here."""
    try:
        await call.control.host.ping(word, connector, properties)
    except TransportError:
        raise
    except PlutinoError as error:
        error.code, error.status = PlutinoError.code, PlutinoError.status
        raise


async def _stored(call: Call) -> Answer:
    """Keys of all stored configurations, one object per type."""
    env = call.control.environment
    shown: dict[str, list[dict[str, str]] | None] = {}
    for role in (SINK, SOURCE):
        types: dict[str, dict[str, str]] = {}
        for name in env.names(role.kind):
            connector, _, key = name.rpartition(".")
            types.setdefault(connector, {})[key] = connector
        shown[role.plural] = list(types.values()) or None
    return json_answer(shown)


async def _of_source_type(call: Call) -> Answer:
    """Source configurations by type, shipped and stored; with ``sourceType`` only those whose property of this name says so."""
    env, wanted = call.control.environment, call.query.get("sourceType", "")
    found = {
        (name, key): dict(shipped) for name, spec in env.registry.connectors.items() for key, shipped in _shipped(spec, SOURCE).items()
    }
    for name in env.names(SOURCE.kind):
        connector, _, key = name.rpartition(".")
        definition = env.get(Ref(SOURCE.kind, name))
        stored = (definition.content if definition is not None else None) or {}
        found[connector, key] = {**found.get((connector, key), {}), **stored}
    shown: dict[str, dict[str, Any]] = {}
    for (connector, key), content in sorted(found.items()):
        if not wanted or content.get("sourceType") == wanted:
            shown.setdefault(connector, {})[key] = content
    return json_answer(shown)


def _check_key(key: str) -> None:
    try:
        check_id(key)
    except PlutinoError as error:
        with_prefix(error, "Invalid confKey")
        raise


def _properties(text: str) -> dict[str, Any]:
    try:
        value = decode(text, exact=True)
    except GoJsonError as error:
        raise ConfigKeyError(error.message) from error
    if value is not None and not isinstance(value, dict):
        kind = {bool: "bool", int: "number", float: "number", str: "string"}.get(type(value), "array")
        raise ConfigKeyError(f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
    return value or {}


def _ping_properties(connector: str, body: bytes) -> dict[str, Any]:
    value = decode(body, exact=True)
    if value is not None and not isinstance(value, dict):
        raise PlutinoError(f"properties of {connector}: {msgspec.json.encode(value).decode()}; a JSON object is expected")
    return current_spelling(connector, value or {})


def _has_role(spec: ConnectorSpec | None, role: Role) -> bool:
    if spec is None:
        return False
    return spec.sink is not None if role is SINK else spec.source is not None or spec.lookup is not None


def _shipped(spec: ConnectorSpec | None, role: Role) -> Mapping[str, Mapping[str, Any]]:
    """The configurations that come with a source."""
    if role is not SINK and spec is not None and spec.source is None and spec.lookup is not None:
        return {"default": spec.lookup.defaults} if spec.lookup.defaults else {}
    if role is SINK or spec is None or spec.source is None:
        return {}
    return {**({"default": spec.source.defaults} if spec.source.defaults else {}), **spec.source.presets}


def _models(spec: ConnectorSpec | None, role: Role) -> tuple[type[Struct], ...]:
    if spec is None:
        return ()
    sides = (spec.sink,) if role is SINK else (spec.source, spec.lookup)
    return tuple(side.options for side in sides if side is not None)


_TAGS = ("configurations",)
_OBJECT = {"type": "object"}

SPECS = (
    ConfigurationKind(
        SOURCE,
        (
            Action("POST", "/metadata/lookups/connection/{type}", _ping_lookup, "Try to reach a lookup", _PROPERTIES, tags=_TAGS),
            Action("GET", "/metadata/resources", _stored, "Keys of all stored configurations", reply=_OBJECT, tags=_TAGS),
            Action(
                "GET",
                "/metadata/resource",
                _of_source_type,
                "Source configurations by type",
                reply=_OBJECT,
                tags=_TAGS,
                query={"sourceType": "only configurations whose property sourceType has this value"},
            ),
        ),
    ),
    ConfigurationKind(SINK),
)
