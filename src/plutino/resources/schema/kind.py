"""The kind ``schema``: what a definition must be, and what may replace it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from plutino.errors import ConflictError, DefinitionError
from plutino.model import Definition, Ref, SchemaContent
from plutino.resources.schema.body import SHAPE, Info, check_name, info_of, validate
from plutino.resources.schema.endpoints import endpoints
from plutino.resources.schema.files import SIZE_LIMIT, Placing, are_there, placing_of, put_files, read_texts, take_files
from plutino.spi import Action, Area, Blob, Environment, Host, Mode
from plutino.spi.gojson import GoJsonError, decode
from plutino.spi.json_text import with_member
from plutino.spi.linting import CODES, Advice, text_advice
from plutino.spi.proto import compile_proto
from plutino.spi.staging import SCHEME

_FILE, _SO_FILE = "file", "soFile"


class SchemaKind:
    """Spec of ``schema``, stored as ``<type>_<name>``. A definition's content is a ``SchemaContent``."""

    kind = "schema"
    section = "Schema"
    kept_when_present = True

    @property
    def actions(self) -> Sequence[Action]:
        return endpoints()

    def parse(self, ref: Ref, text: str) -> Definition:
        """The members of the text; what the schema itself says is found out by ``stage``."""
        info = _read(text)
        validate(info)
        if info.id != ref.name:
            raise DefinitionError(f"the schema {info.id} does not match the key {ref.name}")
        return Definition(ref, text, SchemaContent(info.type, info.name, info.version, source=f"{info.content}{info.file} {info.so_file}"))

    async def stage(self, definition: Definition, area: Area) -> Definition:
        """Fetch and compile: a fault of a protobuf text shows now, not with the first message."""
        info = _read(definition.text)
        content = SchemaContent(info.type, info.name, info.version)
        if info.so_file:
            blob = await area.fetch(_SO_FILE, info.so_file)
            content = replace(content, so_sha256=blob.digest)
            info = replace(info, so_file=_kept(info.so_file, blob))
        if info.content or info.file:
            text = info.content.encode()
            blob = await (area.put(_FILE, text) if text else area.fetch(_FILE, info.file, limit=SIZE_LIMIT))
            content = replace(content, sha256=blob.digest)
            info = replace(info, file=_kept(info.file, blob))
            if info.type == "protobuf":
                texts = await asyncio.to_thread(read_texts, blob.path, info.name)
                compiled = await asyncio.to_thread(compile_proto, f"{info.name}.proto", texts)
                content = replace(content, messages=compiled.messages, descriptors=compiled.descriptors)
        return replace(definition, text=_with_files(definition.text, info), content=content)

    def portable(self, definition: Definition, read: Callable[[str], bytes]) -> str:
        written = _read(definition.text)
        info = replace(written, file=_carried(written.file, read), so_file=_carried(written.so_file, read))
        return _with_files(definition.text, info)

    def depends_on(self, definition: Definition, env: Environment) -> Iterable[Ref]:
        return ()

    def check(
        self, before: Definition | None, after: Definition | None, env: Environment, mode: Mode
    ) -> tuple[Placing | None, Placing | None]:
        """Names and versions. The result says where the files of both are."""
        if after is not None and mode is not Mode.BOOT:
            check_name(_read(after.text))
            _check_replace(before.content if before else None, after.content, mode)
        old, new = (None if definition is None else placing_of(definition.content, env) for definition in (before, after))
        return old, new

    async def activate(self, before: Definition | None, after: Definition | None, prepared: Any, host: Host) -> None:
        """Files are for others to read; what the engine needs is in the definition."""
        old, new = prepared
        if before is not None:
            await asyncio.to_thread(take_files, old)
        elif new is not None and await asyncio.to_thread(are_there, new):
            return
        if after is not None:
            await asyncio.to_thread(put_files, new, after.content.name)

    def lint(self, definition: Definition, env: Environment, codes: Collection[str] = CODES) -> Iterable[Advice]:
        """Members that mean nothing."""
        return text_advice(definition.text, SHAPE)

    def secrets(self, definition: Definition, env: Environment) -> Iterable[tuple[str, ...]]:
        return ()


def _with_files(text: str, info: Info) -> str:
    """The text with the URLs of ``info``, all else as it was written."""
    written = _read(text)
    for member, before, after in (("file", written.file, info.file), ("soFile", written.so_file, info.so_file)):
        text = text if before == after else with_member(text, member, after)
    return text


def _kept(url: str, blob: Blob) -> str:
    """The URL under which bytes are stored: those that a text brings along are kept once, beside it."""
    return SCHEME + blob.digest if url.startswith("data:") else url


def _carried(url: str, read: Callable[[str], bytes]) -> str:
    """The URL for another server."""
    if not url.startswith(SCHEME):
        return url
    return "data:application/octet-stream;base64," + base64.b64encode(read(url.removeprefix(SCHEME))).decode()


def _read(text: str) -> Info:
    try:
        return info_of(decode(text, exact=True))
    except GoJsonError as error:
        raise DefinitionError(error.message) from None


def _check_replace(before: SchemaContent | None, after: SchemaContent, mode: Mode) -> None:
    if before is None:
        return
    if mode is Mode.CREATE:
        raise ConflictError(f"schema {after.type}.{after.name} already registered")
    if mode is Mode.UPDATE and before.version > after.version:
        raise ConflictError(f"schema {after.type}.{after.name} already registered with a newer version {before.version}")
