"""The command line: ``plutino COMMAND``. Modules of this folder list their commands in ``commands``."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the result is the exit code."""
    from plutino import __version__
    from plutino.cli.shell import group_of, run

    given = list(sys.argv[1:] if arguments is None else arguments)
    # A server keeps what it imports in memory for as long as it runs, so it gets its own module only.
    modules = ["serve"] if given[:1] == ["serve"] else [info.name for info in pkgutil.iter_modules(__path__)]
    return run(group_of(_commands(modules), __version__), given)


def _commands(modules: Iterable[str]) -> Iterable[click.Command]:
    for module in modules:
        yield from getattr(importlib.import_module(f"{__name__}.{module}"), "commands", ())
