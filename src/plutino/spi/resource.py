"""Contract of resource kinds: everything a stream, a rule or a configuration key is, in one spec per kind."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from plutino.errors import Fault
from plutino.model import Definition, Ref
from plutino.spi.function import FunctionSpec
from plutino.spi.host import Host
from plutino.spi.registry import Registry
from plutino.spi.staging import DeclaredConnector


class Mode(StrEnum):
    """Why a definition is checked; transition rules (VERSION, SHARED, TEMP) hold for ``CREATE``, ``UPDATE`` and ``PARTIAL`` only."""

    CREATE = "create"
    UPDATE = "update"
    PARTIAL = "partial"
    FULL = "full"
    BOOT = "boot"


class UserFunction(Struct, frozen=True):
    """A SQL function that a stored object brings: a script, a service, a plugin."""

    spec: FunctionSpec
    owner: Ref


class UserConnector(Struct, frozen=True):
    """A type of source or sink that a stored object brings."""

    declared: DeclaredConnector
    owner: Ref


def stands_in(found: UserFunction | UserConnector) -> bool:
    """Whether it only says that it would be there elsewhere (``native_plugin``); what is really there goes first."""
    unavailable = found.spec.unavailable if isinstance(found, UserFunction) else found.declared.unavailable
    return bool(unavailable) and found.owner.kind == "native_plugin"


class Environment(Protocol):
    """Read-only view of the *desired* state, so that a definition is checked against what will be."""

    def get(self, ref: Ref) -> Definition | None:
        """The definition; its content is None when a stored text does not parse any more."""
        ...

    def names(self, kind: str) -> Sequence[str]:
        """Sorted names of a kind."""
        ...

    @property
    def registry(self) -> Registry:
        """Connectors, functions and formats of this process."""
        ...

    def function(self, name: str) -> UserFunction | None:
        """A function of a stored object, by its name as written there; what the registry has goes first and is not looked at here."""
        ...

    def functions(self) -> Sequence[str]:
        """Sorted names of all functions of stored objects."""
        ...

    def connector(self, role: str, name: str) -> UserConnector | None:
        """A ``source`` or ``sink`` type of a stored object; what the registry has goes first and is not looked at here."""
        ...

    def blob(self, digest: str) -> str:
        """The file with these kept bytes, for reading only."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """Server configuration that checks depend on (``allow_external_file_access``, ``timezone`` …)."""
        ...

    def triggered(self, rule: str) -> bool | None:
        """Whether the rule was started or stopped since its text was written; None when the text decides (new and changed texts)."""
        ...


class Change(Struct, frozen=True):
    """One object's way from ``before`` to ``after``; None means absent."""

    ref: Ref
    before: Definition | None
    after: Definition | None

    @property
    def verb(self) -> str:
        """``created``, ``updated``, ``deleted`` or ``unchanged``."""
        if self.before is None:
            return "created"
        if self.after is None:
            return "deleted"
        return "unchanged" if self.before == self.after else "updated"


class Origin(Struct, frozen=True):
    """Who asked for a change: ``source`` is ``rest``, ``cli``, ``import``, ``boot``, ``rollback``, ``rule`` (one that has ended by
    itself) or ``upgrade`` (a newer version has found it); ``client`` an address or user."""

    source: str
    client: str = ""
    summary: str = ""


class Outcome(Struct, frozen=True):
    """What applying a set of changes did: the revision after it, the changes that were made, and what failed where (continue on error)."""

    revision: int
    changes: tuple[Change, ...]
    faults: tuple[Fault, ...] = ()


class Control(Protocol):
    """The one door for changes: stage, check, diff, commit, reconcile."""

    @property
    def environment(self) -> Environment:
        """The committed state."""
        ...

    @property
    def host(self) -> Host: ...

    async def put(self, ref: Ref, text: str, *, mode: Mode, origin: Origin) -> Outcome:
        """Create or replace one object; raises what its spec's ``parse`` and ``check`` raise."""
        ...

    async def delete(self, ref: Ref, *, origin: Origin) -> Outcome:
        """Delete one object; NotFoundError when it is not there."""
        ...

    def holding(self, data: bytes) -> AbstractAsyncContextManager[str]:
        """Keep uploaded bytes and give their ``blob:`` URL; after the block they stay only if a text put inside it uses them."""
        ...

    def users(self, ref: Ref) -> Sequence[Ref]:
        """Stored objects that use this one, directly or through others."""
        ...

    async def trigger(self, rules: Sequence[str], started: bool, *, origin: Origin) -> None:
        """Store whether rules are started; what the engine does is up to the caller. NotFoundError for an unknown rule."""
        ...

    def triggered(self, rule: str) -> bool | None:
        """The stored flag, None when the rule's own text decides."""
        ...

    def shut_down(self, code: int) -> None:
        """End the process cleanly once the answer has gone out; 100 asks whoever started it to start it again."""
        ...

    async def reactivate(self, ref: Ref, resume: Callable[[], Awaitable[bool]] | None = None) -> None:
        """Check one object against the committed state again and activate it, as when a rule is started that could not be prepared.

        ``resume`` is asked first, while no change is under way: when it gives True, that was enough. NotFoundError when the object is not
        there; else raises what its spec's ``parse`` and ``check`` raise.
        """
        ...


class Call(Struct, frozen=True):
    """A request, free of any web framework. Path parameters are decoded; header names are lower-case."""

    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    client: str
    control: Control


class Answer(Struct, frozen=True):
    """A response: ``content`` is text or bytes as sent, or pieces sent as they come until the client leaves (then the iterator is closed);
    ``media`` the content type."""

    content: str | bytes | AsyncGenerator[bytes, None] = b""
    status: int = 200
    media: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Action:
    """One REST endpoint of a kind. Errors that are PlutinoErrors become the wire envelope; ``prefix`` is put in front of their text.

    ``body`` and ``reply`` are types (or JSON schema dicts) for the OpenAPI document.
    """

    method: str
    path: str
    handle: Callable[[Call], Awaitable[Answer]]
    summary: str
    body: Any = None
    reply: Any = None
    status: int = 200
    tags: tuple[str, ...] = ()
    query: Mapping[str, str] = field(default_factory=dict)


class ResourceSpec(Protocol):
    """One kind of object. A kind may also be ``Staged``, ``Portable``, ``KeptWhenPresent`` or ``Functional`` (see ``spi.staging``)."""

    @property
    def kind(self) -> str: ...

    @property
    def section(self) -> str:
        """Its key in a v1 document (``streams``)."""
        ...

    @property
    def actions(self) -> Sequence[Action]: ...

    def parse(self, ref: Ref, text: str) -> Definition:
        """Read a text into a definition; DefinitionError (or SqlSyntaxError) with the wire text when it is wrong. Pure."""
        ...

    def depends_on(self, definition: Definition, env: Environment) -> Iterable[Ref]:
        """Objects that this one needs or whose change concerns it; they need not exist."""
        ...

    def check(self, before: Definition | None, after: Definition | None, env: Environment, mode: Mode) -> Any:
        """Refuse what cannot be (PlutinoError), against the desired state ``env``; ``after`` None asks whether it may be deleted.

        Pure and without I/O. The result (a compiled rule …) is handed to ``activate``.
        """
        ...

    async def activate(self, before: Definition | None, after: Definition | None, prepared: Any, host: Host) -> None:
        """Bring the running engine from ``before`` to ``after``; called after the commit. Trouble shows in the status."""
        ...

    def secrets(self, definition: Definition, env: Environment) -> Iterable[tuple[str, ...]]:
        """Paths of secret values inside the definition's JSON content."""
        ...
