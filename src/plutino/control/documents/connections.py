"""``connection.yaml`` (rest reference §2.13): connections that come with an installation, ``type: {id: {properties, xOperation}}``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from plutino.control.documents.content import Lines, Steps
from plutino.control.documents.yaml_reader import Mapping as Object
from plutino.control.documents.yaml_reader import is_null, kind_of, read_yaml, value_of
from plutino.errors import DocumentError, Fault

SECTION = "connectionConfig"
_OPERATION = "xoperation"
_PREFIX = "CONNECTION__"


class Wish(Struct, frozen=True):
    """A connection as the file has it; ``text`` is None where it is to go."""

    type: str
    id: str
    text: str | None


def read(text: str, environ: Mapping[str, str]) -> Steps[list[Wish]]:
    """The connections in a file of all types, with variables ``CONNECTION__<TYPE>__<ID>__<PROPERTY>`` on top.

    DocumentError with every fault and its place.
    """
    found = yield from read_yaml(text)
    if found.root is None or is_null(found.root):
        return []
    faults: list[Fault] = []
    properties: dict[str, dict[str, dict[str, Any]]] = {}
    for path, node in _entries("", found.root, text, faults):
        for name, item in _entries(path, node, text, faults):
            if is_null(item) or isinstance(item, Object):
                kind, _, id = name.partition(".")
                properties.setdefault(kind, {})[id] = {} if is_null(item) else value_of(item, text)
            else:
                faults.append(_fault(name, item.at, f"{kind_of(item, text)}; an object of properties is expected", text))
        yield
    if faults:
        raise DocumentError(f"connections: {faults[0].path or 'document'}: {faults[0].text}", tuple(faults))
    for variable, value in sorted(environ.items()):
        _override(properties, variable, value)
    return [_wish(kind, id, given) for kind, ids in properties.items() for id, given in ids.items()]


def overrides(environ: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """The variables that change what a file says, sorted."""
    return sorted((name, value) for name, value in environ.items() if name.upper().startswith(_PREFIX))


def _entries(path: str, node: Any, text: str, faults: list[Fault]) -> Iterable[tuple[str, Any]]:
    if is_null(node):
        return
    if not isinstance(node, Object):
        faults.append(_fault(path, node.at, f"{kind_of(node, text)}; an object is expected", text))
        return
    yield from ((f"{path}.{name}" if path else name, item) for name, item in node.items.items())


def _fault(path: str, at: int, text: str, source: str) -> Fault:
    return Fault(path, text, *Lines(source).place(at))


def _wish(kind: str, id: str, given: dict[str, Any]) -> Wish:
    operation = next((value for name, value in given.items() if name.lower() == _OPERATION), "create")
    kept = {name: value for name, value in given.items() if name.lower() != _OPERATION}
    # The properties may also stand by themselves.
    if list(kept) == ["props"] and isinstance(kept["props"], dict):
        kept = kept["props"]
    return Wish(kind, id, None if str(operation).lower() == "delete" else msgspec.json.encode(kept).decode())


def _override(properties: dict[str, dict[str, dict[str, Any]]], variable: str, value: str) -> None:
    """Put a variable's value where its name points: names match in any case, new ones are in lower case."""
    parts = variable.split("__")
    if not variable.upper().startswith(_PREFIX) or len(parts) < 4 or not all(parts):
        return
    place: dict[str, Any] = properties
    for part in parts[1:-1]:
        name = next((known for known in place if known.lower() == part.lower()), part.lower())
        inner = place.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        place = inner
    name = next((known for known in place if known.lower() == parts[-1].lower()), parts[-1].lower())
    place[name] = _typed(value)


def _typed(value: str) -> Any:
    """A value as the original reads it: a list in brackets, a number, a truth value, else text."""
    if value.startswith("[") and value.endswith("]"):
        return [_typed(item.strip()) for item in value[1:-1].split(",") if item.strip()]
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for number in (int, float):
        try:
            found = number(value)
        except ValueError:
            continue
        return found if found == found and abs(found) != float("inf") else value
    return value
