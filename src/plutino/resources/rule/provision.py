"""The sources and sinks of a rule as requests to the engine, checked by making each component once.

What many rules have in common is worked out once: requests are kept by what they were made of.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from plutino.errors import PlanError, PlutinoError, ProvisionError
from plutino.model import Definition, Ref, StreamContent
from plutino.resources.rule.properties import sink_properties, sink_refs
from plutino.runtime import check_feed, check_sink
from plutino.runtime.contexts import checking_sink_context, checking_source_context
from plutino.spi import (
    Environment,
    FeedRequest,
    LookupRequest,
    RuleOptions,
    SinkContext,
    SinkRequest,
    SinkSpec,
    SourceContext,
    SourceSpec,
)
from plutino.spi.access import Access
from plutino.spi.layers import connection_ref, lookup_request, source_properties, source_refs
from plutino.spi.options import decode_options
from plutino.spi.references import has_references, placeholders
from plutino.spi.schemas import FORMATS, message_of, with_columns
from plutino.spi.uploads import FilesToBe

_KEPT = 4096
_ALWAYS_THERE = "json"

Inputs = tuple[Definition | None, ...]
"""The stored objects that a request was made of."""


class Provision:
    """Makes feed, table and sink requests against a desired state."""

    def __init__(self) -> None:
        self._feeds: dict[str, tuple[tuple[Ref, ...], Inputs, FeedRequest]] = {}
        self._sinks: dict[tuple[str, str, bytes], tuple[tuple[Ref, ...], Inputs, SinkRequest]] = {}
        self._files: FilesToBe | None = None
        self._contexts: tuple[Mapping[str, Any], SourceContext, SinkContext] | None = None

    def feed(self, stream: str, temporary: bool, env: Environment) -> FeedRequest:
        """How a rule reads a stream or table; ``temporary``: for a rule that lives in memory only."""
        definition = _usable(stream, temporary, env)
        content: StreamContent = definition.content
        kept = self._feeds.get(stream)
        if kept is not None and kept[1] == _inputs(kept[0], env):
            return kept[2]
        refs = (definition.ref, *source_refs(content, env))
        with _building():
            request = self._make_feed(stream, content, env)
        _make_room(self._feeds)
        self._feeds[stream] = (refs, _inputs(refs, env), request)
        return request

    def feed_refs(self, stream: str, env: Environment) -> tuple[Ref, ...]:
        """What a feed of this stream is made of; nothing for a stream that does not exist."""
        kept = self._feeds.get(stream)
        if kept is not None and kept[1] == _inputs(kept[0], env):
            return kept[0]
        source = env.get(Ref("stream", stream)) or env.get(Ref("table", stream))
        return () if source is None or source.content is None else (source.ref, *source_refs(source.content, env))

    def table(self, name: str, temporary: bool, env: Environment) -> LookupRequest:
        """How a rule asks a lookup table. Whether the table can be opened was checked with its definition."""
        content = _usable(name, temporary, env).content
        with _building():
            return lookup_request(content, env)

    def sink(self, connector: str, name: str, action: Any, env: Environment) -> SinkRequest:
        """One action of a rule, or one sink of its graph; ``name`` is how the status calls it."""
        if not isinstance(action, dict):
            raise ProvisionError(f"expect map[string]interface{{}} type for the action properties, but found {action}")
        key = (connector, name, msgspec.json.encode(action))
        kept = self._sinks.get(key)
        if kept is not None and (not kept[0] or kept[1] == _inputs(kept[0], env)):
            return kept[2]
        refs = tuple(sink_refs(connector, action, env))
        with _building():
            request = self._make_sink(connector, name, action, env)
        _make_room(self._sinks)
        self._sinks[key] = (refs, _inputs(refs, env), request)
        return request

    def _make_feed(self, stream: str, content: StreamContent, env: Environment) -> FeedRequest:
        connector = env.registry.connectors.get(content.connector)
        spec = None if connector is None else connector.source
        if spec is None and env.connector("source", content.connector) is None:
            raise ProvisionError(f"source type {content.connector} not found")
        properties, selector = source_properties(content, env)
        content = with_columns(content, env)
        datasource = content.option("DATASOURCE")
        if spec is not None:
            _refusing(partial(_make_source, spec, properties, datasource, self._check_contexts(env)[0]))
        request = FeedRequest(
            stream=stream,
            connector=content.connector,
            datasource=datasource,
            format=content.format,
            properties=properties,
            schema=content.schema,
            shared=content.flag("SHARED"),
            strict=content.flag("STRICT_VALIDATION"),
            timestamp=content.option("TIMESTAMP"),
            timestamp_format=content.option("TIMESTAMP_FORMAT"),
            connection=selector,
            is_table=content.is_table,
        )
        if spec is None:
            return request  # what a plugin's source wants is known to the plugin
        # Everything else is checked as if the format were there.
        checked = request if waiting_format(request, env) is None else replace(request, format=_ALWAYS_THERE)
        check_feed(checked, RuleOptions(), env.registry)
        return request

    def _make_sink(self, connector: str, name: str, action: Mapping[str, Any], env: Environment) -> SinkRequest:
        found = env.registry.connectors.get(connector)
        spec = None if found is None else found.sink
        if spec is None and env.connector("sink", connector) is None:
            raise ProvisionError(f"sink {connector} is not defined")
        properties, selector = _sink_properties(connector, action, env)
        request = SinkRequest(name, connector, properties, selector)
        if spec is None:
            return request
        _refusing(partial(_make_sink, spec, properties, self._check_contexts(env)[1]))
        message_of(_format(properties), str(properties.get("schemaId", "")), env)
        checked = request
        if waiting_format(request, env) is not None:
            others = {key: value for key, value in properties.items() if key.lower() != "format"}
            checked = replace(request, properties={**others, "format": _ALWAYS_THERE})
        check_sink(checked, env.registry)
        return request

    def _check_contexts(self, env: Environment) -> tuple[SourceContext, SinkContext]:
        """Contexts for components that are made only to see whether they can be."""
        kept = self._contexts
        if kept is None or kept[0] is not env.settings:
            access = Access.of(env.settings)
            self._files = FilesToBe(access)
            source, sink = checking_source_context(access), checking_sink_context(access)
            there = self._files.path
            kept = self._contexts = (
                env.settings,
                dataclasses.replace(source, allow_file=there),
                dataclasses.replace(sink, allow_file=there),
            )
        if self._files is not None:
            self._files.look_at(env)
        return kept[1], kept[2]


def waiting_format(request: FeedRequest | SinkRequest, env: Environment) -> str | None:
    """The format of a feed or sink whose schemas are known here, but whose payloads are not; None when it can be worked with."""
    format = _format(request.properties) if isinstance(request, SinkRequest) else request.format
    if format not in FORMATS or format in env.registry.formats:
        return None
    connector = env.registry.connectors.get(request.connector)
    if isinstance(request, FeedRequest) and connector is not None and connector.source is not None and connector.source.delivers == "rows":
        return None
    return format


def _format(properties: Mapping[str, Any]) -> str:
    return next((str(value) for key, value in properties.items() if key.lower() == "format" and value), "").lower()


def stream_named(name: str, env: Environment) -> Definition:
    """The definition of a stream or table."""
    found = env.get(Ref("stream", name)) or env.get(Ref("table", name))
    if found is None or found.content is None:
        raise PlanError(f"fail to get stream {name}, please check if stream is created")
    return found


def _usable(name: str, temporary: bool, env: Environment) -> Definition:
    """The definition of a stream or table that a rule may use; ``temporary``: the rule lives in memory only."""
    definition = stream_named(name, env)
    if definition.content.flag("TEMP") and not temporary:
        raise PlanError(f"temp stream {name} can only be used by temp rules")
    return definition


def _sink_properties(connector: str, action: Mapping[str, Any], env: Environment) -> tuple[dict[str, Any], str]:
    try:
        return sink_properties(connector, action, env)
    except ProvisionError:
        # Without its connection, what the sink misses most tells more; only a sink that could work alone is refused for the connection.
        found = env.registry.connectors.get(connector)
        spec = None if found is None else found.sink
        selector = action.get("connectionSelector")
        if spec is None or not isinstance(selector, str) or env.get(connection_ref(connector, selector, env)) is not None:
            raise
        properties = {name: value for name, value in action.items() if name != "connectionSelector"}
        context = checking_sink_context(Access(str(env.settings.get("data_dir", "."))))
        _refusing(partial(_make_sink, spec, properties, context))
        raise


def _make_source(spec: SourceSpec, properties: Mapping[str, Any], datasource: str, context: SourceContext) -> None:
    options = decode_options(spec.options, placeholders((spec.options,), properties))
    # What references stand for is seen when the rule runs.
    if not has_references(properties) and not has_references(datasource):
        spec.create(options, datasource, context)


def _make_sink(spec: SinkSpec, properties: Mapping[str, Any], context: SinkContext) -> None:
    options = decode_options(spec.options, placeholders((spec.options,), properties))
    if not has_references(properties):
        spec.create(options, context)


def _refusing(make: Callable[[], object]) -> None:
    """Run ``make``; what it refuses is a provision error, whatever was wrong."""
    try:
        make()
    except ProvisionError:
        raise
    except PlutinoError as error:
        raise ProvisionError(error.message) from error


@contextmanager
def _building() -> Iterator[None]:
    """Whatever fails while sources and sinks are built has one code on the wire: the statement was all right by then."""
    try:
        yield
    except PlutinoError as error:
        error.code, error.status = ProvisionError.code, ProvisionError.status
        raise


def _inputs(refs: tuple[Ref, ...], env: Environment) -> Inputs:
    return tuple(env.get(ref) for ref in refs)


def _make_room(kept: dict[Any, Any]) -> None:
    if len(kept) >= _KEPT:
        kept.clear()
