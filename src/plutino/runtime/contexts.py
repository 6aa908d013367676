"""Contexts: what sources, sinks and connections get to see of the engine."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from plutino.errors import ProvisionError
from plutino.runtime.dynamic import render
from plutino.spi import Clock, Connection, HttpIngress, IngressHandler, SinkContext, SocketRoom, SourceContext, SystemClock
from plutino.spi.access import Access
from plutino.spi.bus import Bus


class Surroundings(Protocol):
    """What every source and sink shares with all others: the engine's facilities, or stand-ins for a check."""

    clock: Clock
    ingress: HttpIngress
    data_dir: str
    bus: Bus

    @property
    def log(self) -> Any:
        """A structured logger."""
        ...

    def allow_file(self, path: str, /) -> str:
        """See ``SourceContext.allow_file``."""
        ...

    def allow_host(self, host: str, /) -> None:
        """See ``SourceContext.allow_host``."""
        ...


def source_context(
    around: Surroundings,
    stream: str,
    rule: str,
    *,
    connection: Callable[[], Connection | None],
    needs_meta: Callable[[], bool],
    render: Callable[[str, Any], str] = render,
) -> SourceContext:
    """The context of a source, a lookup or a connection."""
    return SourceContext(
        stream=stream,
        rule=rule,
        clock=around.clock,
        ingress=around.ingress,
        data_dir=around.data_dir,
        allow_file=around.allow_file,
        allow_host=around.allow_host,
        connection=connection,
        bus=around.bus,
        log=around.log,
        render=render,
        needs_meta=needs_meta,
    )


def sink_context(
    around: Surroundings,
    rule: str,
    action: str,
    *,
    connection: Callable[[], Connection | None],
    header: Callable[[], bytes],
    render: Callable[[str, Any], str] = render,
) -> SinkContext:
    """The context of a sink."""
    return SinkContext(
        rule=rule,
        action=action,
        clock=around.clock,
        ingress=around.ingress,
        data_dir=around.data_dir,
        allow_file=around.allow_file,
        allow_host=around.allow_host,
        connection=connection,
        bus=around.bus,
        log=around.log,
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
    return source_context(_for_checks(access), "", "", connection=no_connection, needs_meta=lambda: True, render=_unrendered)


def checking_sink_context(access: Access) -> SinkContext:
    """As ``checking_source_context``, for sinks."""
    return sink_context(_for_checks(access), "", "", connection=no_connection, header=no_header, render=_unrendered)


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


@dataclass(slots=True)
class _StandIns:
    """Surroundings that keep nothing and serve nothing."""

    data_dir: str
    allow_file: Callable[[str], str]
    allow_host: Callable[[str], None]
    clock: Clock = field(default_factory=SystemClock)
    ingress: HttpIngress = field(default_factory=_NoIngress)
    bus: Bus = field(default_factory=Bus)
    log: Any = field(default_factory=lambda: logging.getLogger(__name__))


def _for_checks(access: Access) -> _StandIns:
    return _StandIns(access.data_dir, access.file, _allow_literal(access))


def _unrendered(template: str, value: Any) -> str:
    """There are no values yet."""
    return template


def _allow_literal(access: Access) -> Callable[[str], None]:
    """A check of hosts that never waits: addresses are looked at, names are left to the run."""

    def allow(host: str) -> None:
        try:
            access.address(host.strip("[]"))
        except ValueError:
            return

    return allow
