"""The v1 document: JSON, twelve sections of ``entry -> text`` (rest reference §2.1). It carries every text verbatim.

The reader walks over the text by itself, because it must know where every entry stands, take a section that occurs twice together
(JSON libraries drop the first one), and say the same as the original about what is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import msgspec
from msgspec import Raw, Struct

from plutino.control.documents.content import DocumentContent, Format, Lines, ObjectText, Refused, Steps, finish, well_formed
from plutino.control.failure import Failure
from plutino.control.report import as_text, config_response
from plutino.control.sections import GROUPED, SECTIONS
from plutino.errors import DefinitionError, DocumentError, Fault

_PREFIX = "configuration unmarshal with error "
_AS_TEXT = "; every entry here is a text: a statement, or JSON between quotes; structured it may stand in YAML (v2) or in a folder"
_white = re.compile(r"[ \t\r\n]*").match


class Entry(Struct, frozen=True):
    """One entry as written, and the offset of its value in the document."""

    text: str
    offset: int


def read(text: str, sections: Sequence[str] = SECTIONS) -> Steps[DocumentContent]:
    """The objects in the given sections of a document; others are warnings. DocumentError with every fault when it cannot be read."""
    reader = _Reader(text, sections)
    yield from reader.steps()
    found, warnings = reader.result()
    objects: list[ObjectText] = []
    refused: list[Refused] = []
    for section, entries in found.items():
        for name, entry in entries.items():
            if section in GROUPED:
                keys, wrong = read_group(section, name, entry.text, entry.offset)
                objects += keys
                refused += wrong
            else:
                objects.append(ObjectText(section, name, "", entry.text, entry.offset))
            yield
    return DocumentContent(tuple(objects), tuple(refused), warnings, {"": text})


def write(objects: Sequence[ObjectText], _: Callable[[str], bytes], sections: Sequence[str] = SECTIONS) -> Steps[str]:
    """A document with the given sections in their order, empty ones too."""
    found: dict[str, dict[str, str]] = {section: {} for section in sections}
    groups: dict[tuple[str, str], dict[str, str]] = {}
    for item in objects:
        if item.section in GROUPED:
            # The entry has its place now, and its text when all keys are there.
            found[item.section].setdefault(item.entry, "")
            groups.setdefault((item.section, item.entry), {})[item.key] = _properties(item.text)
        else:
            found[item.section][item.entry] = item.text
        yield
    for (section, entry), keys in groups.items():
        found[section][entry] = "{" + ",".join(f"{msgspec.json.encode(key).decode()}:{text}" for key, text in keys.items()) + "}"
        yield
    return msgspec.json.encode(found).decode()


def read_group(section: str, group: str, text: str, offset: int = 0) -> tuple[list[ObjectText], list[Refused]]:
    """The keys of one type, each an object of its own."""
    try:
        keys = _keys(text)
    except DefinitionError as error:
        return [], [Refused(Failure(section, group, "", error), offset)]
    objects: list[ObjectText] = []
    refused: list[Refused] = []
    for key, raw in keys.items():
        if "." in key:
            # The last dot of a stored name divides type and key.
            dotted = DefinitionError(f"Invalid confKey: id '{key}' contains invalid characters: a dot is not allowed")
            refused.append(Refused(Failure(section, group, key, dotted), offset))
            continue
        properties = bytes(raw).decode()
        objects.append(ObjectText(section, group, key, "{}" if properties == "null" else properties, offset))
    return objects, refused


def refusal(failures: Sequence[Failure]) -> str:
    """The twelve-key object as text."""
    return as_text(config_response(failures))


FORMAT: Format[str] = Format("v1", read, write, refusal)


def _keys(text: str) -> Mapping[str, Raw]:
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
        finish(read(text))
    except DocumentError as error:
        fault = error.faults[0]
        return f"{fault.text} (line {fault.line}, column {fault.column} of the entry)"
    return "invalid JSON"


def _properties(text: str) -> str:
    """The JSON object of one key as written. A text that is none (it was stored by another version) stands there as text."""
    try:
        msgspec.json.decode(text, type=dict[str, Raw])
    except msgspec.DecodeError:
        return "{}" if text.strip() == "null" else msgspec.json.encode(text).decode()
    return text.strip()


class _Reader:
    """One pass over a text. Syntax errors end it at once, wrong types are collected."""

    def __init__(self, text: str, sections: Sequence[str]) -> None:
        self._text = text
        self._known = {section.lower(): section for section in sections}
        self._at = 0
        self._sections: dict[str, dict[str, Entry]] = {}
        self._faults: list[tuple[str, str, int]] = []
        self._warnings: list[tuple[str, str, int]] = []
        self._decode = json.JSONDecoder(parse_int=float, parse_constant=_no_constant).raw_decode

    def steps(self) -> Iterator[None]:
        """Read; pauses after each entry."""
        # Editors on some systems put a byte order mark in front.
        self._at = 1 if self._text.startswith("\ufeff") else 0
        self._skip()
        if self._head() == "{":
            for key, offset in self._members():
                section = self._known.get(key.lower())
                if section is not None:
                    yield from self._section(section)
                else:
                    self._value()
                    self._warnings.append((key, f"section {key}: passed over; known are {', '.join(self._known.values())}", offset))
        else:
            offset = self._at
            value = self._value()
            if value is not None:
                self._faults.append(("", f"json: cannot unmarshal {_kind(value)} into Go value of type server.Configuration", offset))
        self._skip()
        if self._at < len(self._text):
            self._bad("after top-level value")

    def result(self) -> tuple[dict[str, dict[str, Entry]], tuple[Fault, ...]]:
        """The entries of every section, and warnings; DocumentError when there were faults."""
        if self._faults:
            # The wire text is the original's; who reads the faults is told what to do.
            told = [(path, text + _AS_TEXT if text.endswith("of type string") else text, offset) for path, text, offset in self._faults]
            raise DocumentError(_PREFIX + self._faults[0][1], self._placed(told))
        return self._sections, self._placed(self._warnings)

    def _section(self, section: str) -> Iterator[None]:
        if self._head() != "{":
            offset = self._at
            value = self._value()
            if value is not None:
                text = f"json: cannot unmarshal {_kind(value)} into Go struct field Configuration.{section} of type map[string]string"
                self._faults.append((section, text, offset))
            return
        entries = self._sections.setdefault(section, {})
        for name, _ in self._members():
            offset = self._at
            value = self._value()
            name = well_formed(name)
            if isinstance(value, str):
                entry = Entry(well_formed(value), offset)
            elif value is None:
                entry = Entry("", offset)
            else:
                text = f"json: cannot unmarshal {_kind(value)} into Go struct field Configuration.{section} of type string"
                self._faults.append((f"{section}.{name}", text, offset))
                continue
            if name in entries:
                self._warnings.append((f"{section}.{name}", f"{section} {name}: given twice; this one counts", offset))
            entries[name] = entry
            yield

    def _members(self) -> Iterator[tuple[str, int]]:
        """Keys of the object at this place with their offsets; the caller reads each value before it goes on."""
        self._at += 1
        self._skip()
        if self._head() == "}":
            self._at += 1
            return
        while True:
            offset = self._at
            if self._head() != '"':
                self._bad("looking for beginning of object key string")
            key = self._value()
            self._skip()
            if self._head() != ":":
                self._bad("after object key")
            self._at += 1
            self._skip()
            yield key, offset
            self._skip()
            match self._head():
                case ",":
                    self._at += 1
                    self._skip()
                case "}":
                    self._at += 1
                    return
                case _:
                    self._bad("after object key:value pair")

    def _value(self) -> Any:
        try:
            value, self._at = self._decode(self._text, self._at)
        except json.JSONDecodeError as error:
            start, self._at = self._at, error.pos
            self._refuse(error, start)
        except ValueError:
            self._bad("looking for beginning of value")
        except RecursionError:
            self._fail("exceeded max depth")
        return value

    def _refuse(self, error: json.JSONDecodeError, start: int) -> NoReturn:
        if error.msg.startswith("Unterminated string"):
            self._at = len(self._text)
        if error.msg.startswith("Invalid control"):
            self._bad("in string literal")
        if error.msg.startswith("Invalid \\"):
            self._bad("in string escape code")
        if error.msg.startswith("Expecting ','"):
            self._bad("after array element" if self._text[start] == "[" else "after object key:value pair")
        self._bad("looking for beginning of value")

    def _head(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self) -> None:
        found = _white(self._text, self._at)
        assert found is not None
        self._at = found.end()

    def _bad(self, where: str) -> NoReturn:
        if self._at >= len(self._text):
            self._fail("unexpected end of JSON input")
        character = json.dumps(self._text[self._at], ensure_ascii=False)[1:-1]
        shown = {"'": "\\'", '\\"': '"'}.get(character, character)
        self._fail(f"invalid character '{shown}' {where}")

    def _fail(self, text: str) -> NoReturn:
        raise DocumentError(_PREFIX + text, self._placed([("", text, min(self._at, len(self._text)))]))

    def _placed(self, found: list[tuple[str, str, int]]) -> tuple[Fault, ...]:
        if not found:
            return ()
        lines = Lines(self._text)
        return tuple(Fault(path, text, *lines.place(offset)) for path, text, offset in found)


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
