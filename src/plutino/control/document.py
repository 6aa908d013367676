"""Reading and writing v1 transfer documents; knows nothing of what the entries mean.

The reader walks over the text by itself, because it must know where every entry stands, take a section that occurs twice together
(JSON libraries drop the first one), and say the same as the original about what is wrong.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from plutino.control.pacer import Pacer
from plutino.control.sections import SECTIONS
from plutino.errors import DocumentError, Fault

_PREFIX = "configuration unmarshal with error "
_KNOWN = {section.lower(): section for section in SECTIONS}
_white = re.compile(r"[ \t\r\n]*").match


class Entry(Struct, frozen=True):
    """One entry as written, and the offset of its value in the document."""

    text: str
    offset: int


class Lines:
    """Offsets of a text as 1-based line and column."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column (in characters) of an offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


class Document(Struct, frozen=True):
    """A document that was read: the entries of every section, and what was passed over (unknown sections, repeated entries)."""

    text: str
    sections: dict[str, dict[str, Entry]]
    warnings: tuple[Fault, ...] = ()


def read_document(text: str) -> Document:
    """The document in ``text``; DocumentError with every fault found when it cannot be read."""
    reader = _Reader(text)
    for _ in reader.steps():
        pass
    return reader.document()


async def read_document_paced(text: str) -> Document:
    """``read_document`` in slices."""
    reader, pacer = _Reader(text), Pacer()
    for _ in reader.steps():
        if pacer.due():
            await pacer.rest()
    return reader.document()


def write_document(sections: Mapping[str, Mapping[str, str]]) -> str:
    """A document with all twelve keys in their order; equal sections give equal bytes."""
    return msgspec.json.encode({section: sections.get(section, {}) for section in SECTIONS}).decode()


class _Reader:
    """One pass over a text. Syntax errors end it at once, wrong types are collected."""

    def __init__(self, text: str) -> None:
        self._text = text
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
                section = _KNOWN.get(key.lower())
                if section is not None:
                    yield from self._section(section)
                else:
                    self._value()
                    self._warnings.append((key, f"section {key}: passed over; known are {', '.join(SECTIONS)}", offset))
        else:
            offset = self._at
            value = self._value()
            if value is not None:
                self._faults.append(("", f"json: cannot unmarshal {_kind(value)} into Go value of type server.Configuration", offset))
        self._skip()
        if self._at < len(self._text):
            self._bad("after top-level value")

    def document(self) -> Document:
        """What was read; DocumentError when there were faults."""
        if self._faults:
            raise DocumentError(_PREFIX + self._faults[0][1], self._placed(self._faults))
        return Document(self._text, self._sections, self._placed(self._warnings))

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


def well_formed(text: str) -> str:
    """``text`` with halves of surrogate pairs replaced, so that it can be stored and sent."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


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
