"""Endpoints of schemas (rest reference §1.10)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from msgspec.structs import replace

from plutino.errors import DefinitionError, NotFoundError, PlutinoError
from plutino.model import Definition, Ref, SchemaContent
from plutino.resources.schema.body import Info, check_name, check_type, info_of, text_of, validate
from plutino.resources.schema.files import placing_of, read_texts
from plutino.spi import Action, Answer, Call, Environment, Mode, Origin
from plutino.spi.gojson import GoJsonError, decode
from plutino.spi.multipart import MultipartError, Part, boundary_of, parts_of
from plutino.spi.schemas import FORMATS, KIND
from plutino.spi.wire import check_id, json_answer, text_answer, with_prefix

_BODY = {
    "type": "object",
    "description": "A schema by its text or by a URL; custom schemas have a library, too",
    "properties": {name: {"type": "string"} for name in ("name", "content", "file", "soFile", "version")},
    "required": ["name"],
}
_UPLOAD = {"type": "object", "description": "multipart/form-data with one part file and optionally version"}
_VERSION_LIMIT = 4096


def endpoints() -> Sequence[Action]:
    """The actions of ``schema``."""
    path, one, tags = "/schemas/{type}", "/schemas/{type}/{name}", ("schemas",)
    names = {"type": "array", "items": {"type": "string"}}
    shown = {"type": "object", "additionalProperties": {"type": "string"}}
    return (
        Action("GET", path, _names, "Names of the schemas of a type", reply=names, tags=tags),
        Action("POST", path, _create, "Register a schema", body=_BODY, status=201, tags=tags),
        Action("GET", one, _describe, "One schema with its text", reply=shown, tags=tags),
        Action("PUT", one, _update, "Register or replace a schema", body=_BODY, tags=tags),
        Action("DELETE", one, _delete, "Remove a schema", tags=tags),
        Action("PUT", f"{one}/upload", _upload, "Register or replace a schema by a file", body=_UPLOAD, reply=shown, tags=tags),
    )


async def _names(call: Call) -> Answer:
    prefix = f"{_known_type(call)}_"
    names = call.control.environment.names(KIND)
    return json_answer([name.removeprefix(prefix) for name in names if name.startswith(prefix)])


async def _create(call: Call) -> Answer:
    info = _info(call)
    check_name(info)
    await _put(call, info, Mode.CREATE, "schema create command error")
    return text_answer(f"{info.type} schema {info.name} is created", 201)


async def _describe(call: Call) -> Answer:
    definition = _definition(call)
    if definition is None:
        raise PlutinoError(f"schema type {call.params['type']} id {call.params['name']} not found in registry")
    return json_answer(await asyncio.to_thread(_shown, definition, call.control.environment))


async def _update(call: Call) -> Answer:
    check_id(call.params["name"])
    info = _info(call)
    await _put(call, info, Mode.UPDATE, "schema update command error")
    return text_answer(f"{info.type} schema {info.name} is updated")


async def _delete(call: Call) -> Answer:
    type, name = call.params["type"], call.params["name"]
    definition = _definition(call)
    try:
        if definition is None:
            raise NotFoundError(f"schema {type}.{name} not found")
        await call.control.delete(definition.ref, origin=Origin("rest", call.client))
    except PlutinoError as error:
        with_prefix(error, f"delete {type} schema {name} error")
        # Clients know a missing schema as a plain error.
        error.code, error.status = PlutinoError.code, PlutinoError.status
        raise
    return text_answer(f"{type} schema {name} is deleted")


async def _upload(call: Call) -> Answer:
    type, name = call.params["type"], call.params["name"]
    check_id(name)
    file, version = _form(call)
    present = call.control.environment.get(Ref(KIND, f"{type}_{name}")) is not None
    info = Info(type, name, version=version)
    try:
        check_type(type)
    except DefinitionError as error:
        with_prefix(error, "Invalid schema")
        raise
    try:
        text = file.data.decode()
    except UnicodeDecodeError:
        text = ""
    if text:
        await _put_upload(call, replace(info, content=text))
    else:
        async with call.control.holding(file.data) as url:
            await _put_upload(call, replace(info, file=url))
    answer = json_answer({"type": type, "name": name}, 200 if present else 201)
    return replace(answer, headers={"location": f"/schemas/{type}/{name}"})


async def _put_upload(call: Call, info: Info) -> None:
    try:
        validate(info)
    except DefinitionError as error:
        with_prefix(error, "Invalid schema")
        raise
    await _put(call, info, Mode.UPDATE, "schema upsert error")


async def _put(call: Call, info: Info, mode: Mode, prefix: str) -> None:
    try:
        await call.control.put(Ref(KIND, info.id), text_of(info), mode=mode, origin=Origin("rest", call.client))
    except PlutinoError as error:
        with_prefix(error, prefix)
        raise


def _info(call: Call) -> Info:
    """The body of a request, which may leave out what the path says."""
    try:
        written = info_of(decode(call.body, exact=False))
    except GoJsonError as error:
        with_prefix(error, "Invalid body: Error decoding schema json")
        raise
    info = replace(written, type=written.type or call.params["type"], name=written.name or call.params.get("name", ""))
    try:
        for what, meant in (("type", info.type), ("name", info.name)):
            wanted = call.params.get(what, meant)
            if meant != wanted:
                raise DefinitionError(f"{what} {meant}; {wanted} as in the path is expected")
        validate(info)
    except DefinitionError as error:
        with_prefix(error, "Invalid body")
        raise
    return info


def _form(call: Call) -> tuple[Part, str]:
    """The file and the version of an upload."""
    content_type = call.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise PlutinoError("Invalid content type: content type must be multipart/form-data", status=415)
    try:
        parts = list(parts_of(call.body, boundary_of(content_type)))
        files, versions = ([part for part in parts if part.name == name] for name in ("file", "version"))
        if len(files) > 1:
            raise MultipartError("file field must appear exactly once")
        if len(versions) > 1:
            raise MultipartError("version field must not be repeated")
        if versions and len(versions[0].data) > _VERSION_LIMIT:
            raise MultipartError("version field is too large")
        if not files:
            raise MultipartError("file field is required")
    except MultipartError as error:
        with_prefix(error, "Invalid multipart body")
        raise
    return files[0], versions[0].data.decode("utf-8", "replace") if versions else ""


def _known_type(call: Call) -> str:
    type = call.params["type"]
    if type not in FORMATS:
        raise PlutinoError(f"schema type {type} not found")
    return type


def _definition(call: Call) -> Definition | None:
    check_id(call.params["name"])
    return call.control.environment.get(Ref(KIND, f"{_known_type(call)}_{call.params['name']}"))


def _shown(definition: Definition, env: Environment) -> dict[str, str]:
    """What GET answers; reads the text of a schema that came as a file."""
    content: SchemaContent | None = definition.content
    info = info_of(decode(definition.text, exact=True))
    found = {"type": info.type, "name": info.name}
    if content is None:
        return found
    placing = placing_of(content, env)
    text = info.content or (read_texts(placing.bytes, info.name)[f"{info.name}.proto"] if placing.bytes and info.type == "protobuf" else "")
    if text:
        found["content"] = text
    if placing.bytes:
        found["file"] = os.path.join(placing.root, placing.file)
    if placing.so_bytes:
        found["soFile"] = os.path.join(placing.root, placing.so_file)
    if content.version:
        found["version"] = content.version
    return found
