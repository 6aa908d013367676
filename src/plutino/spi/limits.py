"""How much of anything this process takes in: one set of limits for requests, documents, downloads and archives.

``limits()`` is what holds now; ``use_limits`` is called once, by who starts the process.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct

from plutino.errors import DefinitionError, OptionError

_MEGA = 1024 * 1024


class Limits(Struct, frozen=True):
    """What is taken at most.

    - ``body``: bytes of a request; ``document``: bytes of a document that is read from a URL or file
    - ``depth``: levels of lists and objects in a document or a text; ``entries``: objects in a document
    - ``download``: bytes of a plugin, schema, service or upload
    - of an archive: ``archive_entries``; bytes of one ``archive_entry`` and of all together (``archive_total``) when unpacked; how many
      times smaller than its content a compressed entry may be (``archive_ratio``)
    """

    body: int = 128 * _MEGA
    document: int = 128 * _MEGA
    depth: int = 100
    entries: int = 500_000
    download: int = 128 * _MEGA
    archive_entries: int = 10_000
    archive_entry: int = 256 * _MEGA
    archive_total: int = 512 * _MEGA
    archive_ratio: int = 200


_SIZE = re.compile(r"(\d{1,15})\s*([kmg]?)i?b?", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1024, "m": _MEGA, "g": 1024 * _MEGA}
_BRACKETS = re.compile(r"\"(?:[^\"\\]|\\.)*\"?|([\[{])|([\]}])", re.DOTALL)

_current = Limits()


def limits() -> Limits:
    """The limits of this process."""
    return _current


def use_limits(found: Limits) -> None:
    """Set the limits of this process."""
    global _current
    _current = found


def limits_from(texts: dict[str, str]) -> Limits:
    """Limits by name and text: ``64MB``, ``500k``, ``100``; OptionError for an unknown name or what is no size."""
    found: dict[str, int] = {}
    known = {field.name: field for field in msgspec.structs.fields(Limits)}
    for name, text in texts.items():
        key = name.strip().lower().replace("-", "_")
        if key not in known:
            raise OptionError(f"limit {name}: not known; one of {', '.join(known)} is expected", path=name)
        match = _SIZE.fullmatch(text.strip())
        if match is None or int(match[1]) == 0:
            raise OptionError(f"limit {name}: {text}; a number such as 100, 500k or 64MB is expected", path=name)
        found[key] = int(match[1]) * _FACTORS[match[2].lower()]
    return Limits(**found)


def check_depth(what: str, text: str) -> None:
    """DefinitionError for a text whose lists and objects are nested too deeply; strings in it are passed over."""
    most = _current.depth
    # Most texts have fewer brackets than that altogether.
    if text.count("{") + text.count("[") <= most:
        return
    depth = 0
    for match in _BRACKETS.finditer(text):
        if match[1]:
            depth += 1
            if depth > most:
                raise DefinitionError(f"{what}: more than {most} levels deep; write it flatter, or start the server with --limit depth=N")
        elif match[2]:
            depth -= 1
