"""Views of the definitions: what is committed, and what will be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from plutino.model import Definition, Ref
from plutino.spi import Connecting, Functional, Registry, ResourceSpec, UserConnector, UserFunction
from plutino.spi.resource import stands_in

FUNCTION = "function"
Brought: TypeAlias = "UserFunction | UserConnector"
Key: TypeAlias = tuple[str, str]
"""What a definition brings, by role (``function``, ``source``, ``sink``) and name."""


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
        self.bringing = {kind: spec for kind, spec in specs.items() if isinstance(spec, Functional | Connecting)}
        self._brought: dict[Key, list[Brought]] = {}
        """What is really there goes first."""
        self._brought_by: dict[Ref, tuple[Key, ...]] = {}
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
        return _function(self.brought((FUNCTION, name)))

    def functions(self) -> Sequence[str]:
        """Sorted names of all functions of committed objects."""
        return sorted(name for role, name in self._brought if role == FUNCTION)

    def connector(self, role: str, name: str) -> UserConnector | None:
        """A source or sink type of a committed object."""
        return _connector(self.brought((role, name)))

    def brought(self, key: Key) -> Brought | None:
        """What a committed object brings under this role and name."""
        return next(iter(self.all_brought(key)), None)

    def all_brought(self, key: Key) -> Sequence[Brought]:
        """The same of all objects that bring it, what is really there first."""
        return self._brought.get(key, ())

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
            if ref.kind in self.bringing:
                self._replace_brought(ref, definition)
            if definition is None:
                self._kinds.get(ref.kind, {}).pop(ref.name, None)
            else:
                self._kinds.setdefault(ref.kind, {})[ref.name] = definition

    def _replace_brought(self, ref: Ref, definition: Definition | None) -> None:
        for key in self._brought_by.pop(ref, ()):
            left = [made for made in self._brought.pop(key) if made.owner != ref]
            if left:
                self._brought[key] = left
        found = brought_by(definition, self.bringing)
        for key, made in found.items():
            self._brought[key] = sorted([*self._brought.get(key, ()), made], key=stands_in)
        if found:
            self._brought_by[ref] = tuple(found)


def brought_by(definition: Definition | None, bringing: Mapping[str, object]) -> dict[Key, Brought]:
    """The functions and types of sources and sinks that a definition brings; ``bringing`` are the specs of kinds that bring any."""
    found: dict[Key, Brought] = {}
    if definition is None or definition.content is None:
        return found
    spec = bringing[definition.ref.kind]
    if isinstance(spec, Functional):
        found.update({(FUNCTION, made.name): UserFunction(made, definition.ref) for made in spec.functions(definition)})
    if isinstance(spec, Connecting):
        found.update({(made.role, made.name): UserConnector(made, definition.ref) for made in spec.connectors(definition)})
    return found


def _function(found: Brought | None) -> UserFunction | None:
    return found if isinstance(found, UserFunction) else None


def _connector(found: Brought | None) -> UserConnector | None:
    return found if isinstance(found, UserConnector) else None


class Desired:
    """The committed state with wanted texts on top (``spi.Environment``).

    Texts are parsed when they are asked for, so that a rule is parsed and checked in one go.
    """

    def __init__(
        self,
        committed: Committed,
        wanted: Mapping[Ref, str | None],
        after: Callable[[Ref], Definition | None],
        triggered: Callable[[str, bool | None], bool | None],
    ) -> None:
        """``wanted`` is looked at, not copied; after it was changed, ``forget_names`` is due.

        ``after`` gives the definition of a wanted text, ``triggered`` the trigger that is stored with a
        rule's wanted text, or else what it is called with.
        """
        self._committed = committed
        self._wanted = wanted
        self._after = after
        self._triggered = triggered
        self._names: dict[str, Sequence[str]] = {}
        self._wanted_brought: dict[Key, list[Brought]] | None = None

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
        return _function(self._brought((FUNCTION, name)))

    def functions(self) -> Sequence[str]:
        """Sorted names of all functions as they will be."""
        wanted = (name for role, name in self._brought_by_wanted() if role == FUNCTION)
        return sorted(name for name in {*self._committed.functions(), *wanted} if self.function(name) is not None)

    def connector(self, role: str, name: str) -> UserConnector | None:
        """A source or sink type of an object as it will be."""
        return _connector(self._brought((role, name)))

    def blob(self, digest: str) -> str:
        """The file with these bytes."""
        return self._committed.blob(digest)

    def triggered(self, rule: str) -> bool | None:
        """Whether the rule is started or stopped whatever its text says."""
        return self._triggered(rule, self._committed.triggered(rule))

    def forget_names(self) -> None:
        """The wanted texts have changed."""
        self._names.clear()
        self._wanted_brought = None

    def _brought(self, key: Key) -> Brought | None:
        # Who is there goes first: a newcomer with the same name finds that it is taken.
        there = [made for made in self._committed.all_brought(key) if made.owner not in self._wanted]
        if there and not stands_in(there[0]):
            return there[0]
        return min((*there, *self._brought_by_wanted().get(key, ())), key=stands_in, default=None)

    def _brought_by_wanted(self) -> Mapping[Key, Sequence[Brought]]:
        if self._wanted_brought is None:
            # Made in one go: texts that do not parse are taken out of what is wanted meanwhile.
            refs = [ref for ref in self._wanted if ref.kind in self._committed.bringing]
            self._wanted_brought = {}
            for ref in refs:
                for key, made in brought_by(self.get(ref), self._committed.bringing).items():
                    self._wanted_brought.setdefault(key, []).append(made)
        return self._wanted_brought
