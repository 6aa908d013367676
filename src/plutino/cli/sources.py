"""Documents of one or more files: a base with parameters and what lies over it, put together before anything is done with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from plutino.cli import layout
from plutino.cli.layout import Document
from plutino.cli.output import Misuse, Refusal
from plutino.control.documents import BUNDLE, V1, V2
from plutino.control.overlays import Rendered, Source, read_objects, read_source, render
from plutino.errors import DocumentError, Fault, PlutinoError

set_option = click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="Value of a parameter of the document.")
set_file_option = click.option(
    "--set-file",
    "set_files",
    multiple=True,
    metavar="NAME=FILE",
    help="Value of a parameter from a file, as for secrets.",
)


@dataclass(frozen=True)
class Loaded:
    """A document ready to be used: ``document`` as it is sent or checked, ``rendered`` where each of its values comes from.

    ``is_sent_as_read``: it is a file or folder as it stands, so that lines of what is sent are lines of what was read.
    """

    document: Document
    rendered: Rendered
    is_sent_as_read: bool

    def placed(self, faults: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Faults with file, line and column of the value that they are about, as near as it is known."""
        found = []
        for fault in faults:
            path, text = str(fault.get("path", "")), str(fault.get("text", ""))
            [placed] = self.rendered.placed([Fault(path, text, fault.get("line", 0), fault.get("column", 0), fault.get("file", ""))])
            found.append({**fault, "file": placed.file or self.document.path, "line": placed.line, "column": placed.column})
        return found


def load(paths: Sequence[str], sets: Sequence[str] = (), set_files: Sequence[str] = (), *, complete: bool = True) -> Loaded:
    """The document in these files, the first one below the others; Refusal with every fault, Misuse for what cannot be read.

    ``complete`` False: parameters may lack a value.
    """
    documents = [layout.read_document(path) for path in paths]
    # A folder by itself is sent as it stands, and what is refused there is given its name by ``layout.located``.
    sources = [_source(document, document.path if document.folder and len(documents) > 1 else "") for document in documents]
    try:
        rendered = render(sources, values_of(sets, set_files), complete=complete)
    except DocumentError as error:
        raise Refusal.of(error) from error
    first = documents[0]
    if len(documents) == 1 and not rendered.parameters:
        return Loaded(first, rendered, True)
    if any(document.form is BUNDLE and _has_bytes(document) for document in documents):
        raise Misuse(f"{first.path}: bytes of uploads, schemas or plugins cannot be put together with overlays", "give their URLs instead")
    return Loaded(Document(first.path, V2, rendered.yaml()), rendered, False)


def values_of(sets: Sequence[str], set_files: Sequence[str]) -> dict[str, str]:
    """Values of parameters by name; Misuse for what is no pair."""
    found: dict[str, str] = {}
    for text in sets:
        name, value = _pair(text, "--set NAME=VALUE")
        found[name] = value
    for text in set_files:
        name, path = _pair(text, "--set-file NAME=FILE")
        found[name] = layout.read_text(path).removesuffix("\n").removesuffix("\r")
    return found


def _pair(text: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Misuse(f"{text!r} is no pair", f"write {form}")
    return name.strip(), value


def _source(document: Document, folder: str) -> Source:
    name = "standard input" if document.path == "-" else document.path
    try:
        if document.form is V2 or (document.form is V1 and not _is_v1(document.content)):
            return read_source(document.content, name)
        return read_objects(document.read, name, folder)
    except PlutinoError as error:
        raise Refusal.of(error) from error


def _is_v1(text: str) -> bool:
    from plutino.control.overlays.source import is_v1

    # Texts that are no JSON are left to the reader of v1, which says best what is wrong with them.
    return is_v1(text) or not text.lstrip("\ufeff \t\r\n").startswith("{") or '"parameters"' not in text


def _has_bytes(document: Document) -> bool:
    return any(item.files for item in document.read.objects)
