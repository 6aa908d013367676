"""Documents as files: JSON, YAML, a bundle, standard input, or a folder with a file per object (see ``control.documents.tree``).

A file is told by its content: a bundle is a zip archive, JSON begins with a brace, everything else is YAML. A folder travels as a bundle,
so that faults name its files.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from plutino.cli.output import Misuse, Refusal, counting
from plutino.control.documents import BUNDLE, V1, V2, DocumentContent, Format, finish
from plutino.control.documents import bundle as bundles
from plutino.control.documents import tree as trees
from plutino.control.sections import GROUPED, SECTIONS
from plutino.errors import PlutinoError

_ZIP = b"PK"
_ENDINGS: dict[str, Format[Any]] = {".zip": BUNDLE, ".yaml": V2, ".yml": V2}
_NOT_OF_THE_TREE = (bundles.MANIFEST, bundles.SIGNATURE)


@dataclass(frozen=True)
class Document:
    """A document that was read from ``path``; ``folder``: its files stand below it."""

    path: str
    form: Format[Any]
    content: Any
    folder: bool = False

    @cached_property
    def read(self) -> DocumentContent:
        """Its objects; Refusal when it cannot be read, with the faults that a server would tell."""
        with faults_of(self):
            try:
                return finish(self.form.read(self.content))
            except PlutinoError as error:
                raise Refusal.of(error) from error

    @property
    def counts(self) -> dict[str, int]:
        """How many objects of each section it holds; empty where that cannot be told."""
        if self.form is V1:
            return counts(self.content)
        try:
            objects = self.read.objects
        except Refusal:
            return {}
        found = dict.fromkeys(SECTIONS, 0)
        for item in objects:
            found[item.section] += 1
        return {section: number for section, number in found.items() if number}

    def as_v1(self) -> str:
        """The same as a v1 document; bytes beside objects are left out."""
        if self.form is V1:
            return str(self.content)
        objects = sorted(self.read.objects, key=lambda item: item.place)
        return finish(V1.write(objects, lambda digest: b""))


def read_text(path: str) -> str:
    """The text of a file, or of standard input for ``-``; Misuse when there is none."""
    return _text(_bytes(path), path)


def read_key(path: str) -> bytes:
    """The bytes of a key file; Misuse when there is none."""
    return _bytes(path)


def read_document(path: str) -> Document:
    """The document in a file, in a folder or (``-``) on standard input; Misuse when there is none."""
    if path != "-" and Path(path).is_dir():
        return Document(path, BUNDLE, bundles.pack(read_folder(path)), folder=True)
    data = _bytes(path)
    if data.startswith(_ZIP):
        return Document(path, BUNDLE, data)
    text = _text(data, path)
    if Path(path).suffix in _ENDINGS:
        return Document(path, V2, text)
    return Document(path, V1 if _is_json(text) else V2, text)


def read_folder(path: str) -> dict[str, bytes]:
    """The files of a folder that belong to a document, by their paths in it; Misuse when there are none."""
    root, files = Path(path), dict[str, bytes]()
    try:
        for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
            for file in sorted(folder.rglob("*")):
                name = file.relative_to(root)
                if file.is_file() and not any(part.startswith(".") for part in name.parts):
                    files[name.as_posix()] = file.read_bytes()
    except OSError as error:
        raise Misuse(f"cannot read {error.filename or path}: {error.strerror}") from error
    if not files:
        raise Misuse(f"folder {path} holds no configuration", "it needs sub-folders like streams/ and rules/")
    return files


def form_of(path: str) -> Format[Any]:
    """The format that a file of this name is written in."""
    return _ENDINGS.get(Path(path).suffix, V1)


def is_folder(path: str) -> bool:
    """Whether a folder is to be written."""
    return path.endswith("/") or (path != "-" and Path(path).is_dir())


def write_file(content: str | bytes, path: str) -> None:
    """Write a document into a file; JSON with line breaks."""
    data = content if isinstance(content, bytes) else (readable(content).rstrip("\n") + "\n").encode()
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise Misuse(f"cannot write {path}: {error.strerror}") from error


def write_folder(files: Mapping[str, bytes], path: str) -> None:
    """Write the files of a document below a folder; files of sections that are not among them any more are removed."""
    root = Path(path)
    wanted = {root / name: data for name, data in files.items() if name not in _NOT_OF_THE_TREE}
    try:
        root.mkdir(parents=True, exist_ok=True)
        with counting(f"writing {path}", len(wanted)) as step:
            for file, data in wanted.items():
                file.parent.mkdir(parents=True, exist_ok=True)
                if not file.is_file() or file.read_bytes() != data:
                    file.write_bytes(data)
                step()
        for section in (*SECTIONS, trees.FILES):
            _remove_others(root / section, wanted)
    except OSError as error:
        raise Misuse(f"cannot write {error.filename or path}: {error.strerror}") from error


def files_of(content: bytes) -> dict[str, bytes]:
    """The files of a bundle."""
    try:
        return bundles.unpack(content)
    except PlutinoError as error:
        raise Refusal.of(error) from error


@contextmanager
def faults_of(document: Document) -> Iterator[None]:
    """Let faults name files where they are: below the folder, in the bundle, or the file itself."""
    try:
        yield
    except Refusal as refusal:
        refusal.faults = located(document, refusal.faults)
        raise


def located(document: Document, faults: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Faults with the files of a folder as they are called from here."""
    if not document.folder:
        return faults
    root = document.path.rstrip("/")
    return [{**fault, "file": f"{root}/{fault['file']}"} if fault.get("file") else fault for fault in faults]


def readable(text: str) -> str:
    """JSON with line breaks, its values as written; any other text as it is."""
    try:
        return msgspec.json.format(text, indent=2)
    except msgspec.DecodeError:
        return text


def counts(text: str) -> dict[str, int]:
    """How many objects each section of a v1 document holds, sections without any left out; empty for a text that is no document."""
    document = _json_object(text)
    found = {section: _objects(section, entries) for section, entries in document.items() if isinstance(entries, dict)}
    return {section: number for section, number in found.items() if number}


def _bytes(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from error


def _text(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Misuse(f"cannot read {path}: byte {error.start} is not UTF-8") from error


def _is_json(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[", '"', "")


def _remove_others(folder: Path, wanted: Mapping[Path, bytes]) -> None:
    if not folder.is_dir():
        return
    # What is deeper comes first, so that folders are empty when it is their turn.
    for path in sorted(folder.rglob("*"), reverse=True):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in wanted:
            path.unlink()


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
