"""Contract of connectors: thin adapters to external systems.

A connector connects, reads or writes, and closes. The engine reconnects with back-off and jitter, batches, buffers, counts, shows status,
acknowledges and shuts down; a connector does none of that. I/O trouble is a ``TransportError`` (the engine tries again), a wrong option a
``ProvisionError`` or ``OptionError`` (the rule stops with that text).

Options: each role has one msgspec Struct as its model (``plutino.spi.options`` decodes into it and derives validation, JSON schema, REST
metadata and masking). Third-party libraries are imported inside ``run``/``open``, never at module level.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from plutino.spi.clock import Clock
from plutino.spi.host import HttpIngress
from plutino.spi.suspension import Answer


class Delivery(Struct, gc=False):
    """What a source hands over at once: exactly one of ``payloads``, ``lines`` or ``rows`` is set.

    - ``payloads``: encoded messages; ``lines``: one block of newline-separated messages, cut at a line end; ``rows``: whole records
    - ``meta``: metadata for all of them (``{"topic": …}``), or one mapping each
    - ``position``: opaque JSON-like value that ``Source`` can resume after (stored with checkpoints), None when it cannot
    - ``ack``: called once when every rule has filtered out, delivered or stored the rows; from the event loop, must not block
    """

    payloads: list[bytes] | None = None
    lines: bytes | None = None
    rows: list[dict[str, Any]] | None = None
    meta: Mapping[str, Any] | list[Mapping[str, Any]] | None = None
    position: Any = None
    ack: Callable[[], None] | None = None


class Inlet(Protocol):
    """Where a source puts what it read."""

    async def put(self, delivery: Delivery) -> None:
        """Hand over and wait until there is room: nothing is lost. For sources that can wait (file, HTTP pull)."""
        ...

    def offer(self, delivery: Delivery) -> bool:
        """Hand over without waiting. False when the buffer is full: the rows were dropped and counted. For sources that cannot wait."""
        ...

    def connected(self) -> None:
        """The source is connected (again); resets the back-off."""
        ...

    def failed(self, error: str) -> None:
        """Something went wrong that does not end the source (a bad response): counted, sampled to the error stream."""
        ...


class Source(Protocol):
    """Reads from an external system."""

    async def run(self, inlet: Inlet, resume: Any) -> None:
        """Connect, call ``inlet.connected()``, then deliver until cancelled.

        ``resume`` is the position to go on after, or None. Returning means the end of a bounded source (the rule finishes with ``done``).
        ``TransportError`` makes the engine call ``run`` again after a back-off, any other PlutinoError stops the feed. On cancellation
        release everything and re-raise.
        """
        ...


class Sink(Protocol):
    """Writes to an external system. Calls never overlap, except ``close``."""

    async def open(self) -> None:
        """Connect. ``TransportError`` makes the engine try again after a back-off; called again after a ``TransportError`` of ``write``."""
        ...

    def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> Awaitable[None] | None:
        """Deliver messages in order: ``bytes`` each, or for a sink that accepts rows one ``dict`` or ``list[dict]`` each.

        ``properties`` are the dynamic options resolved for each message (``{"topic": …}``), None when the sink has none.
        Returns None when everything was taken, else an awaitable that ends when it was delivered. Raises (at once or from the awaitable)
        ``TransportError`` when a retry may help: of the call only the first ``delivered`` messages count as delivered. Any other
        PlutinoError (``DeliveryError`` as a rule) says that messages were refused for good; the others of the call were delivered.
        """
        ...

    async def close(self) -> None:
        """Flush and release; idempotent, raises nothing."""
        ...


Answers: TypeAlias = list[Answer]


class Lookup(Protocol):
    """Answers the queries of one lookup table. The engine gathers queries, caches answers where the table asks for it, and tries again."""

    async def open(self) -> None:
        """Connect. ``TransportError`` makes the engine try again later; called again after a ``TransportError`` of ``lookup``."""
        ...

    def lookup(self, fields: Sequence[str], keys: Sequence[str], queries: Sequence[Sequence[Any]]) -> Answers | Awaitable[Answers]:
        """One answer per query, in order: the rows whose ``keys`` equal its values; ``fields`` are the columns wanted (``*`` for all).

        Values are never null. Numbers are equal by value, whatever their kind (``same_value``). Rows may hold more columns than asked for,
        and are not changed by anybody. A table inside the process answers at once. Calls may overlap. ``TransportError`` (at once or from
        the awaitable) when a retry may help, any other PlutinoError when all of the queries are refused; one refused query has its error
        as its answer.
        """
        ...

    async def close(self) -> None:
        """Release; idempotent, raises nothing."""
        ...


class Connection(Protocol):
    """A shared session with an external system, named by ``connectionSelector``; owned by the engine, used by sources and sinks."""

    async def open(self) -> None:
        """Connect. ``TransportError`` makes the engine try again; called again after each loss."""
        ...

    async def ping(self) -> None:
        """Check that the system answers; TransportError when not."""
        ...

    async def wait_lost(self) -> str:
        """Return the reason when an opened connection is lost. Never returns while it holds, nor for systems without a session."""
        ...

    async def close(self) -> None:
        """Release; idempotent, raises nothing. Users of the connection see a TransportError."""
        ...


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What the engine tells a source when it makes one.

    ``connection()`` gives the shared connection named by ``connectionSelector``, opened, or None when the options name none.
    """

    stream: str
    rule: str
    clock: Clock
    ingress: HttpIngress
    data_dir: str
    allow_file: Callable[[str], str]
    """Resolves a path option against the data directory; AccessError when ``allowExternalFileAccess`` forbids it."""
    allow_host: Callable[[str], None]
    """AccessError when requests to this host are not allowed (private networks)."""
    connection: Callable[[], Connection | None]
    bus: Any
    """The process-wide memory topics (``plutino.spi.bus.Bus``)."""
    log: Any
    render: Callable[[str, Any], str]
    """The text of a data template with this value as its data; TemplateError when it does not parse or run."""
    needs_meta: Callable[[], bool] = lambda: True
    """Whether any rule reads metadata at the moment; a source may leave ``Delivery.meta`` out when not."""


