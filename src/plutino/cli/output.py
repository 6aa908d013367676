"""How every command speaks: results on stdout, errors on stderr in one line with a hint, exit codes 0, 1 and 2.

- 0: done
- 1: understood, but refused; or ``diff --exit-code`` found differences
- 2: wrong usage, or the server cannot be reached
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from plutino.errors import DocumentError, PlutinoError, explanation

if TYPE_CHECKING:
    from rich.console import Console

F = TypeVar("F", bound=Callable[..., Any])

_LONG = 500
"""Steps from which a bar is worth its place."""

DEFAULT_SERVER = "http://127.0.0.1:9081"

server_option = click.option(
    "--server", envvar="PLUTINO_SERVER", default=DEFAULT_SERVER, show_default=True, metavar="URL", help="The server; also PLUTINO_SERVER."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON; errors too, on stderr.")


class Failure(click.ClickException):
    """Ends a command with a line on stderr. ``hint`` says what to do about it, ``explanation`` shows the place in a statement below."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "", *, explanation: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.explanation = explanation
        context = click.get_current_context(silent=True)
        self.as_json = bool(context is not None and context.params.get("as_json"))

    def fields(self) -> dict[str, Any]:
        """The error as ``--json`` prints it."""
        found = {"error": self.message, "hint": self.hint, "explanation": self.explanation}
        return {name: value for name, value in found.items() if value or name == "error"}

    def lines(self) -> Iterator[str]:
        """The error for people."""
        text = one_line(self.message)
        yield f"error: {text.rstrip('.')}; {self.hint}" if self.hint else f"error: {text}"
        yield from (f"  {line}" for line in self.explanation.splitlines())

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the error; click calls this."""
        for line in [json.dumps(self.fields(), ensure_ascii=False)] if self.as_json else self.lines():
            click.echo(line, file=file or sys.stderr)


class Misuse(Failure):
    """Wrong usage, or a server that cannot be reached."""

    exit_code = 2


class Refusal(Failure):
    """The server (or a check in this process) said no: its code, and for a document each fault with its place."""

    def __init__(
        self, message: str, hint: str = "", *, code: int = 0, faults: Sequence[dict[str, Any]] = (), explanation: str = ""
    ) -> None:
        super().__init__(message, hint, explanation=explanation)
        self.code = code
        self.faults = list(faults)

    @classmethod
    def of(cls, error: PlutinoError) -> Refusal:
        """An error of this process as a refusal."""
        found = [asdict(fault) for fault in error.faults] if isinstance(error, DocumentError) else []
        faults = [{name: value for name, value in fault.items() if value or name != "file"} for fault in found]
        return cls(error.message, code=error.code, faults=faults, explanation=explanation(error) or "")

    def fields(self) -> dict[str, Any]:
        """The wire's code and faults as well."""
        found = super().fields()
        return {**found, **({"code": self.code} if self.code else {}), **({"faults": self.faults} if self.faults else {})}

    def lines(self) -> Iterator[str]:
        """A line for the whole and one for each fault."""
        if not self.faults:
            yield from super().lines()
            return
        yield f"error: refused, nothing was changed: {counted(len(self.faults), 'fault')}" + (f"; {self.hint}" if self.hint else "")
        yield from fault_lines(self.faults)


def fault_lines(faults: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Each fault in one line: where, and what."""
    for fault in faults:
        yield f"  {fault.get('path') or 'document'}{_place(fault)}: {one_line(str(fault.get('text', '')))}"


def _place(fault: dict[str, Any]) -> str:
    line, column = fault.get("line"), fault.get("column")
    if fault.get("file"):
        return f" ({fault['file']}{f':{line}:{column}' if line else ''})"
    return f" (line {line}, column {column} of the document)" if line else ""


def one_line(text: str) -> str:
    """A text without line breaks."""
    return " ".join(text.split()) if "\n" in text or "\t" in text else text


def counted(number: int, noun: str) -> str:
    """``1 rule``, ``2 rules``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_json(value: Any, *, compact: bool = False) -> None:
    """A value on stdout, for a program or (indented) for a person."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=None if compact else 2))


def console(stderr: bool = False) -> Console:
    """The terminal; rich is loaded by the commands that draw."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], styles: dict[str, str] | None = None) -> None:
    """Rows under headings; ``styles`` colours a cell by its text. Aligned text without colour when stdout is no terminal."""
    if not sys.stdout.isatty():
        widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
        for cells in (columns, *rows):
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell, style=(styles or {}).get(cell, "")) for cell in row))
    console().print(table, no_wrap=True)


@contextmanager
def working(text: str, *, quiet: bool = False) -> Iterator[None]:
    """Show a moving bar with ``text`` and the time on stderr while something long goes on; nothing unless that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        progress.add_task(text, total=None)
        yield


@contextmanager
def counting(text: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar over ``total`` steps on stderr; the value that is handed over makes one step. Nothing unless that is a terminal."""
    if total < _LONG or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task(text, total=total)
        yield lambda: progress.advance(task)
