"""Where the properties of sinks come from, layer over layer (runtime reference §0.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plutino.errors import ProvisionError
from plutino.model import Ref
from plutino.spi import Environment
from plutino.spi.layers import SELECTOR, connection_properties, connection_ref, over, owner_of
from plutino.spi.schemas import schema_ref
from plutino.spi.uploads import upload_refs
from plutino.spi.wire import current_spelling

_SINK = "resourceId"
_RESPELT = ("kafka", "sql")
"""Sinks whose actions may use the names of older versions."""


def sink_refs(connector: str, action: Mapping[str, Any], env: Environment) -> Iterator[Ref]:
    """Stored objects that an action's properties come from, and the one that brings its type."""
    yield from owner_of("sink", connector, env)
    if action.get(_SINK):
        yield Ref("sink_config", f"{connector}.{action[_SINK]}")
    if action.get(SELECTOR):
        yield connection_ref(connector, str(action[SELECTOR]), env)
    schema = schema_ref(str(action.get("format", "")), action.get("schemaId"))
    if schema is not None:
        yield schema
    yield from upload_refs(action, env)


def sink_properties(connector: str, action: Mapping[str, Any], env: Environment) -> tuple[dict[str, Any], str]:
    """The merged properties of a sink, and the id of the connection that it shares. The action wins over its sink configuration."""
    written = current_spelling(connector, action) if connector in _RESPELT else dict(action)
    resource = action.get(_SINK)
    if resource:
        definition = env.get(Ref("sink_config", f"{connector}.{resource}"))
        if definition is None:
            raise ProvisionError(f"sink configuration {connector}.{resource} not found; create it or leave {_SINK} out")
        written = over(definition.content or {}, written)
    selector = written.get(SELECTOR)
    if not selector:
        return written, ""
    if not isinstance(selector, str):
        raise ProvisionError(f"{SELECTOR}: {selector!r}; the id of a connection is expected")
    return over(written, connection_properties(connector, selector, env)), selector
