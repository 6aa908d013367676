"""Registered schemas as streams, tables and sinks use them: ``FORMAT="protobuf", SCHEMAID="person.Person"``."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from plutino.errors import PlanError
from plutino.model import Ref, SchemaContent, StreamContent
from plutino.spi.resource import Environment

FORMATS = ("protobuf", "custom")
"""Formats whose payloads a registered schema describes; also the types of schemas."""

KIND = "schema"


class Message(Struct, frozen=True):
    """A message type: ``name`` in full, inside ``schema``."""

    schema: SchemaContent
    name: str


def schema_ref(format: str, schema_id: Any) -> Ref | None:
    """The schema that a format and a ``SCHEMAID`` name; None for formats that need none."""
    if format.lower() not in FORMATS or not isinstance(schema_id, str) or not schema_id:
        return None
    return Ref(KIND, f"{format.lower()}_{schema_id.partition('.')[0]}")


def message_of(format: str, schema_id: str, env: Environment) -> Message | None:
    """The message type that a format and a ``SCHEMAID`` (``<schema>.<message>``) name; None for formats that need none.

    PlanError with the wire text when the schema is not registered or has no such message.
    """
    format = format.lower()
    if format not in FORMATS:
        return None
    name, _, message = schema_id.partition(".")
    ref = schema_ref(format, schema_id)
    definition = None if ref is None else env.get(ref)
    if definition is None or definition.content is None:
        raise PlanError(f"schema type {format} id {name} not found in registry")
    content: SchemaContent = definition.content
    if format != "protobuf":
        return Message(content, message)
    found = content.message(message)
    if found is None:
        known = ", ".join(sorted(content.messages)) or "nothing"
        raise PlanError(f"message type {message} not found in schema {name}; it has {known}")
    return Message(content, found)


def with_columns(content: StreamContent, env: Environment) -> StreamContent:
    """A stream as rules see it: the columns of its message type where its format has one, else those that it declares."""
    message = message_of(content.format, content.option("SCHEMAID"), env)
    if message is None or message.name not in message.schema.messages:
        return content
    return replace(content, schema=message.schema.messages[message.name])
