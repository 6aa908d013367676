"""Base and overlays become one document: merged by section, entry and member, deleted by null, parameters put in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from plutino.control.documents import V1, V2, finish
from plutino.control.documents.content import ObjectText
from plutino.control.documents.structure import STATEMENTS
from plutino.control.documents.v2 import SECTIONS
from plutino.control.overlays.parameters import Parameter, Parameters
from plutino.control.overlays.source import Entries, Item, Source
from plutino.control.sections import GROUPED
from plutino.errors import DocumentError, Fault


@dataclass(frozen=True, slots=True)
class Rendered:
    """A document that was put together: ``sections`` with every entry and where each value comes from."""

    sections: Mapping[str, Entries]
    parameters: Mapping[str, Parameter]
    used: frozenset[str]
    warnings: tuple[Fault, ...]

    def yaml(self) -> str:
        """As a v2 document."""
        objects = [_object(name, entry, item) for name, entries in self.sections.items() for entry, item in entries.items()]
        return finish(V2.write(sorted(objects, key=lambda found: found.entry), _no_bytes))

    def json(self) -> str:
        """As a v1 document."""
        objects = finish(V2.read(self.yaml())).objects
        return finish(V1.write(sorted(objects, key=lambda found: found.place), _no_bytes))

    def placed(self, faults: Sequence[Fault]) -> tuple[Fault, ...]:
        """Faults of the document with the file, line and column that their object comes from."""
        return tuple(self._placed(fault) for fault in faults)

    def _placed(self, fault: Fault) -> Fault:
        for name, entries in self.sections.items():
            section = SECTIONS[name]
            for entry, item in entries.items():
                head = ".".join((section, *entry.split(".", 2)[1:])) if section in GROUPED else f"{section}.{entry}"
                if fault.path == head or fault.path.startswith(f"{head}."):
                    rest = tuple(part for part in fault.path[len(head) + 1 :].split(".") if part)
                    place = item.at(rest).place
                    return Fault(fault.path, fault.text, place.line, place.column, place.file)
        return fault


def render(sources: Sequence[Source], sets: Mapping[str, str], *, complete: bool = True) -> Rendered:
    """The document that the first source makes with the others over it; DocumentError with every fault found.

    ``complete`` False: parameters may lack a value, for who only wants to know which there are.
    """
    warnings = [warning for source in sources for warning in source.warnings]
    sections: dict[str, Entries] = {}
    for number, source in enumerate(sources):
        for name, entries in source.sections.items():
            below = sections.setdefault(name, {})
            for entry, item in entries.items():
                _lay_over(below, entry, item, (name, entry), warnings if number else None)
    declared = sources[0].parameters if sources else {}
    parameters = Parameters(declared, [source.parameters for source in sources[1:]], sets)
    filled = {
        name: {entry: parameters.filled(item, (SECTIONS[name], entry)) for entry, item in entries.items()}
        for name, entries in sections.items()
    }
    if complete:
        parameters.check()
    if parameters.faults:
        first = parameters.faults[0]
        place = f"{first.file}:{first.line}:{first.column}: " if first.line else ""
        raise DocumentError(f"{place}{first.text}", tuple(parameters.faults))
    return Rendered(filled, parameters.known, frozenset(parameters.used), tuple(warnings))


def _lay_over(below: dict[str, Item], name: str, above: Item, path: tuple[str, ...], warnings: list[Fault] | None) -> None:
    """Put a member over what is there; a null deletes it, except in the base (where ``warnings`` is None)."""
    known = below.get(name)
    if above.value is None and warnings is not None:
        if known is None:
            warnings.append(above.place.fault(".".join(path), "deletes nothing: there is no such entry below"))
        else:
            del below[name]
        return
    if known is not None and isinstance(known.value, dict) and isinstance(above.value, dict):
        members = dict(known.value)
        for member, item in above.value.items():
            _lay_over(members, member, item, (*path, member), warnings)
        below[name] = Item(members, known.place)
    else:
        below[name] = _without_nulls(above) if warnings is not None else above


def _without_nulls(item: Item) -> Item:
    """New members of an overlay: a null among them deletes nothing, so it is left out."""
    if not isinstance(item.value, dict):
        return item
    members = {name: _without_nulls(member) for name, member in item.value.items() if member.value is not None}
    return Item(members, item.place)


def _object(name: str, entry: str, item: Item) -> ObjectText:
    section, value = SECTIONS[name], item.plain()
    if section in STATEMENTS:
        return ObjectText(section, entry, "", value.get("sql", "") if isinstance(value, dict) else _text(value))
    group, key = entry, ""
    if section in GROUPED:
        parts = entry.split(".", 2)
        if len(parts) != 3:
            raise DocumentError(f"{entry} isn't valid conf key", (item.place.fault(f"{section}.{entry}", f"{entry} isn't valid conf key"),))
        group, key = parts[1].replace("%2E", ".").replace("%25", "%"), parts[2]
    return ObjectText(section, group, key, "{}" if value is None and section in GROUPED else _text(value))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _no_bytes(digest: str) -> bytes:
    return b""
