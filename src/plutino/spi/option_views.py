"""What others see of an option model: form fields, JSON schema, masked values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import NODEFAULT, Struct

from plutino.model import format_duration
from plutino.spi.option_model import Option, Shape, encode_options, flat_options

MASK = "******"
"""Stands for every secret value."""

_SECRET_WORDS = ("pass", "token", "secret", "key", "credential", "auth")
_URL_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):([^@/\s]+)@")

Models = type[Struct] | Sequence[type[Struct]]


def option_fields(model: type[Struct], connection_only: bool = False) -> list[dict[str, Any]]:
    """The options as the REST metadata shows them (rest reference §1.9); with ``connection_only`` those of the connection."""
    return [_field(o) for o in flat_options(model) if o.opt.connection_related or not connection_only]


def json_schema(model: type[Struct]) -> dict[str, Any]:
    """A JSON schema of the options; unknown names are allowed, as the engine allows them."""
    schema: dict[str, Any] = {"type": "object", "properties": {o.name: _schema(o) for o in flat_options(model)}}
    required = [o.name for o in flat_options(model) if o.opt.required or o.default is NODEFAULT]
    if required:
        schema["required"] = required
    return schema


def mask(models: Models, props: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of properties in which secrets are replaced by MASK.

    Secret are the options marked so, text under unknown names that sound secret (runtime reference §0), and passwords inside URLs.
    """
    secrets = set(secret_paths(models, props))
    return {k: _masked(v, (k,), secrets) for k, v in props.items()}


def secret_paths(models: Models, props: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Paths of the secret values in properties, names as written, list positions as decimal text."""
    known: dict[str, Option] = {}
    for model in (models,) if isinstance(models, type) else models:
        for option in flat_options(model):
            for name in (option.name, *option.opt.aliases):
                known.setdefault(name.lower(), option)
    for name, value in props.items():
        found = known.get(name.lower())
        if found is not None and found.shape.model is not None and isinstance(value, Mapping):
            for path in secret_paths(found.shape.model, value):
                yield (name, *path)
        elif found is not None and found.opt.secret:
            yield from _leaves(value, (name,))
        elif found is not None and not isinstance(value, Mapping | list):
            if isinstance(value, str) and _URL_PASSWORD.search(value):
                yield (name,)
        else:
            yield from _guessed(name, value, (name,))


def _guessed(name: str, value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, Mapping):
        for k, v in value.items():
            yield from _guessed(str(k), v, (*path, str(k)))
    elif isinstance(value, list):
        for i, v in enumerate(value):
            yield from _guessed(name, v, (*path, str(i)))
    elif isinstance(value, str) and value:
        lowered = name.lower()
        if any(w in lowered for w in _SECRET_WORDS) or _URL_PASSWORD.search(value):
            yield path


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, Mapping):
        for k, v in value.items():
            yield from _leaves(v, (*path, str(k)))
    elif isinstance(value, list):
        for i, v in enumerate(value):
            yield from _leaves(v, (*path, str(i)))
    elif value not in (None, ""):
        yield path


def _masked(value: Any, path: tuple[str, ...], secrets: set[tuple[str, ...]]) -> Any:
    if path in secrets:
        if isinstance(value, str) and _URL_PASSWORD.search(value):
            return _URL_PASSWORD.sub(rf"\1:{MASK}@", value)
        return MASK
    if isinstance(value, Mapping):
        return {k: _masked(v, (*path, str(k)), secrets) for k, v in value.items()}
    if isinstance(value, list):
        return [_masked(v, (*path, str(i)), secrets) for i, v in enumerate(value)]
    return value


_FIELD_TYPE = {"string": "string", "int": "int", "float": "float", "bool": "bool", "duration": "string", "any": "object", "map": "object"}
_LIST_TYPE = {"string": "list_string", "int": "list_int", "float": "list_float"}


def _field(option: Option) -> dict[str, Any]:
    shape, opt = option.shape, option.opt
    hint, label = opt.hint or opt.label or option.name, opt.label or option.name
    default: Any = None if option.default is NODEFAULT else _plain(shape, option.default)
    if shape.model is not None:
        default = option_fields(shape.model)
    return {
        "exist": False,
        "name": option.name,
        "default": default,
        "type": _field_type(shape),
        "control": opt.control or _control(option),
        "connection_related": opt.connection_related,
        "optional": not opt.required and option.default is not NODEFAULT,
        "values": list(opt.values or shape.values) or None,
        "hint": {"en": hint, "zh": hint},
        "label": {"en": label, "zh": label},
    }


def _field_type(shape: Shape) -> str:
    if shape.kind == "list" and shape.element is not None:
        return _LIST_TYPE.get(shape.element.kind, "list_object")
    return _FIELD_TYPE.get(shape.kind, "object")


def _control(option: Option) -> str:
    if option.opt.values or option.shape.values:
        return "select"
    match option.shape.kind:
        case "bool":
            return "radio"
        case "list" | "map" | "struct":
            return "list"
        case _:
            return "password" if option.opt.secret else "text"


def _plain(shape: Shape, value: Any) -> Any:
    if shape.kind == "duration" and isinstance(value, int):
        return format_duration(value)
    return encode_options(value) if isinstance(value, Struct) else value


_SCHEMA_TYPE = {"string": "string", "int": "number", "float": "number", "bool": "boolean"}


def _schema(option: Option) -> dict[str, Any]:
    schema = _shape_schema(option.shape)
    if option.opt.hint:
        schema["description"] = option.opt.hint
    if option.opt.values:
        schema["examples"] = list(option.opt.values)
    if option.opt.secret:
        schema["writeOnly"] = True
    if option.default is not NODEFAULT and option.default is not None and option.shape.model is None:
        schema["default"] = _plain(option.shape, option.default)
    return schema


def _shape_schema(shape: Shape) -> dict[str, Any]:
    match shape.kind:
        case "duration":
            return {"type": ["string", "number"], "format": "duration as Go text, or milliseconds"}
        case "list":
            return {"type": "array", "items": _shape_schema(shape.element) if shape.element else {}}
        case "map":
            return {"type": "object", "additionalProperties": _shape_schema(shape.element) if shape.element else True}
        case "struct":
            assert shape.model is not None
            return json_schema(shape.model)
        case "any":
            return {}
        case kind:
            found: dict[str, Any] = {"type": _SCHEMA_TYPE[kind]}
            if shape.values:
                found["enum"] = list(shape.values)
            return found
