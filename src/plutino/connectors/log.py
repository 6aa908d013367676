"""Sinks for looking at results: ``log`` writes them to the server's log, ``logToMemory`` to a memory topic that tools read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Struct

from plutino.spi import ConnectorSpec, Example, SinkContext, SinkSpec
from plutino.spi.options import Opt


class LogOptions(Struct, frozen=True, rename="camel"):
    """The log sink has no options of its own."""


class LogSink:
    """One info line per message."""

    def __init__(self, options: LogOptions, context: SinkContext) -> None:
        self._log = context.log
        self._rule = context.rule

    async def open(self) -> None:
        """Nothing to open."""

    def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> None:
        """Log each message in the wording of the original."""
        for item in items:
            self._log.info(f"sink result for rule {self._rule}: {item.decode(errors='replace')}")

    async def close(self) -> None:
        """Nothing to close."""


class LogToMemoryOptions(Struct, frozen=True, rename="camel"):
    """Options of the logToMemory sink."""

    topic: Annotated[str, Opt("Memory topic to publish under; $log/<rule> when empty", "Topic")] = ""


class LogToMemorySink:
    """Publishes results under ``$log/<rule>``, where wildcards of ordinary memory sources do not reach."""

    def __init__(self, options: LogToMemoryOptions, context: SinkContext) -> None:
        self._bus = context.bus
        self._topic = options.topic or f"$log/{context.rule}"

    async def open(self) -> None:
        """Nothing to open."""

    def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> None:
        """Publish the rows of each message together."""
        for item in items:
            self._bus.publish(self._topic, item if isinstance(item, list) else [item])

    async def close(self) -> None:
        """Nothing to close."""


CONNECTORS = (
    ConnectorSpec(
        name="log",
        about="Writes results to the log",
        sink=SinkSpec(options=LogOptions, create=LogSink, connects=False, examples=(Example("log results", {}),)),
    ),
    ConnectorSpec(
        name="logToMemory",
        about="Keeps results inside the process for tools that show them live",
        sink=SinkSpec(
            options=LogToMemoryOptions,
            create=LogToMemorySink,
            accepts="rows",
            connects=False,
            examples=(Example("show results live", {}),),
        ),
    ),
)
