"""``plutino demo``: a configuration is imported, its rules run on live data, and it is exported again, before your eyes."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NoReturn

import click

from plutino.cli import layout
from plutino.cli.changes import differs, print_changes, summary_line
from plutino.cli.client import Client
from plutino.cli.output import Failure, Misuse, console, counted, print_table
from plutino.cli.transfer import described, dry_run, send
from plutino.control.documents import V1

if TYPE_CHECKING:
    from rich.console import Console

REST_PORT, PUSH_PORT = 9081, 10081
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
PUSH_PATH = "/plant/checks"
CHECKS = (
    ({"machine": "filler-1", "operator": "Mia", "fill_ml": 502}, "good"),
    ({"machine": "filler-3", "operator": "Mia", "fill_ml": 488}, "too little"),
    ({"machine": "filler-2", "operator": "Jonas", "fill_ml": 515}, "too much"),
)
"""What is posted while the rules run, and the verdict that the rule ``checks`` must give."""

WATCHED = {"hot": "red", "pressure": "yellow", "alarms": "magenta", "checks": "cyan", "summary": "green"}
"""Rules whose results are shown, with their colours; each must deliver something."""


@click.command(short_help="See an example at work, from import to export.")
@click.option("--once", is_flag=True, help="End after the show; exit code 0 only if everything held.")
@click.option("--seconds", type=click.FloatRange(min=3), default=6.0, show_default=True, help="How long live results are shown.")
@click.option("--port", type=int, help=f"Port of the REST API.  [default: {REST_PORT}; with --once a free one]")
@click.option("--push-port", type=int, help=f"Port of the data server for HTTP push.  [default: {PUSH_PORT}; with --once a free one]")
@click.option("--example", metavar="FILE", help="Another document or folder.  [default: examples/plant]")
def demo(once: bool, seconds: float, port: int | None, push_port: int | None, example: str | None) -> None:
    """Start a server on an empty folder, import an example, watch its rules, export it again."""
    path = example or _example()
    ports = _ports(port, push_port, once)
    screen = console()
    with tempfile.TemporaryDirectory(prefix="plutino-demo-") as data, _server(Path(data), *ports) as server:
        _Show(screen, Client(f"http://127.0.0.1:{ports[0]}"), ports[1], path).run(seconds)
        if once:
            screen.print("\n[bold green]Everything held.[/]")
            return
        _stay(screen, server, *ports)


commands: Sequence[click.Command] = (demo,)


class _Show:
    """The acts of the demo; an act that does not hold ends it with a Failure."""

    def __init__(self, screen: Console, client: Client, push_port: int, path: str) -> None:
        self._screen = screen
        self._client = client
        self._push_port = push_port
        self._path = path
        self._document = layout.read_document(path)
        self._act = 0

    def run(self, seconds: float) -> None:
        """All acts in order."""
        self._start()
        self._difference()
        self._import()
        self._watch(seconds)
        self._export()

    def _start(self) -> None:
        self._title("A server on an empty folder", "plutino serve")
        about = self._client.call("GET", "/").json()
        entries = layout.counts(self._client.call("GET", "/data/export").text)
        if entries:
            _fail(f"the folder is not empty: {entries}")
        self._say(f"Plutino {about['version']} answers at {self._client.url}; it holds nothing.")

    def _difference(self) -> None:
        self._title("What importing would change", f"plutino diff {self._path}")
        changeset = dry_run(self._client, self._document, partial=False)
        print_changes(changeset, self._screen)
        if changeset.get("faults") or {change["action"] for change in changeset["changes"]} != {"created"}:
            _fail("everything in the document should be new")

    def _import(self) -> None:
        self._title("Import", f"plutino import {self._path}")
        started = time.perf_counter()
        send(self._client, self._document, partial=False)
        self._say(f"{described(self._document)}: checked, stored and running after {(time.perf_counter() - started) * 1000:.0f} ms.")
        rules = self._client.call("GET", "/rules").json()
        print_table(("RULE", "STATUS", "NAME"), [(r["id"], r["status"], r["name"]) for r in rules], {"running": "green"})
        wanted = {rule["id"]: "stopped" if rule["id"] == "archive" else "running" for rule in rules}
        found = {rule["id"]: rule["status"] for rule in rules}
        if found != wanted:
            _fail(f"rules should be {wanted}, not {found}")

    def _watch(self, seconds: float) -> None:
        self._title(f"Live results, {seconds:g} seconds of them", "plutino tail RULE")
        results: SimpleQueue[tuple[str, str]] = SimpleQueue()
        for rule in WATCHED:
            threading.Thread(target=_listen, args=(self._client, rule, results), daemon=True, name=f"tail {rule}").start()
        end = time.monotonic() + seconds
        posts = [end - seconds * share for share in (0.9, 0.75, 0.6)]
        seen: dict[str, list[str]] = {rule: [] for rule in WATCHED}
        while (now := time.monotonic()) < end:
            if posts and now >= posts[0]:
                posts.pop(0)
                self._push(CHECKS[len(CHECKS) - len(posts) - 1][0])
            try:
                rule, result = results.get(timeout=0.05)
            except Empty:
                continue
            seen[rule].append(result)
            self._result(rule, result)
        self._judge(seen)

    def _result(self, rule: str, result: str) -> None:
        """One line, or for the output of a window one per row."""
        message = json.loads(result)
        rows = [result] if isinstance(message, dict) else [json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in message]
        for number, row in enumerate(rows):
            self._line(rule if number == 0 else "", WATCHED[rule], row)

    def _push(self, message: dict[str, Any]) -> None:
        self._line("POST", "bold", f"{PUSH_PATH} {json.dumps(message)}")
        Client(f"http://127.0.0.1:{self._push_port}").call("POST", PUSH_PATH, message)

    def _judge(self, seen: dict[str, list[str]]) -> None:
        silent = [rule for rule, results in seen.items() if not results]
        if silent:
            _fail(f"no results of {', '.join(silent)}")
        verdicts = [json.loads(result)["verdict"] for result in seen["checks"]]
        if verdicts != [verdict for _, verdict in CHECKS]:
            _fail(f"the rule checks should have answered {[verdict for _, verdict in CHECKS]}, not {verdicts}")
        self._say(", ".join(f"{counted(len(results), 'result')} of {rule}" for rule, results in seen.items()) + ".")

    def _export(self) -> None:
        self._title("Export, and compare", "plutino export copy.json")
        exported = layout.Document("copy.json", V1, self._client.call("GET", "/data/export").text)
        lost = _unequal(self._document.as_v1(), exported.as_v1())
        if lost:
            _fail(f"the export differs from the import in {', '.join(lost)}")
        again = dry_run(self._client, exported, partial=False)
        if differs(again):
            _fail(f"importing the export again would change something: {summary_line(again)}")
        self._say(f"{described(exported)}: equal to what was imported, entry by entry; importing it again: {summary_line(again)}.")

    def _title(self, text: str, command: str) -> None:
        self._act += 1
        self._screen.print(f"\n[bold]{self._act}  {text}[/]  [dim]{command}[/]")

    def _say(self, text: str) -> None:
        self._screen.print(text, markup=False, soft_wrap=not self._screen.is_terminal)

    def _line(self, name: str, style: str, text: str) -> None:
        from rich.text import Text

        line = Text.assemble((f"{name:>9}", style), "  ", text)
        if self._screen.is_terminal:
            self._screen.print(line, no_wrap=True, overflow="ellipsis", soft_wrap=False)
        else:
            self._screen.print(line)


def _listen(client: Client, rule: str, results: SimpleQueue[tuple[str, str]]) -> None:
    """Body of a thread: hand over each result until the server ends."""
    try:
        for event, data in client.events(f"/rules/{rule}/tail"):
            if not event:
                results.put((rule, data))
    except Failure:
        # The server ended, or refuses: a rule without results is what the show notices and reports.
        return


def _unequal(imported: str, exported: str) -> list[str]:
    """Entries that are not in both documents, or say something else; JSON texts are compared by value."""
    first, second = (_entries(document) for document in (imported, exported))
    return sorted(".".join(key) for key in first.keys() | second.keys() if first.get(key) != second.get(key))


def _entries(document: str) -> dict[tuple[str, str], Any]:
    sections: dict[str, dict[str, str]] = json.loads(document)
    return {
        (section, name): text if section in ("streams", "tables") else json.loads(text)
        for section, entries in sections.items()
        for name, text in entries.items()
    }


def _example() -> str:
    """The example folder: beside the sources, or inside the installed package."""
    package = Path(__file__).resolve().parents[1]
    for root in (package.parents[1], package):
        folder = root / "examples" / "plant"
        if folder.is_dir():
            return _shown(folder)
    raise Misuse("the example is not installed", "name a document with --example FILE")


def _shown(path: Path) -> str:
    """A path as short as it can be written here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _ports(port: int | None, push_port: int | None, once: bool) -> tuple[int, int]:
    """The ports to use; Misuse when one is taken."""
    with socket.socket() as first, socket.socket() as second:
        found = []
        for probe, asked, usual in ((first, port, REST_PORT), (second, push_port, PUSH_PORT)):
            wanted = asked if asked is not None else 0 if once else usual
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError as error:
                raise Misuse(f"port {wanted} is taken", "name free ones with --port and --push-port") from error
            found.append(int(probe.getsockname()[1]))
        return found[0], found[1]


