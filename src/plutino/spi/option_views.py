"""What others see of an option model: form fields, JSON schema, masked values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import NODEFAULT, Struct

from plutino.model import format_duration
from plutino.spi.option_model import Option, Shape, encode_options, flat_options
from plutino.spi.secrets import MASK, holds_headers, is_open, is_secret_header, masked_text, secret_number, sounds_secret

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
    """A copy of properties in which secrets are replaced by MASK, those inside of longer values too."""
    secrets = set(secret_paths(models, props))
    return {k: _masked(v, (k,), secrets) for k, v in props.items()}


def secret_paths(models: Models, props: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Paths of the values in properties that are secret as a whole, names as written, list positions as decimal text.

    These are the options marked so, values under unknown names that sound secret (runtime reference §0), and headers that may carry
    credentials. Secret parts of other values (passwords inside addresses) are found by ``secrets.secret_spans``.
    """
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
        elif found is None or isinstance(value, Mapping | list):
            yield from guessed_paths(name, value, (name,), declared=found is not None)


def guessed_paths(
    name: str, value: Any, path: tuple[str, ...], *, declared: bool = False, sounds: Callable[[str], bool] = sounds_secret
) -> Iterator[tuple[str, ...]]:
    """Paths of the values under ``path`` that are taken for secrets by their names alone.

    ``declared``: the name itself is known to stand for something else.
    """
    if isinstance(value, Mapping):
        headers = holds_headers(name)
        for k, v in value.items():
            member = str(k)
            if headers and not isinstance(v, Mapping):
                if is_secret_header(member):
                    yield from _leaves(v, (*path, member))
            else:
                yield from guessed_paths(member, v, (*path, member), sounds=sounds)
    elif isinstance(value, list | tuple):
        for i, v in enumerate(value):
            yield from guessed_paths(name, v, (*path, str(i)), declared=declared, sounds=sounds)
    elif not declared and isinstance(value, str):
        if sounds(name) and not is_open(value):
            yield path
    elif not declared and isinstance(value, int | float) and not isinstance(value, bool) and secret_number(name):
        yield path


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, Mapping):
        for k, v in value.items():
            yield from _leaves(v, (*path, str(k)))
    elif isinstance(value, list | tuple):
        for i, v in enumerate(value):
            yield from _leaves(v, (*path, str(i)))
    elif value is not None and not (isinstance(value, str) and is_open(value)):
        yield path


def _masked(value: Any, path: tuple[str, ...], secrets: set[tuple[str, ...]]) -> Any:
    if path in secrets:
        return MASK
    if isinstance(value, Mapping):
        return {k: _masked(v, (*path, str(k)), secrets) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(v, (*path, str(i)), secrets) for i, v in enumerate(value)]
    return masked_text(value) if isinstance(value, str) else value


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
