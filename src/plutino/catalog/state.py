"""Checkpoints and keyed state of rules, in the catalog's file."""

from __future__ import annotations

from functools import partial

from plutino.catalog.store import Store
from plutino.catalog.worker import Worker


class CatalogState:
    """The ``spi.StateStore`` of the process: a write is on the disk when the call returns."""

    def __init__(self, worker: Worker, store: Store) -> None:
        self._worker = worker
        self._store = store

    async def load(self, owner: str, key: str) -> bytes | None:
        return await self._worker.run(partial(self._store.load_state, owner, key))

    async def save(self, owner: str, entries: dict[str, bytes]) -> None:
        await self._worker.run(partial(self._store.save_state, owner, dict(entries)))

    async def drop(self, owner: str) -> None:
        await self._worker.run(partial(self._store.drop_state, owner))
