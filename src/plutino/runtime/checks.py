"""What can be refused before a rule runs: properties of its streams, its tables, its actions, and its schedule. Pure; nothing is opened."""

from __future__ import annotations

from msgspec.structs import replace

from plutino.errors import PlutinoError
from plutino.model.moment import local_zone
from plutino.runtime.contexts import checking_source_context
from plutino.runtime.feeds import source_spec
from plutino.runtime.intake import FeedOptions, pipe_of
from plutino.runtime.lookups import TableOptions, lookup_spec
from plutino.runtime.schedule import schedule_of
from plutino.runtime.sink_options import SinkOptions
from plutino.runtime.transform import compile_sink
from plutino.spi import FeedRequest, LookupRequest, Registry, RuleOptions, SinkRequest
from plutino.spi.access import Access
from plutino.spi.options import decode_options
from plutino.spi.references import has_references, placeholders


def check_feed(request: FeedRequest, options: RuleOptions, registry: Registry) -> None:
    """Refuse a stream that a rule cannot read; PlutinoError with the compatible text."""
    _, spec = source_spec(request, registry)
    request = replace(request, properties=placeholders((FeedOptions, spec.options), request.properties))
    decode_options(spec.options, request.properties)
    pipe_of(request, spec, registry)
    if options.is_event_time and not request.timestamp and not request.is_table:
        raise PlutinoError("preprocessor is set to be event time but stream option TIMESTAMP not found")
    if options.disable_buffer_full_discard and request.shared:
        raise PlutinoError(f"disableBufferFullDiscard can't be enabled with shared stream {request.stream}")


def check_table(request: LookupRequest, registry: Registry, access: Access) -> None:
    """Refuse a lookup table that can never be opened; PlutinoError with the compatible text. The lookup is made, not opened."""
    _, spec = lookup_spec(request, registry)
    properties = placeholders((TableOptions, spec.options), request.properties)
    decode_options(TableOptions, properties)
    options = decode_options(spec.options, properties)
    if not has_references((request.properties, request.datasource)):
        spec.create(options, request.datasource, checking_source_context(access))


def check_sink(request: SinkRequest, registry: Registry) -> None:
    """Refuse an action that cannot work: unknown type or format, wrong options, templates that do not parse, contradictions."""
    connector = registry.connectors.get(request.connector)
    models = (SinkOptions, connector.sink.options) if connector is not None and connector.sink is not None else (SinkOptions,)
    request = replace(request, properties=placeholders(models, request.properties))
    plan = compile_sink(request, registry)
    decode_options(plan.spec.options, request.properties)


def check_schedule(options: RuleOptions) -> None:
    """Refuse a cron expression or a date range that is wrong."""
    schedule_of(options, local_zone())
