"""Where the properties of a stream or table come from, layer over layer (runtime reference §0.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from plutino.errors import ProvisionError
from plutino.model import Ref, StreamContent
from plutino.spi.host import LookupRequest
from plutino.spi.resource import Environment, UserConnector
from plutino.spi.schemas import schema_ref
from plutino.spi.uploads import upload_refs

SELECTOR = "connectionSelector"


def source_refs(content: StreamContent, env: Environment) -> Iterator[Ref]:
    """Stored objects that a stream's properties come from, whether they exist or not, and the one that brings its type."""
    connector = content.connector
    yield from owner_of("source", connector, env)
    yield Ref("source_config", f"{connector}.default")
    for key in _keys(content):
        yield Ref("source_config", f"{connector}.{key}")
    selector = _selected(_configured(content, env), _extra(content))
    if selector:
        yield connection_ref(connector, selector, env)
    schema = schema_ref(content.format, content.option("SCHEMAID"))
    if schema is not None:
        yield schema
    properties = over(_configured(content, env), _extra(content))
    yield from upload_refs({**properties, "datasource": content.option("DATASOURCE")}, env)


def source_properties(content: StreamContent, env: Environment) -> tuple[dict[str, Any], str]:
    """The merged properties of a stream's source, and the id of the connection that it shares (empty for none)."""
    merged, extra = _configured(content, env), _extra(content)
    selector = _selected(merged, extra)
    if selector:
        merged = over(merged, connection_properties(content.connector, selector, env))
    merged = over(merged, extra)
    return over(merged, _stream_options(content)), selector


def lookup_request(content: StreamContent, env: Environment) -> LookupRequest:
    """A lookup table as the engine opens it; ProvisionError when its connection does not exist."""
    properties, selector = source_properties(content, env)
    return LookupRequest(content.name, content.connector, content.option("DATASOURCE"), properties, selector)


def brought_connector(role: str, connector: str, env: Environment) -> UserConnector | None:
    """The type of ``source`` or ``sink`` that a stored object brings, if this process does not have it built in."""
    spec = env.registry.connectors.get(connector)
    if spec is not None and (spec.sink if role == "sink" else spec.source or spec.lookup) is not None:
        return None
    return env.connector(role, connector)


def owner_of(role: str, connector: str, env: Environment) -> Iterator[Ref]:
    """The stored object that brings a type, if one does."""
    brought = brought_connector(role, connector, env)
    if brought is not None:
        yield brought.owner


def _configured(content: StreamContent, env: Environment) -> dict[str, Any]:
    spec = env.registry.connectors.get(content.connector)
    shipped = spec.source if spec is not None else None
    others = spec.lookup.defaults if spec is not None and spec.lookup is not None and shipped is None else {}
    brought = brought_connector("source", content.connector, env) if shipped is None else None
    presets = brought.declared.presets if brought is not None else shipped.presets if shipped is not None else {}
    merged = dict(shipped.defaults if shipped is not None else presets.get("default", others))
    merged = over(merged, _stored(content.connector, "default", env))
    for key in reversed(_keys(content)):
        if key in presets:
            merged = over(merged, presets[key])
    for key in _keys(content):
        stored = _stored(content.connector, key, env)
        if stored:
            return over(merged, stored)
    return merged


def _keys(content: StreamContent) -> tuple[str, ...]:
    """The configuration key as it is looked for: lower-cased first, then as written."""
    key = content.option("CONF_KEY")
    return tuple(k for k in dict.fromkeys((key.lower(), key)) if k and k != "default")


def _stored(connector: str, key: str, env: Environment) -> Mapping[str, Any]:
    definition = env.get(Ref("source_config", f"{connector}.{key}"))
    found: Mapping[str, Any] | None = definition.content if definition is not None else None
    return found or {}


def connection_ref(connector: str, selector: str, env: Environment) -> Ref:
    """The named connection that a source or sink of this type means."""
    spec = env.registry.connectors.get(connector)
    kind = spec.connection_type if spec is not None and spec.connection_type else connector
    return Ref("connection", f"{kind}.{selector}")


def connection_properties(connector: str, selector: str, env: Environment) -> Mapping[str, Any]:
    """The stored properties of a named connection; ProvisionError when it does not exist."""
    definition = env.get(connection_ref(connector, selector, env))
    if definition is None:
        raise ProvisionError(f"connection {selector} not existed")
    found: Mapping[str, Any] | None = definition.content
    return found or {}


def _extra(content: StreamContent) -> dict[str, Any]:
    text = content.option("EXTRA")
    found = msgspec.json.decode(text) if text else {}
    return found if isinstance(found, dict) else {}


def _selected(merged: Mapping[str, Any], extra: Mapping[str, Any]) -> str:
    selector = extra.get(SELECTOR, merged.get(SELECTOR))
    return selector if isinstance(selector, str) else ""


def _stream_options(content: StreamContent) -> dict[str, Any]:
    return {
        "format": content.format,
        "key": content.option("KEY"),
        "datasource": content.option("DATASOURCE"),
        "schemaId": content.option("SCHEMAID"),
        "delimiter": content.option("DELIMITER"),
        "retainSize": int(content.option("RETAIN_SIZE") or 0),
        "strictValidation": content.flag("STRICT_VALIDATION"),
        "timestamp": content.option("TIMESTAMP"),
        "timestampFormat": content.option("TIMESTAMP_FORMAT"),
    }


def over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``below`` with ``above`` on top; names count without regard to case, as options are read."""
    if not below:
        return dict(above)
    if not above:
        return dict(below)
    hidden = {name.lower() for name in above}
    return {**{name: value for name, value in below.items() if name.lower() not in hidden}, **above}
