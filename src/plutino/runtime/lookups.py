"""Lookup tables at work: opened once and shared by all rules, asked in batches, with one cache per table."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from msgspec import Struct

from plutino.errors import PlutinoError, TransportError
from plutino.model import Duration
from plutino.runtime.connections import Access, ConnectionPool
from plutino.runtime.contexts import source_context
from plutino.runtime.facilities import Facilities
from plutino.runtime.status import Link
from plutino.spi import ConnectorSpec, Lookup, LookupAnswer, LookupCall, LookupRequest, LookupSpec, Registry
from plutino.spi.options import Opt, decode_options
from plutino.spi.suspension import key_of

CONCURRENCY = 4
"""Batches that one table is asked for at the same time."""

BATCH = 256
"""Queries that are asked together at most."""

ATTEMPTS = 3
"""How often a batch is asked before its rows become errors; once only, while the table has not answered since."""

CACHED = 65_536
"""Answers that a cache keeps; the oldest give way."""

PATIENCE_SECONDS = 0.5
"""How long a changeset waits for its tables to open, all together, before it goes on without."""

REST_SECONDS = 5.0
"""After this time without a new table the next one is waited for again."""

LEAST_SECONDS = 0.01
"""A table in memory is open after this time at the latest."""


PROBE_SECONDS = 10.0
"""How long a table may take to open when it is created."""


class CacheOptions(Struct, frozen=True, rename="camel"):
    """What ``lookup`` in a table's configuration says."""

    cache: Annotated[bool, Opt("Keep answers", "Cache")] = False
    cache_ttl: Annotated[Duration, Opt("How long an answer is kept; 0 for ever", "Cache time to live")] = 0
    cache_missing_key: Annotated[bool, Opt("Also keep that there is no row", "Cache missing keys")] = False


class TableOptions(Struct, frozen=True, rename="camel"):
    """Properties of a lookup table that the engine honours; its own the connector decodes itself."""

    lookup: Annotated[CacheOptions, Opt("Cache of the table", "Lookup")] = CacheOptions()


Take = Callable[[int, LookupAnswer], None]
"""Gets the number of a query in its call, and its answer."""


class Cache:
    """Answers by query, until they expire by the engine's clock."""

    __slots__ = ("_kept", "_missing", "_ttl")

    def __init__(self, options: CacheOptions) -> None:
        self._ttl = options.cache_ttl
        self._missing = options.cache_missing_key
        self._kept: dict[Any, tuple[int, list[dict[str, Any]]]] = {}
        """In order of expiry, as all live equally long."""

    def get(self, key: Any, now: int) -> list[dict[str, Any]] | None:
        """The rows kept for a query; None when nothing (or nothing any more) is kept."""
        found = self._kept.get(key)
        if found is None:
            return None
        if self._ttl and found[0] <= now:
            del self._kept[key]
            return None
        return found[1]

    def put(self, key: Any, rows: list[dict[str, Any]], now: int) -> None:
        """Keep an answer; what has expired meanwhile goes."""
        if not rows and not self._missing:
            return
        kept = self._kept
        kept.pop(key, None)
        while kept:
            oldest = next(iter(kept))
            if len(kept) < CACHED and not (self._ttl and kept[oldest][0] <= now):
                break
            del kept[oldest]
        kept[key] = (now + self._ttl, rows)

    def __len__(self) -> int:
        return len(self._kept)


class Query(Struct):
    """One query that waits to be asked, and everybody who wants its answer."""

    fields: tuple[str, ...]
    keys: tuple[str, ...]
    values: tuple[Any, ...]
    key: Any
    takers: list[tuple[Take, int]]


