"""eKuiper's verbs for objects: ``create``, ``describe``, ``drop`` and ``show`` of streams, tables and rules, with its texts."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import click

from plutino.cli import layout
from plutino.cli.client import Client, segment
from plutino.cli.output import Failure, Misuse, Refusal, json_option, one_line, print_json, server_option
from plutino.cli.shell import Verb
from plutino.spi.linting import SECRET

file_option = click.option("-f", "--file", "file", metavar="FILE", help="Take the text from a file.")


@click.group(cls=Verb)
def create() -> None:
    """Create a stream, a table or a rule."""


@click.group(cls=Verb)
def describe() -> None:
    """Show the definition of a stream, a table or a rule."""


@click.group(cls=Verb)
def drop() -> None:
    """Delete a stream, a table or a rule."""


@click.group(cls=Verb)
def show() -> None:
    """List streams, tables or rules."""


def _statement_commands(kind: str) -> None:
    """The four commands of streams or of tables."""

    @create.command(kind, short_help=f"Create a {kind}.", help=f"Create a {kind} from what stands after CREATE {kind.upper()}.")
    @click.argument("words", nargs=-1, metavar="[SQL]")
    @file_option
    @server_option
    @json_option
    def create_it(words: Sequence[str], file: str | None, server: str, as_json: bool) -> None:
        if file is not None:
            say(f"Creating a new {kind} from file {file}.", as_json, note=True)
        text = (layout.read_text(file) if file is not None else " ".join(words)).strip()
        if not text:
            raise Misuse(f"Expect {kind} name.", f"write: create {kind} NAME (columns) WITH (options)")
        sql = text if text.split(None, 1)[0].upper() == "CREATE" else f"CREATE {kind.upper()} {text}"
        client = Client(server)
        text = html.unescape(client.call("POST", f"/{kind}s", {"sql": sql}).text)
        say(text, as_json)
        created = re.fullmatch(rf"{kind.title()} (.+) is created\.\s*", text)
        if created is not None:
            _advise(client, kind, created[1])

    @describe.command(kind, short_help=f"Columns and options of a {kind}.", help=f"Show columns and options of a {kind}.")
    @click.argument("name", default="")
    @click.option("-json", "--json", "as_json", is_flag=True, help="Show the parsed statement as JSON.")
    @server_option
    def describe_it(name: str, as_json: bool, server: str) -> None:
        need(name, kind)
        client = Client(server)
        if as_json:
            print_json(client.call("GET", f"/{kind}s/{segment(name)}").json())
        else:
            sql = f"DESCRIBE {kind.upper()} `{name}`"
            click.echo(html.unescape(client.call("POST", f"/{kind}s", {"sql": sql}).text))

    @drop.command(kind, short_help=f"Delete a {kind}.", help=f"Delete a {kind}.")
    @click.argument("name", default="")
    @server_option
    @json_option
    def drop_it(name: str, server: str, as_json: bool) -> None:
        need(name, kind)
        say(html.unescape(Client(server).call("DELETE", f"/{kind}s/{segment(name)}").text), as_json)

    @show.command(f"{kind}s", short_help=f"Names of all {kind}s.", help=f"List the names of all {kind}s.")
    @server_option
    @json_option
    def show_them(server: str, as_json: bool) -> None:
        names = Client(server).call("GET", f"/{kind}s").json()
        if as_json:
            print_json(names)
        else:
            click.echo("\n".join(names) + "\n" if names else f"No {kind} definitions are found.")


@create.command("rule")
@click.argument("words", nargs=-1, metavar="NAME [JSON]")
@file_option
@server_option
@json_option
def create_rule(words: Sequence[str], file: str | None, server: str, as_json: bool) -> None:
    """Create a rule from its JSON text."""
    if file is not None:
        say(f"Creating a new rule from file {file}.", as_json, note=True)
    name, text = name_and_json(words, file)
    client = Client(server)
    client.call("POST", "/rules", rule_text(name, text).encode())
    say(f"Rule {name} was created successfully, please use 'plutino getstatus rule {name}' command to get rule status.", as_json)
    _advise(client, "rule", name)


@describe.command("rule")
@click.argument("name", default="")
@click.option("-json", "--json", "as_json", is_flag=True, help="The same: a rule is JSON.")
@server_option
def describe_rule(name: str, as_json: bool, server: str) -> None:
    """Show the JSON text of a rule."""
    need(name, "rule")
    click.echo(layout.readable(Client(server).call("GET", f"/rules/{segment(name)}").text))


@drop.command("rule")
@click.argument("name", default="")
@server_option
@json_option
def drop_rule(name: str, server: str, as_json: bool) -> None:
    """Delete a rule."""
    need(name, "rule")
    say(Client(server).call("DELETE", f"/rules/{segment(name)}").text, as_json)


@show.command("rules")
@server_option
@json_option
def show_rules(server: str, as_json: bool) -> None:
    """List all rules with their status."""
    rules = Client(server).call("GET", "/rules").json()
    if rules or as_json:
        print_json(rules)
    else:
        click.echo("No rule definitions are found.")


for _kind in ("stream", "table"):
    _statement_commands(_kind)

commands: Sequence[click.Command] = (create, describe, drop, show)


def say(text: str, as_json: bool, *, note: bool = False) -> None:
    """A text of the server (or eKuiper's client) on stdout; a ``note`` says what is going on and is no result."""
    if not as_json:
        click.echo(text)
    elif not note:
        print_json({"message": text})


def _advise(client: Client, kind: str, name: str) -> None:
    """Warn of what the server has accepted, as the original does, and what is likely a mistake all the same."""
    try:
        found = client.call("GET", "/data/advice", query={"kind": kind, "name": name}).json()
    except Refusal:
        return  # another version, or the object is gone already
    for advice in found:
        if advice["code"] != SECRET:
            click.echo(f"warning: {advice['path']}: {one_line(advice['text'])}", err=True)


def need(name: str, kind: str) -> None:
    """Failure with eKuiper's text when the name is missing."""
    if not name:
        raise Misuse(f"Expect {kind} name.", "write it after the command")


def name_and_json(words: Sequence[str], file: str | None) -> tuple[str, str]:
    """Name and JSON text from the arguments of ``create rule`` and ``validate rule``."""
    wanted, expect = (1, "Expect rule name.") if file is not None else (2, "Expect rule name and json.")
    if len(words) != wanted:
        raise Misuse(f"{expect} But found {len(words)} args:[{' '.join(words)}].", "quote the JSON text as one argument")
    return words[0], words[1] if file is None else layout.read_text(file)


def rule_text(name: str, text: str) -> str:
    """The rule's JSON text with ``name`` as its id; as it is where that cannot be seen, so that the server says what is wrong."""
    rule = _object(text)
    if rule is None or "id" in rule:
        if rule is not None and rule["id"] != name:
            raise Failure(f"RuleId is not consistent with rule id: the text says {rule['id']!r}, the command {name!r}")
        return text
    return json.dumps({"id": name, **rule}, ensure_ascii=False)


def _object(text: str, parse: Callable[[str], Any] = json.loads) -> dict[str, Any] | None:
    try:
        value = parse(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
