"""Zip archives that came from outside, read without trusting them: plugin packages, services, schemas, bundles.

Everything that can be known from the directory is checked before a single entry is unpacked: names that would leave their directory, links,
device names, names that are the same on some systems, encrypted and nested-size tricks. What the directory claims is held to while reading.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from plutino.errors import DefinitionError, PlutinoError
from plutino.spi.limits import Limits as Intake
from plutino.spi.limits import limits as intake

_END = b"PK\x05\x06"
_END_SIZE = 22
_LOCATOR = b"PK\x06\x07"
_LOCATOR_SIZE = 20
_COMMENT = 1 << 16
_DIRECTORY_PER_ENTRY = 2048
"""Bytes of directory per allowed entry: a larger directory is refused before it is read into memory."""

_NOT_A_ZIP = "zip: not a valid zip file"
_REGULAR, _DIRECTORY = 0o100000, 0o040000
_FORMAT = 0o170000
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE | re.DOTALL)
_BAD = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')
_SHOWN = 200


class Limits(Struct, frozen=True):
    """What an archive may hold at most: ``entries``, bytes of one ``entry`` and of all together (``total``) when unpacked, and how many
    times smaller than its content a compressed entry may be (``ratio``; entries below 1 MB are not looked at)."""

    entries: int = Intake().archive_entries
    entry: int = Intake().archive_entry
    total: int = Intake().archive_total
    ratio: int = Intake().archive_ratio


def archive_limits(*, entries: int | None = None, entry: int | None = None, total: int | None = None) -> Limits:
    """The limits of this process (see ``spi.limits``), or less where that is asked for."""
    known = intake()
    return Limits(
        min(known.archive_entries, known.archive_entries if entries is None else entries),
        min(known.archive_entry, known.archive_entry if entry is None else entry),
        min(known.archive_total, known.archive_total if total is None else total),
        known.archive_ratio,
    )


_RATIO_FROM = 1 << 20


class Archive:
    """The directory of an archive that was found to be harmless. Reading blocks; a context manager."""

    def __init__(self, file: BinaryIO, opened: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], limits: Limits) -> None:
        """For ``open_archive`` only."""
        self._under = file
        self._file = opened
        self._entries = entries
        self._limits = limits

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._under.close()

    @property
    def names(self) -> tuple[str, ...]:
        """Paths of the files in it, as the archive lists them; directories are left out."""
        return tuple(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def find(self, name: str) -> str | None:
        """The file with this path, in whatever case it is written."""
        if name in self._entries:
            return name
        return next((known for known in self._entries if known.lower() == name.lower()), None)

    def read(self, name: str, limit: int | None = None) -> bytes:
        """The content of a file; PlutinoError when it is not there, damaged, or more than ``limit`` bytes."""
        info = self._entries.get(name)
        if info is None:
            raise DefinitionError(f"missing {name}")
        most = self._limits.entry if limit is None else min(limit, self._limits.entry)
        if info.file_size > most:
            raise DefinitionError(f"zip entry {name} has {info.file_size} bytes; at most {most} are read")
        with _reported(name), self._file.open(info) as stream:
            data = stream.read(info.file_size + 1)
        if len(data) != info.file_size:
            raise DefinitionError(f"zip entry {name} has {len(data)} bytes; its directory says {info.file_size}")
        return data

    def text(self, name: str, limit: int) -> str:
        """The content of a file as UTF-8 text; a byte order mark in front is left out."""
        try:
            return self.read(name, limit).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DefinitionError(f"zip entry {name}: {error.reason} at byte {error.start}; UTF-8 is expected") from None


def open_archive(path: str | Path, limits: Limits | None = None) -> Archive:
    """Open the archive in a file and check its whole directory. DefinitionError when it is none, or not harmless; blocks.

    ``limits`` defaults to those of this process.
    """
    limits = limits or archive_limits()
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed by the archive
    except OSError as error:
        raise PlutinoError(f"read {path}: {(error.strerror or str(error)).lower()}") from None
    try:
        _check_end(file, limits)
        with _reported("directory"):
            opened = zipfile.ZipFile(file)
        return Archive(file, opened, _checked(opened.infolist(), limits), limits)
    except BaseException:
        file.close()
        raise


def check_entry_name(name: str) -> None:
    """DefinitionError for a path inside an archive that could mean anything but a file below its root, on any system."""
    parts = name.split("/")
    if parts and parts[-1] == "":
        parts.pop()  # a directory
    shown = name[:_SHOWN]
    if not parts or len(name) > 1024 or _BAD.search(name):
        raise DefinitionError(f"zip entry {shown!r}: not a name that every system can keep; letters, digits and ._- are safe")
    for part in parts:
        if part in ("", ".", ".."):
            raise DefinitionError(f"zip entry {shown}: leaves its directory; paths relative to the root of the archive are expected")
        if part != part.strip() or part.endswith(".") or len(part.encode("utf-8", "replace")) > 255 or _DEVICE.fullmatch(part):
            raise DefinitionError(f"zip entry {shown}: {part} is a device or not a name that every system can keep")


def _checked(infos: list[zipfile.ZipInfo], limits: Limits) -> dict[str, zipfile.ZipInfo]:
    if len(infos) > limits.entries:
        raise DefinitionError(f"zip file has {len(infos)} entries; at most {limits.entries} are read")
    found: dict[str, zipfile.ZipInfo] = {}
    folded: set[str] = set()
    total = 0
    for info in infos:
        _check_entry(info, limits)
        total += info.file_size
        if total > limits.total:
            raise DefinitionError(f"zip file has more than {limits.total} bytes when unpacked")
        key = info.filename.rstrip("/").casefold()
        if key in folded:
            raise DefinitionError(f"zip entry {info.filename}: given twice")
        folded.add(key)
        if not info.is_dir():
            found[info.filename] = info
    _check_overlaps(infos)
    _check_folders(found)
    return found


def _check_entry(info: zipfile.ZipInfo, limits: Limits) -> None:
    # zipfile rewrites names (cuts at NUL, turns separators): what was written counts.
    check_entry_name(info.orig_filename)
    check_entry_name(info.filename)
    name = info.filename
    kind = info.external_attr >> 16 & _FORMAT
    if kind not in (0, _DIRECTORY if info.is_dir() else _REGULAR):
        raise DefinitionError(f"zip entry {name}: a link or special file; only files and directories are read")
    if info.flag_bits & 0x1:
        raise DefinitionError(f"zip entry {name}: encrypted; an archive without a password is expected")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DefinitionError(f"zip entry {name}: compression {info.compress_type}; stored or deflated is expected")
    if info.file_size > limits.entry:
        raise DefinitionError(f"zip entry {name} has {info.file_size} bytes; at most {limits.entry} are read")
    if info.file_size > _RATIO_FROM and info.file_size > limits.ratio * max(info.compress_size, 1):
        raise DefinitionError(f"zip entry {name}: {info.file_size} bytes in {info.compress_size}; at most {limits.ratio} times is read")
    if info.is_dir() and info.file_size:
        raise DefinitionError(f"zip entry {name}: a directory with content")


def _check_overlaps(infos: list[zipfile.ZipInfo]) -> None:
    """Entries that share their bytes make a small archive unpack to anything."""
    end = 0
    for info in sorted(infos, key=lambda i: i.header_offset):
        if info.header_offset < end:
            raise DefinitionError(f"zip entry {info.filename}: lies inside of another entry")
        end = info.header_offset + info.compress_size


def _check_folders(found: dict[str, zipfile.ZipInfo]) -> None:
    """A name cannot be a file and a directory at once."""
    files = {name.casefold() for name in found}
    for name in found:
        parent = name.casefold().rpartition("/")[0]
        while parent:
            if parent in files:
                raise DefinitionError(f"zip entry {name}: below a file")
            parent = parent.rpartition("/")[0]


def _check_end(file: BinaryIO, limits: Limits) -> None:
    """Look at the end record before the directory is read into memory, at the same place where it will be looked for."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_SIZE - _COMMENT - _LOCATOR_SIZE))
    tail = file.read()
    at = len(tail) - _END_SIZE
    if at < 0 or tail[at : at + 4] != _END or tail[-2:] != b"\0\0":
        at = tail.rfind(_END, 0, len(tail) - _END_SIZE + 4)
        if at < 0:
            raise DefinitionError(_NOT_A_ZIP)
    if tail[max(0, at - _LOCATOR_SIZE) :][:4] == _LOCATOR:
        raise DefinitionError("zip file is in the zip64 form; archives of this size are not read")
    entries, directory = struct.unpack("<HI", tail[at + 10 : at + 16])
    if entries > limits.entries:
        raise DefinitionError(f"zip file has {entries} entries; at most {limits.entries} are read")
    if directory > min(size, limits.entries * _DIRECTORY_PER_ENTRY):
        raise DefinitionError(_NOT_A_ZIP if directory > size else f"zip file has a directory of {directory} bytes; that is too large")
    file.seek(0)


@contextmanager
def _reported(what: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError, struct.error) as error:
        if what == "directory":
            raise DefinitionError(_NOT_A_ZIP) from error
        raise DefinitionError(f"zip entry {what}: {str(error).lower()}") from error
    except OSError as error:
        raise PlutinoError(f"read zip entry {what}: {(error.strerror or str(error)).lower()}") from None
