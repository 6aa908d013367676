"""Properties that point to uploaded files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from plutino.model import Ref
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


def _below_uploads(text: str, env: Environment) -> str | None:
    """The path below the uploads directory, empty for itself; None for everything else."""
    data_dir = os.path.abspath(str(env.settings.get("data_dir", ".")))
    path = unquote(urlsplit(text).path) if text.startswith("file://") else text
    full = os.path.normpath(os.path.join(data_dir, path))
    root = os.path.join(data_dir, _DIRECTORY)
    if full == root:
        return ""
    return full[len(root) + 1 :] if full.startswith(root + os.sep) else None


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
