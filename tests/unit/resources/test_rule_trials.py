"""Trial runs through their endpoints: what the engine gets, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from unit.rest.kit import Api


async def test_mocked_streams_are_read_from_their_data_and_others_as_they_are(api: Api) -> None:
    """Declared columns stay; errors are always sent; nothing is stored."""
    await api.stream()
    await api.stream("other")
    sql = "SELECT demo.a FROM demo INNER JOIN other ON demo.a = other.a GROUP BY TUMBLINGWINDOW(ss, 1)"
    mock = {"demo": {"data": [{"a": 1}], "interval": 100, "loop": False}}
    reply = await api.ask("POST", "/ruletest", {"id": "t", "sql": sql, "mockSource": mock, "sinkProps": {"sendSingle": True}})
    assert (reply.status, reply.json) == (200, {"id": "t", "port": 10081})
    trial = api.host.trials["t"]
    feeds = {feed.stream: feed for feed in trial.feeds}
    assert (feeds["demo"].connector, dict(feeds["demo"].properties)) == ("simulator", mock["demo"])
    assert feeds["demo"].schema.names == ("a", "b")
    assert feeds["other"].connector == "memory"
    assert trial.sinks[0].properties == {"sendSingle": True, "path": "/test/t"}
    assert trial.options.send_error
    assert not trial.triggered
    assert trial.rule.startswith("$$_")
    assert (await api.ask("GET", "/rules")).json == []


async def test_a_trial_without_id_gets_one(api: Api) -> None:
    """A new one each time."""
    await api.stream()
    ids = {(await api.ask("POST", "/ruletest", {"sql": "SELECT * FROM demo"})).json["id"] for _ in range(2)}
    assert len(ids) == 2


async def test_a_trial_starts_and_ends(api: Api) -> None:
    """One that is not there cannot start, but it can end."""
    await api.stream()
    await api.ask("POST", "/ruletest", {"id": "t", "sql": "SELECT * FROM demo"})
    assert (await api.ask("POST", "/ruletest/t/start")).text == "Test rule t was started"
    for _ in range(2):
        assert (await api.ask("DELETE", "/ruletest/t")).text == "Test rule t was stopped."
    reply = await api.ask("POST", "/ruletest/t/start")
    assert (reply.status, reply.json["error"]) == (400, 1000)
    assert reply.json["message"] == "start rule error: try to start test rule t but it is not found"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (
            {"id": "t", "sql": "SELECT nosuch(a) FROM demo"},
            "fail to run rule t: Parse SQL SELECT nosuch(a) FROM demo error: function nosuch",
        ),
        ({"id": "t", "sql": "SELECT * FROM none"}, "fail to run rule t: fail to get stream none, please check if stream is created"),
        ({"id": "t", "sql": "SELECT * FROM demo", "sinkProps": {"dataTemplate": "{{"}}, "fail to run rule t: template"),
        ({"id": "t", "sql": "SELECT * FROM demo", "mockSource": {"demo": {"data": 3}}}, "fail to run rule t: 'data'"),
        ({"id": "t", "sql": "SELECT * FROM demo", "mockSource": {"demo": 3}}, "fail to parse rule definition {"),
        ({"id": 3}, 'fail to parse rule definition {"id": 3}: json: cannot unmarshal number'),
    ],
)
async def test_what_cannot_run_is_refused_at_once(api: Api, document: dict[str, Any], text: str) -> None:
    """With the code of everything that is wrong about a request."""
    await api.stream()
    reply = await api.ask("POST", "/ruletest", document)
    assert (reply.status, reply.json["error"]) == (400, 1000)
    assert reply.json["message"].startswith(text)
    assert api.host.trials == {}


async def test_rules_cannot_write_to_the_events_of_trials(api: Api) -> None:
    """Paths below /test/ are theirs."""
    await api.stream()
    reply = await api.ask("POST", "/rules", {"id": "r", "sql": "SELECT a FROM demo", "actions": [{"sse": {"endpoint": "/test/t"}}]})
    assert reply.json["message"] == "sse endpoint /test/t: paths below /test/ belong to trial runs; choose another"
