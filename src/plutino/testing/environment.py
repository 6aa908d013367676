"""A desired state for tests of resource kinds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from plutino.model import Definition, Ref
from plutino.spi import DeclaredConnector, FunctionSpec, Registry, UserConnector, UserFunction


class FakeEnvironment:
    """A ``spi.Environment`` out of a list of definitions."""

    def __init__(
        self,
        definitions: Iterable[Definition] = (),
        *,
        registry: Registry | None = None,
        settings: Mapping[str, Any] | None = None,
        triggered: Mapping[str, bool] | None = None,
        functions: Mapping[Ref, FunctionSpec] | None = None,
        connectors: Mapping[Ref, DeclaredConnector] | None = None,
        blobs: str = "",
    ) -> None:
        """``functions`` and ``connectors`` by the object that brings each, ``blobs`` the directory of kept bytes."""
        self._definitions = {d.ref: d for d in definitions}
        self._registry = registry or Registry()
        self._settings = settings or {}
        self._triggered = triggered or {}
        self._functions = {spec.name: UserFunction(spec, owner) for owner, spec in (functions or {}).items()}
        self._connectors = {(made.role, made.name): UserConnector(made, owner) for owner, made in (connectors or {}).items()}
        self._blobs = blobs

    def add(self, definition: Definition) -> None:
        """Put in or replace an object."""
        self._definitions[definition.ref] = definition

    def get(self, ref: Ref) -> Definition | None:
        """The definition."""
        return self._definitions.get(ref)

    def names(self, kind: str) -> Sequence[str]:
        """Sorted names of a kind."""
        return sorted(ref.name for ref in self._definitions if ref.kind == kind)

    def function(self, name: str) -> UserFunction | None:
        """A function that an object brings."""
        return self._functions.get(name)

    def functions(self) -> Sequence[str]:
        """Sorted names of these functions."""
        return sorted(self._functions)

    def connector(self, role: str, name: str) -> UserConnector | None:
        """A source or sink type that an object brings."""
        return self._connectors.get((role, name))

    def blob(self, digest: str) -> str:
        """Where kept bytes are."""
        return f"{self._blobs}/{digest[:2]}/{digest[2:]}"

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
