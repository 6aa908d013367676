"""How streams and tables are shown: the describe object and text, the schema object, the detail rows (rest reference §4.1, §4.3, §4.4)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from plutino.model import DataType, Schema, StreamContent, TypeName

_OPTION_KEYS = {
    "DATASOURCE": "datasource",
    "KEY": "key",
    "FORMAT": "format",
    "CONF_KEY": "confKey",
    "TYPE": "type",
    "STRICT_VALIDATION": "strictValidation",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP_FORMAT": "timestampFormat",
    "SHARED": "shared",
    "SCHEMAID": "schemaid",
    "VERSION": "version",
    "EXTRA": "extra",
    "TEMP": "temp",
    "RETAIN_SIZE": "retainSize",
    "KIND": "kind",
    "DELIMITER": "delimiter",
}
"""Wire keys of the options, in the order in which they are shown."""

_TEXT_OPTIONS = (
    "CONF_KEY",
    "DATASOURCE",
    "FORMAT",
    "SCHEMAID",
    "KEY",
    "RETAIN_SIZE",
    "SHARED",
    "STRICT_VALIDATION",
    "TIMESTAMP",
    "TIMESTAMP_FORMAT",
    "TYPE",
    "EXTRA",
    "VERSION",
)


def describe(content: StreamContent) -> dict[str, Any]:
    """The describe object."""
    options: dict[str, Any] = {}
    for name, key in _OPTION_KEYS.items():
        value = content.options.get(name)
        if name == "RETAIN_SIZE" and isinstance(value, str):
            if int(value):
                options[key] = int(value)
        elif value:
            options[key] = value
    return {
        "Name": content.name,
        "StreamFields": _fields(content.schema) if content.schema else None,
        "Options": options,
        "StreamType": int(content.is_table),
        "Statement": None,
    }


def describe_text(content: StreamContent) -> str:
    """What DESCRIBE prints."""
    lines = ["Fields", "-" * 80]
    for column in content.schema.columns:
        default = "" if column.default is UNSET else f"\tDEFAULT\t{_text(column.default)}"
        lines.append(f"{column.name}\t{column.type}{default}")
    lines.append("")
    for name in _TEXT_OPTIONS:
        value = content.options.get(name)
        if value and value != "0":
            lines.append(f"{name}: {_text(value)}")
    return "\n".join(lines) + "\n"


def schema_object(schema: Schema) -> dict[str, Any] | None:
    """The schema as a map of columns, None when nothing is declared."""
    return _properties(schema) if schema else None


def detail(content: StreamContent) -> dict[str, str]:
    """A row of the detail lists. The type of a table without TYPE shows as ``mqtt``, too: clients know it so."""
    return {"name": content.name, "type": content.option("TYPE").lower() or "mqtt", "format": content.format}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fields(schema: Schema) -> list[dict[str, Any]]:
    found = []
    for column in schema.columns:
        field: dict[str, Any] = {"FieldType": _field_type(column.type), "Name": column.name}
        if column.default is not UNSET:
            field["DefaultClause"] = column.default
        found.append(field)
    return found


def _field_type(kind: DataType) -> Any:
    if kind.name is TypeName.ARRAY and kind.element is not None:
        return {"Type": "array", "ElementType": _field_type(kind.element)}
    if kind.name is TypeName.STRUCT:
        return {"Type": "struct", "Fields": _fields(Schema(kind.fields))}
    return kind.name.value


def _properties(schema: Schema) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column in schema.columns:
        shown = _property(column.type)
        if column.default is not UNSET:
            shown["default"] = column.default
        found[column.name] = shown
    return dict(sorted(found.items()))


def _property(kind: DataType) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": kind.name.value}
    if kind.name is TypeName.ARRAY and kind.element is not None:
        shown["items"] = _property(kind.element)
    if kind.name is TypeName.STRUCT:
        shown["properties"] = _properties(Schema(kind.fields))
    shown["index"] = 0
    return shown
