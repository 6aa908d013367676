"""Python packages as native plugins: what a wheel, or a zip with a manifest, declares; nothing is imported."""

from __future__ import annotations

import configparser
import re
from email.parser import HeaderParser

from plutino.errors import DefinitionError
from plutino.resources.native_plugin.content import NativeContent, Package, Role
from plutino.spi import Blob
from plutino.spi.archive import Archive
from plutino.spi.gojson import GoJsonError, Shape, bind, decode
from plutino.spi.package import INSTALL_SCRIPT, MANIFEST_LIMIT, check_symbols, opened

_MANIFEST = Shape(
    "plugin.Manifest",
    {
        "name": "string",
        "version": "string",
        "language": "string",
        "module": "string",
        "sources": "[]string",
        "sinks": "[]string",
        "functions": "[]string",
    },
)
_GROUPS = {Role.SOURCES: "plutino.connectors", Role.SINKS: "plutino.connectors", Role.FUNCTIONS: "plutino.functions"}
_POINT = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?::[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)?(?:\s*\[.*\])?", re.ASCII)
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_INVALID = "invalid plugin"


def read_package(content: NativeContent, blob: Blob) -> Package:
    """What a package declares; DefinitionError when it cannot be used. Blocks."""
    with opened(blob) as archive:
        library = next((name for name in archive.names if name.lower().endswith((".so", ".dll", ".dylib"))), None)
        info = next((name for name in archive.names if name.count("/") == 1 and name.endswith(".dist-info/METADATA")), None)
        if info is not None:
            version, symbols = _wheel(content.role, info.partition("/")[0], archive)
        elif f"{content.name}.json" in archive and library is None:
            version, symbols = _zip(content, archive)
        else:
            raise DefinitionError(_no_package(content, library, archive))
        return Package(blob.digest, version, _checked(content, symbols), INSTALL_SCRIPT in archive)


def instead(content: NativeContent) -> str:
    """What can be done about a plugin that is a Go library."""
    one, name = content.role.one, content.name
    return (
        f"install a Python package (a wheel, or a zip with {name}.json) or a portable plugin that brings {one} {name}, or remove the entry"
    )


def _no_package(content: NativeContent, library: str | None, archive: Archive) -> str:
    name, advice = content.name, instead(content)
    if library is not None:
        return f"{library} is a compiled library, which this engine does not load; {advice}"
    return f"missing {name}.json, found {len(archive.names)} files in total; {advice}"


class _EntryPoints(configparser.ConfigParser):
    """The form of ``entry_points.txt``, in which names keep their case."""

    def optionxform(self, optionstr: str) -> str:
        """The name as it is written."""
        return optionstr


def _wheel(role: Role, folder: str, archive: Archive) -> tuple[str, tuple[str, ...]]:
    version = HeaderParser().parsestr(archive.text(f"{folder}/METADATA", MANIFEST_LIMIT)).get("Version", "")
    points = f"{folder}/entry_points.txt"
    if points not in archive:
        raise DefinitionError(f"missing {points}; a wheel names what it brings in its entry points")
    group = _GROUPS[role]
    parser = _EntryPoints(delimiters=("=",), strict=True, interpolation=None)
    try:
        parser.read_string(archive.text(points, MANIFEST_LIMIT))
    except configparser.Error as error:
        raise DefinitionError(f"{points}: {' '.join(str(error).split())}") from None
    declared = dict(parser.items(group)) if parser.has_section(group) else {}
    if not declared:
        raise DefinitionError(f"{points}: no entry points of the group {group}")
    for name, value in declared.items():
        target = _POINT.fullmatch(value.strip())
        if target is None or not _has_module(archive, target[1]):
            raise DefinitionError(f"{points}: {name} = {value}; a module of the wheel is expected")
    return version, tuple(declared)


def _zip(content: NativeContent, archive: Archive) -> tuple[str, tuple[str, ...]]:
    file = f"{content.name}.json"
    try:
        body = bind(decode(archive.text(file, MANIFEST_LIMIT), exact=True), _MANIFEST)
    except GoJsonError as error:
        raise DefinitionError(f"{file}: {error.message}") from None
    if body.get("name", content.name) != content.name:
        raise DefinitionError(f"{_INVALID}, expect name '{content.name}' but got '{body['name']}'")
    if body.get("language", "python") != "python":
        raise DefinitionError(f"{_INVALID}, language '{body['language']}' is not supported; native plugins are written in python")
    module = body.get("module", content.name)
    if _MODULE.fullmatch(module) is None or not _has_module(archive, module):
        raise DefinitionError(f"missing module {module}; {module.replace('.', '/')}.py is expected in the package")
    return body.get("version", ""), tuple(body.get(content.role, ()))


def _has_module(archive: Archive, module: str) -> bool:
    path = module.replace(".", "/")
    return f"{path}.py" in archive or f"{path}/__init__.py" in archive


def _checked(content: NativeContent, symbols: tuple[str, ...]) -> tuple[str, ...]:
    role = content.role
    if not symbols:
        raise DefinitionError(f"{_INVALID}, must define at least one {role.one}")
    check_symbols(role.one, symbols, _INVALID)
    if role is Role.FUNCTIONS:
        unknown = [name for name in content.request.functions if name not in symbols]
        if unknown:
            raise DefinitionError(f"{_INVALID}, function {unknown[0]} is not declared by the package; it declares {', '.join(symbols)}")
    elif content.name not in symbols:
        raise DefinitionError(f"{_INVALID}, {role.one} {content.name} is not declared by the package; it declares {', '.join(symbols)}")
    return symbols
