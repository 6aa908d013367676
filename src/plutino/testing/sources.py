"""Suite for sources and lookups."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from plutino.errors import PlutinoError
from plutino.spi import ConnectorSpec, Delivery, SourceContext, SourceSpec
from plutino.spi.options import decode_options, unknown_options
from plutino.testing.options import check_options
from plutino.testing.stage import CollectingInlet

ENGINE_OPTIONS = frozenset(("format", "sendSingle", "decompression", "key", "schemaId", "delimiter", "timestamp"))
"""Options that examples may use though the engine reads them."""


def check_source_spec(spec: ConnectorSpec, context: SourceContext) -> None:
    """The static part of the contract: options, shipped keys and examples decode, and examples make sources without network I/O."""
    source = _source(spec)
    check_options(source.options)
    assert source.delivers in ("bytes", "rows"), f"{spec.name}: delivers {source.delivers}"
    for key, props in {"default": source.defaults, **source.presets}.items():
        decode_options(source.options, props, where=key)
        assert not unknown_options(source.options, props), f"{spec.name}: shipped key {key} has options that nobody knows"
    assert source.examples, f"{spec.name}: an example is missing"
    for example in source.examples:
        _check_known(spec, source, example.options)
        options = decode_options(source.options, example.options)
        made = source.create(options, example.datasource, context)
        assert callable(getattr(made, "run", None)), f"{spec.name}: {type(made).__name__} has no run"


async def check_source(
    spec: ConnectorSpec,
    options: Mapping[str, Any],
    datasource: str,
    context: SourceContext,
    *,
    provoke: Callable[[], Awaitable[None]] | None = None,
    messages: int = 1,
    acknowledge: bool = True,
) -> list[Delivery]:
    """Run a source as the engine does, until ``messages`` have arrived or it ends; the deliveries.

    ``provoke`` is called once it is connected and makes the outside send something. AssertionError when a promise is broken: connected
    before delivering, deliveries of one kind, resumable positions, and nothing left behind after cancellation.
    """
    source = _source(spec)
    inlet = CollectingInlet(acknowledge=acknowledge)
    before = asyncio.all_tasks()
    made = source.create(decode_options(source.options, options), datasource, context)
    running = asyncio.ensure_future(made.run(inlet, None))
    running.add_done_callback(lambda _: inlet._news.set())
    try:
        await inlet.until(lambda i: i.connections or i.deliveries or running.done())
        if running.done():
            running.result()
        if provoke is not None:
            await provoke()
        await inlet.until(lambda i: len(i.messages) >= messages or running.done())
        if running.done():
            running.result()
            assert source.bounded, f"{spec.name}: run returned, but the spec does not say bounded"
        assert inlet.connections, f"{spec.name}: connected() was not called"
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            async with asyncio.timeout(10):
                await running
    for _ in range(10):
        await asyncio.sleep(0)
    left = [t for t in asyncio.all_tasks() - before if not t.done()]
    assert not left, f"{spec.name}: tasks are left behind after cancellation: {left}"
    for delivery in inlet.deliveries:
        _check_delivery(spec, delivery)
    return inlet.deliveries


async def check_source_resumes(
    spec: ConnectorSpec, options: Mapping[str, Any], datasource: str, context: Callable[[], SourceContext], messages: list[Any]
) -> None:
    """A bounded source started again at each of its positions delivers exactly the rest of ``messages``."""
    source = _source(spec)
    first = CollectingInlet()
    await source.create(decode_options(source.options, options), datasource, context()).run(first, None)
    assert first.messages == messages, f"{spec.name}: {first.messages} instead of {messages}"
    count = 0
    for delivery in first.deliveries:
        count += _size(delivery)
        if delivery.position is None:
            continue
        again = CollectingInlet()
        position = msgspec.msgpack.decode(msgspec.msgpack.encode(delivery.position))
        await source.create(decode_options(source.options, options), datasource, context()).run(again, position)
        assert again.messages == messages[count:], f"{spec.name}: after {position} came {again.messages} instead of {messages[count:]}"


def check_lookup_spec(spec: ConnectorSpec, context: SourceContext) -> None:
    """The static part of the contract of a lookup."""
    lookup = spec.lookup
    assert lookup is not None, f"{spec.name} has no lookup"
    check_options(lookup.options)
    assert lookup.examples, f"{spec.name}: an example of the lookup is missing"
    for example in lookup.examples:
        made = lookup.create(decode_options(lookup.options, example.options), example.datasource, context)
        assert callable(getattr(made, "lookup", None)), f"{spec.name}: {type(made).__name__} has no lookup"


async def check_source_refuses(spec: ConnectorSpec, context: SourceContext, wrong: list[tuple[Mapping[str, Any], str]]) -> None:
    """Options that cannot work are refused with our own errors when the source is made."""
    source = _source(spec)
    for options, datasource in wrong:
        try:
            source.create(decode_options(source.options, options), datasource, context)
        except PlutinoError:
            continue
        raise AssertionError(f"{spec.name}: {options} with datasource {datasource!r} was accepted")


def _source(spec: ConnectorSpec) -> SourceSpec:
    assert spec.source is not None, f"{spec.name} has no source"
    return spec.source


def _check_known(spec: ConnectorSpec, source: SourceSpec, options: Mapping[str, Any]) -> None:
    unknown = [name for name, _ in unknown_options(source.options, options) if name not in ENGINE_OPTIONS]
    assert not unknown, f"{spec.name}: an example uses unknown options {unknown}"


def _size(delivery: Delivery) -> int:
    if delivery.lines is not None:
        return sum(1 for line in delivery.lines.split(b"\n") if line)
    return len(delivery.payloads if delivery.payloads is not None else delivery.rows or ())


def _check_delivery(spec: ConnectorSpec, delivery: Delivery) -> None:
    held = [x for x in (delivery.payloads, delivery.lines, delivery.rows) if x is not None]
    assert len(held) == 1, f"{spec.name}: exactly one of payloads, lines and rows must be set: {delivery}"
    if delivery.payloads is not None:
        assert all(type(p) is bytes for p in delivery.payloads), f"{spec.name}: payloads must be bytes"
    if delivery.lines is not None:
        assert delivery.lines.endswith(b"\n"), f"{spec.name}: a block must end at a line end"
    if delivery.rows is not None:
        assert all(type(r) is dict for r in delivery.rows), f"{spec.name}: rows must be dicts"
    if isinstance(delivery.meta, list):
        assert len(delivery.meta) == _size(delivery), f"{spec.name}: one mapping of metadata per message is expected"
    if delivery.position is not None:
        copy = msgspec.msgpack.decode(msgspec.msgpack.encode(delivery.position))
        assert copy == delivery.position, f"{spec.name}: the position {delivery.position} does not survive storing"
