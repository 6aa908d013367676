"""The server's log: one line per event, on stderr or in a file, in which no secret stands. Libraries' own warnings go there too."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plutino.errors import PlutinoError
from plutino.spi.options import mask
from plutino.spi.secrets import scrubbed

if TYPE_CHECKING:
    from logging.handlers import RotatingFileHandler

Known = Callable[[], Collection[str]]
"""Gives the secrets of the configuration: they are looked for in what may quote values, tracebacks above all."""

FILE = "stream.log"
_FILE_SIZE, _OLD_FILES = 10 * 1024 * 1024, 3


class Log:
    """Makes loggers, and says while the process runs what is logged and where. ``known`` may be set when there is a configuration.

    ``directory`` is where the file is written, once it is asked for. Implements ``rest.configs.LogControl``.
    """

    def __init__(self, level: str, directory: Path) -> None:
        self.known: Known = tuple
        self._level = logging.getLevelNamesMapping()[level.upper()]
        self._debug = False
        self._directory = directory
        self._console = True
        self._file: RotatingFileHandler | None = None

    def logger(self) -> Events:
        """The structured logger of the process; also takes over the standard one."""
        handler = _Handler(self.write)
        handler.setFormatter(_Formatter(self.line))
        logging.basicConfig(handlers=[handler])
        self._apply()
        return Events(self.event)

    def event(self, level: int, name: str, fields: Mapping[str, Any]) -> None:
        """Log an event with what is known of it; ``exc_info`` is an exception, whose traceback is written too."""
        if level < self._least:
            return
        shown = mask((), {"event": name, **fields})
        error = fields.get("exc_info")
        if error is not None:
            del shown["exc_info"]
            shown["exception"] = "".join(traceback.format_exception(error)).rstrip()
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        entries = {"timestamp": now, "level": logging.getLevelName(level).lower(), **shown}
        line = " ".join(f"{key}={_logfmt(value)}" for key, value in entries.items())
        self.write(self.line(line, quotes=level >= logging.WARNING))

    def set_level(self, level: str) -> None:
        """The least level that is logged, by name."""
        self._level = logging.getLevelNamesMapping()[level.upper()]
        self._apply()

    def set_debug(self, on: bool) -> None:
        """Log everything while it is on."""
        self._debug = on
        self._apply()

    def write_to(self, *, console: bool | None, file: bool | None) -> None:
        """Where lines go; None leaves it as it is. PlutinoError when the file cannot be opened."""
        if file and self._file is None:
            self._file = self._opened()
        elif file is False and self._file is not None:
            self._file.close()
            self._file = None
        if console is not None:
            self._console = console

    def write(self, line: str) -> None:
        """Put a line where lines go."""
        if self._console:
            print(line, file=sys.stderr, flush=True)
        if self._file is not None:
            self._file.emit(logging.makeLogRecord({"msg": line}))

    def line(self, text: str, *, quotes: bool) -> str:
        """A line without secrets; ``quotes``: it may hold values from anywhere."""
        return scrubbed(text, self.known() if quotes else ())

    @property
    def _least(self) -> int:
        return logging.DEBUG if self._debug else self._level

    def _apply(self) -> None:
        logging.getLogger().setLevel(max(self._least, logging.WARNING))

    def _opened(self) -> RotatingFileHandler:
        from logging.handlers import RotatingFileHandler  # only where a file is wanted

        path = self._directory / FILE
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            return RotatingFileHandler(path, maxBytes=_FILE_SIZE, backupCount=_OLD_FILES, encoding="utf-8")
        except OSError as error:
            raise PlutinoError(f"log file {path}: {(error.strerror or str(error)).lower()}") from error


class Events:
    """The logger that the parts of the server are given."""

    def __init__(self, write: Callable[[int, str, Mapping[str, Any]], None]) -> None:
        self._write = write

    def debug(self, event: str, **fields: Any) -> None:
        """What helps to find a fault."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """What happens in the normal course."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """What somebody should look at."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """What went wrong."""
        self._write(logging.ERROR, event, fields)


class _Handler(logging.Handler):
    """Takes the records of libraries."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of a record."""
        self._write(self.format(record))


class _Formatter(logging.Formatter):
    """Lines of libraries."""

    def __init__(self, line: Callable[..., str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._line = line

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, with its traceback."""
        return self._line(super().format(record), quotes=True)


def _logfmt(value: Any) -> str:
    """A value as logfmt has it: quoted where it holds spaces, signs of the form or ends of lines."""
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    if not any(sign in text for sign in ' ="\n\r\t'):
        return text
    for sign, shown in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(sign, shown)
    return f'"{text}"'
