"""What a schema's text says (rest reference §1.10, §2.1), with the wire texts of what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from plutino.errors import DefinitionError
from plutino.spi.gojson import Shape, bind
from plutino.spi.schemas import FORMATS
from plutino.spi.wire import check_id

SHAPE = Shape(
    "schema.Info",
    {"type": "string", "name": "string", "content": "string", "file": "string", "soFile": "string", "version": "string"},
)
_VERSION = re.compile(r"[a-zA-Z0-9_.\-+]{1,128}")


class Info(Struct, frozen=True, rename={"so_file": "soFile"}, omit_defaults=True):
    """The members of a text, in the order in which they are written."""

    type: str
    name: str
    content: str = ""
    file: str = ""
    so_file: str = ""
    version: str = ""

    @property
    def id(self) -> str:
        """The name of the object."""
        return f"{self.type}_{self.name}"


def info_of(value: Any) -> Info:
    """A decoded body; GoJsonError when a member has another type."""
    found: Mapping[str, Any] = bind(value, SHAPE)
    return Info(
        found.get("type", ""),
        found.get("name", ""),
        found.get("content", ""),
        found.get("file", ""),
        found.get("soFile", ""),
        found.get("version", ""),
    )


def validate(info: Info) -> None:
    """DefinitionError with the wire text when a member is missing or contradicts another."""
    if not info.name:
        raise DefinitionError("name is required")
    if info.content and info.file:
        raise DefinitionError("cannot specify both content and file")
    check_type(info.type)
    if info.type == "protobuf" and not info.content and not info.file:
        raise DefinitionError("must specify content or file")
    if info.type == "custom" and not info.so_file:
        raise DefinitionError("soFile is required")
    # The version becomes part of a file name.
    if info.version and (_VERSION.fullmatch(info.version) is None or ".." in info.version):
        shown = info.version[:128]
        raise DefinitionError(f"version {shown!r}: letters, digits, dots, hyphens, plus signs and underscores are expected, 128 at most")


def check_type(type: str) -> None:
    """DefinitionError unless schemas of this type can be registered."""
    if type not in FORMATS:
        raise DefinitionError(f"unsupported schema type {type}")


def check_name(info: Info) -> None:
    """PlutinoError with the wire text when the name is no id."""
    check_id(info.name)


def text_of(info: Info) -> str:
    """The text under which a schema is stored."""
    return msgspec.json.encode(info).decode()
