"""Properties that point to uploaded files."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from plutino.model import Ref
from plutino.spi.access import Access
from plutino.spi.resource import Environment

KIND = "upload"
_DIRECTORY = "uploads"


def upload_refs(properties: Mapping[str, Any], env: Environment) -> Iterator[Ref]:
    """The uploads that properties of a source, sink or connection name: as a path, as a ``file://`` URL, or as a directory.

    A directory together with ``datasource`` is the file of this name in it; alone it is everything that is below it. What is named need not
    exist.
    """
    datasource = properties.get("datasource")
    for text in _texts(properties):
        # Every way there leads through a directory of this name; most texts are no paths at all.
        place = _below_uploads(text, env) if _DIRECTORY in text else None
        if place is None:
            continue
        file = os.path.join(place, datasource) if isinstance(datasource, str) and datasource and text is not datasource else place
        if env.get(Ref(KIND, place)) is not None:
            yield Ref(KIND, place)
        elif file != place:
            yield Ref(KIND, file)
        elif place:
            below = [name for name in env.names(KIND) if name.startswith(f"{place}/")]
            yield from (Ref(KIND, name) for name in below or [place])
        else:
            yield from (Ref(KIND, name) for name in env.names(KIND))


class FilesToBe:
    """``Access.file`` for checks: what is uploaded by the very document that is checked is there already, though not in its place."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._env: weakref.ReferenceType[Environment] | None = None

    def look_at(self, env: Environment) -> None:
        """The state that the next paths are looked for in. It is not kept alive: a large one is to go when its check is over."""
        self._env = weakref.ref(env)

    def path(self, path: str) -> str:
        """A file with the bytes that ``path`` will have; AccessError when it is not allowed."""
        full = self._access.file(path)
        env = self._env() if self._env is not None else None
        name = _below_uploads(path, env) if env is not None and _DIRECTORY in path else None
        if env is None or name is None:
            return full
        found = env.get(Ref(KIND, name))
        if found is not None and found.blobs:
            return env.blob(found.blobs[0][1])
        below = f"{name}/" if name else ""
        return self._access.data_dir if any(upload.startswith(below) for upload in env.names(KIND)) else full


def _below_uploads(text: str, env: Environment) -> str | None:
    """The path below the uploads directory, empty for itself; None for everything else."""
    data_dir = os.path.abspath(str(env.settings.get("data_dir", ".")))
    path = unquote(urlsplit(text).path) if text.startswith("file://") else text
    root = os.path.join(data_dir, _DIRECTORY)
    # In relative paths of the original, ``data`` is what the data directory is here.
    for relative in (path, path.removeprefix("data/")):
        full = os.path.normpath(os.path.join(data_dir, relative))
        if full == root:
            return ""
        if full.startswith(root + os.sep):
            return full[len(root) + 1 :]
    return None


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for member in value.values():
                yield from _texts(member)
        case list() | tuple():
            for member in value:
                yield from _texts(member)
        case _:
            return
