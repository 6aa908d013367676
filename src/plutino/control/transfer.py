"""Between documents and objects: entries to texts of refs, definitions to entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec import Raw

from plutino.control.changeset import Changeset
from plutino.control.document import Document, Lines, read_document, write_document
from plutino.control.failure import Failure
from plutino.control.report import config_response
from plutino.control.sections import GROUPED, entry_of, kinds_by_section
from plutino.errors import DefinitionError, DocumentError, Fault, UnsupportedError
from plutino.model import Definition, Ref
from plutino.spi import ResourceSpec


@dataclass(slots=True)
class Wanted:
    """What a document asks for: texts by object, and the entries that are no objects.

    ``held`` names the (kind, entry) pairs that could not be read: a full import that goes on must not take them as absent.
    """

    texts: dict[Ref, str | None] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    held: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did, or would do (dry run).

    ``faults`` lists what was refused and left as it was, ``warnings`` what was passed over, ``ignored`` the entries (``Schema.protobuf_x``)
    of objects that were there already and stay in a partial import; ``revision`` is the state afterwards.
    """

    revision: int
    changeset: Changeset
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]
    failures: tuple[Failure, ...]
    ignored: tuple[str, ...] = ()

    def config_response(self) -> dict[str, dict[str, str]]:
        """``{section: {entry: error text}}`` with all twelve sections."""
        return config_response(self.failures)


def wanted(document: Document, specs: Mapping[str, ResourceSpec]) -> Wanted:
    """The objects of a document. Entries of a section without a kind, and groups that are no JSON objects, are failures."""
    kinds = kinds_by_section(specs)
    found = Wanted()
    for section, entries in document.sections.items():
        kind = kinds.get(section)
        for name, entry in entries.items():
            if kind is None:
                error = UnsupportedError(f"{section} {name}: this server keeps no {section}; remove the entry, or use onError=continue")
                found.failures.append(Failure(section, name, "", error))
            elif section in GROUPED:
                _read_group(found, kind, section, name, entry.text)
            else:
                found.texts[Ref(kind, name)] = entry.text
    return found


def absent(found: Wanted, definitions: Iterable[Definition], specs: Mapping[str, ResourceSpec]) -> dict[Ref, str | None]:
    """Deletions that make a full import complete: everything of a known kind that the document does not name."""
    deletions: dict[Ref, str | None] = {}
    for definition in definitions:
        ref = definition.ref
        if ref not in found.texts and ref.kind in specs and (ref.kind, entry_of(ref, specs[ref.kind].section)[0]) not in found.held:
            deletions[ref] = None
    return deletions


def document_of(definitions: Iterable[tuple[Definition, str]], specs: Mapping[str, ResourceSpec]) -> str:
    """The document that holds these definitions with the texts next to them, sorted by name."""
    sections: dict[str, dict[str, str]] = {}
    groups: dict[str, dict[str, dict[str, str]]] = {}
    for definition, text in sorted(definitions, key=lambda pair: pair[0].ref.name):
        spec = specs.get(definition.ref.kind)
        if spec is None or definition.temporary:
            continue
        entry, key = entry_of(definition.ref, spec.section)
        if spec.section in GROUPED:
            groups.setdefault(spec.section, {}).setdefault(entry, {})[key] = _properties(definition)
        else:
            sections.setdefault(spec.section, {})[entry] = text
    for section, entries in groups.items():
        sections[section] = {entry: _group_text(keys) for entry, keys in entries.items()}
    return write_document(sections)


def placed(failures: Iterable[Failure], document: Document) -> tuple[Fault, ...]:
    """Faults with line and column of their entries; of things that are not in the document they stay 0."""
    lines: Lines | None = None
    faults = []
    for failure in failures:
        entry = document.sections.get(failure.section, {}).get(failure.entry)
        if entry is None:
            faults.append(failure.fault())
        else:
            lines = lines or Lines(document.text)
            faults.append(failure.fault(*lines.place(entry.offset)))
    return tuple(faults)


def _read_group(found: Wanted, kind: str, section: str, group: str, text: str) -> None:
    try:
        keys = _keys(text)
    except DefinitionError as error:
        found.failures.append(Failure(section, group, "", error))
        found.held.add((kind, group))
        return
    for key, raw in keys.items():
        if "." in key:
            # The last dot of a stored name divides type and key.
            dotted = DefinitionError(f"Invalid confKey: id '{key}' contains invalid characters: a dot is not allowed")
            found.failures.append(Failure(section, group, key, dotted))
            continue
        properties = bytes(raw).decode()
        found.texts[Ref(kind, f"{group}.{key}")] = "{}" if properties == "null" else properties


def _keys(text: str) -> dict[str, Raw]:
    try:
        return msgspec.json.decode(text, type=dict[str, Raw] | None) or {}
    except msgspec.ValidationError:
        shown = text.lstrip()[:1]
        kind = {"[": "array", '"': "string", "t": "bool", "f": "bool"}.get(shown, "number")
        raise DefinitionError(f"json: cannot unmarshal {kind} into Go value of type map[string]map[string]interface {{}}") from None
    except (msgspec.DecodeError, RecursionError):
        raise DefinitionError(_syntax_fault(text)) from None


def _syntax_fault(text: str) -> str:
    """What the document reader says about a text that is no JSON."""
    try:
        read_document(text)
    except DocumentError as error:
        fault = error.faults[0]
        return f"{fault.text} (line {fault.line}, column {fault.column} of the entry)"
    return "invalid JSON"


def _properties(definition: Definition) -> str:
    """The JSON object of one configuration key, as written where that is one JSON value."""
    try:
        msgspec.json.decode(definition.text, type=dict[str, Raw])
    except msgspec.DecodeError:
        return msgspec.json.encode(definition.content).decode()
    return definition.text.strip()


def _group_text(keys: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{msgspec.json.encode(key).decode()}:{text}" for key, text in keys.items()) + "}"
