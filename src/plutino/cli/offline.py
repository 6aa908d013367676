"""``validate``: a document is checked in this process, by the same door as in a server, against nothing or a given state."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import click

from plutino.cli import layout
from plutino.cli.client import Client
from plutino.cli.definitions import file_option, name_and_json, rule_text, say
from plutino.cli.layout import Document
from plutino.cli.output import Failure, Refusal, json_option, one_line, print_json, server_option, working
from plutino.cli.shell import Verbed
from plutino.cli.sources import load, set_file_option, set_option
from plutino.cli.transfer import described
from plutino.control import Changeset, Controller, ImportOptions
from plutino.errors import DocumentError, NotFoundError
from plutino.spi import Deployment, Origin, Tap
from plutino.spi.linting import DOUBTFUL, Lintable
from plutino.spi.plugin import PluginPackage, PluginStatus

ORIGIN = Origin("cli")


@click.command("validate", cls=Verbed, short_help="Check a document without a server.")
@click.argument("paths", nargs=-1, required=True, metavar="FILE...")
@click.option("--against", metavar="FILE", help="The state to check against: another document or folder.  [default: an empty one]")
@click.option("--partial", is_flag=True, help="Check it as a partial import, on top of the state.")
@set_option
@set_file_option
@json_option
def validate(
    paths: Sequence[str], against: str | None, partial: bool, sets: Sequence[str], set_files: Sequence[str], as_json: bool
) -> None:
    """Check a document as an import would; nothing is started, and no server is needed. Masked secrets are left as they are.

    What is valid, but means little or can never work, is told as a hint; 'plutino lint' says more.

    The first file is the base, the others lie over it, as with 'plutino render'.
    """
    loaded = load(paths, sets, set_files)
    document = loaded.document
    state = layout.read_document(against) if against is not None else None
    with layout.faults_of(document), working(f"checking {described(document)}", quiet=as_json):
        try:
            changeset = asyncio.run(check(document, state, partial=partial))
        except DocumentError as error:
            refusal = Refusal.of(error)
            refusal.faults = loaded.placed(refusal.faults)
            raise refusal from error
    hints = loaded.placed(changeset["hints"])
    if as_json:
        print_json({"valid": True, **changeset, "hints": hints})
    else:
        for hint in hints:
            place = f"{hint['file']}:{hint['line']}:{hint['column']}: " if hint["line"] else ""
            click.echo(f"hint: {place}{hint['path']}: {one_line(hint['text'])}", err=True)
        click.echo(f"valid: {described(document)}")


@click.command("rule")
@click.argument("words", nargs=-1, metavar="NAME [JSON]")
@file_option
@server_option
@json_option
def validate_rule(words: Sequence[str], file: str | None, server: str, as_json: bool) -> None:
    """Check a rule against the definitions of a server."""
    name, text = name_and_json(words, file)
    Client(server).call("POST", "/rules/validate", rule_text(name, text).encode(), {"explain": "1"})
    say("The rule has been successfully validated and is confirmed to be correct.", as_json)


validate.add_verb(validate_rule)

commands: Sequence[click.Command] = (validate,)


async def check(document: Document, state: Document | None, *, partial: bool) -> dict[str, Any]:
    """What importing ``document`` into ``state`` would change, with ``hints``; DocumentError with all faults when it is refused.

    Failure when the state itself is refused.
    """
    async with opened() as (controller, _):
        if state is not None:
            try:
                await controller.import_document(state.content, form=state.form, partial=False, origin=ORIGIN)
            except DocumentError as error:
                first = error.faults[0] if error.faults else None
                text = f"{first.path}: {first.text}" if first is not None else error.message
                raise Failure(f"the state to check against is refused: {text}", "validate it by itself") from error
        options = ImportOptions(partial=partial, dry_run=True, keep_masks=True)
        result = await controller.importer.run(document.content, options, ORIGIN, form=document.form)
        return {**result.changeset.to_wire(), "hints": list(_hints(controller, result.changeset))}


def _hints(controller: Controller, changeset: Changeset) -> Iterator[dict[str, Any]]:
    """What is doubtful in the objects that a change creates or replaces."""
    env = controller.environment_after(changeset)
    for change in changeset.changes:
        spec, after = controller.specs[change.ref.kind], change.after
        if after is None or after.content is None or change.verb == "unchanged" or not isinstance(spec, Lintable):
            continue
        for advice in spec.lint(after, env, (DOUBTFUL,)):
            if advice.code == DOUBTFUL:
                yield {"path": ".".join((controller.place(change.ref), *advice.path)), "text": advice.text}


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Controller, NoEngine]]:
    """A control path of its own, with nothing in it and nothing behind it."""
    from plutino.app import components
    from plutino.catalog import Catalog
    from plutino.settings import Settings
    from plutino.spi import SystemClock
    from plutino.spi.discovery import resource_kinds

    with tempfile.TemporaryDirectory(prefix="plutino-validate-") as folder:
        # A private network and files are the server's to forbid: here they would only hide other faults.
        settings = Settings(folder, files_dir=os.getcwd(), external_files=True, private_net=True, install_scripts=True)
        catalog = await Catalog.open(folder, clock=SystemClock())
        engine = NoEngine()
        try:
            kinds = resource_kinds("plutino.resources")
            yield Controller(catalog, engine, kinds, registry=components(), settings=settings.for_checks()), engine
        finally:
            await catalog.close()


class NoEngine:
    """An engine (``spi.Host``) that runs nothing, but remembers in ``deployed`` what it was asked to run."""

    def __init__(self) -> None:
        self.deployed: dict[str, Deployment] = {}

    async def deploy(self, deployment: Deployment) -> None:
        """Remember it."""
        self.deployed[deployment.rule] = deployment

    async def remove(self, rule: str) -> None:
        """Nothing."""

    async def start(self, rule: str) -> None:
        """Nothing."""

    async def stop(self, rule: str) -> None:
        """Nothing."""

    async def restart(self, rule: str) -> None:
        """Nothing."""

    def fail(self, rule: str, error: str) -> None:
        """Nothing."""

    def status(self, rule: str) -> dict[str, Any] | None:
        """No rule is known."""
        return None

    def state(self, rule: str) -> str:
        """No rule is known."""
        return ""

    def summary(self) -> dict[str, dict[str, Any]]:
        """No rule is known."""
        return {}

    def topology(self, rule: str) -> dict[str, Any] | None:
        """No rule is known."""
        return None

    def scanned(self, rule: str) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        """No rule is known."""
        return None

    def tap(self, rule: str, listener: Tap) -> Callable[[], None]:
        """No rule is known."""
        raise NotFoundError(f"Rule {rule} is not found")

    def trace(self, rule: str, strategy: str) -> bool:
        """No rule runs."""
        return False

    def traced(self, rule: str) -> bool:
        """No rule runs."""
        return False

    def traces(self, rule: str) -> Sequence[str]:
        """None."""
        return ()

    def trace_of(self, trace: str) -> Mapping[str, Any] | None:
        """None is kept."""
        return None

    async def export_traces(self, collector: str, service: str) -> None:
        """There are none to send."""

    async def keep_traces(self) -> None:
        """None is sent."""

    async def try_out(self, trial: str, deployment: Deployment) -> int:
        """Nothing."""
        return 0

    async def start_trial(self, trial: str) -> None:
        """No trial is known."""
        raise NotFoundError(f"Trial {trial} is not found")

    async def end_trial(self, trial: str) -> None:
        """Nothing."""

    async def probe_table(self, request: Any) -> None:
        """Every table can be opened."""

    async def open_table(self, request: Any) -> None:
        """Nothing."""

    async def close_table(self, table: str) -> None:
        """Nothing."""

    def readers(self, stream: str) -> tuple[str, ...]:
        """Nobody reads."""
        return ()

    async def install_plugin(self, package: PluginPackage) -> None:
        """Nothing: no program is started."""

    async def remove_plugin(self, name: str) -> None:
        """Nothing."""

    def plugin_status(self, name: str) -> PluginStatus | None:
        """None runs."""
        return None

    def plugin_aggregates(self, name: str, digest: str) -> tuple[str, ...]:
        """Nothing ran, so nothing is known."""
        return ()

    async def connect(self, id: str, connector: str, properties: Mapping[str, Any]) -> None:
        """Nothing."""

    async def disconnect(self, id: str) -> None:
        """Nothing."""

    def connections(self, include_anonymous: bool) -> list[dict[str, Any]]:
        """None."""
        return []

    def references(self, connection: str) -> tuple[str, ...]:
        """None."""
        return ()

    async def ping(self, role: str, connector: str, properties: Mapping[str, Any]) -> None:
        """Everything answers."""

    def begin(self) -> None:
        """Nothing."""

    async def finish(self) -> None:
        """Nothing."""
