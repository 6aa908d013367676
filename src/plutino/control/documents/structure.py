"""Objects as structured values, for the formats that hold no texts inside of texts (v2, folder, bundle).

The meaning of a text survives, its spelling does not: a value has its keys in a fixed order, so that equal contents look the same. Only
statements stay verbatim.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from plutino.control.documents.content import ObjectText
from plutino.control.documents.yaml_reader import Mapping, Node, Scalar, Sequence, is_null, kind_of, value_of
from plutino.control.sections import GROUPED

STATEMENTS = ("streams", "tables")
"""Sections whose texts are SQL."""

_RULE = ("triggered", "id", "name", "version", "temp", "sql", "graph", "actions", "options", "tags")
_RULE_TEXTS = frozenset(("id", "name", "version", "sql"))
_FIRST = ("type", "name", "id", "description", "content", "script", "filePath", "soPath", "file", "version", "isAgg", "shellParas")
_OBJECT_TEXTS = frozenset(("type", "name", "id", "description", "content", "script", "file", "soFile", "version", "sha256"))
"""Members of the other kinds that are text, in the spelling of v1."""
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", re.ASCII)
_SPELLINGS = {"Schema": {"file": "filePath", "soFile": "soPath"}, "uploads": {"file": "filePath"}}
"""What older documents spell otherwise: JSON key to YAML key. Both are read."""

_TYPES = {
    "streams": "server.DatasourceExport",
    "tables": "server.DatasourceExport",
    "rules": "def.Rule",
    "nativePlugins": "plugin.IOPlugin",
    "portablePlugins": "plugin.IOPlugin",
    "Service": "service.ServiceCreationRequest",
    "Schema": "schema.Info",
    "uploads": "server.fileContent",
    "scripts": "script.Script",
}
_PROPERTIES = "map[string]interface {}"


class MismatchError(Exception):
    """A node is not what its place asks for; ``text`` as the original words it."""

    def __init__(self, node: Node, text: str) -> None:
        super().__init__(text)
        self.node = node
        self.text = text


def value_of_object(item: ObjectText) -> Any:
    """An object as a value; its text where that is no JSON object (it was stored by another version)."""
    if item.section in STATEMENTS:
        return {"sql": item.text}
    try:
        value = msgspec.json.decode(item.text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {} if item.section in GROUPED and item.text.strip() == "null" else item.text
    if item.section in GROUPED:
        return _sorted(value)
    if item.section == "rules":
        return _rule(value)
    spellings = _SPELLINGS.get(item.section, {})
    if any(new in value for new in spellings.values()):
        spellings = {}
    return _in_order({spellings.get(name, name): found for name, found in value.items()}, _FIRST)


def object_text(section: str, node: Node, source: str, warn: Callable[[str, int], None]) -> str:
    """The text of an object that stands as ``node`` in ``source``; MismatchError (or DocumentError) when it cannot be one.

    ``warn`` is told the keys that nothing is made of, with their places.
    """
    if isinstance(node, Scalar) and not is_null(node) and isinstance(value := value_of(node, source), str):
        return value
    expected = _TYPES.get(section, _PROPERTIES)
    if not isinstance(node, Mapping):
        raise MismatchError(node, f"cannot unmarshal {kind_of(node, source)} into {expected}")
    if section in STATEMENTS:
        for name, at in node.keys.items():
            if name != "sql":
                warn(name, at)
        return _plain_text(node.items["sql"], source) if "sql" in node.items else ""
    if section in GROUPED:
        return _json(_value(node, source))
    if section == "rules":
        return _json({name: _field(name in _RULE_TEXTS, item, source) for name, item in node.items.items()})
    spellings = {new: old for old, new in _SPELLINGS.get(section, {}).items()}
    named = {spellings.get(name, name): item for name, item in node.items.items()}
    return _json({name: _field(name in _OBJECT_TEXTS, item, source) for name, item in named.items()})


def _rule(value: dict[str, Any]) -> dict[str, Any]:
    """A rule says whether it is started: to the original, one that does not is stopped."""
    known = {name.lower(): name for name in _RULE}
    named = {known.get(name.lower(), name): found for name, found in value.items()}
    return _in_order({"triggered": True, **named}, _RULE)


def _in_order(value: dict[str, Any], first: tuple[str, ...]) -> dict[str, Any]:
    names = [*(name for name in first if name in value), *sorted(name for name in value if name not in first)]
    return {name: _sorted(value[name]) for name in names}


def _sorted(value: Any) -> Any:
    match value:
        case dict():
            return {name: _sorted(value[name]) for name in sorted(value)}
        case list():
            return [_sorted(item) for item in value]
        case _:
            return value


def _field(text: bool, node: Node, source: str) -> Any:
    """A value; a field that takes text takes a number as it is written (``version: 1.10``)."""
    if not text or not isinstance(node, Scalar) or is_null(node):
        return _value(node, source)
    value = value_of(node, source)
    return value if isinstance(value, bool) else node.text


def _value(node: Node, source: str) -> Any:
    """A value whose numbers keep the form in which they are written, where JSON has it."""
    match node:
        case Sequence():
            return [_value(item, source) for item in node.items]
        case Mapping():
            return {key: _value(item, source) for key, item in node.items.items()}
        case Scalar(plain=True, text=text) if text[:1] in "-0123456789" and _NUMBER.fullmatch(text):
            value_of(node, source)  # refuses what is beyond all numbers
            return msgspec.Raw(text.encode())
        case Scalar():
            return value_of(node, source)


def _plain_text(node: Node, source: str) -> str:
    match node:
        case Scalar():
            return "" if is_null(node) else node.text
        case Mapping() | Sequence():
            raise MismatchError(node, f"cannot unmarshal {kind_of(node, source)} into string")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
