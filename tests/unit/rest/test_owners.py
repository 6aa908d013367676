"""Imports on somebody's behalf: what was his is deleted when it is not in his document any more, and nothing else ever is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unit.rest.kit import Api, open_api

JSON = {"accept": "application/json"}


def document(*rules: str, streams: tuple[str, ...] = ("s",)) -> dict[str, dict[str, str]]:
    made = {name: json.dumps({"id": name, "sql": "SELECT a FROM s", "actions": [{"nop": {}}]}) for name in rules}
    return {"streams": {name: f'CREATE STREAM {name} (a BIGINT) WITH (DATASOURCE="t", TYPE="memory")' for name in streams}, "rules": made}


async def apply(api: Api, content: Any, owner: str, query: str = "&prune=1") -> Any:
    path = f"/data/import?partial=1&owner={owner}{query}"
    return await api.ask("POST", path, {"content": json.dumps(content)}, JSON)


async def rules(api: Api) -> list[str]:
    return sorted((await api.ask("GET", "/data/export")).json["rules"])


async def test_only_what_is_owned_is_pruned(api: Api) -> None:
    """Objects of others and of nobody stay, whatever the document leaves out."""
    assert (await apply(api, document("a1", "a2"), "team-a")).status == 200
    await api.rule("mine", sql="SELECT a FROM s")
    assert (await apply(api, {"rules": document("b1")["rules"]}, "team-b")).status == 200
    assert (await apply(api, document("a1"), "team-a")).status == 200
    assert await rules(api) == ["a1", "b1", "mine"]
    owners = (await api.ask("GET", "/data/owners")).json
    assert owners == {"team-a": ["rules.a1", "streams.s"], "team-b": ["rules.b1"]}


async def test_a_dry_run_shows_what_would_be_pruned(api: Api) -> None:
    """And changes nothing, not even owners."""
    await apply(api, document("a1", "a2"), "team-a")
    dry = (await apply(api, document("a1"), "team-a", "&prune=1&dryRun=1")).json
    assert [change["name"] for change in dry["changes"] if change["action"] == "deleted"] == ["a2"]
    assert await rules(api) == ["a1", "a2"]
    dry = (await apply(api, document("a3"), "team-b", "&takeOver=1&dryRun=1")).json
    assert dry["claimed"] == ["streams.s"]
    assert "team-b" not in (await api.ask("GET", "/data/owners")).json


async def test_without_prune_nothing_is_deleted(api: Api) -> None:
    """The owner keeps what the document leaves out."""
    await apply(api, document("a1", "a2"), "team-a")
    await apply(api, document("a1"), "team-a", "")
    assert await rules(api) == ["a1", "a2"]


async def test_an_empty_document_deletes_nothing_unless_that_is_meant(api: Api) -> None:
    """A folder that is empty by mistake is refused; so is one with entries that cannot be read."""
    await apply(api, document("a1"), "team-a")
    refused = await apply(api, {}, "team-a")
    assert (refused.status, "allowEmpty=1" in refused.text) == (400, True)
    assert (await apply(api, {"rules": {"x": "no json"}}, "team-a")).status == 400
    assert await rules(api) == ["a1"]
    assert (await apply(api, {}, "team-a", "&prune=1&allowEmpty=1")).status == 200
    assert await rules(api) == []
    assert (await api.ask("GET", "/data/owners")).json == {}
    assert (await apply(api, {}, "team-a")).status == 200  # nothing to lose


async def test_objects_of_others_are_refused_and_may_be_taken_over(api: Api) -> None:
    """All or nothing; what was nobody's is claimed, and says so."""
    await apply(api, document("a1"), "team-a")
    await api.rule("free", sql="SELECT a FROM s")
    refused = (await apply(api, document("a1", "free"), "team-b")).json
    assert {fault["path"] for fault in refused["faults"]} == {"rules.a1", "streams.s"}
    assert "belongs to team-a, not to team-b" in refused["faults"][0]["text"]
    taken = (await apply(api, document("a1", "free"), "team-b", "&takeOver=1")).json
    assert sorted(taken["claimed"]) == ["rules.a1", "rules.free", "streams.s"]
    assert (await api.ask("GET", "/data/owners")).json == {"team-b": ["rules.a1", "rules.free", "streams.s"]}
    assert (await apply(api, {"rules": document("other")["rules"]}, "team-a")).status == 200
    assert await rules(api) == ["a1", "free", "other"]


async def test_what_is_made_anew_by_somebody_else_is_not_owned(api: Api) -> None:
    """Ownership ends with the object, not with its name; an edit by hand leaves it."""
    await apply(api, document("a1", "a2"), "team-a")
    await api.ask("DELETE", "/rules/a1")
    await api.rule("a1", sql="SELECT a FROM s")
    changed = {"id": "a2", "sql": "SELECT a, a AS b FROM s", "actions": [{"nop": {}}]}
    assert (await api.ask("PUT", "/rules/a2", changed)).status == 200
    assert (await api.ask("GET", "/data/owners")).json == {"team-a": ["rules.a2", "streams.s"]}
    await apply(api, document(), "team-a")
    assert await rules(api) == ["a1"]


async def test_nothing_is_pruned_that_others_still_use(api: Api) -> None:
    """A stream that a rule of nobody reads cannot go."""
    await apply(api, document("a1", streams=("s", "t")), "team-a")
    await api.rule("mine", sql="SELECT a FROM t")
    refused = (await apply(api, document("a1"), "team-a")).json
    assert [fault["path"] for fault in refused["faults"]] == ["rules.mine"]
    assert "t" in (await api.ask("GET", "/data/export")).json["streams"]


async def test_owners_survive_a_restart(tmp_path: Path) -> None:
    """They are stored with the objects."""
    async with open_api(tmp_path) as api:
        await apply(api, document("a1", "a2"), "team-a")
    async with open_api(tmp_path) as api:
        await apply(api, document("a1"), "team-a")
        assert await rules(api) == ["a1"]


async def test_what_makes_no_sense_is_refused(api: Api) -> None:
    """Prune without an owner, an owner of a full import, names that are none."""
    empty = {"content": "{}"}
    assert "name the owner" in (await api.ask("POST", "/data/import?partial=1&prune=1", empty)).text
    assert "not with a full import" in (await api.ask("POST", "/data/import?owner=a", empty)).text
    assert "letters, digits" in (await api.ask("POST", "/data/import?partial=1&owner=a%20b", empty)).text
