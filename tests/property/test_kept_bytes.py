"""Whatever is uploaded, registered and deleted in whatever order: what is stored, what lies on the disk and what is exported agree."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from plutino.model import Ref
from plutino.spi import Mode, Origin
from unit.rest.kit import Api, open_api

ORIGIN = Origin("rest")
NAMES = ("a", "b.bin", "sub/c", "ü.txt")

step = st.one_of(
    st.tuples(st.just("form"), st.sampled_from(NAMES[:2]), st.binary(max_size=40)),
    st.tuples(st.just("json"), st.sampled_from(NAMES), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)),
    st.tuples(st.just("delete"), st.sampled_from(NAMES), st.just("")),
    st.tuples(st.just("schema"), st.sampled_from(("s", "t")), st.integers(1, 5)),
    st.tuples(st.just("rollback"), st.just(""), st.integers(0, 6)),
    st.tuples(st.just("restart"), st.just(""), st.just("")),
)


async def _act(api: Api, files: dict[str, bytes], what: str, name: str, value: Any) -> None:
    """Do one step, and the same to ``files``; a rollback tells what came of it by the stored state."""
    control = api.controller
    match what:
        case "form":
            async with control.holding(value) as url:
                await control.put(Ref("upload", name), json.dumps({"name": name, "file": url}), mode=Mode.UPDATE, origin=ORIGIN)
            files[name] = value
        case "json":
            await control.put(Ref("upload", name), json.dumps({"name": name, "content": value}), mode=Mode.UPDATE, origin=ORIGIN)
            files[name] = value.encode()
        case "delete" if name in files:
            await control.delete(Ref("upload", name), origin=ORIGIN)
            del files[name]
        case "schema":
            text = {"type": "protobuf", "name": name, "content": f"message M {{ optional int32 f = {value}; }}"}
            await control.put(Ref("schema", f"protobuf_{name}"), json.dumps(text), mode=Mode.UPDATE, origin=ORIGIN)
        case "rollback":
            await control.rollback(min(value, control.revision), origin=ORIGIN)
            files.clear()
            for known in control.environment.names("upload"):
                definition = control.environment.get(Ref("upload", known))
                assert definition is not None
                files[known] = control.catalog.blob_store.read(definition.content.sha256)


async def _check(api: Api, data: Path, files: dict[str, bytes]) -> None:
    """The uploads directory has exactly these files; every blob that a text names is there with the right bytes, and no others are."""
    assert await api.controller.catalog.collect() == 0
    uploads = data / "uploads"
    assert {str(path.relative_to(uploads)): path.read_bytes() for path in uploads.rglob("*") if path.is_file()} == files
    on_disk = {path.parent.name + path.name: path.read_bytes() for path in (data / "blobs").glob("??/*")}
    assert all(hashlib.sha256(content).hexdigest() == digest for digest, content in on_disk.items())
    named = {digest for blobs in api.controller.catalog.blobs.values() for _, digest in blobs}
    assert named <= set(on_disk)
    assert list((data / "blobs" / "staging").iterdir()) == []


async def _run(steps: list[tuple[str, str, Any]], data: Path) -> None:
    files: dict[str, bytes] = {}
    context = open_api(data / "one")
    api = await context.__aenter__()
    try:
        for what, name, value in steps:
            if what == "restart":
                await context.__aexit__(None, None, None)
                context = open_api(data / "one")
                api = await context.__aenter__()
            else:
                await _act(api, files, what, name, value)
            await _check(api, data / "one", files)
        document = (await api.ask("GET", "/data/export")).text
        dry = (await api.ask("POST", "/data/import?dryRun=1", {"content": document})).json
        assert [change for change in dry["changes"] if change["action"] != "unchanged"] == []
    finally:
        await context.__aexit__(None, None, None)
    async with open_api(data / "two") as other:
        assert (await other.ask("POST", "/data/import", {"content": document})).status == 200
        await _check(other, data / "two", files)
        assert (await other.ask("GET", "/data/export")).text == document
        for revision in range(other.controller.revision, -1, -1):
            await other.controller.rollback(revision, origin=ORIGIN)
        await _check(other, data / "two", {})


@settings(max_examples=40, deadline=None)
@given(st.lists(step, max_size=8))
def test_stored_bytes_and_files_agree(steps: list[tuple[str, str, Any]]) -> None:
    """After every step, after a restart, and on a second server that imports the export."""
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_run(steps, Path(directory)))
