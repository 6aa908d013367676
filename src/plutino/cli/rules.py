"""Rules at work: ``start``, ``stop``, ``restart``, ``getstatus``, ``gettopo``, ``status``, ``explain``, ``tail``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from plutino.cli import layout
from plutino.cli.client import Client, segment
from plutino.cli.definitions import need, say
from plutino.cli.output import Refusal, counted, json_option, one_line, print_json, print_table, server_option
from plutino.cli.shell import Verb

_STYLES = {"running": "green", "stopped by error": "red"}
_LOOKED_AT = 100
"""Rules that ``status`` looks at one by one; of more the sums are enough."""

_STAMP = {"start": "Rule {} was started", "stop": "Rule {} was stopped.", "restart": "Rule {} was restarted."}


@click.group(cls=Verb)
def start() -> None:
    """Start a rule."""


@click.group(cls=Verb)
def stop() -> None:
    """Stop a rule."""


@click.group(cls=Verb)
def restart() -> None:
    """Stop and start a rule."""


@click.group(cls=Verb)
def getstatus() -> None:
    """Status of a rule, or of the last import."""


@click.group(cls=Verb)
def gettopo() -> None:
    """Nodes and edges of a rule."""


def _life_command(group: click.Group, verb: str) -> None:
    @group.command("rule", short_help=f"{verb.title()} a rule.", help=f"{verb.title()} a rule.")
    @click.argument("name", default="")
    @server_option
    @json_option
    def act(name: str, server: str, as_json: bool) -> None:
        need(name, "rule")
        Client(server).call("POST", f"/rules/{segment(name)}/{verb}")
        say(_STAMP[verb].format(name), as_json)


for _group, _verb in ((start, "start"), (stop, "stop"), (restart, "restart")):
    _life_command(_group, _verb)


@getstatus.command("rule")
@click.argument("name", default="")
@server_option
@json_option
def rule_status(name: str, server: str, as_json: bool) -> None:
    """Status and metrics of a rule."""
    need(name, "rule")
    click.echo(layout.readable(Client(server).call("GET", f"/rules/{segment(name)}/status").text))


@getstatus.command("import")
@server_option
@json_option
def import_status(server: str, as_json: bool) -> None:
    """What the last import refused, by section and entry."""
    click.echo(layout.readable(Client(server).call("GET", "/data/import/status").text))


@gettopo.command("rule")
@click.argument("name", default="")
@server_option
@json_option
def rule_topology(name: str, server: str, as_json: bool) -> None:
    """Nodes and edges of a rule."""
    need(name, "rule")
    click.echo(layout.readable(Client(server).call("GET", f"/rules/{segment(name)}/topo").text))


@click.command(short_help="The server and its rules at a glance.")
@server_option
@json_option
def status(server: str, as_json: bool) -> None:
    """The server, and every rule with its state, its errors and what is wrong with it."""
    client = Client(server)
    about = client.call("GET", "/").json()
    streams, tables = client.call("GET", "/streams").json(), client.call("GET", "/tables").json()
    rules: list[dict[str, Any]] = client.call("GET", "/rules").json()
    details: dict[str, dict[str, Any]] = client.call("GET", "/rules/status/all").json()
    if as_json:
        shown = {rule["id"]: {"status": rule["status"], **details.get(rule["id"], {})} for rule in rules}
        print_json({"server": {"url": server, **about}, "streams": streams, "tables": tables, "rules": shown})
        return
    up = _span(int(about.get("upTimeSeconds", 0)))
    sums = ", ".join((counted(len(streams), "stream"), counted(len(tables), "table"), counted(len(rules), "rule")))
    click.echo(f"{server}  version {about.get('version', '?')}, up {up}: {sums}")
    if not rules:
        return
    looked_at = {rule["id"] for rule in rules[:_LOOKED_AT]}
    rows = []
    for rule in rules:
        detail = details.get(rule["id"], {})
        trouble = _trouble(client, rule["id"]) if rule["id"] in looked_at else ""
        text = trouble or str(detail.get("last_exception") or "")
        rows.append((rule["id"], rule["status"], str(detail.get("exceptions_total", 0)), one_line(text)))
    click.echo()
    print_table(("RULE", "STATUS", "ERRORS", "MESSAGE"), rows, _STYLES)


@click.command(short_help="Plan, needed columns and generated code of a rule.")
@click.argument("rule")
@server_option
@json_option
def explain(rule: str, server: str, as_json: bool) -> None:
    """The plan of a rule, the columns it needs, and the code generated for it."""
    text = Client(server).call("GET", f"/rules/{segment(rule)}/explain", query={"code": "1"}).text
    if as_json:
        print_json({"rule": rule, "explain": text})
    else:
        click.echo(text.rstrip("\n"))


@click.command(short_help="Live results of a rule, until Ctrl-C.")
@click.argument("rule")
@click.option("--count", type=click.IntRange(min=1), help="End after this many messages.")
@server_option
@json_option
def tail(rule: str, count: int | None, server: str, as_json: bool) -> None:
    """Live results of a rule, one JSON line per message, until Ctrl-C.

    Results are shown as the rule makes them, before its actions apply templates or pick fields.
    """
    client = Client(server)
    events = client.events(f"/rules/{segment(rule)}/tail")
    seen = 0
    _tell_when_idle(client, rule)
    try:
        for event, data in events:
            if event == "dropped":
                number = json.loads(data)["dropped"]
                click.echo(f"warning: {counted(number, 'message')} left out, this end is slower than the rule", err=True)
                continue
            click.echo(data)
            seen += 1
            if seen == count:
                return
    except KeyboardInterrupt:
        return
    finally:
        events.close()
    raise Refusal(f"the server ended the results of rule {rule} after {counted(seen, 'message')}", "look at 'plutino status'")


commands: Sequence[click.Command] = (status, explain, tail, start, stop, restart, getstatus, gettopo)


def _trouble(client: Client, rule: str) -> str:
    """Why a rule does not run, which of its ends is not connected, or else when it had its last error; empty when all is well."""
    try:
        found = client.call("GET", f"/rules/{segment(rule)}/status").json()
    except Refusal:
        return ""  # deleted meanwhile
    if found["status"] != "running":
        return str(found.get("message") or "")
    suffix = "_0_connection_status"
    ends = [name.removesuffix(suffix) for name, value in found.items() if name.endswith(suffix) and value == -1]
    if ends:
        return "; ".join(f"{end} is not connected: {found.get(f'{end}_0_connection_last_disconnected_message')}" for end in ends)
    suffix = "_last_exception_time"
    at, name = max((value, name.removesuffix("_time")) for name, value in ((suffix, 0), *found.items()) if name.endswith(suffix))
    # Said with its time, because it may be over: a broker that is back, a payload of yesterday.
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%SZ}: {found.get(name)}" if at else ""


def _tell_when_idle(client: Client, rule: str) -> None:
    """Say that a rule does not run, to somebody who would wait for its results in vain."""
    try:
        status = client.call("GET", f"/rules/{segment(rule)}/status").json()
    except Refusal:
        return  # asking for the results says better what is wrong
    if status["status"] not in ("running", "starting"):
        why = f": {one_line(status['message'])}" if status.get("message") else ""
        click.echo(f"note: rule {rule} is {status['status']}{why}; results come when it is started", err=True)


def _span(seconds: int) -> str:
    """A time span for people."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
