"""Files of an overlay as trees of values with places: sections, entries, and everything below."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from plutino.control.documents import finish
from plutino.control.documents.content import DocumentContent, Lines
from plutino.control.documents.structure import STATEMENTS, value_of_object
from plutino.control.documents.v2 import SECTIONS
from plutino.control.documents.yaml_reader import Mapping as YamlMapping
from plutino.control.documents.yaml_reader import Node, Scalar, Sequence, is_null, read_yaml, scalar_value
from plutino.control.sections import GROUPED
from plutino.errors import DocumentError, Fault

PARAMETERS = "parameters"

_PREFIXES = {"sourceConfig": "sources", "sinkConfig": "sinks", "connectionConfig": "connections"}
_NAMES = {v1: v2 for v2, v1 in SECTIONS.items()}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: 1-based line and column, 0 where that is not known."""

    file: str
    line: int = 0
    column: int = 0

    def fault(self, path: str, text: str) -> Fault:
        """A fault at this place."""
        return Fault(path, text, self.line, self.column, self.file)


@dataclass(frozen=True, slots=True)
class Item:
    """A value and where it stands. ``value`` is a scalar, a dict of Items by name or a list of Items."""

    value: Value
    place: Place

    def plain(self) -> Any:
        """The JSON value."""
        match self.value:
            case dict():
                return {name: item.plain() for name, item in self.value.items()}
            case list():
                return [item.plain() for item in self.value]
            case _:
                return self.value

    def at(self, path: tuple[str, ...]) -> Item:
        """The nearest item on a path below this one."""
        item = self
        for part in path:
            match item.value:
                case dict() if part in item.value:
                    item = item.value[part]
                case list() if part.isdecimal() and int(part) < len(item.value):
                    item = item.value[int(part)]
                case _:
                    break
        return item


Value: TypeAlias = "bool | int | float | str | dict[str, Item] | list[Item] | None"
Entries: TypeAlias = dict[str, Item]


@dataclass(frozen=True, slots=True)
class Source:
    """One file: entries by section (as v2 spells it) and name, and what it says about parameters."""

    sections: Mapping[str, Entries] = field(default_factory=dict)
    parameters: Entries = field(default_factory=dict)
    warnings: tuple[Fault, ...] = ()


def read_source(text: str, file: str) -> Source:
    """A file in YAML, or in JSON that is structured like it; DocumentError with every fault when it cannot be read."""
    try:
        found = finish(read_yaml(text))
    except DocumentError as error:
        raise _located(error, file) from None
    reader = _Reader(text, file)
    if found.second >= 0:
        reader.warn("", "a second document begins here; it is passed over", found.second)
    if found.root is not None and not is_null(found.root):
        reader.take(found.root)
    return reader.source()


def read_objects(content: DocumentContent, file: str, folder: str = "") -> Source:
    """The same from a document of any other format; places are those of entries. ``folder`` is put in front of the files of one."""
    sections: dict[str, Entries] = {}
    lines: dict[str, Lines] = {}
    for item in content.objects:
        name = item.file
        if name not in lines:
            lines[name] = Lines(content.sources.get(name, ""))
        place = Place(
            f"{folder.rstrip('/')}/{name}" if folder and name else name or file,
            *lines[name].place(min(item.offset, len(content.sources.get(name, "")))),
        )
        entry = f"{_PREFIXES[item.section]}.{item.entry}.{item.key}" if item.section in GROUPED else item.entry
        sections.setdefault(_NAMES[item.section], {})[entry] = made(value_of_object(item), place)
    refused = tuple(_in_file(each.failure.fault(), file) for each in content.refused)
    if refused:
        raise DocumentError(f"{file}: {refused[0].path}: {refused[0].text}", refused)
    return Source(sections, {}, tuple(_in_file(warning, file) for warning in content.warnings))


def made(value: Any, place: Place) -> Item:
    """A plain value as an item, all at one place."""
    match value:
        case dict():
            return Item({str(name): made(member, place) for name, member in value.items()}, place)
        case list():
            return Item([made(member, place) for member in value], place)
        case _:
            return Item(value, place)


class _Reader:
    """Entries out of the nodes of one text."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._lines = Lines(text)
        self._sections: dict[str, Entries] = {}
        self._parameters: Entries = {}
        self._faults: list[Fault] = []
        self._warnings: list[Fault] = []

    def warn(self, path: str, text: str, at: int) -> None:
        self._warnings.append(self._place(at).fault(path, text))

    def take(self, root: Node) -> None:
        if not isinstance(root, YamlMapping):
            self._faults.append(self._place(root.at).fault("", "not a document; sections like streams and rules are expected"))
            return
        known = {name.lower(): name for name in (*SECTIONS, PARAMETERS)}
        for name, node in root.items.items():
            section = known.get(name.lower())
            if section is None:
                self.warn(name, f"section {name}: passed over; known are {', '.join((*SECTIONS, PARAMETERS))}", root.keys[name])
            elif isinstance(node, YamlMapping):
                entries = self._parameters if section == PARAMETERS else self._sections.setdefault(section, {})
                for entry, value in node.items.items():
                    entries[entry] = self._entry(section, value, node.keys[entry])
            elif not is_null(node):
                self._faults.append(self._place(node.at).fault(section, "a list or a scalar; entries by name are expected"))

    def source(self) -> Source:
        if self._faults:
            first = self._faults[0]
            raise DocumentError(f"{first.file}:{first.line}:{first.column}: {first.text}", tuple(self._faults))
        return Source(self._sections, self._parameters, tuple(self._warnings))

    def _entry(self, section: str, node: Node, at: int) -> Item:
        item = self._item(node)
        if isinstance(item.value, str) and section != PARAMETERS:
            # A text as in v1: a statement, or JSON.
            if SECTIONS[section] in STATEMENTS:
                return Item({"sql": item}, self._place(at))
            try:
                return made(msgspec.json.decode(item.value), item.place)
            except (msgspec.DecodeError, RecursionError):
                return item
        return Item(item.value, self._place(at))

    def _item(self, node: Node) -> Item:
        place = self._place(node.at)
        match node:
            case Scalar():
                try:
                    return Item(scalar_value(node, self._text), place)
                except DocumentError as error:
                    self._faults += _located(error, self._file).faults
                    return Item(None, place)
            case Sequence():
                return Item([self._item(member) for member in node.items], place)
            case YamlMapping():
                return Item({name: self._item(member) for name, member in node.items.items()}, place)

    def _place(self, at: int) -> Place:
        return Place(self._file, *self._lines.place(min(at, len(self._text))))


def is_v1(text: str) -> bool:
    """Whether a text is a v1 document: JSON whose entries are all texts."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    entries = [entry for section, members in _members(found) if section.lower() != PARAMETERS for entry in members.values()]
    return isinstance(found, dict) and bool(entries) and all(isinstance(entry, str) for entry in entries)


def _members(document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for section, members in document.items() if isinstance(document, dict) else ():
        if isinstance(members, dict):
            yield section, members


def _located(error: DocumentError, file: str) -> DocumentError:
    return DocumentError(f"{file}: {error.message}", tuple(_in_file(fault, file) for fault in error.faults))


def _in_file(fault: Fault, file: str) -> Fault:
    return Fault(fault.path, fault.text, fault.line, fault.column, fault.file or file)
