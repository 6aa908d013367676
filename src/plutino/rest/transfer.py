"""Export and import of v1 documents (rest reference §1.7, §2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import formatdate
from typing import Any

import msgspec

from plutino.control import Controller, ImportResult
from plutino.errors import DocumentError, Fault, PlutinoError
from plutino.rest.download import read_url
from plutino.rest.envelope import fault_list
from plutino.spi import Action, Answer, Call, Origin
from plutino.spi.access import Access
from plutino.spi.gojson import GoJsonError, Shape, bind, decode
from plutino.spi.wire import JSON, json_answer, truth, with_prefix

_BODY = Shape("server.configurationInfo", {"content": "string", "file": "string"})
_BODY_SCHEMA = {
    "type": "object",
    "description": "Exactly one of both",
    "properties": {
        "content": {"type": "string", "description": "A document as text"},
        "file": {"type": "string", "description": "URL of a document: file://, http:// or https://"},
    },
}
_DOCUMENT = {"type": "object", "description": "Twelve sections of entries, each a text", "additionalProperties": {"type": "object"}}
_IDS = {"type": "array", "items": {"type": "string"}, "description": "Rule ids"}
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_QUERY = {
    "partial": "1: on top of what is there; else the document replaces everything",
    "dryRun": "1: tell what would change and change nothing",
    "onError": "abort (default): nothing changes when anything is refused; continue: what is refused stays as it was",
    "baseRevision": "Refuse when the state is not at this revision any more",
}


class Transfer:
    """The endpoints; ``access`` says which files and hosts a document may be read from."""

    def __init__(self, controller: Controller, access: Access) -> None:
        self._controller = controller
        self._access = access

    @property
    def actions(self) -> Sequence[Action]:
        tags = ("transfer",)
        status = "What the last import refused"
        return (
            Action("GET", "/data/export", self._export, "The whole configuration as a document", reply=_DOCUMENT, tags=tags),
            Action("POST", "/data/export", self._export_rules, "Rules and all that they use", body=_IDS, reply=_DOCUMENT, tags=tags),
            Action("POST", "/data/import", self._import, "Import a document", _BODY_SCHEMA, {"type": "object"}, tags=tags, query=_QUERY),
            Action("GET", "/data/import/status", self._status, status, reply=_DOCUMENT, tags=tags),
        )

    async def _export(self, call: Call) -> Answer:
        return _download(self._controller.export_document(), call)

    async def _export_rules(self, call: Call) -> Answer:
        try:
            ids = decode(call.body, exact=False)
        except GoJsonError as error:
            with_prefix(error, "Invalid body: Error decoding json")
            raise
        if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
            raise PlutinoError(f"Invalid body: {msgspec.json.encode(ids).decode()}; a JSON array of rule ids is expected")
        return _download(self._controller.export_rules(ids), call)

    async def _status(self, call: Call) -> Answer:
        return json_answer(self._controller.import_status())

    async def _import(self, call: Call) -> Answer:
        dry_run = truth(call.query.get("dryRun", ""))
        result = await self._controller.import_document(
            await self._text(call),
            partial=call.query.get("partial") == "1",
            origin=Origin("import", call.client),
            base_revision=_revision(call),
            dry_run=dry_run,
            on_error=call.query.get("onError", "abort"),
        )
        return _outcome(result, dry_run, call)

    async def _text(self, call: Call) -> str:
        try:
            body = bind(decode(call.body, exact=False), _BODY)
        except GoJsonError as error:
            with_prefix(error, "Invalid body: Error decoding json")
            raise
        content, file = body.get("content", ""), body.get("file", "")
        if content and file:
            raise PlutinoError("Invalid body: Cannot specify both content and file")
        if not content and not file:
            raise PlutinoError("Invalid body: must specify content or file")
        return content or await read_url(file, self._access)


def _outcome(result: ImportResult, dry_run: bool, call: Call) -> Answer:
    headers = {"plutino-revision": str(result.revision)}
    further: dict[str, Any] = {}
    if result.ignored:
        headers["plutino-ignored"] = str(len(result.ignored))
        if dry_run or JSON in call.headers.get("accept", ""):
            further["ignored"] = result.ignored
    if result.faults:
        further["faults"] = fault_list(result.faults)
    if result.warnings:
        further["warnings"] = fault_list(result.warnings)
    if dry_run:
        return Answer(msgspec.json.encode({**result.changeset.to_wire(), **further}), 200, JSON, headers)
    body = {"ErrorMsg": _left_out(result.faults), "ConfigResponse": result.config_response(), **further}
    return Answer(msgspec.json.encode(body), 200, JSON, headers)


def _left_out(faults: Sequence[Fault]) -> str:
    return f"{len(faults)} entries were refused and left out" if faults else ""


def _revision(call: Call) -> int | None:
    text = call.query.get("baseRevision", "")
    if not text:
        return None
    if not text.isdecimal():
        raise DocumentError(f"baseRevision: {text}; the number of a revision is expected")
    return int(text)


def _download(document: str, call: Call) -> Answer:
    """The document as a download; a part of it when the client asks for one range of bytes."""
    data = document.encode()
    headers = {
        "content-disposition": "Attachment",
        "last-modified": formatdate(usegmt=True),
        "accept-ranges": "bytes",
    }
    media = "application/octet-stream"
    wanted = _RANGE.fullmatch(call.headers.get("range", ""))
    if wanted is None or not (wanted[1] or wanted[2]):
        return Answer(data, 200, media, headers)
    size = len(data)
    start = int(wanted[1]) if wanted[1] else max(0, size - int(wanted[2]))
    end = min(int(wanted[2]), size - 1) if wanted[1] and wanted[2] else size - 1
    if start >= size or start > end:
        return Answer(status=416, media=media, headers={**headers, "content-range": f"bytes */{size}"})
    return Answer(data[start : end + 1], 206, media, {**headers, "content-range": f"bytes {start}-{end}/{size}"})
