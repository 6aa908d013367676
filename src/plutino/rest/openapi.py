"""The OpenAPI document, derived from the actions that are served."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from plutino.spi import Action

_REFERENCE = "#/components/schemas/{name}"
_ERROR = {
    "type": "object",
    "properties": {
        "error": {"type": "integer", "description": "Error code"},
        "message": {"type": "string"},
        "faults": {
            "type": "array",
            "description": "Every fault of a refused document, for clients that accept application/json by name",
            "items": {
                "type": "object",
                "properties": {
                    "path": {"type": "string"},
                    "line": {"type": "integer"},
                    "column": {"type": "integer"},
                    "text": {"type": "string"},
                },
            },
        },
    },
    "required": ["error", "message"],
}


def openapi(actions: Iterable[Action], version: str) -> dict[str, Any]:
    """The document of these actions."""
    served = tuple(actions)
    types = [kind for action in served for kind in (action.body, action.reply) if kind is not None and not isinstance(kind, dict)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE) if types else ((), {})
    known = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for action in served:
        paths.setdefault(action.path, {})[action.method.lower()] = _operation(action, known)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Plutino", "version": version, "description": "Edge stream-processing rule engine"},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": {**dict(sorted(components.items())), "Error": _ERROR}},
    }


def _operation(action: Action, known: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": action.summary, "operationId": _operation_id(action), "tags": list(action.tags)}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in re.findall(r"\{(\w+)\}", action.path)
    ]
    parameters += [{"name": name, "in": "query", "description": text, "schema": {"type": "string"}} for name, text in action.query.items()]
    if parameters:
        operation["parameters"] = parameters
    if action.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _schema(action.body, known)}}}
    success: dict[str, Any] = {"description": "Done"}
    if action.reply is not None:
        success["content"] = {"application/json": {"schema": _schema(action.reply, known)}}
    refused = {"description": "Refused", "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(name="Error")}}}}
    operation["responses"] = {str(action.status): success, "4XX": refused}
    return operation


def _schema(kind: Any, known: dict[str, Any]) -> Any:
    return kind if isinstance(kind, dict) else known[repr(kind)]


def _operation_id(action: Action) -> str:
    words = re.findall(r"[A-Za-z0-9]+", action.path)
    return action.method.lower() + "".join(word[:1].upper() + word[1:] for word in words)
