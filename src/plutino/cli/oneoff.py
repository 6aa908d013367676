"""``run``: a rule from a SQL file, without a server. Results are JSON lines on stdout."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from plutino.cli.layout import read_text
from plutino.cli.output import Failure, Misuse, Refusal, counted, json_option, one_line
from plutino.cli.script import STDIN, Script, read_script
from plutino.errors import PlutinoError, ProvisionError, TransportError
from plutino.model import Ref
from plutino.spi import ConnectorSpec, Delivery, IngressHandler, Inlet, Mode, Origin, Registry, SinkSpec, SocketRoom, SourceSpec
from plutino.spi.linting import SECRET, Lintable

if TYPE_CHECKING:
    from plutino.control import Controller

RULE = "run"
STDOUT = "stdout"
BLOCK = 65536
WAITING = 4
"""Blocks that are read ahead of the rule."""

POLL_S = 0.02

_OPEN = (
    "the window was still open when the sources ended; windows over recorded rows are best in event time, with TIMESTAMP in the stream's "
    "options and --options '{\"isEventTime\":true}'"
)


@click.command("run", short_help="A one-off rule from a SQL file to stdout, without a server.")
@click.argument("path", metavar="[FILE]", default="")
@click.option("-e", "--execute", metavar="SQL", help="The statements themselves, instead of a file.")
@click.option("--stdin", "stdin", metavar="STREAM", default="", help="The stream that reads standard input, one JSON message a line.")
@click.option("--count", type=click.IntRange(min=1), help="End after this many results.")
@click.option("--options", "options", metavar="JSON", default="{}", help="Options of the rule, such as '{\"isEventTime\":true}'.")
@json_option
def run(path: str, execute: str | None, stdin: str, count: int | None, options: str, as_json: bool) -> None:
    """Run CREATE statements and one SELECT from a file (- for standard input), until the sources end or Ctrl-C.

    Sources may be anything but HTTP push; relative paths of file sources begin in the current folder.
    """
    if bool(path) == bool(execute):
        raise Misuse("Give a FILE or --execute SQL", "see 'plutino run --help'")
    if path == "-" and stdin:
        raise Misuse("standard input cannot hold both the statements and a stream", "give the statements with -e SQL")
    name = "SQL" if execute else "standard input" if path == "-" else path
    script = read_script(execute or read_text(path), name, stdin)
    rule = {"id": RULE, "sql": script.select, "actions": [{STDOUT: {"sendSingle": True}}], "options": _options(options)}
    with tempfile.TemporaryDirectory(prefix="plutino-run-") as folder:
        try:
            asyncio.run(_run(script, rule, folder, count))
        except PlutinoError as error:
            raise Refusal.of(error) from error


commands: Sequence[click.Command] = (run,)


def _options(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Misuse(f"--options {text!r} is no JSON object", "write it like '{\"isEventTime\":true}'")
    return found


async def _run(script: Script, rule: dict[str, Any], folder: str, count: int | None) -> None:
    from plutino.app import Core, components
    from plutino.settings import Settings

    finished = asyncio.Event()
    output = Output(count, finished.set)
    found = components()
    connectors = {**found.connectors, STDIN: _stdin_connector(), STDOUT: _stdout_connector(output)}
    settings = Settings(folder, files_dir=str(Path.cwd()), external_files=True, private_net=True)
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    log = _Log()
    core = await Core.open(settings, _NoIngress(), log, registry=Registry(connectors, found.formats, found.functions))
    try:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, finished.set)
        changes: dict[Ref, str | None] = {Ref(kind, name): text for (kind, name), text in script.definitions.items()}
        changes[Ref("rule", RULE)] = json.dumps(rule)
        await core.controller.apply(changes, mode=Mode.CREATE, origin=Origin("cli"))
        _advise(core.controller, changes)
        while not finished.is_set() and core.engine.state(RULE) in ("running", "starting", "stopping"):
            try:
                async with asyncio.timeout(POLL_S):
                    await finished.wait()
            except TimeoutError:
                continue
        status = core.engine.status(RULE) or {}
    finally:
        await core.close()
    _judge(status, stopped=finished.is_set())
    if script.windowed and not output.written and not finished.is_set() and _rows(status):
        click.echo(f"note: no results: {_OPEN}", err=True)


def _advise(controller: Controller, refs: Iterable[Ref]) -> None:
    """Warn of what is right, but likely a mistake. The stream that reads standard input is our own."""
    for ref in refs:
        spec, definition = controller.specs[ref.kind], controller.environment.get(ref)
        if isinstance(spec, Lintable) and definition is not None:
            for advice in spec.lint(definition, controller.environment):
                if advice.code != SECRET:
                    click.echo(f"warning: {'.'.join(advice.path)}: {one_line(advice.text)}", err=True)


def _judge(status: Mapping[str, Any], *, stopped: bool) -> None:
    """Failure when the rule failed, or when rows of it did."""
    if not stopped and status.get("status") == "stopped by error":
        raise Failure(f"the rule failed: {status.get('message') or _last_error(status)}")
    errors = sum(value for name, value in status.items() if name.endswith("_exceptions_total"))
    if errors:
        raise Failure(f"{counted(errors, 'row')} failed; the last error: {_last_error(status)}")


def _rows(status: Mapping[str, Any]) -> int:
    """How many rows the sources gave."""
    return sum(value for name, value in status.items() if name.startswith("source_") and name.endswith("_records_in_total"))


def _last_error(status: Mapping[str, Any]) -> str:
    found = [value for name, value in status.items() if name.endswith("_last_exception") and value]
    return str(found[-1]) if found else "unknown"


class Output:
    """Results on their way to stdout. ``finish`` is called when enough were written, or the reader has left."""

    def __init__(self, count: int | None, finish: Callable[[], None]) -> None:
        self.written = False
        self._left = count
        self._finish = finish

    def write(self, items: Sequence[bytes]) -> None:
        """One line per result, at most as many as are wanted."""
        if self._left is not None:
            items = items[: self._left]
            self._left -= len(items)
        if items:
            self.written = True
            try:
                sys.stdout.buffer.write(b"\n".join(items) + b"\n")
                sys.stdout.buffer.flush()
            except BrokenPipeError:
                # Nobody reads on (`plutino run … | head`); the interpreter must not flush into the pipe when it ends.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                self._left = 0
        if self._left == 0:
            self._finish()


class NoOptions(Struct, frozen=True):
    """For components without options."""


class StdinSource:
    """Lines of standard input, read on a thread of its own, because a read cannot be cancelled."""

    async def run(self, inlet: Inlet, resume: Any) -> None:
        """Deliver blocks of whole lines until the end."""
        loop = asyncio.get_running_loop()
        blocks: asyncio.Queue[bytes | OSError] = asyncio.Queue()
        room = threading.Semaphore(WAITING)

        def read() -> None:
            block: bytes | OSError = b"\n"
            while block and not isinstance(block, OSError):
                room.acquire()
                try:
                    block = os.read(0, BLOCK)
                except OSError as error:
                    block = error
                try:
                    loop.call_soon_threadsafe(blocks.put_nowait, block)
                except RuntimeError:
                    return  # the rule has ended meanwhile

        threading.Thread(target=read, daemon=True, name="stdin").start()
        inlet.connected()
        rest = b""
        while block := await blocks.get():
            if isinstance(block, OSError):
                raise TransportError(f"standard input: {block.strerror}")
            lines, newline, rest = (rest + block).rpartition(b"\n")
            if newline:
                await inlet.put(Delivery(lines=lines))
            room.release()
        if rest.strip():
            await inlet.put(Delivery(lines=rest))


class StdoutSink:
    """Writes each message as a line."""

    def __init__(self, output: Output) -> None:
        self._output = output

    async def open(self) -> None:
        """Nothing to open."""

    def write(self, items: Sequence[bytes], properties: Sequence[Mapping[str, Any]] | None) -> None:
        """Write at once: a slow reader slows the rule down."""
        self._output.write(items)

    async def close(self) -> None:
        """Nothing to close."""


def _stdin_connector() -> ConnectorSpec:
    source = SourceSpec(NoOptions, lambda options, datasource, context: StdinSource(), bounded=True)
    return ConnectorSpec(STDIN, "Lines of standard input", source=source)


def _stdout_connector(output: Output) -> ConnectorSpec:
    sink = SinkSpec(NoOptions, lambda options, context: StdoutSink(output), connects=False)
    return ConnectorSpec(STDOUT, "Lines on standard output", sink=sink)


class _NoIngress:
    """There is no data server here."""

    def register(self, path: str, method: str, handler: IngressHandler) -> Callable[[], None]:
        raise ProvisionError(f"{method} {path}: HTTP push needs a server; use 'plutino serve'")

    def stream(self, path: str, listen: Callable[[], AsyncGenerator[bytes, None]]) -> Callable[[], None]:
        raise ProvisionError(f"GET {path}: server-sent events need a server; use 'plutino serve'")

    def sockets(self, path: str, receive: Callable[[bytes], None] | None) -> SocketRoom:
        raise ProvisionError(f"WebSocket {path}: clients need a server; use 'plutino serve'")

    @property
    def port(self) -> int:
        return 0


class _Log:
    """Errors of the engine in one line on stderr; the rest is for servers."""

    def info(self, event: str, **fields: Any) -> None:
        """Nothing."""

    def warning(self, event: str, **fields: Any) -> None:
        """Nothing: what happens to rows is told at the end."""

    def error(self, event: str, **fields: Any) -> None:
        """One line."""
        details = " ".join(f"{name}={value}" for name, value in fields.items() if name != "exc_info")
        click.echo(f"{event} {details}".rstrip(), err=True)
