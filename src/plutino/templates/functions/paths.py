"""Slash-separated paths; the ``os…`` forms are the same here, as the original runs on Unix."""

from __future__ import annotations

import posixpath

from plutino.templates.functions.registry import define


@define("base osBase", "string -> string")
def base(path: str) -> str:
    if not path:
        return "."
    stripped = path.rstrip("/")
    return posixpath.basename(stripped) if stripped else "/"


@define("dir osDir", "string -> string")
def directory(path: str) -> str:
    return clean(path[: path.rfind("/") + 1])


@define("clean osClean", "string -> string")
def clean(path: str) -> str:
    if not path:
        return "."
    # Two slashes at the start mean something to POSIX, but not to Go.
    return posixpath.normpath("/" + path.lstrip("/") if path.startswith("/") else path)


@define("ext osExt", "string -> string")
def ext(path: str) -> str:
    name = path[path.rfind("/") + 1 :]
    dot = name.rfind(".")
    return name[dot:] if dot >= 0 else ""


@define("isAbs osIsAbs", "string -> bool")
def is_abs(path: str) -> bool:
    return path.startswith("/")
