"""The process of a plugin: how it is started, where its output goes, how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from plutino.errors import PlutinoError
from plutino.runtime.facilities import Log
from plutino.runtime.plugins.packages import environment
from plutino.spi.plugin import PluginPackage

GRACE_SECONDS = 1.0
"""How long a process may take to end when it is asked to."""

ARGUMENT = '{"sendTimeout":1000}'
LINE = 2000
"""Characters of one line of output in the log."""


def command_of(package: PluginPackage, program: Path, python: str) -> Sequence[str]:
    """How the program is called (rest reference §5.2)."""
    if package.language == "go":
        return (str(program), ARGUMENT)
    if package.environment:
        return ("conda", "run", "-n", package.environment, python or "python", str(program), ARGUMENT)
    return (python or shutil.which("python") or shutil.which("python3") or sys.executable, "-u", str(program), ARGUMENT)


class PluginProcess:
    """A running program with everything that it starts."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Log) -> None:
        self._name = name
        self._process = process
        self._log = log
        self._output = asyncio.get_running_loop().create_task(self._listen())
        self._ended = asyncio.get_running_loop().create_task(process.wait())

    @classmethod
    async def start(cls, name: str, command: Sequence[str], folder: Path, environ: Mapping[str, str], log: Log) -> PluginProcess:
        """Start it in a session of its own; PlutinoError when that is not possible."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=folder,
                env=environment(environ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise PlutinoError(f"plugin {name}: {command[0]}: {(error.strerror or str(error)).lower()}") from error
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """Its process id, and that of its session."""
        return self._process.pid

    def is_own(self, pid: int) -> bool:
        """Whether a process belongs to it; 0 is one that the system does not tell."""
        try:
            return pid in (0, self.pid) or os.getsid(pid) == self.pid
        except OSError:
            return False

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.shield(self._ended)

    async def end(self) -> None:
        """Ask it to end, then make it; with it goes everything that it started."""
        self._signal(signal.SIGTERM)
        await asyncio.wait((self._ended,), timeout=GRACE_SECONDS)
        self._signal(signal.SIGKILL)
        await asyncio.wait((self._ended,), timeout=GRACE_SECONDS)
        self._output.cancel()
        await asyncio.gather(self._output, return_exceptions=True)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def _listen(self) -> None:
        """Its output goes to the log, line by line."""
        stream = self._process.stdout
        assert stream is not None
        rest = b""
        while piece := await stream.read(4096):
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._say(line)
        if rest:
            self._say(rest)

    def _say(self, line: bytes) -> None:
        self._log.info("plugin says", plugin=self._name, line=line.decode("utf-8", "replace").rstrip()[:LINE])
