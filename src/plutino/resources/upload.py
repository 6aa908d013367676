"""Uploaded files: the kind ``upload`` (rest reference §1.4, §2.1), below ``<data>/uploads`` for sources and sinks to read.

An upload is known by its path there. Its bytes are kept beside the text; what an author wrote as JSON is stored as written, a file from a
form as ``{"name": "a.bin", "file": "blob:<sha256>"}``, which becomes ``content`` (UTF-8 text) or a ``data:`` URL in documents that go
elsewhere.
"""

from __future__ import annotations

import asyncio
import base64
import os
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from plutino.errors import ConflictError, DefinitionError, PlutinoError
from plutino.model import Definition, Ref
from plutino.spi import Action, Answer, Area, Call, Environment, Host, Mode, Origin
from plutino.spi.gojson import GoJsonError, Shape, bind, decode
from plutino.spi.json_text import with_member
from plutino.spi.linting import CODES, Advice, text_advice
from plutino.spi.multipart import MultipartError, boundary_of, parts_of
from plutino.spi.placement import ASIDE, check_name, check_place, displace, is_placed, place
from plutino.spi.staging import SCHEME
from plutino.spi.wire import JSON, escaped, json_answer, text_answer, with_prefix

ROLE = "file"
_BODY = Shape("server.fileContent", {"name": "string", "content": "string", "file": "string"})
_BODY_SCHEMA = {
    "type": "object",
    "description": "A file by its content or by a URL; as multipart/form-data the part uploadFile",
    "properties": {"name": {"type": "string"}, "content": {"type": "string"}, "file": {"type": "string"}},
    "required": ["name"],
}
_MISSING = "missing necessary field"
_REFUSED = "Upload error: getFile has error"


class UploadContent(Struct, frozen=True):
    """What two texts must agree on: the path below the uploads directory, and the bytes.

    ``source`` is the content or URL of a text that has not been staged, empty afterwards.
    """

    name: str
    sha256: str = ""
    size: int = 0
    source: str = ""


class Placed(Struct, frozen=True):
    """What a check found out for ``activate``: the uploads directory, and the file with the bytes (empty for a deletion)."""

    root: str
    source: str = ""


