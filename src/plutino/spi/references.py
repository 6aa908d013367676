"""References in property values: ``${env:NAME}`` and ``${file:PATH}`` stand for what is there when a component is opened.

They are stored and exported as they are. ``$${env:NAME}`` is the text itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import NODEFAULT, Struct

from plutino.errors import ProvisionError
from plutino.spi.option_model import Option, Shape, flat_options

_REFERENCE = re.compile(r"(\$?)\$\{(env|file):([^{}]*)\}")
_SCALARS = {"int": 0, "float": 0.0, "bool": False}

Models = Sequence[type[Struct]]
Read = Callable[[str, str], str]
"""Gives what ``env`` or ``file`` has under a name; raises PlutinoError when that is nothing."""


def has_references(value: Any) -> bool:
    """Whether a reference stands anywhere in a value."""
    match value:
        case str():
            return "${" in value and _REFERENCE.search(value) is not None
        case Mapping():
            return any(map(has_references, value.values()))
        case list() | tuple():
            return any(map(has_references, value))
        case _:
            return False


def resolved_text(text: str, read: Read) -> str:
    """A text with what its references stand for."""
    return _REFERENCE.sub(lambda match: match[0][1:] if match[1] else read(match[2], match[3]), text) if "${" in text else text


def resolved(models: Models, properties: Mapping[str, Any], read: Read) -> Mapping[str, Any]:
    """Properties with what their references stand for; the same object when there are none.

    A reference that is the whole value of a numeric or boolean option becomes such a value. Raises what ``read`` raises, and ProvisionError
    for a value that does not fit, which it does not tell.
    """
    if not has_references(properties):
        return properties
    known = _known(models)
    return {name: _resolved(known.get(name.lower()), value, name, read) for name, value in properties.items()}


def placeholders(models: Models, properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Properties for a check without the world outside: references stay in texts, and other options that are one have their default."""
    if not has_references(properties):
        return properties
    known = _known(models)
    found = ((name, _placeholder(known.get(name.lower()), value)) for name, value in properties.items())
    return {name: value for name, value in found if value is not _LEFT_OUT}


_LEFT_OUT = object()


def _known(models: Models) -> dict[str, Option]:
    return {name.lower(): option for model in models for option in flat_options(model) for name in (option.name, *option.opt.aliases)}


def _shape(option: Option | None) -> Shape | None:
    return option.shape if option is not None else None


def _resolved(option: Option | None, value: Any, name: str, read: Read) -> Any:
    shape = _shape(option)
    match value:
        case str() if shape is not None and shape.kind in _SCALARS and _REFERENCE.fullmatch(value):
            return _scalar(shape.kind, resolved_text(value, read), name)
        case str():
            return resolved_text(value, read)
        case Mapping() if shape is not None and shape.model is not None:
            return {k: _resolved(inner, v, f"{name}.{k}", read) for k, v, inner in _members(shape.model, value)}
        case Mapping():
            return {k: _resolved(None, v, f"{name}.{k}", read) for k, v in value.items()}
        case list() | tuple():
            return [_resolved(None, v, f"{name}[{i}]", read) for i, v in enumerate(value)]
        case _:
            return value


def _placeholder(option: Option | None, value: Any) -> Any:
    shape = _shape(option)
    if isinstance(value, str) and option is not None and shape is not None and _REFERENCE.fullmatch(value):
        if shape.kind in _SCALARS:
            return _LEFT_OUT if option.default is not NODEFAULT else _SCALARS[shape.kind]
        return _LEFT_OUT if shape.kind == "duration" and option.default is not NODEFAULT else value
    if isinstance(value, Mapping) and shape is not None and shape.model is not None:
        members = ((k, _placeholder(inner, v)) for k, v, inner in _members(shape.model, value))
        return {k: v for k, v in members if v is not _LEFT_OUT}
    return value


def _members(model: type[Struct], value: Mapping[str, Any]) -> Iterator[tuple[str, Any, Option | None]]:
    known = _known((model,))
    return ((name, member, known.get(name.lower())) for name, member in value.items())


def _scalar(kind: str, text: str, name: str) -> Any:
    try:
        found = msgspec.json.decode(text.strip().lower() if kind == "bool" else text.strip())
    except msgspec.DecodeError:
        found = None
    fits = isinstance(found, bool) if kind == "bool" else isinstance(found, int | float) and not isinstance(found, bool)
    if not fits or (isinstance(found, float) and not math.isfinite(found)):
        raise ProvisionError(f"'{name}': what its reference stands for is no {kind}; a value of this type is expected")
    return found
