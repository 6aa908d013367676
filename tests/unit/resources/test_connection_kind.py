"""Named connections."""

from __future__ import annotations

from typing import Any

import pytest

from unit.rest.kit import Api

PROPS = {"server": "tcp://a:1883"}


async def _create(api: Api, id: str = "c1", typ: str = "mqtt", props: dict[str, Any] | None = None) -> Any:
    return await api.ask("POST", "/connections", {"id": id, "typ": typ, "props": PROPS if props is None else props})


async def test_life_of_a_connection(api: Api) -> None:
    """Created, shown, replaced, deleted; the engine follows."""
    assert (await _create(api)).text == "success"
    shown = (await api.ask("GET", "/connections/c1")).json
    assert shown == {"id": "c1", "typ": "mqtt", "props": PROPS, "isNamed": True, "status": "connected"}
    await api.ask("PUT", "/connections/c1", {"typ": "mqtt", "props": {"server": "tcp://b:1"}})
    assert api.host.named["c1"]["props"] == {"server": "tcp://b:1"}
    assert (await api.ask("DELETE", "/connections/c1")).text == "success"
    assert api.host.named == {}
    assert (await api.ask("GET", "/connections")).json == []


async def test_unknown_types_are_refused_when_created(api: Api) -> None:
    """A connection that can never connect is no success."""
    reply = await _create(api, typ="nosuch")
    assert reply.json["message"].startswith("create connection failed: unknown connection type nosuch; one of ")
    assert (await api.ask("GET", "/connections")).json == []


async def test_ids_are_unique_across_types(api: Api) -> None:
    """As rules name connections by id alone."""
    await _create(api)
    reply = await api.ask("PUT", "/metadata/connections/memory/confKeys/c1", {})
    assert reply.json["message"] == "connection c1 already been created"


async def test_a_connection_in_use_stays(api: Api) -> None:
    """Neither deleted nor replaced; the text names its users."""
    await _create(api)
    await api.stream()
    await api.rule(actions=[{"mqtt": {"connectionSelector": "c1", "topic": "o/x"}}])
    deleted = await api.ask("DELETE", "/connections/c1")
    reason = "connection c1 can't be dropped due to rule references [r-mqtt_0-o/x-mqtt-sink]"
    assert deleted.json == {"error": 1000, "message": f"drop connection failed: {reason}"}
    replaced = await api.ask("PUT", "/connections/c1", {"typ": "mqtt", "props": {}})
    assert replaced.json["message"] == f"update connection failed: {reason}"


async def test_anonymous_connections_are_not_edited(api: Api) -> None:
    """They belong to a rule."""
    api.host.named["r-demo"] = {"id": "r-demo", "typ": "mqtt", "props": {}, "isNamed": False}
    reply = await api.ask("DELETE", "/connections/r-demo")
    assert reply.json["message"] == "drop connection failed: internal connection r-demo can't be edit"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "Invalid body: unexpected end of JSON input"),
        ('{"id":"x"} 1', "Invalid body: invalid character '1' after top-level value"),
        ("null", "id cannot be empty"),
        ('{"id":"x"}', "create connection failed: connection id and type should be defined"),
    ],
)
async def test_bodies(api: Api, body: str, message: str) -> None:
    """Exactly one JSON value."""
    assert (await api.ask("POST", "/connections", body)).json == {"error": 1000, "message": message}


async def test_missing_connections(api: Api) -> None:
    """Reading one is an error with status 400, as clients know it; so is changing or deleting one."""
    for method, prefix in (("GET", ""), ("PUT", "update connection failed: "), ("DELETE", "drop connection failed: ")):
        reply = await api.ask(method, "/connections/none", {"typ": "mqtt"})
        assert reply.json == {"error": 1000, "message": f"{prefix}connection none not existed"}


async def test_properties_for_types_without_a_connection_are_kept_for_their_users(api: Api) -> None:
    """They are shown and exported, nothing is opened."""
    await api.ask("PUT", "/metadata/connections/memory/confKeys/m1", {"x": 1})
    assert api.host.named == {}
    assert (await api.ask("GET", "/metadata/connections/yaml/memory")).json == {"m1": {"x": 1}}
    assert (await api.ask("GET", "/connections/m1")).json == {"id": "m1", "typ": "memory", "props": {"x": 1}, "isNamed": True}
    assert (await api.ask("DELETE", "/metadata/connections/memory/confKeys/m1")).status == 200


async def test_a_connection_can_become_one_of_another_type(api: Api) -> None:
    """Under the same id, with its new properties; a wrong type leaves it as it is."""
    await _create(api)
    assert (await api.ask("PUT", "/connections/c1", {"typ": "nosuch", "props": {}})).status == 400
    assert (await api.ask("GET", "/connections/c1")).json["typ"] == "mqtt"
    assert (await api.ask("PUT", "/connections/c1", {"typ": "sql", "props": {"dburl": "sqlite://"}})).text == "success"
    shown = (await api.ask("GET", "/connections/c1")).json
    assert (shown["typ"], shown["props"]) == ("sql", {"dburl": "sqlite://"})
    assert [c["id"] for c in (await api.ask("GET", "/connections")).json] == ["c1"]
