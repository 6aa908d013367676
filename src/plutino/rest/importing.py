"""What the endpoints of all document formats share: where a document comes from, what may be asked of an import, how one is handed out."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

import msgspec

from plutino.control import RULESET, V1, V2, Controller, Format, ImportOptions, ImportResult, Policy
from plutino.errors import PlutinoError, UnsupportedError
from plutino.rest.download import read_url
from plutino.rest.envelope import fault_list
from plutino.rest.media import asks_for_json
from plutino.rest.secrecy import passphrase_of, secrecy_of
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
    "onConflict": "Objects that are there already: overwrite, skip (they stay and are reported) or fail; default: overwrite, but a partial "
    "import skips plugins, schemas and services",
    "baseRevision": "Refuse when the state is not at this revision any more; the header If-Match does the same",
    "wait": "0: refuse while another import is going on, instead of waiting for it",
    "stop": "1: end the server afterwards with exit code 100 (not with partial=1)",
    "owner": "Whose objects these are from now on (with partial=1); objects of another owner are refused, unless takeOver=1",
    "prune": "1: what belongs to the owner and is not in the document is deleted, and nothing else",
    "allowEmpty": "1: prune also when the document holds nothing at all",
    "takeOver": "1: objects of other owners become the owner's",
    "message": "What the history says about this change",
}
FORMATS: Mapping[str, Format[str]] = {form.name: form for form in (V1, V2, RULESET)}

RESTART = 100
"""Exit code of a server that wants to be started again."""

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_TAG = re.compile(r'(?:W/)?"?([0-9]{1,15})(?:-[0-9a-f]*)?"?')


async def document_text(call: Call, struct: str, access: Access, *, further: str = "", unreadable: str = "") -> str:
    """The document that a request gives as ``content`` or names as ``file``.

    PlutinoError with the wire text: ``struct`` is the original's name of the body, ``further`` is behind the texts about missing fields,
    ``unreadable`` is in front of what is wrong with a file.
    """
    return await text_of(read_body(call, struct), access, further=further, unreadable=unreadable)


def read_body(call: Call, struct: str) -> dict[str, str]:
    """The body of an import request; whether its fields make sense is up to ``text_of``."""
    try:
        found: dict[str, str] = bind(decode(call.body, exact=False), Shape(struct, {"content": "string", "file": "string"}))
    except GoJsonError as error:
        with_prefix(error, "Invalid body: Error decoding json")
        raise
    return found


async def text_of(body: Mapping[str, str], access: Access, *, further: str = "", unreadable: str = "") -> str:
    """The document of a request body, see ``document_text``."""
    content, file = body.get("content", ""), body.get("file", "")
    if content and file:
        raise PlutinoError(f"Invalid body: Cannot specify both content and file{further}")
    if not content and not file:
        raise PlutinoError(f"Invalid body: must specify content or file{further}")
    try:
        return content or await read_url(file, access)
    except PlutinoError as error:
        if unreadable:
            with_prefix(error, unreadable)
        raise


async def run_import(call: Call, controller: Controller, document: Any, form: Format[Any], *, partial: bool) -> ImportResult:
    """Import a document as the query says; with ``stop=1`` the server ends after the answer was sent."""
    options = import_options(call, partial, controller.policy)
    ends = stops(call) and not options.dry_run
    if ends:
        expect_server(controller)
    result = await controller.importer.run(document, options, import_origin(call, form, partial), form=form)
    if ends:
        controller.shut_down(RESTART)
    return result


async def wanted_document(
    call: Call,
    controller: Controller,
    struct: str,
    access: Access,
    form: Format[Any],
    *,
    partial: bool,
    further: str = "",
    unreadable: str = "",
) -> str:
    """The document of an import, see ``document_text``; when it cannot be had, the import status tells it."""
    try:
        return await document_text(call, struct, access, further=further, unreadable=unreadable)
    except PlutinoError as error:
        options = import_options(call, partial, controller.policy)
        await controller.importer.tell(error, options, form, import_origin(call, form, partial), without_document=True)
        raise


def expect_server(controller: Controller) -> None:
    """UnsupportedError where ``stop=1`` could not be done: said before the import, as an error means that nothing was changed."""
    if controller.on_shut_down is None:
        raise UnsupportedError("stop=1: this process cannot be stopped from here; import without it")


def import_options(call: Call, partial: bool, policy: Policy) -> ImportOptions:
    """What query and headers ask of an import."""
    return ImportOptions(
        partial=partial,
        dry_run=is_dry_run(call),
        on_error=call.query.get("onError", "abort"),
        on_conflict=call.query.get("onConflict", ""),
        base_revision=base_of(call),
        wait=call.query.get("wait", "1") not in ("0", "false"),
        owner=call.query.get("owner", ""),
        prune=truth(call.query.get("prune", "")),
        allow_empty=truth(call.query.get("allowEmpty", "")),
        take_over=truth(call.query.get("takeOver", "")),
        passphrase=passphrase_of(call) or policy.passphrase,
    )


def import_origin(call: Call, form: Format[Any], partial: bool) -> Origin:
    """Who imports, and what the history says about it."""
    owner = call.query.get("owner", "")
    kind = f"apply for {owner}" if owner else "partial import" if partial else "full import"
    return Origin("import", call.client, call.query.get("message") or f"{kind}, {form.name}")


def stops(call: Call) -> bool:
    """Whether the server is to end afterwards; both flags count for the exact value 1 only."""
    return call.query.get("stop") == "1" and call.query.get("partial") != "1"


def is_dry_run(call: Call) -> bool:
    """Whether only the changes are asked for."""
    return truth(call.query.get("dryRun", ""))


def wants_json(call: Call) -> bool:
    """Whether the client asks for JSON by name, where clients of the original get a text."""
    return asks_for_json(call.headers)


def result_headers(result: ImportResult) -> dict[str, str]:
    """What an answer without a JSON body can still tell."""
    counts = {name: len(getattr(result, name)) for name in ("faults", "troubles", "warnings", "ignored")}
    return {"plutino-revision": str(result.revision), **{f"plutino-{name}": str(count) for name, count in counts.items() if count}}


def result_lists(result: ImportResult) -> dict[str, Any]:
    """What was refused (``faults``), does not run (``troubles``), was passed over (``warnings``) and left alone (``ignored``), and what
    happens to running rules (``restarts``), each where there is any."""
    found: dict[str, Any] = {
        "restarts": [effect.to_wire() for effect in result.effects],
        "ignored": result.ignored,
        "claimed": result.claimed,
        "faults": fault_list(result.faults),
        "troubles": fault_list(result.troubles),
        "warnings": fault_list(result.warnings),
    }
    return {name: entries for name, entries in found.items() if entries}


async def changes_answer(result: ImportResult) -> Answer:
    """The answer of a dry run."""
    shown = {**await result.changeset.to_wire_paced(), **result_lists(result)}
    return Answer(msgspec.json.encode(shown), 200, JSON, result_headers(result))


def report_answer(result: ImportResult, call: Call) -> Answer:
    """The answer of an import with the twelve-key object; what clients of the original do not know for those that ask for JSON by name."""
    lists = result_lists(result)
    if not wants_json(call):
        lists = {name: entries for name, entries in lists.items() if name not in ("ignored", "claimed", "restarts", "warnings")}
        if result.passed_over:
            lists["warnings"] = fault_list(result.passed_over)
    body = {"ErrorMsg": left_out(result), "ConfigResponse": result.config_response(), **lists}
    return Answer(msgspec.json.encode(body), 200, JSON, result_headers(result))


def left_out(result: ImportResult) -> str:
    """The sum of what was refused and of what does not run, empty when all is well."""
    told = []
    if result.faults:
        entries = {failure.object_path for failure in result.failures[: len(result.faults)]}
        told.append(f"{len(entries)} entries were refused and left out")
    if result.troubles:
        told.append(f"{len(result.troubles)} objects were imported, but do not run")
    return "; ".join(told)


async def exported(controller: Controller, form: Format[Any], call: Call) -> Answer:
    """Everything that is stored as a download."""
    revision = controller.revision
    return download(await controller.export(form, secrecy_of(call, controller.policy)), call, revision)


def download(document: str | bytes, call: Call, revision: int) -> Answer:
    """A document as a download; a part of it when the client asks for one range of bytes.

    ``revision`` is that of the state that it shows: an import can be bound to it (``If-Match`` with the ``ETag``).
    """
    data = document.encode() if isinstance(document, str) else document
    headers = {
        "etag": f'"{revision}-{zlib.crc32(data):08x}"',
        "plutino-revision": str(revision),
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


def base_of(call: Call) -> int | None:
    """The revision that a change is based on: ``baseRevision=7``, or the header ``If-Match`` with the ``ETag`` of an export."""
    text = call.query.get("baseRevision", "")
    if text:
        return number_of(text, "baseRevision")
    tag = call.headers.get("if-match", "").strip()
    if tag in ("", "*"):
        return None
    found = _TAG.fullmatch(tag)
    if found is None:
        raise PlutinoError(f"If-Match: {tag}; the ETag of an export or the number of a revision is expected")
    return int(found[1])


def number_of(text: str, name: str) -> int:
    """A number of the query string; ``name`` is what it is called there."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise PlutinoError(f"{name}: {text}; the number of a revision is expected")
    return int(text)
