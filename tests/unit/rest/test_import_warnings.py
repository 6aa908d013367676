"""What an import brings and means nothing is told in its warnings, what nobody can use is refused, whatever the format."""

from __future__ import annotations

import json
from typing import Any

import pytest

from unit.rest.kit import Api

ASKED = {"accept": "application/json"}
EXTRA = json.dumps(json.dumps({"qos": "abc", "srver": 1}))
OBJECTS: dict[str, dict[str, Any]] = {
    "streams": {
        "s": 'CREATE STREAM s () WITH (DATASOURCE="x", CONF_KEY="nope")',
        "p": 'CREATE STREAM p () WITH (DATASOURCE="x", FORMAT="protobuf", SCHEMAID="mis.X")',
        "e": f'CREATE STREAM e () WITH (DATASOURCE="x", TYPE="mqtt", EXTRA={EXTRA})',
    },
    "rules": {
        "r1": {
            "id": "r1",
            "sql": "SELECT * FROM s",
            "actions": [{"log": {"foo": 1}}],
            "options": {"qoss": 1, "cronDatetimeRange": [{"begin": "2024-01-01 00:00:00", "end": "2024-01-02 00:00:00", "till": 1}]},
            "xtra": 5,
            "triggered": False,
        }
    },
    "Schema": {"protobuf_q": {"type": "protobuf", "name": "q", "content": "message Q {required string a=1;}", "extra": 1}},
    "uploads": {"u.txt": {"name": "u.txt", "content": "x", "extra": 1}},
}
CONFIGURATIONS = {
    ("sourceConfig", "sources", "mqtt", "k"): {"qos": "abc", "nosuchprop": 1, "password": 123456789012},
    ("sourceConfig", "sources", "simulator", "k"): {"interval": "abc", "data": [{"a": 1}]},
    ("sourceConfig", "sources", "mqtt", "fine"): {"qos": "${env:QOS}", "server": "tcp://h:1"},
    ("connectionConfig", "connections", "mqtt", "main"): {"qos": 5},
    ("connectionConfig", "connections", "nosuch", "n"): {"a": 1},
    ("sinkConfig", "sinks", "mqtt", "lost"): {"connectionSelector": "mian"},
    ("sinkConfig", "sinks", "file", "odd"): {"rollingCount": -1, "fileType": "xml", "path": "${env:PLACE}"},
}
WARNED = {
    "streams.s.options.CONF_KEY": "source configuration mqtt.nope: not there",
    "streams.e.options.EXTRA.srver": "srver: not known; did you mean server?",
    "rules.r1.xtra": "xtra: not known",
    "rules.r1.options.qoss": "qoss: not known; did you mean qos?",
    "rules.r1.options.cronDatetimeRange.0.till": "till: not known",
    "rules.r1.actions.0.log.foo": "foo: not known; type log has no such property",
    "sourceConfig.mqtt.k.nosuchprop": "nosuchprop: not known; type mqtt has no such property",
    "connectionConfig.nosuch.n": "connection type nosuch: not installed",
    "Schema.protobuf_q.extra": "extra: not known",
    "uploads.u.txt.extra": "extra: not known",
}
REFUSED = {
    "streams.p.options.SCHEMAID": "schema type protobuf id mis not found in registry",
    "streams.e.options.EXTRA.qos": "'qos' expected type 'int'",
    "sourceConfig.mqtt.k.qos": "'qos' expected type 'int', got unconvertible type 'string', value: 'abc'",
    "sourceConfig.mqtt.k.password": "'password' expected type 'string', got unconvertible type 'int'",
    "sourceConfig.simulator.k.interval": "error decoding 'interval'",
    "connectionConfig.mqtt.main.server": "server: missing",
    "connectionConfig.mqtt.main.qos": "invalid qos value 5",
    "sinkConfig.mqtt.lost.connectionSelector": "connection mian not existed; did you mean main?",
    "sinkConfig.file.odd.rollingCount": "rollingCount must be positive",
    "sinkConfig.file.odd.fileType": "fileType must be one of json, csv or lines",
}
"""Of objects that nothing uses."""


def v1() -> str:
    found = {
        section: {name: text if isinstance(text, str) else json.dumps(text) for name, text in entries.items()}
        for section, entries in OBJECTS.items()
    }
    grouped: dict[str, dict[str, dict[str, Any]]] = {}
    for (section, _, connector, key), properties in CONFIGURATIONS.items():
        grouped.setdefault(section, {}).setdefault(connector, {})[key] = properties
    found.update({section: {name: json.dumps(keys) for name, keys in types.items()} for section, types in grouped.items()})
    return json.dumps(found, indent=1)


def v2() -> str:
    found: dict[str, Any] = {"schema": OBJECTS["Schema"], "uploads": OBJECTS["uploads"], "rules": OBJECTS["rules"]}
    found["streams"] = {name: {"sql": sql} for name, sql in OBJECTS["streams"].items()}
    for (section, word, connector, key), properties in CONFIGURATIONS.items():
        found.setdefault(section, {})[f"{word}.{connector}.{key}"] = properties
    return json.dumps(found, indent=1)


async def put(api: Api, path: str, content: str, headers: dict[str, str] | None = None) -> Any:
    return await api.ask("POST", path, {"content": content}, headers)


