"""Simulated data: rows of the configuration, one after another; also the stand-in for real sources in rule tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Struct

from plutino.model import Duration
from plutino.spi import ConnectorSpec, Delivery, Example, Inlet, LookupSpec, SourceContext, SourceSpec
from plutino.spi.clock import ticks
from plutino.spi.connector import Answers
from plutino.spi.options import Opt
from plutino.spi.suspension import rows_with


class SimulatorOptions(Struct, frozen=True, rename="camel"):
    """Options of the simulator."""

    data: Annotated[list[dict[str, Any]], Opt("The rows to send", "Data", required=True)] = []
    interval: Annotated[Duration, Opt("Time between two rows; 0 sends as fast as the rules take them", "Interval")] = 1000
    loop: Annotated[bool, Opt("Start again after the last row", "Loop")] = True


class SimulatorSource:
    """One row per tick, in order. The position is the number of the row that comes next."""

    def __init__(self, options: SimulatorOptions, datasource: str, context: SourceContext) -> None:
        self._options = options
        self._clock = context.clock

    async def run(self, inlet: Inlet, resume: Any) -> None:
        """Send until the end of the data, or for ever with ``loop``."""
        data, loop = self._options.data, self._options.loop
        inlet.connected()
        at = int(resume) if isinstance(resume, int) else 0
        if not data or (at >= len(data) and not loop):
            return
        at %= len(data)
        if self._options.interval <= 0:
            await self._flood(inlet, at)
            return
        async for _ in ticks(self._clock, self._options.interval):
            at += 1
            await inlet.put(Delivery(rows=[dict(data[at - 1])], position=at))
            if at == len(data):
                if not loop:
                    return
                at = 0

    async def _flood(self, inlet: Inlet, at: int) -> None:
        data = self._options.data
        while True:
            await inlet.put(Delivery(rows=[dict(r) for r in data[at:]], position=len(data)))
            if not self._options.loop:
                return
            at = 0
            await self._clock.sleep(0)


class SimulatorLookup:
    """A fixed table: the rows of the configuration, each once where all keys match."""

    def __init__(self, options: SimulatorOptions, datasource: str, context: SourceContext) -> None:
        self._data = options.data

    async def open(self) -> None:
        """Nothing to open."""

    def lookup(self, fields: Sequence[str], keys: Sequence[str], queries: Sequence[Sequence[Any]]) -> Answers:
        """Rows in which every key has its value."""
        return [rows_with(self._data, keys, values) for values in queries]

    async def close(self) -> None:
        """Nothing to close."""


_ROWS = [{"temperature": 22.5, "humidity": 50}, {"temperature": 25, "humidity": 55}]

CONNECTOR = ConnectorSpec(
    name="simulator",
    about="Sends the rows of its configuration",
    source=SourceSpec(
        options=SimulatorOptions,
        create=SimulatorSource,
        delivers="rows",
        replays=True,
        bounded=True,
        defaults={"data": _ROWS, "interval": "1s", "loop": True},
        examples=(
            Example("two rows for ever", {"data": _ROWS, "interval": "500ms"}),
            Example("three rows at once, then done", {"data": [{"a": 1}, {"a": 2}, {"a": 3}], "interval": 0, "loop": False}),
        ),
    ),
    lookup=LookupSpec(
        options=SimulatorOptions,
        create=SimulatorLookup,
        examples=(Example("a small fixed table", {"data": [{"id": 1, "name": "pump"}]}),),
    ),
)
