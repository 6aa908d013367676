"""One file that grows: framing by type, compression, and what is there already."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from typing import Any

from plutino.connectors.file.options import zstd

_ARRAY_TAIL = 64


class Writer:
    """Appends messages to a file; every write reaches the operating system, and one that fails leaves the file as it was.

    ``lines`` and ``csv`` end each message with a line end; ``json`` keeps one array, closed when the file is. A file that is there
    already is continued; where that cannot be (a compressed array, other content) it is moved aside first.
    """

    def __init__(self, path: str, kind: str, compression: str, header: Callable[[], bytes], now_ms: int) -> None:
        self.path = path
        self.count = 0
        self.opened_ms = now_ms
        self._kind = kind
        self._header = header
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if kind == "json" and not _continues_array(path, compression):
            move_aside(path, now_ms)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.size = os.fstat(self._fd).st_size
        self._fresh = self.size == 0
        self._compressor, self._sync, self._end = _compressor(compression)
        if kind == "json" and not self._fresh:
            self._reopen_array()

    def write(self, items: list[bytes]) -> None:
        """Append messages; OSError when the file cannot take them all, and then it has none of them."""
        match self._kind:
            case "json":
                data = (b"[" if self._fresh else b",") + b",".join(items)
            case "csv" if self._fresh:
                header = self._header()
                data = b"\n".join([header, *items, b""] if header else [*items, b""])
            case _:
                data = b"\n".join([*items, b""])
        if self._compressor is not None:
            data = self._compressor.compress(data) + self._compressor.flush(self._sync)
        self._append(data)
        self._fresh = False
        self.count += len(items)

    def close(self) -> None:
        """End the array or the compressed stream, and make the file durable."""
        if self._fd < 0:
            return
        data = b"]" if self._kind == "json" and not self._fresh else b""
        if self._compressor is not None and not self._fresh:
            data = self._compressor.compress(data) + self._compressor.flush(self._end)
        try:
            if data:
                self._append(data)
            os.fsync(self._fd)
        finally:
            os.close(self._fd)
            self._fd = -1

    def abandon(self) -> None:
        """Close without an end, and move aside: the next message begins a new file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            move_aside(self.path, self.opened_ms)

    def _append(self, data: bytes) -> None:
        view, before = memoryview(data), self.size
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            os.ftruncate(self._fd, before)
            raise
        self.size += len(data)

    def _reopen_array(self) -> None:
        """Take the closing bracket away, so that the array goes on."""
        with open(self.path, "r+b") as file:
            file.seek(max(0, self.size - _ARRAY_TAIL))
            start, tail = file.tell(), file.read()
            kept = tail.rstrip()
            if kept.endswith(b"]") and start + len(kept) > 1:
                file.truncate(start + len(kept) - 1)
                self.size = start + len(kept) - 1
                self._fresh = False
            if self.size == 1:  # an empty array
                file.truncate(0)
                self.size, self._fresh = 0, True


def move_aside(path: str, now_ms: int) -> str:
    """Give a finished file a name with the time in it; returns that name, ``""`` when there was no file."""
    if not os.path.exists(path):
        return ""
    root, extension = os.path.splitext(path)
    target, n = f"{root}-{now_ms}{extension}", 1
    while os.path.exists(target):
        target, n = f"{root}-{now_ms}-{n}{extension}", n + 1
    os.rename(path, target)
    return target


def _continues_array(path: str, compression: str) -> bool:
    """Whether an array can be continued in this file."""
    try:
        with open(path, "rb") as file:
            first = file.read(1)
    except FileNotFoundError:
        return True
    return first == b"" or (first == b"[" and not compression)


def _compressor(name: str) -> tuple[Any, int, int]:
    """A compressor with its flush modes for the end of a write and of the file."""
    match name:
        case "gzip":
            return zlib.compressobj(wbits=zlib.MAX_WBITS | 16), zlib.Z_SYNC_FLUSH, zlib.Z_FINISH
        case "zstd":
            found = zstd().ZstdCompressor()
            return found, found.FLUSH_BLOCK, found.FLUSH_FRAME
        case _:
            return None, 0, 0
