"""What the control path may ask of the running engine, and what it hands over when it does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from plutino.model import Duration, Schema
from plutino.spi.plugin import PluginPackage, PluginStatus


class RestartStrategy(Struct, frozen=True):
    """How a failed rule is started again: ``attempts`` 0 = never; delays in ms with exponential growth and jitter."""

    attempts: int = 0
    delay: Duration = 1000
    multiplier: float = 2.0
    max_delay: Duration = 30000
    jitter_factor: float = 0.1


class RuleOptions(Struct, frozen=True):
    """Options of a rule that the engine honours (runtime reference §5.3), decoded; times in ms.

    ``idle_timeout``: event time does not wait for streams that have had no row for so long (0: it does).
    """

    is_event_time: bool = False
    late_tolerance: int = 1000
    idle_timeout: int = 0
    buffer_length: int = 1024
    send_meta_to_sink: bool = False
    send_nil_field: bool = False
    send_error: bool = False
    qos: int = 0
    checkpoint_interval: int = 300_000
    restart: RestartStrategy = RestartStrategy()
    cron: str = ""
    duration: int = 0
    cron_datetime_range: tuple[Any, ...] = ()
    disable_buffer_full_discard: bool = False
    window_version: str = ""
    send_sliding_window_twice: bool = False


class FeedRequest(Struct, frozen=True):
    """A stream as a rule wants to read it.

    ``properties`` are the merged source properties before decoding (configuration keys, connection, EXTRA, stream options), ``schema`` the
    declared columns. Feeds are shared between rules by ``stream``, see ``SourceSpec.replays``; the status calls them
    ``label``, where that is another name.
    """

    stream: str
    connector: str
    datasource: str
    format: str
    properties: Mapping[str, Any]
    schema: Schema
    shared: bool = False
    strict: bool = False
    timestamp: str = ""
    timestamp_format: str = ""
    connection: str = ""
    is_table: bool = False
    label: str = ""


class LookupRequest(Struct, frozen=True):
    """A lookup table as it is to be opened; properties as in FeedRequest. Rules whose requests are equal share the opened table."""

    table: str
    connector: str
    datasource: str
    properties: Mapping[str, Any]
    connection: str = ""


class SinkRequest(Struct, frozen=True):
    """One action of a rule: ``name`` is ``<type>_<index>``, ``properties`` merged with sink configuration and connection."""

    name: str
    connector: str
    properties: Mapping[str, Any]
    connection: str = ""


class Counted(Struct, frozen=True):
    """Where the rows of a drawn node are counted: at the program's operators with these numbers, the first of which sees what comes in.

    ``passes``: it has no operator, and lets every row pass that those give; with none, every row that comes to the program. What fails
    in it fails at the operator ``faults``.
    """

    operators: tuple[int, ...] = ()
    passes: bool = False
    faults: int | None = None

    @property
    def failing(self) -> int | None:
        """The operator whose exceptions are those of the node."""
        return self.faults if self.passes else next(iter(self.operators), None)


class Drawing(Struct, frozen=True):
    """How the status shows a rule that its author has drawn: by the nodes of the drawing.

    - ``sources``: by source node the stream that it reads
    - ``operators``: node, the name that is shown, and where its rows are counted
    - ``edges``: by node those that it leads to
    - ``ends``: for each sink which of the program's parts it gets (``Batch.parts``); empty where the program has one end
    """

    sources: Mapping[str, str]
    operators: tuple[tuple[str, str, Counted], ...]
    edges: Mapping[str, tuple[str, ...]]
    ends: tuple[int, ...] = ()


class Deployment(Struct, frozen=True):
    """A rule ready to run. ``program`` makes a fresh Program; ``shape`` is equal for two versions whose state is compatible."""

    rule: str
    program: Callable[[], Any]
    feeds: tuple[FeedRequest, ...]
    sinks: tuple[SinkRequest, ...]
    options: RuleOptions
    triggered: bool = True
    shape: str = ""
    tables: tuple[LookupRequest, ...] = ()
    drawing: Drawing | None = None
    plugins: tuple[str, ...] = ()
    """Those whose functions the program calls (``spi.outside``): it must not run on the event loop."""


IngressHandler = Callable[[bytes, Mapping[str, str]], Awaitable[tuple[int, bytes]]]
"""Gets body and headers, answers status and body."""


Tap = Callable[[list[Any]], None]
"""Gets the messages of one output batch as the rule's program made them, before the sinks' own properties: a dict each, or a list of dicts
for the output of a window; with ``sendError`` also ``{"error": text}``. Called from the event loop; must neither block nor change them."""


class SocketRoom(Protocol):
    """A source's or sink's place among the WebSocket clients on one path of the data server."""

    def send(self, messages: Sequence[bytes]) -> None:
        """Send to every client that is connected now, as text where it is UTF-8. A client that does not keep up is disconnected."""
        ...

    def leave(self) -> None:
        """Receive no more. When nobody is left on the path, its clients are disconnected."""
        ...


class HttpIngress(Protocol):
    """The data server, as sources that listen see it (default 127.0.0.1:10081)."""

    def register(self, path: str, method: str, handler: IngressHandler) -> Callable[[], None]:
        """Serve a path; the result ends that. Handlers of one path and method all get each body; the highest status is answered."""
        ...

    def stream(self, path: str, listen: Callable[[], AsyncGenerator[bytes, None]]) -> Callable[[], None]:
        """Answer GET on a path with server-sent events, for each client those of a ``listen()`` of its own, closed when it leaves.

        The result ends that for clients to come. A path that is served already goes to the newer one.
        """
        ...

    def sockets(self, path: str, receive: Callable[[bytes], None] | None) -> SocketRoom:
        """Serve a path to WebSocket clients; ``receive`` gets each of their messages, as all others on the path do."""
        ...

    @property
    def port(self) -> int:
        """The port that it listens on."""
        ...


class Host(Protocol):
    """The running engine. Synchronous calls return at once; what takes time goes on in the background and shows in the status."""

    async def deploy(self, deployment: Deployment) -> None:
        """Create a rule, or swap a running one between two batches; feeds open only after all pipelines of the changeset are attached."""
        ...

    async def remove(self, rule: str) -> None:
        """Stop a rule and forget its metrics, cache and state. Unknown rules are ignored."""
        ...

    async def start(self, rule: str) -> None: ...

    async def stop(self, rule: str) -> None: ...

    async def restart(self, rule: str) -> None: ...

    def fail(self, rule: str, error: str) -> None:
        """Show a rule that could not be prepared: it stays ``stopped by error`` with this message."""
        ...

    def status(self, rule: str) -> dict[str, Any] | None:
        """Status as the wire shows it (rest reference §3.4), None for an unknown rule."""
        ...

    def state(self, rule: str) -> str:
        """State text alone (``running`` …), ``""`` for an unknown rule."""
        ...

    def summary(self) -> dict[str, dict[str, Any]]:
        """``{rule: {"status", "last_exception"?, "exceptions_total"?}}`` of all rules."""
        ...

    def topology(self, rule: str) -> dict[str, Any] | None:
        """Sources and edges of the last run (rest reference §3.7), None when the rule never ran."""
        ...

    def scanned(self, rule: str) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        """Table and columns of every row that the scan tables of a rule hold, None when it has none or never ran."""
        ...

    def tap(self, rule: str, listener: Tap) -> Callable[[], None]:
        """Let ``listener`` see every result of a rule from now on, across its updates and restarts; the result of this call ends that.

        NotFoundError for an unknown rule. Costs nothing while nobody listens.
        """
        ...

    def trace(self, rule: str, strategy: str) -> bool:
        """Trace the rows of a rule until it stops: each (``always``), those that bring a trace id (``head``), or none any more (empty).

        False when the rule does not run. A rule that is not traced pays nothing.
        """
        ...

    def traced(self, rule: str) -> bool:
        """Whether the rows of a rule are traced now."""
        ...

    def traces(self, rule: str) -> Sequence[str]:
        """Ids of the traces that are kept of a rule, newest first."""
        ...

    def trace_of(self, trace: str) -> Mapping[str, Any] | None:
        """A trace as the wire shows it (runtime reference §8.3), None when it is not kept."""
        ...

    async def export_traces(self, collector: str, service: str) -> None:
        """Send what is traced from now on to a collector as well (OTLP over HTTP), in the background; PlutinoError for a wrong address."""
        ...

    async def keep_traces(self) -> None:
        """Send traces nowhere."""
        ...

    async def try_out(self, trial: str, deployment: Deployment) -> int:
        """Prepare a trial run: a rule that no list shows, which waits for ``start_trial``. The result is the port of the data server.

        What its sinks of type ``sse`` with the path of the trial get is sent to who listens there. A trial of the same id ends; each ends
        by itself when it is not started, and some minutes after its start.
        """
        ...

    async def start_trial(self, trial: str) -> None:
        """Run a trial; NotFoundError when there is none, PlutinoError when it cannot run."""
        ...

    async def end_trial(self, trial: str) -> None:
        """Stop a trial and forget it; unknown ones are ignored."""
        ...

    async def probe_table(self, request: LookupRequest) -> None:
        """Open a lookup table and close it again; raises what creating or opening it raises."""
        ...

    async def open_table(self, request: LookupRequest) -> None:
        """Keep a lookup table open, in the place of another of its name that rules may still use. An equal one is left alone.

        Trouble is not raised: the table is opened again when it is asked.
        """
        ...

    async def close_table(self, table: str) -> None:
        """Close a lookup table as soon as no rule uses it; unknown ones are ignored."""
        ...

    async def install_plugin(self, package: PluginPackage) -> None:
        """Run a portable plugin in the place of an earlier one; an equal one is left alone. Trouble shows in its status.

        Waits a moment for its first start.
        """
        ...

    async def remove_plugin(self, name: str) -> None:
        """End a portable plugin; unknown ones are ignored."""
        ...

    def plugin_status(self, name: str) -> PluginStatus | None:
        """How the process of a portable plugin is, None for an unknown one."""
        ...

    def plugin_aggregates(self, name: str, digest: str) -> tuple[str, ...]:
        """Which functions of a package are aggregates, as far as it has said so, now or when it ran before."""
        ...

    def readers(self, stream: str) -> tuple[str, ...]:
        """Rules that run on a stream or table now."""
        ...

    async def connect(self, id: str, connector: str, properties: Mapping[str, Any]) -> None:
        """Open or replace a named connection; connecting goes on in the background. Users of an equal one are not touched."""
        ...

    async def disconnect(self, id: str) -> None: ...

    def connections(self, include_anonymous: bool) -> list[dict[str, Any]]:
        """Connections as the wire shows them (rest reference §1.8)."""
        ...

    def references(self, connection: str) -> tuple[str, ...]:
        """What uses a connection: ``<rule>-<op>-<topic>-mqtt-sink`` and the like."""
        ...

    async def ping(self, role: str, connector: str, properties: Mapping[str, Any]) -> None:
        """Try to reach an external system with ``source``, ``sink`` or ``lookup`` properties; TransportError when it does not answer."""
        ...

    def begin(self) -> None:
        """A changeset starts to be applied: feeds wait with opening until ``finish``."""
        ...

    async def finish(self) -> None:
        """The changeset is applied: open feeds and connections."""
        ...
