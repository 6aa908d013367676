"""``import``, ``export`` and ``diff``: configurations between files and a server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from plutino.cli import layout
from plutino.cli.changes import differs, print_changes
from plutino.cli.client import Client
from plutino.cli.output import Misuse, counted, fault_lines, json_option, print_json, server_option, working
from plutino.cli.shell import Verbed

NOUNS = {
    "streams": "stream",
    "tables": "table",
    "rules": "rule",
    "nativePlugins": "native plugin",
    "portablePlugins": "portable plugin",
    "sourceConfig": "source configuration",
    "sinkConfig": "sink configuration",
    "connectionConfig": "connection",
    "Service": "service",
    "Schema": "schema",
    "uploads": "upload",
    "scripts": "script",
}
"""What an object of each section is called."""


def dry_run(client: Client, document: str, *, partial: bool) -> dict[str, Any]:
    """What importing a document would change on the server."""
    found: dict[str, Any] = client.call("POST", "/data/import", {"content": document}, _query(partial, dryRun="1")).json()
    return found


def described(document: str) -> str:
    """``2 streams, 1 rule`` for a document."""
    found = layout.counts(document)
    return ", ".join(counted(number, NOUNS.get(section, section)) for section, number in found.items()) or "nothing"


@click.command("import", cls=Verbed, short_help="Import a document: a file or a folder.")
@click.argument("path", metavar="FILE")
@click.option("--partial", is_flag=True, help="Add and replace only; without it the server holds exactly the document afterwards.")
@click.option("--dry-run", is_flag=True, help="Show what would change and change nothing.")
@click.option(
    "--on-error",
    type=click.Choice(["abort", "continue"]),
    default="abort",
    show_default=True,
    help="abort: one fault refuses all. continue: entries with faults stay as they are and are reported (exit code 1).",
)
@server_option
@json_option
def import_(path: str, partial: bool, dry_run: bool, on_error: str, server: str, as_json: bool) -> int:
    """Import a document: a file, a folder with one file per entry, or - for standard input."""
    document = layout.read_document(path)
    extra = {"dryRun": "1"} if dry_run else {}
    if on_error != "abort":
        extra["onError"] = on_error
    with layout.faults_of(path), working(f"importing {described(document)}", quiet=as_json):
        answer = Client(server).call("POST", "/data/import", {"content": document}, _query(partial, **extra)).json()
    faults: list[dict[str, Any]] = answer.get("faults") or []
    if as_json:
        print_json(answer)
    elif dry_run:
        print_changes(answer)
    elif not faults:
        click.echo(f"imported {described(document)}")
    else:
        click.echo(f"imported {described(document)}, without what is named below")
    if not as_json:
        for line in fault_lines(answer.get("warnings") or []):
            click.echo(f"warning:{line[1:]}", err=True)
        if faults:
            click.echo(f"error: {counted(len(faults), 'fault')}; these entries stay as they were", err=True)
            for line in fault_lines(faults):
                click.echo(line, err=True)
    return 1 if faults else 0


@click.command("export", cls=Verbed, short_help="Export the configuration to a file or a folder.")
@click.argument("path", metavar="[FILE]", default="-")
@click.option("--rules", metavar="R1,R2", help="Only these rules and what they need.")
@server_option
@json_option
def export(path: str, rules: str | None, server: str, as_json: bool) -> None:
    """Export the configuration to a file, a folder (a name that ends with /) or standard output."""
    client = Client(server)
    with working("exporting", quiet=as_json):
        if rules is None:
            document = client.call("GET", "/data/export").text
        else:
            names = [name.strip() for name in rules.split(",") if name.strip()]
            document = client.call("POST", "/data/export", names).text
    if path == "-":
        click.echo(layout.readable(document))
        return
    layout.write_document(document, path)
    if as_json:
        print_json({"file": path, "entries": layout.counts(document)})
    else:
        click.echo(f"exported {described(document)} to {path}")


@click.command("diff")
@click.argument("path", metavar="FILE")
@click.option("--partial", is_flag=True, help="As a partial import would: what the document does not name stays.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when there are differences.")
@server_option
@json_option
def diff(path: str, partial: bool, exit_code: bool, server: str, as_json: bool) -> int:
    """Show what importing a document would change on the server."""
    document = layout.read_document(path)
    with layout.faults_of(path), working(f"comparing {described(document)}", quiet=as_json):
        changeset = dry_run(Client(server), document, partial=partial)
    if as_json:
        print_json(changeset)
    else:
        print_changes(changeset)
    return 1 if exit_code and differs(changeset) else 0


@click.command("ruleset")
@click.option("-f", "--file", "file", metavar="FILE", help="Ruleset JSON.")
@server_option
@json_option
def import_ruleset(file: str | None, server: str, as_json: bool) -> None:
    """Import streams, tables and rules."""
    if file is None:
        raise Misuse("Required ruleset json file to import", "give it with -f FILE")
    _say(Client(server).call("POST", "/ruleset/import", {"content": layout.read_text(file)}).text, as_json)


@click.command("data")
@click.option("-f", "--file", "file", metavar="FILE", help="Configuration JSON.")
@click.option("-p", "partial", type=bool, default=False, metavar="BOOL", help="Partial import.")
@click.option("-s", "stop", type=bool, default=False, metavar="BOOL", help="Stop the server after the import.")
@server_option
@json_option
def import_data(file: str | None, partial: bool, stop: bool, server: str, as_json: bool) -> None:
    """Import a whole configuration."""
    if file is None:
        raise Misuse("Expect configuration file.", "give it with -f FILE")
    query = _query(partial, **({"stop": "1"} if stop else {}))
    answer = Client(server).call("POST", "/data/import", {"content": layout.read_text(file)}, query).json()
    print_json(answer if as_json else answer.get("ConfigResponse", answer))


@click.command("ruleset")
@click.argument("file", metavar="FILE", default="")
@server_option
@json_option
def export_ruleset(file: str, server: str, as_json: bool) -> None:
    """Export streams, tables and rules."""
    _require_name(file)
    text = Client(server).call("POST", "/ruleset/export").text
    _write(text, file)
    found = layout.counts(text)
    streams, tables, rules = (found.get(section, 0) for section in ("streams", "tables", "rules"))
    _say(f"exported {streams} streams, {tables} tables and {rules} rules", as_json)


@click.command("data")
@click.argument("file", metavar="FILE", default="")
@click.option("-r", "rules", metavar="JSON", help="Only these rules and what they need: '[\"r1\"]'.")
@server_option
@json_option
def export_data(file: str, rules: str | None, server: str, as_json: bool) -> None:
    """Export a whole configuration."""
    _require_name(file)
    client = Client(server)
    text = client.call("GET", "/data/export").text if rules is None else client.call("POST", "/data/export", _names(rules)).text
    _write(text, file)
    _say("export configuration success", as_json)


for _verb in (import_ruleset, import_data):
    import_.add_verb(_verb)
for _verb in (export_ruleset, export_data):
    export.add_verb(_verb)

commands: Sequence[click.Command] = (import_, export, diff)


def _query(partial: bool, **extra: str) -> dict[str, str]:
    return {**({"partial": "1"} if partial else {}), **extra}


def _names(text: str) -> list[str]:
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Misuse(f"rules {text!r} is no JSON list of names", 'write it like \'["r1","r2"]\'')
    return names


def _require_name(file: str) -> None:
    if not file:
        raise Misuse("Require exported file name.", "name it after the command")


def _write(text: str, file: str) -> None:
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misuse(f"cannot write {file}: {error.strerror}") from error


def _say(text: str, as_json: bool) -> None:
    if as_json:
        print_json({"message": text})
    else:
        click.echo(text)
