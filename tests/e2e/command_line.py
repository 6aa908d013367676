"""The command line as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from e2e.harness import SOURCES, Server

PROGRAM = (sys.executable, "-c", "import sys; from plutino.cli import main; sys.exit(main())")
TIMEOUT_S = 60


def environment(server: Server | None) -> dict[str, str]:
    """Variables for a command that speaks to ``server``."""
    found = {**os.environ, "PYTHONPATH": str(SOURCES), "TZ": "UTC", "PYTHONUNBUFFERED": "1"}
    return found | ({"PLUTINO_SERVER": server.url} if server is not None else {})


def plutino(
    *arguments: str, server: Server | None = None, stdin: str = "", folder: Path | None = None, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; AssertionError unless it ends with ``code``."""
    result = subprocess.run(
        [*PROGRAM, *arguments],
        input=stdin,
        env=environment(server),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert result.returncode == code, f"{arguments} ends with {result.returncode}:\n{result.stdout}\n{result.stderr}"
    return result


def start(*arguments: str, server: Server | None = None, folder: Path | None = None) -> subprocess.Popen[str]:
    """Start a command; what it prints can be read line by line."""
    return subprocess.Popen(
        [*PROGRAM, *arguments],
        env=environment(server),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
