"""What the engine tells of rules and connections holds none of the secrets that they were made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from plutino.runtime.facilities import Facilities
from plutino.runtime.pipeline import Pipeline
from plutino.spi.discretion import declared_secrets, secrets_in
from plutino.spi.secrets import scrubbed

_TEXTS = ("message", "last_exception")
"""What the names of members end with that hold texts of errors."""

_LONG = 8
"""Values of references from this length on are taken for secrets: shorter ones are rather ports and names."""


class Discretion:
    """Takes secrets out of texts about rules and connections; looks for them only where there is a text."""

    __slots__ = ("_declared", "_facilities")

    def __init__(self, facilities: Facilities) -> None:
        self._facilities = facilities
        self._declared: frozenset[str] | None = None

    def status(self, pipeline: Pipeline, found: dict[str, Any]) -> dict[str, Any]:
        """The status of a rule."""
        texts = [name for name, value in found.items() if isinstance(value, str) and value and name.endswith(_TEXTS)]
        if texts:
            values = self._values(_properties(pipeline))
            for name in texts:
                found[name] = scrubbed(found[name], values)
        return found

    def connection(self, found: dict[str, Any]) -> dict[str, Any]:
        """A connection as it is shown."""
        if found.get("err"):
            found["err"] = scrubbed(found["err"], self._values([found["props"]]))
        return found

    def text(self, pipeline: Pipeline, text: str) -> str:
        """A text about a rule."""
        return scrubbed(text, self._values(_properties(pipeline))) if text else text

    def values(self) -> set[str]:
        """What references stood for lately."""
        return {value for value in self._facilities.references.values if len(value) >= _LONG}

    def _values(self, properties: Iterable[Mapping[str, Any]]) -> set[str]:
        if self._declared is None:
            self._declared = declared_secrets(self._facilities.registry)
        found = self.values()
        for each in properties:
            found |= secrets_in(msgspec.json.encode(each).decode(), self._declared)
        return found


def _properties(pipeline: Pipeline) -> Iterator[Mapping[str, Any]]:
    """Everything that a rule's sources, tables and sinks were made of, as asked for and as opened."""
    deployment = pipeline.deployment
    if deployment is not None:
        yield from (feed.properties for feed in deployment.feeds)
        yield from (table.properties for table in deployment.tables)
        yield from (sink.properties for sink in deployment.sinks)
    if pipeline.run is not None:
        yield from (place.feed.request.properties for place in pipeline.run.places)
        yield from (outlet.plan.request.properties for outlet in pipeline.run.outlets)
