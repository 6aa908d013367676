"""Documents as files: one JSON file, standard input, or a folder with one readable file per entry.

A folder is laid out as the document is, a sub-folder per section and a file per entry::

    streams/boiler.sql      rules/hot.json      sourceConfig/simulator.json      connectionConfig/mqtt.json

Statements end in ``.sql``, everything else in ``.json``; the name of the file is the name of the entry. Other files beside the sub-folders
(a README) are left alone.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from plutino.cli.output import Misuse, Refusal, counting
from plutino.control.sections import GROUPED, SECTIONS

_STATEMENTS = ("streams", "tables")
_KEPT = " .$@+,;=()[]{}&!~#'"
"""Characters of entry names that file names keep, beside letters, digits, ``_`` and ``-``."""


def read_text(path: str) -> str:
    """The text of a file, or of standard input for ``-``; Misuse when there is none."""
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return data.decode()
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misuse(f"cannot read {path}: byte {error.start} is not UTF-8") from error


def read_document(path: str) -> str:
    """The text of a v1 document in a file, in a folder or (``-``) on standard input."""
    if path == "-" or not Path(path).is_dir():
        return read_text(path)
    sections: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    found = False
    for folder in sorted(p for p in Path(path).iterdir() if p.is_dir() and not p.name.startswith(".")):
        if folder.name not in sections:
            near = difflib.get_close_matches(folder.name, SECTIONS, 1)
            hint = f"did you mean {near[0]}?" if near else "known are " + ", ".join(SECTIONS)
            raise Misuse(f"folder {folder} is no section of a document", hint)
        found = True
        for name, file in _entries(folder):
            text = read_text(str(file)).strip()
            sections[folder.name][name] = text if folder.name in _STATEMENTS else _in_one_line(text)
    if not found:
        raise Misuse(f"folder {path} holds no configuration", "it needs sub-folders like streams/ and rules/")
    return json.dumps(sections, ensure_ascii=False)


def write_document(text: str, path: str) -> None:
    """Write a v1 document to a file, or to a folder where ``path`` is one or ends with a slash.

    In a folder, files of entries that are no longer there are removed.
    """
    try:
        if path.endswith("/") or Path(path).is_dir():
            _write_folder(text, Path(path))
        else:
            Path(path).write_text(readable(text) + "\n", encoding="utf-8")
    except OSError as error:
        raise Misuse(f"cannot write {error.filename or path}: {error.strerror}") from error


@contextmanager
def faults_of(path: str) -> Iterator[None]:
    """Let faults of a document that was read from a folder name its files; their places in the document say nothing there."""
    try:
        yield
    except Refusal as refusal:
        if Path(path).is_dir():
            refusal.faults = [_in_file(fault, Path(path)) for fault in refusal.faults]
        raise


def readable(text: str) -> str:
    """JSON with line breaks, its values as written; any other text as it is."""
    try:
        return msgspec.json.format(text, indent=2)
    except msgspec.DecodeError:
        return text


def counts(text: str) -> dict[str, int]:
    """How many objects each section of a document holds, sections without any left out; empty for a text that is no document."""
    document = _json_object(text)
    found = {section: _objects(section, entries) for section, entries in document.items() if isinstance(entries, dict)}
    return {section: number for section, number in found.items() if number}


def _write_folder(text: str, folder: Path) -> None:
    document: dict[str, dict[str, str]] = json.loads(text)
    with counting(f"writing {folder}", sum(len(document.get(section) or {}) for section in SECTIONS)) as step:
        for section in SECTIONS:
            _write_section(folder, section, document.get(section) or {}, step)


def _write_section(folder: Path, section: str, entries: dict[str, str], step: Callable[[], None]) -> None:
    place = folder / section
    if entries:
        place.mkdir(parents=True, exist_ok=True)
    wanted = set()
    for name, value in entries.items():
        file = _file(folder, section, name)
        file.write_text((value if section in _STATEMENTS else readable(value)) + "\n", encoding="utf-8")
        wanted.add(file)
        step()
    if place.is_dir():
        for _, file in _entries(place):
            if file not in wanted:
                file.unlink()


def _entries(folder: Path) -> Iterator[tuple[str, Path]]:
    ending = _ending(folder.name)
    for file in sorted(folder.iterdir()):
        if file.name.startswith(".") or not file.is_file():
            continue
        if file.suffix != ending:
            raise Misuse(f"{file} is no entry", f"files in {folder.name}/ end in {ending}")
        yield unquote(file.name.removesuffix(ending)), file


def _ending(section: str) -> str:
    return ".sql" if section in _STATEMENTS else ".json"


def _in_file(fault: dict[str, Any], folder: Path) -> dict[str, Any]:
    section, _, entry = str(fault.get("path", "")).partition(".")
    names = (entry, entry.partition(".")[0]) if section in GROUPED else (entry,)
    for name in names:
        file = _file(folder, section, name)
        if file.is_file():
            return {**fault, "path": str(file), "line": 0, "column": 0}
    return fault


def _file(folder: Path, section: str, name: str) -> Path:
    return folder / section / (quote(name, safe=_KEPT) + _ending(section))


def _objects(section: str, entries: dict[str, Any]) -> int:
    """Entries of grouped sections hold an object per key."""
    if section not in GROUPED:
        return len(entries)
    return sum(len(_json_object(text)) for text in entries.values() if isinstance(text, str))


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _in_one_line(text: str) -> str:
    try:
        return msgspec.json.format(text, indent=0)
    except msgspec.DecodeError:
        return text
