"""Everything that is wrong with a rule whose check has refused it, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from plutino.errors import OptionError, PlutinoError
from plutino.resources.rule.provision import Provision
from plutino.runtime.sink_options import SinkOptions
from plutino.spi import Environment
from plutino.spi.json_text import Path
from plutino.spi.layers import SELECTOR
from plutino.spi.linting import FAULTS, connection_advice, format_advice, format_models, missing_advice, value_advice
from plutino.spi.wire import current_spelling

Found = tuple[Path, PlutinoError]


def tried(path: Path, part: Callable[[], object]) -> Iterator[Found]:
    """The error of one part of a rule, if it has any."""
    try:
        part()
    except PlutinoError as error:
        yield path, error


def sink_faults(
    connector: str, name: str, properties: Any, path: Path, models: tuple[type[Struct], ...], env: Environment, provision: Provision
) -> Iterator[Found]:
    """Each value of a sink's properties that cannot be used, and what the sink lacks besides."""
    found: list[Found] = []
    if isinstance(properties, Mapping) and models:
        written = current_spelling(connector, properties)
        engine: tuple[type[Struct], ...] = (SinkOptions, *format_models(env.registry))
        advice = (
            *value_advice(models, written, path, engine=engine),
            *connection_advice(connector, written, path, env),
            *format_advice(written, path, env),
        )
        found = [(each.path, OptionError(each.text)) for each in advice if each.code in FAULTS]
        if found and "resourceId" not in written:
            found += [
                (each.path, OptionError(each.text)) for each in missing_advice(models[0], written, path, connected=SELECTOR in written)
            ]
    # What is wrong with a value would be said once more, and first.
    yield from found or tried(path, partial(provision.sink, connector, name, properties, env))
