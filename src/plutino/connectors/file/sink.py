"""File sink: appends to files and finishes them by size, count or age."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

from plutino.connectors.file.options import FileSinkOptions, check_sink
from plutino.connectors.file.writing import Writer, move_aside
from plutino.errors import AccessError, DeliveryError, PlutinoError, TransportError
from plutino.spi import SinkContext

OPEN_FILES = 100
"""Files kept open at once when the path depends on the data."""


class FileSink:
    """Writes each call in one piece per file. Nothing that was there before is lost: files are continued, finished ones keep a name of
    their own (with the time, also where the pattern asks for none)."""

    def __init__(self, options: FileSinkOptions, context: SinkContext) -> None:
        check_sink(options)
        self._options = options
        self._clock = context.clock
        self._allow_file = context.allow_file
        self._log = context.log
        self._context_header = context.header
        self._path = context.allow_file(options.path) if "{{" not in options.path else ""
        self._writers: dict[str, Writer] = {}
        self._ageing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Files are opened by the first message; with rollingInterval a task looks after their age."""
        if self._options.rolling_interval and self._ageing is None:
            self._ageing = asyncio.get_running_loop().create_task(self._finish_old())

    def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> None:
        """Append; TransportError when the disk does not take it."""
        if properties is None:
            self._append(self._path, items, 0)
            return
        fault: PlutinoError | None = None
        start = 0
        while start < len(items):
            path = properties[start].get("path", self._options.path)
            end = start + 1
            while end < len(items) and properties[end].get("path", self._options.path) == path:
                end += 1
            try:
                full = self._allow_file(str(path))
            except AccessError as error:
                fault = fault or DeliveryError(error.message)
            else:
                self._append(full, items[start:end], start)
            start = end
        if fault is not None:
            raise fault

    async def close(self) -> None:
        """Finish all files."""
        task, self._ageing = self._ageing, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        writers, self._writers = list(self._writers.values()), {}
        for writer in writers:
            try:
                await asyncio.to_thread(writer.close)
            except OSError as error:
                self._log.warning(f"file {writer.path} cannot be finished: {error.strerror}")

    def _append(self, path: str, items: Sequence[bytes], delivered: int) -> None:
        done = 0
        try:
            while done < len(items):
                writer = self._writer(path)
                part = self._fitting(writer, items, done)
                writer.write(part)
                done += len(part)
                if self._full(writer):
                    self._finish(path)
        except OSError as error:
            if self._options.compression and path in self._writers:
                self._writers.pop(path).abandon()  # its stream has gone on, so that the file cannot
            raise TransportError(f"file sink fails to write {path}: {error.strerror or error}", delivered=delivered + done) from error

    def _writer(self, path: str) -> Writer:
        writer = self._writers.get(path)
        now = self._clock.now_ms()
        if writer is not None and self._options.rolling_interval and now - writer.opened_ms >= self._options.rolling_interval:
            self._finish(path)
            writer = None
        if writer is None:
            while len(self._writers) >= OPEN_FILES:
                self._writers.pop(next(iter(self._writers))).close()
            writer = Writer(self._file_name(path, now), self._options.file_type, self._options.compression, self._header, now)
            self._writers[path] = writer
            if writer.size and self._full(writer):
                self._finish(path)
                return self._writer(path)
        return writer

    def _fitting(self, writer: Writer, items: Sequence[bytes], start: int) -> list[bytes]:
        """The messages that still belong into this file; at least one."""
        end = len(items)
        if self._options.rolling_count:
            end = min(end, start + max(1, self._options.rolling_count - writer.count))
        if self._options.rolling_size:
            room, at = self._options.rolling_size - writer.size, start
            while at < end and room > 0:
                room -= len(items[at]) + 1
                at += 1
            end = max(start + 1, at)
        return list(items[start:end]) if start or end < len(items) or not isinstance(items, list) else items

    def _full(self, writer: Writer) -> bool:
        options = self._options
        return bool(
            (options.rolling_count and writer.count >= options.rolling_count)
            or (options.rolling_size and writer.size >= options.rolling_size)
        )

    def _finish(self, path: str) -> None:
        """Close a file; where the name has no time in it, it gets a name of its own, as the next file takes the old one."""
        writer = self._writers.pop(path)
        writer.close()
        if writer.path == path:
            move_aside(path, self._clock.now_ms())

    def _file_name(self, path: str, now: int) -> str:
        pattern = self._options.rolling_name_pattern
        if pattern not in ("prefix", "suffix"):
            return path
        folder, name = os.path.split(path)
        root, extension = os.path.splitext(name)
        while True:
            found = os.path.join(folder, f"{now}-{name}" if pattern == "prefix" else f"{root}-{now}{extension}")
            if not os.path.exists(found):
                return found
            now += 1

    def _header(self) -> bytes:
        """The first line of a csv file, ``b""`` for none."""
        if not self._options.has_header:
            return b""
        if self._options.fields:
            return self._options.delimiter.join(self._options.fields).encode()
        return self._context_header()

    async def _finish_old(self) -> None:
        """Finish files that nothing is written to any more when their time has come."""
        limit = self._options.rolling_interval
        pause = min(self._options.check_interval or limit, limit)
        while True:
            await self._clock.sleep(pause / 1000)
            now = self._clock.now_ms()
            for path in [p for p, w in self._writers.items() if now - w.opened_ms >= limit]:
                try:
                    self._finish(path)
                except OSError as error:
                    self._log.warning(f"file {path} cannot be finished: {error.strerror}")
