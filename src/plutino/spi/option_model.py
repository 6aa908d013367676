"""Option models: one msgspec Struct per component, from which everything about its options derives.

Python names are snake_case, wire names come from ``rename="camel"`` or ``msgspec.field(name=…)``. ``Annotated[str, Opt(secret=True)]`` adds
what a type cannot say. A nested Struct marked ``Opt(inline=True)`` takes its options from the same level (see ``plutino.spi.tls``)::

    class Options(Struct, frozen=True, rename="camel"):
        server: Annotated[str, Opt("Address of the broker", connection_related=True)] = ""
        interval: Duration = 0

Decoding follows the dialect (runtime reference §0): names match in any case, numbers with a fraction are cut to int, durations are Go text
or milliseconds, everything else is strict; unknown names are ignored here and found by ``unknown_options``.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct

from plutino.errors import OptionError, PlutinoError, ProvisionError, UnsupportedError
from plutino.model import format_duration, parse_duration
from plutino.model.nearest import nearest

M = TypeVar("M", bound=Struct)


@dataclass(frozen=True, slots=True)
class Opt:
    """What an option's type does not say.

    - ``secret``: masked wherever it is shown; ``dynamic``: may hold a data template; ``connection_related``: belongs to the connection
    - ``values``: the values offered by a form (not enforced here: a component refuses with its own wire text)
    - ``check``: raises PlutinoError for a value that can never be used, whatever the other options are; not called for an empty text where
      that is the default, nor for references, and templates where the option may hold one
    - ``control``: form control where the type does not tell; ``required``: a form must ask for it
    - ``aliases``: other names that are read; ``inline``: a Struct whose options stand on the same level
    - ``whole``: a map with all properties as they are written, for a component that passes them on
    """

    hint: str = ""
    label: str = ""
    secret: bool = False
    dynamic: bool = False
    connection_related: bool = False
    values: tuple[Any, ...] = ()
    check: Callable[[Any], object] | None = None
    control: str = ""
    required: bool = False
    aliases: tuple[str, ...] = ()
    inline: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """An option's type: ``kind`` is string, int, float, bool, duration, list, map, struct or any."""

    kind: str
    element: Shape | None = None
    model: type[Struct] | None = None
    nullable: bool = False
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a model; ``default`` is NODEFAULT where there is none."""

    name: str
    attribute: str
    shape: Shape
    opt: Opt
    default: Any


@cache
def options_of(model: type[Struct]) -> tuple[Option, ...]:
    """The options of a model in order of declaration; inlined Structs count as one entry."""
    hints = typing.get_type_hints(model, include_extras=True)
    return tuple(_option(info, hints[info.name]) for info in msgspec.structs.fields(model))


def flat_options(model: type[Struct]) -> tuple[Option, ...]:
    """As ``options_of`` with inlined Structs replaced by their own options."""
    found: list[Option] = []
    for option in options_of(model):
        if option.opt.inline and option.shape.model is not None:
            found.extend(flat_options(option.shape.model))
        else:
            found.append(option)
    return tuple(found)


def decode_options(model: type[M], props: Mapping[str, Any], *, where: str = "") -> M:
    """An instance of ``model`` out of wire properties; OptionError names every option that does not fit.

    ``where`` is put in front of the option names in the texts. A null leaves the default. Unknown names are ignored.
    """
    faults: list[tuple[str, str]] = []
    found = _decode_struct(model, props, where, faults)
    if faults:
        raise OptionError("; ".join(text for _, text in faults), path=faults[0][0])
    assert found is not None
    return found


def option_faults(model: type[Struct], props: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """What ``decode_options`` and the options' own checks refuse: the dotted name of each option, what is wrong with its value, and
    whether it is only not built in here."""
    faults: list[tuple[str, str]] = []
    _decode_struct(model, props, "", faults)
    return [*((place, text, False) for place, text in faults), *_check_faults(model, props, "")]


def _check_faults(model: type[Struct], props: Mapping[str, Any], where: str) -> Iterator[tuple[str, str, bool]]:
    lowered = {k.lower(): k for k in reversed(list(props))}
    for option in flat_options(model):
        value, place = _find(option, props, lowered), where + option.name
        if option.shape.model is not None and isinstance(value, Mapping):
            yield from _check_faults(option.shape.model, value, f"{place}.")
        if option.opt.check is None or value is _MISSING:
            continue
        misfits: list[tuple[str, str]] = []
        found = _convert(option.shape, value, place, misfits)
        if not misfits and _is_told(option, found):
            try:
                option.opt.check(found)
            except PlutinoError as error:
                yield place, error.message, isinstance(error, UnsupportedError)


def check_values(options: Struct) -> None:
    """Let the options' own checks look at an instance, in order of declaration; raises what the first one raises."""
    for option in options_of(type(options)):
        value = getattr(options, option.attribute)
        if option.opt.inline:
            check_values(value)
        elif option.opt.check is not None and _is_told(option, value):
            option.opt.check(value)


