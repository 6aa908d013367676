"""The command line: ``plutino COMMAND``. Each module of this folder lists its commands in ``commands``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

_MODULES = ("serve", "transfer", "definitions", "rules", "oneoff")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the result is the exit code."""
    from plutino import __version__
    from plutino.cli.shell import group_of, run

    given = list(sys.argv[1:] if arguments is None else arguments)
    # A server keeps what it imports in memory for as long as it runs.
    modules = ("serve",) if given[:1] == ["serve"] else _MODULES
    commands = [command for module in modules for command in importlib.import_module(f"plutino.cli.{module}").commands]
    return run(group_of(commands, __version__), given)
