"""``import``, ``export`` and ``diff``: configurations between files and a server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from plutino.cli import layout
from plutino.cli.changes import differs, print_changes
from plutino.cli.client import Client, segment
from plutino.cli.layout import Document
from plutino.cli.output import Misuse, counted, fault_lines, json_option, print_json, server_option, working
from plutino.cli.passphrase import client_with, key_option
from plutino.cli.shell import Verbed
from plutino.control.documents import BUNDLE, V1, Format, finish
from plutino.control.documents import bundle as bundles
from plutino.control.secrecy import ENCRYPT, MODES

secrets_option = click.option(
    "--secrets", type=click.Choice(MODES), help="As they are, masked, or encrypted.  [default: what the server is set to]"
)

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

_MOST_FAILED = 20
"""Rules whose failure is told after an import; more of them seldom say more."""


def dry_run(client: Client, document: Document, *, partial: bool) -> dict[str, Any]:
    """What importing a document would change on the server."""
    return send(client, document, partial=partial, dryRun="1")


def send(client: Client, document: Document, *, partial: bool, **extra: str) -> dict[str, Any]:
    """Import a document at the endpoint of its format; the answer has the same members for all."""
    match document.form.name:
        case "bundle":
            reply = client.call("POST", "/data/bundle", document.content, _query(partial, **extra))
        case "v2":
            # This endpoint lays over unless it is told otherwise.
            reply = client.call("POST", "/v2/data/import", {"content": document.content}, {"partial": str(int(partial)), **extra})
        case _:
            reply = client.call("POST", "/data/import", {"content": document.content}, _query(partial, **extra))
    found: dict[str, Any] = reply.json()
    return found


def failed_rules(client: Client, answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Rules that an import has begun and that have failed since, as faults of their entries"""
    tried = ("start", "swap", "block")
    begun = {effect["rule"] for effect in answer.get("restarts") or [] if effect["action"] in tried and "rule" in effect}
    if not begun:
        return []
    told = {trouble.get("path") for trouble in answer.get("troubles") or []}
    rules = client.call("GET", "/rules").json()
    failed = [rule["id"] for rule in rules if rule["id"] in begun and rule["status"] == "stopped by error"]
    ids = [id for id in failed if f"rules.{id}" not in told][:_MOST_FAILED]
    shown = ((id, client.call("GET", f"/rules/{segment(id)}/status").json()) for id in ids)
    return [{"path": f"rules.{id}", "line": 0, "column": 0, "text": str(status.get("message", ""))} for id, status in shown]


def described(document: Document) -> str:
    """``2 streams, 1 rule`` for a document."""
    return _described(document.counts)


def _described(counts: dict[str, int]) -> str:
    return ", ".join(counted(number, NOUNS.get(section, section)) for section, number in counts.items()) or "nothing"


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
@click.option(
    "--on-conflict",
    type=click.Choice(["overwrite", "skip", "fail"]),
    help="Objects that are there already.  [default: overwrite; a partial import skips plugins, schemas and services]",
)
@click.option("--base", "base_revision", type=click.IntRange(0), metavar="N", help="Refuse when something changed since revision N.")
@click.option("--no-wait", is_flag=True, help="Refuse while another import is going on.")
@click.option("--message", "-m", metavar="TEXT", help="What the history says about it.")
@click.option("--background", is_flag=True, help="Go on after the command has ended; 'plutino task' follows it.")
@click.option("--trust", multiple=True, metavar="KEY", help="Ed25519 public key (PEM); a bundle must be signed by one of these.")
@key_option
@server_option
@json_option
def import_(
    path: str,
    partial: bool,
    dry_run: bool,
    on_error: str,
    background: bool,
    trust: tuple[str, ...],
    key_file: str | None,
    server: str,
    as_json: bool,
    **given: Any,
) -> int:
    """Import a document: JSON, YAML or a bundle (.zip) from a file or - for standard input, or a folder with one file per object."""
    document = layout.read_document(path)
    if trust:
        _verify(document, trust)
    extra = _extra(dry_run, on_error, **given)
    if background:
        return _in_background(client_with(server, key_file), document, partial, extra, as_json)
    client = client_with(server, key_file)
    with layout.faults_of(document), working(f"importing {described(document)}", quiet=as_json):
        answer = send(client, document, partial=partial, **extra)
    if not dry_run and (failed := failed_rules(client, answer)):
        answer["troubles"] = [*(answer.get("troubles") or []), *failed]
    for name in ("faults", "troubles", "warnings"):
        if answer.get(name):
            answer[name] = layout.located(document, answer[name])
    if as_json:
        print_json(answer)
    else:
        _tell(document, answer, dry_run)
    return 1 if answer.get("faults") else 0


