"""The server's log: one line per event, on stderr or in a file, in which no secret stands. Libraries' own warnings go there too."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from plutino.errors import PlutinoError
from plutino.spi.options import mask
from plutino.spi.secrets import scrubbed

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

    def logger(self) -> Any:
        """The structured logger of the process; also takes over the standard one."""
        structlog = _structlog()
        handler = _Handler(self.write)
        handler.setFormatter(_Formatter(self.line))
        logging.basicConfig(handlers=[handler])
        self._apply()

        def filtered(_: Any, method: str, event: Any) -> Any:
            if _number(method) < self._least:
                raise structlog.DropEvent
            return event

        structlog.configure(
            processors=[
                filtered,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                _without_secrets,
                structlog.processors.format_exc_info,
                structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
                self._rendered,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
            logger_factory=lambda *_: _Lines(self.write),
            cache_logger_on_first_use=True,
        )
        return structlog.get_logger()

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
        path = self._directory / FILE
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            return RotatingFileHandler(path, maxBytes=_FILE_SIZE, backupCount=_OLD_FILES, encoding="utf-8")
        except OSError as error:
            raise PlutinoError(f"log file {path}: {(error.strerror or str(error)).lower()}") from error

    def _rendered(self, _: Any, level: str, line: str) -> str:
        return self.line(line, quotes=level in ("warning", "error", "critical", "exception"))


class _Lines:
    """Takes the finished lines of the structured logger."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = self.exception = write


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


def _number(method: str) -> int:
    return logging.ERROR if method == "exception" else logging.getLevelNamesMapping()[method.upper()]


def _without_secrets(_: Any, __: str, event: Any) -> Any:
    return mask((), event)


def _structlog() -> Any:
    """The library without rich, which it imports where it is installed: 8 MB for tracebacks in colours, which a server does not print."""
    known = sys.modules.get("rich")
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog
    finally:
        del sys.modules["rich"]
        if known is not None:
            sys.modules["rich"] = known
    return structlog
