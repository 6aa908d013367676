"""``render``: a base document and its overlays become the document of one site."""

from __future__ import annotations

from collections.abc import Sequence

import click

from plutino.cli import layout
from plutino.cli.output import Misuse, fault_lines, json_option, print_json
from plutino.cli.sources import load, set_file_option, set_option
from plutino.control.documents import V1


@click.command("render", short_help="Make the document of one site out of a base and overlays.")
@click.argument("paths", nargs=-1, metavar="[FILE]...")
@click.option("-f", "--file", "files", multiple=True, metavar="FILE", help="The base first, then what lies over it.")
@set_option
@set_file_option
@click.option("-o", "--output", "output", metavar="FILE", default="-", help="JSON (v1) for .json, else YAML.  [default: standard output]")
@click.option("--parameters", "only_parameters", is_flag=True, help="List the parameters instead, with type, value and description.")
@json_option
def render(
    paths: Sequence[str],
    files: Sequence[str],
    sets: Sequence[str],
    set_files: Sequence[str],
    output: str,
    only_parameters: bool,
    as_json: bool,
) -> None:
    """Lay documents over each other and put parameters in.

    Entries are merged by section and name, members by name; lists are replaced, and a null deletes. Parameters are declared in the base
    (`parameters: {site: {type: string, default: north}}`) and used as ${param:site}.
    """
    sources = [*files, *paths]
    if not sources:
        raise Misuse("no document", "give the base with -f FILE")
    loaded = load(sources, sets, set_files, complete=not only_parameters)
    if only_parameters:
        rows = [
            {
                "name": name,
                "type": known.type,
                "value": ("******" if known.secret else known.value) if known.has_value else None,
                "default": known.default,
                "description": known.description,
            }
            for name, known in sorted(loaded.rendered.parameters.items())
        ]
        print_json(rows)
        return
    for line in fault_lines([_fields(w) for w in loaded.rendered.warnings]):
        click.echo(f"warning:{line[1:]}", err=True)
    text = loaded.rendered.json() if (layout.form_of(output) is V1 and output != "-") or as_json else loaded.rendered.yaml()
    if output == "-":
        click.echo(layout.readable(text).rstrip("\n"))
        return
    layout.write_file(text, output)


def _fields(warning: object) -> dict[str, object]:
    names = ("path", "text", "line", "column", "file")
    return {name: getattr(warning, name) for name in names}


commands: Sequence[click.Command] = (render,)
