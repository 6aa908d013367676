"""History: revisions, differences, rollback, and the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from plutino.control import Controller, entry_to_wire
from plutino.errors import PlutinoError
from plutino.rest.importing import (
    BODY,
    FORMATS,
    QUERY,
    base_of,
    changes_answer,
    document_text,
    import_options,
    import_origin,
    is_dry_run,
    number_of,
    result_headers,
    result_lists,
)
from plutino.spi import Action, Answer, Call, Origin
from plutino.spi.access import Access
from plutino.spi.gojson import GoJsonError, Shape, bind, decode
from plutino.spi.wire import json_answer, truth, with_prefix

_PAGE = 100
_MOST = 1000
_LIST = {"limit": f"How many, {_PAGE} unless told, {_MOST} at most", "before": "Only revisions before this one"}
_FORMAT = {"format": f"How the document is written: {', '.join(FORMATS)}; v1 unless told"}
_DIFF = {**_FORMAT, **{name: text for name, text in QUERY.items() if name in ("onError", "onConflict")}}
_SPAN = {"from": "The revision to begin with", "to": "The revision to end with; the current one unless told"}
_AUDIT = {"revision": "A revision whose hash is known from elsewhere", "hash": "That hash"}
_ROLLBACK = {
    **{name: text for name, text in QUERY.items() if name in ("dryRun", "baseRevision", "message")},
    "keepTriggers": "1: rules stay started or stopped as they are; else they are as they were at that revision",
}
_REVISION = Shape("server.rollbackRequest", {"revision": "int", "dryRun": "bool"})
_REVISION_SCHEMA = {
    "type": "object",
    "properties": {"revision": {"type": "integer"}, "dryRun": {"type": "boolean", "description": "As in the query"}},
    "required": ["revision"],
}
_OBJECT = {"type": "object"}


class HistoryEndpoints:
    """The endpoints; ``access`` says which files and hosts a document may be read from."""

    def __init__(self, controller: Controller, access: Access) -> None:
        self._controller = controller
        self._access = access

    @property
    def actions(self) -> Sequence[Action]:
        tags, one = ("history",), "/data/revisions/{number}"
        compare = "What importing a document would change"
        back = "Bring the configuration back to an earlier revision"
        return (
            Action("GET", "/data/revisions", self._list, "Who changed what when, newest first", reply=_OBJECT, tags=tags, query=_LIST),
            Action("GET", one, self._show, "One revision with what it did", reply=_OBJECT, tags=tags),
            Action("GET", "/data/diff", self._between, "What lies between two revisions", reply=_OBJECT, tags=tags, query=_SPAN),
            Action("POST", "/data/diff", self._compare, compare, BODY, _OBJECT, tags=tags, query=_DIFF),
            Action("POST", "/data/rollback", self._roll_back, back, _REVISION_SCHEMA, _OBJECT, tags=tags, query=_ROLLBACK),
            Action("GET", "/data/audit", self._audit, "Whether the history is as it was written", reply=_OBJECT, tags=tags, query=_AUDIT),
        )

    async def _list(self, call: Call) -> Answer:
        limit = min(number_of(call.query.get("limit", str(_PAGE)), "limit"), _MOST)
        before = call.query.get("before")
        entries = await self._controller.history.entries(limit, None if before is None else number_of(before, "before"))
        return json_answer({"revision": self._controller.revision, "revisions": [entry_to_wire(entry) for entry in entries]})

    async def _show(self, call: Call) -> Answer:
        entry, changes = await self._controller.history.entry(number_of(call.params["number"], "revision"))
        return json_answer({**entry_to_wire(entry), **await changes.to_wire_paced()})

    async def _between(self, call: Call) -> Answer:
        start = number_of(call.query.get("from", ""), "from")
        end = number_of(call.query.get("to", str(self._controller.revision)), "to")
        changes = await self._controller.history.between(start, end)
        return json_answer({"from": start, "to": end, **await changes.to_wire_paced()})

    async def _compare(self, call: Call) -> Answer:
        name = call.query.get("format", "v1")
        form = FORMATS.get(name)
        if form is None:
            raise PlutinoError(f"format: {name}; one of {', '.join(FORMATS)} is expected")
        document = await document_text(call, "server.configurationInfo", self._access)
        partial = call.query.get("partial") == "1"
        options = msgspec.structs.replace(import_options(call, partial, self._controller.policy), dry_run=True)
        result = await self._controller.importer.run(document, options, import_origin(call, form, partial), form=form)
        return await changes_answer(result)

    async def _roll_back(self, call: Call) -> Answer:
        number, dry_run = _asked(call)
        result = await self._controller.rollback(
            number,
            origin=Origin("rollback", call.client, call.query.get("message") or f"rollback to revision {number}"),
            dry_run=dry_run or is_dry_run(call),
            base_revision=base_of(call),
            keep_triggers=truth(call.query.get("keepTriggers", "")),
        )
        shown: dict[str, Any] = {**await result.changeset.to_wire_paced(), **result_lists(result), "revision": result.revision}
        return Answer(msgspec.json.encode(shown), 200, "application/json", result_headers(result))

    async def _audit(self, call: Call) -> Answer:
        expected = None
        if call.query.get("hash"):
            expected = (number_of(call.query.get("revision", str(self._controller.revision)), "revision"), call.query["hash"])
        found = await self._controller.verify(expected)
        return json_answer({"valid": found.valid, **msgspec.to_builtins(found)})


def _asked(call: Call) -> tuple[int, bool]:
    """The revision of a rollback, in the query or in the body, and whether the body asks for a dry run."""
    if "revision" in call.query:
        return number_of(call.query["revision"], "revision"), False
    try:
        body = bind(decode(call.body, exact=False), _REVISION)
    except GoJsonError as error:
        with_prefix(error, "Invalid body: Error decoding json")
        raise
    number = body.get("revision")
    if not isinstance(number, int) or number < 0:
        raise PlutinoError('Invalid body: {"revision": number} is expected')
    return number, body.get("dryRun", False)
