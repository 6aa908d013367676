"""A cancelled import leaves everything as it was, wherever it was when it was cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from plutino.catalog import TaskRecord
from plutino.control import V1, Progress, finish_message
from plutino.errors import BusyError, CancellationError, NotFoundError, PlutinoError
from plutino.model import Ref
from plutino.spi import Mode
from unit.control.fakes import ORIGIN, Bench, bench, document, dumps

ON_S = {"uses": ["stream:s"]}
BEFORE = document(
    streams={"s": {"v": 1}, "gone": {"v": 1}},
    rules={"kept": ON_S, "changed": {**ON_S, "v": 1}, "gone": {"uses": ["stream:gone"]}, "stopped": {"v": 1}},
)
AFTER = document(
    streams={"s": {"v": 2}, "new": {"v": 1}},
    rules={"kept": ON_S, "changed": {**ON_S, "v": 2}, "new": {"uses": ["stream:new"]}, "stopped": {"v": 2}},
)


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Bench]:
    made = await bench(tmp_path)
    await made.control.import_document(BEFORE, partial=False, origin=ORIGIN)
    await made.control.trigger(["stopped"], False, origin=ORIGIN)
    await made.host.stop("stopped")
    made.host.log.clear()
    yield made
    await made.control.close()
    await made.close()


def cancel_at(at: Bench, progress: Progress, moment: str, name: str) -> None:
    """Cancel when an object is checked or activated."""

    def seen(what: str, of: str) -> None:
        if (what, of) == (moment, name) and not progress.cancelled:
            progress.cancel("cancelled")

    for spec in at.specs.values():
        spec.seen = seen


async def state(at: Bench) -> tuple[Any, ...]:
    """Everything that an import can change."""
    uses = {name: at.control.users(Ref("stream", name)) for name in ("s", "new", "gone")}
    return at.texts(), dict(at.host.rules), set(at.host.streams), dict(at.catalog.triggers), await at.control.export(V1), uses


@pytest.mark.parametrize("name", ["s", "new", "changed", "stopped", "gone"])
async def test_cancelled_while_it_is_applied(at: Bench, name: str) -> None:
    """After the commit everything is taken back: texts and triggers in one revision, the engine object by object."""
    before, progress = await state(at), Progress()
    cancel_at(at, progress, "activate", name)
    with pytest.raises(CancellationError, match="everything that was changed was taken back"):
        await at.control.import_document(AFTER, partial=False, origin=ORIGIN, progress=progress)
    assert await state(at) == before
    assert at.control.revision == 4
    newest, *_ = await at.control.history.entries()
    assert newest.origin.summary == "cancelled: test"
    told = at.control.last_import()
    assert told is not None
    assert (told.outcome, told.revision, any(told.response.values())) == ("cancelled", 4, False)
    assert not (await at.control.history.between(2, 4))
    await at.reopen()
    assert (at.texts(), dict(at.catalog.triggers)) == (before[0], before[3])
    result = await at.control.import_document(AFTER, partial=False, origin=ORIGIN)
    assert (result.faults, at.host.rules["changed"], at.host.rules["new"]) == ((), "running", "running")


async def test_stops_meanwhile_are_not_taken_back(at: Bench) -> None:
    """What was stopped before the commit comes back stopped, also a rule that the import deletes; one that is gone cannot be stopped."""
    progress, original = Progress(), at.catalog.commit
    await at.write(gone2={"v": 1})

    async def commit(*args: Any, **given: Any) -> int:
        at.catalog.commit = original  # type: ignore[method-assign]
        await at.control.trigger(["gone", "changed"], False, origin=ORIGIN)
        made = asyncio.ensure_future(original(*args, **given))
        await asyncio.sleep(0)
        with pytest.raises(NotFoundError):
            await at.control.trigger(["gone2"], False, origin=ORIGIN)
        return await made

    at.catalog.commit = commit  # type: ignore[method-assign]
    cancel_at(at, progress, "activate", "new")
    with pytest.raises(CancellationError):
        await at.control.import_document(AFTER, partial=False, origin=ORIGIN, progress=progress)
    assert dict(at.catalog.triggers) == {"stopped": False, "gone": False, "changed": False}
    assert at.host.rules["gone2"] == "running"
    assert (await at.catalog.verify()).valid


async def test_what_was_not_reached_is_not_touched(at: Bench) -> None:
    """The engine hears nothing of objects behind the one at which it was cancelled."""
    progress = Progress()
    cancel_at(at, progress, "activate", "s")
    with pytest.raises(CancellationError):
        await at.control.import_document(AFTER, partial=False, origin=ORIGIN, progress=progress)
    actions = at.host.actions()
    assert "replace stream s" in actions
    assert not [action for action in actions if "gone" in action or "stopped" in action]


async def test_what_follows_goes_back_too(at: Bench) -> None:
    """A rule that stands unchanged in the document, but whose stream changed, reads the old stream again."""
    progress = Progress()
    cancel_at(at, progress, "activate", "gone")
    with pytest.raises(CancellationError):
        await at.control.import_document(AFTER, partial=False, origin=ORIGIN, progress=progress)
    actions = at.host.actions()
    assert actions.count("replace stream s") == 2
    assert actions.count("replace rule kept") == 2, actions


async def test_cancelled_while_it_is_checked(at: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the commit there is nothing to take back: no revision, and the engine hears nothing."""
    monkeypatch.setattr("plutino.control.pacer.SLICE_SECONDS", 0.0)
    before, progress = await state(at), Progress()
    cancel_at(at, progress, "check", "changed")
    with pytest.raises(CancellationError, match="nothing was changed"):
        await at.control.import_document(AFTER, partial=False, origin=ORIGIN, progress=progress)
    assert (await state(at), at.control.revision, at.host.log) == (before, 2, [])