@dataclass(frozen=True, slots=True)
class SinkContext:
    """What the engine tells a sink when it makes one; members as in SourceContext."""

    rule: str
    action: str
    clock: Clock
    ingress: HttpIngress
    data_dir: str
    allow_file: Callable[[str], str]
    allow_host: Callable[[str], None]
    connection: Callable[[], Connection | None]
    bus: Any
    log: Any
    render: Callable[[str, Any], str]
    header: Callable[[], bytes] = lambda: b""
    """The line that names the columns of what the engine encoded for this sink, ``b""`` when there is none (``Encoder.header``)."""


@dataclass(frozen=True, slots=True)
class Example:
    """Shown in the docs and run by the conformance suite. ``datasource`` counts for sources and lookups."""

    title: str
    options: Mapping[str, Any]
    datasource: str = ""


@dataclass(frozen=True, slots=True)
class Datasource:
    """What the stream option DATASOURCE means for a source, for forms.

    ``check`` raises PlutinoError for one that can never be used, whatever the options are.
    """

    label: str
    hint: str
    default: str = ""
    check: Callable[[str], object] | None = None


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """The source role of a connector.

    - ``create(options, datasource, context)`` makes a Source; ``datasource`` is the stream option DATASOURCE. It refuses what can never
      work with a ProvisionError (compatible texts), may look at the file system, and does no other I/O: a rule is checked with it
    - ``delivers``: ``bytes`` (the stream's FORMAT decodes them) or ``rows``; a file source of csv gives rows as well
    - ``replays``: each reader gets its own sequence from the start (file, simulator), so streams that are not SHARED have a feed per rule;
      other sources have one feed per stream
    - ``bounded``: ``run`` may return
    - ``listens``: gives only what rules of this process send (memory): of sources that start together it is there first, so that it misses
      nothing; ``run`` must be ready for it before it waits
    - ``defaults``: the shipped ``default`` configuration key (``etc/sources/<type>.yaml`` of the original); ``presets``: other shipped keys
    - ``ping`` reaches out once and returns, TransportError when nothing answers; None: the source has nothing to ping
    """

    options: type[Struct]
    create: Callable[[Any, str, SourceContext], Source]
    delivers: str = "bytes"
    replays: bool = False
    bounded: bool = False
    listens: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    datasource: Datasource | None = None
    ping: Callable[[Any, str, SourceContext], Awaitable[None]] | None = None
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class SinkSpec:
    """The sink role of a connector.

    - ``create(options, context)`` makes a Sink; refuses and does I/O as little as ``SourceSpec.create``
    - ``accepts`` is ``bytes`` (the engine encodes) or ``rows``
    - ``dynamic``: wire names of the options that may hold templates at any depth. Where the action uses one, each message comes with
      ``{name: value}`` of all of them that do, templates replaced; ``create`` sees the template text
    - ``fills``: which of them the sink fills in itself, given its properties (rest: headers with a token); see ``dynamic_names``
    - ``streams``: keeps one growing artefact (file): does its own compression and encryption, and writes the header line
      (``SinkContext.header``) itself, so the engine encodes without one
    - ``connects``: False where nothing outside of the process is reached (log, memory): ``open`` returns at once, and costs no task
    - ``shows_link``: False where the status shows no connection at all (nop)
    """

    options: type[Struct]
    create: Callable[[Any, SinkContext], Sink]
    accepts: str = "bytes"
    connects: bool = True
    shows_link: bool = True
    dynamic: tuple[str, ...] = ()
    ping: Callable[[Any, SinkContext], Awaitable[None]] | None = None
    streams: bool = False
    fills: Callable[[Mapping[str, Any]], tuple[str, ...]] = lambda properties: ()
    examples: tuple[Example, ...] = ()

    def dynamic_names(self, properties: Mapping[str, Any]) -> tuple[str, ...]:
        """The options that the engine resolves per message, for a sink with these properties."""
        filled = self.fills(properties)
        return tuple(name for name in self.dynamic if name not in filled)


