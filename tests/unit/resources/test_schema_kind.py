"""Registered schemas."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from plutino.spi import Origin
from unit.rest.kit import Api, Reply, open_api

PERSON = 'syntax = "proto3";\nmessage Person { string name = 1; int32 age = 2; repeated string tags = 3; }\n'
OTHER = 'syntax = "proto3"; message Person { int64 size = 1; }'


async def _post(api: Api, name: str = "person", content: str = PERSON, type: str = "protobuf", **fields: Any) -> Reply:
    body = {"name": name, **({"content": content} if content else {}), **fields}
    return await api.ask("POST", f"/schemas/{type}", body)


async def _upload(api: Api, path: str, *parts: tuple[str, bytes]) -> Reply:
    body = b"".join(
        f'--f\r\nContent-Disposition: form-data; name="{name}"; filename="x.proto"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in parts
    )
    return await api.ask("PUT", f"/schemas/{path}/upload", body + b"--f--\r\n", {"content-type": "multipart/form-data; boundary=f"})


async def _stream(api: Api, name: str = "ps", schema: str = "person.Person", format: str = "protobuf", source: str = "memory") -> Reply:
    sql = f'CREATE STREAM {name} () WITH (DATASOURCE="t", TYPE="{source}", FORMAT="{format}", SCHEMAID="{schema}")'
    return await api.ask("POST", "/streams", {"sql": sql})


def _zip(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/") + ".proto", text)
    return out.getvalue()


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    return tmp_path / "data" / "schemas" / "protobuf"


async def test_life_of_a_schema(api: Api, schemas: Path) -> None:
    """Registered, listed, shown with its file, replaced, removed."""
    reply = await _post(api)
    assert (reply.status, reply.text) == (201, "protobuf schema person is created")
    assert (await api.ask("GET", "/schemas/protobuf")).json == ["person"]
    assert (await api.ask("GET", "/schemas/custom")).json == []
    shown = {"type": "protobuf", "name": "person", "content": PERSON, "file": f"{schemas}/person.proto"}
    assert (await api.ask("GET", "/schemas/protobuf/person")).json == shown
    assert (schemas / "person.proto").read_text() == PERSON
    again = await _post(api)
    assert again.json == {"error": 1000, "message": "schema create command error: schema protobuf.person already registered"}
    assert (await api.ask("PUT", "/schemas/protobuf/person", {"content": OTHER})).text == "protobuf schema person is updated"
    assert (schemas / "person.proto").read_text() == OTHER
    assert (await api.ask("DELETE", "/schemas/protobuf/person")).text == "protobuf schema person is deleted"
    assert list(schemas.iterdir()) == []
    gone = await api.ask("DELETE", "/schemas/protobuf/person")
    assert (gone.status, gone.json["message"]) == (400, "delete protobuf schema person error: schema protobuf.person not found")
    missing = await api.ask("GET", "/schemas/protobuf/person")
    assert (missing.status, missing.json["message"]) == (400, "schema type protobuf id person not found in registry")


@pytest.mark.parametrize(
    ("type", "body", "message"),
    [
        ("protobuf", "{", "Invalid body: Error decoding schema json: unexpected EOF"),
        ("protobuf", "{}", "Invalid body: name is required"),
        ("protobuf", '{"name":"x"}', "Invalid body: must specify content or file"),
        ("protobuf", '{"name":"x","content":"a","file":"b"}', "Invalid body: cannot specify both content and file"),
        ("protobuf", '{"name":"x","content":"a","type":"custom"}', "Invalid body: type custom; protobuf as in the path is expected"),
        ("custom", '{"name":"x","file":"file:///x"}', "Invalid body: soFile is required"),
        ("nosuch", '{"name":"x","content":"a"}', "Invalid body: unsupported schema type nosuch"),
        ("protobuf", '{"name":"a.b","content":"a"}', "id 'a.b' contains invalid characters"),
        ("protobuf", '{"name":"x","content":"a","version":"../1"}', "Invalid body: version '../1'"),
        (
            "protobuf",
            '{"name":"x","file":"file:///none.proto"}',
            "schema create command error: stat /none.proto: no such file or directory",
        ),
        ("protobuf", '{"name":"x","content":"not proto"}', "schema create command error: x.proto:1:1: mismatched input 'not'"),
    ],
)
async def test_bodies(api: Api, type: str, body: str, message: str) -> None:
    """A fault of the text shows when it is registered."""
    reply = await api.ask("POST", f"/schemas/{type}", body)
    assert reply.status == 400
    assert reply.json["message"].startswith(message)
    assert (await api.ask("GET", "/schemas/protobuf")).json == []


async def test_paths_that_name_nothing(api: Api) -> None:
    """Types and names in the path."""
    assert (await api.ask("GET", "/schemas/nosuch")).json["message"] == "schema type nosuch not found"
    assert (await api.ask("GET", "/schemas/protobuf/a.b")).json["message"].startswith("id 'a.b' contains invalid characters")
    assert (await api.ask("PUT", "/schemas/protobuf/person", {"name": "other", "content": PERSON})).json["message"] == (
        "Invalid body: name other; person as in the path is expected"
    )
    assert (await api.ask("PUT", "/schemas/protobuf/person", "{")).status == 400
    assert (await api.ask("POST", "/schemas/protobuf/person/upload")).status == 405


async def test_versions(api: Api, schemas: Path) -> None:
    """A version below the stored one is refused; the file carries the version."""
    await _post(api, version="2")
    assert [path.name for path in schemas.iterdir()] == ["person@2.proto"]
    for version in ("1", ""):
        reply = await api.ask("PUT", "/schemas/protobuf/person", {"content": OTHER, "version": version})
        assert reply.json["message"] == "schema update command error: schema protobuf.person already registered with a newer version 2"
    for version in ("2", "3"):
        assert (await api.ask("PUT", "/schemas/protobuf/person", {"content": OTHER, "version": version})).status == 200
    assert (await api.ask("GET", "/schemas/protobuf/person")).json["version"] == "3"
    assert [path.name for path in schemas.iterdir()] == ["person@3.proto"]


async def test_a_schema_from_a_file_outlives_the_file(api: Api, tmp_path: Path) -> None:
    """What was read once is kept; the stored text is as it was given."""
    (tmp_path / "f.proto").write_text(PERSON)
    url = f"file://{tmp_path}/f.proto"
    assert (await _post(api, content="", file=url)).status == 201
    (tmp_path / "f.proto").unlink()
    assert (await api.ask("GET", "/schemas/protobuf/person")).json["content"] == PERSON
    exported = json.loads((await api.ask("GET", "/data/export")).json["Schema"]["protobuf_person"])
    assert exported == {"type": "protobuf", "name": "person", "file": url}


async def test_archives(api: Api, schemas: Path, tmp_path: Path) -> None:
    """The schema at the root, what it imports in a folder of its name, under either path."""
    root = 'syntax = "proto3"; import "pack/a.proto"; import "b.proto"; message P { A a = 1; B b = 2; }'
    a, b = (f'syntax = "proto3"; message {name} {{ int32 {field} = 1; }}' for name, field in (("A", "x"), ("B", "y")))
    data = _zip(pack=root, pack__a=a, pack__b=b, other="garbage")
    (tmp_path / "pack.zip").write_bytes(data)
    assert (await _post(api, "pack", "", file=f"file://{tmp_path}/pack.zip")).status == 201
    assert sorted(str(path.relative_to(schemas)) for path in schemas.rglob("*.proto")) == ["pack.proto", "pack/a.proto", "pack/b.proto"]
    await _stream(api, schema="pack.P")
    shown = (await api.ask("GET", "/streams/ps/schema")).json
    assert {name: list(field["properties"]) for name, field in shown.items()} == {"a": ["x"], "b": ["y"]}
    assert (await api.ask("GET", "/schemas/protobuf/pack")).json["content"] == root
    await api.ask("DELETE", "/schemas/protobuf/pack")
    assert list(schemas.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_zip(other=PERSON), "archive: person.proto is missing at its root"),
        (b"PK\x03\x04garbage", "zip: not a valid zip file"),
        (b"\xff\xfe", "person.proto: no UTF-8 text at byte 0"),
        (_zip(person='import "person/none.proto";'), 'import "person/none.proto" is not found'),
    ],
)
async def test_files_that_are_no_schemas(api: Api, data: bytes, message: str) -> None:
    """Refused with what is wrong."""
    reply = await _upload(api, "protobuf/person", ("file", data))
    assert message in reply.json["message"]
    assert (await api.ask("GET", "/schemas/protobuf")).json == []


async def test_uploads(api: Api, tmp_path: Path) -> None:
    """A text is exported as content, an archive with its bytes: both can be imported on another machine."""
    reply = await _upload(api, "protobuf/person", ("file", PERSON.encode()))
    assert (reply.status, reply.json, reply.headers["location"]) == (
        201,
        {"type": "protobuf", "name": "person"},
        "/schemas/protobuf/person",
    )
    assert (await _upload(api, "protobuf/person", ("version", b"2"), ("file", PERSON.encode()))).status == 200
    assert (
        await _upload(
            api, "protobuf/pack", ("file", _zip(pack='import "pack/a.proto"; message P {optional A a = 1;}', pack__a="message A {}"))
        )
    ).status == 201
    document = (await api.ask("GET", "/data/export")).text
    entries = {name: json.loads(text) for name, text in json.loads(document)["Schema"].items()}
    assert entries["protobuf_person"] == {"type": "protobuf", "name": "person", "content": PERSON, "version": "2"}
    assert entries["protobuf_pack"]["file"].startswith("data:application/octet-stream;base64,UEsDB")
    async with open_api(tmp_path / "other") as other:
        assert (await other.ask("POST", "/data/import", {"content": document})).status == 200
        assert (await other.ask("GET", "/data/export")).text == document
        assert (await other.ask("GET", "/schemas/protobuf/pack")).json["content"].startswith("import")


@pytest.mark.parametrize(
    ("path", "parts", "message"),
    [
        ("protobuf/up", [("other", b"y")], "Invalid multipart body: file field is required"),
        ("protobuf/up", [("file", b"a"), ("file", b"b")], "Invalid multipart body: file field must appear exactly once"),
        (
            "protobuf/up",
            [("file", b"a"), ("version", b"1"), ("version", b"2")],
            "Invalid multipart body: version field must not be repeated",
        ),
        ("protobuf/up", [("file", b"a"), ("version", b"1" * 5000)], "Invalid multipart body: version field is too large"),
        ("nosuch/up", [("file", b"a")], "Invalid schema: unsupported schema type nosuch"),
        (
            "protobuf/bad.id",
            [("file", b"a")],
            "id 'bad.id' contains invalid characters: only alphanumeric, hyphens and underscores are allowed",
        ),
        ("protobuf/up", [("file", b"garbage")], "schema upsert error: up.proto:1:1: extraneous input 'garbage'"),
        ("protobuf/up", [("file", b"message A {}"), ("version", b"a/b")], "Invalid schema: version 'a/b': letters, digits"),
    ],
)
async def test_uploads_that_are_refused(api: Api, path: str, parts: list[tuple[str, bytes]], message: str) -> None:
    """As JSON, with the texts of the original."""
    reply = await _upload(api, path, *parts)
    assert (reply.status, reply.headers["content-type"]) == (400, "application/json")
    assert reply.json["message"].startswith(message)


async def test_uploads_that_are_no_forms(api: Api) -> None:
    """Another content type has a status of its own."""
    reply = await api.ask("PUT", "/schemas/protobuf/up/upload", "{}", {"content-type": "application/json"})
    assert (reply.status, reply.json["message"]) == (415, "Invalid content type: content type must be multipart/form-data")
    reply = await api.ask("PUT", "/schemas/protobuf/up/upload", "x", {"content-type": "multipart/form-data"})
    assert reply.json["message"] == "Invalid multipart body: no multipart boundary param in Content-Type"


async def test_streams_have_the_columns_of_their_message(api: Api) -> None:
    """Rules are checked against them, whatever the statement declares; a missing schema is told when it is needed."""
    assert (await _stream(api)).status == 201
    reply = await api.ask("GET", "/streams/ps/schema")
    assert reply.json == {"error": 3000, "message": "get schema of stream error: schema type protobuf id person not found in registry"}
    assert (await api.rule(sql="SELECT name FROM ps")).json["message"] == "schema type protobuf id person not found in registry"
    await _post(api)
    shown = {
        "name": {"type": "string", "index": 0},
        "age": {"type": "bigint", "index": 0},
        "tags": {"type": "array", "items": {"type": "string", "index": 0}, "index": 0},
    }
    assert (await api.ask("GET", "/streams/ps/schema")).json == shown
    assert (await api.rule(sql="SELECT nme FROM ps")).json["message"].startswith("unknown field nme")
    assert (await api.rule(sql="SELECT name, age + 1 AS older FROM ps")).status == 201
    await _stream(api, "qs", "person.Other")
    reply = await api.ask("GET", "/streams/qs/schema")
    assert reply.json["message"].endswith("message type Other not found in schema person; it has Person")


async def test_rules_follow_their_schema(api: Api) -> None:
    """A replaced schema deploys the rule anew; one that lacks its columns is a fault of a document, and goes through by hand."""
    await _post(api)
    await _stream(api)
    await api.rule(sql="SELECT name FROM ps")
    api.host.calls.clear()
    await api.ask("PUT", "/schemas/protobuf/person", {"content": PERSON.replace("string name", "bytes name")})
    assert ("deploy", "r") in api.host.calls
    document = (await api.ask("GET", "/data/export")).json
    document["Schema"] = {"protobuf_person": json.dumps({"type": "protobuf", "name": "person", "content": OTHER})}
    reply = await api.ask("POST", "/data/import", {"content": json.dumps(document)})
    assert json.loads(reply.json["message"])["rules"] == {"r": "unknown field name"}
    assert (await api.ask("PUT", "/schemas/protobuf/person", {"content": OTHER})).status == 200
    assert api.host.states["r"] == "running"


async def test_payloads_that_are_not_read_yet(api: Api) -> None:
    """A rule on them is accepted and checked, and its status says why it does not run."""
    await _post(api)
    await _stream(api, source="mqtt")
    assert (await api.rule(sql="SELECT name FROM ps")).status == 201
    assert api.host.states["r"] == "stopped by error"
    assert api.host.messages["r"].startswith("stream ps: payloads of format protobuf are not read or written by this version")
    await api.stream()
    reply = await api.rule("s", actions=[{"memory": {"topic": "t", "format": "protobuf", "schemaId": "none.X"}}])
    assert reply.json["message"] == "schema type protobuf id none not found in registry"


async def test_exports_of_rules_have_their_schema(api: Api) -> None:
    """The schema of a stream is part of what a rule uses."""
    await _post(api)
    await _post(api, "unused")
    await _stream(api)
    await api.rule(sql="SELECT name FROM ps")
    found = (await api.ask("POST", "/data/export", ["r"])).json
    assert list(found["Schema"]) == ["protobuf_person"]


async def test_custom_schemas(api: Api, tmp_path: Path) -> None:
    """Their library is kept and shown; rules are told that it cannot be used."""
    (tmp_path / "lib.so").write_bytes(b"\x7fELF")
    reply = await _post(api, "c", "", "custom", soFile=f"file://{tmp_path}/lib.so")
    assert (reply.status, reply.text) == (201, "custom schema c is created")
    shown = (await api.ask("GET", "/schemas/custom/c")).json
    assert shown == {"type": "custom", "name": "c", "soFile": f"{tmp_path}/data/schemas/custom/c.so"}
    assert Path(shown["soFile"]).read_bytes() == b"\x7fELF"
    await _stream(api, "cs", "c.X", "custom", "mqtt")
    assert (await api.rule(sql="SELECT a FROM cs")).status == 201
    assert "format custom" in api.host.messages["r"]


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("protobuf_s", "{", "unexpected end of JSON input"),
        ("wat_s", '{"type":"wat","name":"s","content":"x"}', "unsupported schema type wat"),
        (
            "protobuf_s",
            '{"type":"protobuf","name":"t","content":"message A {}"}',
            "the schema protobuf_t does not match the key protobuf_s",
        ),
        ("protobuf_a.b", '{"type":"protobuf","name":"a.b","content":"message A {}"}', "id 'a.b' contains invalid characters"),
        ("protobuf_s", '{"type":"protobuf","name":"s","content":"nope"}', "s.proto:1:1: extraneous input 'nope'"),
    ],
)
async def test_entries_of_documents(api: Api, key: str, text: str, message: str) -> None:
    """A full import reads and compiles the section, too."""
    reply = await api.ask("POST", "/data/import", {"content": json.dumps({"Schema": {key: text}})})
    found = json.loads(reply.json["message"])["Schema"]
    assert list(found) == [key]
    assert found[key].startswith(message)


async def test_partial_import_keeps_what_is_there(api: Api) -> None:
    """A present schema stays as it is and is told as ignored; a full import replaces it, rollback brings it back."""
    await _post(api)
    text = json.dumps({"type": "protobuf", "name": "person", "content": OTHER})
    content = json.dumps({"Schema": {"protobuf_person": text}})
    reply = await api.ask("POST", "/data/import?partial=1", {"content": content})
    assert (reply.status, reply.headers["plutino-ignored"], list(reply.json)) == (200, "1", ["ErrorMsg", "ConfigResponse"])
    dry = await api.ask("POST", "/data/import?partial=1&dryRun=1", {"content": content})
    assert dry.json["ignored"] == ["Schema.protobuf_person"]
    assert (await api.ask("GET", "/schemas/protobuf/person")).json["content"] == PERSON
    await api.ask("POST", "/data/import", {"content": content})
    assert (await api.ask("GET", "/schemas/protobuf/person")).json["content"] == OTHER
    await api.controller.rollback(1, origin=Origin("rest"))
    assert (await api.ask("GET", "/schemas/protobuf/person")).json["content"] == PERSON
