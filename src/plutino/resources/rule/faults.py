"""Everything that is wrong with a rule whose check has refused it, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from plutino.errors import OptionError, PlutinoError
from plutino.resources.rule.provision import Provision
from plutino.runtime.sink_options import SinkOptions
from plutino.spi import Environment
from plutino.spi.json_text import Path
from plutino.spi.layers import SELECTOR
from plutino.spi.linting import FAULTS, connection_advice, format_advice, format_models, missing_advice, same_fault, value_advice
from plutino.spi.wire import current_spelling

Found = tuple[Path, PlutinoError]


def tried(path: Path, part: Callable[[], object]) -> Iterator[Found]:
    """The error of one part of a rule, if it has any."""
    try:
        part()
    except PlutinoError as error:
        yield path, error


def property_faults(
    connector: str, properties: Any, path: Path, models: Sequence[type[Struct]], engine: Sequence[type[Struct]], env: Environment
) -> list[Found]:
    """Each value of a source's or sink's properties that cannot be used, and then what must be given besides."""
    if not isinstance(properties, Mapping) or not models:
        return []
    written = current_spelling(connector, properties)
    advice = (
        *value_advice(models, written, path, engine=(*engine, *format_models(env.registry))),
        *connection_advice(connector, written, path, env),
        *format_advice(written, path, env),
    )
    found = [each for each in advice if each.code in FAULTS]
    if found and "resourceId" not in written:
        found += missing_advice(models[0], written, path, connected=SELECTOR in written)
    return [(each.path, OptionError(each.text)) for each in found]


def sink_faults(
    connector: str, name: str, properties: Any, path: Path, models: Sequence[type[Struct]], env: Environment, provision: Provision
) -> Iterator[Found]:
    """Each value of a sink's properties that cannot be used, or else what the sink is refused for."""
    # What is wrong with a value would be said once more, and first.
    found = property_faults(connector, properties, path, models, (SinkOptions,), env)
    yield from found or tried(path, partial(provision.sink, connector, name, properties, env))


def unless_said(found: Iterable[Found]) -> Iterator[Found]:
    """Without what was said already, of the same place or of a part of it."""
    said: list[Found] = []
    for path, error in found:
        if not any(place[: len(path)] == path and same_fault(error, other) for place, other in said):
            said.append((path, error))
            yield path, error