@dataclass(frozen=True, slots=True)
class LookupSpec:
    """The lookup role of a connector (tables with KIND="lookup").

    - ``create``: as ``SourceSpec.create``
    - ``typed``: rows carry typed values, so whole numbers are integers (tables of databases), not the floats of JSON
    - ``defaults``: the shipped ``default`` configuration key, where the connector has no source
    """

    options: type[Struct]
    create: Callable[[Any, str, SourceContext], Lookup]
    typed: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    ping: Callable[[Any, str, SourceContext], Awaitable[None]] | None = None
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """A connection that can be named and shared. ``create(id, options, context)``; named ones are opened at once and kept."""

    options: type[Struct]
    create: Callable[[str, Any, SourceContext], Connection]


@dataclass(frozen=True, slots=True)
class ConnectorSpec:
    """An external system. ``share_key`` gives equal keys to option sets that may share one anonymous connection.

    ``connection_type``: the type of its connections with a name, where that is not the name of the connector.
    """

    name: str
    about: str
    source: SourceSpec | None = None
    sink: SinkSpec | None = None
    lookup: LookupSpec | None = None
    connection: ConnectionSpec | None = None
    share_key: Callable[[Any], Hashable] | None = None
    connection_type: str = ""


__all__ = [
    "Answers",
    "Connection",
    "ConnectionSpec",
    "ConnectorSpec",
    "Datasource",
    "Delivery",
    "Example",
    "Inlet",
    "Lookup",
    "LookupSpec",
    "Sink",
    "SinkContext",
    "SinkSpec",
    "Source",
    "SourceContext",
    "SourceSpec",
]
