"""What the endpoints of all document formats share: where a document comes from, what may be asked of an import, how one is handed out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import formatdate
from typing import Any

import msgspec

from plutino.control import Controller, Format, ImportResult
from plutino.errors import DocumentError, Fault, PlutinoError
from plutino.rest.download import read_url
from plutino.rest.envelope import fault_list
from plutino.spi import Answer, Call, Origin
from plutino.spi.access import Access
from plutino.spi.gojson import GoJsonError, Shape, bind, decode
from plutino.spi.wire import JSON, truth, with_prefix

BODY = {
    "type": "object",
    "description": "Exactly one of both",
    "properties": {
        "content": {"type": "string", "description": "A document as text"},
        "file": {"type": "string", "description": "URL of a document: file://, http:// or https://"},
    },
}
QUERY = {
    "dryRun": "1: tell what would change and change nothing",
    "onError": "abort (default): nothing changes when anything is refused; continue: what is refused stays as it was",
    "baseRevision": "Refuse when the state is not at this revision any more",
}
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


async def document_text(call: Call, struct: str, access: Access, *, further: str = "", unreadable: str = "") -> str:
    """The document that a request gives as ``content`` or names as ``file``.

    PlutinoError with the wire text: ``struct`` is the original's name of the body, ``further`` is behind the texts about missing fields,
    ``unreadable`` is in front of what is wrong with a file.
    """
    try:
        body = bind(decode(call.body, exact=False), Shape(struct, {"content": "string", "file": "string"}))
    except GoJsonError as error:
        with_prefix(error, "Invalid body: Error decoding json")
        raise
    content, file = body.get("content", ""), body.get("file", "")
    if content and file:
        raise PlutinoError(f"Invalid body: Cannot specify both content and file{further}")
    if not content and not file:
        raise PlutinoError(f"Invalid body: must specify content or file{further}")
    try:
        return str(content) or await read_url(file, access)
    except PlutinoError as error:
        if unreadable:
            with_prefix(error, unreadable)
        raise


async def run_import(call: Call, controller: Controller, document: Any, form: Format[Any], *, partial: bool) -> ImportResult:
    """Import a document as the query says."""
    return await controller.import_document(
        document,
        form=form,
        partial=partial,
        origin=Origin("import", call.client),
        base_revision=_revision(call),
        dry_run=is_dry_run(call),
        on_error=call.query.get("onError", "abort"),
    )


def is_dry_run(call: Call) -> bool:
    """Whether only the changes are asked for."""
    return truth(call.query.get("dryRun", ""))


def wants_json(call: Call) -> bool:
    """Whether the client asks for JSON by name, where clients of the original get a text."""
    return JSON in call.headers.get("accept", "")


def result_headers(result: ImportResult) -> dict[str, str]:
    """What an answer without a JSON body can still tell."""
    counts = {"faults": len(result.faults), "warnings": len(result.warnings), "ignored": len(result.ignored)}
    return {"plutino-revision": str(result.revision), **{f"plutino-{name}": str(count) for name, count in counts.items() if count}}


def result_lists(result: ImportResult) -> dict[str, Any]:
    """What was refused, passed over and left alone, each where there is any."""
    found: dict[str, Any] = {"ignored": result.ignored, "faults": fault_list(result.faults), "warnings": fault_list(result.warnings)}
    return {name: entries for name, entries in found.items() if entries}


def changes_answer(result: ImportResult) -> Answer:
    """The answer of a dry run."""
    return Answer(msgspec.json.encode({**result.changeset.to_wire(), **result_lists(result)}), 200, JSON, result_headers(result))


def report_answer(result: ImportResult, call: Call) -> Answer:
    """The answer of an import with the twelve-key object; ``ignored`` for those that ask for JSON by name."""
    lists = result_lists(result)
    if not wants_json(call):
        lists.pop("ignored", None)
    body = {"ErrorMsg": left_out(result.faults), "ConfigResponse": result.config_response(), **lists}
    return Answer(msgspec.json.encode(body), 200, JSON, result_headers(result))


def left_out(faults: Sequence[Fault]) -> str:
    """The sum of what was refused, empty when nothing was."""
    return f"{len(faults)} entries were refused and left out" if faults else ""


def download(document: str | bytes, call: Call) -> Answer:
    """A document as a download; a part of it when the client asks for one range of bytes."""
    data = document.encode() if isinstance(document, str) else document
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


def _revision(call: Call) -> int | None:
    text = call.query.get("baseRevision", "")
    if not text:
        return None
    if not text.isdecimal():
        raise DocumentError(f"baseRevision: {text}; the number of a revision is expected")
    return int(text)
