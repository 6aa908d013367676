"""``lint``: a document is looked through for what is likely a mistake, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from plutino.cli.offline import NoEngine, opened
from plutino.cli.output import Refusal, counted, json_option, one_line, print_json, working
from plutino.cli.sources import Loaded, load, set_file_option, set_option
from plutino.cli.transfer import described
from plutino.control import Controller, ImportOptions
from plutino.errors import DocumentError
from plutino.model import Ref
from plutino.spi import Origin
from plutino.spi.linting import Lintable
from plutino.spi.secrets import is_open

CODES = {
    "unknown": "fields, options, properties and types that nothing knows",
    "invalid": "values that whoever uses them will refuse, and options that are missing",
    "doubtful": "what means something else than it seems to, or can never work: column names between quotes, types that do not fit",
    "deprecated": "spellings of older versions",
    "secret": "secrets in plain text",
    "unused": "streams, tables, configurations, connections and the like that nothing uses",
    "client-id": "rules or streams that log in with one client id, so that a broker throws them out in turns",
    "parameter": "parameters that nothing uses, and secret ones with a default",
}
ORIGIN = Origin("cli")


@dataclass(frozen=True)
class Finding:
    """One thing to look at, and where."""

    code: str
    path: str
    text: str
    file: str = ""
    line: int = 0
    column: int = 0


@click.command("lint", short_help="Look a document through for likely mistakes.")
@click.argument("paths", nargs=-1, required=True, metavar="FILE...")
@set_option
@set_file_option
@click.option("--ignore", multiple=True, type=click.Choice(list(CODES)), help="Leave out findings of this kind.")
@json_option
def lint(paths: Sequence[str], sets: Sequence[str], set_files: Sequence[str], ignore: Sequence[str], as_json: bool) -> int:
    """Look a document through for what is right, but likely a mistake. Exit code 1 when something was found.

    The first file is the base, the others lie over it, as with 'plutino render'.
    """
    loaded = load(paths, sets, set_files)
    with working(f"looking through {described(loaded.document)}", quiet=as_json):
        try:
            found = asyncio.run(_findings(loaded))
        except DocumentError as error:
            refusal = Refusal.of(error)
            refusal.faults = loaded.placed(refusal.faults)
            raise refusal from error
    found = [finding for finding in _placed(loaded, found) if finding.code not in ignore]
    found.sort(key=lambda finding: (finding.file, finding.line, finding.column, finding.path, finding.code))
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            place = f"{finding.file}:{finding.line}:{finding.column}: " if finding.line else f"{finding.file}: " if finding.file else ""
            click.echo(f"{place}{finding.code}: {finding.path}: {one_line(finding.text)}")
        click.echo(counted(len(found), "finding") if found else f"nothing found in {described(loaded.document)}")
    return 1 if found else 0


commands: Sequence[click.Command] = (lint,)


async def _findings(loaded: Loaded) -> list[Finding]:
    async with opened() as (controller, engine):
        document = loaded.document
        options = ImportOptions(keep_masks=True)
        await controller.importer.run(document.content, options, ORIGIN, form=document.form)
        return [*_advice(controller), *_unused(controller), *_client_ids(engine), *_parameters(loaded)]


def _advice(controller: Controller) -> Iterator[Finding]:
    env = controller.environment
    for kind, spec in controller.specs.items():
        if isinstance(spec, Lintable):
            for name in env.names(kind):
                definition = env.get(Ref(kind, name))
                if definition is not None and definition.content is not None:
                    head = controller.place(definition.ref)
                    for advice in spec.lint(definition, env):
                        yield Finding(advice.code, ".".join((head, *advice.path)), advice.text)


def _unused(controller: Controller) -> Iterator[Finding]:
    for kind in controller.specs:
        for name in controller.environment.names(kind):
            ref = Ref(kind, name)
            # Rules are what everything else is there for, and defaults hold for streams that name no key.
            if kind != "rule" and not name.endswith(".default") and not controller.users(ref):
                yield Finding("unused", controller.place(ref), f"{kind.replace('_', ' ')} {name}: nothing uses it")


def _client_ids(engine: NoEngine) -> Iterator[Finding]:
    """Clients of their own that log in with the same id. What shares a connection is one client."""
    users: dict[tuple[str, str, str], dict[str, None]] = {}
    for rule, deployment in engine.deployed.items():
        for feed in deployment.feeds:
            if not feed.connection:
                _note(users, feed.connector, feed.properties, f"{'tables' if feed.is_table else 'streams'}.{feed.stream}")
        for sink in deployment.sinks:
            if not sink.connection:
                _note(users, sink.connector, sink.properties, f"rules.{rule}.actions.{sink.name.rpartition('_')[2]}.{sink.connector}")
    for (_, _, client), paths in users.items():
        for path in paths if len(paths) > 1 else ():
            others = ", ".join(other for other in paths if other != path)
            yield Finding("client-id", path, f"client id {client}: also used by {others}; share a connection, or give each its own")


def _note(users: dict[tuple[str, str, str], dict[str, None]], connector: str, properties: Mapping[str, Any], path: str) -> None:
    lowered = {name.lower(): value for name, value in properties.items()}
    client = lowered.get("clientid")
    if isinstance(client, str) and client:
        users.setdefault((connector, str(lowered.get("server", "")), client), {})[path] = None


def _parameters(loaded: Loaded) -> Iterator[Finding]:
    for name, known in loaded.rendered.parameters.items():
        place = known.place
        if name not in loaded.rendered.used:
            text = f"parameter {name}: nothing uses it"
            yield Finding("parameter", f"parameters.{name}", text, place.file, place.line, place.column)
        if known.secret and known.has_value and known.default and not (isinstance(known.value, str) and is_open(known.value)):
            text = f"parameter {name}: secret, but its default stands in the document; leave that out"
            yield Finding("parameter", f"parameters.{name}", text, place.file, place.line, place.column)


def _placed(loaded: Loaded, found: Sequence[Finding]) -> list[Finding]:
    """Findings with the place of what they are about."""
    return [
        finding if finding.line else Finding(**{**asdict(finding), **_place(fault)})
        for finding, fault in zip(found, loaded.placed([asdict(finding) for finding in found]), strict=True)
    ]


def _place(fault: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fault[name] for name in ("file", "line", "column")}
