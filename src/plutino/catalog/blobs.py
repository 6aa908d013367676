"""Blob store: bytes that belong to stored objects, as files named by their SHA-256."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from plutino.catalog.worker import Worker, uninterrupted
from plutino.errors import PlutinoError, TransportError
from plutino.spi import Blob

_STAGING = "staging"


class BlobStore:
    """Files below one directory: ``9f/86d0…`` for what is kept, ``staging/`` for what is still being written.

    A blob that ``put`` has returned survives power loss. It stays as long as somebody holds it (``put`` holds it for the caller, once
    per call) or ``collect`` is told that it is in use. One process at a time has a directory.
    """

    def __init__(self, directory: Path) -> None:
        """For ``open`` only."""
        self._directory = directory
        self._worker = Worker("blobs")
        self._held: Counter[str] = Counter()

    @classmethod
    async def open(cls, directory: Path) -> BlobStore:
        """The store in a directory, made when missing; what an earlier process left half-written is taken away."""
        store = cls(directory)
        try:
            await store._worker.run(store._prepare)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """End the thread when its jobs are done."""
        self._worker.close()

    def path(self, digest: str) -> Path:
        """Where a blob is, if it is there; for reading only. The digest must be 64 hex digits."""
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise PlutinoError(f"blob {digest[:80]}: the SHA-256 in 64 hexadecimal digits is expected")
        return self._directory / digest[:2] / digest[2:]

    async def put(self, pieces: AsyncIterable[bytes], *, limit: int, what: str) -> Blob:
        """Keep bytes as they come; PlutinoError naming ``what`` when they are more than ``limit``. Whatever ``pieces`` raises goes through,
        and nothing is left then. The caller lets go with ``release``."""
        staged = await uninterrupted(self._worker.run(self._begin))
        try:
            async for piece in pieces:
                await self._worker.run(partial(staged.write, piece))
                if staged.size > limit:
                    raise PlutinoError(f"{what} has more than {limit} bytes; it is not read")
            digest = staged.digest()
            self.hold(digest)
            try:
                await uninterrupted(self._worker.run(partial(self._seal, staged, digest)))
            except BaseException:
                self.release(digest)
                raise
        finally:
            await uninterrupted(self._worker.run(staged.discard))
        return Blob(digest, staged.size, str(self.path(digest)))

    async def use(self, digest: str, *, again: bool = True) -> Blob:
        """A kept blob for another object; PlutinoError when it is not there. The caller lets go with ``release``.

        ``again``: it comes into use with a change, so it gets younger than the files that were made of other blobs meanwhile.
        """
        path = self.path(digest)
        self.hold(digest)
        try:
            size = await self._worker.run(partial(_size, path, again))
        except FileNotFoundError:
            self.release(digest)
            raise PlutinoError(
                f"blob {digest}: not kept by this server; import a bundle that has it, or name where it comes from"
            ) from None
        except BaseException:
            self.release(digest)
            raise
        return Blob(digest, size, str(path))

    def read(self, digest: str) -> bytes:
        """All bytes of a blob; blocks. PlutinoError when it is not there."""
        try:
            return self.path(digest).read_bytes()
        except FileNotFoundError:
            raise PlutinoError(f"blob {digest}: not kept by this server") from None
        except OSError as error:
            raise TransportError(f"blob {digest}: {(error.strerror or str(error)).lower()}") from error

    async def fault(self, digest: str) -> str | None:
        """What is wrong with the file of a blob, None when it is as it was written."""
        return await self._worker.run(partial(_fault, self.path(digest)))

    def hold(self, digest: str) -> None:
        """Keep a blob until the matching ``release``."""
        self._held[digest] += 1

    def release(self, digest: str) -> None:
        """Let go of a blob; ``collect`` takes it away when nobody else needs it."""
        self._held[digest] -= 1
        if self._held[digest] <= 0:
            del self._held[digest]

    async def collect(self, live: Collection[str]) -> int:
        """Delete what is neither in ``live`` nor held; gives how many. No text may be committed meanwhile."""
        return await self._worker.run(partial(self._sweep, frozenset(live) | set(self._held)))

    # --- everything below blocks and belongs to the worker's thread

    def _prepare(self) -> None:
        with _reported("open"):
            shutil.rmtree(self._directory / _STAGING, ignore_errors=True)
            # Blobs may hold credentials.
            (self._directory / _STAGING).mkdir(mode=0o700, parents=True, exist_ok=True)
            os.chmod(self._directory, 0o700)

    def _begin(self) -> _Staged:
        with _reported("write"):
            descriptor, name = tempfile.mkstemp(dir=self._directory / _STAGING)
            return _Staged(os.fdopen(descriptor, "wb"), Path(name))

    def _seal(self, staged: _Staged, digest: str) -> None:
        with _reported("write"):
            staged.finish()
            path = self.path(digest)
            if not path.parent.exists():
                path.parent.mkdir(mode=0o700)
                _sync_directory(self._directory)
            os.replace(staged.path, path)
            _sync_directory(path.parent)

    def _sweep(self, live: frozenset[str]) -> int:
        found = 0
        with _reported("collect"):
            for shard in self._directory.iterdir():
                if len(shard.name) != 2:
                    continue
                for path in shard.iterdir():
                    if shard.name + path.name not in live:
                        path.unlink(missing_ok=True)
                        found += 1
        return found


class _Staged:
    """A file that is being written, and the hash so far."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path = path
        self.size = 0
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, piece: bytes) -> None:
        with _reported("write"):
            self._file.write(piece)
        self._hash.update(piece)
        self.size += len(piece)

    def digest(self) -> str:
        return self._hash.hexdigest()

    def finish(self) -> None:
        """Everything is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        """Close, and remove what was not renamed."""
        with _reported("write"):
            self._file.close()
            self.path.unlink(missing_ok=True)


async def pieces_of(data: bytes, size: int = 1 << 20) -> AsyncIterable[bytes]:
    """Bytes in pieces, with a pause after each."""
    async for piece in pieces(data[start : start + size] for start in range(0, len(data), size)):
        yield piece


async def pieces(made: Iterable[bytes]) -> AsyncIterable[bytes]:
    """Pieces as they are made, with a pause after each."""
    for piece in made:
        yield piece
        await asyncio.sleep(0)


def _fault(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {(error.strerror or str(error)).lower()}"
    return None if found == path.parent.name + path.name else "was changed"


def _size(path: Path, touch: bool) -> int:
    if touch:
        os.utime(path)
    return path.stat().st_size


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _reported(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TransportError(f"blob store {what}: {(error.strerror or str(error)).lower()}") from error
