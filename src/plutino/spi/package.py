"""What kinds share whose objects are packages: the request that names one, the bytes behind it, and what a package declares."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from plutino.errors import ConflictError, DefinitionError, EvaluationError, PlutinoError
from plutino.model import Definition, Ref
from plutino.spi.archive import Archive, open_archive
from plutino.spi.function import Arg, FunctionSpec
from plutino.spi.gojson import GoJsonError, Shape, bind, decode
from plutino.spi.multipart import boundary_of, parts_of
from plutino.spi.resource import Call, Environment, stands_in
from plutino.spi.staging import SCHEME, Area, Blob, DeclaredConnector
from plutino.spi.wire import with_prefix

ROLE = "file"
PACKAGE_LIMIT = 64 * 1024 * 1024
"""Bytes of one package at most."""

MANIFEST_LIMIT = 1024 * 1024
"""Bytes of a manifest, descriptor or configuration inside of a package."""

INSTALL_SCRIPT = "install.sh"
ALLOW_SCRIPTS = "allow_install_scripts"
"""Server setting: packages with an installation script are taken."""

REQUEST_SCHEMA = {
    "type": "object",
    "description": "A package by its URL; as multipart/form-data its bytes in the part file, the other members as fields",
    "properties": {
        "name": {"type": "string"},
        "file": {"type": "string", "description": "file://, http:// or https://"},
        "sha256": {"type": "string", "description": "what the bytes must hash to, if they are to be checked"},
        "shellParas": {"type": "array", "items": {"type": "string"}, "description": "arguments of install.sh"},
        "functions": {"type": "array", "items": {"type": "string"}, "description": "of a function plugin"},
    },
}

_FIELDS = {"name": "string", "file": "string", "shellParas": "[]string", "functions": "[]string", "sha256": "string"}
_LISTS = ("shellParas", "functions")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_SYMBOL = re.compile(r"[a-zA-Z0-9_\-]+")
_CREDENTIALS = re.compile(r"//[^/?#]*@")
_MULTIPART = "multipart/form-data"


class Request(Struct, frozen=True):
    """What an author wrote: ``functions`` and ``shell_paras`` mean something for plugins only; ``sha256`` is empty when not given."""

    name: str = ""
    file: str = ""
    shell_paras: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    sha256: str = ""


def request_shape(name: str) -> Shape:
    """The shape of a request; ``name`` is that of Go's struct, for its error texts."""
    return Shape(name, _FIELDS)


def read_request(text: str, shape: Shape) -> Request:
    """The request in the text of an object; DefinitionError with the wire text."""
    try:
        body = bind(decode(text, exact=True), shape)
    except GoJsonError as error:
        raise DefinitionError(error.message) from None
    wanted = body.get("sha256", "")
    if wanted and _SHA256.fullmatch(wanted) is None:
        raise DefinitionError(f"sha256: {wanted[:80]}; 64 hexadecimal digits are expected")
    return Request(
        body.get("name", ""), body.get("file", ""), tuple(body.get("shellParas", ())), tuple(body.get("functions", ())), wanted.lower()
    )


@asynccontextmanager
async def request_text(call: Call, shape: Shape, name: str = "") -> AsyncIterator[tuple[str, str]]:
    """The name and text of the object that a request makes, to be put inside of the block.

    A JSON body is kept as it is written; ``name`` is taken where the body has none. The bytes of a form are kept for the time of the block.
    GoJsonError (or MultipartError) for a body that cannot be read.
    """
    media = call.headers.get("content-type", "")
    if media.partition(";")[0].strip().lower() != _MULTIPART:
        value = decode(call.body, exact=False)
        body = bind(value, shape)
        given = body.get("name") or name
        yield given, _text(call.body, value) if body.get("name") else _encoded({"name": given, **body})
        return
    fields: dict[str, Any] = {}
    data: bytes | None = None
    for part in parts_of(call.body, boundary_of(media)):
        if part.name == ROLE:
            data = part.data
        elif part.name in _LISTS:
            fields[part.name] = [word for word in part.data.decode("utf-8", "replace").split(",") if word]
        elif part.name in _FIELDS:
            fields[part.name] = part.data.decode("utf-8", "replace")
    if data is None:
        raise PlutinoError("http: no such file")
    given = fields.pop("name", "") or name
    async with call.control.holding(data) as url:
        yield given, _encoded({"name": given, "file": url, **fields})


