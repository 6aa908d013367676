"""Where the properties of sources and sinks come from."""

from __future__ import annotations

from typing import Any

import pytest

from plutino.errors import ProvisionError
from plutino.spi import FeedRequest, SinkRequest
from unit.rest.kit import Api

MQTT = 'CREATE STREAM demo () WITH (TYPE="mqtt", DATASOURCE="t/1", FORMAT="JSON"'


async def _config(api: Api, connector: str, key: str, properties: dict[str, Any], role: str = "sources") -> None:
    assert (await api.ask("PUT", f"/metadata/{role}/{connector}/confKeys/{key}", properties)).status == 200


async def _feed(api: Api, sql: str, rule: str = "r") -> FeedRequest:
    assert (await api.ask("PUT", "/streams/demo", {"sql": sql})).status == 200
    reply = await api.ask("PUT", f"/rules/{rule}", {"id": rule, "sql": "SELECT * FROM demo", "actions": [{"nop": {}}]})
    assert reply.status == 200, reply.text
    return api.host.deployed[rule].feeds[0]


async def _sink(api: Api, action: dict[str, Any]) -> SinkRequest:
    await api.ask("PUT", "/streams/src", {"sql": 'CREATE STREAM src () WITH (TYPE="memory", DATASOURCE="x")'})
    reply = await api.ask("PUT", "/rules/s", {"id": "s", "sql": "SELECT * FROM src", "actions": [action]})
    if reply.status != 200:
        raise ProvisionError(reply.json["message"].removeprefix("Update rule error: "), code=reply.json["error"])
    return api.host.deployed["s"].sinks[0]


async def test_layers_of_a_source_later_ones_win(api: Api) -> None:
    """Shipped default, stored default, configuration key, EXTRA, stream options."""
    await _config(api, "mqtt", "default", {"qos": 2, "username": "default", "password": "default"})
    await _config(api, "mqtt", "plant", {"server": "tcp://plant:1883", "USERNAME": "plant"})
    feed = await _feed(api, MQTT + ', CONF_KEY="plant", EXTRA="{\\"password\\":\\"extra\\",\\"datasource\\":\\"no\\"}")')
    got = {name.lower(): value for name, value in feed.properties.items()}
    assert (got["server"], got["qos"], got["username"], got["password"]) == ("tcp://plant:1883", 2, "plant", "extra")
    assert got["datasource"] == "t/1"
    assert got["format"] == "json"
    assert got["protocolversion"] == "3.1.1"
    assert len(got) == len(feed.properties)


async def test_configuration_key_is_looked_for_in_lower_case_first(api: Api) -> None:
    """Then as written; a missing one is no error."""
    await _config(api, "mqtt", "PLANT", {"username": "upper"})
    assert (await _feed(api, MQTT + ', CONF_KEY="PLANT")')).properties["username"] == "upper"
    await _config(api, "mqtt", "plant", {"username": "lower"})
    assert (await _feed(api, MQTT + ', CONF_KEY="PLANT")')).properties["username"] == "lower"
    assert "username" not in (await _feed(api, MQTT + ', CONF_KEY="nosuch")')).properties


async def test_connection_of_a_source_wins_over_its_configuration(api: Api) -> None:
    """EXTRA wins over both; the feed names the connection."""
    await api.ask("POST", "/connections", {"id": "c1", "typ": "mqtt", "props": {"server": "tcp://c:1883", "username": "c"}})
    await _config(api, "mqtt", "k", {"connectionSelector": "c1", "server": "tcp://k:1883", "username": "k"})
    feed = await _feed(api, MQTT + ', CONF_KEY="k", EXTRA="{\\"username\\":\\"e\\"}")')
    assert (feed.properties["server"], feed.properties["username"], feed.connection) == ("tcp://c:1883", "e", "c1")


async def test_change_of_a_configuration_reaches_the_rules_that_read_it(api: Api) -> None:
    """As it does for a stream; other rules are left alone."""
    await _config(api, "mqtt", "k", {"username": "one"})
    await _feed(api, MQTT + ', CONF_KEY="k")')
    await api.stream("other")
    await api.rule("untouched", "SELECT a FROM other")
    api.host.calls.clear()
    await _config(api, "mqtt", "k", {"username": "two"})
    assert api.host.deployed["r"].feeds[0].properties["username"] == "two"
    await api.ask("DELETE", "/metadata/sources/mqtt/confKeys/k")
    assert "username" not in api.host.deployed["r"].feeds[0].properties
    assert ("deploy", "untouched") not in api.host.calls


