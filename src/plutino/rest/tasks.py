"""Imports in the background (rest reference §1.7, §2.8), with their progress as it happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from plutino.control import Controller, Progress, finish_message
from plutino.errors import PlutinoError
from plutino.rest.envelope import fault_list
from plutino.rest.importing import (
    BODY,
    FORMATS,
    QUERY,
    RESTART,
    expect_server,
    import_options,
    import_origin,
    read_body,
    result_lists,
    stops,
    text_of,
    wants_json,
)
from plutino.spi import Action, Answer, Call
from plutino.spi.access import Access
from plutino.spi.wire import json_answer, text_answer

_TASK = {
    "type": "object",
    "description": "id, status (register, running, finish, error, cancel), message, two times in unix seconds; of a dry run what it found",
}
_QUERY = {
    "partial": "1: on top of what is there; else the document replaces everything",
    "format": f"How the document is written: {', '.join(FORMATS)}; v1 unless told",
    **QUERY,
}


class TaskEndpoints:
    """The endpoints; ``access`` says which files and hosts a document may be read from."""

    def __init__(self, controller: Controller, access: Access) -> None:
        self._controller = controller
        self._access = access

    @property
    def actions(self) -> Sequence[Action]:
        tags, one = ("transfer",), "/async/task/{id}"
        events = "What a task does, as server-sent events, until it has ended"
        return (
            Action("POST", "/async/data/import", self._import, "Import a document in the background", BODY, tags=tags, query=_QUERY),
            Action("GET", "/async/tasks", self._list, "All background imports, newest first", reply={"type": "array"}, tags=tags),
            Action("GET", one, self._show, "How far a background import is", reply=_TASK, tags=tags),
            Action("GET", f"{one}/events", self._events, events, tags=tags),
            Action("POST", f"{one}/cancel", self._cancel, "End a background import and undo what it did", tags=tags),
        )

    async def _import(self, call: Call) -> Answer:
        body = read_body(call, "server.configurationInfo")
        name, partial = call.query.get("format", "v1"), call.query.get("partial") == "1"
        form = FORMATS.get(name)
        if form is None:
            raise PlutinoError(f"format: {name}; one of {', '.join(FORMATS)} is expected")
        options, origin = import_options(call, partial, self._controller.policy), import_origin(call, form, partial)
        ends, importer = stops(call) and not options.dry_run, self._controller.importer

        async def work(progress: Progress) -> str:
            if ends:
                expect_server(self._controller)
            try:
                document = await progress.interruptible(text_of(body, self._access))
            except PlutinoError as error:
                await importer.tell(error, options, form, origin, without_document=True)
                raise
            result = await importer.run(document, options, origin, form=form, progress=progress)
            if options.dry_run:
                progress.found = {**await result.changeset.to_wire_paced(), **result_lists(result)}
            elif ends:
                self._controller.shut_down(RESTART)
            return finish_message(result.config_response())

        return json_answer({"id": await self._controller.tasks.start(work)})

    async def _list(self, call: Call) -> Answer:
        tasks = self._controller.tasks
        return json_answer([_shown(tasks.view(id, whole=wants_json(call))) for id in tasks.ids()])

    async def _show(self, call: Call) -> Answer:
        return json_answer(_shown(self._controller.tasks.view(call.params["id"], whole=wants_json(call))))

    async def _cancel(self, call: Call) -> Answer:
        await self._controller.tasks.cancel(call.params["id"])
        return text_answer("cancel success")

    async def _events(self, call: Call) -> Answer:
        id = call.params["id"]
        self._controller.tasks.view(id)
        return Answer(self._stream(id), 200, "text/event-stream", {"cache-control": "no-store"})

    async def _stream(self, id: str) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._controller.tasks.events(id)) as events:
            async for shown in events:
                yield b"data: " + msgspec.json.encode(_shown(shown)) + b"\n\n"
        yield b"event: end\ndata: {}\n\n"


def _shown(task: dict[str, Any]) -> dict[str, Any]:
    return {**task, "faults": fault_list(task["faults"])} if "faults" in task else task
