"""``kill -9`` at any point of an import leaves the state before or after it, never between, and its task tells which.

Most points are reached in copies of one process that has everything but the engine: each copy imports 500 objects in the background and
kills itself at a moment that is counted, not timed: at statements of SQLite, while objects are checked, and while they are applied. Some
more are reached in real servers that are killed from outside.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from e2e.harness import Server

HERE = Path(__file__)
STREAMS, RULES = 250, 250
POINTS = 200
CANCELLED_POINTS = 40
SERVER_POINTS = 20


def plant(generation: int, *, real: bool = False) -> dict[str, dict[str, str]]:
    """500 objects. Every other generation drops some and adds others, and every text names its generation."""
    shift = generation * 10
    names = range(shift, shift + STREAMS)
    if real:
        streams = {f"s{i}": f'CREATE STREAM s{i} (a BIGINT) WITH (TYPE="memory", DATASOURCE="g{generation}/{i}")' for i in names}
        sql = "SELECT a FROM s{} WHERE a > {}"
        rules = {f"r{i}": json.dumps({"id": f"r{i}", "sql": sql.format(i, generation), "actions": [{"nop": {}}]}) for i in names}
    else:
        streams = {f"s{i}": json.dumps({"generation": generation}) for i in names}
        rules = {f"r{i}": json.dumps({"generation": generation, "uses": [f"stream:s{i}"]}) for i in names}
    return {"streams": streams, "rules": rules}


class Deadline:
    """Counts the moments of an import; cancels it at one, and kills the process at another."""

    def __init__(self, die_at: int, cancel_at: int) -> None:
        self.count = 0
        self.die_at = die_at
        self.cancel_at = cancel_at
        self.cancel: Callable[[], None] = lambda: None
        self.armed = False

    def tick(self, *_: object) -> None:
        if not self.armed:
            return
        self.count += 1
        if self.count == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.count == self.cancel_at:
            self.cancel()


async def load(directory: Path, deadline: Deadline) -> None:
    """Import the next generation in the background, and print how many moments that took when it comes to its end."""
    import sqlite3

    from plutino.control import Progress, finish_message
    from unit.control.fakes import ORIGIN, bench

    connect = sqlite3.connect

    def traced(*args: Any, **given: Any) -> sqlite3.Connection:
        connection = connect(*args, **given)
        connection.set_trace_callback(deadline.tick)
        return connection

    sqlite3.connect = traced  # type: ignore[assignment]
    at = await bench(directory)
    for spec in at.specs.values():
        spec.seen = deadline.tick
    loop = asyncio.get_running_loop()

    async def work(progress: Progress) -> str:
        def cancel() -> None:
            if threading.current_thread() is threading.main_thread():
                progress.cancel("cancelled")
            else:  # the one of SQLite
                loop.call_soon_threadsafe(progress.cancel, "cancelled")

        deadline.cancel = cancel
        document = json.dumps(plant(1))
        result = await at.control.import_document(document, partial=False, origin=ORIGIN, progress=progress)
        return finish_message(result.config_response())

    deadline.armed = True
    id = await at.control.tasks.start(work)
    async for _ in at.control.tasks.events(id):
        pass
    deadline.armed = False
    assert found(at) in (plant(0), plant(1))
    print("ended", deadline.count, at.control.tasks.view(id)["status"], flush=True)
    await at.close()


def found(at: Any) -> dict[str, dict[str, str]]:
    """What is stored, as sections."""
    sections: dict[str, dict[str, str]] = {"streams": {}, "rules": {}}
    for ref, text in at.catalog.definitions.items():
        sections[f"{ref.kind}s"][ref.name] = text
    return sections


async def look(directory: Path) -> str:
    """Start again after the end of a process: the state must be one of the two, and the task must say which. Gives its status."""
    from unit.control.fakes import bench

    at = await bench(directory)
    try:
        state = found(at)
        tasks = list(at.catalog.tasks.values())
        status = tasks[0].status if tasks else "none"
        expected = {"none": 0, "error": 0, "cancel": 0, "finish": 1}[status]
        assert state == plant(expected), f"task {status}, but the state is not that of generation {expected}"
        assert at.host.rules == dict.fromkeys(state["rules"], "running")
        assert at.host.streams == set(state["streams"])
        assert (await at.control.verify()).valid
        assert status != "error" or "before anything was changed" in tasks[0].message
        return status
    finally:
        await at.close()


def forge(template: Path, requests: Iterator[str]) -> None:
    """The process that is copied: for each line ``directory die_at cancel_at`` a child imports, another one looks."""
    import plutino.control  # noqa: F401 - so that the copies have it already
    import unit.control.fakes  # noqa: F401

    for line in requests:
        name, die_at, cancel_at = line.split()
        directory = template.parent / name
        shutil.copytree(template, directory)
        _copy(lambda d=directory, a=int(die_at), c=int(cancel_at): asyncio.run(load(d, Deadline(a, c))))  # type: ignore[misc]
        _copy(lambda d=directory: print("found", asyncio.run(look(d)), flush=True))  # type: ignore[misc]
        shutil.rmtree(directory)


def _copy(work: Callable[[], None]) -> None:
    """Do something in a copy of this process. A copy that fails prints what it was."""
    pid = os.fork()
    if not pid:
        try:
            work()
        except BaseException as error:
            print(f"failed: {error!r}"[:500], flush=True)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


class Forge:
    """The process with the copies, as the test sees it."""

    def __init__(self, template: Path) -> None:
        source, tests = HERE.parents[2] / "src", HERE.parents[1]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(source), str(tests)))}
        command = [sys.executable, str(HERE), str(template)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self._number = 0

    def run(self, die_at: int, cancel_at: int = 0) -> tuple[list[str], str]:
        """Moments and status of an import that came to its end (nothing when it was killed), and the status that was found afterwards."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._number += 1
        print(f"run{self._number} {die_at} {cancel_at}", file=self.process.stdin, flush=True)
        ended: list[str] = []
        for line in self.process.stdout:
            match line.split():
                case ["ended", *words]:
                    ended = words
                case ["found", status]:
                    return ended, status
                case _:
                    raise AssertionError(line)
        raise AssertionError("the process with the copies has ended")

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()


