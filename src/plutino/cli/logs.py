"""The server's log: one line per event on stderr, in which no secret stands. Libraries' own warnings go there too."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection
from typing import Any

from plutino.spi.options import mask
from plutino.spi.secrets import scrubbed

Known = Callable[[], Collection[str]]
"""Gives the secrets of the configuration: they are looked for in what may quote values, tracebacks above all."""


class Log:
    """Makes loggers. ``known`` may be set when there is a configuration."""

    def __init__(self, level: str) -> None:
        self.known: Known = tuple
        self._level = logging.getLevelNamesMapping()[level.upper()]

    def logger(self) -> Any:
        """The structured logger of the process; also takes over the standard one."""
        structlog = _structlog()
        logging.basicConfig(level=max(self._level, logging.WARNING), stream=sys.stderr)
        formatter = _Formatter(self.line)
        for handler in logging.getLogger().handlers:
            handler.setFormatter(formatter)
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                _without_secrets,
                structlog.processors.format_exc_info,
                structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
                self._rendered,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(self._level),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            cache_logger_on_first_use=True,
        )
        return structlog.get_logger()

    def line(self, text: str, *, quotes: bool) -> str:
        """A line without secrets; ``quotes``: it may hold values from anywhere."""
        return scrubbed(text, self.known() if quotes else ())

    def _rendered(self, _: Any, level: str, line: str) -> str:
        return self.line(line, quotes=level in ("warning", "error", "critical", "exception"))


class _Formatter(logging.Formatter):
    """Lines of libraries."""

    def __init__(self, line: Callable[..., str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._line = line

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, with its traceback."""
        return self._line(super().format(record), quotes=True)


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
