"""Parameters: what differs from site to site, declared with a type in the base, used as ``${param:NAME}`` in any value::

    parameters:
        site: {type: string, description: Name of the plant}
        interval: {type: duration, default: 10s}
        limits: {type: list, default: [10, 20]}
        password: {type: string, secret: true}

A value that is one reference becomes the parameter's value with its type; elsewhere its text is put in. ``$${param:NAME}`` is the text
itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from plutino.control.overlays.source import Item, Place
from plutino.errors import Fault
from plutino.model import parse_duration
from plutino.model.nearest import nearest

TYPES = ("string", "int", "float", "bool", "duration", "list", "object")
_REFERENCE = re.compile(r"(\$?)\$\{param:([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][\w.-]*")
_FIELDS = ("type", "default", "description", "secret", "values")
_UNSET = object()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter with its value, if it has one.

    ``values`` are those that are allowed, None for all of its type; ``default``: nobody gave another one for this document.
    """

    name: str
    type: str
    description: str
    secret: bool
    values: tuple[Any, ...] | None
    value: Any
    default: bool
    place: Place

    @property
    def has_value(self) -> bool:
        """Whether it may be used."""
        return self.value is not _UNSET


class Parameters:
    """All parameters of a document, and how they are put in. ``faults`` are collected, so that all can be told together."""

    def __init__(self, declared: Mapping[str, Item], given: Iterable[Mapping[str, Item]], sets: Mapping[str, str]) -> None:
        """``declared`` are those of the base, ``given`` what overlays say (in order), ``sets`` come from the command line and win."""
        self.faults: list[Fault] = []
        self.used: set[str] = set()
        self._known: dict[str, Parameter] = {}
        for name, item in declared.items():
            self._declare(name, item)
        for entries in given:
            for name, item in entries.items():
                self._overlay(name, item)
        for name, text in sets.items():
            self._set(name, text)

    @property
    def known(self) -> Mapping[str, Parameter]:
        """By name."""
        return self._known

    def filled(self, item: Item, path: tuple[str, ...]) -> Item:
        """An item with parameters put into all its values."""
        match item.value:
            case dict():
                return Item({name: self.filled(member, (*path, name)) for name, member in item.value.items()}, item.place)
            case list():
                return Item([self.filled(member, (*path, str(i))) for i, member in enumerate(item.value)], item.place)
            case str() if "${param:" in item.value:
                return self._filled_text(item.value, item.place, path)
            case _:
                return item

    def _filled_text(self, text: str, place: Place, path: tuple[str, ...]) -> Item:
        whole = _REFERENCE.fullmatch(text)
        if whole is not None and not whole[1]:
            value = self._use(whole[2], place, path)
            return Item(None, place) if value is _UNSET else _item(value, place)
        return Item(_REFERENCE.sub(lambda match: match[0][1:] if match[1] else _text(self._use(match[2], place, path)), text), place)

    def _use(self, name: str, place: Place, path: tuple[str, ...]) -> Any:
        found = self._known.get(name)
        if found is None:
            near = nearest(name, self._known, 1)
            hint = f"did you mean {near[0]}?" if near else "declare it under parameters"
            self.faults.append(place.fault(".".join(path), f"parameter {name}: not declared; {hint}"))
            return _UNSET
        self.used.add(name)
        return found.value

    def check(self) -> None:
        """Tell the parameters that are used and have no value, once each."""
        for name in sorted(self.used):
            found = self._known[name]
            if not found.has_value:
                about = f" ({found.description})" if found.description else ""
                text = f"parameter {name}{about}: no value; give one with --set {name}=…, in an overlay, or as its default"
                self.faults.append(found.place.fault(f"parameters.{name}", text))

    def _declare(self, name: str, item: Item) -> None:
        path = f"parameters.{name}"
        if not _NAME.fullmatch(name):
            self.faults.append(item.place.fault(path, f"parameter {name}: a name of letters, digits and _.- is expected"))
            return
        if not isinstance(item.value, dict):
            self.faults.append(item.place.fault(path, f"parameter {name}: {{type, default, description}} is expected"))
            return
        for field, member in item.value.items():
            if field not in _FIELDS:
                near = nearest(field, _FIELDS, 1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_FIELDS)}"
                text = f"parameter {name}: unknown field {field}; {hint}"
                self.faults.append(member.place.fault(f"{path}.{field}", text))
        declared = item.plain()
        kind = declared.get("type", "string")
        if kind not in TYPES:
            self.faults.append(item.value["type"].place.fault(f"{path}.type", f"type {kind}; one of {', '.join(TYPES)} is expected"))
            return
        values = declared.get("values")
        known = Parameter(
            name,
            kind,
            str(declared.get("description") or ""),
            declared.get("secret") is True,
            None if values is None else tuple(values if isinstance(values, list) else [values]),
            _UNSET,
            True,
            item.place,
        )
        self._known[name] = known
        if declared.get("default") is not None:
            self._take(known, declared["default"], item.value["default"].place, default=True)

    def _overlay(self, name: str, item: Item) -> None:
        """``name: value``, or a declaration that says more."""
        known = self._known.get(name)
        if isinstance(item.value, dict) and (known is None or known.type != "object" or set(item.value) & {"type", "default"}):
            if known is None:
                self._declare(name, item)
                return
            given = item.value.get("default")
            if given is None:
                return
            item = given
        if known is None:
            self.faults.append(item.place.fault(f"parameters.{name}", self._unknown(name)))
            return
        self._take(known, item.plain(), item.place)

    def _set(self, name: str, text: str) -> None:
        known = self._known.get(name)
        place = Place("--set")
        if known is None:
            self.faults.append(place.fault(f"parameters.{name}", self._unknown(name)))
            return
        try:
            value = text if known.type in ("string", "duration") else msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            value = text
        self._take(known, value, place)

    def _take(self, known: Parameter, value: Any, place: Place, *, default: bool = False) -> None:
        """Give a parameter its value, if that fits."""
        shown = "the value given" if known.secret else msgspec.json.encode(value).decode()[:60]
        expected = ""
        if not _fits(known.type, value):
            expected = f"a value of type {known.type} is expected"
        elif known.values is not None and value not in known.values:
            expected = f"one of {', '.join(map(str, known.values))} is expected"
        if expected:
            self.faults.append(place.fault(f"parameters.{known.name}", f"parameter {known.name}: {shown}; {expected}"))
            return
        self._known[known.name] = replace(known, value=float(value) if known.type == "float" else value, default=default)

    def _unknown(self, name: str) -> str:
        near = nearest(name, self._known, 1)
        return f"parameter {name}: not declared in the base; " + (f"did you mean {near[0]}?" if near else "declare it there with its type")


def _fits(kind: str, value: Any) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "bool":
            return isinstance(value, bool)
        case "duration":
            return _is_duration(value)
        case "list":
            return isinstance(value, list)
        case _:
            return isinstance(value, dict)


def _is_duration(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    try:
        parse_duration(value)
    except ValueError:
        return False
    return True


def _text(value: Any) -> str:
    """A value inside of a text."""
    if value is _UNSET:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _item(value: Any, place: Place) -> Item:
    match value:
        case dict():
            return Item({name: _item(member, place) for name, member in value.items()}, place)
        case list():
            return Item([_item(member, place) for member in value], place)
        case _:
            return Item(value, place)
