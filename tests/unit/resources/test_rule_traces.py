"""Traces through their endpoints."""

from __future__ import annotations

import pytest

from unit.rest.kit import Api


async def test_a_rule_is_traced_until_it_is_told_otherwise(api: Api) -> None:
    """Any strategy but head means always; the list of rules shows it."""
    await api.stream()
    await api.rule()
    assert (await api.ask("POST", "/rules/r/trace/start", {"strategy": "head"})).data == b""
    assert api.host.strategies["r"] == "head"
    assert (await api.ask("GET", "/rules")).json[0]["trace"] is True
    await api.ask("POST", "/rules/r/trace/start", {"strategy": "sometimes"})
    assert api.host.strategies["r"] == "always"
    assert (await api.ask("POST", "/rules/r/trace/stop")).status == 200
    assert (await api.ask("GET", "/rules")).json[0]["trace"] is False


async def test_the_name_of_a_stopped_rule_is_in_the_refusal(api: Api) -> None:
    """The display name, which may be empty."""
    await api.stream()
    await api.rule(name="Pump", triggered=False)
    reply = await api.ask("POST", "/rules/r/trace/stop")
    assert (reply.status, reply.json["message"]) == (400, "rule Pump set trace failed due to rule didn't started")


async def test_traces_are_listed_newest_first_up_to_a_limit(api: Api) -> None:
    """And shown as they are."""
    for id in ("t1", "t2", "t3"):
        api.host.kept_traces[id] = {"traceID": id, "ruleID": "r"}
    assert (await api.ask("GET", "/trace/rule/r")).json == ["t3", "t2", "t1"]
    assert (await api.ask("GET", "/trace/rule/r?limit=2")).json == ["t3", "t2"]
    assert (await api.ask("GET", "/trace/rule/r?limit=x")).json == ["t3", "t2", "t1"]
    assert (await api.ask("GET", "/trace/t1")).json == {"traceID": "t1", "ruleID": "r"}
    assert (await api.ask("GET", "/trace/t4")).status == 404


@pytest.mark.parametrize(
    ("action", "call"), [("stop", ("keep traces", "")), ("", ("keep traces", "")), ("start", ("export traces", "x to 127.0.0.1:4318"))]
)
async def test_traces_are_sent_to_a_collector_on_request(api: Api, action: str, call: tuple[str, str]) -> None:
    """Any action but start means no more."""
    reply = await api.ask("POST", "/tracer", {"service_name": "x", "action": action, "collector_url": "127.0.0.1:4318"})
    assert (reply.status, reply.data, api.host.calls[-1]) == (200, b"success", call)
