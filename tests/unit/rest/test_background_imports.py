"""Imports in the background: their states, their progress, and how they are ended."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from plutino.control import SECTIONS, Progress
from unit.rest.kit import Api

STREAM = 'CREATE STREAM demo (a BIGINT) WITH (TYPE="memory", DATASOURCE="topic/demo")'
DONE = json.dumps({"ErrorMsg": "", "ConfigResponse": {section: {} for section in SECTIONS}}, separators=(",", ":"))
ASKED = {"accept": "application/json"}


async def start(api: Api, query: str = "?partial=1", **sections: Any) -> str:
    reply = await api.ask("POST", f"/async/data/import{query}", {"content": json.dumps(sections)})
    assert reply.status == 200
    id: str = reply.json["id"]
    return id


async def ended(api: Api, id: str, **headers: str) -> dict[str, Any]:
    """The task once it has ended: its events end with it."""
    await api.ask("GET", f"/async/task/{id}/events")
    task: dict[str, Any] = (await api.ask("GET", f"/async/task/{id}", headers=headers)).json
    return task


async def test_a_task_ends_with_the_answer_of_an_import(api: Api) -> None:
    """Exactly the five members that clients know; ids never repeat."""
    ids = [await start(api, streams={"demo": STREAM}) for _ in range(3)]
    assert len(set(ids)) == 3
    for id in ids:
        task = await ended(api, id)
        assert list(task) == ["id", "status", "message", "createdTimestamp", "updatedTimestamp"]
        assert (task["status"], task["message"]) == ("finish", DONE)
        assert abs(task["updatedTimestamp"] - task["createdTimestamp"]) <= 5
    assert (await api.ask("GET", "/streams")).json == ["demo"]
    listed = (await api.ask("GET", "/async/tasks")).json
    assert {task["id"] for task in listed} == set(ids)
    assert (await ended(api, ids[0], **ASKED))["revision"] == 1


async def test_a_dry_run_changes_nothing(api: Api) -> None:
    """What it found stands in the task."""
    task = await ended(api, await start(api, "?partial=1&dryRun=1", streams={"demo": STREAM}))
    assert task["status"] == "finish"
    assert (task["found"]["summary"]["created"], task["found"]["changes"][0]["name"]) == (1, "demo")
    assert (await api.ask("GET", "/streams")).json == []


async def test_the_status_tells_of_documents_that_cannot_be_had(api: Api) -> None:
    """In the background, and at once."""
    await ended(api, await start(api, streams={"demo": STREAM}))
    await ended(api, (await api.ask("POST", "/async/data/import", {"file": "file:///nowhere/x.json"})).json["id"])
    told = (await api.ask("GET", "/data/import/status", headers=ASKED)).json["import"]
    assert (told["outcome"], "nowhere" in told["message"]) == ("unreadable", True)
    await api.ask("POST", "/data/import", {"file": "file:///elsewhere/x.json"})
    assert "elsewhere" in (await api.ask("GET", "/data/import/status", headers=ASKED)).json["import"]["message"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "err:Invalid body: must specify content or file, response:null"),
        ({"content": "{}", "file": "x"}, "err:Invalid body: Cannot specify both content and file, response:null"),
    ],
)
async def test_faults_of_the_request_end_the_task(api: Api, body: Any, message: str) -> None:
    """Only a body that is no JSON is refused at once."""
    id = (await api.ask("POST", "/async/data/import", body)).json["id"]
    task = await ended(api, id)
    assert (task["status"], task["message"]) == ("error", message)
    refused = await api.ask("POST", "/async/data/import", "{")
    assert (refused.status, refused.json["message"]) == (400, "Invalid body: Error decoding json: unexpected EOF")


async def test_a_refused_document_ends_the_task_with_the_report(api: Api) -> None:
    """The twelve-key object in the message; nothing was changed; faults with places for those that ask."""
    id = await start(api, streams={"demo": STREAM, "x": "CREATE STREAM"})
    task = await ended(api, id, **ASKED)
    assert task["status"] == "error"
    assert task["message"].startswith('err:process error, response:{"ErrorMsg":"process error","ConfigResponse":{"streams":{"x":"found')
    assert [fault["path"] for fault in task["faults"]] == ["streams.x"]
    assert (await api.ask("GET", "/streams")).json == []
    unreadable = await api.ask("POST", "/async/data/import", {"content": "{"})
    message = (await ended(api, unreadable.json["id"]))["message"]
    assert message.startswith("err:configuration unmarshal with error unexpected end of JSON input, response:")
    assert '"streams":null' in message


async def test_unknown_tasks_and_formats(api: Api) -> None:
    """Each is refused with what is known."""
    for method, path in (("GET", ""), ("POST", "/cancel"), ("GET", "/events")):
        reply = await api.ask(method, f"/async/task/none{path}")
        assert (reply.status, reply.json) == (400, {"error": 1000, "message": "async task: none not found"})
    assert "one of v1, v2, ruleset" in (await api.ask("POST", "/async/data/import?format=v9", {"content": "{}"})).json["message"]


async def test_an_ended_task_cannot_be_cancelled(api: Api) -> None:
    """Its state stays, and the answer says what to do instead."""
    id = await start(api, streams={"demo": STREAM})
    await ended(api, id)
    reply = await api.ask("POST", f"/async/task/{id}/cancel")
    assert reply.status == 409
    assert "roll back" in reply.json["message"]
    assert (await ended(api, id))["status"] == "finish"


async def test_events_tell_each_step_until_the_end(api: Api) -> None:
    """A task that is held in the middle shows its phase; the stream ends with the task."""
    go_on = asyncio.Event()

    async def work(progress: Progress) -> str:
        from plutino.control.progress import Phase

        progress.enter(Phase.CHECK, 7)
        progress.step("rule r3")
        await go_on.wait()
        return "done"

    id = await api.controller.tasks.start(work)
    reading = asyncio.ensure_future(api.ask("GET", f"/async/task/{id}/events"))
    while (await api.ask("GET", f"/async/task/{id}", headers=ASKED)).json.get("progress") is None:
        await asyncio.sleep(0)
    shown = (await api.ask("GET", f"/async/task/{id}", headers=ASKED)).json
    assert shown["progress"] == {"phase": "check", "number": 4, "of": 6, "done": 1, "total": 7, "object": "rule r3"}
    go_on.set()
    events = [line.removeprefix("data: ") for line in (await reading).text.split("\n") if line.startswith("data: {")]
    states = [json.loads(event).get("status") for event in events]
    assert states[-2:] == ["finish", None]
    assert (await api.ask("GET", f"/async/task/{id}")).json["message"] == "done"


async def test_cancel_waits_until_everything_is_undone(api: Api) -> None:
    """`cancel success` means that the task is cancelled and the state is as before."""
    entered = asyncio.Event()

    async def work(progress: Progress) -> str:
        entered.set()
        await progress.interruptible(asyncio.get_running_loop().create_future())
        return "never"

    id = await api.controller.tasks.start(work)
    await entered.wait()
    reply = await api.ask("POST", f"/async/task/{id}/cancel")
    assert (reply.status, reply.text) == (200, "cancel success")
    task = await ended(api, id)
    assert (task["status"], task["message"]) == ("cancel", "cancelled; nothing was changed")


async def test_a_defect_ends_its_task(api: Api, tmp_path: Path) -> None:
    """Nobody waits for ever for a task whose work failed in an unforeseen way."""
    seen = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))

    async def work(progress: Progress) -> str:
        raise ZeroDivisionError

    id = await api.controller.tasks.start(work)
    task = await ended(api, id)
    assert (task["status"], task["message"]) == ("error", "err:internal error; the server's log says more, response:null")


async def test_stop_ends_the_server_after_the_import(api: Api) -> None:
    """With the reference's exit code; not for a partial import, nor one that was refused."""
    asked: list[int] = []
    api.controller.on_shut_down = asked.append
    for query in ("?stop=1&partial=1", "?stop=true", "?stop=1&dryRun=1"):
        assert (await api.ask("POST", f"/data/import{query}", {"content": "{}"})).status == 200
    await api.ask("POST", "/data/import?stop=1", {"content": "{"})
    assert asked == []
    await api.ask("POST", "/data/import?stop=1", {"content": "{}"})
    await ended(api, await start(api, "?stop=1"))
    assert asked == [100, 100]
    reply = await api.ask("POST", "/stop")
    assert (reply.text, asked) == ("stop success", [100, 100, 0])