@contextmanager
def _server(data: Path, port: int, push_port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server process on an empty folder; it ends with the block, also when this process is told to end."""
    log_path = data / "server.log"
    # fmt: off
    command = [
        sys.executable, "-c", "import sys; from plutino.cli import main; sys.exit(main())", "serve",
        "--data", str(data / "data"), "--host", "127.0.0.1", "--port", str(port), "--push-port", str(push_port),
    ]
    # fmt: on
    before = signal.signal(signal.SIGTERM, _ended)
    with log_path.open("wb") as log, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log) as process:
        try:
            if not _ready(process):
                sys.stderr.write(log_path.read_text(errors="replace")[-2000:])
                raise Failure("the server did not start")
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
            signal.signal(signal.SIGTERM, before)


def _ready(process: subprocess.Popen[bytes]) -> bool:
    """Wait for the ready line. A timer ends a server that never prints it, and the pipe with it."""
    assert process.stdout is not None
    timer = threading.Timer(START_TIMEOUT_S, process.kill)
    timer.start()
    line = process.stdout.readline()
    timer.cancel()
    return bool(line)


def _ended(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _stay(screen: Console, server: subprocess.Popen[bytes], port: int, push_port: int) -> None:
    program = "plutino" if shutil.which("plutino") else _shown(Path(sys.executable).parent / "plutino")
    suffix = "" if port == REST_PORT else f" --server http://127.0.0.1:{port}"
    screen.print(f"\n[bold]The server stays at http://127.0.0.1:{port}[/] (documentation of its API: http://127.0.0.1:{port}/docs)")
    screen.print("In another terminal:", style="dim")
    for arguments in ("status", "tail alarms", "explain summary", "start rule archive", "export copy-of-plant/"):
        screen.print(f"  {program} {arguments}{suffix}", markup=False)
    check = json.dumps(CHECKS[1][0])
    screen.print(f"  curl -d '{check}' http://127.0.0.1:{push_port}{PUSH_PATH}", markup=False)
    try:
        screen.print("Ctrl-C stops it and removes its data.", style="dim")
        code = server.wait()
    except KeyboardInterrupt:
        screen.print("\nstopped")
        return
    raise Failure(f"the server ended by itself (exit code {code})")


def _fail(text: str) -> NoReturn:
    raise Failure(f"the demo does not hold: {text}")
