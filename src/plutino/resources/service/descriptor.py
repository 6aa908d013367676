"""Reading the package of a service: its descriptor, and the protobuf schemas of its interfaces, compiled."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from plutino.errors import DefinitionError, PlutinoError
from plutino.resources.service.content import Interface, Procedure, ServiceContent
from plutino.spi import Blob
from plutino.spi.archive import Archive
from plutino.spi.gojson import GoJsonError, Shape, bind, decode
from plutino.spi.package import MANIFEST_LIMIT, Request, check_symbols, opened
from plutino.spi.proto import TEXT_LIMIT, Compiled, compile_proto

_LANGUAGE = Shape("service.fileLanguage", {"en_US": "string", "zh_CN": "string"})
_AUTHOR = Shape("service.author", {"name": "string", "email": "string", "company": "string", "website": "string"})
_ABOUT = Shape("service.about", {"author": _AUTHOR, "helpUrl": _LANGUAGE, "description": _LANGUAGE})
_MAPPING = Shape("service.mapping", {"name": "string", "serviceName": "string", "description": _LANGUAGE})
_BINDING = Shape(
    "service.binding",
    {
        "name": "string",
        "description": _LANGUAGE,
        "address": "string",
        "protocol": "string",
        "schemaType": "string",
        "schemaFile": "string",
        "schemaless": "bool",
        "functions": (_MAPPING,),
        "options": "map[string]interface {}",
    },
)
_CONF = Shape("service.conf", {"about": _ABOUT, "interfaces": "map[string]interface {}"})
_SCHEMAS = "schemas/"
_PROTOCOLS = {"rest": ("http", "https"), "grpc": ("", "tcp", "grpc", "http"), "msgpack-rpc": ("", "tcp")}
_VERBS = ("get", "put", "post", "delete", "patch")
_FIELD = re.compile(r"\{([^{}=]*)(=[^{}]*)?\}")


def read_service(request: Request, blob: Blob) -> ServiceContent:
    """The content of a service; DefinitionError with the wire text when its package cannot be used. Blocks."""
    name = f"{request.name}.json"
    with opened(blob) as archive:
        file = archive.find(name)
        if file is None:
            raise DefinitionError(f"cannot find the json descriptor file {name} for service")
        try:
            conf = bind(decode(archive.text(file, MANIFEST_LIMIT), exact=True), _CONF)
            bindings = {key: bind(value, _BINDING) for key, value in conf.get("interfaces", {}).items()}
        except GoJsonError as error:
            raise DefinitionError(f"parse services file {name} failed: {error.message}") from None
        schemas = _Schemas(archive)
        interfaces = tuple(_interface(key, binding, schemas) for key, binding in sorted(bindings.items()))
        content = ServiceContent(request, blob.digest, _about(conf.get("about")), interfaces, read=True)
    check_symbols("function", tuple(procedure.function for _, procedure in content.procedures()), f"service {request.name}")
    return content


class _Schemas:
    """The ``.proto`` files of a package, compiled once each."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._texts: dict[str, str] | None = None
        self._compiled: dict[str, Compiled] = {}

    def compiled(self, file: str) -> Compiled:
        """The compiled form of a file; DefinitionError when it does not compile."""
        found = self._compiled.get(file)
        if found is None:
            texts = self._all()
            if file not in texts:
                raise DefinitionError(f"missing {_SCHEMAS}{file}")
            found = self._compiled[file] = compile_proto(file, texts)
        return found

    def _all(self) -> dict[str, str]:
        if self._texts is None:
            names = [name for name in self._archive.names if name.startswith(_SCHEMAS) and name.endswith(".proto")]
            self._texts = {name.removeprefix(_SCHEMAS): self._archive.text(name, TEXT_LIMIT) for name in names}
        return self._texts