def not_negative(name: str) -> Callable[[float], None]:
    """A check of numbers and times, with the compatible text."""

    def check(value: float) -> None:
        if value < 0:
            raise ProvisionError(f"{name} must be positive")

    return check


def one_of(allowed: Collection[Any], text: str, *, fold: bool = False) -> Callable[[Any], None]:
    """A check that lets ``allowed`` values through; ``{}`` in the text stands for another. ``fold``: texts in any case."""

    def check(value: Any) -> None:
        if (value.lower() if fold else value) not in allowed:
            raise ProvisionError(text.format(value))

    return check


def _is_told(option: Option, value: Any) -> bool:
    """Whether a value says something: not what the option is without it, and no template or reference whose value comes later."""
    if value is None or (value == "" and option.default in ("", NODEFAULT)):
        return False
    return not (isinstance(value, str) and ("${" in value or (option.opt.dynamic and "{{" in value)))


def unknown_options(models: type[Struct] | Sequence[type[Struct]], props: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Names that none of the models knows, dotted, each with the known name that it resembles (or None)."""
    known: dict[str, Option] = {}
    for model in _several(models):
        for option in flat_options(model):
            for name in (option.name, *option.opt.aliases):
                known.setdefault(name.lower(), option)
    unknown: list[tuple[str, str | None]] = []
    for name, value in props.items():
        option_ = known.get(name.lower())
        if option_ is None:
            close = nearest(name.lower(), known, 1, 0.6)
            unknown.append((name, known[close[0]].name if close else None))
        elif option_.shape.model is not None and isinstance(value, Mapping):
            inner = unknown_options(option_.shape.model, value)
            unknown.extend((f"{name}.{n}", s and f"{name}.{s}") for n, s in inner)
    return unknown


def encode_options(options: Struct) -> dict[str, Any]:
    """The wire properties of an instance, defaults included; durations as Go text."""
    props: dict[str, Any] = {}
    for option in options_of(type(options)):
        value = getattr(options, option.attribute)
        if option.opt.inline:
            props.update(encode_options(value))
        else:
            props[option.name] = _wire(option.shape, value)
    return props


def _several(models: type[Struct] | Sequence[type[Struct]]) -> Sequence[type[Struct]]:
    return (models,) if isinstance(models, type) else models


def _option(info: msgspec.structs.FieldInfo, hint: Any) -> Option:
    default = info.default
    if default is NODEFAULT and info.default_factory is not NODEFAULT:
        default = info.default_factory()
    opt = next((m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Opt)), Opt())
    return Option(info.encode_name, info.name, _shape(hint), opt, default)


_PLAIN = {str: "string", int: "int", float: "float", bool: "bool", Any: "any", object: "any"}


def _shape(hint: Any) -> Shape:
    origin = get_origin(hint)
    if origin is Annotated:
        for extra in hint.__metadata__:
            if isinstance(extra, Meta) and extra.extra and extra.extra.get("duration"):
                return Shape("duration")
        return _shape(hint.__origin__)
    if origin in (Union, types.UnionType):
        members = [a for a in get_args(hint) if a is not type(None)]
        if len(members) == 1:
            inner = _shape(members[0])
            return Shape(inner.kind, inner.element, inner.model, True, inner.values)
        return Shape("any", nullable=True)
    if origin is Literal:
        return Shape("string", values=get_args(hint))
    if origin in (list, tuple, Sequence):
        return Shape("list", element=_shape(get_args(hint)[0]))
    if origin in (dict, Mapping):
        return Shape("map", element=_shape(get_args(hint)[1]))
    if isinstance(hint, type) and issubclass(hint, Struct):
        return Shape("struct", model=hint)
    kind = _PLAIN.get(hint)
    if kind is None:
        raise TypeError(f"option type {hint!r}; a plain type, list, dict, Struct or Duration is expected")
    return Shape(kind)


_MISSING = object()


def _decode_struct(model: type[M], props: Mapping[str, Any], path: str, faults: list[tuple[str, str]]) -> M | None:
    values: dict[str, Any] = {}
    lowered = {k.lower(): k for k in reversed(list(props))}
    before = len(faults)
    for option in options_of(model):
        if option.opt.inline and option.shape.model is not None:
            values[option.attribute] = _decode_struct(option.shape.model, props, path, faults)
            continue
        if option.opt.whole:
            values[option.attribute] = dict(props)
            continue
        value = _find(option, props, lowered)
        here = f"{path}.{option.name}" if path else option.name
        if value is _MISSING or (value is None and not option.shape.nullable):
            if option.default is NODEFAULT:
                faults.append((here, f"'{here}' is missing; a {option.shape.kind} is expected"))
            continue
        told = len(faults)
        values[option.attribute] = _convert(option.shape, value, here, faults)
        if option.opt.secret:
            faults[told:] = [(place, text.partition(", value: ")[0].partition(": time: invalid")[0]) for place, text in faults[told:]]
    return model(**values) if len(faults) == before else None


def _find(option: Option, props: Mapping[str, Any], lowered: Mapping[str, str]) -> Any:
    for name in (option.name, *option.opt.aliases):
        if name in props:
            return props[name]
        written = lowered.get(name.lower())
        if written is not None:
            return props[written]
    return _MISSING


def _convert(shape: Shape, value: Any, path: str, faults: list[tuple[str, str]]) -> Any:
    if shape.kind == "any" or (value is None and shape.nullable):
        return value
    match shape.kind:
        case "string" if isinstance(value, str):
            return value
        case "bool" if isinstance(value, bool):
            return value
        case "int" if _is_number(value):
            return int(value)
        case "float" if _is_number(value):
            return float(value)
        case "duration" if isinstance(value, str) or _is_number(value):
            try:
                return parse_duration(value)
            except ValueError as error:
                faults.append((path, f"error decoding '{path}': {error}"))
                return None
        case "list" if isinstance(value, list | tuple):
            assert shape.element is not None
            return [_convert(shape.element, v, f"{path}[{i}]", faults) for i, v in enumerate(value)]
        case "map" if isinstance(value, Mapping):
            assert shape.element is not None
            return {str(k): _convert(shape.element, v, f"{path}[{k}]", faults) for k, v in value.items()}
        case "struct" if isinstance(value, Mapping):
            assert shape.model is not None
            return _decode_struct(shape.model, value, path, faults)
    faults.append((path, _refusal(shape, value, path)))
    return None


_LARGEST = 1 << 63


def _is_number(value: Any) -> bool:
    match value:
        case bool():
            return False
        case int():
            return -_LARGEST <= value < _LARGEST
        case float():
            return math.isfinite(value)
        case _:
            return False


_GO_KIND = {"string": "string", "int": "int", "float": "float64", "bool": "bool", "duration": "cast.DurationConf"}


def _refusal(shape: Shape, value: Any, path: str) -> str:
    if shape.kind in ("map", "struct"):
        return f"'{path}' expected a map, got '{_go_type(value)}'"
    if shape.kind == "list":
        return f"'{path}': source data must be an array or slice, got {_go_type(value)}"
    return f"'{path}' expected type '{_GO_KIND[shape.kind]}', got unconvertible type '{_go_type(value)}', value: '{_go_text(value)}'"


def _go_type(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float64"
        case str():
            return "string"
        case list() | tuple():
            return "[]interface {}"
        case Mapping():
            return "map[string]interface {}"
        case None:
            return "<nil>"
        case _:
            return type(value).__name__


def _go_text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e21 else str(value)
        case list() | tuple():
            return "[" + " ".join(_go_text(v) for v in value) + "]"
        case Mapping():
            return "map[" + " ".join(f"{k}:{_go_text(v)}" for k, v in sorted(value.items())) + "]"
        case None:
            return "<nil>"
        case _:
            return str(value)


def _wire(shape: Shape, value: Any) -> Any:
    if value is None:
        return None
    match shape.kind:
        case "duration":
            return format_duration(value)
        case "struct":
            return encode_options(value)
        case "list" if shape.element is not None:
            return [_wire(shape.element, v) for v in value]
        case "map" if shape.element is not None:
            return {k: _wire(shape.element, v) for k, v in value.items()}
        case _:
            return value
