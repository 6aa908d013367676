"""Where rules keep what must survive a restart: checkpoints and keyed state."""

from __future__ import annotations

from typing import Protocol


class StateStore(Protocol):
    """Durable bytes by (owner, key); a write is durable when the call returns. TransportError when the store is gone."""

    async def load(self, owner: str, key: str) -> bytes | None: ...

    async def save(self, owner: str, entries: dict[str, bytes]) -> None:
        """Store all entries of one owner, all or none."""
        ...

    async def drop(self, owner: str) -> None:
        """Forget everything of an owner."""
        ...


keyed_state: dict[str, object] = {}
"""State that all rules of the process can read with ``get_keyed_state``; functions of installed packages write it."""
