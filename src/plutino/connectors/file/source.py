"""File source: one file once or again and again, or a folder whose new files are read as they come."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from plutino.connectors.file.options import KEEP, MOVE, FileSourceOptions, check_source
from plutino.connectors.file.reading import csv_rows, elements, fingerprint, line_blocks, whole
from plutino.errors import FormatError, ProvisionError
from plutino.spi import Delivery, Inlet, SourceContext
from plutino.spi.clock import ticks

WATCH_MS = 1000
"""How often a folder is looked at; a file counts as complete when it did not change between two looks."""


KNOWN_FILES = 1000
"""Files of a folder whose ends are remembered, so that what is appended is read alone."""


class Stamp(Struct, frozen=True, order=True):
    """Orders the files of a folder: by time of change, then by name."""

    mtime_ns: int
    name: str


class FileSource:
    """Delivers lines as blocks, csv as rows of text, everything else as one payload per file. Meta: ``file``, the full path.

    The position is ``{"file", "offset", "rows", "skip", "after"}``: where in which file to go on (``skip``: that many pieces behind it),
    and the newest file of a folder that was read to its end (``[time, name]``). Deleting or moving a file waits until the rules are done
    with it.
    """

    def __init__(self, options: FileSourceOptions, datasource: str, context: SourceContext) -> None:
        check_source(options)
        # Numbers below 0 leave out nothing, as in the original.
        options = replace(options, ignore_start_lines=max(0, options.ignore_start_lines), ignore_end_lines=max(0, options.ignore_end_lines))
        self._options = options
        self._kind = options.file_type.lower()
        self._clock = context.clock
        self._log = context.log
        self._path = _locate(options.path, datasource, context)
        self._move_to = context.allow_file(options.move_to) if options.action_after_read == MOVE else ""
        self._finishing: set[str] = set()
        self._file = ""
        self._offset = 0
        self._rows = 0
        self._skip = 0
        self._after: Stamp | None = None
        self._complete = True
        """Whether the file that is read will not grow any more."""
        self._ends: dict[str, tuple[int, int]] = {}

    async def run(self, inlet: Inlet, resume: Any) -> None:
        """Read until the end of a single file, or until cancelled."""
        self._resume(resume)
        inlet.connected()
        if os.path.isdir(self._path):
            await self._run_folder(inlet)
        elif self._options.interval > 0:
            async for _ in ticks(self._clock, self._options.interval):
                if self._path not in self._finishing:
                    await self._try_file(inlet)
        else:
            try:
                await self._read(inlet, self._path)
            except OSError as error:
                raise ProvisionError(f"file {self._path}: {_reason(error)}") from error
            except FormatError as error:
                inlet.failed(error.message)

    async def _run_folder(self, inlet: Inlet) -> None:
        watching = self._options.interval <= 0
        seen: dict[str, tuple[int, int]] = {}
        async for now in ticks(self._clock, self._options.interval or WATCH_MS):
            for stamp, size in self._new_files():
                path = os.path.join(self._path, stamp.name)
                state = (stamp.mtime_ns, size)
                settled = not watching or seen.get(path) == state or now - stamp.mtime_ns // 1_000_000 > WATCH_MS
                seen[path] = state
                if not settled and (self._kind != "lines" or self._options.ignore_end_lines):
                    break  # later files wait, so that the order of change is kept
                await self._read_again(inlet, path, settled)
                if not settled:
                    break
                del seen[path]
                self._after = stamp

    async def _read_again(self, inlet: Inlet, path: str, complete: bool) -> None:
        """Read a file of the folder; lines go on where they ended, if what was read is still there."""
        if path != self._file:
            self._begin(path)
        end = self._ends.pop(path, None)
        self._complete = complete
        try:
            if end is not None and fingerprint(path, end[0]) == end[1]:
                self._offset = end[0]
            elif end is not None:
                self._offset = 0
            await self._read(inlet, path)
            if self._kind == "lines":
                if len(self._ends) >= KNOWN_FILES:
                    self._ends.pop(next(iter(self._ends)))
                self._ends[path] = (self._offset, fingerprint(path, self._offset))
        except FormatError as error:
            inlet.failed(error.message)
        except OSError as error:
            inlet.failed(f"file {path}: {_reason(error)}")
        self._complete = True
        if self._kind != "lines":
            self._begin("")

    def _new_files(self) -> list[tuple[Stamp, int]]:
        """Files of the folder that are newer than the last one read, oldest first."""
        found: list[tuple[Stamp, int]] = []
        with os.scandir(self._path) as entries:
            for entry in entries:
                try:
                    if not entry.is_file() or entry.path in self._finishing:
                        continue
                    state = entry.stat()
                except FileNotFoundError:
                    continue
                stamp = Stamp(state.st_mtime_ns, entry.name)
                if self._after is None or stamp > self._after:
                    found.append((stamp, state.st_size))
        return sorted(found)

    async def _try_file(self, inlet: Inlet) -> None:
        """Read the file; when it cannot be read that is reported."""
        try:
            await self._read(inlet, self._path)
        except FormatError as error:
            inlet.failed(error.message)
        except OSError as error:
            inlet.failed(f"file {self._path}: {_reason(error)}")
        self._begin("")

    async def _read(self, inlet: Inlet, path: str) -> None:
        if path != self._file or self._offset > os.path.getsize(path):
            self._begin(path)
        meta = {"file": path}
        match self._kind:
            case "lines":
                last = await self._read_lines(inlet, path, meta)
            case "csv":
                last = await self._read_csv(inlet, path, meta)
            case _:
                last = await self._read_whole(inlet, path, meta)
        if last is not None:
            await inlet.put(last)
        elif self._options.action_after_read != KEEP and self._complete:
            self._finish(path)

    async def _read_lines(self, inlet: Inlet, path: str, meta: Mapping[str, Any]) -> Delivery | None:
        """Put all blocks but the last, which the caller puts with the acknowledgement for the file."""
        options, last = self._options, None
        start, end = options.ignore_start_lines, options.ignore_end_lines
        for block, offset in line_blocks(path, self._offset, start, end, complete=self._complete):
            if last is not None:
                await self._put(inlet, last)
            pieces = [line + b"\n" for line in block.split(b"\n") if line] if options.send_interval or self._skip else [block]
            skipped, self._skip = self._skip, 0
            for done, piece in enumerate(pieces[skipped:-1], skipped + 1):
                await self._put(inlet, Delivery(lines=piece, meta=meta, position=self._position(done)))
            self._offset = offset
            last = Delivery(lines=pieces[-1], meta=meta, position=self._position()) if pieces else None
        return self._with_action(last, path)

    async def _read_csv(self, inlet: Inlet, path: str, meta: Mapping[str, Any]) -> Delivery | None:
        options, last = self._options, None
        chunks = csv_rows(
            path,
            options.delimiter,
            options.columns,
            options.has_header,
            options.ignore_start_lines,
            options.ignore_end_lines,
            self._rows,
        )
        for rows, count in chunks:
            if last is not None:
                await self._put(inlet, last)
            if options.send_interval:
                for left, row in zip(range(len(rows) - 1, 0, -1), rows, strict=False):
                    self._rows = count - left
                    await self._put(inlet, Delivery(rows=[row], meta=meta, position=self._position()))
                rows = rows[-1:]
            self._rows = count
            last = Delivery(rows=list(rows), meta=meta, position=self._position())
        return self._with_action(last, path)

    async def _read_whole(self, inlet: Inlet, path: str, meta: Mapping[str, Any]) -> Delivery | None:
        if self._offset:
            return None
        payload = await asyncio.to_thread(whole, path, self._options.decompression)
        payloads = elements(payload) if self._options.send_interval and self._kind == "json" else [payload]
        skipped, self._skip = self._skip, 0
        for done, piece in enumerate(payloads[skipped:-1], skipped + 1):
            await self._put(inlet, Delivery(payloads=[piece], meta=meta, position=self._position(done)))
        self._offset = os.path.getsize(path)
        if not payloads:
            return None
        return self._with_action(Delivery(payloads=payloads[-1:], meta=meta, position=self._position()), path)

    async def _put(self, inlet: Inlet, delivery: Delivery) -> None:
        await inlet.put(delivery)
        if self._options.send_interval:
            await self._clock.sleep(self._options.send_interval / 1000)

    def _with_action(self, last: Delivery | None, path: str) -> Delivery | None:
        if last is not None and self._options.action_after_read != KEEP and self._complete:
            self._finishing.add(path)
            last.ack = lambda: self._finish(path)
        return last

    def _finish(self, path: str) -> None:
        """Delete or move a file that the rules are done with."""
        self._finishing.discard(path)
        self._ends.pop(path, None)
        try:
            if self._options.action_after_read != MOVE:
                os.unlink(path)
                return
            os.makedirs(self._move_to, exist_ok=True)
            target = os.path.join(self._move_to, os.path.basename(path))
            try:
                os.replace(path, target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                # another file system: copying takes its time, so a thread does it
                asyncio.get_running_loop().run_in_executor(None, shutil.move, path, target)
        except OSError as error:
            self._log.warning(f"file {path} was read, but cannot be removed: {_reason(error)}")

    def _begin(self, path: str) -> None:
        """Read a file from its first row on."""
        self._file, self._offset, self._rows, self._skip = path, 0, 0, 0

    def _position(self, skip: int = 0) -> dict[str, Any]:
        after = [self._after.mtime_ns, self._after.name] if self._after is not None else None
        return {"file": self._file, "offset": self._offset, "rows": self._rows, "skip": skip, "after": after}

    def _resume(self, position: Any) -> None:
        if not isinstance(position, Mapping):
            return
        self._file = str(position.get("file") or "")
        self._offset = int(position.get("offset") or 0)
        self._rows = int(position.get("rows") or 0)
        self._skip = int(position.get("skip") or 0)
        after = position.get("after")
        self._after = Stamp(int(after[0]), str(after[1])) if after else None


def _locate(folder: str, name: str, context: SourceContext) -> str:
    """The absolute path; ProvisionError when nothing is there.

    The original's relative paths start at its base folder, where ``data`` is what the data folder is here.
    """
    path = context.allow_file(os.path.join(folder, name) if name else folder)
    parts = folder.split("/")
    if not os.path.exists(path) and not os.path.isabs(folder) and parts[0] == "data":
        inner = context.allow_file(os.path.join(*parts[1:], name) if len(parts) > 1 or name else ".")
        if os.path.exists(inner):
            return os.path.abspath(inner)
    if not os.path.exists(path):
        raise ProvisionError(f"file {os.path.abspath(path)} not exist")
    return os.path.abspath(path)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
