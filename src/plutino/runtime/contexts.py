"""Contexts: what sources, sinks and connections get to see of the engine."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable

from plutino.errors import ProvisionError
from plutino.runtime.dynamic import render
from plutino.runtime.facilities import Facilities
from plutino.spi import Connection, IngressHandler, SinkContext, SocketRoom, SourceContext, SystemClock
from plutino.spi.access import Access
from plutino.spi.bus import Bus


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


def checking_source_context(access: Access) -> SourceContext:
    """For a source or lookup that is made only to see whether it can be."""
    return SourceContext(
        stream="",
        rule="",
        clock=SystemClock(),
        ingress=_NoIngress(),
        data_dir=access.data_dir,
        allow_file=access.file,
        allow_host=_allow_literal(access),
        connection=no_connection,
        bus=Bus(),
        log=logging.getLogger(__name__),
        render=lambda template, value: template,
    )


def checking_sink_context(access: Access) -> SinkContext:
    """As ``checking_source_context``, for sinks."""
    return SinkContext(
        rule="",
        action="",
        clock=SystemClock(),
        ingress=_NoIngress(),
        data_dir=access.data_dir,
        allow_file=access.file,
        allow_host=_allow_literal(access),
        connection=no_connection,
        bus=Bus(),
        log=logging.getLogger(__name__),
        render=lambda template, value: template,
    )


class _NoIngress:
    """The data server for checks: paths are taken when a source runs."""

    def register(self, path: str, method: str, handler: IngressHandler) -> Callable[[], None]:
        raise ProvisionError(f"{method} {path} cannot be served while a rule is checked")

    def stream(self, path: str, listen: Callable[[], AsyncGenerator[bytes, None]]) -> Callable[[], None]:
        raise ProvisionError(f"GET {path} cannot be served while a rule is checked")

    def sockets(self, path: str, receive: Callable[[bytes], None] | None) -> SocketRoom:
        raise ProvisionError(f"WebSocket {path} cannot be served while a rule is checked")

    @property
    def port(self) -> int:
        return 0


def _allow_literal(access: Access) -> Callable[[str], None]:
    """A check of hosts that never waits: addresses are looked at, names are left to the run."""

    def allow(host: str) -> None:
        try:
            access.address(host.strip("[]"))
        except ValueError:
            return

    return allow
