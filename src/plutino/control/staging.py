"""Staging: the bytes of one change are brought together before anything is checked, and let go when they were not committed."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import aclosing

from msgspec.structs import replace

from plutino.catalog import BlobStore
from plutino.catalog.blobs import pieces_of
from plutino.catalog.download import read_pieces, shown
from plutino.control.environment import Committed
from plutino.control.meaning import same_meaning
from plutino.errors import PlutinoError
from plutino.model import Blobs, Definition, Ref
from plutino.spi import Blob, Mode, ResourceSpec, Staged
from plutino.spi.access import Access
from plutino.spi.limits import limits
from plutino.spi.staging import SCHEME, SIZE_LIMIT

_AT_ONCE = 4
"""Downloads that go on at the same time."""

_FORCED = (Mode.CREATE, Mode.UPDATE)
"""Single requests: they fetch anew even when the text is the same, as the author may have changed what is behind the URL."""

Found = Mapping[Ref, Definition | PlutinoError]
"""What staging made of texts: the definition, or why there is none."""


class Staging:
    """The bytes of one pass through the door. ``release`` when the pass is over, whatever came of it."""

    def __init__(
        self, blobs: BlobStore, access: Access, specs: Mapping[str, ResourceSpec], committed: Committed, kept: Mapping[Ref, Blobs]
    ) -> None:
        """``kept`` are bytes that belong to wanted texts already: those of a start-up or a rollback."""
        self._blobs = blobs
        self._access = access
        self._specs = specs
        self._committed = committed
        self._kept = kept
        self._kinds = frozenset(kind for kind, spec in specs.items() if isinstance(spec, Staged))
        self._held: list[str] = []
        self._made: dict[Ref, tuple[str, Definition | PlutinoError]] = {}

    async def stage(self, texts: Mapping[Ref, str | None], mode: Mode) -> Found:
        """Stage what needs it and has not been staged yet; gives everything that was made for these texts so far."""
        due = ((ref, text) for ref, text in texts.items() if ref.kind in self._kinds and text is not None)
        todo = [(ref, text) for ref, text in due if self._is_due(ref, text, mode)]
        if todo:
            slots = asyncio.Semaphore(_AT_ONCE)
            async with asyncio.TaskGroup() as tasks:
                for ref, text in todo:
                    tasks.create_task(self._stage(ref, text, mode, slots))
        return {ref: made for ref, (text, made) in self._made.items() if texts.get(ref) == text}

    def release(self) -> bool:
        """Let go; True when there may be something to collect."""
        held, self._held = self._held, []
        for digest in held:
            self._blobs.release(digest)
        return bool(held)

    def _is_due(self, ref: Ref, text: str, mode: Mode) -> bool:
        made = self._made.get(ref)
        if made is not None and made[0] == text:
            return False
        stored = self._committed.get(ref)
        if mode in _FORCED or stored is None or stored.content is None or stored.text != text:
            return True
        return self._kept.get(ref, stored.blobs) != stored.blobs

    async def _stage(self, ref: Ref, text: str, mode: Mode, slots: asyncio.Semaphore) -> None:
        spec = self._specs[ref.kind]
        assert isinstance(spec, Staged)
        async with slots:
            area = _Area(self._blobs, self._access, dict(self._kept_of(ref, text, mode)), self._held, offline=mode is Mode.BOOT)
            made: Definition | PlutinoError
            try:
                made = await spec.stage(spec.parse(ref, text), area)
                made = replace(made, blobs=tuple(sorted(area.used.items())))
            except PlutinoError as error:
                made = error
            self._made[ref] = (text, made)

    def _kept_of(self, ref: Ref, text: str, mode: Mode) -> Blobs:
        """Bytes that belong to this very text, or to one that says the same: where they came from may be gone."""
        if ref in self._kept:
            return self._kept[ref]
        stored = self._committed.get(ref)
        return stored.blobs if stored is not None and mode not in _FORCED and same_meaning(ref, text, stored.text) else ()


class _Area:
    """``spi.Area`` of one object."""

    def __init__(self, blobs: BlobStore, access: Access, kept: Mapping[str, str], held: list[str], *, offline: bool) -> None:
        self.used: dict[str, str] = {}
        self._blobs = blobs
        self._access = access
        self._kept = kept
        self._held = held
        self._offline = offline

    async def fetch(self, role: str, url: str, *, limit: int = SIZE_LIMIT) -> Blob:
        limit = min(limit, limits().download)
        digest = url[len(SCHEME) :] if url.startswith(SCHEME) else self._kept.get(role)
        if digest is not None:
            blob = await self._blobs.use(digest, again=not self._offline)
        elif self._offline and not url.startswith("data:"):
            raise PlutinoError(f"file: {shown(url)}: its bytes are not kept here; create it again")
        else:
            async with aclosing(read_pieces(url, self._access, limit)) as pieces:
                blob = await self._blobs.put(pieces, limit=limit, what=f"file {shown(url)}")
        return self._taken(role, blob, limit, url)

    async def put(self, role: str, data: bytes) -> Blob:
        kept = self._kept.get(role)
        if kept is not None and kept == hashlib.sha256(data).hexdigest():
            return self._taken(role, await self._blobs.use(kept, again=not self._offline), len(data), "")
        return self._taken(role, await self._blobs.put(pieces_of(data), limit=len(data), what=role), len(data), "")

    def _taken(self, role: str, blob: Blob, limit: int, url: str) -> Blob:
        self._held.append(blob.digest)
        if blob.size > limit:
            raise PlutinoError(f"{f'file {shown(url)}' if url else role} has {blob.size} bytes; at most {limit} are read")
        self.used[role] = blob.digest
        return blob
