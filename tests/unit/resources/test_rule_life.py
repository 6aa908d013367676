"""Rules through their endpoints: life, versions, tags, and what the engine is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plutino.model import Definition, Ref
from unit.rest.kit import Api


async def _describe(api: Api, id: str = "r") -> Any:
    return (await api.ask("GET", f"/rules/{id}")).json


async def test_document_is_kept_as_written_until_the_rule_is_started_or_stopped(api: Api) -> None:
    """Then its keys are sorted and say whether it is started."""
    await api.stream()
    text = '{"sql":"SELECT a FROM demo",  "id":"r","actions":[{"nop":{}}]}'
    await api.ask("POST", "/rules", text)
    assert (await api.ask("GET", "/rules/r")).text == text
    await api.ask("POST", "/rules/r/stop")
    assert (await api.ask("GET", "/rules/r")).text == '{"actions":[{"nop":{}}],"id":"r","sql":"SELECT a FROM demo","triggered":false}'


async def test_a_change_of_tags_or_name_leaves_the_rule_alone(api: Api) -> None:
    """Nothing is deployed, nothing restarts, a stopped rule stays stopped."""
    await api.stream()
    await api.rule(version="5", tags=["a"])
    api.host.calls.clear()
    assert (await api.ask("PATCH", "/rules/r/tags", {"tags": ["b", "a", "b"]})).status == 200
    assert (await _describe(api))["tags"] == ["a", "b"]
    assert "triggered" not in await _describe(api)
    assert ("deploy", "r") not in api.host.calls
    await api.ask("POST", "/rules/r/stop")
    await api.ask("PUT", "/rules/r/tags", {"tags": ["c"]})
    assert await _describe(api) == {**await _describe(api), "tags": ["c"], "triggered": False, "version": "5"}
    assert api.host.state("r") == "stopped"


async def test_an_update_goes_to_the_engine_and_starts_the_rule_again(api: Api) -> None:
    """Unless the document says otherwise."""
    await api.stream()
    await api.rule()
    await api.ask("POST", "/rules/r/stop")
    body = {"id": "r", "sql": "SELECT b FROM demo", "actions": [{"nop": {}}]}
    assert (await api.ask("PUT", "/rules/r", body)).text == "Rule r was updated successfully."
    assert api.host.state("r") == "running"
    await api.ask("PUT", "/rules/r", {**body, "triggered": False})
    assert api.host.state("r") == "stopped"


async def test_putting_the_same_document_again_starts_a_stopped_rule(api: Api) -> None:
    """And does not disturb a running one."""
    await api.stream()
    body = {"id": "r", "sql": "SELECT a FROM demo", "actions": [{"nop": {}}]}
    await api.ask("POST", "/rules", body)
    api.host.calls.clear()
    await api.ask("PUT", "/rules/r", body)
    assert ("deploy", "r") not in api.host.calls
    await api.ask("POST", "/rules/r/stop")
    await api.ask("PUT", "/rules/r", body)
    assert api.host.state("r") == "running"


async def test_replaced_streams_reach_their_rules_and_stopped_rules_stay_stopped(api: Api) -> None:
    """The rule is checked and deployed again with what it was."""
    await api.stream()
    await api.rule("on")
    await api.rule("off")
    await api.ask("POST", "/rules/off/stop")
    sql = 'CREATE STREAM demo (a FLOAT, c STRING) WITH (DATASOURCE="topic/new", TYPE="memory", FORMAT="json")'
    await api.ask("PUT", "/streams/demo", {"sql": sql})
    assert api.host.deployed["on"].feeds[0].datasource == "topic/new"
    assert api.host.deployed["off"].feeds[0].datasource == "topic/new"
    assert (api.host.state("on"), api.host.state("off")) == ("running", "stopped")


async def test_a_rule_runs_on_when_its_stream_does_not_suit_it_any_more(api: Api) -> None:
    """The replacement goes through; starting the rule again tells what is wrong."""
    await api.stream()
    await api.rule(sql="SELECT a FROM demo")
    sql = 'CREATE STREAM demo (z FLOAT) WITH (DATASOURCE="topic/new", TYPE="memory", FORMAT="json")'
    assert (await api.ask("PUT", "/streams/demo", {"sql": sql})).status == 200
    assert api.host.state("r") == "running"
    refused = await api.ask("POST", "/rules/r/start")
    assert refused.status == 400
    assert refused.json["message"].startswith("start rule error: ")


async def test_starting_a_running_rule_does_not_disturb_it_but_restarting_does(api: Api) -> None:
    """Start asks for a state, restart for an act."""
    await api.stream()
    await api.rule()
    api.host.calls.clear()
    assert (await api.ask("POST", "/rules/r/start")).text == "Rule r was started"
    assert ("deploy", "r") not in api.host.calls
    assert (await api.ask("POST", "/rules/r/restart")).text == "Rule r was restarted"
    assert ("restart", "r") in api.host.calls


async def test_starting_many_rules_opens_feeds_once_at_the_end(api: Api) -> None:
    """So that each of them sees what the first one sees."""
    await api.stream()
    for id in ("a", "b"):
        await api.rule(id, triggered=False, tags=["x"])
    api.host.calls.clear()
    reply = await api.ask("POST", "/rules/bulkstart", {"tags": ["x"]})
    assert reply.json == [{"ruleId": "a", "success": True}, {"ruleId": "b", "success": True}]
    assert api.host.calls[0] == ("begin", "")
    assert api.host.calls[-1] == ("finish", "")


async def test_failures_of_bulk_calls_are_told_one_by_one(api: Api) -> None:
    """The others are started."""
    await api.stream()
    await api.rule("good", triggered=False)
    await api.rule("bad", triggered=False)
    await api.stream("gone")
    await api.rule("bad2", "SELECT a FROM gone", triggered=False)
    await api.ask("DELETE", "/streams/gone?force=true")
    reply = await api.ask("POST", "/rules/bulkstart", {"tags": []})
    assert [row["success"] for row in reply.json] == [True, False, True]
    assert "gone" in reply.json[1]["error"]


async def test_temporary_rules_are_listed_but_not_described(api: Api) -> None:
    """Only they may read temporary streams, and deleting one is a success."""
    await api.stream("tmp", options=', TEMP="true"')
    refused = await api.rule("r", "SELECT a FROM tmp")
    assert refused.json == {"error": 1000, "message": "temp stream tmp can only be used by temp rules"}
    assert (await api.rule("t", "SELECT a FROM tmp", temp=True)).status == 201
    assert [row["id"] for row in (await api.ask("GET", "/rules")).json] == ["t"]
    assert (await api.ask("GET", "/rules/t")).status == 404
    assert json.loads((await api.ask("GET", "/data/export")).text)["rules"] == {}
    assert (await api.ask("DELETE", "/rules/t")).text == "Rule t is dropped."


@pytest.mark.parametrize(
    ("old", "new", "allowed"), [("", "", True), ("", "1", True), ("5", "50", True), ("5", "5", False), ("5", "49", False), ("5", "", False)]
)
async def test_versions_are_compared_as_text(api: Api, old: str, new: str, allowed: bool) -> None:
    """Greater wins, equal is refused, both empty is no version."""
    await api.stream()
    await api.rule(**({"version": old} if old else {}))
    body = {"id": "r", "sql": "SELECT b FROM demo", "actions": [{"nop": {}}], **({"version": new} if new else {})}
    reply = await api.ask("PUT", "/rules/r", body)
    assert (reply.status == 200) is allowed
    if not allowed:
        assert reply.json["message"] == f"Update rule error: rule r already exists with version ({old}), new version ({new}) is lower"


async def test_a_rule_that_does_not_check_shows_at_start_up_and_can_be_started_later(api: Api) -> None:
    """Its stream was dropped by force; when it is there again, the rule starts."""
    await api.stream()
    await api.rule()
    await api.ask("DELETE", "/streams/demo?force=true")
    assert (await api.ask("POST", "/rules/r/start")).json["message"] == (
        "start rule error: fail to get stream demo, please check if stream is created"
    )
    await api.stream()
    assert (await api.ask("POST", "/rules/r/start")).status == 200
    assert api.host.state("r") == "running"


async def test_a_rule_that_cannot_be_restarted_stands_still(api: Api) -> None:
    """Its state says why; when what it misses is there again, it runs."""
    await api.stream()
    await api.rule()
    await api.ask("DELETE", "/streams/demo?force=true")
    missing = "fail to get stream demo, please check if stream is created"
    assert (await api.ask("POST", "/rules/r/restart")).json["message"] == f"restart rule error: {missing}"
    assert (api.host.state("r"), api.host.messages["r"]) == ("stopped by error", missing)
    await api.stream()
    assert api.host.state("r") == "running"


async def test_schema_lists_aliased_columns_first(api: Api) -> None:
    """Of rules that run."""
    await api.stream()
    await api.rule(sql="SELECT a, b AS c, a + 1 AS d FROM demo")
    assert (await api.ask("GET", "/rules/r/schema")).json == {
        "c": {"hasIndex": True, "index": 0},
        "d": {"hasIndex": True, "index": 1},
        "a": {"hasIndex": True, "index": 2},
    }
    await api.ask("POST", "/rules/r/stop")
    assert (await api.ask("GET", "/rules/r/schema")).json["error"] == 1001


@pytest.mark.parametrize(
    ("columns", "sql", "names"),
    [
        ("a bigint, b string", "SELECT *, a + 1 AS z, b AS c FROM demo", ["c", "z"]),
        ("a bigint, b string", "SELECT * FROM demo", []),
        ("", "SELECT a, b AS c, * FROM demo", ["a", "c"]),
    ],
)
async def test_schema_has_no_columns_of_a_wildcard(api: Api, columns: str, sql: str, names: list[str]) -> None:
    """Aliases are sorted where all columns are declared."""
    await api.stream(columns=columns)
    await api.rule(sql=sql)
    assert list((await api.ask("GET", "/rules/r/schema")).json) == names


async def test_a_rule_that_stands_still_has_no_scan_tables_and_no_offsets(api: Api) -> None:
    """The text says that it is not running; a type of state that is not known comes first, whatever the rule."""
    await api.stream()
    await api.rule(triggered=False)
    tables = await api.ask("GET", "/rules/r/scantables")
    expected = "failed to get topology for rule r: topology not initialized, rule may not have been started"
    assert tables.json == {"error": 1000, "message": expected}
    for rule, type, message in (
        ("r", 1, "rule r should be running when modify state"),
        ("r", 5, "unknown stateType:5"),
        ("none", 5, "unknown stateType:5"),
        ("none", 1, "Rule none is not found in registry"),
    ):
        assert (await api.ask("PUT", f"/rules/{rule}/reset_state", {"type": type})).json["message"] == message


async def test_explain_shows_plan_and_on_request_code(api: Api) -> None:
    """The wire's text without, more with ``code``."""
    await api.stream()
    await api.rule(sql="SELECT a FROM demo WHERE a > 1")
    plain = (await api.ask("GET", "/rules/r/explain")).text
    assert plain.startswith('{"op":"ProjectPlan_0"')
    assert "def " in (await api.ask("GET", "/rules/r/explain?code=true")).text


