"""Import and export over REST."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plutino.control import SECTIONS
from plutino.errors import AccessError, PlutinoError
from plutino.rest.download import read_url
from plutino.spi.access import Access
from unit.rest.kit import Api

STREAM = 'CREATE STREAM demo (a BIGINT) WITH (TYPE="memory", DATASOURCE="topic/demo")'
RULE = json.dumps({"id": "r1", "sql": "SELECT a FROM demo", "actions": [{"nop": {}}]})


def _document(**sections: Any) -> dict[str, str]:
    return {"content": json.dumps(sections)}


async def test_import_answers_with_all_twelve_sections(api: Api) -> None:
    """Nothing but the two members that every client knows, the revision in a header."""
    reply = await api.ask("POST", "/data/import", _document(streams={"demo": STREAM}, rules={"r1": RULE}))
    assert reply.json == {"ErrorMsg": "", "ConfigResponse": {section: {} for section in SECTIONS}}
    assert int(reply.headers["plutino-revision"]) > 0
    assert (await api.ask("GET", "/data/import/status")).json == reply.json["ConfigResponse"]


async def test_refused_document_changes_nothing_and_lists_every_fault(api: Api) -> None:
    """The message is the twelve-key object, the faults say where."""
    bad = _document(streams={"demo": STREAM, "x": "CREATE STWREAM x"}, rules={"r1": RULE, "r2": "{"})
    reply = await api.ask("POST", "/data/import", bad, {"accept": "application/json"})
    assert reply.status == 400
    report = json.loads(reply.json["message"])
    assert tuple(report) == SECTIONS
    assert set(report["streams"]) == {"x"}
    assert report["rules"]["r2"] == "Invalid rule json: Parse rule { error : unexpected end of JSON input."
    assert {fault["path"] for fault in reply.json["faults"]} == {"streams.x", "rules.r2"}
    assert all(fault["line"] == 1 and fault["column"] > 1 for fault in reply.json["faults"])
    assert (await api.ask("GET", "/streams")).json == []


async def test_dry_run_tells_the_changes_and_makes_none(api: Api) -> None:
    """The changeset instead of its application."""
    await api.ask("POST", "/data/import", _document(streams={"demo": STREAM}))
    reply = await api.ask("POST", "/data/import?dryRun=1", _document(rules={"r1": RULE}, streams={"demo": STREAM}))
    assert reply.json["summary"] == {"created": 1, "updated": 0, "deleted": 0, "unchanged": 1}
    assert (await api.ask("GET", "/rules")).json == []


async def test_going_on_reports_what_was_left_out(api: Api) -> None:
    """With onError=continue the rest is imported."""
    body = _document(streams={"demo": STREAM, "x": "CREATE"}, scripts={"f": "{}"})
    reply = await api.ask("POST", "/data/import?onError=continue", body)
    assert reply.status == 200
    assert reply.json["ErrorMsg"] == "2 entries were refused and left out"
    assert {fault["path"] for fault in reply.json["faults"]} == {"streams.x", "scripts.f"}
    assert (await api.ask("GET", "/streams")).json == ["demo"]


async def test_full_import_replaces_and_partial_import_adds(api: Api) -> None:
    """``partial`` counts for the exact value 1 only."""
    await api.stream("old")
    await api.ask("POST", "/data/import?partial=1", _document(streams={"demo": STREAM}))
    assert (await api.ask("GET", "/streams")).json == ["demo", "old"]
    await api.ask("POST", "/data/import?partial=true", _document(streams={"demo": STREAM}))
    assert (await api.ask("GET", "/streams")).json == ["demo"]


async def test_export_is_a_download_that_can_be_imported(api: Api) -> None:
    """Export, empty, import, export: the same bytes."""
    await api.ask("POST", "/data/import", _document(streams={"demo": STREAM}, rules={"r1": RULE}))
    first = await api.ask("GET", "/data/export")
    assert first.headers["content-type"] == "application/octet-stream"
    assert first.headers["content-disposition"] == "Attachment"
    assert "last-modified" in first.headers
    await api.ask("POST", "/data/import", _document())
    assert (await api.ask("GET", "/rules")).json == []
    await api.ask("POST", "/data/import", {"content": first.text})
    assert (await api.ask("GET", "/data/export")).data == first.data
    assert first.json["rules"]["r1"] == RULE


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [("bytes=0-3", 206, slice(0, 4)), ("bytes=5-", 206, slice(5, None)), ("bytes=-4", 206, slice(-4, None)), ("bytes=x", 200, slice(None))],
)
async def test_parts_of_an_export(api: Api, wanted: str, status: int, part: slice) -> None:
    """One range of bytes, as the download promises."""
    whole = await api.ask("GET", "/data/export")
    reply = await api.ask("GET", "/data/export", headers={"range": wanted})
    assert (reply.status, reply.data) == (status, whole.data[part])


async def test_part_beyond_the_end(api: Api) -> None:
    """There is nothing to send."""
    assert (await api.ask("GET", "/data/export", headers={"range": "bytes=999999-"})).status == 416


async def test_export_of_rules_takes_what_they_use(api: Api) -> None:
    """And nothing else; unknown rules are named."""
    await api.stream("other")
    await api.ask("POST", "/data/import?partial=1", _document(streams={"demo": STREAM}, rules={"r1": RULE}))
    reply = await api.ask("POST", "/data/export", ["r1"])
    assert set(reply.json["streams"]) == {"demo"}
    assert set(reply.json["rules"]) == {"r1"}
    unknown = await api.ask("POST", "/data/export", ["r1", "nosuch", "none"])
    assert unknown.status == 404
    assert "nosuch, none" in unknown.json["message"]


@pytest.mark.parametrize("body", ["{", "{}", "[1]", '"r1"', ""])
async def test_export_of_rules_needs_a_list_of_ids(api: Api, body: str) -> None:
    """A body that cannot be read is no empty selection."""
    reply = await api.ask("POST", "/data/export", body)
    assert reply.status == 400
    assert reply.json["message"].startswith("Invalid body: ")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "Invalid body: Error decoding json: unexpected EOF"),
        ("{}", "Invalid body: must specify content or file"),
        ('{"content":"{}","file":"file:///x"}', "Invalid body: Cannot specify both content and file"),
        ('{"file":"ftp://x/y"}', "file: ftp://x/y; a URL with file://, http:// or https:// is expected"),
        ('{"file":"file:///no/such.json"}', "stat /no/such.json: no such file or directory"),
    ],
)
async def test_what_an_import_needs(api: Api, body: str, message: str) -> None:
    """Exactly one of content and file."""
    assert (await api.ask("POST", "/data/import", body)).json == {"error": 1000, "message": message}


async def test_revision_that_has_passed(api: Api) -> None:
    """A client that looked at an older state does not overwrite a newer one."""
    await api.stream("a")
    reply = await api.ask("POST", "/data/import?baseRevision=0", _document())
    assert reply.status == 409
    assert "revision" in reply.json["message"]
    assert (await api.ask("POST", "/data/import?baseRevision=x", _document())).status == 400


async def test_file_urls(tmp_path: Path) -> None:
    """Spaces are decoded; without external files only uploads are read, wherever links lead."""
    (tmp_path / "uploads").mkdir()
    (tmp_path / "a b.json").write_text("{}")
    (tmp_path / "uploads" / "in.json").write_text("[]")
    (tmp_path / "uploads" / "link.json").symlink_to(tmp_path / "a b.json")
    assert await read_url(f"file://{tmp_path}/a%20b.json", Access(str(tmp_path))) == "{}"
    closed = Access(str(tmp_path), external_files=False)
    assert await read_url(f"file://{tmp_path}/uploads/in.json", closed) == "[]"
    for outside in ("a%20b.json", "uploads/link.json", "uploads/../a%20b.json"):
        with pytest.raises(AccessError, match="path must be under"):
            await read_url(f"file://{tmp_path}/{outside}", closed)


async def test_file_that_is_no_text(tmp_path: Path) -> None:
    """A document is UTF-8."""
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    with pytest.raises(PlutinoError, match="is not UTF-8 text at byte 0"):
        await read_url(f"file://{tmp_path}/x", Access(str(tmp_path)))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://[::1]/x", "http://10.0.0.1/", "https://169.254.1.1/"])
async def test_internal_addresses_are_not_asked(url: str, tmp_path: Path) -> None:
    """Unless private networks are enabled."""
    with pytest.raises(AccessError, match="is in internal network"):
        await read_url(url, Access(str(tmp_path)))
