"""Sink that takes everything and keeps nothing: for measuring, and for rules that run for their side effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Struct

from plutino.spi import ConnectorSpec, Example, SinkContext, SinkSpec
from plutino.spi.options import Opt


class NopOptions(Struct, frozen=True, rename="camel"):
    """Options of the nop sink."""

    log: Annotated[bool, Opt("Write each result to the log", "Log results")] = False


class NopSink:
    """Takes results and forgets them."""

    def __init__(self, options: NopOptions, context: SinkContext) -> None:
        self._log = context.log if options.log else None
        self._rule = context.rule

    async def open(self) -> None:
        """Nothing to open."""

    def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> None:
        """Take everything."""
        if self._log is not None:
            for item in items:
                self._log.info(f"nop sink receive data for rule {self._rule}: {item.decode(errors='replace')}")

    async def close(self) -> None:
        """Nothing to close."""


CONNECTOR = ConnectorSpec(
    name="nop",
    about="Discards results",
    sink=SinkSpec(
        options=NopOptions,
        create=NopSink,
        connects=False,
        shows_link=False,
        examples=(Example("discard", {}), Example("discard, but log", {"log": True})),
    ),
)