async def test_secrets_of_actions_are_known(api: Api) -> None:
    """Paths inside the document, for masking."""
    await api.stream()
    spec = api.controller.specs["rule"]
    action = {"mqtt": {"server": "tcp://a:1", "topic": "t", "password": "p"}}
    definition = spec.parse(Ref("rule", "r"), json.dumps({"sql": "SELECT a FROM demo", "actions": [action]}))
    assert isinstance(definition, Definition)
    assert list(spec.secrets(definition, api.controller.environment)) == [("actions", "0", "mqtt", "password")]


async def test_validation_creates_nothing_and_answers_in_text(api: Api) -> None:
    """Status 422 with the bare reason."""
    await api.stream()
    body = {"id": "v", "sql": "SELECT nothere FROM demo", "actions": [{"nosuch": {}}]}
    refused = await api.ask("POST", "/rules/validate", body)
    assert refused.status == 422
    assert refused.headers["content-type"].startswith("text/plain")
    shown = await api.ask("POST", "/rules/validate?explain=1", {**body, "sql": "SELECT a FORM demo"}, {"Accept": "application/json"})
    assert shown.status == 422
    assert "did you mean FROM?" in shown.json["explanation"]
    good = await api.ask("POST", "/rules/validate", {**body, "sql": "SELECT a FROM demo"})
    assert good.json == {"sources": ["demo"], "valid": True}
    assert (await api.ask("GET", "/rules")).json == []
