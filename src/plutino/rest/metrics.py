"""Metrics: ``/metrics`` for Prometheus, and a record of the last hours in files that ``/metrics/dump`` hands out."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from plutino.errors import PlutinoError
from plutino.rest.exposition import Families, exposition, families
from plutino.spi import Action, Answer, Call, Clock, Host
from plutino.spi.clock import ticks
from plutino.spi.wire import text_answer

INTERVAL_MS = 15_000
"""Time between two samples of the record."""

RETAINED = timedelta(hours=6)

_HOUR = timedelta(hours=1)
_NAME, _NAMED = "metrics.%Y%m%d-%H.log", re.compile(r"metrics\.\d{8}-\d{2}\.log")
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_WHOLE = re.compile(r"[+-]?\d+")


class MetricsRecord:
    """Samples all metrics into one file per hour of UTC below ``directory``, while it is on; old files are deleted.

    Lines are those of Prometheus with the time in unix seconds behind. Trouble with a file is logged, and the sample is lost.
    """

    def __init__(self, host: Host, directory: Path, *, clock: Clock, log: Any) -> None:
        self._host = host
        self._directory = directory
        self._clock = clock
        self._log = log
        self._task: asyncio.Task[None] | None = None

    @property
    def enabled(self) -> bool:
        """Whether samples are taken."""
        return self._task is not None

    def enable(self) -> None:
        """Take the first sample soon, then one every INTERVAL_MS."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def disable(self) -> None:
        """Take no more samples; files stay."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def now_s(self) -> int:
        """Unix seconds."""
        return self._clock.now_ms() // 1000

    async def packed(self, start: int, end: int) -> bytes | None:
        """A zip archive with the samples from ``start`` to ``end`` (unix seconds), None when there are none."""
        return await asyncio.to_thread(self._packed, start, end)

    async def sample(self) -> None:
        """Record what all rules count now."""
        now = self._clock.now_ms() / 1000
        found = await families(self._host)
        try:
            await asyncio.to_thread(self._append, now, found)
        except OSError as error:
            self._log.warning("metrics were not recorded", error=error.strerror or str(error))

    async def _run(self) -> None:
        async for _ in ticks(self._clock, INTERVAL_MS):
            await self.sample()

    def _append(self, taken: float, found: Families) -> None:
        now = datetime.fromtimestamp(taken, UTC)
        self._directory.mkdir(parents=True, exist_ok=True)
        with open(self._directory / now.strftime(_NAME), "a", encoding="utf-8") as file:
            file.writelines(f"{line} {taken:.3f}\n" for lines in found.values() for line in lines)
        for path, begin in self._files():
            if begin + _HOUR < now - RETAINED:
                path.unlink(missing_ok=True)

    def _files(self) -> list[tuple[Path, datetime]]:
        """Files with the hours they begin at, in order."""
        if not self._directory.is_dir():
            return []
        names = sorted(path for path in self._directory.iterdir() if _NAMED.fullmatch(path.name))
        return [(path, begin) for path in names if (begin := _hour(path.name)) is not None]

    def _packed(self, start: int, end: int) -> bytes | None:
        packed = io.BytesIO()
        found = False
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("metrics.log", "w", force_zip64=True) as entry:
            for line in self._lines(start, end):
                entry.write(line)
                found = True
            entry.write(b"# EOF\n")
        return packed.getvalue() if found else None

    def _lines(self, start: int, end: int) -> Iterator[bytes]:
        for path, begin in self._files():
            if begin.timestamp() > end or (begin + _HOUR).timestamp() <= start:
                continue
            with open(path, "rb") as file:
                for line in file:
                    taken = _time(line)
                    if taken is not None and start <= taken <= end + 1:
                        yield line


class Metrics:
    """The endpoints."""

    def __init__(self, record: MetricsRecord) -> None:
        self._record = record

    @property
    def actions(self) -> Sequence[Action]:
        tags = ("metrics",)
        span = {"startTime": "unix seconds, an hour ago unless told", "endTime": "unix seconds, now unless told"}
        return (
            Action("GET", "/metrics", self._show, "Numbers of all rules, for Prometheus", tags=tags),
            Action("GET", "/metrics/dump", self._dump, "Recorded metrics as an archive", tags=tags, query=span),
            Action("GET", "/metrics/dump/check", self._check, "Whether metrics are recorded: enabled or disabled", tags=tags),
        )

    async def _show(self, call: Call) -> Answer:
        found = await families(call.control.host)
        return Answer(await asyncio.to_thread(exposition, found), media=_PROMETHEUS)

    async def _dump(self, call: Call) -> Answer:
        if not self._record.enabled:
            raise PlutinoError("metrics dump not enabled")
        now = self._record.now_s()
        start, end = _seconds(call, "startTime", now - 3600), _seconds(call, "endTime", now)
        packed = await self._record.packed(start, end)
        if packed is None:
            raise PlutinoError("not metrics are selected")
        return Answer(packed, media="application/octet-stream", headers={"content-disposition": 'attachment; filename="metrics.zip"'})

    async def _check(self, call: Call) -> Answer:
        return text_answer("enabled" if self._record.enabled else "disabled")


def _seconds(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, "")
    if not text:
        return default
    if _WHOLE.fullmatch(text) is None or len(text) > 19:
        raise PlutinoError(f"{name}: {text}; unix seconds are expected")
    return int(text)


def _hour(name: str) -> datetime | None:
    try:
        return datetime.strptime(name, _NAME).replace(tzinfo=UTC)
    except ValueError:
        return None


def _time(line: bytes) -> float | None:
    """When a line was taken; None for one that was cut off."""
    try:
        return float(line[line.rindex(b" ") + 1 :]) if line.endswith(b"\n") else None
    except ValueError:
        return None