def _tell(document: Document, answer: dict[str, Any], dry_run: bool) -> None:
    """What an import came to: one line on stdout (or the changes), everything that needs attention on stderr."""
    faults: list[dict[str, Any]] = answer.get("faults") or []
    if dry_run:
        print_changes(answer)
    else:
        rest = ", without what is named below" if faults else ", except for what is kept" if answer.get("ignored") else ""
        click.echo(f"imported {described(document)}{rest}")
        for entry in answer.get("ignored") or []:
            click.echo(f"kept as it was: {entry}", err=True)
    for line in fault_lines(answer.get("warnings") or []):
        click.echo(f"warning:{line[1:]}", err=True)
    for line in fault_lines(answer.get("troubles") or []):
        click.echo(f"imported, but does not run:{line[1:]}", err=True)
    if faults:
        click.echo(f"error: {counted(len(faults), 'fault')}; these entries stay as they were", err=True)
        for line in fault_lines(faults):
            click.echo(line, err=True)


@click.command("export", cls=Verbed, short_help="Export the configuration to a file or a folder.")
@click.argument("path", metavar="[FILE]", default="")
@click.option("--bundle", metavar="FILE.zip", help="Write a bundle: everything, with the bytes of uploads, schemas and plugins.")
@click.option("--dir", "folder", metavar="DIR", help="Write a folder: a YAML file per object, and the bytes.")
@click.option("--rules", metavar="R1,R2", help="Only these rules and what they need.")
@click.option("--sign", metavar="KEY", help="Ed25519 private key (PEM) to sign a bundle with.")
@secrets_option
@key_option
@server_option
@json_option
def export(
    path: str,
    bundle: str | None,
    folder: str | None,
    rules: str | None,
    sign: str | None,
    secrets: str | None,
    key_file: str | None,
    server: str,
    as_json: bool,
) -> None:
    """Export the configuration to a file, a folder or standard output.

    The name tells the format: .json (or any other), .yaml, .zip for a bundle, a name that ends with / for a folder.
    """
    targets = [name for name in (path, bundle, folder) if name]
    if len(targets) > 1:
        raise Misuse(f"{' and '.join(targets)} are given", "write one at a time")
    target = targets[0] if targets else "-"
    is_folder = folder is not None or layout.is_folder(target)
    form = BUNDLE if is_folder or bundle is not None else layout.form_of(target)
    if sign is not None and (form is not BUNDLE or is_folder):
        raise Misuse("only a bundle can be signed", "name it FILE.zip")
    with working("exporting", quiet=as_json):
        document = _exported(client_with(server, key_file, needed=secrets == ENCRYPT), form, rules, secrets)
    if sign is not None:
        document = Document(target, form, bundles.sign(document.content, layout.read_key(sign)))
    if target == "-":
        click.echo(layout.readable(document.content))
        return
    if is_folder:
        layout.write_folder(layout.files_of(document.content), target)
    else:
        layout.write_file(document.content, target)
    if as_json:
        print_json({"file": target, "entries": document.counts})
    else:
        click.echo(f"exported {described(document)} to {target}")


def _exported(client: Client, form: Format[Any], rules: str | None, secrets: str | None) -> Document:
    """The whole configuration, or rules with what they need, in a format."""
    query = _secrets(secrets)
    if rules is not None:
        names = [name.strip() for name in rules.split(",") if name.strip()]
        selected = client.call("POST", "/data/export", names, query).text
        if form is V1:
            return Document("", V1, selected)
        # A selection comes as v1, which holds everything: bytes stand in its texts.
        return Document("", form, finish(form.write(finish(V1.read(selected)).objects, lambda digest: b"")))
    match form.name:
        case "bundle":
            return Document("", form, client.call("GET", "/data/bundle", query=query).data)
        case "v2":
            return Document("", form, client.call("GET", "/v2/data/export", query=query).text)
        case _:
            return Document("", form, client.call("GET", "/data/export", query=query).text)


