"""Uploaded files."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from plutino.model import Ref
from plutino.spi import Origin
from unit.rest.kit import Api, Reply, open_api

BINARY = bytes(range(256)) + b"\r\n--b\r\n\x00"
ORIGIN = Origin("rest")


async def _form(api: Api, name: str, data: bytes, field: str = "uploadFile") -> Reply:
    head = f'--frontier\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
    body = head + data + b"\r\n--frontier--\r\n"
    return await api.ask("POST", "/config/uploads", body, {"content-type": "multipart/form-data; boundary=frontier"})


async def _json(api: Api, body: Any, content_type: str = "application/json") -> Reply:
    return await api.ask("POST", "/config/uploads", body, {"content-type": content_type})


async def _exported(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await api.ask("GET", "/data/export")).json
    return found


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    return tmp_path / "data" / "uploads"


async def test_life_of_a_file(api: Api, uploads: Path) -> None:
    """Uploaded as JSON, listed, replaced, deleted; the answer is the path."""
    assert (await api.ask("GET", "/config/uploads")).json == []
    reply = await _json(api, {"name": "a.json", "content": '{"k":1}'})
    assert (reply.status, reply.text) == (201, f"{uploads}/a.json")
    assert (uploads / "a.json").read_text() == '{"k":1}'
    await _json(api, {"name": "a.json", "content": "other"})
    assert (uploads / "a.json").read_text() == "other"
    assert (await api.ask("GET", "/config/uploads")).json == [f"{uploads}/a.json"]
    assert (await api.ask("DELETE", "/config/uploads/a.json")).text == "ok"
    assert list(uploads.iterdir()) == []
    missing = await api.ask("DELETE", "/config/uploads/a.json")
    assert missing.json == {"error": 1000, "message": "Error deleting the file: removeat a.json: no such file or directory"}


async def test_paths_in_answers_are_escaped(api: Api, uploads: Path) -> None:
    """As other success texts with names in them."""
    assert (await _json(api, {"name": "a&b.txt", "content": "x"})).text == f"{uploads}/a&amp;b.txt"
    assert (uploads / "a&b.txt").exists()


async def test_a_file_from_elsewhere(api: Api, uploads: Path, tmp_path: Path) -> None:
    """A URL is fetched; of content and URL the URL counts; what cannot be had changes nothing."""
    (tmp_path / "src").write_bytes(BINARY)
    assert (await _json(api, {"name": "c", "file": f"file://{tmp_path}/src", "content": "x"})).status == 201
    assert (uploads / "c").read_bytes() == BINARY
    reply = await _json(api, {"name": "d", "file": f"file://{tmp_path}/none"})
    assert reply.json["message"] == f"Upload error: getFile has error: stat {tmp_path}/none: no such file or directory"
    assert (await api.ask("GET", "/config/uploads")).json == [f"{uploads}/c"]


async def test_forms_are_recorded_and_exported(api: Api, uploads: Path) -> None:
    """Any bytes arrive; text is exported as content, other bytes as a data URL."""
    assert (await _form(api, "t.txt", "héllo\r\n".encode())).text == f"{uploads}/t.txt"
    assert (await _form(api, "b.bin", BINARY)).status == 201
    assert (await _form(api, "empty", b"")).status == 201
    assert [(uploads / name).read_bytes() for name in ("t.txt", "b.bin", "empty")] == ["héllo\r\n".encode(), BINARY, b""]
    found = {name: json.loads(text) for name, text in (await _exported(api))["uploads"].items()}
    assert found["t.txt"] == {"name": "t.txt", "content": "héllo\r\n"}
    assert found["b.bin"]["file"].startswith("data:application/octet-stream;base64,AAECAw")
    assert found["empty"] == {"name": "empty", "file": "data:application/octet-stream;base64,"}


async def test_export_and_import_is_no_change(api: Api, uploads: Path, tmp_path: Path) -> None:
    """On the same server nothing happens; on another one the same files appear, and it exports the same bytes."""
    await _form(api, "b.bin", BINARY)
    await _form(api, "t.txt", b"text")
    await _json(api, '{ "content": "x", "name": "sub/j.txt", "extra": 1 }')
    document = (await api.ask("GET", "/data/export")).text
    dry = await api.ask("POST", "/data/import?dryRun=1", {"content": document})
    assert dry.json["summary"] == {"created": 0, "updated": 0, "deleted": 0, "unchanged": 3}
    assert (await api.ask("POST", "/data/import", {"content": document})).status == 200
    assert (await api.ask("GET", "/data/export")).text == document
    async with open_api(tmp_path / "other") as other:
        assert (await other.ask("POST", "/data/import", {"content": document})).status == 200
        assert (tmp_path / "other/uploads/b.bin").read_bytes() == BINARY
        assert (tmp_path / "other/uploads/sub/j.txt").read_text() == "x"
        assert (await other.ask("GET", "/data/export")).text == document


async def test_bytes_are_kept_once_and_not_in_the_text(api: Api) -> None:
    """Neither a form nor an imported document fills the memory with base64."""
    await _form(api, "b.bin", BINARY)
    document = (await api.ask("GET", "/data/export")).text
    await api.ask("POST", "/data/import", {"content": document})
    text = api.controller.catalog.definitions[Ref("upload", "b.bin")]
    assert json.loads(text)["file"].startswith("blob:")


async def test_rollback_and_full_import_bring_files_back_and_take_them_away(api: Api, uploads: Path) -> None:
    """The directory follows the stored state."""
    await _form(api, "a", b"one")
    await _form(api, "a", b"two")
    await api.controller.rollback(1, origin=ORIGIN)
    assert (uploads / "a").read_bytes() == b"one"
    await api.ask("POST", "/data/import", {"content": "{}"})
    assert list(uploads.iterdir()) == []
    await api.controller.rollback(2, origin=ORIGIN)
    assert (uploads / "a").read_bytes() == b"two"


async def test_a_start_puts_back_what_is_missing(tmp_path: Path) -> None:
    """A file that was deleted, or is older than what was committed, is made again; one that was written to since is left alone."""
    uploads = tmp_path / "uploads"
    async with open_api(tmp_path) as api:
        for name in ("gone", "written"):
            await _form(api, name, b"uploaded")
    (uploads / "gone").unlink()
    (uploads / "written").write_text("by a sink")
    async with open_api(tmp_path) as api:
        assert (uploads / "gone").read_text() == "uploaded"
        assert (uploads / "written").read_text() == "by a sink"


async def test_files_that_nobody_uploaded(api: Api, uploads: Path) -> None:
    """They are listed and can be deleted, as the directory is everybody's."""
    await api.ask("GET", "/config/uploads")
    (uploads / "sink.txt").write_text("x")
    (uploads / "folder").mkdir()
    assert (await api.ask("GET", "/config/uploads")).json == [f"{uploads}/folder", f"{uploads}/sink.txt"]
    assert (await api.ask("DELETE", "/config/uploads/sink.txt")).text == "ok"
    assert (await _exported(api))["uploads"] == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "Invalid body: Error decoding file json: unexpected EOF"),
        ("[]", "Invalid body: Error decoding file json: json: cannot unmarshal array into Go value of type server.fileContent"),
        ('{"content":"x"}', "Invalid body: missing necessary field: invalid body: name is required"),
        ('{"name":"x"}', "Invalid body: missing necessary field: invalid body: content or FilePath is required"),
        ("null", "Invalid body: missing necessary field: invalid body: content or FilePath is required"),
        ('{"name":"../x","content":"x"}', "Upload error: getFile has error: mkdirat ..: path escapes from parent"),
        ('{"name":"/etc/x","content":"x"}', "Upload error: getFile has error: mkdirat /etc: path escapes from parent"),
        ('{"name":"a/../../x","content":"x"}', "Upload error: getFile has error: mkdirat ..: path escapes from parent"),
        ('{"name":"x","file":"ftp://h/x"}', "a URL with file://, http:// or https:// is expected"),
        ('{"name":"x","file":"http://127.0.0.1:1/x"}', "ip 127.0.0.1 is in internal network"),
        ('{"name":"x","file":"http://\\uff11\\uff12\\uff17.\\uff10.\\uff10.\\uff11:1/x"}', "ip 127.0.0.1 is in internal network"),
        ('{"name":"x","file":"http://127\\u30020\\u30020\\u30021:1/x"}', "ip 127.0.0.1 is in internal network"),
        ('{"name":"x","file":"http://0x7f.1:1/x"}', "ip 127.0.0.1 is in internal network"),
        ('{"name":"x","file":"data:;base64,?"}', "base64 is expected"),
        ('{"name":"x","file":"blob:xyz"}', "the SHA-256 in 64 hexadecimal digits is expected"),
    ],
)
async def test_bodies(api: Api, body: str, message: str) -> None:
    """What is refused leaves no file."""
    reply = await _json(api, body)
    assert reply.status == 400
    assert message in reply.json["message"]
    assert (await api.ask("GET", "/config/uploads")).json == []