async def test_cancelled_while_it_waits(at: Bench) -> None:
    """An import that has not had its turn goes away at once, and leaves the turn to the others."""
    progress, other = Progress(), asyncio.Event()
    async with at.control._door.lock:
        waiting = asyncio.ensure_future(at.control.import_document(AFTER, partial=False, origin=ORIGIN, progress=progress))
        while progress.to_wire() is None or progress.to_wire()["phase"] != "wait":  # type: ignore[index]
            await asyncio.sleep(0)
        progress.cancel("cancelled")
        with pytest.raises(CancellationError):
            await waiting
        other.set()
    await at.write(free={})
    assert at.host.rules["free"] == "running"


async def test_objects_that_did_not_check_come_back_as_they_were(at: Bench) -> None:
    """What was broken before stays broken, with its error, and its text is back; also one that is no text of its kind."""
    await at.control.apply({Ref("stream", "gone"): None}, mode=Mode.UPDATE, origin=ORIGIN)
    await at.catalog.commit({Ref("rule", "bad"): "{"}, origin=ORIGIN)
    await at.reopen()
    errors = dict(at.host.errors)
    assert errors == {
        "gone": "fail to get stream gone, please check if it is created",
        "bad": "Parse rule error: Input data was truncated.",
    }
    before, progress = await state(at), Progress()
    cancel_at(at, progress, "activate", "new")
    text = document(streams={"gone": {}, "s": {"v": 1}}, rules={"gone": {"fixed": True}, "bad": {}, "new": {}, "z": {"uses": ["rule:new"]}})
    with pytest.raises(CancellationError):
        await at.control.import_document(text, partial=True, origin=ORIGIN, progress=progress)
    assert await state(at) == before
    assert at.host.errors == errors


async def test_a_cancelled_task_is_stored_with_the_way_back(at: Bench) -> None:
    """The task and the state it left are one transaction: a restart finds it cancelled."""
    before = await state(at)

    async def work(progress: Progress) -> str:
        cancel_at(at, progress, "activate", "changed")
        result = await at.control.import_document(AFTER, partial=False, origin=ORIGIN, progress=progress)
        return finish_message(result.config_response())

    id = await at.control.tasks.start(work)
    async for _ in at.control.tasks.events(id):
        pass
    assert at.control.tasks.view(id)["status"] == "cancel"
    assert await state(at) == before
    stored = at.catalog.tasks[id]
    assert (stored.status, stored.revision) == ("cancel", 4)
    await at.reopen()
    assert at.control.tasks.view(id)["status"] == "cancel"


@pytest.mark.parametrize(("committed", "status"), [(True, "finish"), (False, "error")])
async def test_tasks_of_a_dead_process_tell_the_truth(at: Bench, committed: bool, status: str) -> None:
    """A task whose change was committed is done at the next start, one that had not got there changed nothing."""
    await at.catalog.save_task(TaskRecord("t", "running", "", 1, 2))
    if committed:
        progress = Progress(record=lambda status, message: TaskRecord("t", status, message, 1, 3))
        await at.control.import_document(AFTER, partial=False, origin=ORIGIN, progress=progress)
    await at.reopen()
    shown = at.control.tasks.view("t", whole=True)
    assert shown["status"] == status
    if committed:
        assert (shown["revision"], '"ErrorMsg":""' in shown["message"], at.host.rules["new"]) == (3, True, "running")
    else:
        assert shown["message"] == "err:the server ended before anything was changed, response:null"
        assert "new" not in at.host.rules


async def test_one_import_at_a_time(at: Bench) -> None:
    """Others wait for their turn, or hear that one is going on."""
    seen: list[str] = []

    async def load(name: str) -> None:
        await at.control.import_document(document(rules={name: {}}), partial=True, origin=ORIGIN)
        seen.append(name)

    first = asyncio.ensure_future(load("a"))
    second = asyncio.ensure_future(load("b"))
    await asyncio.sleep(0)
    with pytest.raises(BusyError, match=r"an import by 127.0.0.1 is going on") as caught:
        await at.control.import_document(AFTER, partial=False, origin=ORIGIN, wait=False)
    assert caught.value.status == 409
    await asyncio.gather(first, second)
    assert seen == ["a", "b"]
    await at.control.import_document(document(rules={"c": {}}), partial=True, origin=ORIGIN, wait=False)
    assert "rule:c" in at.texts()


async def test_closing_takes_back_what_is_half_done(at: Bench) -> None:
    """A server that stops undoes a running task, whose message says why it ended."""
    before = await state(at)

    async def work(progress: Progress) -> str:
        await progress.interruptible(asyncio.get_running_loop().create_future())
        return "never"

    id = await at.control.tasks.start(work)
    while at.catalog.tasks[id].status != "running":
        await asyncio.sleep(0)
    await at.control.close()
    assert at.control.tasks.view(id)["message"] == "the server is stopping; nothing was changed"
    assert await state(at) == before
    with pytest.raises(PlutinoError, match="has ended with cancel already"):
        await at.control.tasks.cancel(id)


async def test_the_message_of_an_import_is_that_of_its_commit(at: Bench) -> None:
    """A process that dies after the commit leaves the same message as one that goes on."""
    progress = Progress(record=None)
    kept: list[tuple[str, str]] = []

    def record(status: str, message: str) -> Any:
        kept.append((status, message))
        return None

    progress.record = record
    result = await at.control.import_document(dumps({"rules": {"x": "{}"}}), partial=True, origin=ORIGIN, progress=progress)
    assert kept == [("running", finish_message(result.config_response()))]