def usable(document: str) -> str:
    """The document without the objects that are refused."""
    found = json.loads(document)
    for path in REFUSED:
        section, name, key, *_ = path.split(".")
        entries = found.get(section, {})
        word = {"sourceConfig": "sources", "sinkConfig": "sinks", "connectionConfig": "connections"}.get(section)
        if word is None or f"{word}.{name}.{key}" in entries:
            entries.pop(name if word is None else f"{word}.{name}.{key}", None)
        elif name in entries:
            keys = json.loads(entries[name])
            keys.pop(key, None)
            entries[name] = json.dumps(keys)
    return json.dumps(found, indent=1)


def assert_told(warnings: list[dict[str, Any]], expected: dict[str, str]) -> None:
    texts = {warning["path"]: warning["text"] for warning in warnings}
    assert texts.keys() == expected.keys()
    for path, text in expected.items():
        assert texts[path].startswith(text), path
    assert all(warning["line"] > 1 for warning in warnings)
    assert "123456789012" not in json.dumps(warnings)


@pytest.mark.parametrize(("path", "document"), [("/data/import", v1()), ("/v2/data/import", v2())])
async def test_warnings_of_documents(api: Api, path: str, document: str) -> None:
    """Also of a dry run; what is there already and does not change is not looked at again."""
    document = usable(document)
    expected = {place: text for place, text in WARNED.items() if not place.startswith(("streams.e.", "sourceConfig.mqtt.k."))}
    assert_told((await put(api, f"{path}?dryRun=1", document, ASKED)).json["warnings"], expected)
    done = await put(api, path, document, ASKED)
    assert_told(done.json["warnings"], expected)
    assert done.headers["plutino-warnings"] == str(len(expected))
    assert "warnings" not in (await put(api, path, document, ASKED)).json


@pytest.mark.parametrize(("path", "document"), [("/data/import", v1()), ("/v2/data/import", v2())])
async def test_what_nobody_can_use_is_refused(api: Api, path: str, document: str) -> None:
    """All of it together, and nothing has changed; with ``onError=continue`` the rest comes in, and requests for one object go through."""
    before = (await api.ask("GET", "/data/export")).text
    for query in ("", "?dryRun=1", "?partial=1"):
        refused = await put(api, f"{path}{query}", document, ASKED)
        assert refused.status == 400
        assert_told(refused.json["faults"], REFUSED)
    assert (await api.ask("GET", "/data/export")).text == before
    done = await put(api, f"{path}?onError=continue", document, ASKED)
    assert_told(done.json["faults"], REFUSED)
    assert (await api.ask("PUT", "/metadata/sources/mqtt/confKeys/k", {"qos": "abc"})).status == 200
    assert (await api.ask("POST", "/data/rollback", {"revision": 0})).status == 200
    assert (await api.ask("POST", "/data/rollback", {"revision": 2})).status == 200


async def test_warnings_of_rulesets(api: Api) -> None:
    """Streams and rules."""
    document = json.dumps({name: entries for name, entries in json.loads(v1()).items() if name in ("streams", "rules")}, indent=1)
    refused = await put(api, "/ruleset/import", document, ASKED)
    assert_told(refused.json["faults"], {path: text for path, text in REFUSED.items() if path.startswith("streams.")})
    expected = {path: text for path, text in WARNED.items() if path.startswith(("streams.s.", "rules."))}
    assert_told((await put(api, "/ruleset/import", usable(document), ASKED)).json["warnings"], expected)


async def test_plain_clients_get_what_they_know(api: Api) -> None:
    """Advice on objects comes to those that ask for JSON; how much there is stands in a header."""
    answer = await put(api, "/data/import", usable(v1()))
    assert set(answer.json) == {"ErrorMsg", "ConfigResponse"}
    assert answer.headers["plutino-warnings"] == "8"


async def test_there_is_an_end_to_warnings(api: Api) -> None:
    """A hundred are told, and how many more there are."""
    rules = {
        f"r{n}": json.dumps({"id": f"r{n}", "sql": "SELECT * FROM s", "actions": [{"log": {}}], "triggered": False, "xtra": n})
        for n in range(123)
    }
    document = {"streams": {"s": 'CREATE STREAM s () WITH (DATASOURCE="x")'}, "rules": rules, "nosuch": {}}
    warnings = (await put(api, "/data/import", json.dumps(document), ASKED)).json["warnings"]
    assert [warnings[0]["path"], warnings[-1]["text"], len(warnings)] == ["nosuch", "and 24 more", 101]


async def test_unknown_numbers_of_v2_stay_numbers(api: Api) -> None:
    """In the form in which they are written; known texts become texts."""
    text = "uploads: {u.txt: {name: u.txt, content: 5, n: 5, f: 1.50, big: 123456789012345678901234567890, t: true, l: [1, {a: 2.0}]}}"
    await put(api, "/v2/data/import", text)
    stored = json.loads((await api.ask("GET", "/data/export")).text)["uploads"]["u.txt"]
    assert stored == '{"name":"u.txt","content":"5","n":5,"f":1.50,"big":123456789012345678901234567890,"t":true,"l":[1,{"a":2.0}]}'