async def test_forms_that_are_refused(api: Api) -> None:
    """Every other content type is read as a form."""
    reply = await _json(api, {"name": "z", "content": "x"}, "application/json; charset=utf-8")
    assert reply.json["message"] == "Error parse the multi part form: request Content-Type isn't multipart/form-data"
    reply = await _form(api, "a", b"x", field="other")
    assert reply.json["message"] == "Error Retrieving the File: http: no such file"
    reply = await _form(api, ".", b"x")
    assert reply.json["message"].startswith("Error saving the file: ")
    await _form(api, "../../a", b"x")
    assert list((await _exported(api))["uploads"]) == ["a"]


async def test_a_file_is_no_directory(api: Api) -> None:
    """Neither in a request nor in a document; names of one directory do not disturb each other."""
    await _json(api, {"name": "a/b", "content": "x"})
    await _json(api, {"name": "a.b", "content": "x"})
    assert (await _json(api, {"name": "a", "content": "x"})).json["message"].endswith("open a: is a directory")
    assert (await api.ask("DELETE", "/config/uploads/a")).json["error"] == 1000
    assert (await _json(api, {"name": "a.b/c", "content": "x"})).json["message"].endswith("mkdirat a.b: not a directory")
    document = {"uploads": {name: json.dumps({"name": name, "content": "x"}) for name in ("f", "f/g")}}
    reply = await api.ask("POST", "/data/import?partial=1", {"content": json.dumps(document)})
    assert json.loads(reply.json["message"])["uploads"] == {
        "f": "upload f: f/g is an upload; a file cannot be a directory as well",
        "f/g": "upload f/g: f is an upload; a file cannot be a directory as well",
    }


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("u", "{", "invalid body: Error decoding file json: unexpected end of JSON input"),
        ("u", '{"content":"x"}', "invalid body: name is required"),
        ("u", '{"name":"u"}', "invalid body: content or FilePath is required"),
        ("u", '{"name":"../u","content":"x"}', "mkdirat ..: path escapes from parent"),
        ("u", '{"name":"v","content":"x"}', "the upload name v does not match the key u"),
    ],
)
async def test_entries_of_documents(api: Api, key: str, text: str, message: str) -> None:
    """The texts are those of the original; nothing is applied."""
    reply = await api.ask("POST", "/data/import", {"content": json.dumps({"uploads": {key: text}})})
    assert json.loads(reply.json["message"])["uploads"] == {key: message}