def _about(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What is shown of the author: Go's struct, with empty texts where a member is left out."""
    if found is None:
        return None
    author = found.get("author")
    return {
        "author": None if author is None else {name: author.get(name, "") for name in _AUTHOR.fields},
        "helpUrl": _language(found.get("helpUrl")),
        "description": _language(found.get("description")),
    }


def _language(found: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if found is None else {name: found.get(name, "") for name in _LANGUAGE.fields}


def _interface(name: str, binding: Mapping[str, Any], schemas: _Schemas) -> Interface:
    protocol, address = binding.get("protocol", ""), binding.get("address", "")
    schemaless = binding.get("schemaless", False)
    file, kind = binding.get("schemaFile", ""), binding.get("schemaType", "")
    _check_address(name, protocol, address)
    if schemaless:
        if protocol != "rest":
            raise DefinitionError(f"interface {name}: schemaless with protocol {protocol}; rest is expected")
        procedures: tuple[Procedure, ...] = (Procedure(name, name),)
    else:
        if kind != "protobuf":
            raise DefinitionError(f"Fail to parse schema file {file}: unsupported schema type {kind}")
        try:
            compiled = schemas.compiled(file)
            aliases = {entry.get("serviceName", ""): entry.get("name", "") for entry in binding.get("functions", ())}
            procedures = _procedures(compiled, aliases)
        except PlutinoError as error:
            raise DefinitionError(f"Fail to parse schema file {file}: {error.message}") from error
    return Interface(
        name,
        address,
        protocol,
        kind,
        file,
        schemaless,
        procedures,
        binding.get("options"),
        _language(binding.get("description")),
    )


def _check_address(name: str, protocol: str, address: str) -> None:
    if protocol not in _PROTOCOLS:
        raise DefinitionError(f"interface {name}: unsupported protocol {protocol}; one of {', '.join(_PROTOCOLS)} is expected")
    schemes = _PROTOCOLS[protocol]
    try:
        parts = urlsplit(address if "://" in address or "" not in schemes else f"//{address}")
        known = parts.scheme in schemes and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        known = False
    if not known:
        expected = "http://host:port" if protocol == "rest" else "tcp://host:port"
        raise DefinitionError(f"interface {name}: address {address}; {expected} is expected")


def _procedures(compiled: Compiled, aliases: Mapping[str, str]) -> tuple[Procedure, ...]:
    """Every procedure of every service of a schema, under its name in SQL."""
    library = importlib.import_module("google.protobuf.descriptor_pb2")
    file = library.FileDescriptorSet.FromString(compiled.descriptors).file[-1]
    package = f"{file.package}." if file.package else ""
    found = []
    for service in file.service:
        for method in service.method:
            full = f"{package}{service.name}.{method.name}"
            if method.client_streaming or method.server_streaming:
                raise DefinitionError(f"{full}: a stream; one message in, one message out is expected")
            rule = compiled.options.get(full, {}).get("google.api.http")
            if rule is not None:
                # As written: with or without the package in front. Messages of other files are left to the call.
                written = method.input_type.lstrip(".")
                columns = compiled.messages.get(f"{package}{written}") or compiled.messages.get(written)
                _check_rule(full, rule, None if columns is None else columns.names)
            found.append(Procedure(aliases.get(method.name) or method.name, method.name, f"{package}{service.name}", rule))
    return tuple(found)


def _check_rule(method: str, rule: Any, fields: tuple[str, ...] | None) -> None:
    """The way of a procedure to a REST request: one verb, and a path of fields of the message."""
    verbs = [verb for verb in _VERBS if isinstance(rule, dict) and verb in rule]
    if len(verbs) != 1 or not isinstance(rule[verbs[0]], str):
        raise DefinitionError(f"{method}: google.api.http {rule}; one of {', '.join(_VERBS)} with a path is expected")
    path = rule[verbs[0]]
    if not path.startswith("/"):
        raise DefinitionError(f"{method}: path {path}; a slash in front is expected")
    if fields is None:
        return
    body = rule.get("body", "*")
    used = [match[1] for match in _FIELD.finditer(path)] + ([] if body in ("", "*") else [body])
    for name in used:
        if name not in fields:
            raise DefinitionError(f"{method}: field {name} of {path} is not in the message; it has {', '.join(fields) or 'none'}")