async def first_generation(directory: Path) -> None:
    """A closed catalog with 500 objects."""
    from unit.control.fakes import ORIGIN, bench

    at = await bench(directory)
    await at.control.import_document(json.dumps(plant(0)), partial=False, origin=ORIGIN)
    await at.close()


def test_killed_at_two_hundred_points_of_an_import(tmp_path: Path) -> None:
    """Spread evenly from the request to the end, with and without a cancel on the way."""
    template = tmp_path / "template"
    asyncio.run(first_generation(template))
    forge = Forge(template)
    try:
        (moments, status), after = forge.run(0)
        assert (status, after) == ("finish", "finish")
        last = int(moments)
        assert last > 1500
        seen = [forge.run(1 + point * (last - 1) // (POINTS - 1))[1] for point in range(POINTS)]
        assert set(seen) == {"none", "error", "finish"}
        # Before the commit nothing is changed, after it everything is: the answer changes once.
        assert sorted(seen, key=["none", "error", "finish"].index) == seen
        cancelled = []
        for point in range(CANCELLED_POINTS):
            cancel_at = 1 + point * (last - 1) // CANCELLED_POINTS
            cancelled.append(forge.run(cancel_at + 1 + 37 * point % 900, cancel_at)[1])
        assert set(cancelled) <= {"none", "error", "cancel", "finish"}
        assert "cancel" in cancelled
        (_, status), after = forge.run(0, last * 4 // 5)
        assert (status, after) == ("cancel", "cancel")
    finally:
        forge.close()


def test_a_server_killed_during_an_import(new_server: Callable[..., Server]) -> None:
    """A whole server, killed from outside at twenty times: it comes up with the one document or the other, and every rule of it runs."""
    server = new_server()
    documents = [plant(0, real=True), plant(1, real=True)]
    assert server.request("POST", "/data/import", json={"content": json.dumps(documents[0])}).status_code == 200
    begun = time.monotonic()
    assert server.request("POST", "/data/import", json={"content": json.dumps(documents[1])}).status_code == 200
    duration = time.monotonic() - begun
    present, outcomes = 1, []
    for point in range(SERVER_POINTS):
        wanted = 1 - present
        answer = server.request("POST", "/async/data/import", json={"content": json.dumps(documents[wanted])})
        time.sleep(duration * 1.2 * point / SERVER_POINTS)  # the moment is what is tested
        server.restart(killed=True)
        task = server.request("GET", f"/async/task/{answer.json()['id']}").json()
        exported = server.request("GET", "/data/export").json()
        after = {"finish": wanted, "error": present}[task["status"]]
        assert {name: exported[name] for name in ("streams", "rules")} == documents[after]
        states = server.request("GET", "/rules/status/all").json()
        assert {rule: state["status"] for rule, state in states.items()} == dict.fromkeys(documents[after]["rules"], "running")
        assert server.request("GET", "/data/audit").json()["valid"]
        outcomes.append(task["status"])
        present = after
    assert set(outcomes) == {"finish", "error"}


if __name__ == "__main__":
    forge(Path(sys.argv[1]), sys.stdin)