def _verify(document: Document, trust: Sequence[str]) -> None:
    if document.form is not BUNDLE or document.folder:
        raise Misuse(f"{document.path} is no bundle", "only bundles are signed; leave out --trust")
    bundles.verify(document.content, [layout.read_key(path) for path in trust])


@click.command("diff", short_help="Show what importing a document would change, or what lies between two revisions.")
@click.argument("path", metavar="FILE|FROM")
@click.argument("end", metavar="[TO]", type=click.IntRange(0), required=False)
@click.option("--partial", is_flag=True, help="As a partial import would: what the document does not name stays.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when there are differences.")
@key_option
@server_option
@json_option
def diff(path: str, end: int | None, partial: bool, exit_code: bool, key_file: str | None, server: str, as_json: bool) -> int:
    """Show what importing FILE would change on the server, or what lies between the revisions FROM and TO (the present one)."""
    if path.isdecimal() and not Path(path).exists():
        query = {"from": path, **({"to": str(end)} if end is not None else {})}
        changeset = Client(server).call("GET", "/data/diff", query=query).json()
    elif end is not None:
        raise Misuse(f"{path!r} is no revision", "give one file, or two revisions")
    else:
        document = layout.read_document(path)
        with layout.faults_of(document), working(f"comparing {described(document)}", quiet=as_json):
            changeset = dry_run(client_with(server, key_file), document, partial=partial)
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
@secrets_option
@key_option
@server_option
@json_option
def export_ruleset(file: str, secrets: str | None, key_file: str | None, server: str, as_json: bool) -> None:
    """Export streams, tables and rules."""
    _require_name(file)
    client = client_with(server, key_file, needed=secrets == ENCRYPT)
    text = client.call("POST", "/ruleset/export", query=_secrets(secrets)).text
    _write(text, file)
    found = layout.counts(text)
    streams, tables, rules = (found.get(section, 0) for section in ("streams", "tables", "rules"))
    _say(f"exported {streams} streams, {tables} tables and {rules} rules", as_json)


@click.command("data")
@click.argument("file", metavar="FILE", default="")
@click.option("-r", "rules", metavar="JSON", help="Only these rules and what they need: '[\"r1\"]'.")
@secrets_option
@key_option
@server_option
@json_option
def export_data(file: str, rules: str | None, secrets: str | None, key_file: str | None, server: str, as_json: bool) -> None:
    """Export a whole configuration."""
    _require_name(file)
    client, query = client_with(server, key_file, needed=secrets == ENCRYPT), _secrets(secrets)
    method, body = ("GET", None) if rules is None else ("POST", _names(rules))
    text = client.call(method, "/data/export", body, query).text
    _write(text, file)
    _say("export configuration success", as_json)


for _verb in (import_ruleset, import_data):
    import_.add_verb(_verb)
for _verb in (export_ruleset, export_data):
    export.add_verb(_verb)

commands: Sequence[click.Command] = (import_, export, diff)


def _extra(
    dry_run: bool, on_error: str, *, on_conflict: str | None, base_revision: int | None, no_wait: bool, message: str | None
) -> dict[str, str]:
    """The query of an import, what is as usual left out."""
    found = {
        "dryRun": "1" if dry_run else "",
        "onError": on_error if on_error != "abort" else "",
        "onConflict": on_conflict or "",
        "baseRevision": "" if base_revision is None else str(base_revision),
        "wait": "0" if no_wait else "",
        "message": message or "",
    }
    return {name: value for name, value in found.items() if value}


def _in_background(client: Client, document: Document, partial: bool, extra: dict[str, str], as_json: bool) -> int:
    """Hand a document over and print the id of its task."""
    if document.form is BUNDLE:
        raise Misuse("a bundle cannot be imported in the background", "leave out --background, or export it as .json or .yaml")
    query = _query(partial, format=document.form.name, **extra)
    id = client.call("POST", "/async/data/import", {"content": document.content}, query).json()["id"]
    print_json({"id": id}) if as_json else click.echo(id)
    return 0


def _secrets(mode: str | None) -> dict[str, str] | None:
    return {"secrets": mode} if mode is not None else None


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
