"""Registered schemas: protobuf texts and custom ones, which streams and sinks name by ``SCHEMAID`` (rest reference §5.5)."""

from plutino.resources.schema.kind import SchemaKind

SPECS = (SchemaKind(),)
