"""``migrate``: what an eKuiper server has stored, as documents; nothing is started and nothing is written there."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

import click
import msgspec

from plutino.catalog.ekuiper import ForeignObject, read_store
from plutino.cli import layout
from plutino.cli.output import Misuse, counted, json_option, print_json
from plutino.cli.transfer import described
from plutino.control.documents import BUNDLE, V1, V2, Format, ObjectText, finish


@click.command(short_help="Read the data directory of an eKuiper server.")
@click.argument("directory", metavar="DATA_DIR", type=click.Path(exists=True))
@click.option("-o", "--output", metavar="FILE", help="Where the document goes (.yaml: as v2).  [default: standard output]")
@click.option("--bundle", metavar="FILE.zip", help="Write a bundle: with the bytes of uploads, schemas and plugins that are found there.")
@json_option
def migrate(directory: str, output: str | None, bundle: str | None, as_json: bool) -> None:
    """Make a document, and a bundle, of what an eKuiper server has stored in DATA_DIR.

    Its database is copied and read; nothing there is changed, and the server may be running. What cannot be brought along is told.
    """
    output = None if output == "-" else output
    if bundle is not None and layout.form_of(bundle) is not BUNDLE:
        raise Misuse(f"{bundle} is no name of a bundle", "name it FILE.zip")
    found, notes = read_store(directory)
    for note in notes:
        click.echo(f"warning: {note}", err=True)
    written = []
    if bundle is not None:
        data = {hashlib.sha256(data).hexdigest(): data for item in found for _, data in item.bytes_of}
        written.append(_write(bundle, BUNDLE, finish(BUNDLE.write([_with_bytes(item) for item in found], data.__getitem__))))
    if output is not None or bundle is None:
        form: Format[str] = V2 if output is not None and layout.form_of(output) is V2 else V1
        text = finish(form.write([_in_text(item) for item in found], lambda digest: b""))
        if output is None:
            click.echo(layout.readable(text))
            return
        written.append(_write(output, form, text))
    if as_json:
        print_json({"files": [document.path for document in written], "entries": written[0].counts, "notes": notes})
        return
    click.echo(f"read {described(written[0])} from {directory}" + (f", {counted(len(notes), 'warning')}" if notes else ""))
    for document in written:
        click.echo(f"wrote {document.path}")


commands: Sequence[click.Command] = (migrate,)


def _write(path: str, form: Format[str] | Format[bytes], content: str | bytes) -> layout.Document:
    layout.write_file(content, path)
    return layout.Document(path, form, content)


def _with_bytes(item: ForeignObject) -> ObjectText:
    """An object of a bundle: its bytes stand beside its text."""
    blobs = tuple(sorted((role, hashlib.sha256(data).hexdigest()) for role, data in item.bytes_of))
    return ObjectText(item.section, item.entry, item.key, item.text, blobs=blobs)


def _in_text(item: ForeignObject) -> ObjectText:
    """An object of a document: its bytes stand in its text, as ``content`` where that can be, else as a ``data:`` URL."""
    if not item.bytes_of:
        return ObjectText(item.section, item.entry, item.key, item.text)
    value = msgspec.json.decode(item.text, type=dict[str, object])
    for role, data in item.bytes_of:
        text = _utf8(data) if item.section in ("uploads", "Schema") and role == "file" else ""
        if text:
            del value[role]
            value["content"] = text
        else:
            value[role] = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    return ObjectText(item.section, item.entry, item.key, msgspec.json.encode(value).decode())


def _utf8(data: bytes) -> str:
    """The bytes as text, empty where they are none."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return ""
