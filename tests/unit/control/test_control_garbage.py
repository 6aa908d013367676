"""Large changes leave nothing behind that only the garbage collector finds: it is off meanwhile, and would hold up running rules."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

from plutino.control.housekeeping import collector_at_rest
from unit.rest.kit import open_api

RULES = 60
STATEMENTS = (
    "SELECT a, b AS c, a + 1 AS d FROM demo WHERE a > {} AND d > 2",
    "SELECT count(*) AS n, avg(a) AS m FROM demo WHERE b = 'x' GROUP BY b, TUMBLINGWINDOW(ss, 10) HAVING n > {}",
    "SELECT lag(a, {}) AS l, l + 1 AS k, CASE WHEN a > 1 THEN 'x' ELSE b END AS c FROM demo",
    "SELECT demo.a, other.b AS b FROM demo INNER JOIN other ON demo.a = other.a AND demo.a > {} GROUP BY SLIDINGWINDOW(ss, 3) ORDER BY b",
)


def document(offset: int) -> dict[str, str]:
    """Rules of several shapes, all different from those of another offset."""
    streams = {name: f'CREATE STREAM {name} (a BIGINT, b STRING) WITH (TYPE="memory", DATASOURCE="t/{name}")' for name in ("demo", "other")}
    rules: dict[str, Any] = {}
    for i in range(RULES):
        sql = STATEMENTS[i % len(STATEMENTS)].format(offset + i)
        rules[f"r{i}"] = json.dumps({"id": f"r{i}", "sql": sql, "actions": [{"mqtt": {"topic": f"t/{i}", "server": "tcp://127.0.0.1:2"}}]})
    return {"content": json.dumps({"streams": streams, "rules": rules})}


async def test_an_import_makes_no_circles(tmp_path: Path) -> None:
    """What planning, compiling and replacing rules leaves is gone at once; a piece per rule would be thousands in a large import."""
    async with open_api(tmp_path) as api:
        assert (await api.ask("POST", "/data/import", document(1))).status == 200
        gc.collect()
        gc.disable()
        try:
            assert (await api.ask("POST", "/data/import", document(RULES))).status == 200
            assert gc.collect() < RULES
        finally:
            gc.enable()


def test_the_collector_rests_for_large_changes_only() -> None:
    """Small ones are over before it would come; it is on again afterwards, also when the change fails."""
    assert gc.isenabled()
    with collector_at_rest(10):
        assert gc.isenabled()
    try:
        with collector_at_rest(1000):
            assert not gc.isenabled()
            raise KeyError
    except KeyError:
        assert gc.isenabled()
    gc.unfreeze()