class UploadKind:
    """Spec of ``upload``."""

    kind = "upload"
    section = "uploads"

    @property
    def actions(self) -> Sequence[Action]:
        path, tags = "/config/uploads", ("uploads",)
        names = {"type": "array", "items": {"type": "string"}}
        return (
            Action("GET", path, self._list, "Paths of uploaded files", reply=names, tags=tags),
            Action("POST", path, self._create, "Upload a file", body=_BODY_SCHEMA, status=201, tags=tags),
            Action("DELETE", f"{path}/{{name}}", self._delete, "Delete an uploaded file", tags=tags),
        )

    def parse(self, ref: Ref, text: str) -> Definition:
        name, content, file = _read(text)
        check_name(name)
        if name != ref.name:
            raise DefinitionError(f"the upload name {name} does not match the key {ref.name}")
        return Definition(ref, text, UploadContent(name, source=file or content))

    async def stage(self, definition: Definition, area: Area) -> Definition:
        name, content, file = _read(definition.text)
        blob = await (area.fetch(ROLE, file) if file else area.put(ROLE, content.encode()))
        # Bytes written into the text are kept once, beside it.
        text = with_member(definition.text, ROLE, SCHEME + blob.digest) if file.startswith("data:") else definition.text
        return msgspec.structs.replace(definition, text=text, content=UploadContent(name, blob.digest, blob.size))

    def portable(self, definition: Definition, read: Callable[[str], bytes]) -> str:
        name, _, file = _read(definition.text)
        if not file.startswith(SCHEME):
            return definition.text
        data = read(definition.content.sha256)
        try:
            content = data.decode()
        except UnicodeDecodeError:
            content = ""
        if content and len(decode(definition.text, exact=True)) == 2:
            return msgspec.json.encode({"name": name, "content": content}).decode()
        return with_member(definition.text, ROLE, "data:application/octet-stream;base64," + base64.b64encode(data).decode())

    def depends_on(self, definition: Definition, env: Environment) -> Iterable[Ref]:
        return ()

    def check(self, before: Definition | None, after: Definition | None, env: Environment, mode: Mode) -> Placed:
        """No upload may be a directory of another."""
        root = _root(env)
        if after is None:
            return Placed(root)
        name = after.ref.name
        parts = name.split("/")
        parents = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        names = env.names(self.kind)
        at = bisect_left(names, f"{name}/")
        below = at < len(names) and names[at].startswith(f"{name}/")
        clash = names[at] if below else next((parent for parent in parents if env.get(Ref(self.kind, parent)) is not None), None)
        if clash is not None:
            raise ConflictError(f"upload {name}: {clash} is an upload; a file cannot be a directory as well")
        return Placed(root, env.blob(after.content.sha256))

    async def activate(self, before: Definition | None, after: Definition | None, prepared: Any, host: Host) -> None:
        if after is None:
            assert before is not None
            await asyncio.to_thread(displace, prepared.root, before.ref.name)
        elif before is not None or not await asyncio.to_thread(is_placed, prepared.source, prepared.root, after.ref.name):
            await asyncio.to_thread(place, prepared.source, prepared.root, after.ref.name)

    def secrets(self, definition: Definition, env: Environment) -> Iterable[tuple[str, ...]]:
        return ()

    def lint(self, definition: Definition, env: Environment, codes: Collection[str] = CODES) -> Iterable[Advice]:
        """Members that mean nothing."""
        return text_advice(definition.text, _BODY)

    async def _list(self, call: Call) -> Answer:
        try:
            return json_answer(await asyncio.to_thread(_paths, _root(call.control.environment)))
        except OSError as error:
            raise PlutinoError(f"Error reading the file upload dir: {(error.strerror or str(error)).lower()}") from None

    async def _create(self, call: Call) -> Answer:
        # Exactly this header, as clients know it; everything else is a form.
        if call.headers.get("content-type") == JSON:
            name = await self._create_from_json(call)
        else:
            name = await self._create_from_form(call)
        return text_answer(escaped(os.path.join(_root(call.control.environment), name)), 201)

    async def _create_from_json(self, call: Call) -> str:
        try:
            value = decode(call.body, exact=False)
            body = bind(value, _BODY)
        except GoJsonError as error:
            with_prefix(error, "Invalid body: Error decoding file json")
            raise
        try:
            _validate(body)
        except DefinitionError as error:
            with_prefix(error, f"Invalid body: {_MISSING}")
            raise
        try:
            # The path in its shortest form is the name of the object.
            shortest = os.path.normpath(body["name"])
            if shortest == body["name"] and _is_exact(call.body):
                text = call.body.decode()
            else:
                check_name(shortest)
                text = msgspec.json.encode({**body, "name": shortest}).decode()
            await self._put(call, shortest, text)
        except PlutinoError as error:
            with_prefix(error, _REFUSED)
            raise
        return str(shortest)

    async def _create_from_form(self, call: Call) -> str:
        try:
            parts = list(parts_of(call.body, boundary_of(call.headers.get("content-type", ""))))
        except MultipartError as error:
            with_prefix(error, "Error parse the multi part form")
            raise
        part = next((p for p in parts if p.name == "uploadFile" and p.filename), None)
        if part is None:
            raise PlutinoError("Error Retrieving the File: http: no such file")
        assert part.filename is not None
        try:
            check_name(part.filename)
            async with call.control.holding(part.data) as url:
                await self._put(call, part.filename, msgspec.json.encode({"name": part.filename, "file": url}).decode())
        except PlutinoError as error:
            with_prefix(error, "Error saving the file")
            raise
        return part.filename

    async def _put(self, call: Call, name: str, text: str) -> None:
        check_name(name)
        # What stands in the directory is no part of the desired state, so it is looked at here and not in the check.
        await asyncio.to_thread(check_place, _root(call.control.environment), name)
        await call.control.put(Ref(self.kind, name), text, mode=Mode.UPDATE, origin=Origin("rest", call.client))

    async def _delete(self, call: Call) -> Answer:
        name, control = call.params["name"], call.control
        root, ref = _root(control.environment), Ref(self.kind, call.params["name"])
        try:
            check_name(name)
            if control.environment.get(ref) is not None:
                await control.delete(ref, origin=Origin("rest", call.client))
            elif not await asyncio.to_thread(displace, root, name):
                raise PlutinoError(f"removeat {name}: no such file or directory")
        except PlutinoError as error:
            with_prefix(error, "Error deleting the file", code=PlutinoError.code)
            raise
        return text_answer("ok")


def _read(text: str) -> tuple[str, str, str]:
    """Name, content and URL of a text; DefinitionError with the wire text."""
    try:
        body = bind(decode(text, exact=True), _BODY)
    except GoJsonError as error:
        raise DefinitionError(f"invalid body: Error decoding file json: {error.message}") from None
    _validate(body)
    return body["name"], body.get("content", ""), body.get("file", "")


def _validate(body: dict[str, Any]) -> None:
    if not body.get("content") and not body.get("file"):
        raise DefinitionError("invalid body: content or FilePath is required")
    if not body.get("name"):
        raise DefinitionError("invalid body: name is required")


def _is_exact(body: bytes) -> bool:
    """Whether a body can be kept as it is: UTF-8, and one JSON value with nothing after it."""
    try:
        msgspec.json.decode(body.decode())
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True


def _root(env: Environment) -> str:
    return os.path.join(os.path.abspath(str(env.settings.get("data_dir", "."))), "uploads")


def _paths(root: str) -> list[str]:
    """What stands in the uploads directory, directories included, without what is below them."""
    Path(root).mkdir(parents=True, exist_ok=True)
    return sorted(os.path.join(root, name) for name in os.listdir(root) if not name.startswith(ASIDE))


SPECS = (UploadKind(),)