def check_url(url: str, suffixes: tuple[str, ...], what: str) -> None:
    """DefinitionError unless a package may be behind this URL; ``what`` begins the text (``invalid uri``)."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    match parts.scheme.lower():
        case "http" | "https":
            known = bool(parts.netloc) and (not suffixes or parts.path.lower().endswith(suffixes))
        case "file":
            known = not suffixes or parts.path.lower().endswith(suffixes)
        case "blob" | "data":
            known = True
        case _:
            known = False
    if not known:
        raise DefinitionError(f"{what} {shown(url)}")


async def fetch(area: Area, request: Request) -> Blob:
    """The bytes of a package, held to their checksum if one is given; PlutinoError with the wire text."""
    if request.sha256:
        with suppress(PlutinoError):
            # What is here already need not come from anywhere; what is not, comes from the URL.
            return await area.fetch(ROLE, SCHEME + request.sha256, limit=PACKAGE_LIMIT)
    try:
        blob = await area.fetch(ROLE, request.file, limit=PACKAGE_LIMIT)
    except PlutinoError as error:
        with_prefix(error, f"fail to download file {shown(request.file)}", code=PlutinoError.code)
        raise
    if request.sha256 and request.sha256 != blob.digest:
        raise DefinitionError(f"fail to download file {shown(request.file)}: sha256 is {blob.digest}; {request.sha256} is expected")
    return blob


def opened(blob: Blob) -> Archive:
    """The archive of a package; DefinitionError when it is none or not harmless. Blocks."""
    return open_archive(blob.path)


def portable_text(definition: Definition, request: Request, read: Callable[[str], bytes]) -> str:
    """The text for a document that goes elsewhere: in its short form, as the original has it, kept bytes as a ``data:`` URL."""
    try:
        short = msgspec.json.format(definition.text, indent=-1)
    except msgspec.DecodeError:
        return definition.text
    if not request.file.startswith(SCHEME):
        return short
    value: dict[str, Any] = msgspec.json.decode(short)
    key = next(key for key in value if key.lower() == ROLE)
    data = base64.b64encode(read(request.file.removeprefix(SCHEME))).decode()
    return _encoded({**value, key: f"data:application/octet-stream;base64,{data}"})


def shown(url: str) -> str:
    """A URL for an error text: without credentials, and without most of the bytes of a ``data:`` URL."""
    return _CREDENTIALS.sub("//", url, count=1)[:200]


def secret_url(request: Request) -> Iterator[tuple[str, ...]]:
    """The path of the URL in a content whose ``request`` this is, if credentials stand in it (``ResourceSpec.secrets``)."""
    if _CREDENTIALS.search(request.file) is not None:
        yield ("request", "file")


# --- what packages declare


@dataclass(frozen=True, slots=True)
class NotExecuted:
    """Stands for a function that is declared but cannot be called; equal as long as its package is the same."""

    text: str
    digest: str

    def __call__(self, *_: Any) -> NoReturn:
        raise EvaluationError(self.text)


def not_executed(role: str, name: str, owner: Ref) -> str:
    """Why a rule that uses a symbol of a package does not start: ``function f of service s: services are declared, …``."""
    word = owner.kind.replace("_", " ")
    return f"{role} {name} of {word} {owner.name}: {word}s are declared, but not executed by this version"


def declared_function(name: str, owner: Ref, digest: str, about: str) -> FunctionSpec:
    """A function that takes whatever it is given, as only its package knows better."""
    text = not_executed("function", name, owner)
    return FunctionSpec(
        name, NotExecuted(text, digest), about, args=(Arg("value"),), optional=1, variadic=True, pure=False, unavailable=text
    )


def check_symbols(role: str, names: tuple[str, ...], package: str) -> None:
    """DefinitionError for a name that cannot be that of a function, source or sink, or stands twice."""
    for name in names:
        if _SYMBOL.fullmatch(name) is None:
            raise DefinitionError(f"{package}, {role} name '{name}': only alphanumeric, hyphens and underscores are allowed")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DefinitionError(f"{package}, {role} {twice} is given twice")


def check_new_functions(names: tuple[str, ...], owner: Ref, env: Environment, *, stand_in: bool = False) -> None:
    """ConflictError when another object has brought one of these functions; built-in ones go first wherever names are equal.

    What stands in (``stand_in``) and what does not may have one name.
    """
    for name in names:
        found = env.function(name)
        if found is not None and found.owner != owner and stands_in(found) is stand_in:
            raise ConflictError(f"function name {name} already exists; it belongs to {found.owner}")


def check_new_connectors(declared: tuple[DeclaredConnector, ...], owner: Ref, env: Environment, *, stand_in: bool = False) -> None:
    """The same for sources and sinks."""
    for made in declared:
        found = env.connector(made.role, made.name)
        if found is not None and found.owner != owner and stands_in(found) is stand_in:
            raise ConflictError(f"{made.role} name {made.name} already exists; it belongs to {found.owner}")


def read_presets(archive: Archive, name: str) -> dict[str, dict[str, Any]]:
    """The configurations in a file, by key; DefinitionError unless it is there and holds such in YAML."""
    import yaml

    text = archive.text(name, MANIFEST_LIMIT)
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DefinitionError(f"{name}: {' '.join(str(error).split())}") from None
    if value is not None and not isinstance(value, dict):
        raise DefinitionError(f"{name}: {type(value).__name__}; an object of configurations is expected")
    return {str(key): preset for key, preset in (value or {}).items() if isinstance(preset, dict)}


def check_script(has_script: bool, settings: Mapping[str, Any]) -> None:
    """DefinitionError for a package with an installation script, unless the server was told to take them."""
    if has_script and not settings.get(ALLOW_SCRIPTS, False):
        raise DefinitionError(
            f"fail to install plugin: {INSTALL_SCRIPT} is not run by this server; take it out of the package, "
            "or start the server with --allow-install-scripts if you trust where packages come from"
        )


def _text(body: bytes, value: Any) -> str:
    """A body as it is written, if it is one JSON value in UTF-8."""
    try:
        text = body.decode()
        msgspec.json.decode(text)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return _encoded(value)
    return text


def _encoded(value: Any) -> str:
    return msgspec.json.encode(value).decode()
