"""Connectivity tests: does an external system answer with these properties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plutino.errors import PlutinoError
from plutino.runtime.contexts import no_connection, no_header, sink_context, source_context
from plutino.runtime.facilities import Facilities
from plutino.spi.options import decode_options


async def ping(facilities: Facilities, role: str, connector: str, properties: Mapping[str, Any]) -> None:
    """Reach out once in the ``source``, ``sink`` or ``lookup`` role of a connector; TransportError when nothing answers.

    PlutinoError with the compatible text when this role has nothing to ping.
    """
    spec = facilities.registry.connectors.get(connector)
    read = facilities.references.properties
    datasource = next((str(v) for k, v in read((), properties).items() if k.lower() == "datasource"), "")
    match role:
        case "sink":
            sink = spec.sink if spec is not None else None
            if sink is None or sink.ping is None:
                raise PlutinoError(f"sink {connector} doesn't support ping connection")
            context = sink_context(facilities, "", connector, connection=no_connection, header=no_header)
            await sink.ping(decode_options(sink.options, read((sink.options,), properties)), context)
        case "lookup":
            lookup = spec.lookup if spec is not None else None
            if lookup is None:
                raise PlutinoError(f"lookup source type {connector} not found")
            if lookup.ping is None:
                raise PlutinoError(f"lookup source {connector} doesn't support ping connection")
            options = decode_options(lookup.options, read((lookup.options,), properties))
            await lookup.ping(options, datasource, source_context(facilities, "", "", connection=no_connection, needs_meta=lambda: False))
        case _:
            source = spec.source if spec is not None else None
            if source is None or source.ping is None:
                raise PlutinoError(f"source {connector} doesn't support ping connection")
            options = decode_options(source.options, read((source.options,), properties))
            await source.ping(options, datasource, source_context(facilities, "", "", connection=no_connection, needs_meta=lambda: False))
