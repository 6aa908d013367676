"""A configuration as files: a folder per section, a YAML file per object, and the bytes that belong to objects::

    streams/boiler.yaml      rules/hot.yaml      sourceConfig/mqtt/plant.yaml      files/portablePlugins/mirror/file

A file holds what stands under the object's name in a v2 document. Written by hand, a statement may also be a file ``.sql`` and an object a
file ``.json``; ``sourceConfig/mqtt.yaml`` (or ``.json``) then holds all keys of a type. Files beside the folders (a README) are left alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from plutino.control.documents import v1
from plutino.control.documents.content import DocumentContent, Lines, ObjectText, Refused, Steps
from plutino.control.documents.structure import STATEMENTS, MismatchError, object_text, value_of_object
from plutino.control.documents.yaml_reader import Mapping as Object
from plutino.control.documents.yaml_reader import Node, is_null, kind_of, read_yaml
from plutino.control.documents.yaml_writer import to_yaml
from plutino.control.failure import Failure
from plutino.control.sections import GROUPED, SECTIONS
from plutino.errors import DefinitionError, DocumentError, Fault
from plutino.model.nearest import nearest

FILES = "files"
"""Folder of bytes: ``files/<section>/<entry>/<role>``."""

_KEPT = " @+,;=()[]{}&!#'$"
"""Characters of names that file names keep, beside letters, digits and ``_.-``."""

_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_LONGEST = 180
"""Longer names go on in a folder below, as no file system takes more than 255 bytes."""
_GOES_ON = "~"


def write(objects: Sequence[ObjectText], blob: Callable[[str], bytes]) -> Steps[dict[str, bytes]]:
    """The files of objects by path, sorted."""
    names = _file_names(objects)
    files: dict[str, bytes] = {}
    for item in objects:
        value = value_of_object(item)
        path = "/".join(names[item.section, part] for part in (item.entry, item.key)[: 2 if item.section in GROUPED else 1])
        files[f"{item.section}/{path}.yaml"] = to_yaml(value).encode()
        for role, digest in item.blobs:
            if not _holds(value, digest):
                files[f"{FILES}/{item.section}/{path}/{names['', role]}"] = blob(digest)
        yield
    return dict(sorted(files.items()))


def read(names: Iterable[str], content: Callable[[str], bytes]) -> Steps[DocumentContent]:
    """The objects of the files with these names; DocumentError with every fault when a file cannot be read or has no place."""
    reader = _Reader(content)
    for name in sorted(names):
        yield from reader.take(name)
    return reader.content()


class _Reader:
    """Objects out of files, one by one."""

    def __init__(self, content: Callable[[str], bytes]) -> None:
        self._content = content
        self._objects: dict[tuple[str, str, str], ObjectText] = {}
        self._files: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
        self._refused: list[Refused] = []
        self._warnings: list[Fault] = []
        self._faults: list[Fault] = []
        self._sources: dict[str, str] = {}

    def take(self, name: str) -> Steps[None]:
        """Read a file."""
        parts = name.split("/")
        if len(parts) == 1 or any(part.startswith(".") for part in parts):
            return
        head = next((section for section in (*SECTIONS, FILES) if section.lower() == parts[0].lower()), None)
        try:
            if head is None:
                self._faults.append(Fault("", _unknown(parts[0]), file=name))
            elif head == FILES:
                self._take_bytes(name, parts[1:])
            else:
                yield from self._take_object(head, name, parts[1:])
        except MismatchError as error:
            self._faults.append(Fault("", error.text, *Lines(self._sources[name]).place(error.node.at), name))
        except DocumentError as error:
            self._faults += [Fault(fault.path, fault.text, fault.line, fault.column, name) for fault in error.faults]
        except UnicodeDecodeError as error:
            self._faults.append(Fault("", f"byte {error.start} is not UTF-8", file=name))
        yield

    def content(self) -> DocumentContent:
        """What was read; DocumentError when there were faults."""
        for place, files in self._files.items():
            if place in self._objects:
                self._objects[place] = msgspec.structs.replace(self._objects[place], files=tuple(files))
            else:
                self._faults += [
                    Fault(".".join(filter(None, place)), "bytes of no object; remove the file", file=path) for _, path in files
                ]
        if self._faults:
            first = self._faults[0]
            more = f"; and {len(self._faults) - 1} more" if len(self._faults) > 1 else ""
            raise DocumentError(f"{first.file}{f' line {first.line}' if first.line else ''}: {first.text}{more}", tuple(self._faults))
        return DocumentContent(tuple(self._objects.values()), tuple(self._refused), tuple(self._warnings), self._sources, self._pieces)

    def _take_object(self, section: str, name: str, parts: list[str]) -> Steps[None]:
        stem, _, ending = parts[-1].rpartition(".")
        names = _decoded([*parts[:-1], stem])
        wanted = (1, 2) if section in GROUPED else (1,)
        endings = ("yaml", "yml", "json", *(("sql",) if section in STATEMENTS else ()))
        if ending not in endings or len(names) not in wanted:
            shape = "<type>/<key>" if section in GROUPED else "<name>"
            self._faults.append(Fault("", f"no object; {section}/{shape}.{' or .'.join(endings)} is expected", file=name))
            return
        text = self._sources[name] = self._content(name).decode("utf-8-sig")
        if ending == "sql":
            self._add(ObjectText(section, names[0], "", text.strip(), file=name))
        elif section in GROUPED and len(names) == 1:
            yield from self._take_group(section, names[0], name, text, ending)
        elif ending == "json":
            self._add(ObjectText(section, names[0], "".join(names[1:]), _in_one_line(text), file=name, verbatim=False))
        else:
            found = yield from read_yaml(text)
            if found.second >= 0:
                raise DocumentError("", (Fault("", "a second document begins here; one is expected", *Lines(text).place(found.second)),))
            self._take_node(section, names[0], "".join(names[1:]), found.root, name)

    def _take_group(self, section: str, group: str, name: str, text: str, ending: str) -> Steps[None]:
        """All keys of a type in one file."""
        if ending == "json":
            objects, refused = v1.read_group(section, group, _in_one_line(text))
            for item in objects:
                self._add(msgspec.structs.replace(item, file=name, offset=0, verbatim=False))
            self._refused += [Refused(each.failure, 0, name) for each in refused]
            return
        found = yield from read_yaml(text)
        if found.root is None or is_null(found.root):
            return
        if not isinstance(found.root, Object):
            raise MismatchError(found.root, f"cannot unmarshal {kind_of(found.root, text)} into map[string]map[string]interface {{}}")
        for key, node in found.root.items.items():
            self._take_node(section, group, key, node, name)

    def _take_node(self, section: str, entry: str, key: str, node: Node | None, name: str) -> None:
        if node is None or is_null(node):
            if section in GROUPED:
                self._add(ObjectText(section, entry, key, "{}", file=name, verbatim=False))
                return
            empty = DefinitionError(f"{section} {entry}: null; a value is expected")
            self._refused.append(Refused(Failure(section, entry, key, empty), 0, name))
            return
        source = self._sources[name]
        path = ".".join(part for part in (section, entry, key) if part)

        def warn(unknown: str, at: int) -> None:
            text = f"key {unknown}: passed over; sql is expected"
            self._warnings.append(Fault(f"{path}.{unknown}", text, *Lines(source).place(at), name))

        text = object_text(section, node, source, warn)
        self._add(ObjectText(section, entry, key, text, node.at, name, verbatim=section in STATEMENTS))

    def _take_bytes(self, name: str, parts: list[str]) -> None:
        section = next((known for known in SECTIONS if parts and known.lower() == parts[0].lower()), None)
        names = _decoded(parts[1:])
        if section is None or len(names) != 2:
            self._faults.append(Fault("", f"no bytes of an object; {FILES}/<section>/<name>/<role> is expected", file=name))
            return
        self._files.setdefault((section, names[0], ""), []).append((names[1], name))

    def _add(self, item: ObjectText) -> None:
        if item.place in self._objects:
            text = f"given twice, also in {self._objects[item.place].file}"
            self._faults.append(Fault(".".join(filter(None, item.place)), text, file=item.file))
        self._objects[item.place] = item

    def _pieces(self, path: str) -> Iterable[bytes]:
        data, size = self._content(path), 1 << 18
        return (data[start : start + size] for start in range(0, len(data), size))


def _file_names(objects: Sequence[ObjectText]) -> Mapping[tuple[str, str], str]:
    """Names of entries, keys and roles as they stand in paths.

    Names of one section that differ in case only are told apart on every file system: capital letters are written as ``%41``.
    """
    known: dict[str, dict[str, set[str]]] = {}
    for item in objects:
        for space, name in ((item.section, item.entry), (item.section, item.key), *(("", role) for role, _ in item.blobs)):
            known.setdefault(space, {}).setdefault(name.casefold(), set()).add(name)
    return {(space, name): _encoded(name, len(same) > 1) for space, found in known.items() for same in found.values() for name in same}


def _encoded(name: str, ambiguous: bool) -> str:
    found = quote(name, safe=_KEPT).replace(_GOES_ON, "%7E")
    if ambiguous:
        found = re.sub(r"(%[0-9A-F]{2})|([A-Z])", lambda m: m[1] or f"%{ord(m[2]):02X}", found)
    if not found:
        return "%"
    if len(found) <= _LONGEST:
        return _everywhere(found)
    # No piece may begin or end with what is special there.
    plain = re.sub("[ .]", lambda m: f"%{ord(m[0]):02X}", found)
    return f"{_GOES_ON}/".join(_everywhere(piece) for piece in re.findall(rf"(?:%..|.){{1,{_LONGEST // 3}}}", plain))


def _everywhere(part: str) -> str:
    """A part of a path that every system takes as it is."""
    if part[0] in ". " or _DEVICE.fullmatch(part):
        part = f"%{ord(part[0]):02X}{part[1:]}"
    return f"{part[:-1]}%{ord(part[-1]):02X}" if part[-1] in ". " else part


def _decoded(parts: Sequence[str]) -> list[str]:
    """Names in a path."""
    names: list[str] = []
    goes_on = False
    for part in parts:
        piece = part.removesuffix(_GOES_ON)
        if goes_on:
            names[-1] += piece
        else:
            names.append(piece)
        goes_on = piece != part
    return [unquote(name) if name != "%" else "" for name in names]


def _holds(value: Any, digest: str) -> bool:
    """Whether bytes stand in the object itself, as text."""
    content = value.get("content") if isinstance(value, dict) else None
    return isinstance(content, str) and hashlib.sha256(content.encode()).hexdigest() == digest


def _unknown(folder: str) -> str:
    near = nearest(folder, (*SECTIONS, FILES), 1)
    return f"folder {folder} is no section; " + (f"did you mean {near[0]}?" if near else f"known are {', '.join(SECTIONS)}")


def _in_one_line(text: str) -> str:
    """JSON without the line breaks that it has in a file; other text as it is, for its kind to refuse."""
    try:
        return msgspec.json.format(text, indent=0)
    except msgspec.DecodeError:
        return text
