"""Kept bytes: named by their hash, on the disk before they are named, gone when nobody names them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from plutino.catalog import BlobStore, Catalog
from plutino.catalog.blobs import pieces_of
from plutino.errors import PlutinoError
from plutino.model import Ref
from unit.control.fakes import ORIGIN, CountingClock

A, B = Ref("upload", "a"), Ref("upload", "b")


async def _put(store: BlobStore, data: bytes, limit: int = 1 << 20) -> str:
    blob = await store.put(pieces_of(data, 3), limit=limit, what="upload")
    assert (blob.digest, blob.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert Path(blob.path).read_bytes() == data
    return blob.digest


def _files(directory: Path) -> set[str]:
    return {path.parent.name + path.name for path in (directory / "blobs").glob("??/*")}


async def test_bytes_are_kept_by_their_hash(tmp_path: Path) -> None:
    """Equal bytes are one file; they can be read whole or used by somebody else."""
    store = await BlobStore.open(tmp_path / "blobs")
    digest = await _put(store, b"some bytes")
    assert await _put(store, b"some bytes") == digest
    assert _files(tmp_path) == {digest}
    assert store.read(digest) == b"some bytes"
    assert (await store.use(digest)).size == 10
    store.close()


async def test_too_many_bytes_leave_nothing(tmp_path: Path) -> None:
    """The limit is held while the bytes come; what was written goes."""
    store = await BlobStore.open(tmp_path / "blobs")
    with pytest.raises(PlutinoError, match=r"big has more than 5 bytes; it is not read"):
        await store.put(pieces_of(b"123456789", 2), limit=5, what="big")
    assert list((tmp_path / "blobs").rglob("*")) == [tmp_path / "blobs" / "staging"]
    store.close()


async def test_a_source_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    """Whatever the source raises comes through, also a cancellation."""

    async def broken(error: BaseException) -> AsyncIterator[bytes]:
        yield b"12"
        raise error

    store = await BlobStore.open(tmp_path / "blobs")
    for error in (PlutinoError("gone"), asyncio.CancelledError()):
        with pytest.raises(type(error)):
            await store.put(broken(error), limit=100, what="x")
    assert list((tmp_path / "blobs" / "staging").iterdir()) == []
    store.close()


async def test_what_nobody_holds_is_collected(tmp_path: Path) -> None:
    """A blob stays while it is held or in use."""
    store = await BlobStore.open(tmp_path / "blobs")
    held, used, free = [await _put(store, data) for data in (b"held", b"used", b"free")]
    store.release(used)
    store.release(free)
    assert await store.collect({used}) == 1
    assert _files(tmp_path) == {held, used}
    store.release(held)
    assert await store.collect(()) == 2
    assert _files(tmp_path) == set()
    store.close()


async def test_missing_and_wrong_names_are_refused(tmp_path: Path) -> None:
    """A name can never lead to another place, and what is not there is said so."""
    store = await BlobStore.open(tmp_path / "blobs")
    for name in ("", "../../etc/passwd", "Z" * 64, "a" * 63, "a" * 65):
        with pytest.raises(PlutinoError, match="SHA-256"):
            store.path(name)
    with pytest.raises(PlutinoError, match="not kept by this server"):
        await store.use("0" * 64)
    with pytest.raises(PlutinoError, match="not kept by this server"):
        store.read("0" * 64)
    store.close()


async def _opened(directory: Path, keep: int = 1000) -> Catalog:
    return await Catalog.open(directory, clock=CountingClock(), keep_revisions=keep)


async def _commit(catalog: Catalog, ref: Ref, data: bytes | None) -> str:
    digest = await _put(catalog.blob_store, data) if data is not None else ""
    blobs = {ref: (("file", digest),)} if digest else {}
    text = None if data is None else f"text {len(data)}"
    await catalog.commit({ref: text}, origin=ORIGIN, blobs=blobs)
    if digest:
        catalog.blob_store.release(digest)
    return digest


async def test_blobs_of_texts_survive_a_restart(tmp_path: Path) -> None:
    """Which bytes belong to which text is stored with it, and told by the history."""
    catalog = await _opened(tmp_path)
    first = await _commit(catalog, A, b"one")
    second = await _commit(catalog, A, b"two")
    await catalog.close()
    catalog = await _opened(tmp_path)
    assert dict(catalog.blobs) == {A: (("file", second),)}
    assert [(e.before_blobs, e.after_blobs) for e in (await catalog.read_revision(2)).edits] == [((("file", first),), (("file", second),))]
    await _commit(catalog, A, None)
    assert dict(catalog.blobs) == {}
    await catalog.close()


async def test_other_bytes_of_the_same_text_are_a_revision(tmp_path: Path) -> None:
    """A file behind an unchanged URL may have changed."""
    catalog = await _opened(tmp_path)
    await _commit(catalog, A, b"one")
    await _commit(catalog, A, b"two")
    await _commit(catalog, A, b"two")
    assert catalog.revision == 2
    await catalog.close()


async def test_blobs_live_as_long_as_a_kept_revision_names_them(tmp_path: Path) -> None:
    """A rollback finds them; when the history forgets them they go."""
    catalog = await _opened(tmp_path, keep=2)
    old = await _commit(catalog, A, b"old")
    new = await _commit(catalog, A, b"new")
    await catalog.collect()
    assert _files(tmp_path) == {old, new}
    for data in (b"x", b"xy", b"xyz"):
        last = await _commit(catalog, B, data)
    assert _files(tmp_path) == {new, last, hashlib.sha256(b"xy").hexdigest(), hashlib.sha256(b"x").hexdigest()} - {old}
    await catalog.close()


async def test_what_a_dead_process_left_goes_when_the_catalog_opens(tmp_path: Path) -> None:
    """Bytes that were written and never committed, and those half-written."""
    catalog = await _opened(tmp_path)
    kept = await _commit(catalog, A, b"kept")
    await _put(catalog.blob_store, b"never committed")
    (tmp_path / "blobs" / "staging" / "half").write_bytes(b"ha")
    await catalog.close()
    catalog = await _opened(tmp_path)
    assert _files(tmp_path) == {kept}
    assert list((tmp_path / "blobs" / "staging").iterdir()) == []
    await catalog.close()
