"""Figures of speed and memory, each next to a limit that is measured in the same run.

Usage: ``python bench/run.py [GROUP...] [--quick] [--json FILE]``.

The limit is what any program in this language would have to spend: reading the columns with msgspec, or the same work in a loop written by
hand. ``times`` is what the product costs against it. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec
from crowds import compilation, engine, imports
from figures import Figure, table
from lanes import projections, windows
from nexmark import nexmark

GROUPS: Mapping[str, Callable[[bool], Awaitable[list[Figure]]]] = {
    "rows": projections,
    "windows": windows,
    "engine": engine,
    "compile": compilation,
    "import": imports,
    "nexmark": nexmark,
}


def main() -> None:
    """Measure, print, and write where wanted."""
    parser = argparse.ArgumentParser(description="Figures, each next to a limit measured in the same run.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; all of them when none is named")
    parser.add_argument("--quick", action="store_true", help="a few messages: shows that everything works, and nothing of its speed")
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON too")
    given = parser.parse_args()
    unknown = [name for name in given.groups if name not in GROUPS]
    if unknown:
        parser.error(f"no group {unknown[0]!r}; {', '.join(GROUPS)} are expected")
    machine = {"python": platform.python_version(), "msgspec": msgspec.__version__, "machine": platform.machine(), "cpus": os.cpu_count()}
    print(", ".join(f"{name} {value}" for name, value in machine.items()), end="\n\n")
    figures: list[Figure] = []
    for name in given.groups or GROUPS:
        found = asyncio.run(GROUPS[name](given.quick))
        print(*table(found), sep="\n", end="\n\n", flush=True)
        figures += found
    if given.json:
        text = json.dumps({"machine": machine, "quick": given.quick, "figures": [figure.plain() for figure in figures]}, indent=2)
        Path(given.json).write_text(text + "\n")


if __name__ == "__main__":
    main()
