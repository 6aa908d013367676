"""Stored configurations of sources and sinks."""

from __future__ import annotations

from typing import Any

import pytest

from unit.rest.kit import Api


async def _yaml(api: Api, role: str, connector: str) -> Any:
    return (await api.ask("GET", f"/metadata/{role}/yaml/{connector}")).json


async def test_stored_keys_lie_over_shipped_ones(api: Api) -> None:
    """A stored default changes single properties, another key stands by itself."""
    shipped = await _yaml(api, "sources", "mqtt")
    assert set(shipped) == {"default"}
    await api.ask("PUT", "/metadata/sources/mqtt/confKeys/default", {"qos": 2})
    await api.ask("PUT", "/metadata/sources/mqtt/confKeys/own", {"server": "tcp://a:1"})
    assert await _yaml(api, "sources", "mqtt") == {"default": {**shipped["default"], "qos": 2}, "own": {"server": "tcp://a:1"}}
    assert (await api.ask("GET", "/metadata/resources")).json == {"sinks": None, "sources": [{"default": "mqtt", "own": "mqtt"}]}


async def test_spellings_of_older_versions_are_brought_up_to_date(api: Api) -> None:
    """Names and durations."""
    body = {"saslPassword": "p", "url": "u", "interval": 1000, "timeout": 90000, "lookup": {"cacheTtl": 10}, "expiration": "5s"}
    await api.ask("PUT", "/metadata/sinks/kafka/confKeys/k", body)
    assert (await _yaml(api, "sinks", "kafka"))["k"] == {
        "url": "u",
        "interval": "1s",
        "timeout": "1m30s",
        "lookup": {"cacheTtl": "10ms"},
        "expiration": "5s",
        "password": "p",
    }
    await api.ask("PUT", "/metadata/sources/sql/confKeys/k", {"url": "u"})
    assert (await _yaml(api, "sources", "sql"))["k"] == {"dburl": "u"}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/metadata/sources/nosuch/confKeys/k", "This plugin was not found:sources.nosuch"),
        ("/metadata/sources/mqtt/confKeys/k", "Failed to write data to file:sources.mqtt.sources.mqtt.k is not found"),
    ],
)
async def test_deleting_what_is_not_there(api: Api, path: str, message: str) -> None:
    """Any number of times; it does no harm."""
    for _ in range(2):
        assert (await api.ask("DELETE", path)).json == {"error": 5000, "message": message}
    assert (await api.ask("PUT", "/metadata/sources/mqtt/confKeys/k", {})).status == 200


async def test_keys_are_checked(api: Api) -> None:
    """As all ids."""
    reply = await api.ask("PUT", "/metadata/sinks/mqtt/confKeys/a.b", {})
    assert reply.json["message"].startswith("Invalid confKey: id 'a.b' contains invalid characters")


@pytest.mark.parametrize(("body", "reason"), [("{", "unexpected end of JSON input"), ("5", "json: cannot unmarshal number into Go value")])
async def test_bodies_that_are_no_objects(api: Api, body: str, reason: str) -> None:
    """Nothing is stored."""
    reply = await api.ask("PUT", "/metadata/sources/mqtt/confKeys/k", body)
    assert reply.json["error"] == 5000
    assert reply.json["message"].startswith(f"Type conversion failed:mqtt.{reason}")
    assert (await api.ask("GET", "/metadata/resources")).json["sources"] is None


async def test_configurations_by_a_property(api: Api) -> None:
    """Those whose sourceType is the wanted one; without a wish all, shipped ones as well."""
    await api.ask("PUT", "/metadata/sources/mqtt/confKeys/a", {"sourceType": "stream"})
    await api.ask("PUT", "/metadata/sources/mqtt/confKeys/b", {})
    assert (await api.ask("GET", "/metadata/resource?sourceType=stream")).json == {"mqtt": {"a": {"sourceType": "stream"}}}
    assert set((await api.ask("GET", "/metadata/resource")).json["mqtt"]) == {"a", "b", "default"}


async def test_pings_go_to_the_engine(api: Api) -> None:
    """With a topic of their own where none is given; trouble comes with code 1003, wrong properties with 1000."""
    assert (await api.ask("POST", "/metadata/sources/connection/mqtt", {"server": "tcp://a:1"})).status == 200
    assert ("ping source", "mqtt") in api.host.calls
    api.host.unreachable = True
    reply = await api.ask("POST", "/metadata/sinks/connection/mqtt", {"server": "tcp://a:1", "topic": "x"})
    assert (reply.status, reply.json["error"]) == (400, 1003)
    assert (await api.ask("POST", "/metadata/sinks/connection/mqtt", "[1]")).status == 400
    api.host.refusal = "missing server property"
    reply = await api.ask("POST", "/metadata/sinks/connection/mqtt", {"topic": "x"})
    assert reply.json == {"error": 1000, "message": "missing server property"}


async def test_configurations_are_grouped_by_type_in_documents(api: Api) -> None:
    """Export and import agree."""
    await api.ask("PUT", "/metadata/sources/mqtt/confKeys/a", {"server": "tcp://a:1", "password": "p"})
    document = await api.ask("GET", "/data/export")
    assert document.json["sourceConfig"] == {"mqtt": '{"a":{"server": "tcp://a:1", "password": "p"}}'}
    await api.ask("DELETE", "/metadata/sources/mqtt/confKeys/a")
    assert (await api.ask("POST", "/data/import", {"content": document.text})).status == 200
    assert (await _yaml(api, "sources", "mqtt"))["a"] == {"server": "tcp://a:1", "password": "p"}
