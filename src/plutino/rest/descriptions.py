"""How components are described to forms (rest reference §1.9): everything derives from their specs and option models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from plutino.spi import ArgCheck, ConnectorSpec, FunctionKind, FunctionSpec
from plutino.spi.options import option_fields

BUILT_IN = "internal"
"""The ``type`` of components that are part of this installation."""

_NODE_ICON = "iconPath"
_ARGUMENT_TYPES = {
    ArgCheck.ANY: "any",
    ArgCheck.NUMBER: "number",
    ArgCheck.INT: "int",
    ArgCheck.STRING: "string",
    ArgCheck.DATETIME: "datetime",
    ArgCheck.BOOL: "boolean",
}
_RETURN_TYPES = {"float": "number", "bigint": "int"}


class Role(Struct, frozen=True):
    """A view of connectors: ``word`` is the one in paths, ``category`` the one of its nodes in an editor."""

    word: str
    category: str


SOURCE = Role("sources", "source")
SINK = Role("sinks", "sink")
CONNECTION = Role("connections", "source")


def has_role(spec: ConnectorSpec, role: Role) -> bool:
    """Whether a connector is shown in this view: as a connection is shown whatever sources and tables can be made of."""
    if role == SINK:
        return spec.sink is not None
    return spec.source is not None or spec.lookup is not None or (role == CONNECTION and spec.connection is not None)


def about(text: str, *, installed: bool = True, author: str = "") -> dict[str, Any]:
    """Who made a component and what it is for."""
    return {
        "trial": False,
        "installed": installed,
        "author": {"name": author, "email": "", "company": "", "website": ""},
        "helpUrl": _both(""),
        "description": _both(text),
    }


def describe_connector(spec: ConnectorSpec, role: Role) -> dict[str, Any]:
    """The whole description of a connector in one role; its caller knows that it has the role."""
    shown: dict[str, Any] = {"about": about(spec.about, author="Plutino"), "libs": []}
    if role == SINK:
        assert spec.sink is not None
        properties: Any = option_fields(spec.sink.options)
    else:
        shown["dataSource"] = _datasource(spec)
        properties = {"default": _source_fields(spec, connection_only=role == CONNECTION)}
    shown["properties"] = properties
    shown["node"] = _node(spec.name, role.category)
    if role != CONNECTION:
        shown["type"] = BUILT_IN
    return shown


def describe_declared(name: str, role: Role, type_: str, *, installed: bool) -> dict[str, Any]:
    """The description of a connector that a stored object brings: nothing is known of its properties."""
    shown: dict[str, Any] = {"about": about("", installed=installed), "libs": []}
    if role == SINK:
        shown["properties"] = []
    else:
        shown |= {"dataSource": {}, "properties": {"default": []}}
    return {**shown, "node": _node(name, role.category), "type": type_}


def describe_functions(name: str, text: str, functions: Mapping[str, FunctionSpec]) -> dict[str, Any]:
    """Functions that come from one place, by name; files of this kind spell languages as ``en_US``."""
    return {
        "about": _with_locales(about(text)),
        "name": name,
        "functions": [_function(known, functions[known]) for known in sorted(functions)],
    }


def _source_fields(spec: ConnectorSpec, *, connection_only: bool) -> list[dict[str, Any]]:
    """Fields of all that reads, with the shipped values as their defaults."""
    sides = [side for side in (spec.source, spec.lookup) if side is not None]
    models: Sequence[type[Struct]] = [side.options for side in sides]
    if connection_only and spec.connection is not None:
        models = [spec.connection.options, *models]
    shipped = {name: value for side in reversed(sides) for name, value in side.defaults.items()}
    found: dict[str, dict[str, Any]] = {}
    for model in models:
        for field in option_fields(model, connection_only):
            found.setdefault(field["name"], field)
    for name, field in found.items():
        if name in shipped and not isinstance(shipped[name], Mapping):
            field["default"] = shipped[name]
    return list(found.values())


def _datasource(spec: ConnectorSpec) -> dict[str, Any]:
    known = spec.source.datasource if spec.source is not None else None
    if known is None:
        return {}
    return {"default": known.default, "hint": _both(known.hint), "label": _both(known.label)}


def _node(name: str, category: str) -> dict[str, Any]:
    return {"category": category, "icon": _NODE_ICON, "label": _both(name)}


def _function(name: str, spec: FunctionSpec) -> dict[str, Any]:
    required = len(spec.args) - spec.optional
    shown: dict[str, Any] = {
        "name": name,
        "example": spec.examples[0][0] if spec.examples else f"{name}({', '.join(arg.name for arg in spec.args)})",
        "hint": _locales(spec.about),
        "args": [_argument(arg.name, arg.check, optional=at >= required) for at, arg in enumerate(spec.args)],
        "return": {"type": _RETURN_TYPES.get(spec.returns, spec.returns), "hint": _locales(spec.returns)},
        "node": {"category": "function", "icon": _NODE_ICON, "label": _locales(name)},
    }
    if spec.kind is FunctionKind.AGGREGATE:
        shown["aggregate"] = True
    return shown


def _argument(name: str, check: ArgCheck, *, optional: bool) -> dict[str, Any]:
    return {
        "name": name,
        "optional": optional,
        "control": "checkbox" if check is ArgCheck.BOOL else "field",
        "type": _ARGUMENT_TYPES[check],
        "hint": _locales(name),
        "label": _locales(name),
    }


def _with_locales(shown: dict[str, Any]) -> dict[str, Any]:
    return {**shown, "helpUrl": _locales(shown["helpUrl"]["en"]), "description": _locales(shown["description"]["en"])}


def _both(text: str) -> dict[str, str]:
    return {"en": text, "zh": text}


def _locales(text: str) -> dict[str, str]:
    return {"en_US": text, "zh_CN": text}
