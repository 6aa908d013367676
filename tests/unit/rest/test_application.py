"""Requests and answers around the actions."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from plutino.errors import DocumentError, Fault, NotFoundError, PlutinoError
from plutino.rest.application import Application
from plutino.rest.guard import Guard
from plutino.rest.routes import Routes
from plutino.spi import Action, Answer, Call, Control
from unit.rest.kit import Api, MemoryLog, Reply, ask


def _app(handle: Any, log: MemoryLog | None = None, limit: int = 1000) -> Application:
    routes = Routes([Action("POST", "/x/{id}", handle, ""), Action("GET", "/x/{id}", handle, "")])
    return Application(routes, cast(Control, None), Guard("127.0.0.1"), log or MemoryLog(), limit)


async def _refusing(error: Exception, headers: dict[str, str] | None = None, log: MemoryLog | None = None) -> Reply:
    async def handle(call: Call) -> Answer:
        raise error

    return await ask(_app(handle, log), "GET", "/x/1", headers=headers)


async def test_a_call_holds_the_request() -> None:
    """Parameters, query, headers and body, free of the framework."""
    seen: list[Call] = []

    async def handle(call: Call) -> Answer:
        seen.append(call)
        return Answer("ok", 201, headers={"plutino-revision": "3"})

    reply = await ask(_app(handle), "POST", "/x/a b?q=1&q2=x%20y", "body", {"X-Thing": "t"})
    call = seen[0]
    assert (call.params["id"], call.query, call.headers["x-thing"], call.body) == ("a b", {"q": "1", "q2": "x y"}, "t", b"body")
    assert call.client == "127.0.0.1"
    assert (reply.status, reply.text, reply.headers["plutino-revision"]) == (201, "ok", "3")


async def test_errors_become_envelopes() -> None:
    """Code, message and status are those of the error."""
    reply = await _refusing(NotFoundError("Rule r is not found."))
    assert (reply.status, reply.json) == (404, {"error": 1002, "message": "Rule r is not found."})
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    reply = await _refusing(NotFoundError("Rule r is not found."), {"accept": "application/json"})
    assert reply.headers["content-type"] == "application/json"


async def test_envelopes_are_valid_json_whatever_the_message() -> None:
    """Control characters are escaped as JSON wants it."""
    reply = await _refusing(PlutinoError('a\x07 "b"\n\x7f'))
    assert json.loads(reply.text)["message"] == 'a\x07 "b"\n\x7f'


@pytest.mark.parametrize(("accept", "shown"), [("application/json", True), ("application/json, text/plain, */*", True), ("*/*", False)])
async def test_faults_are_for_clients_that_ask_for_json(accept: str, shown: bool) -> None:
    """Other clients get the two members that they know, and the number in a header."""
    reply = await _refusing(DocumentError("refused", (Fault("rules.r", "bad", 2, 3),)), {"accept": accept})
    assert ("faults" in reply.json) is shown
    assert reply.headers["plutino-faults"] == "1"
    if shown:
        assert reply.json["faults"] == [{"path": "rules.r", "line": 2, "column": 3, "text": "bad"}]


async def test_a_defect_is_logged_and_answered() -> None:
    """Its insides stay in the log."""
    log = MemoryLog()
    reply = await _refusing(RuntimeError("secret insides"), log=log)
    assert (reply.status, reply.json["error"]) == (500, 1000)
    assert "secret" not in reply.text
    assert log.events[0][0] == "request failed"


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_refused(declared: bool) -> None:
    """By its declared length, or when it turns out so."""

    async def handle(call: Call) -> Answer:
        return Answer("taken")

    headers = {"content-length": "5000"} if declared else {}
    reply = await ask(_app(handle, limit=1000), "POST", "/x/1", b"x" * (10 if declared else 5000), headers)
    assert reply.status == 413
    assert "more than 1000 bytes" in reply.json["message"]


async def test_pieces_are_sent_as_they_come_and_closed_in_the_end() -> None:
    """A generator as content."""
    closed: list[bool] = []

    async def pieces() -> AsyncGenerator[bytes, None]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    async def handle(call: Call) -> Answer:
        return Answer(pieces(), 200, "text/event-stream")

    reply = await ask(_app(handle), "GET", "/x/1")
    assert reply.text == "ab"
    assert closed == [True]


async def test_unknown_paths_methods_and_double_slashes(api: Api) -> None:
    """As the original answers them."""
    missing = await api.ask("GET", "/nosuch")
    assert (missing.status, missing.text) == (404, "404 page not found\n")
    refused = await api.ask("DELETE", "/rules")
    assert (refused.status, refused.text, refused.headers["allow"]) == (405, "", "GET, POST")
    moved = await api.ask("GET", "//streams?a=1")
    assert (moved.status, moved.headers["location"], moved.text) == (301, "/streams?a=1", "")


async def test_foreign_requests_are_refused_before_anything_is_done(api: Api) -> None:
    """Status 403 with an envelope."""
    reply = await api.ask("POST", "/streams", {"sql": 'CREATE STREAM x () WITH (DATASOURCE="x")'}, {"origin": "http://evil.example"})
    assert (reply.status, reply.json["error"]) == (403, 1000)
    assert (await api.ask("GET", "/streams")).json == []


async def test_preflight(api: Api) -> None:
    """A browser that asks before it calls."""
    headers = {"origin": "http://localhost:3000", "access-control-request-method": "PATCH"}
    reply = await api.ask("OPTIONS", "/rules/r/tags", headers=headers)
    assert reply.status == 200
    assert "PATCH" in reply.headers["access-control-allow-methods"]


async def test_root_tells_about_the_process(api: Api) -> None:
    """Memory is told as text."""
    about = (await api.ask("POST", "/")).json
    assert set(about) == {"version", "os", "arch", "upTimeSeconds", "cpuUsage", "memoryUsed", "memoryTotal"}
    assert about["cpuUsage"].endswith("%")
    assert int(about["memoryUsed"]) > 1_000_000