class Table:
    """One opened lookup table. ``users`` counts its runs by rule."""

    __slots__ = (
        "_access",
        "_busy",
        "_cache",
        "_facilities",
        "_failing",
        "_lock",
        "_lookup",
        "_opened",
        "_queued",
        "link",
        "request",
        "retired",
        "users",
    )

    def __init__(
        self, request: LookupRequest, lookup: Lookup, access: Access, link: Link, cache: Cache | None, facilities: Facilities
    ) -> None:
        self.request = request
        self.link = link
        self.users: dict[str, int] = {}
        self.retired = False
        """Another table has its name, or it was dropped: it closes when nobody uses it."""
        self._lookup = lookup
        self._access = access
        self._cache = cache
        self._facilities = facilities
        self._lock = asyncio.Lock()
        self._opened = False
        self._failing = False
        self._busy = 0
        self._queued: dict[Any, Query] = {}

    def ask(self, call: LookupCall, take: Take) -> None:
        """Give each query of a call its answer: at once from the cache or from a table that need not wait, else later."""
        now = self._facilities.clock.now_ms()
        for i, values in enumerate(call.queries):
            key = (call.fields, call.keys, key_of(values))
            found = None if self._cache is None else self._cache.get(key, now)
            if found is not None:
                take(i, found)
                continue
            query = self._queued.get(key)
            if query is None:
                query = self._queued[key] = Query(call.fields, call.keys, values, key, [])
            query.takers.append((take, i))
        self._dispatch()

    async def open(self) -> None:
        """Open it, unless it is open; raises what its connection or connector raises."""
        async with self._lock:
            if not self._opened:
                await self._access.ready(self.link)
                await self._lookup.open()
                self._opened = True

    async def close(self) -> None:
        """Close it; who waits for an answer gets none."""
        self._queued.clear()
        await self._lookup.close()
        self._access.release()

    def _dispatch(self) -> None:
        """Ask what waits, as far as the bound of concurrent batches allows."""
        while self._queued and self._busy < CONCURRENCY:
            batch = self._next_batch()
            self._busy += 1
            if not self._opened:
                self._facilities.spawn(self._serve(batch, None))
                continue
            try:
                answer = self._request(batch)
            except TransportError as error:
                self._opened = False
                self._facilities.spawn(self._serve(batch, None, error))
            except Exception as error:  # supervisor: as in ``_serve``
                self._give(batch, [self._fault(error)] * len(batch))
            else:
                if isinstance(answer, list):
                    self._failing = False
                    self._give(batch, answer)
                else:
                    self._facilities.spawn(self._serve(batch, answer))

    def _next_batch(self) -> list[Query]:
        """The query that has waited longest, with what can be asked together with it."""
        first = next(iter(self._queued.values()))
        batch = []
        for query in self._queued.values():
            if query.keys == first.keys and query.fields == first.fields:
                batch.append(query)
                if len(batch) == BATCH:
                    break
        for query in batch:
            del self._queued[query.key]
        return batch

    def _request(self, batch: Sequence[Query]) -> list[LookupAnswer] | Awaitable[list[LookupAnswer]]:
        return self._lookup.lookup(batch[0].fields, batch[0].keys, [query.values for query in batch])

    async def _serve(
        self, batch: Sequence[Query], answer: Awaitable[list[LookupAnswer]] | None, failure: TransportError | None = None
    ) -> None:
        """Wait for a batch, again as often as that may help."""
        clock, backoff = self._facilities.clock, self._facilities.backoff()
        left = 1 if self._failing else ATTEMPTS
        answers: list[LookupAnswer]
        while True:
            try:
                if failure is not None:
                    raise failure
                if answer is None:
                    await self.open()
                    made = self._request(batch)
                    answers = made if isinstance(made, list) else await made
                else:
                    answers = await answer
            except TransportError as error:
                answer = failure = None
                self._opened = False
                left -= 1
                if left <= 0:
                    self._failing = True
                    answers = [error] * len(batch)
                    break
                await clock.sleep(backoff.delay())
            except Exception as error:  # supervisor: what a connector did not expect fails the rows that asked, nothing else
                answers = [self._fault(error)] * len(batch)
                break
            else:
                self._failing = False
                break
        self._give(batch, answers)
        self._dispatch()

    def _fault(self, error: Exception) -> PlutinoError:
        if isinstance(error, PlutinoError):
            return error
        self._facilities.log.error("lookup table failed", table=self.request.table, error=f"{type(error).__name__}: {error}")
        return PlutinoError(f"internal error: {type(error).__name__} in lookup table {self.request.table}")

    def _give(self, batch: Sequence[Query], answers: Sequence[LookupAnswer]) -> None:
        self._busy -= 1
        now = self._facilities.clock.now_ms()
        if len(answers) != len(batch):
            answers = [self._fault(ValueError(f"{len(answers)} answers to {len(batch)} queries"))] * len(batch)
        for query, answer in zip(batch, answers, strict=True):
            if self._cache is not None and isinstance(answer, list):
                self._cache.put(query.key, answer, now)
            for take, i in query.takers:
                take(i, answer)