async def test_a_source_that_cannot_work_is_refused_with_its_own_text(api: Api) -> None:
    """When a rule uses the stream, not before."""
    await api.ask("PUT", "/streams/demo", {"sql": 'CREATE STREAM demo () WITH (TYPE="mqtt", EXTRA="{\\"qos\\":\\"x\\"}")'})
    reply = await api.rule("r", "SELECT * FROM demo")
    assert reply.json["error"] == 2201
    assert "'qos'" in reply.json["message"]
    await api.ask("PUT", "/streams/odd", {"sql": 'CREATE STREAM odd () WITH (TYPE="nosuch")'})
    assert (await api.rule("r", "SELECT * FROM odd")).json == {"error": 2201, "message": "source type nosuch not found"}


async def test_tables_and_flags_reach_the_engine(api: Api) -> None:
    """Rows that a scan table keeps depend on its type, unless it says so itself."""
    feed = await _feed(api, MQTT + ', SHARED="true", STRICT_VALIDATION="true", TIMESTAMP="ts", TIMESTAMP_FORMAT="YYYY")')
    assert (feed.shared, feed.strict, feed.timestamp, feed.timestamp_format, feed.is_table) == (True, True, "ts", "YYYY", False)


async def test_sink_configuration_lies_below_the_action_and_the_connection_above(api: Api) -> None:
    """An action's resourceId names the configuration, its own properties win."""
    await _config(api, "mqtt", "k", {"server": "tcp://k:1883", "qos": 1, "topic": "k"}, "sinks")
    await api.ask("POST", "/connections", {"id": "c1", "typ": "mqtt", "props": {"username": "c"}})
    sink = await _sink(api, {"mqtt": {"resourceId": "k", "topic": "mine", "username": "mine", "connectionSelector": "c1"}})
    assert sink.name == "mqtt_0"
    assert sink.connection == "c1"
    got = (sink.properties["server"], sink.properties["qos"], sink.properties["topic"], sink.properties["username"])
    assert got == ("tcp://k:1883", 1, "mine", "c")


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({"nosuch": {}}, "sink nosuch is not defined"),
        ({"mqtt": {"connectionSelector": "nosuch", "topic": "x"}}, "missing server property"),
        ({"mqtt": {"connectionSelector": "nosuch", "topic": "x", "server": "tcp://a:1"}}, "connection nosuch not existed"),
        ({"mqtt": {"server": "tcp://127.0.0.1:1"}}, "mqtt sink is missing property topic"),
        ({"mqtt": {"resourceId": "nosuch"}}, "sink configuration mqtt.nosuch not found; create it or leave resourceId out"),
        ({"nop": None}, "expect map[string]interface{} type for the action properties, but found None"),
        ({"nop": {"log": "x"}}, "'log' expected type 'bool', got unconvertible type 'string', value: 'x'"),
        ({"nop": {"batchSize": -1}}, "fail to parse sink configuration: invalid batchSize -1"),
        ({"nop": {"fields": ["a"], "excludeFields": ["b"]}}, "field and excludeFields cannot both be set"),
        ({"nop": {"dataTemplate": "{{.a"}}, "template: sink:1: unclosed action"),
        ({"nop": {"format": "protobuf", "schemaId": "x.Y"}}, "schema type protobuf id x not found in registry"),
    ],
)
async def test_sinks_that_cannot_work(api: Api, action: dict[str, Any], message: str) -> None:
    """Whatever fails while a sink is built has code 2201."""
    with pytest.raises(ProvisionError) as caught:
        await _sink(api, action)
    assert caught.value.message == message
    assert caught.value.code == 2201


async def test_equal_actions_of_rules_are_one_request(api: Api) -> None:
    """Ten thousand rules with the same sink keep it once."""
    await api.stream()
    await api.rule("a", actions=[{"nop": {"log": False}}])
    await api.rule("b", actions=[{"nop": {"log": False}}])
    assert api.host.deployed["a"].sinks[0] is api.host.deployed["b"].sinks[0]
    assert api.host.deployed["a"].feeds[0] is api.host.deployed["b"].feeds[0]
