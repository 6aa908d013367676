"""Contexts: what sources, sinks and connections get to see of the engine."""

from __future__ import annotations

from collections.abc import Callable

from plutino.runtime.dynamic import render
from plutino.runtime.facilities import Facilities
from plutino.spi import Connection, SinkContext, SourceContext


def source_context(
    facilities: Facilities,
    stream: str,
    rule: str,
    *,
    connection: Callable[[], Connection | None],
    needs_meta: Callable[[], bool],
) -> SourceContext:
    """The context of a source, a lookup or a connection."""
    return SourceContext(
        stream=stream,
        rule=rule,
        clock=facilities.clock,
        ingress=facilities.ingress,
        data_dir=facilities.data_dir,
        allow_file=facilities.allow_file,
        allow_host=facilities.allow_host,
        connection=connection,
        bus=facilities.bus,
        log=facilities.log,
        render=render,
        needs_meta=needs_meta,
    )


def sink_context(
    facilities: Facilities,
    rule: str,
    action: str,
    *,
    connection: Callable[[], Connection | None],
    header: Callable[[], bytes],
) -> SinkContext:
    """The context of a sink."""
    return SinkContext(
        rule=rule,
        action=action,
        clock=facilities.clock,
        ingress=facilities.ingress,
        data_dir=facilities.data_dir,
        allow_file=facilities.allow_file,
        allow_host=facilities.allow_host,
        connection=connection,
        bus=facilities.bus,
        log=facilities.log,
        render=render,
        header=header,
    )


def no_connection() -> Connection | None:
    """For what is made without a named connection."""
    return None


def no_header() -> bytes:
    """For sinks that take rows."""
    return b""
