"""Every kind of object that is found keeps the contract."""

from __future__ import annotations

import json

import pytest

from plutino.model import Ref
from plutino.spi import ResourceSpec, discover
from plutino.spi.discovery import resource_kinds
from plutino.testing import FakeEnvironment, check_resource

KINDS = resource_kinds("plutino.resources")

# Objects of the kinds that the main path needs; a kind without an entry is checked with garbage alone.
TEXTS: dict[str, list[tuple[str, str]]] = {
    "stream": [
        ("demo", 'CREATE STREAM demo () WITH (DATASOURCE="demo", FORMAT="json", CONF_KEY="plant1")'),
        ("typed", 'create stream typed (id bigint, name string) with (type="memory", datasource="a/+")'),
    ],
    "table": [("devices", 'CREATE TABLE devices (id BIGINT) WITH (TYPE="file", DATASOURCE="devices.json", FORMAT="json")')],
    "rule": [("hot", json.dumps({"id": "hot", "sql": "SELECT * FROM demo WHERE t > 20", "actions": [{"log": {}}]}, indent=2))],
    "source_config": [("mqtt.plant1", '{"server": "tcp://broker:1883", "qos": 1, "password": "hidden"}')],
    "sink_config": [("mqtt.out1", '{"topic":"out","saslPassword":"hidden"}')],
    "portable_plugin": [("adder", '{"name": "adder", "file": "https://me:hidden@host/adder.zip", "shellParas": []}')],
    "native_plugin": [
        ("functions_geohash", '{"name":"geohash","file":"https://host/geohash.zip","functions":["geohashEncode"]}'),
        ("sources_my_probe", '{"name":"my_probe","file":"file:///plugins/my_probe.whl"}'),
    ],
    "service": [("calc", '{"name":"calc","file":"http://host/calc.zip"}')],
    "connection": [("mqtt.c1", '{"server":"tcp://broker:1883","password":"hidden"}')],
    "upload": [
        ("a.txt", '{ "content": "x", "name": "a.txt" }'),
        ("sub/b.bin", '{"name":"sub/b.bin","file":"data:;base64,AAE="}'),
        ("c", '{"name":"c","file":"http://host/c"}'),
    ],
    "schema": [
        ("protobuf_p", '{"type":"protobuf","name":"p","content":"message P { optional int32 a = 1; }","version":"2"}'),
        ("protobuf_q_r", '{"name":"q_r","type":"protobuf","file":"https://host/q.proto"}'),
        ("custom_c", '{"type":"custom","name":"c","soFile":"file:///c.so"}'),
    ],
    "script": [("area", '{"id":"area","description":"","script":"function area(x, y) { return x * y }","isAgg":false}')],
}


@pytest.mark.parametrize("spec", [pytest.param(s, id=s.kind) for s in KINDS.values()])
def test_kind_keeps_the_contract(spec: ResourceSpec) -> None:
    """Names, actions and parsing of a kind."""
    env = FakeEnvironment(registry=discover("plutino.connectors", "plutino.formats", "plutino.functions"))
    check_resource(spec, env, TEXTS.get(spec.kind, []))


def test_kinds_of_the_main_path_are_there() -> None:
    """Every kind with texts is found, so that none is left out by a renaming."""
    assert set(TEXTS) <= set(KINDS)


def test_sections_and_endpoints_are_unique() -> None:
    """No kind hides another in a document or in the routing table."""
    sections = [spec.section for spec in KINDS.values()]
    assert len(set(sections)) == len(sections)
    routes = [(action.method, action.path) for spec in KINDS.values() for action in spec.actions]
    assert len(set(routes)) == len(routes)


@pytest.mark.parametrize(("kind", "name"), [("source_config", "mqtt.plant1"), ("connection", "mqtt.c1")])
def test_passwords_are_secret(kind: str, name: str) -> None:
    """The password of a broker is among the secrets of a configuration."""
    spec = KINDS[kind]
    env = FakeEnvironment(registry=discover("plutino.connectors", "plutino.formats", "plutino.functions"))
    definition = spec.parse(Ref(kind, name), TEXTS[kind][0][1])
    assert ("password",) in list(spec.secrets(definition, env))
