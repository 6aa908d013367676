"""Whatever is sent, a request gets an answer of its own: never a defect, and what is refused changes nothing."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from unit.rest.kit import Reply, open_api

NAMES = st.sampled_from(
    ["id", "sql", "actions", "options", "tags", "triggered", "temp", "version", "typ", "props", "content", "file", "graph"]
)
SQL = st.sampled_from(
    [
        "SELECT * FROM demo",
        "SELECT a FROM demo WHERE a > 1",
        "SELECT",
        'CREATE STREAM s (a BIGINT) WITH (DATASOURCE="x")',
        'CREATE TABLE s () WITH (TYPE="memory", EXTRA="{\\"a\\":1}")',
        "DROP STREAM demo",
        "DESCRIBE STREAM demo",
        "SHOW TABLES",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8) | SQL,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
OPTIONS = st.dictionaries(
    st.sampled_from(["qos", "bufferLength", "lateTolerance", "restartStrategy", "cron", "duration", "cronDatetimeRange", "isEventTime"]),
    VALUES,
    max_size=3,
)
RULES = st.fixed_dictionaries(
    {"id": st.just("r"), "sql": SQL},
    optional={
        "actions": st.lists(st.dictionaries(st.sampled_from(["nop", "log", "mqtt", "memory", "x"]), VALUES, max_size=2), max_size=2),
        "options": OPTIONS,
        "tags": VALUES,
        "version": VALUES,
    },
)
TEXTS = st.one_of(VALUES.map(json.dumps), RULES.map(json.dumps), st.text(max_size=20))
DOCUMENTS = st.dictionaries(
    st.sampled_from(["streams", "tables", "rules", "sourceConfig", "connectionConfig", "scripts", "other"]),
    VALUES | st.dictionaries(st.text(max_size=4), TEXTS | SQL, max_size=3),
    max_size=3,
).map(lambda document: json.dumps({"content": json.dumps(document)}))
REQUESTS = st.one_of(
    st.tuples(st.sampled_from(["POST /streams", "PUT /streams/s", "PUT /tables/s"]), SQL.map(lambda sql: json.dumps({"sql": sql})) | TEXTS),
    st.tuples(st.sampled_from(["POST /rules", "PUT /rules/r", "POST /rules/validate"]), RULES.map(json.dumps) | TEXTS),
    st.tuples(st.sampled_from(["PUT /rules/r/tags", "POST /rules/bulkstart", "PUT /rules/r/reset_state", "GET /rules/tags/match"]), TEXTS),
    st.tuples(st.sampled_from(["POST /connections", "PUT /connections/c", "PUT /metadata/sources/mqtt/confKeys/k"]), TEXTS),
    st.tuples(st.sampled_from(["POST /data/import?partial=1", "POST /data/import", "POST /data/export"]), DOCUMENTS | TEXTS),
    st.tuples(st.sampled_from(["POST /metadata/sinks/connection/mqtt", "GET /rules", "GET /data/export", "DELETE /rules/r"]), TEXTS),
)


@settings(max_examples=60)
@given(st.lists(REQUESTS, min_size=1, max_size=8))
def test_no_request_is_answered_with_a_defect(requests: list[tuple[str, str]]) -> None:
    """In any order, on any state that they make."""
    for reply in asyncio.run(_send(requests)):
        assert reply.status < 500
        if reply.status >= 400 and reply.headers.get("content-type") == "application/json":
            assert set(reply.json) == {"error", "message"}


async def _send(requests: list[tuple[str, str]]) -> list[Reply]:
    replies: list[Any] = []
    with tempfile.TemporaryDirectory() as data:
        async with open_api(Path(data)) as api:
            await api.stream()
            for line, body in requests:
                method, _, path = line.partition(" ")
                replies.append(await api.ask(method, path, body.encode("utf-8", "surrogatepass")))
    return replies
