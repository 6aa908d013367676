"""``apply``: bring a server to what stands in a folder (in Git, say), on an owner's behalf."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from plutino.cli import layout
from plutino.cli.changes import differs, print_changes, summary_line
from plutino.cli.client import Client
from plutino.cli.layout import Document
from plutino.cli.output import Misuse, Refusal, counted, fault_lines, json_option, print_json, server_option, working
from plutino.cli.passphrase import client_with, key_option
from plutino.cli.sources import Loaded, load, set_file_option, set_option
from plutino.cli.transfer import described, failed_rules, send
from plutino.control.documents import V1

EMPTY = Document("", V1, "{}")


@click.command("apply", short_help="Bring a server to what stands in a folder, on an owner's behalf.")
@click.argument("paths", nargs=-1, required=True, metavar="DIR...")
@click.option("--owner", required=True, metavar="NAME", help="Whose objects these are.")
@click.option("--prune", is_flag=True, help="Delete what belongs to the owner and is not there any more; nothing else is ever deleted.")
@click.option("--allow-empty", is_flag=True, help="Prune also when nothing is there at all.")
@click.option("--take-over", is_flag=True, help="Also objects that belong to another owner.")
@click.option("--dry-run", is_flag=True, help="Show what would change and change nothing.")
@click.option("--exit-code", is_flag=True, help="With --dry-run: exit with 1 when there are differences.")
@set_option
@set_file_option
@key_option
@server_option
@json_option
def apply(
    paths: Sequence[str],
    owner: str,
    prune: bool,
    allow_empty: bool,
    take_over: bool,
    dry_run: bool,
    exit_code: bool,
    sets: Sequence[str],
    set_files: Sequence[str],
    key_file: str | None,
    server: str,
    as_json: bool,
) -> int:
    """Create and change what stands in a folder or file, and with --prune delete what the owner had besides. All of it or nothing.

    The first one is the base, the others lie over it, as with 'plutino render'.
    """
    loaded = None if _is_empty(paths) else load(paths, sets, set_files)
    document = EMPTY if loaded is None else loaded.document
    flags = {"prune": prune, "allowEmpty": allow_empty, "takeOver": take_over}
    query = {"owner": owner, **{name: "1" for name, given in flags.items() if given}}
    client = client_with(server, key_file)
    with _faults_of(loaded), working(f"comparing {described(document)}", quiet=as_json):
        planned = send(client, document, partial=True, dryRun="1", **query)
    if dry_run:
        return _show(planned, as_json, exit_code)
    if not differs(planned) and not planned.get("claimed"):
        _say(planned, as_json, f"{owner}: {summary_line(planned)}")
        return 0
    with _faults_of(loaded), working(f"applying {described(document)}", quiet=as_json):
        # Based on what was compared, so that exactly that is done.
        answer = send(client, document, partial=True, baseRevision=str(planned["revision"]), **query)
    troubles = [*(answer.get("troubles") or []), *failed_rules(client, answer)]
    if as_json:
        print_json({**planned, "claimed": planned.get("claimed", []), "troubles": troubles})
    else:
        print_changes(planned)
        _tell_claimed(planned)
        for line in fault_lines(troubles):
            click.echo(f"applied, but does not run:{line[1:]}", err=True)
    return 0


@click.command("owners", short_help="Which entries are kept on whose behalf.")
@server_option
@json_option
def owners(server: str, as_json: bool) -> None:
    """List the owners that 'plutino apply' knows, with their entries."""
    found: dict[str, list[str]] = Client(server).call("GET", "/data/owners").json()
    if as_json:
        print_json(found)
        return
    for owner, entries in found.items():
        click.echo(f"{owner}: {', '.join(entries)}")
    if not found:
        click.echo("nobody owns anything")


commands: Sequence[click.Command] = (apply, owners)


@contextmanager
def _faults_of(loaded: Loaded | None) -> Iterator[None]:
    """Let faults name the files that were read, also where several of them were put together to what was sent."""
    if loaded is None:
        yield
    elif loaded.is_sent_as_read:
        with layout.faults_of(loaded.document):
            yield
    else:
        try:
            yield
        except Refusal as refusal:
            refusal.faults = loaded.placed(refusal.faults)
            raise


def _is_empty(paths: Sequence[str]) -> bool:
    """Whether there is one folder, and no file in any folder of it. One that cannot be read is not empty."""
    if len(paths) != 1 or paths[0] == "-" or not Path(paths[0]).is_dir():
        return False
    try:
        return not any(file.is_file() for folder in Path(paths[0]).iterdir() if folder.is_dir() for file in folder.rglob("*"))
    except OSError as error:
        raise Misuse(f"cannot read {error.filename or paths[0]}: {error.strerror}") from error


def _show(planned: dict[str, Any], as_json: bool, exit_code: bool) -> int:
    if as_json:
        print_json(planned)
    else:
        print_changes(planned)
        _tell_claimed(planned)
    return 1 if exit_code and differs(planned) else 0


def _tell_claimed(planned: dict[str, Any]) -> None:
    claimed = planned.get("claimed") or []
    if claimed:
        click.echo(f"{counted(len(claimed), 'object')} there already, from now on the owner's: {', '.join(claimed)}")


def _say(answer: dict[str, Any], as_json: bool, text: str) -> None:
    if as_json:
        print_json(answer)
    else:
        click.echo(text)
