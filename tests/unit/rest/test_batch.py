"""Several requests in one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from unit.rest.kit import Api


async def run(api: Api, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers to a batch."""
    reply = await api.ask("POST", "/batch/req", list(requests))
    assert reply.status == 200, reply.text
    found: list[dict[str, Any]] = reply.json
    return found


async def test_requests_of_a_batch_are_carried_out_in_order(api: Api) -> None:
    """A rule may use the stream that an earlier request of the batch creates."""
    sql = 'CREATE STREAM demo (a BIGINT) WITH (DATASOURCE="topic/demo", TYPE="memory", FORMAT="json")'
    rule = {"id": "r", "sql": "SELECT a FROM demo", "actions": [{"nop": {}}]}
    answers = await run(
        api,
        {"method": "POST", "path": "/streams", "body": json.dumps({"sql": sql})},
        {"method": "POST", "path": "/rules", "body": json.dumps(rule)},
        {"path": "/streams"},
    )
    assert [a["code"] for a in answers] == [201, 201, 200]
    assert answers[2]["response"] == '["demo"]'


async def test_a_failed_request_does_not_end_the_batch(api: Api) -> None:
    """What comes after it is carried out."""
    answers = await run(api, {"path": "/rules/none"}, {"method": "DELETE", "path": "/streams"}, {"path": "/nosuch"}, {"path": "/streams"})
    assert [a["code"] for a in answers] == [404, 405, 404, 200]
    assert json.loads(answers[0]["response"])["error"] == 1002
    assert "response" not in answers[1]


async def test_a_batch_may_hold_a_batch(api: Api) -> None:
    """The inner answers come as the text of the outer one."""
    answers = await run(api, {"method": "POST", "path": "/batch/req", "body": '[{"path":"/streams"}]'})
    assert answers == [{"code": 200, "response": '[{"code":200,"response":"[]"}]'}]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"method": "BAD METHOD", "path": "/streams"}, 'net/http: invalid method "BAD METHOD"'),
        ({"path": "/streams/%zz"}, 'parse "/streams/%zz": invalid URL escape "%zz"'),
        ({"path": "/str\neams"}, 'parse "/str\\neams": net/url: invalid control character in URL'),
        ({"path": ":x"}, 'parse ":x": missing protocol scheme'),
    ],
)
async def test_requests_that_no_client_could_send(api: Api, request_: dict[str, Any], error: str) -> None:
    """They have code 0 and an error, the others go on."""
    answers = await run(api, request_, {"path": "/ping"})
    assert answers == [{"code": 0, "error": error}, {"code": 200}]


@pytest.mark.parametrize(
    ("path", "location"), [("", "/"), ("streams", "/streams"), ("//nohost", "/"), ("/a/../streams", "/streams"), ("/streams#x", None)]
)
async def test_paths_are_read_as_addresses(api: Api, path: str, location: str | None) -> None:
    """Relative and odd paths are redirected, as when they are sent alone."""
    answers = await run(api, {"path": path})
    assert answers[0]["code"] == (301 if location else 200)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "unexpected EOF"),
        ('{"method":"GET"}', "json: cannot unmarshal object into Go value of type []*server.EachRequest"),
        ('[{"method":1}]', "json: cannot unmarshal number into Go struct field EachRequest.method of type string"),
        ("[null]", "request 0: null; an object with method, path and body is expected"),
    ],
)
async def test_bodies_that_are_no_batch(api: Api, body: str, message: str) -> None:
    """Nothing of such a batch is carried out."""
    reply = await api.ask("POST", "/batch/req", body)
    assert (reply.status, reply.json) == (400, {"error": 1000, "message": message})


async def test_query_and_headers_reach_the_inner_request(api: Api) -> None:
    """The caller's headers are those of every request in it."""
    await api.stream()
    refused = {"method": "POST", "path": "/streams", "body": json.dumps({"sql": "CREATE STRAM x"})}
    batch = [refused, {"path": "/streams?kind=scan"}]
    reply = await api.ask("POST", "/batch/req", batch, {"accept": "application/json"})
    assert "explanation" in json.loads(reply.json[0]["response"])
    assert reply.json[1]["code"] == 200


async def test_answers_without_end_are_refused(api: Api) -> None:
    """A batch would never be answered."""
    await api.stream()
    await api.rule()
    answers = await run(api, {"path": "/rules/r/tail"})
    assert answers[0]["code"] == 0
    assert "outside of a batch" in answers[0]["error"]
