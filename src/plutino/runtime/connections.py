"""Connections that sources and sinks share: named ones (``connectionSelector``) and anonymous ones with equal share keys.

The pool opens, watches and reopens them; their users wait until one is up, and see a TransportError when it goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from plutino.errors import PlutinoError, ProvisionError, TransportError
from plutino.runtime.errorlog import mask_text
from plutino.runtime.facilities import Facilities, settle
from plutino.runtime.status import CONNECTED, STATUS_TEXT, Link
from plutino.spi import Connection, ConnectorSpec, SourceContext
from plutino.spi.options import decode_options

MakeContext = Callable[[str], SourceContext]
"""Makes the context for a connection with this id."""


class Shared:
    """One connection with its state and its users (by reference text)."""

    __slots__ = (
        "_changed",
        "_facilities",
        "_task",
        "_waiting",
        "connection",
        "connector",
        "error",
        "final",
        "id",
        "link",
        "named",
        "properties",
        "users",
    )

    def __init__(self, id: str, connector: str, properties: Mapping[str, Any], named: bool, facilities: Facilities) -> None:
        self.id = id
        self.connector = connector
        self.properties = properties
        self.named = named
        self.link = Link()
        self.error = ""
        self.final: PlutinoError | None = None
        self.users: dict[str, int] = {}
        self.connection: Connection | None = None
        self._facilities = facilities
        self._changed = asyncio.Event()
        self._waiting: list[Link] = []
        self._task: asyncio.Task[None] | None = None

    def start(self, spec: ConnectorSpec | None, context: SourceContext) -> None:
        """Make the connection and keep it open in the background; what makes that impossible shows in the status."""
        try:
            if spec is None or spec.connection is None:
                raise ProvisionError(f"unknown connection type {self.connector}")
            models = (spec.connection.options,)
            options = decode_options(*models, self._facilities.references.properties(models, self.properties))
            self.connection = spec.connection.create(self.id, options, context)
        except PlutinoError as error:
            self._give_up(error)
            return
        self._task = self._facilities.spawn(self._keep(self.connection))

    async def ready(self, link: Link) -> None:
        """Wait until it is connected; the error that makes that impossible is raised. ``link`` shows meanwhile why it is not."""
        if self.link.status == CONNECTED:
            return
        self._waiting.append(link)
        try:
            if self.error:
                link.down(self._facilities.clock.now_ms(), self.error)
            while self.link.status != CONNECTED:
                if self.final is not None:
                    raise self.final
                await self._changed.wait()
        finally:
            self._waiting.remove(link)

    async def close(self) -> None:
        """Close it; who still waits for it learns that it is gone."""
        if self.final is None:
            self.final = ProvisionError(f"connection {self.id} not existed")
        self.link.status = -1
        self._changed.set()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await settle(task)
        if self.connection is not None:
            await self.connection.close()

    def shown(self) -> dict[str, Any]:
        """As the wire shows it; status, err and refCount are left out when they say nothing."""
        return shown(self.id, self.connector, self.properties, self.named, self.link, self.error, sum(self.users.values()))

    async def _keep(self, connection: Connection) -> None:
        clock, backoff = self._facilities.clock, self._facilities.backoff()
        while True:
            for link in (self.link, *self._waiting):
                link.trying(clock.now_ms())
            try:
                await connection.open()
            except TransportError as error:
                self._lost(str(error))
                await clock.sleep(backoff.delay())
                continue
            except PlutinoError as error:
                self._give_up(error)
                return
            backoff.reset()
            if self.error:
                self._facilities.log.info("connected again", connection=self.id, type=self.connector)
            self.error = ""
            self.link.up(clock.now_ms())
            self._changed.set()
            self._lost(await connection.wait_lost())

    def _lost(self, reason: str) -> None:
        self._changed.clear()
        if not self.error:  # each attempt that follows would say the same
            self._facilities.log.warning("not connected", connection=self.id, type=self.connector, error=mask_text(reason))
        self.error = reason
        for link in (self.link, *self._waiting):
            link.down(self._facilities.clock.now_ms(), reason)

    def _give_up(self, error: PlutinoError) -> None:
        self._lost(str(error))
        self.final = error
        self._changed.set()


class Access:
    """What one source or sink holds of a connection; without one it stands for the session that the connector opens itself."""

    __slots__ = ("_implicit", "_pool", "_shared", "id", "reference")

    def __init__(self, pool: ConnectionPool, id: str, reference: str, shared: Shared | None, implicit: bool) -> None:
        self._pool = pool
        self.id = id
        self.reference = reference
        self._shared = shared
        self._implicit = implicit

    def connection(self) -> Connection | None:
        """The connection, opened, or None when the options name none; TransportError while it is not connected."""
        shared = self._current()
        if shared is None:
            return None
        if shared.final is not None:
            raise shared.final
        if shared.link.status != CONNECTED:
            raise TransportError(shared.error or f"connection {self.id} is not connected yet")
        return shared.connection

    async def ready(self, link: Link) -> None:
        """Wait until the connection is there, while ``link`` shows why it is not; returns at once when the options name none."""
        shared = self._current()
        if shared is not None:
            await shared.ready(link)

    def release(self) -> None:
        """The user is gone."""
        self._pool.release(self)

    def _current(self) -> Shared | None:
        if self._shared is None or not self._shared.named:
            return self._shared
        # a named connection may have been replaced meanwhile
        self._shared = self._pool.named(self.id)
        return self._shared


class ConnectionPool:
    """All connections of an engine."""

    __slots__ = ("_anonymous", "_facilities", "_implicit", "_make_context", "_named", "_users")

    def __init__(self, facilities: Facilities, make_context: MakeContext) -> None:
        self._facilities = facilities
        self._make_context = make_context
        self._named: dict[str, Shared] = {}
        self._users: dict[str, dict[str, int]] = {}
        self._anonymous: dict[tuple[str, Hashable], Shared] = {}
        self._implicit: dict[str, tuple[str, Mapping[str, Any], Link]] = {}

    async def connect(self, id: str, connector: str, properties: Mapping[str, Any]) -> None:
        """Open or replace a named connection in the background; an equal one is left alone."""
        old = self._named.get(id)
        if old is not None and old.connector == connector and old.properties == properties:
            return
        new = Shared(id, connector, dict(properties), True, self._facilities)
        new.users = self._users.setdefault(id, {})
        self._named[id] = new
        if old is not None:
            await old.close()
        new.start(self._facilities.registry.connectors.get(connector), self._make_context(id))

    async def disconnect(self, id: str) -> None:
        """Close a named connection; unknown ones are ignored."""
        old = self._named.pop(id, None)
        if old is not None:
            await old.close()

    def named(self, id: str) -> Shared:
        """A named connection; ProvisionError when it does not exist."""
        found = self._named.get(id)
        if found is None:
            raise ProvisionError(f"connection {id} not existed")
        return found

    def access(self, id: str, spec: ConnectorSpec, options: Any, properties: Mapping[str, Any], reference: str, link: Link) -> Access:
        """What a source or sink needs to reach its connection: the named one, one shared by equal options, or none."""
        if id:
            shared = self.named(id)
            shared.users[reference] = shared.users.get(reference, 0) + 1
            return Access(self, id, reference, shared, implicit=False)
        if spec.connection is None:
            return Access(self, "", reference, None, implicit=False)
        key = spec.share_key(options) if spec.share_key is not None else None
        if key is None:
            self._implicit[reference] = (spec.name, properties, link)
            return Access(self, reference, reference, None, implicit=True)
        found = self._anonymous.get((spec.name, key))
        if found is None:
            found = self._anonymous[spec.name, key] = Shared(reference, spec.name, properties, False, self._facilities)
            found.start(spec, self._make_context(reference))
        found.users[reference] = found.users.get(reference, 0) + 1
        return Access(self, found.id, reference, found, implicit=False)

    def release(self, access: Access) -> None:
        """Give up an access; an anonymous connection without users is closed."""
        if access._implicit:
            self._implicit.pop(access.reference, None)
        shared = access._shared
        if shared is None:
            return
        left = shared.users.get(access.reference, 0) - 1
        if left > 0:
            shared.users[access.reference] = left
        else:
            shared.users.pop(access.reference, None)
        if not shared.named and not shared.users:
            key = next((k for k, v in self._anonymous.items() if v is shared), None)
            if key is not None:
                del self._anonymous[key]
                self._facilities.spawn(shared.close())

    def references(self, id: str) -> tuple[str, ...]:
        """What uses a named connection now."""
        return tuple(self._users.get(id, ()))

    def shown(self, include_anonymous: bool) -> list[dict[str, Any]]:
        """All connections as the wire shows them, sorted by id."""
        found = [shared.shown() for shared in self._named.values()]
        if include_anonymous:
            found += [shared.shown() for shared in self._anonymous.values()]
            found += [shown(id, typ, props, False, link, link.message, 1) for id, (typ, props, link) in self._implicit.items()]
        return sorted(found, key=lambda entry: str(entry["id"]))

    async def close(self) -> None:
        """Close everything."""
        everything = [*self._named.values(), *self._anonymous.values()]
        self._named.clear()
        self._anonymous.clear()
        for shared in everything:
            await shared.close()


def shown(id: str, connector: str, properties: Mapping[str, Any], named: bool, link: Link, error: str, references: int) -> dict[str, Any]:
    """A connection on the wire (rest reference §1.8)."""
    entry: dict[str, Any] = {
        "id": id,
        "typ": connector,
        "props": dict(properties),
        "isNamed": named,
        "status": STATUS_TEXT[link.status],
    }
    if error and link.status != CONNECTED:
        entry["err"] = error
    if references:
        entry["refCount"] = references
    return entry
