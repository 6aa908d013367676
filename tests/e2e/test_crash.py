"""``kill -9`` at any moment leaves the catalog before or after a change, never between.

A child process makes changes to a catalog through the controller; each gives every object the same new generation, deletes some and
creates others. It is killed without warning, at statements of SQLite or at times that are not chosen, and the directory is opened again.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plutino.catalog import Catalog
from plutino.spi import SystemClock

HERE = Path(__file__)
OBJECTS = 40
GENERATIONS = 400
FIRST_STATEMENT = 60
"""Opening, the first layout and the first generation take fewer statements than this."""


def texts(generation: int) -> dict[str, str]:
    """What is kept at a generation: streams come and go, and every text names the generation."""
    shift = generation % 5
    streams = {f"stream:s{i}": json.dumps({"generation": generation}) for i in range(shift, shift + OBJECTS // 2)}
    rules = {f"rule:r{i}": json.dumps({"generation": generation, "uses": [f"stream:s{shift + i}"]}) for i in range(OBJECTS // 2)}
    return {**streams, **rules}


async def change(directory: str, die_at: int) -> None:
    """The child: change after change, the number of each is printed once it is acknowledged."""
    import sqlite3

    from plutino.model import Ref
    from plutino.spi import Mode
    from unit.control.fakes import ORIGIN, bench

    if die_at:
        connect, seen = sqlite3.connect, 0

        def counted(_: str) -> None:
            nonlocal seen
            seen += 1
            if seen == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

        def traced(*args: object, **given: object) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*args, **given)  # type: ignore[call-overload]
            connection.set_trace_callback(counted)
            return connection

        sqlite3.connect = traced  # type: ignore[assignment]
    at = await bench(Path(directory))
    for _ in range(GENERATIONS):
        generation = at.control.revision + 1
        wanted = texts(generation)
        changes: dict[Ref, str | None] = dict.fromkeys(at.catalog.definitions)
        changes.update({Ref(*name.split(":")): text for name, text in wanted.items()})
        await at.control.apply(changes, mode=Mode.FULL, origin=ORIGIN)
        print(generation, flush=True)
    await at.close()


def child(directory: Path, die_at: int = 0) -> subprocess.Popen[str]:
    source, tests = HERE.parents[2] / "src", HERE.parents[1]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(source), str(tests)))}
    return subprocess.Popen([sys.executable, str(HERE), str(directory), str(die_at)], stdout=subprocess.PIPE, text=True, env=env)


async def found(directory: Path) -> tuple[int, dict[str, str], int]:
    """Revision, texts and newest entry of the history."""
    catalog = await Catalog.open(directory, clock=SystemClock())
    try:
        history = await catalog.revisions(limit=1)
        kept = {f"{ref.kind}:{ref.name}": text for ref, text in catalog.definitions.items()}
        return catalog.revision, kept, history[0].number if history else 0
    finally:
        await catalog.close()


def assert_whole(directory: Path, acknowledged: int) -> int:
    """The directory holds exactly one generation: the last acknowledged one, or the one that was being made."""
    revision, kept, newest = asyncio.run(found(directory))
    assert revision in (acknowledged, acknowledged + 1)
    assert newest == revision
    assert kept == (texts(revision) if revision else {})
    return revision


@pytest.mark.parametrize("part", range(4))
def test_killed_at_statements(tmp_path: Path, part: int) -> None:
    """Killed at statements one after the other: while opening, at BEGIN, between rows, before and after COMMIT."""
    for step in range(8):
        directory = tmp_path / str(step)
        die_at = 1 + part + 4 * step if step < 4 else FIRST_STATEMENT + 7 * part + 29 * (step - 4)
        with child(directory, die_at) as process:
            output, _ = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        lines = output.split()
        assert_whole(directory, int(lines[-1]) if lines else 0)


def test_killed_at_any_time(tmp_path: Path) -> None:
    """Killed from outside again and again on one directory, after a growing number of changes; nothing acknowledged is ever lost."""
    revision = 0
    for round_ in range(10):
        with child(tmp_path) as process:
            assert process.stdout is not None
            acknowledged = revision
            for _ in range(1 + 2 * round_):
                acknowledged = int(process.stdout.readline())
            process.kill()
            rest = process.stdout.read().split()
            process.wait(timeout=60)
        assert process.returncode == -signal.SIGKILL
        revision = assert_whole(tmp_path, int(rest[-1]) if rest else acknowledged)
        assert revision >= acknowledged


if __name__ == "__main__":
    asyncio.run(change(sys.argv[1], int(sys.argv[2])))
