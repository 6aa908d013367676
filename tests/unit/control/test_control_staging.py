"""Bytes of objects go through the door with them: fetched before the check, committed with the text, gone when nothing came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from plutino.control import V1
from plutino.errors import DocumentError, PlanError, PlutinoError
from plutino.model import Definition, Ref
from plutino.spi import Area, Arg, FunctionSpec, Mode
from unit.control.fakes import ORIGIN, Bench, FakeKind, document, dumps


class FakeArchive(FakeKind):
    """Objects with ``file``: a URL whose bytes become part of the content. Its function is called like the bytes."""

    kept_when_present = True

    def __init__(self) -> None:
        super().__init__("archive", "Schema")
        self.stagings = 0
        self.gate: asyncio.Event | None = None

    async def stage(self, definition: Definition, area: Area) -> Definition:
        self.stagings += 1
        if self.gate is not None:
            await self.gate.wait()
        blob = await area.fetch("file", definition.content["file"], limit=100)
        return replace(definition, content={**definition.content, "bytes": Path(blob.path).read_text()})

    def portable(self, definition: Definition, read: Callable[[str], bytes]) -> str:
        return dumps({"file": f"data:,{read(dict(definition.blobs)['file']).decode()}"})

    def functions(self, definition: Definition) -> tuple[FunctionSpec, ...]:
        return (FunctionSpec(definition.content["bytes"], len, "", (Arg("x"),)),)


class Staged(Bench):
    """A bench with archives, whose rules may demand functions (``calls``)."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, 1000)
        self.archives = FakeArchive()
        self.specs["archive"] = self.archives
        plain = self.specs["rule"].check

        def check(before: Any, after: Any, env: Any, mode: Mode) -> Any:
            for name in after.content.get("calls", ()) if after is not None else ():
                if env.function(name) is None:
                    raise PlanError(f"function {name} not found, there are {list(env.functions())}")
            return plain(before, after, env, mode)

        self.specs["rule"].check = check  # type: ignore[method-assign]

    def source(self, text: str, name: str = "source") -> str:
        """A file with this text, as a definition that names it."""
        path = self.directory / name
        path.write_text(text)
        return dumps({"file": f"file://{path}"})

    async def archive(self, text: str, name: str = "a", mode: Mode = Mode.UPDATE) -> None:
        await self.control.put(Ref("archive", name), text, mode=mode, origin=ORIGIN)

    def kept(self) -> list[str]:
        """The bytes on the disk."""
        return sorted(path.read_text() for path in (self.directory / "blobs").glob("??/*"))


@pytest.fixture
async def bench(tmp_path: Path) -> Any:
    opened = await Staged(tmp_path).open()
    yield opened
    await opened.close()


async def test_bytes_come_before_the_check_and_stay_after_a_restart(bench: Staged) -> None:
    """What the bytes say is part of the content, also when their source is gone."""
    await bench.archive(bench.source("one"))
    definition = bench.control.environment.get(Ref("archive", "a"))
    assert definition is not None
    assert definition.content["bytes"] == "one"
    (bench.directory / "source").unlink()
    reopened = await bench.reopen()
    again = reopened.control.environment.get(Ref("archive", "a"))
    assert again == definition
    assert again.content["bytes"] == "one"  # type: ignore[union-attr]
    assert reopened.booted.faults == ()


async def test_a_refused_change_leaves_no_bytes(bench: Staged) -> None:
    """Neither when they cannot be had, nor when the check refuses, nor after a dry run."""
    with pytest.raises(PlutinoError, match=r"stat .*/none: no such file or directory"):
        await bench.archive(dumps({"file": f"file://{bench.directory}/none"}))
    with pytest.raises(PlutinoError, match="at most 100 are read"):
        await bench.archive(bench.source("x" * 101))
    with pytest.raises(PlanError, match="no"):
        await bench.archive(dumps({"file": "data:,refused", "refuse": "no"}))
    text = dumps({"file": "data:,tried"})
    outcome = await bench.control.apply({Ref("archive", "a"): text}, mode=Mode.UPDATE, origin=ORIGIN, dry_run=True)
    assert [change.verb for change in outcome.changes] == ["created"]
    assert bench.kept() == []
    assert bench.texts() == {}


async def test_a_document_is_all_or_nothing_with_its_bytes(bench: Staged) -> None:
    """One download that fails leaves the others out, too; all faults are told together."""
    bad = dumps({"file": "ftp://x/y"})
    text = document(Schema={"a": dumps({"file": "data:,a"}), "b": bad, "c": "{"}, rules={"r": {}})
    with pytest.raises(DocumentError) as raised:
        await bench.control.import_document(text, partial=False, origin=ORIGIN)
    assert sorted(fault.path for fault in raised.value.faults) == ["Schema.b", "Schema.c"]
    assert (bench.kept(), bench.texts()) == ([], {})


async def test_the_same_text_fetches_anew_when_asked_by_hand_only(bench: Staged) -> None:
    """A single request follows a file that has changed; a document with the text as it is stored changes nothing."""
    text = bench.source("one")
    await bench.archive(text)
    assert bench.source("two") == text
    result = await bench.control.import_document(document(Schema={"a": text}), partial=False, origin=ORIGIN)
    assert [change.verb for change in result.changeset.changes] == ["unchanged"]
    assert (bench.kept(), bench.archives.stagings) == (["one"], 1)
    await bench.archive(text)
    assert bench.kept() == ["one", "two"]
    assert bench.control.revision == 2


