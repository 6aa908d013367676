"""All feeds of an engine: which rules share one, when they open, when they close."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plutino.errors import PlutinoError
from plutino.runtime.connections import ConnectionPool
from plutino.runtime.contexts import source_context
from plutino.runtime.facilities import Facilities
from plutino.runtime.feed import Feed
from plutino.runtime.intake import pipe_of
from plutino.spi import ConnectorSpec, FeedRequest, Registry, Source, SourceSpec
from plutino.spi.options import decode_options


class Feeds:
    """Feeds by stream. A source that replays has one feed per rule, unless the stream is SHARED; every other one feed per request."""

    __slots__ = ("_facilities", "_idle", "_pool", "_sources", "_streams")

    def __init__(self, facilities: Facilities, pool: ConnectionPool) -> None:
        self._facilities = facilities
        self._pool = pool
        self._streams: dict[str, list[Feed]] = {}
        self._sources: dict[Feed, Source] = {}
        """Feeds that are not open yet."""
        self._idle: set[Feed] = set()
        """Feeds that a rule left: closed by the next sweep unless somebody reads them again."""

    def get(self, request: FeedRequest, rule: str, shown: Mapping[str, Any] | None = None) -> Feed:
        """A feed for this request, shared with other rules where that is allowed; a new one is not open yet.

        ``shown``: the properties as others may see them. Raises what the source's options or its creation raise.
        """
        connector, spec = source_spec(request, self._facilities.registry)
        private = spec.replays and not request.shared
        feeds = self._streams.setdefault(request.stream, [])
        if not private:
            for feed in feeds:
                if not feed.ended and not feed.rule and (feed.request is request or feed.request == request):
                    return feed
        feed = self._make(request, rule if private else "", rule, connector, spec, request.properties if shown is None else shown)
        feeds.append(feed)
        return feed

    def left(self, feed: Feed) -> None:
        """A rule left a feed: the next sweep closes it unless it is read again."""
        self._idle.add(feed)

    def open(self) -> None:
        """Start the sources of all feeds that rules read."""
        for feed in [feed for feed in self._sources if feed.places]:
            feed.open(self._sources.pop(feed))

    async def sweep(self) -> None:
        """Close what nobody reads any more."""
        while self._idle:
            feed = self._idle.pop()
            if feed.places:
                continue
            self._forget(feed)
            await feed.close()

    def readers(self, stream: str) -> Iterator[str]:
        """Rules that read a stream now."""
        for feed in self._streams.get(stream, ()):
            for place in feed.places:
                yield place.run.rule

    async def close(self) -> None:
        """Close all feeds: no more input."""
        for feeds in list(self._streams.values()):
            for feed in tuple(feeds):
                self._forget(feed)
                await feed.close()

    def _make(
        self, request: FeedRequest, owner: str, rule: str, connector: ConnectorSpec, spec: SourceSpec, shown: Mapping[str, Any]
    ) -> Feed:
        feed = Feed(request, pipe_of(request, spec, self._facilities.registry), owner, self._facilities)
        options = decode_options(spec.options, request.properties)
        reference = source_reference(rule, request)
        access = feed.access = self._pool.access(request.connection, connector, options, shown, reference, feed.link)
        context = source_context(self._facilities, request.stream, owner, connection=access.connection, needs_meta=lambda: feed.wants_meta)
        try:
            self._sources[feed] = spec.create(options, request.datasource, context)
        except PlutinoError:
            access.release()
            raise
        self._idle.add(feed)  # until somebody reads it
        return feed

    def _forget(self, feed: Feed) -> None:
        self._sources.pop(feed, None)
        feeds = self._streams.get(feed.request.stream)
        if feeds is not None and feed in feeds:
            feeds.remove(feed)
            if not feeds:
                del self._streams[feed.request.stream]


def source_spec(request: FeedRequest, registry: Registry) -> tuple[ConnectorSpec, SourceSpec]:
    """The connector of a request and its source role; PlutinoError with the compatible text when there is none."""
    connector = registry.connectors.get(request.connector)
    if connector is None or connector.source is None:
        raise PlutinoError(f"source type {request.connector} not found")
    return connector, connector.source


def source_reference(rule: str, request: FeedRequest) -> str:
    """How a rule's use of a connection through a source is called on the wire."""
    return f"{rule}-{request.label or request.stream}-0-{request.connector}-source"


def common_format(requests: Sequence[FeedRequest]) -> str:
    """The payload format of every stream of a rule, empty when they differ."""
    formats = {request.format for request in requests}
    return formats.pop() if len(formats) == 1 else ""
