"""Lookup tables as stored objects: opened with their statement, closed when they go, kept while rules ask them."""

from __future__ import annotations

import json
from typing import Any

from plutino.spi import LookupRequest
from unit.rest.kit import Api

LOOK = 'CREATE TABLE look () WITH (DATASOURCE="tables/look", TYPE="memory", KIND="lookup", KEY="id")'
JOIN = "SELECT demo.a, look.name FROM demo INNER JOIN look ON demo.a = look.id"


async def _post(api: Api, sql: str) -> Any:
    return await api.ask("POST", "/tables", {"sql": sql})


def _request(api: Api) -> LookupRequest:
    return api.host.tables["look"]


async def test_a_table_is_opened_with_its_statement_and_closed_with_it(api: Api) -> None:
    """Properties as of a stream, its own options on top."""
    assert (await _post(api, LOOK)).text == "Table look is created."
    request = _request(api)
    assert (request.connector, request.datasource, request.properties["key"]) == ("memory", "tables/look", "id")
    assert (await api.ask("DELETE", "/tables/look")).text == "Table look is dropped."
    assert api.host.tables == {}


async def test_a_changed_configuration_opens_the_table_anew(api: Api) -> None:
    """And reaches the rules that ask it."""
    await api.stream()
    await api.ask("PUT", "/metadata/sources/simulator/confKeys/k", {"data": [{"id": 1}]})
    await _post(api, 'CREATE TABLE look () WITH (TYPE="simulator", KIND="lookup", CONF_KEY="k")')
    assert (await api.rule(sql=JOIN)).status == 201
    assert api.host.deployed["r"].tables == (_request(api),)
    assert [feed.stream for feed in api.host.deployed["r"].feeds] == ["demo"]
    await api.ask("PUT", "/metadata/sources/simulator/confKeys/k", {"data": [{"id": 2}], "lookup": {"cache": True, "cacheTtl": "5s"}})
    assert _request(api).properties["data"] == [{"id": 2}]
    assert api.host.deployed["r"].tables == (_request(api),)


async def test_a_table_that_becomes_a_scan_table_is_closed(api: Api) -> None:
    """It is a lookup table no more."""
    await _post(api, LOOK)
    replaced = await api.ask("PUT", "/tables/look", {"sql": 'CREATE TABLE look () WITH (DATASOURCE="x", TYPE="memory")'})
    assert replaced.status == 200
    assert api.host.tables == {}


async def test_a_table_that_does_not_open_is_not_created(api: Api) -> None:
    """A replacement leaves the old one; a document is taken all the same."""
    api.host.unreachable = True
    reason = "dial tcp tables/look: connect: connection refused"
    refused = await _post(api, LOOK)
    assert refused.json == {"error": 3000, "message": f"Table command error: Create table fails: {reason}."}
    assert (await api.ask("GET", "/tables")).json == []
    api.host.unreachable = False
    await _post(api, LOOK)
    api.host.unreachable = True
    refused = await api.ask("PUT", "/tables/look", {"sql": LOOK.replace("id", "other")})
    assert refused.json == {"error": 3000, "message": f"Table command error: Replace look fails: {reason}."}
    assert _request(api).properties["key"] == "id"
    document = {"tables": {"other": LOOK.replace(" look", " other")}}
    assert (await api.ask("POST", "/data/import?partial=1", {"content": json.dumps(document)})).status == 200
    assert set(api.host.tables) == {"look", "other"}


async def test_what_can_never_be_opened_is_refused_everywhere(api: Api) -> None:
    """By statement and by document, with the text of the original."""
    for options, reason in (
        ('TYPE="nosuch"', "lookup source type nosuch not found"),
        ('TYPE="file"', "lookup source type file not found"),
        ('TYPE="redis", DATASOURCE="77"', "redis lookup source db should be in range 0-15"),
        (
            'TYPE="simulator", EXTRA="{\\"lookup\\":{\\"cache\\":1}}"',
            "'lookup.cache' expected type 'bool', got unconvertible type 'int', value: '1'",
        ),
    ):
        sql = f'CREATE TABLE bad () WITH ({options}, KIND="lookup")'
        refused = await _post(api, sql)
        assert (refused.status, refused.json["message"]) == (400, f"Table command error: Create table fails: {reason}.")
        document = {"tables": {"bad": sql}}
        reply = await api.ask("POST", "/data/import?partial=1", {"content": json.dumps(document)})
        assert json.loads(reply.json["message"])["tables"] == {"bad": reason}
    assert (await api.ask("GET", "/tables")).json == []


async def test_a_table_in_use_cannot_be_dropped(api: Api) -> None:
    """Not by force, and not by statement."""
    await api.stream()
    await _post(api, LOOK)
    await api.rule(sql=JOIN)
    text = "lookup table look is still in use, stop all using rules before dropping it"
    assert (await api.ask("DELETE", "/tables/look")).json["message"] == "stream look has been referenced by other rules"
    assert (await api.ask("DELETE", "/tables/look?force=true")).json == {"error": 3000, "message": f"delete table error: {text}"}
    assert (await _post(api, "DROP TABLE look")).json == {"error": 3000, "message": f"Table command error: {text}"}
    await api.ask("POST", "/rules/r/stop")
    assert (await _post(api, "DROP TABLE look")).text == "Table look is dropped."


async def test_a_temporary_table_is_for_temporary_rules(api: Api) -> None:
    """As a temporary stream."""
    await api.stream()
    await _post(api, LOOK.replace('KEY="id"', 'KEY="id", TEMP="true"'))
    refused = await api.rule(sql=JOIN)
    assert "temp stream look can only be used by temp rules" in refused.json["message"]
    assert (await api.rule(sql=JOIN, temp=True)).status == 201
