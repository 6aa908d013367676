"""Runs the examples of a documentation page as a reader would: one shell, one folder and one server per page.

- ``sh`` blocks are run whole and must succeed; ``console`` blocks are commands (``$ ``) with the output that a reader sees
- in expected output ``...`` stands for anything: alone on a line for any lines, inside a line for any text
- a block after ``<!-- file: NAME -->`` is written to that file, for the commands after it
- ``text`` blocks are drawings; every other block must be one of the above
- addresses of the default ports become those of the page's server; ``plutino serve`` starts it, else one is running already
- ``make`` targets are only looked up, and nothing is installed; a package of the page itself is only made known
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from e2e.harness import SOURCES, Server

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60

_BLOCK = re.compile(r"(?:^<!-- file: (?P<file>\S+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_PLUTINO = """#!/bin/sh
exec "{python}" -c "import sys; from plutino.cli import main; sys.exit(main())" "$@"
"""
_CURL = """#!{python}
import sys, urllib.error, urllib.request
arguments, headers, method, data, show, into, url = sys.argv[1:], {{}}, None, None, None, None, ""
while arguments:
    argument = arguments.pop(0)
    if argument == "-s":
        continue
    if argument in ("-X", "-d", "-H", "-o", "-w"):
        value = arguments.pop(0)
        match argument:
            case "-X": method = value
            case "-d": data = value.encode()
            case "-H": headers[value.split(":", 1)[0]] = value.split(":", 1)[1].strip()
            case "-o": into = value
            case "-w": show = value
    else:
        url = argument
try:
    answer = urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30)
except urllib.error.HTTPError as error:
    answer = error
body = answer.read()
if into: open(into, "wb").write(body)
else: sys.stdout.buffer.write(body)
if show: print(show.replace("%{{http_code}}", str(answer.status)).replace("\\\\n", "\\n"), end="")
"""
"""What stands in for curl where it is not installed: the options that the pages use."""


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, the file it is written to (if any), and the line it starts at."""

    language: str
    text: str
    file: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """All fenced blocks of a page in order."""
    text = page.read_text()
    for match in _BLOCK.finditer(text):
        yield Block(match["language"], match["text"], match["file"] or "", text.count("\n", 0, match.start("text")))


class Reader:
    """Works through one page. ``server`` has its ports; it is started by the page, or by ``work`` before the first block."""

    def __init__(self, page: Path, folder: Path, server: Server) -> None:
        self._page = page
        self._folder = folder
        self._server = server
        self._blocks = list(blocks(page))

    def work(self) -> None:
        """Run everything; AssertionError with the place where the page is wrong."""
        self._prepare()
        if not any(re.search(r"^(\$ )?plutino serve", block.text, re.MULTILINE) for block in self._blocks):
            self._server.start()
        for block in self._blocks:
            if block.file:
                (self._folder / block.file).write_text(block.text)
            elif block.language == "sh":
                for command in _commands(block.text):
                    code, output = self._run(command)
                    assert code == 0, f"{self._place(block)}: {command!r} ends with {code}:\n{output}"
            elif block.language == "console":
                self._console(block)
            else:
                assert block.language == "text", f"{self._place(block)}: nothing says how to run this {block.language or 'plain'} block"

    def _prepare(self) -> None:
        """The commands that a page uses, and the examples beside it."""
        programs = self._folder / "bin"
        programs.mkdir()
        _program(programs / "plutino", _PLUTINO.format(python=sys.executable))
        if shutil.which("curl") is None:
            _program(programs / "curl", _CURL.format(python=sys.executable))
        (self._folder / "examples").symlink_to(ROOT / "examples")

    def _console(self, block: Block) -> None:
        background: list[str] = []
        for command, output in _dialogue(block.text):
            # What runs in the background belongs to the shell of the next command.
            if command.endswith("&"):
                background.append(command)
                continue
            code, seen = self._run("\n".join([*background, command]))
            background.clear()
            if not _fits(seen, self._addressed(output)):
                raise AssertionError(f"{self._place(block)}: {command!r} (exit code {code}) prints\n{seen}\nnot\n{output}")

    def _install(self) -> None:
        """What installing the package of the page's folder leaves behind for others: its name and its entry points."""
        project = tomllib.loads((self._folder / "pyproject.toml").read_text())["project"]
        installed = self._folder / f"{project['name']}-{project['version']}.dist-info"
        installed.mkdir()
        (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
        groups = project["entry-points"].items()
        lines = [line for group, points in groups for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))]
        (installed / "entry_points.txt").write_text("\n".join(lines))

    def _run(self, command: str) -> tuple[int, str]:
        if command.startswith("plutino serve"):
            self._server.start()
            return 0, ""
        if command.startswith("make"):
            looked_up = ["make", "-n", *command.split("#")[0].split()[1:]]
            made = subprocess.run(looked_up, cwd=ROOT, capture_output=True, text=True, check=False)
            return made.returncode, made.stdout + made.stderr
        if command == "pip install ." and (self._folder / "pyproject.toml").exists():
            self._install()
            return 0, ""
        if command.startswith(("python3 -m venv", ".venv/bin/pip", "pip install")):
            return 0, ""
        environment = {
            "PATH": f"{self._folder / 'bin'}:/usr/bin:/bin:/usr/local/bin",
            "PYTHONPATH": str(SOURCES),
            "PLUTINO_SERVER": self._server.url,
            "HOME": str(self._folder),
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
        }
        result = subprocess.run(
            ["sh", "-c", self._addressed(command)],
            cwd=self._folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return result.returncode, result.stdout

    def _addressed(self, text: str) -> str:
        return text.replace("http://127.0.0.1:9081", self._server.url).replace("http://127.0.0.1:10081", self._server.push_url)

    def _place(self, block: Block) -> str:
        return f"{self._page.relative_to(ROOT)}:{block.line}"


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _commands(text: str) -> Iterator[str]:
    """The commands of a shell block: lines, joined while a quote is open."""
    command = ""
    for line in text.splitlines():
        command += ("\n" if command else "") + line
        if command.count("'") % 2 == 0:
            if command.strip():
                yield command.strip()
            command = ""
    assert not command, f"a quote is not closed: {command}"


def _dialogue(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block with the output below it."""
    command, output = "", ""
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, output
            command, output = line[2:], ""
        else:
            output += line + "\n"
    yield command, output


def _fits(seen: str, wanted: str) -> bool:
    """Whether output is as the page shows it, blanks at line ends aside."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else ".*?".join(re.escape(part) for part in line.rstrip().split("...")) + r"[ \t]*\n"
        for line in wanted.splitlines()
    )
    text = seen if seen.endswith("\n") or not seen else seen + "\n"
    return re.fullmatch(pattern, text) is not None