async def test_partial_import_overwrites(api: Api, uploads: Path) -> None:
    """Files that the document does not name stay."""
    await _json(api, {"name": "a", "content": "old"})
    await _json(api, {"name": "b", "content": "old"})
    document = json.dumps({"uploads": {"a": '{"name":"a","content":"new"}'}})
    assert (await api.ask("POST", "/data/import?partial=1", {"content": document})).status == 200
    assert [(uploads / name).read_text() for name in "ab"] == ["new", "old"]


async def test_other_members_stay_beside_bytes(api: Api) -> None:
    """Of an upload and of a schema whose bytes came with the text; the export is the same to an import."""
    proto = base64.b64encode(b'syntax = "proto3"; message M { int32 a = 1; }').decode()
    document = {
        "uploads": {"a": '{"name":"a", "file":"data:;base64,AP8=", "note":1.50}'},
        "Schema": {"protobuf_p": json.dumps({"type": "protobuf", "name": "p", "file": f"data:;base64,{proto}", "note": "x"})},
    }
    assert (await api.ask("POST", "/data/import", {"content": json.dumps(document)})).status == 200
    exported = await _exported(api)
    assert '"note":1.50' in exported["uploads"]["a"]
    assert json.loads(exported["Schema"]["protobuf_p"])["note"] == "x"
    again = await api.ask("POST", "/data/import?dryRun=1", {"content": json.dumps(exported)})
    assert again.json["summary"] == {"created": 0, "updated": 0, "deleted": 0, "unchanged": 2}
