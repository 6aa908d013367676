"""An eKuiper data directory as objects: the key-value tables of ``sqliteKV.db``, and files beside it that no table knows."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from plutino.catalog.ekuiper import gob
from plutino.errors import FormatError, PlutinoError

FILE = "sqliteKV.db"
_TABLES = {
    "nativePlugin": "nativePlugins",
    "portablePlugin": "portablePlugins",
    "serviceInstall": "Service",
    "schema": "Schema",
    "uploads": "uploads",
}
"""Tables whose values are the texts of a v1 section."""
_GROUPS = {"sources": "sourceConfig", "sinks": "sinkConfig", "connections": "connectionConfig"}
_FILE_MEMBERS = ("file", "soFile")


class ForeignObject(Struct, frozen=True):
    """An object of the other server in v1 terms: ``key`` inside an entry of grouped keys, ``bytes_of`` (role, bytes) that belong to it."""

    section: str
    entry: str
    key: str
    text: str
    bytes_of: tuple[tuple[str, bytes], ...] = ()


def read_store(directory: str | Path) -> tuple[list[ForeignObject], list[str]]:
    """Everything in a data directory, sorted, and what could not be brought along, as sentences.

    The database is copied first, so nothing in the directory changes, and a server may be running on it. PlutinoError when there is none.
    """
    place = _located(Path(directory))
    reader = _Reader(place.parent)
    with _copy(place) as connection:
        reader.read(connection)
    return sorted(reader.objects, key=lambda o: (o.section, o.entry, o.key)), reader.notes


class _Reader:
    def __init__(self, directory: Path) -> None:
        self.objects: list[ForeignObject] = []
        self.notes: list[str] = []
        self._directory = directory

    def read(self, connection: sqlite3.Connection) -> None:
        self._each(connection, "stream", self._stream)
        self._each(connection, "rule", lambda name, value: self._add("rules", name, _text(value)))
        for table, section in _TABLES.items():
            self._each(connection, table, partial(self._installed, section))
        self._each(connection, "confKVStorage", self._configuration)
        self._each(connection, "script", self._function)
        self._unrecorded()

    def _each(self, connection: sqlite3.Connection, table: str, take: Callable[[str, Any], None]) -> None:
        """Hand over every value of a table; tables come and go with versions."""
        if connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone() is None:
            return
        for name, value in connection.execute(f'SELECT key, val FROM "{table}" ORDER BY key'):
            try:
                take(str(name), gob.decode(bytes(value)))
            except FormatError as error:
                self.notes.append(f"{table} {name}: {error.message}; it is left out")

    def _stream(self, name: str, value: Any) -> None:
        try:
            kept = msgspec.json.decode(_text(value))
            section, statement = ("streams", "tables")[kept["streamType"]], kept["statement"]
        except (msgspec.DecodeError, KeyError, TypeError, IndexError):
            raise FormatError("no stored stream; an object with streamType and statement is expected") from None
        self._add(section, name, _text(statement))

    def _configuration(self, name: str, value: Any) -> None:
        prefix, _, rest = name.partition(".")
        kind, _, key = rest.rpartition(".")
        if prefix in _GROUPS and kind and isinstance(value, dict):
            text = msgspec.json.encode(_plain(value), order="sorted").decode()
            self.objects.append(ForeignObject(_GROUPS[prefix], kind, key, text))
        elif prefix in _GROUPS:
            self.notes.append(f"configuration {name}: not a type with a key; it is left out")

    def _function(self, name: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise FormatError("no stored function; a struct is expected")
        fields = {
            "id": value.get("Id", ""),
            "description": value.get("Desc", ""),
            "script": value.get("Script", ""),
            "isAgg": value.get("IsAgg", False),
        }
        self._add("scripts", name, msgspec.json.encode(fields).decode())

    def _installed(self, section: str, name: str, value: Any) -> None:
        """An installation with the bytes that it was made of, as far as they are on this machine."""
        text = _text(value)
        if name.startswith("$"):
            self.notes.append(f"{section} {name}: a mark of the other server, not an object; it is left out")
            return
        try:
            body = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError:
            self._add(section, name, text)
            return
        beside = []
        for member in _FILE_MEMBERS:
            url = body.get(member)
            if isinstance(url, str) and url and not body.get("content"):
                data = self._bytes(section, name, body, url)
                if data is not None:
                    beside.append((member, data))
                else:
                    self.notes.append(f"{section} {name}: {url} is not on this machine; an import asks for it there")
        self.objects.append(ForeignObject(section, name, "", text, tuple(beside)))

    def _bytes(self, section: str, name: str, value: dict[str, Any], url: str) -> bytes | None:
        """The bytes behind a URL where they are a file here, else what the server made of them."""
        parts = urlsplit(url)
        data = _content(Path(unquote(parts.path))) if parts.scheme == "file" else None
        if data is not None:
            return data
        match section:
            case "uploads":
                return _content(self._directory / "uploads" / name)
            case "Schema":
                version = f"@{value['version']}" if value.get("version") else ""
                stem, ending = f"{value.get('name')}{version}", Path(parts.path).suffix
                known = ending if ending in (".so", ".proto") else ".proto"
                return _content(self._directory / "schemas" / str(value.get("type")) / f"{stem}{known}")
            case "portablePlugins":
                return _zipped(self._directory.parent / "plugins" / "portable" / name)
            case _:
                return None

    def _unrecorded(self) -> None:
        """Files that were uploaded as forms: the other server keeps them, and knows nothing of them."""
        known = {found.entry for found in self.objects if found.section == "uploads"}
        folder = self._directory / "uploads"
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            name = path.relative_to(folder).as_posix()
            if name not in known and path.is_file() and not path.is_symlink() and (data := _content(path)) is not None:
                text = msgspec.json.encode({"name": name, "file": f"file://{path.absolute()}"}).decode()
                self.objects.append(ForeignObject("uploads", name, "", text, (("file", data),)))

    def _add(self, section: str, name: str, text: str) -> None:
        self.objects.append(ForeignObject(section, name, "", text))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise FormatError(f"a text is expected, not {type(value).__name__}")
    return value


def _plain(value: Any) -> Any:
    """A value as the other server writes it into JSON: whole floats without a point, bytes as base64."""
    match value:
        case float() if value.is_integer() and abs(value) < 1e21:
            return int(value)
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def _located(directory: Path) -> Path:
    places = (directory, directory / FILE, directory / "data" / FILE)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise PlutinoError(f"{directory}: no {FILE}; the data directory of an eKuiper server is expected")
    return found


@contextmanager
def _copy(place: Path) -> Iterator[sqlite3.Connection]:
    """An open copy of the database, with what is not yet in the main file."""
    with tempfile.TemporaryDirectory(prefix="plutino-migrate-") as folder:
        target = Path(folder) / FILE
        try:
            for ending in ("", "-wal", "-journal"):
                source = place.with_name(place.name + ending)
                if source.exists():
                    shutil.copyfile(source, target.with_name(target.name + ending))
        except OSError as error:
            raise PlutinoError(f"read {error.filename}: {(error.strerror or str(error)).lower()}") from None
        connection = sqlite3.connect(target)
        try:
            yield connection
        except sqlite3.DatabaseError as error:
            raise PlutinoError(f"{place}: {error}; the database of an eKuiper server is expected") from error
        finally:
            connection.close()


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.is_file() else None
    except OSError:
        return None  # not readable is not here: the caller says so


def _zipped(folder: Path) -> bytes | None:
    """A plugin package made of the folder that it was unpacked to."""
    if not folder.is_dir():
        return None
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
                info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
                info.external_attr = (0o100755 if os.access(path, os.X_OK) else 0o100644) << 16
                archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