class Lookups:
    """All lookup tables of an engine, by name."""

    __slots__ = ("_facilities", "_opened_at", "_patience", "_pool", "_retired", "_tables")

    def __init__(self, facilities: Facilities, pool: ConnectionPool) -> None:
        self._facilities = facilities
        self._pool = pool
        self._tables: dict[str, Table] = {}
        self._retired: list[Table] = []
        self._patience = 0.0
        self._opened_at = -REST_SECONDS

    async def open(self, request: LookupRequest) -> None:
        """Keep a table open from now on; an equal one stays as it is. Trouble is logged, and tried again by who asks the table."""
        old = self._tables.get(request.table)
        if old is not None and old.request == request:
            table = old
        else:
            try:
                table = self._make(request)
            except PlutinoError as error:
                self._report(request, error)
                return
            self._tables[request.table] = table
            if old is not None:
                await self._retire(old)
        await self._wait_for(self._facilities.spawn(self._open(table)))

    async def close(self, name: str) -> None:
        """Close a table as soon as no rule uses it."""
        table = self._tables.pop(name, None)
        if table is not None:
            await self._retire(table)

    async def probe(self, request: LookupRequest) -> None:
        """Open a table of its own and close it; raises what that raises, TransportError when it takes too long."""
        table = self._make(request)
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await table.open()
        except TimeoutError:
            reason = table.link.message or "no answer"
            raise TransportError(f"lookup table {request.table} does not open in {PROBE_SECONDS:g} s: {reason}") from None
        finally:
            await table.close()

    def acquire(self, request: LookupRequest, rule: str) -> Table:
        """The table for a run of a rule; raises what its options or its creation raise."""
        table = self._tables.get(request.table)
        if table is None or table.request != request:
            old, table = table, self._make(request)
            self._tables[request.table] = table
            if old is not None:
                old.retired = True
                self._retired.append(old)
        table.users[rule] = table.users.get(rule, 0) + 1
        return table

    def release(self, table: Table, rule: str) -> None:
        """A run does not use a table any more."""
        left = table.users.get(rule, 0) - 1
        if left > 0:
            table.users[rule] = left
        else:
            table.users.pop(rule, None)
        if table.retired and not table.users:
            self._facilities.spawn(self._close(table))

    def users(self, name: str) -> tuple[str, ...]:
        """Rules that use a table now."""
        tables = [table for table in (self._tables.get(name), *self._retired) if table is not None and table.request.table == name]
        return tuple(dict.fromkeys(rule for table in tables for rule in table.users))

    def references(self, connection: str) -> list[str]:
        """What uses a connection for lookups."""
        tables = [*self._tables.values(), *self._retired]
        return [_reference(table.request) for table in tables if table.request.connection == connection]

    async def shut(self) -> None:
        """Close everything."""
        tables = [*self._tables.values(), *self._retired]
        self._tables.clear()
        self._retired.clear()
        for table in tables:
            await table.close()

    async def _wait_for(self, opening: asyncio.Task[None]) -> None:
        time = asyncio.get_running_loop().time
        began = time()
        if began - self._opened_at >= REST_SECONDS:
            self._patience = PATIENCE_SECONDS
        await asyncio.wait((opening,), timeout=max(self._patience, LEAST_SECONDS))
        self._opened_at = time()
        self._patience -= self._opened_at - began

    def _make(self, request: LookupRequest) -> Table:
        connector, spec = lookup_spec(request, self._facilities.registry)
        found = self._facilities.references.table(request, TableOptions)
        options = decode_options(spec.options, found.properties)
        own = decode_options(TableOptions, found.properties).lookup
        link = Link()
        access = self._pool.access(request.connection, connector, options, request.properties, _reference(request), link)
        context = source_context(self._facilities, request.table, "", connection=access.connection, needs_meta=lambda: False)
        try:
            lookup = spec.create(options, found.datasource, context)
        except PlutinoError:
            access.release()
            raise
        return Table(request, lookup, access, link, Cache(own) if own.cache else None, self._facilities)

    async def _open(self, table: Table) -> None:
        try:
            await table.open()
        except PlutinoError as error:
            self._report(table.request, error)

    def _report(self, request: LookupRequest, error: PlutinoError) -> None:
        self._facilities.log.warning("lookup table is not open", table=request.table, error=error.message)

    async def _retire(self, table: Table) -> None:
        table.retired = True
        if table.users:
            self._retired.append(table)
        else:
            await table.close()

    async def _close(self, table: Table) -> None:
        if table in self._retired:
            self._retired.remove(table)
            await table.close()


def lookup_spec(request: LookupRequest, registry: Registry) -> tuple[ConnectorSpec, LookupSpec]:
    """The connector of a table and its lookup role; PlutinoError with the compatible text when there is none."""
    connector = registry.connectors.get(request.connector)
    if connector is None or connector.lookup is None:
        raise PlutinoError(f"lookup source type {request.connector} not found")
    return connector, connector.lookup


def _reference(request: LookupRequest) -> str:
    """How a table's use of a connection is called on the wire."""
    return f"{request.table}-{request.connector}-lookup"
