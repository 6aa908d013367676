"""Views of the definitions: what is committed, and what will be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from plutino.model import Definition, Ref
from plutino.spi import Functional, Registry, ResourceSpec, UserFunction


class Committed:
    """The committed state (``spi.Environment``)."""

    def __init__(
        self,
        registry: Registry,
        settings: Mapping[str, Any],
        triggers: Mapping[str, bool],
        specs: Mapping[str, ResourceSpec],
        blob_path: Callable[[str], object],
    ) -> None:
        """``triggers`` is looked at, not copied. ``specs`` say which objects bring functions, ``blob_path`` where kept bytes are."""
        self._registry = registry
        self._settings = settings
        self._triggers = triggers
        self._blob_path = blob_path
        self.functional = {kind: spec for kind, spec in specs.items() if isinstance(spec, Functional)}
        self._functions: dict[str, UserFunction] = {}
        self._brought: dict[Ref, tuple[str, ...]] = {}
        self._kinds: dict[str, dict[str, Definition]] = {}
        self._names: dict[str, Sequence[str]] = {}

    @property
    def registry(self) -> Registry:
        """Components of this process."""
        return self._registry

    @property
    def settings(self) -> Mapping[str, Any]:
        """Server configuration."""
        return self._settings

    def get(self, ref: Ref) -> Definition | None:
        """The committed definition; its content is None when the text does not parse any more."""
        return self._kinds.get(ref.kind, {}).get(ref.name)

    def names(self, kind: str) -> Sequence[str]:
        """Sorted names of a kind."""
        found = self._names.get(kind)
        if found is None:
            found = self._names[kind] = tuple(sorted(self._kinds.get(kind, ())))
        return found

    def function(self, name: str) -> UserFunction | None:
        """A function of a committed object."""
        return self._functions.get(name)

    def functions(self) -> Sequence[str]:
        """Sorted names of all functions of committed objects."""
        return sorted(self._functions)

    def blob(self, digest: str) -> str:
        """The file with these bytes."""
        return str(self._blob_path(digest))

    def triggered(self, rule: str) -> bool | None:
        """Whether the rule was started or stopped since its text was written."""
        return self._triggers.get(rule)

    def everything(self) -> Iterable[Definition]:
        """All definitions, in no special order."""
        for definitions in self._kinds.values():
            yield from definitions.values()

    def replace(self, changes: Iterable[tuple[Ref, Definition | None]]) -> None:
        """Take over new definitions, None deletes."""
        for ref, definition in changes:
            self._names.pop(ref.kind, None)
            if ref.kind in self.functional:
                self._replace_functions(ref, definition)
            if definition is None:
                self._kinds.get(ref.kind, {}).pop(ref.name, None)
            else:
                self._kinds.setdefault(ref.kind, {})[ref.name] = definition

    def _replace_functions(self, ref: Ref, definition: Definition | None) -> None:
        for name in self._brought.pop(ref, ()):
            if self._functions[name].owner == ref:
                del self._functions[name]
        found = functions_of(definition, self.functional)
        if found:
            self._functions.update(found)
            self._brought[ref] = tuple(found)


def functions_of(definition: Definition | None, functional: Mapping[str, Functional]) -> dict[str, UserFunction]:
    """The functions that a definition brings, by name."""
    if definition is None or definition.content is None:
        return {}
    specs = functional[definition.ref.kind].functions(definition)
    return {spec.name: UserFunction(spec, definition.ref) for spec in specs}


class Desired:
    """The committed state with wanted texts on top (``spi.Environment``).

    Texts are parsed when they are asked for, so that a rule is parsed and checked in one go.
    """

    def __init__(
        self,
        committed: Committed,
        wanted: Mapping[Ref, str | None],
        after: Callable[[Ref], Definition | None],
        released: Callable[[str], bool],
    ) -> None:
        """``wanted`` is looked at, not copied; after it was changed, ``forget_names`` is due.

        ``after`` gives the definition of a wanted text, ``released`` whether a rule's new text decides if it is started.
        """
        self._committed = committed
        self._wanted = wanted
        self._after = after
        self._released = released
        self._names: dict[str, Sequence[str]] = {}
        self._functions: dict[str, UserFunction] | None = None

    @property
    def registry(self) -> Registry:
        """Components of this process."""
        return self._committed.registry

    @property
    def settings(self) -> Mapping[str, Any]:
        """Server configuration."""
        return self._committed.settings

    def get(self, ref: Ref) -> Definition | None:
        """The definition as it will be."""
        if ref in self._wanted:
            definition = self._after(ref)
            # A text that turned out not to parse is wanted no more.
            if ref in self._wanted:
                return definition
        return self._committed.get(ref)

    def names(self, kind: str) -> Sequence[str]:
        """Sorted names of a kind as they will be."""
        found = self._names.get(kind)
        if found is None:
            names = set(self._committed.names(kind))
            for ref, text in self._wanted.items():
                if ref.kind == kind:
                    (names.discard if text is None else names.add)(ref.name)
            found = self._names[kind] = tuple(sorted(names))
        return found

    def function(self, name: str) -> UserFunction | None:
        """A function of an object as it will be."""
        found = self._wanted_functions().get(name)
        if found is None:
            found = self._committed.function(name)
            if found is not None and found.owner in self._wanted:
                return None
        return found

    def functions(self) -> Sequence[str]:
        """Sorted names of all functions as they will be."""
        return sorted(name for name in {*self._committed.functions(), *self._wanted_functions()} if self.function(name) is not None)

    def blob(self, digest: str) -> str:
        """The file with these bytes."""
        return self._committed.blob(digest)

    def triggered(self, rule: str) -> bool | None:
        """What was asked for since the rule's text was written, which a new text ends."""
        return None if self._released(rule) else self._committed.triggered(rule)

    def forget_names(self) -> None:
        """The wanted texts have changed."""
        self._names.clear()
        self._functions = None

    def _wanted_functions(self) -> Mapping[str, UserFunction]:
        if self._functions is None:
            # Made in one go: texts that do not parse are taken out of what is wanted meanwhile.
            refs = [ref for ref in self._wanted if ref.kind in self._committed.functional]
            self._functions = {}
            for ref in refs:
                self._functions.update(functions_of(self.get(ref), self._committed.functional))
        return self._functions
