"""Export and import of v1 documents (rest reference §1.7, §2)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from plutino.control import V1, Controller
from plutino.errors import PlutinoError
from plutino.rest.importing import (
    BODY,
    QUERY,
    changes_answer,
    download,
    exported,
    is_dry_run,
    report_answer,
    run_import,
    wanted_document,
    wants_json,
)
from plutino.rest.secrecy import QUERY as SECRETS
from plutino.rest.secrecy import secrecy_of
from plutino.spi import Action, Answer, Call
from plutino.spi.access import Access
from plutino.spi.gojson import GoJsonError, decode
from plutino.spi.wire import json_answer, truth, with_prefix

_DOCUMENT = {"type": "object", "description": "Twelve sections of entries, each a text", "additionalProperties": {"type": "object"}}
_IDS = {"type": "array", "items": {"type": "string"}, "description": "Rule ids"}
_EXPORT_QUERY = {
    "why": "1: an object with the document and, for each entry, why it is there",
    "memory": "1: also rules that feed the chosen ones through memory topics",
    **SECRETS,
}
_QUERY = {"partial": "1: on top of what is there; else the document replaces everything", **QUERY}


class Transfer:
    """The endpoints; ``access`` says which files and hosts a document may be read from."""

    def __init__(self, controller: Controller, access: Access) -> None:
        self._controller = controller
        self._access = access

    @property
    def actions(self) -> Sequence[Action]:
        tags = ("transfer",)
        status, chosen = "What the last import refused", "Rules and all that they use, and nothing else"
        return (
            Action("GET", "/data/export", self._export, "The whole configuration as a document", reply=_DOCUMENT, tags=tags, query=SECRETS),
            Action("POST", "/data/export", self._export_rules, chosen, body=_IDS, reply=_DOCUMENT, tags=tags, query=_EXPORT_QUERY),
            Action("POST", "/data/import", self._import, "Import a document", BODY, {"type": "object"}, tags=tags, query=_QUERY),
            Action("GET", "/data/owners", self._owners, "Which entries are kept on whose behalf", reply={"type": "object"}, tags=tags),
            Action("GET", "/data/import/status", self._status, status, reply=_DOCUMENT, tags=tags),
        )

    async def _export(self, call: Call) -> Answer:
        return await exported(self._controller, V1, call)

    async def _export_rules(self, call: Call) -> Answer:
        try:
            ids = decode(call.body, exact=False)
        except GoJsonError as error:
            with_prefix(error, "Invalid body: Error decoding json")
            raise
        if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
            raise PlutinoError(f"Invalid body: {msgspec.json.encode(ids).decode()}; a JSON array of rule ids is expected")
        revision, memory = self._controller.revision, truth(call.query.get("memory", ""))
        document, selection = await self._controller.export_rules(
            ids, form=V1, memory=memory, secrecy=secrecy_of(call, self._controller.policy)
        )
        if truth(call.query.get("why", "")):
            return json_answer({"document": msgspec.Raw(document.encode()), "why": selection.to_wire(self._controller.specs)})
        return download(document, call, revision)

    async def _owners(self, call: Call) -> Answer:
        return json_answer(self._controller.owners())

    async def _status(self, call: Call) -> Answer:
        status = self._controller.last_import()
        response = self._controller.import_status()
        if status is None or not wants_json(call):
            return json_answer(response)
        told = msgspec.to_builtins(status)
        del told["response"]
        return json_answer({**response, "import": told})

    async def _import(self, call: Call) -> Answer:
        partial = call.query.get("partial") == "1"
        document = await wanted_document(call, self._controller, "server.configurationInfo", self._access, V1, partial=partial)
        result = await run_import(call, self._controller, document, V1, partial=partial)
        return await changes_answer(result) if is_dry_run(call) else report_answer(result, call)
