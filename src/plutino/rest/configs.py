"""``PATCH /configs``: settings that can be changed while the server runs. They hold until it ends (rest reference §1.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from plutino.errors import EvaluationError, PlutinoError
from plutino.model.moment import load_zone, set_zone
from plutino.rest.metrics import MetricsRecord
from plutino.spi import Action, Answer, Call
from plutino.spi.gojson import GoJsonError, Shape, bind, decode
from plutino.spi.wire import with_prefix

LEVELS = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "fatal": "critical",
    "panic": "critical",
}
"""The wire's names of levels, and those of the log."""

_SHAPE = Shape(
    "",
    {
        "logLevel": "string",
        "debug": "bool",
        "timezone": "string",
        "consoleLog": "bool",
        "fileLog": "bool",
        "metricsDumpConfig": Shape("metricsDumpConfig", {"enable": "bool"}),
    },
)
_PROPERTIES = {
    "logLevel": {"type": "string", "description": "Least level that is logged", "enum": list(LEVELS)},
    "debug": {"type": "boolean", "description": "Log everything, whatever logLevel says"},
    "timezone": {"type": "string", "description": "Zone of dates without one, such as Europe/Berlin, UTC or Local"},
    "consoleLog": {"type": "boolean", "description": "Log to the console"},
    "fileLog": {"type": "boolean", "description": "Log to a file in the data directory"},
    "metricsDumpConfig": {"type": "object", "properties": {"enable": {"type": "boolean", "description": "Record metrics in files"}}},
}


class LogControl(Protocol):
    """What can be changed about the log of this process."""

    def set_level(self, level: str) -> None:
        """The least level that is logged: ``debug``, ``info``, ``warning``, ``error`` or ``critical``."""
        ...

    def set_debug(self, on: bool) -> None:
        """Log everything while it is on."""
        ...

    def write_to(self, *, console: bool | None, file: bool | None) -> None:
        """Where lines go; None leaves it as it is. PlutinoError when the file cannot be written, and then nothing is changed."""
        ...


class Configs:
    """The endpoint. A request is carried out as a whole or not at all."""

    def __init__(self, log: LogControl, record: MetricsRecord) -> None:
        self._log = log
        self._record = record

    @property
    def actions(self) -> Sequence[Action]:
        body = {"type": "object", "properties": _PROPERTIES}
        return (Action("PATCH", "/configs", self._change, "Change settings of the running server", body, status=204, tags=("server",)),)

    async def _change(self, call: Call) -> Answer:
        wanted = _wanted(call.body)
        level, zone = wanted.get("logLevel"), wanted.get("timezone")
        if level is not None and level.lower() not in LEVELS:
            raise PlutinoError(f"logLevel: {level}; one of {', '.join(LEVELS)} is expected")
        if zone is not None:
            try:
                load_zone(zone)
            except EvaluationError as error:
                raise PlutinoError(f"Invalid TZ: {error.message}") from error
        if "consoleLog" in wanted or "fileLog" in wanted:
            self._log.write_to(console=wanted.get("consoleLog"), file=wanted.get("fileLog"))
        if level is not None:
            self._log.set_level(LEVELS[level.lower()])
        if "debug" in wanted:
            self._log.set_debug(wanted["debug"])
        if zone is not None:
            set_zone(zone)
        recorded = wanted.get("metricsDumpConfig", {}).get("enable")
        if recorded:
            self._record.enable()
        elif recorded is not None:
            await self._record.disable()
        return Answer(status=204)


def _wanted(body: bytes) -> dict[str, Any]:
    try:
        return bind(decode(body, exact=False), _SHAPE)
    except GoJsonError as error:
        with_prefix(error, "Invalid JSON")
        raise
