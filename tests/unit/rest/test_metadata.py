"""What there is to build with."""

from __future__ import annotations

from typing import Any

import pytest

from plutino.app import components
from unit.rest.kit import Api

REGISTRY = components()


async def names(api: Api, path: str) -> list[str]:
    """Names in a list of components."""
    return [entry["name"] for entry in (await api.ask("GET", path)).json]


async def test_lists_follow_the_registry(api: Api) -> None:
    """Every connector is listed in each of its roles, in order of names."""
    known = REGISTRY.connectors
    assert await names(api, "/metadata/sources") == sorted(n for n, s in known.items() if s.source)
    assert await names(api, "/metadata/sinks") == sorted(n for n, s in known.items() if s.sink)
    assert await names(api, "/metadata/sources?kind=lookup") == sorted(n for n, s in known.items() if s.lookup)
    assert await names(api, "/metadata/connections") == sorted(n for n, s in known.items() if s.source or s.lookup or s.connection)


@pytest.mark.parametrize("word", ["sources", "sinks", "connections"])
async def test_everything_listed_is_described(api: Api, word: str) -> None:
    """Each description has the members that editors read."""
    for name in await names(api, f"/metadata/{word}"):
        shown = (await api.ask("GET", f"/metadata/{word}/{name}")).json
        assert {"about", "libs", "properties", "node"} <= shown.keys()
        assert ("dataSource" in shown) == (word != "sinks")
        assert shown.get("type") == (None if word == "connections" else "internal")
        fields = shown["properties"] if word == "sinks" else shown["properties"]["default"]
        assert all({"name", "type", "default", "control", "label", "hint", "optional"} <= field.keys() for field in fields)


def by_name(fields: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Fields by their names."""
    return {field["name"]: field for field in fields}


async def test_fields_have_the_shipped_values(api: Api) -> None:
    """A form starts with what the ``default`` configuration says."""
    shown = (await api.ask("GET", "/metadata/sources/mqtt")).json
    fields = by_name(shown["properties"]["default"])
    assert fields["server"]["default"] == "tcp://127.0.0.1:1883"
    assert fields["qos"] | {"type": "int", "default": 1} == fields["qos"]
    assert shown["dataSource"]["default"] == "topic1"


async def test_connections_show_what_belongs_to_the_connection(api: Api) -> None:
    """Options of the source alone are left out."""
    whole = by_name((await api.ask("GET", "/metadata/sources/mqtt")).json["properties"]["default"])
    fields = by_name((await api.ask("GET", "/metadata/connections/mqtt")).json["properties"]["default"])
    assert "server" in fields
    assert all(field["connection_related"] for field in fields.values())
    assert len(fields) < len(whole)


async def test_tables_of_lookups_are_described_as_sources(api: Api) -> None:
    """A connector that only answers lookups has a form too."""
    fields = by_name((await api.ask("GET", "/metadata/sources/redis")).json["properties"]["default"])
    assert fields["dataType"]["default"] == "string"


@pytest.mark.parametrize(("word", "code"), [("sources", 5000), ("sinks", 5000), ("connections", 1000)])
async def test_unknown_types(api: Api, word: str, code: int) -> None:
    """The text comes in the language that was asked for, else in English."""
    reply = await api.ask("GET", f"/metadata/{word}/nosuch")
    assert (reply.status, reply.json) == (400, {"error": code, "message": "This plugin was not found:nosuch"})
    chinese = await api.ask("GET", f"/metadata/{word}/nosuch", headers={"Content-Language": "zh-CN"})
    assert chinese.json["message"].startswith("没有找到这个插件")
    other = await api.ask("GET", f"/metadata/{word}/nosuch", headers={"Content-Language": "fr_FR"})
    assert other.json == reply.json


async def test_functions_follow_the_registry(api: Api) -> None:
    """All functions under all their names, with their arguments."""
    (internal,) = (await api.ask("GET", "/metadata/functions")).json
    shown = by_name(internal["functions"])
    assert sorted(shown) == sorted(REGISTRY.functions)
    assert shown["avg"]["aggregate"] is True
    assert "aggregate" not in shown["abs"]
    assert [arg["optional"] for arg in shown["array_join"]["args"]] == [False, False, True]


async def test_functions_of_stored_objects_are_shown_by_their_owners(api: Api) -> None:
    """A script's function stands under the script."""
    body = {"id": "twice", "description": "", "script": "function twice(x) { return x * 2 }", "isAgg": False}
    assert (await api.ask("POST", "/udf/javascript", body)).status == 201
    _, own = (await api.ask("GET", "/metadata/functions")).json
    assert own["name"] == "twice"
    assert [function["name"] for function in own["functions"]] == ["twice"]


async def test_operators(api: Api) -> None:
    """There are none to draw with."""
    assert (await api.ask("GET", "/metadata/operators")).json == []
