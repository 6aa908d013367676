"""``history``, ``rollback``, ``audit`` and ``task``: what was changed by whom, the way back, and imports in the background."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import click

from plutino.cli.changes import print_changes
from plutino.cli.client import Client, segment
from plutino.cli.output import Failure, Misuse, json_option, print_json, print_table, server_option

_COLUMNS = ("revision", "time", "by", "what", "outcome")
_ENDED = {"finish": 0, "error": 1, "cancel": 1}
"""States in which a task stays, with the exit code."""


@click.command("history", short_help="Show who changed what when.")
@click.argument("revision", type=click.IntRange(1), required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many revisions.")
@server_option
@json_option
def history(revision: int | None, limit: int, server: str, as_json: bool) -> None:
    """List revisions, newest first; with a REVISION show everything that it did."""
    client = Client(server)
    if revision is not None:
        found = client.call("GET", f"/data/revisions/{revision}").json()
        if as_json:
            print_json(found)
            return
        _print_entries([found])
        print_changes(found)
        return
    found = client.call("GET", "/data/revisions", query={"limit": str(limit)}).json()
    if as_json:
        print_json(found)
    elif found["revisions"]:
        _print_entries(found["revisions"])
    else:
        click.echo("nothing was changed yet")


@click.command("rollback", short_help="Bring the configuration back to an earlier revision.")
@click.argument("revision", type=click.IntRange(0))
@click.option("--dry-run", is_flag=True, help="Show what would change and change nothing.")
@click.option("--keep-triggers", is_flag=True, help="Leave rules started or stopped as they are.")
@click.option("--message", "-m", metavar="TEXT", help="What the history says about it.")
@server_option
@json_option
def rollback(revision: int, dry_run: bool, keep_triggers: bool, message: str | None, server: str, as_json: bool) -> None:
    """Bring the configuration back to REVISION (0: nothing). The way back is a revision of its own, so it can be undone as well."""
    query = {"revision": str(revision)}
    if dry_run:
        query["dryRun"] = "1"
    if keep_triggers:
        query["keepTriggers"] = "1"
    if message:
        query["message"] = message
    found = Client(server).call("POST", "/data/rollback", {}, query).json()
    if as_json:
        print_json(found)
        return
    print_changes(found)
    if not dry_run:
        click.echo(f"rolled back to revision {revision}; this is revision {found['revision']}")


@click.group("audit", short_help="Check that the history is as it was written.")
def audit() -> None:
    """The history is a chain of hashes: each revision covers the one before it."""


@audit.command("verify")
@click.option("--expect", metavar="REVISION:HASH", help="A hash that was noted earlier, outside of the server.")
@server_option
@json_option
def verify(expect: str | None, server: str, as_json: bool) -> int:
    """Check the chain and the stored objects; exit code 1 when something was changed behind the server's back.

    Who can write to the server's files can also write a new chain. Note the hash that this prints somewhere else, and give it with --expect
    later.
    """
    query = {}
    if expect is not None:
        revision, colon, digest = expect.partition(":")
        if not (colon and revision.isdecimal() and digest):
            raise Misuse(f"--expect {expect}", "write it like 12:9f86d0...")
        query = {"revision": revision, "hash": digest}
    found = Client(server).call("GET", "/data/audit", query=query).json()
    if as_json:
        print_json(found)
    elif found["valid"]:
        span = f"revisions {found['first']} to {found['last']}" if found["last"] else "no revisions"
        click.echo(f"valid: {span}" + (f"; head {found['last']}:{found['head']}" if found["head"] else ""))
    else:
        for fault in found["faults"]:
            click.echo(f"error: {fault}", err=True)
    return 0 if found["valid"] else 1


@click.command("task", short_help="Follow an import in the background, or end it.")
@click.argument("id", required=False)
@click.option("--cancel", is_flag=True, help="End it and undo what it did.")
@server_option
@json_option
def task(id: str | None, cancel: bool, server: str, as_json: bool) -> int:
    """Follow a background import until it has ended (exit code 1 when it came to nothing); without ID list all."""
    client = Client(server)
    if id is None:
        tasks = client.call("GET", "/async/tasks").json()
        if as_json:
            print_json(tasks)
        else:
            print_table(("task", "state", "since"), [(t["id"], t["status"], _time(t["createdTimestamp"] * 1000)) for t in tasks])
        return 0
    if cancel:
        client.call("POST", f"/async/task/{segment(id)}/cancel")
        click.echo(f"task {id} was cancelled; everything is as before")
        return 0
    return _follow(client, id, as_json)


commands: Sequence[click.Command] = (history, rollback, audit, task)


def _follow(client: Client, id: str, as_json: bool) -> int:
    """Print each step of a task, and its end."""
    with closing(client.events(f"/async/task/{segment(id)}/events")) as events:
        last: dict[str, Any] = {}
        for name, data in events:
            if name == "end":
                break
            last = json.loads(data)
            if as_json:
                print_json(last, compact=True)
            elif last["status"] not in _ENDED:
                click.echo(_step(last), err=True)
    if not last:
        raise Failure(f"task {id}: the server ended before it told anything", "look at it again")
    if not as_json:
        click.echo(f"{last['status']}: {last['message']}" if last["status"] != "finish" else "finish")
    return _ENDED.get(last["status"], 1)


def _step(shown: dict[str, Any]) -> str:
    """``check 3/6: 120 of 10,000, rule r12``."""
    progress = shown.get("progress")
    if progress is None:
        return str(shown["status"])
    text = f"{progress['phase']} {progress['number']}/{progress['of']}"
    if progress["total"]:
        text += f": {progress['done']:,} of {progress['total']:,}"
    return text + (f", {progress['object']}" if progress.get("object") else "")


def _print_entries(entries: Sequence[dict[str, Any]]) -> None:
    rows = [
        (
            str(entry["revision"]),
            _time(entry["at"]),
            " ".join(filter(None, (entry["source"], entry["client"]))),
            entry["message"],
            entry["outcome"],
        )
        for entry in entries
    ]
    print_table(_COLUMNS, rows)


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
