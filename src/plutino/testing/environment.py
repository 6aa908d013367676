"""A desired state for tests of resource kinds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from plutino.model import Definition, Ref
from plutino.spi import Registry


class FakeEnvironment:
    """A ``spi.Environment`` out of a list of definitions."""

    def __init__(
        self,
        definitions: Iterable[Definition] = (),
        *,
        registry: Registry | None = None,
        settings: Mapping[str, Any] | None = None,
        triggered: Mapping[str, bool] | None = None,
    ) -> None:
        self._definitions = {d.ref: d for d in definitions}
        self._registry = registry or Registry()
        self._settings = settings or {}
        self._triggered = triggered or {}

    def add(self, definition: Definition) -> None:
        """Put in or replace an object."""
        self._definitions[definition.ref] = definition

    def get(self, ref: Ref) -> Definition | None:
        """The definition."""
        return self._definitions.get(ref)

    def names(self, kind: str) -> Sequence[str]:
        """Sorted names of a kind."""
        return sorted(ref.name for ref in self._definitions if ref.kind == kind)

    @property
    def registry(self) -> Registry:
        """Components."""
        return self._registry

    @property
    def settings(self) -> Mapping[str, Any]:
        """Server configuration."""
        return self._settings

    def triggered(self, rule: str) -> bool | None:
        """Whether a rule was started or stopped."""
        return self._triggered.get(rule)
