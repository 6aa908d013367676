"""Export and import in the further formats: v2 (rest reference §2.12), ruleset (§2.10) and bundle."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from plutino.control import BUNDLE, RULESET, V2, Controller, Format, ImportResult
from plutino.control.documents.bundle import verify
from plutino.errors import PlutinoError
from plutino.rest.importing import (
    BODY,
    QUERY,
    changes_answer,
    exported,
    is_dry_run,
    left_out,
    report_answer,
    result_headers,
    result_lists,
    run_import,
    wanted_document,
    wants_json,
)
from plutino.rest.secrecy import QUERY as SECRETS
from plutino.spi import Action, Answer, Call
from plutino.spi.access import Access
from plutino.spi.wire import JSON, with_prefix

_BAD_REQUEST = ": bad request"
_UNREADABLE = "Fail to read file"
_ZIP = {"type": "string", "format": "binary", "description": "A bundle: zip archive with a manifest, a file per object, and their bytes"}
_BUNDLE_QUERY = {"partial": "1: on top of what is there; else the bundle replaces everything", **QUERY}
_V2_QUERY = {"partial": "0: the document replaces everything; else it is laid over what is there", **QUERY}


class Formats:
    """The endpoints; ``access`` says which files and hosts a document may be read from. Where there are ``trusted`` keys (Ed25519, PEM), a
    bundle must be signed by one of them."""

    def __init__(self, controller: Controller, access: Access, trusted: Sequence[bytes] = ()) -> None:
        self._controller = controller
        self._access = access
        self._trusted = trusted

    @property
    def actions(self) -> Sequence[Action]:
        tags = ("transfer",)
        yaml = {"type": "string", "description": "A document in YAML"}
        return (
            Action("GET", "/v2/data/export", self._export_v2, "The whole configuration as YAML", reply=yaml, tags=tags, query=SECRETS),
            Action("POST", "/v2/data/import", self._import_v2, "Import a YAML document", BODY, tags=tags, query=_V2_QUERY),
            Action(
                "POST",
                "/ruleset/export",
                self._export_ruleset,
                "Streams, tables and rules",
                reply={"type": "object"},
                tags=tags,
                query=SECRETS,
            ),
            Action("POST", "/ruleset/import", self._import_ruleset, "Import streams, tables and rules", BODY, tags=tags, query=QUERY),
            Action(
                "GET", "/data/bundle", self._export_bundle, "The whole configuration with its bytes", reply=_ZIP, tags=tags, query=SECRETS
            ),
            Action(
                "POST", "/data/bundle", self._import_bundle, "Import a bundle", _ZIP, {"type": "object"}, tags=tags, query=_BUNDLE_QUERY
            ),
        )

    async def _export_v2(self, call: Call) -> Answer:
        return await exported(self._controller, V2, call)

    async def _import_v2(self, call: Call) -> Answer:
        partial = call.query.get("partial") != "0"
        document = await self._document(call, "server.importConfiguration", V2, partial=partial)
        try:
            result = await run_import(call, self._controller, document, V2, partial=partial)
        except PlutinoError as error:
            with_prefix(error, "import failed")
            raise
        return await _answer(call, result, "success")

    async def _export_ruleset(self, call: Call) -> Answer:
        return await exported(self._controller, RULESET, call)

    async def _import_ruleset(self, call: Call) -> Answer:
        document = await self._document(call, "server.rulesetInfo", RULESET, partial=True)
        result = await run_import(call, self._controller, document, RULESET, partial=True)
        counts = result.changeset.kinds()
        streams, tables, rules = (counts.get(kind, 0) for kind in ("stream", "table", "rule"))
        return await _answer(call, result, f"imported {streams} streams, {tables} tables and {rules} rules")

    async def _document(self, call: Call, struct: str, form: Format[Any], *, partial: bool) -> str:
        texts = {"further": _BAD_REQUEST, "unreadable": _UNREADABLE}
        return await wanted_document(call, self._controller, struct, self._access, form, partial=partial, **texts)

    async def _export_bundle(self, call: Call) -> Answer:
        return await exported(self._controller, BUNDLE, call)

    async def _import_bundle(self, call: Call) -> Answer:
        if self._trusted:
            await asyncio.to_thread(verify, call.body, self._trusted)
        result = await run_import(call, self._controller, call.body, BUNDLE, partial=call.query.get("partial") == "1")
        return await changes_answer(result) if is_dry_run(call) else report_answer(result, call)


async def _answer(call: Call, result: ImportResult, text: str) -> Answer:
    """The text that clients of the original know; with more to tell for those that ask for JSON by name."""
    if is_dry_run(call):
        return await changes_answer(result)
    if not wants_json(call):
        return Answer(text, headers=result_headers(result))
    body = {"message": text, "error": left_out(result), **result_lists(result)}
    return Answer(msgspec.json.encode(body), 200, JSON, result_headers(result))
