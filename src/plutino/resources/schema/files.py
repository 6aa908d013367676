"""The files of a schema: what an archive holds, and what is left in the data directory for others to read."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from msgspec import Struct

from plutino.errors import DefinitionError, TransportError
from plutino.model import SchemaContent
from plutino.spi import Environment
from plutino.spi.archive import archive_limits, open_archive
from plutino.spi.placement import ASIDE, displace, is_placed, place

SIZE_LIMIT = 16 * 1024 * 1024
"""Bytes of a file or archive at most, and of all texts in an archive together."""

_ENTRIES = 1000
_ARCHIVE = b"PK\x03\x04"


class Placing(Struct, frozen=True):
    """Where the files of one version of a schema go: below ``root``, made of kept bytes (empty where there are none).

    ``folder`` holds what the schema's own file imports, when it came in an archive.
    """

    root: str
    file: str
    so_file: str
    folder: str
    bytes: str = ""
    so_bytes: str = ""


def placing_of(content: SchemaContent, env: Environment) -> Placing:
    """Where the files of a schema are."""
    versioned = f"{content.name}@{content.version}" if content.version else content.name
    return Placing(
        root=os.path.join(os.path.abspath(str(env.settings.get("data_dir", "."))), "schemas", content.type),
        file=f"{versioned}.proto",
        so_file=f"{versioned}.so",
        folder=content.name,
        bytes=env.blob(content.sha256) if content.sha256 else "",
        so_bytes=env.blob(content.so_sha256) if content.so_sha256 else "",
    )


def is_archive(path: str) -> bool:
    """Whether kept bytes are a zip archive. TransportError when they cannot be read; blocks."""
    try:
        with open(path, "rb") as source:
            return source.read(len(_ARCHIVE)) == _ARCHIVE
    except OSError as error:
        raise TransportError(f"read {path}: {(error.strerror or str(error)).lower()}") from None


def read_texts(path: str, name: str) -> dict[str, str]:
    """The texts of a schema by the path that imports use, its own as ``<name>.proto``. Blocks.

    An archive has ``<name>.proto`` at its root and what that imports below ``<name>/``; nothing else is looked at. DefinitionError when it
    is none of this.
    """
    root = f"{name}.proto"
    if not is_archive(path):
        return {root: _decoded(Path(path).read_bytes(), root)}
    texts: dict[str, str] = {}
    left = SIZE_LIMIT
    with open_archive(path, archive_limits(entries=_ENTRIES, entry=SIZE_LIMIT, total=4 * SIZE_LIMIT)) as archive:
        for entry in archive.names:
            if entry == root or (entry.startswith(f"{name}/") and entry.endswith(".proto")):
                data = archive.read(entry, left)
                left -= len(data)
                texts[entry] = _decoded(data, entry)
    if root not in texts:
        raise DefinitionError(f"archive: {root} is missing at its root")
    # Imports may be written from the folder on, too.
    prefix = f"{name}/"
    return {**{path.removeprefix(prefix): text for path, text in texts.items() if path != root}, **texts}


def put_files(placing: Placing, name: str) -> None:
    """Leave the files of a schema in the data directory. Blocks."""
    if placing.so_bytes:
        place(placing.so_bytes, placing.root, placing.so_file)
    if not placing.bytes:
        return
    if not is_archive(placing.bytes):
        place(placing.bytes, placing.root, placing.file)
        return
    texts = read_texts(placing.bytes, name)
    os.makedirs(placing.root, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=ASIDE, dir=placing.root) as aside:
        for path, text in texts.items():
            if path == f"{name}.proto" or path.startswith(f"{name}/"):
                written = Path(aside, "text")
                written.write_text(text, encoding="utf-8", newline="")
                place(str(written), placing.root, placing.file if path == f"{name}.proto" else path)


def are_there(placing: Placing) -> bool:
    """Whether the files were left by an earlier start. Blocks."""
    main = not placing.bytes or is_placed(placing.bytes, placing.root, placing.file)
    return main and (not placing.so_bytes or is_placed(placing.so_bytes, placing.root, placing.so_file))


def take_files(placing: Placing) -> None:
    """Remove the files of a schema. Blocks."""
    displace(placing.root, placing.file)
    displace(placing.root, placing.so_file)
    try:
        shutil.rmtree(os.path.join(placing.root, placing.folder))
    except FileNotFoundError:
        return
    except OSError as error:
        raise TransportError(f"remove {placing.folder}: {(error.strerror or str(error)).lower()}") from error


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DefinitionError(f"{name}: no UTF-8 text at byte {error.start}; a schema or a zip file is expected") from None
