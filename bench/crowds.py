"""Many rules: on one feed through the real engine, and on their way into it."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import messages
import msgspec
from figures import ROUNDS, Figure, compared, seconds
from lanes import BATCH, record
from pauses import pauses
from rig import Rig, load_of, rig, stream

from plutino.compiler import compile_plan
from plutino.compiler.rule import generate, operator_names
from plutino.control import V1
from plutino.planner import RulePlan
from plutino.spi import Origin
from plutino.sql import parse_select

ITEMS = "avg(temperature) AS mean, max(temperature) AS high, count(*) AS n"
CROWDS: Mapping[str, Callable[[int], str]] = {
    "one condition each, 1 in 30 holds": lambda i: f"SELECT id, temperature FROM plant WHERE temperature > {39 + i / 300}",
    "one device each": lambda i: f"SELECT * FROM plant WHERE device = 'd{i}'",
    "several conditions each": lambda i: (
        f"SELECT id FROM plant WHERE temperature > {25 + i % 10} AND humidity < {30 + i / 100} AND status = 'pump'"
    ),
    "all project each row": lambda i: f"SELECT id, temperature + {i} AS t FROM plant",
    "a count window each": lambda i: f"SELECT {ITEMS} FROM plant GROUP BY COUNTWINDOW({100 + i})",
    "a count window of groups each": lambda i: f"SELECT device, {ITEMS} FROM plant GROUP BY device, COUNTWINDOW({100 + i})",
}


async def engine(quick: bool) -> list[Figure]:
    """Rules on one shared feed, results encoded and given to the nop sink."""
    found = []
    payloads = messages.small(600 if quick else 10_000)
    for count in (1, 10 if quick else 300):
        for name, statement in CROWDS.items():
            rules = {f"r{i}": statement(i) for i in range(count)}
            async with rig() as at:
                await at.deploy([stream("plant", SHARED="TRUE")], rules)
                cost, limit = await _flooded(at, payloads, rules)
            group = f"engine: {count} rule{'s' * (count > 1)} on one feed, nop sink"
            found.append(Figure(group, name, cost, limit, "a loop of msgspec that decodes the columns"))
    return found


async def _flooded(at: Rig, payloads: Sequence[bytes], rules: Mapping[str, str]) -> tuple[float, float]:
    """Microseconds per message of the engine and of decoding alone."""
    load = load_of("plant", payloads, BATCH)
    needs = [at.compiled(sql).needs["plant"] for sql in rules.values()]
    columns = tuple(dict.fromkeys(name for need in needs for name in need.columns))
    decode = msgspec.json.Decoder(record("Row", columns)).decode

    def bare() -> None:
        for payload in payloads:
            decode(payload)

    cost = limit = float("inf")
    for _ in range(ROUNDS):
        cost = min(cost, await at.flood(load))
        limit = min(limit, seconds(bare))
    return cost / len(payloads) * 1e6, limit / len(payloads) * 1e6


async def compilation(quick: bool) -> list[Figure]:
    """From the text of a statement to a program, per rule."""
    group = "from a statement to a program"
    count = 20 if quick else 300
    found = []
    async with rig() as at:
        await at.deploy([stream("plant")], {})
        for name, statement in (
            ("filter", lambda i: f"SELECT id, temperature FROM plant WHERE temperature > {i}"),
            ("window", lambda i: f"SELECT device, {ITEMS} FROM plant GROUP BY device, TUMBLINGWINDOW(ss, {i + 1})"),
        ):
            texts = [statement(i) for i in range(count)]
            cost, limit = compared(
                lambda texts=texts: [at.compiled(sql) for sql in texts], lambda texts=texts: [*map(parse_select, texts)], count
            )
            found.append(Figure(group, f"{name}, of a shape that is known", cost, limit, "parsing it", "rule"))
        texts = [f"SELECT id, a{i} + b{i} AS c FROM plant WHERE temperature > 5 AND a{i} < 3" for i in range(count)]
        plans = [plan for plan in map(at.plan, texts) if isinstance(plan, RulePlan)]
        sources = ["\n".join(generate(plan, operator_names(plan))[1].values()) for plan in plans]

        def bare() -> None:
            for source in sources:
                compile(source, "bench", "exec")

        # each is new only once
        cost = seconds(lambda: [compile_plan(at.plan(sql.replace("SELECT", "SELECT device,"))) for sql in texts]) / count * 1e6
        found.append(
            Figure(group, "filter, of a shape that is new", cost, seconds(bare) / count * 1e6, "Python compiles the generated text", "rule")
        )
    return found


async def imports(quick: bool) -> list[Figure]:
    """A document with many rules that run: import, the same again, export."""
    count = 50 if quick else 10_000
    group = f"a document of {count:,} rules, all of which run"
    document = _document(count)
    async with rig() as at:
        control, origin = at.core.controller, Origin("bench")
        before = _memory()

        async def imported() -> None:
            result = await control.import_document(document, partial=False, origin=origin)
            assert not result.faults, result.faults[:3]

        async with pauses() as usual:
            await asyncio.sleep(0.2)
        async with pauses() as meanwhile:
            cost = await _lasting(imported)
        after = _memory()
        assert at.core.engine.state(f"rule{count - 1}") == "running"
        limit = seconds(lambda: _bare_import(document))
        found = [
            Figure(group, "import", cost / count * 1e6, limit / count * 1e6, "read it, one transaction of SQLite with its texts", "rule")
        ]
        for name, share in (("rules wait meanwhile, p99", 0.99), ("rules wait meanwhile, longest", 1.0)):
            found.append(Figure(group, name, meanwhile.share(share) * 1e6, usual.share(share) * 1e6, "while nothing happens", "tick"))
        cost = await _lasting(imported)
        found.append(
            Figure(group, "the same once more", cost / count * 1e6, seconds(lambda: _bare_read(document)) / count * 1e6, "read it", "rule")
        )
        exported = await control.export(V1)
        cost = min([await _lasting(lambda: control.export(V1)) for _ in range(3)])
        limit = min(seconds(lambda: json.dumps(json.loads(exported))) for _ in range(3))
        found.append(Figure(group, "export", cost / count * 1e6, limit / count * 1e6, "read and write it with the json module", "rule"))
        if after > before:
            memory = (after - before) / count / 1024
            found.append(Figure(group, "memory of a rule", memory, len(document) / count / 1024, "its text", "rule", "KiB"))
    return found


async def _lasting(call: Callable[[], Any]) -> float:
    from time import perf_counter

    started = perf_counter()
    await call()
    return perf_counter() - started


def _document(count: int) -> str:
    rules = {}
    for i in range(count):
        sql = f"SELECT id, temperature FROM plant{i % 10} WHERE temperature > {i / 100} AND device = 'd{i % 50}'"
        rules[f"rule{i}"] = json.dumps({"id": f"rule{i}", "sql": sql, "actions": [{"nop": {}}], "options": {}})
    streams = {f"plant{i}": stream(f"plant{i}", SHARED="TRUE") for i in range(10)}
    return json.dumps({"streams": streams, "rules": rules})


def _bare_read(document: str) -> list[tuple[str, str]]:
    texts = []
    for section, entries in msgspec.json.decode(document).items():
        for name, text in entries.items():
            if section == "rules":
                msgspec.json.decode(text)
            texts.append((f"{section}/{name}", text))
    return texts


def _bare_import(document: str) -> None:
    with tempfile.TemporaryDirectory(prefix="plutino-bench-") as folder:
        database = sqlite3.connect(Path(folder) / "bench.db")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE texts (name TEXT PRIMARY KEY, text TEXT)")
        with database:
            database.executemany("INSERT INTO texts VALUES (?, ?)", _bare_read(document))
        database.close()


def _memory() -> int:
    """Bytes of this process in memory; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