async def test_another_spelling_needs_no_source(bench: Staged) -> None:
    """A text that says the same has its bytes already, also when the place is gone from which they came; the spelling is taken over."""
    text = bench.source("one")
    await bench.archive(text)
    (bench.directory / "source").unlink()
    spaced = text.replace(":", " : ", 1)
    result = await bench.control.import_document(document(Schema={"a": spaced}), partial=False, origin=ORIGIN)
    assert [change.verb for change in result.changeset.changes] == ["unchanged"]
    assert (bench.texts()["archive:a"], bench.kept()) == (spaced, ["one"])


async def test_rollback_restores_bytes_without_their_source(bench: Staged) -> None:
    """The history names the bytes of each text."""
    await bench.archive(bench.source("one"))
    await bench.archive(bench.source("two"))
    (bench.directory / "source").unlink()
    await bench.control.rollback(1, origin=ORIGIN)
    definition = bench.control.environment.get(Ref("archive", "a"))
    assert definition is not None
    assert definition.content["bytes"] == "one"


async def test_lost_bytes_make_an_object_unusable_and_nothing_else(bench: Staged) -> None:
    """A start without them goes on; the object says what is wrong, and no network is asked."""
    await bench.archive(bench.source("one"))
    await bench.archive(dumps({"file": "data:,two"}), "b")
    for path in (bench.directory / "blobs").glob("??/*"):
        path.unlink()
    reopened = await bench.reopen()
    assert [(fault.path, fault.text.partition(":")[2][:30]) for fault in reopened.booted.faults] == [
        ("Schema.a", " not kept by this server; impo"),
        ("Schema.b", " not kept by this server; impo"),
    ]
    definition = reopened.control.environment.get(Ref("archive", "a"))
    assert definition is not None
    assert definition.content is None


async def test_present_objects_stay_in_a_partial_import(bench: Staged) -> None:
    """What is there is kept and told as ignored, without a download; a full import replaces it."""
    await bench.archive(bench.source("one"))
    text = document(Schema={"a": dumps({"file": "ftp://nowhere"}), "b": dumps({"file": "data:,new"})})
    result = await bench.control.import_document(text, partial=True, origin=ORIGIN)
    assert result.ignored == ("Schema.a",)
    assert [(change.ref.name, change.verb) for change in result.changeset.changes] == [("b", "created")]
    text = document(Schema={"a": dumps({"file": "data:,other"})})
    result = await bench.control.import_document(text, partial=False, origin=ORIGIN)
    assert result.ignored == ()
    assert [(change.ref.name, change.verb) for change in result.changeset.changes] == [("a", "updated"), ("b", "deleted")]


async def test_functions_of_objects_are_seen_by_checks(bench: Staged) -> None:
    """A rule may use what comes in the same document, and not what goes with it."""
    rule = {"calls": ["area"], "uses": ["archive:a"]}
    text = document(rules={"r": rule}, Schema={"a": dumps({"file": "data:,area"})})
    await bench.control.import_document(text, partial=False, origin=ORIGIN)
    env = bench.control.environment
    found = env.function("area")
    assert found is not None
    assert (found.owner, list(env.functions())) == (Ref("archive", "a"), ["area"])
    text = document(rules={"r": rule}, Schema={"a": dumps({"file": "data:,other"})})
    with pytest.raises(DocumentError) as raised:
        await bench.control.import_document(text, partial=False, origin=ORIGIN)
    assert [fault.text for fault in raised.value.faults] == ["function area not found, there are ['other']"]
    await bench.control.delete(Ref("archive", "a"), origin=ORIGIN)
    assert (env.function("area"), list(env.functions())) == (None, [])


async def test_others_change_things_while_a_download_takes_its_time(bench: Staged) -> None:
    """The door is not held during a download, and what it found is checked against the state of its turn."""
    bench.archives.gate = asyncio.Event()
    slow = asyncio.create_task(bench.archive(dumps({"file": "data:,slow"})))
    while not bench.archives.stagings:
        await asyncio.sleep(0)
    await bench.write(r={})
    assert bench.control.revision == 1
    bench.archives.gate.set()
    await slow
    assert bench.control.revision == 2
    assert bench.archives.stagings == 1


async def test_held_bytes_stay_only_when_a_text_uses_them(bench: Staged) -> None:
    """As an upload brings its bytes before its text."""
    async with bench.control.holding(b"used") as url:
        await bench.archive(dumps({"file": url}))
    async with bench.control.holding(b"unused"):
        assert bench.kept() == ["unused", "used"]
    assert bench.kept() == ["used"]
    with pytest.raises(PlutinoError, match="not kept by this server"):
        await bench.archive(dumps({"file": "blob:" + "0" * 64}), "b")


async def test_exports_carry_bytes_that_only_this_server_has(bench: Staged) -> None:
    """The text of a document can be read elsewhere; importing it where it comes from is no change."""
    async with bench.control.holding(b"mine") as url:
        await bench.archive(dumps({"file": url}))
    exported = await bench.control.export(V1)
    assert "data:,mine" in str(exported)
