"""Files that stored objects leave in the data directory, for others to read: written aside, renamed, never outside of their root."""

from __future__ import annotations

import os
import posixpath
import shutil
import tempfile
from pathlib import Path

from plutino.errors import PlutinoError, TransportError

ASIDE = ".plutino-"
"""What the name of a file begins with that is still being written."""

_COMPONENT_LIMIT = 255
_NAME_LIMIT = 1024


def check_name(name: str) -> None:
    """PlutinoError unless a relative path with ``/`` stays below the directory in which it begins, and can be a file."""
    folder = posixpath.dirname(name) or name
    parts = name.split("/")
    depth = 0
    for part in parts:
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            raise PlutinoError(f"mkdirat {folder}: path escapes from parent")
    if name.startswith("/"):
        raise PlutinoError(f"mkdirat {folder}: path escapes from parent")
    if posixpath.normpath(name) != name or name == ".":
        raise PlutinoError(f"name {name!r}: not in its shortest form; write {posixpath.normpath(name)!r}")
    if "\x00" in name or any(part.startswith(ASIDE) for part in parts):
        raise PlutinoError(f"name {name!r}: invalid argument")
    if len(name.encode()) > _NAME_LIMIT or any(len(part.encode()) > _COMPONENT_LIMIT for part in parts):
        raise PlutinoError(f"name {name[:40]!r}…: file name too long")


def check_place(root: str, name: str) -> None:
    """PlutinoError when the file cannot be written: a directory is there, a parent is a file, or a link leads out of ``root``. Blocks."""
    target = _inside(root, name)
    try:
        if target.is_dir() and not target.is_symlink():
            raise PlutinoError(f"open {name}: is a directory")
        for parent in target.parents:
            if parent == Path(root):
                return
            if parent.exists() and not parent.is_dir():
                raise PlutinoError(f"mkdirat {parent.relative_to(root)}: not a directory")
    except OSError as error:
        raise PlutinoError(f"open {name}: {(error.strerror or str(error)).lower()}") from None


def place(source: str, root: str, name: str) -> None:
    """Make ``root/name`` a copy of ``source``, with its directories; readers see the old file or the whole new one. Blocks.

    The copy has the time of its source, so that ``is_placed`` can tell.
    """
    target = _inside(root, name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(prefix=ASIDE, dir=target.parent)
        os.close(descriptor)
        try:
            shutil.copyfile(source, aside)
            os.chmod(aside, 0o644)
            found = os.stat(source)
            os.utime(aside, ns=(found.st_mtime_ns, found.st_mtime_ns))
            os.replace(aside, target)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise TransportError(f"write {target}: {(error.strerror or str(error)).lower()}") from error


def is_placed(source: str, root: str, name: str) -> bool:
    """Whether ``root/name`` was made of ``source``, or is newer: somebody has written to it since. Blocks."""
    try:
        return os.stat(_inside(root, name)).st_mtime_ns >= os.stat(source).st_mtime_ns
    except OSError:
        return False


def displace(root: str, name: str) -> bool:
    """Remove ``root/name`` and the directories that are empty then; False when it was not there. Blocks."""
    target = _inside(root, name)
    try:
        target.unlink()
        for parent in target.parents:
            if parent == Path(root) or any(parent.iterdir()):
                break
            parent.rmdir()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise TransportError(f"remove {target}: {(error.strerror or str(error)).lower()}") from error
    return True


def _inside(root: str, name: str) -> Path:
    """The path, whose directory must really be below ``root``, whatever links there are."""
    target = Path(root, name)
    if not Path(os.path.realpath(target.parent)).is_relative_to(os.path.realpath(root)):
        raise PlutinoError(f"openat {name}: path escapes from parent")
    return target
