"""Suite for sinks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from plutino.spi import ConnectorSpec, SinkContext, SinkSpec
from plutino.spi.options import decode_options, flat_options, unknown_options
from plutino.testing.options import check_options
from plutino.testing.sources import ENGINE_OPTIONS
from plutino.testing.stage import finish


def check_sink_spec(spec: ConnectorSpec, context: SinkContext) -> None:
    """The static part of the contract: options and examples decode, dynamic options exist, examples make sinks without network I/O."""
    sink = _sink(spec)
    check_options(sink.options)
    assert sink.accepts in ("bytes", "rows"), f"{spec.name}: accepts {sink.accepts}"
    names = {option.name for option in flat_options(sink.options)}
    assert set(sink.dynamic) <= names, f"{spec.name}: dynamic options {set(sink.dynamic) - names} do not exist"
    marked = {option.name for option in flat_options(sink.options) if option.opt.dynamic}
    assert marked == set(sink.dynamic), f"{spec.name}: Opt(dynamic=True) and SinkSpec.dynamic differ: {marked ^ set(sink.dynamic)}"
    assert sink.examples, f"{spec.name}: an example is missing"
    for example in sink.examples:
        unknown = [name for name, _ in unknown_options(sink.options, example.options) if name not in ENGINE_OPTIONS]
        assert not unknown, f"{spec.name}: an example uses unknown options {unknown}"
        made = sink.create(decode_options(sink.options, example.options), context)
        assert all(callable(getattr(made, name, None)) for name in ("open", "write", "close")), f"{spec.name}: not a sink"


async def check_sink(
    spec: ConnectorSpec,
    options: Mapping[str, Any],
    items: Sequence[Any],
    context: SinkContext,
    properties: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Open a sink, write the items one by one and together, close it twice. AssertionError when it changes items or leaves tasks behind."""
    sink = _sink(spec)
    before = asyncio.all_tasks()
    copies = [item if isinstance(item, bytes) else _copy(item) for item in items]
    made = sink.create(decode_options(sink.options, options), context)
    await made.open()
    await made.open()
    await finish(made.write([], None if properties is None else []))
    for i, item in enumerate(items):
        await finish(made.write([item], None if properties is None else [properties[i]]))
    await finish(made.write(list(items), properties))
    await made.close()
    await made.close()
    for _ in range(10):
        await asyncio.sleep(0)
    left = [t for t in asyncio.all_tasks() - before if not t.done()]
    assert not left, f"{spec.name}: tasks are left behind after close: {left}"
    assert list(items) == copies, f"{spec.name}: items were changed"


async def check_unopened_sink_closes(spec: ConnectorSpec, context: SinkContext) -> None:
    """A sink that was never opened closes, too."""
    sink = _sink(spec)
    for example in sink.examples:
        made = sink.create(decode_options(sink.options, example.options), context)
        await made.close()


def _sink(spec: ConnectorSpec) -> SinkSpec:
    assert spec.sink is not None, f"{spec.name} has no sink"
    return spec.sink


def _copy(item: Any) -> Any:
    return [dict(row) for row in item] if isinstance(item, list) else dict(item)
