"""Plain immutable data that every room shares."""

from plutino.model.batch import Batch, RowError
from plutino.model.datatype import ANY, Column, DataType, Schema, TypeName
from plutino.model.definition import Blobs, Definition, Ref
from plutino.model.duration import Duration, format_duration, parse_duration
from plutino.model.message_schema import SchemaContent
from plutino.model.row import attribute, column_names, row_type, to_dict
from plutino.model.stream import StreamContent

__all__ = [
    "ANY",
    "Batch",
    "Blobs",
    "Column",
    "DataType",
    "Definition",
    "Duration",
    "Ref",
    "RowError",
    "Schema",
    "SchemaContent",
    "StreamContent",
    "TypeName",
    "attribute",
    "column_names",
    "format_duration",
    "parse_duration",
    "row_type",
    "to_dict",
]
