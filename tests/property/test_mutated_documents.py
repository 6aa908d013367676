"""More than a thousand documents with one defect each: refused as a whole, with the place of the defect, and nothing has changed."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unit.rest.kit import Api, Reply, open_api

CASES = 1200
ASKED = {"accept": "application/json"}
Document = dict[str, dict[str, Any]]
Mutation = Callable[[random.Random, Document], str]
"""Puts one defect into a document and gives the path that the fault must have; empty where it has none but its line and column."""


def base() -> Document:
    """A document that is all right, with objects of many kinds that use each other."""
    rule = {
        "r1": {"sql": "SELECT a, b FROM s1 WHERE a > 1", "actions": [{"mqtt": {"server": "tcp://127.0.0.1:2", "topic": "o"}}]},
        "r2": {
            "sql": "SELECT area(a, 2) AS x FROM s1 GROUP BY TUMBLINGWINDOW(ss, 5)",
            "actions": [{"memory": {"topic": "o/2"}}, {"nop": {}}],
        },
        "r3": {
            "sql": "SELECT s1.a, t1.name FROM s1 INNER JOIN t1 ON s1.a = t1.id",
            "actions": [{"nop": {}}],
            "options": {"qos": 1, "bufferLength": 7},
        },
    }
    return {
        "streams": {
            "s1": 'CREATE STREAM s1 (a BIGINT, b STRING) WITH (DATASOURCE="topic/s1", TYPE="memory", FORMAT="json")',
            "s2": 'CREATE STREAM s2 () WITH (DATASOURCE="t/2", TYPE="mqtt", CONF_KEY="c1", FORMAT="json")',
            "s3": 'CREATE STREAM s3 (a BIGINT) WITH (DATASOURCE="t/3", TYPE="mqtt", CONF_KEY="c1", FORMAT="json", SHARED="true")',
        },
        "tables": {"t1": 'CREATE TABLE t1 (id BIGINT, name STRING) WITH (DATASOURCE="uploads/t1.json", FORMAT="json", TYPE="file")'},
        "rules": {id: json.dumps({"id": id, **fields}) for id, fields in rule.items()},
        "sourceConfig": {"mqtt": '{"c1":{"server":"tcp://127.0.0.1:2","qos":1},"c2":{"server":"tcp://127.0.0.1:3"}}'},
        "sinkConfig": {"mqtt": '{"k1":{"topic":"z","server":"tcp://127.0.0.1:2"}}'},
        "connectionConfig": {"mqtt": '{"conn1":{"server":"tcp://127.0.0.1:2","password":"pw"}}'},
        "Schema": {
            "protobuf_p": json.dumps({"type": "protobuf", "name": "p", "content": 'syntax = "proto2"; message P {required string n = 1;}'})
        },
        "uploads": {
            "up.txt": json.dumps({"name": "up.txt", "content": "hello"}),
            "t1.json": json.dumps({"name": "t1.json", "content": '[{"id":1,"name":"one"}]'}),
        },
        "scripts": {"area": json.dumps({"id": "area", "script": "function area(x, y) { return x * y; }", "isAgg": False})},
    }


def _pick(rng: random.Random, document: Document, *sections: str) -> tuple[str, str]:
    section = rng.choice(sections or list(document))
    return section, rng.choice(list(document[section]))


def _statement(rng: random.Random, document: Document) -> str:
    section, name = _pick(rng, document, "streams", "tables")
    text = document[section][name]
    defects: list[Callable[[], str]] = [
        lambda: text[: rng.randrange(1, len(text) - 1)],
        lambda: text.replace("CREATE", rng.choice(["CREAT", "DROP", "", "SELECT"]), 1),
        lambda: text.replace(" WITH ", rng.choice([" WIHT ", " ", " WITH WITH "]), 1),
        lambda: text.replace(f" {name} ", rng.choice([" other ", " ", " 1 ", " a b "]), 1),
        lambda: text.replace("(", rng.choice(["((", "[", ""]), 1),
        lambda: text.replace('FORMAT="json"', 'FORMAT="nosuch"'),
        lambda: text.replace('FORMAT="json"', 'NOSUCH="json"'),
        lambda: text.replace('TYPE="', 'EXTRA="no json", TYPE="'),
        lambda: text + rng.choice([" x", ")", " WITH"]),
        lambda: "",
    ]
    document[section][name] = rng.choice(defects)()
    return f"{section}.{name}"


def _rule(rng: random.Random, document: Document) -> str:
    name = rng.choice(list(document["rules"]))
    rule: Any = json.loads(document["rules"][name])
    sql = rule["sql"]
    changes: list[dict[str, Any]] = [
        {"actions": []},
        {"actions": None},
        {"actions": {"nop": {}}},
        {"actions": [{"nosuch": {}}]},
        {"actions": [{"mqtt": {"server": "tcp://127.0.0.1:2"}}]},
        {"actions": [{"nop": 5}]},
        {"actions": [{"mqtt": {"server": 5, "topic": "x"}}]},
        {"actions": [{"nop": {}}, {"mqtt": {"topic": "x", "resourceId": "nosuch"}}]},
        {"actions": [{"mqtt": {"topic": "x", "connectionSelector": "nosuch"}}]},
        {"actions": [{"memory": {"topic": "x", "dataTemplate": "{{.a"}}]},
        {"id": "other"},
        {"id": "no good id"},
        {"sql": ""},
        {"sql": "DROP STREAM s1"},
        {"sql": sql.replace("SELECT", rng.choice(["SELEC", "SELECT ,", "SELECT SELECT", ""]))},
        {"sql": sql.replace("FROM s1", rng.choice(["FROM nosuch", "FORM s1", "FROM", "FROM s1,"]), 1)},
        {"sql": sql + rng.choice([" WHERE", " GROUP BY", " AND", " WHERE nosuch(a) > 1", " )"])},
        {"sql": "SELECT nosuch FROM s1"},
        {"sql": "SELECT abs(a, b) FROM s1"},
        {"sql": sql[: rng.randrange(1, 14)]},
        {"sql": 5},
        {"options": {"bufferLength": -1}},
        {"options": {"bufferLength": "x"}},
        {"options": {"lateTolerance": "soon"}},
        {"options": {"restartStrategy": {"attempts": -1}}},
        {"options": {"cronDatetimeRange": [{"begin": "x", "end": "y"}]}},
        {"options": []},
        {"tags": "x"},
        {"triggered": "yes"},
    ]
    rule.update(rng.choice(changes))
    document["rules"][name] = json.dumps(rule)
    return f"rules.{name}"


def _group(rng: random.Random, document: Document) -> str:
    section, name = _pick(rng, document, "sourceConfig", "sinkConfig", "connectionConfig")
    key = next(iter(json.loads(document[section][name])))
    text = document[section][name]
    whole: list[Callable[[], str]] = [
        lambda: text[: rng.randrange(1, len(text))],
        lambda: rng.choice(["[]", "5", '"x"', "true", "{,}", text + "}"]),
    ]
    keys = ["[]", "7", '"text"', "true"]
    if rng.random() < 0.5:
        document[section][name] = rng.choice(whole)()
        return f"{section}.{name}"
    bad = rng.choice([key, "a.b", "a b", ""])
    document[section][name] = json.dumps({bad: json.loads(rng.choice(keys)) if bad == key else {}})
    return f"{section}.{name}.{bad}".rstrip(".")


def _object(rng: random.Random, document: Document) -> str:
    section, name = _pick(rng, document, "Schema", "uploads", "scripts")
    text = document[section][name]
    fields = json.loads(text)
    changes: dict[str, list[dict[str, Any]]] = {
        "Schema": [
            {"content": "not proto"},
            {"type": "nosuch"},
            {"name": "other"},
            {"content": "", "file": ""},
            {"file": "file:///no/such"},
        ],
        "uploads": [
            {"content": ""},
            {"name": "other.txt"},
            {"name": "../up.txt"},
            {"content": "", "file": "file:///no/such"},
            {"name": ""},
        ],
        "scripts": [
            {"script": "function area("},
            {"script": "var x = 1;"},
            {"script": "function other() {}"},
            {"script": ""},
            {"id": "a b"},
        ],
    }
    if rng.random() < 0.3:
        document[section][name] = rng.choice([text[: rng.randrange(1, len(text))], "[]", "5", "null", ""])
    else:
        document[section][name] = json.dumps({**fields, **rng.choice(changes[section])})
    return f"{section}.{name}"


def _entry(rng: random.Random, document: Document) -> str:
    section, name = _pick(rng, document)
    document[section][name] = rng.choice([5, True, {}, [], {"a": "b"}, 1.5])
    return f"{section}.{name}"


def _section(rng: random.Random, document: Document) -> str:
    section = rng.choice(list(document))
    document[section] = rng.choice([[], "x", 5, True, ["a"]])  # type: ignore[assignment]
    return section


MUTATIONS: tuple[Mutation, ...] = (_statement, _rule, _rule, _rule, _group, _object, _entry, _section)


def mutated(seed: int) -> tuple[str, str]:
    """A document with one defect, and the path of its fault (empty: the text itself does not parse)."""
    rng, document = random.Random(seed), base()
    if seed % 10 == 0:
        text = json.dumps(document, indent=rng.choice([None, 1]))
        at = rng.randrange(1, len(text) - 1)
        return rng.choice([text[:at], text + rng.choice(["}", "x", "{}"]), text.replace('": ', '" ', 1), text.replace("{", "{,", 1)]), ""
    path = rng.choice(MUTATIONS)(rng, document)
    return json.dumps(document), path


async def check(api: Api, seed: int, before: bytes) -> str:
    """Import one of the documents; gives what kind of refusal it was."""
    text, path = mutated(seed)
    query = "?partial=1&onConflict=overwrite" if seed % 2 else ""
    reply = await api.ask("POST", f"/data/import{query}", {"content": text}, ASKED)
    what = f"seed {seed}, defect at {path or 'the text'}: {reply.status} {reply.text[:300]}"
    assert reply.status == 400, what
    envelope = reply.json
    assert envelope["error"] in (1000, 2201, 3000, 5000), what
    assert envelope["faults"], what
    assert len(envelope["message"]) > 5, what
    places = {fault["path"]: fault for fault in envelope["faults"]}
    if path:
        assert any(found == path or found.startswith(f"{path}.") or (found and path.startswith(found)) for found in places), what
    else:
        assert all(fault["line"] >= 1 and fault["column"] >= 1 for fault in places.values()), what
    assert all(fault["text"] for fault in places.values()), what
    assert "Traceback" not in reply.text
    assert (await api.ask("GET", "/data/export")).data == before, what
    return (path or "text").partition(".")[0]


@pytest.mark.parametrize("part", range(4))
async def test_documents_with_a_defect_change_nothing(tmp_path: Path, part: int) -> None:
    """Every one is refused as a whole; the fault names section and entry, or line and column where the text itself is broken."""
    async with open_api(tmp_path) as api:
        assert (await api.ask("POST", "/data/import", {"content": json.dumps(base())}, ASKED)).text.startswith('{"ErrorMsg":"",')
        before, revision = (await api.ask("GET", "/data/export")).data, api.controller.revision
        kinds = Counter([await check(api, seed, before) for seed in range(part, CASES, 4)])
        assert kinds.total() == CASES // 4
        assert len(kinds) >= 9
        assert api.controller.revision == revision
        assert api.log.events == []


@settings(max_examples=150)
@given(st.data())
def test_any_bytes_are_answered(data: st.DataObject) -> None:
    """A document with some characters exchanged is taken or refused, never a defect; a refusal changes nothing."""
    text = json.dumps(base())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text = text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 6)) :]

    async def run() -> tuple[Reply, bytes, bytes]:
        with tempfile.TemporaryDirectory() as folder:
            async with open_api(Path(folder)) as api:
                before = (await api.ask("GET", "/data/export")).data
                reply = await api.ask("POST", "/data/import", {"content": text}, ASKED)
                assert api.log.events == []
                return reply, before, (await api.ask("GET", "/data/export")).data

    reply, before, after = asyncio.run(run())
    assert reply.status in (200, 400)
    if reply.status == 400:
        assert after == before
        assert reply.json["message"]
