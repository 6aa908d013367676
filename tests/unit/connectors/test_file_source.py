"""File source: what is in files arrives once, in order, and goes on where it was."""

from __future__ import annotations

import asyncio
import gzip
import os
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plutino.connectors.file import CONNECTOR
from plutino.connectors.file import reading as reading_module
from plutino.connectors.file.reading import line_blocks
from plutino.errors import PlutinoError
from plutino.spi.options import decode_options
from plutino.testing import CollectingInlet, FakeClock, check_source, check_source_refuses, check_source_resumes, source_context


async def read(tmp_path: Path, name: str, **options: Any) -> list[Any]:
    """All messages of a bounded source."""
    deliveries = await check_source(CONNECTOR, {"path": str(tmp_path), **options}, name, source_context(str(tmp_path)), messages=10**9)
    inlet = CollectingInlet()
    for delivery in deliveries:
        await inlet.put(delivery)
    assert all(d.meta == {"file": str(tmp_path / name)} for d in deliveries)
    return inlet.messages


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (b"1\n2\n3\n", {}, [b"1", b"2", b"3"]),
        (b"1\r\n2\r\n\r\n3", {}, [b"1", b"2", b"3"]),
        (b"", {}, []),
        (b"1\n2\n3\n4\n5\n", {"ignoreStartLines": 1, "ignoreEndLines": 2}, [b"2", b"3"]),
        (b"1\n2", {"ignoreEndLines": 1}, [b"1"]),
        (b"1\n2\n", {"ignoreEndLines": 5}, []),
        (b"1\n2\n", {"ignoreStartLines": 5}, []),
        (b"1\n2\n", {"ignoreStartLines": -1, "ignoreEndLines": -2}, [b"1", b"2"]),
    ],
)
async def test_lines(tmp_path: Path, content: bytes, options: dict[str, Any], expected: list[bytes]) -> None:
    """Line ends of both kinds, a last line without one, lines to leave out."""
    (tmp_path / "f.txt").write_bytes(content)
    assert await read(tmp_path, "f.txt", fileType="lines", **options) == expected


_LINE = st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b""))


@given(lines=st.lists(_LINE, max_size=40), size=st.integers(1, 64), ends=st.integers(0, 3))
def test_blocks_hold_all_lines_whatever_their_size(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], size: int, ends: int
) -> None:
    """Blocks end at line ends, their offsets allow to go on anywhere."""
    path = tmp_path_factory.mktemp("blocks") / "f"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    before, reading_module.BLOCK = reading_module.BLOCK, size
    try:
        blocks = list(line_blocks(str(path), 0, 0, ends))
        expected = b"".join(line + b"\n" for line in (lines[:-ends] if ends else lines))
        assert b"".join(block for block, _ in blocks) == expected
        for i, (_, offset) in enumerate(blocks):
            rest = b"".join(block for block, _ in line_blocks(str(path), offset, 0, ends)) if offset else expected
            assert rest == b"".join(block for block, _ in blocks[i + 1 :])
    finally:
        reading_module.BLOCK = before


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ('a,b\n1,"x,\ny"\n2, z\n', {"hasHeader": True}, [{"a": "1", "b": "x,\ny"}, {"a": "2", "b": "z"}]),
        ("1;2\n3\n", {"delimiter": ";;", "columns": ["a", "b"]}, [{"a": "1", "b": "2"}, {"a": "3"}]),
        ("1,2,3\n", {"columns": ["a"]}, [{"a": "1"}]),
        ("1,2\n", {}, [{"cols0": "1", "cols1": "2"}]),
        ("skip\na\n1\n2\n3\n", {"hasHeader": True, "ignoreStartLines": 1, "ignoreEndLines": 1}, [{"a": "1"}, {"a": "2"}]),
        ("\ufeffa\n1\n", {"hasHeader": True}, [{"a": "1"}]),
    ],
)
async def test_csv(tmp_path: Path, content: str, options: dict[str, Any], expected: list[dict[str, str]]) -> None:
    """Quotes, names from header, columns or numbers, short and long rows, a byte order mark."""
    (tmp_path / "f.csv").write_text(content)
    assert await read(tmp_path, "f.csv", fileType="csv", **options) == expected


@pytest.mark.parametrize(
    ("decompression", "compress"),
    [
        ("", lambda b: b),
        ("gzip", gzip.compress),
        ("gzip", lambda b: gzip.compress(b[:5]) + gzip.compress(b[5:])),
        ("zlib", zlib.compress),
        ("flate", lambda b: (c := zlib.compressobj(wbits=-15)).compress(b) + c.flush()),
    ],
)
async def test_whole_files(tmp_path: Path, decompression: str, compress: Any) -> None:
    """A json file is one payload, decompressed here as the engine sees no stream of payloads."""
    (tmp_path / "f.json").write_bytes(compress(b'[{"a":1},{"a":2}]'))
    assert await read(tmp_path, "f.json", decompression=decompression) == [b'[{"a":1},{"a":2}]']


async def test_a_broken_file_is_reported_not_fatal(tmp_path: Path) -> None:
    """What does not decompress counts as trouble of the source."""
    (tmp_path / "f.json").write_bytes(b"no gzip")
    spec = CONNECTOR.source
    assert spec is not None
    options = decode_options(spec.options, {"path": str(tmp_path), "decompression": "gzip"})
    inlet = CollectingInlet()
    await spec.create(options, "f.json", source_context(str(tmp_path))).run(inlet, None)
    assert "failed to decompress" in inlet.faults[0]


@pytest.mark.parametrize("options", [{"fileType": "lines"}, {"fileType": "csv", "columns": ["a"]}])
async def test_a_checkpoint_goes_on_where_it_was(tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever position was stored, exactly the rest follows."""
    count = 5000
    monkeypatch.setattr(reading_module, "BLOCK", 4096)
    (tmp_path / "f").write_text("".join(f"{i}\n" for i in range(count)))
    expected: list[Any] = [b"%d" % i for i in range(count)] if options["fileType"] == "lines" else [{"a": str(i)} for i in range(count)]
    await check_source_resumes(CONNECTOR, {"path": str(tmp_path), **options}, "f", lambda: source_context(str(tmp_path)), expected)


async def test_pause_between_rows(tmp_path: Path) -> None:
    """``sendInterval`` sends line by line; a JSON array element by element."""
    (tmp_path / "f.txt").write_bytes(b"1\n2\n3\n")
    (tmp_path / "f.json").write_bytes(b' [{"a": 1}, {"b": [1, 2]}]')
    for name, kind, expected in (("f.txt", "lines", [b"1", b"2", b"3"]), ("f.json", "json", [b'{"a": 1}', b'{"b": [1, 2]}'])):
        clock = FakeClock()
        inlet, running = start(tmp_path, name, clock, fileType=kind, sendInterval="1s")
        for i in range(len(expected)):
            async with asyncio.timeout(10):
                while len(inlet.messages) <= i:  # a whole file is read in a thread
                    await settle()
                    await clock.advance(0)
            assert len(inlet.messages) == i + 1
            await clock.advance(1000)
        await running
        assert inlet.messages == expected


async def test_a_file_is_read_again_each_interval(tmp_path: Path) -> None:
    """Also when it was away meanwhile."""
    path = tmp_path / "f.txt"
    path.write_bytes(b"1\n")
    clock = FakeClock()
    inlet, running = start(tmp_path, "f.txt", clock, fileType="lines", interval=100)
    await clock.advance(0)
    path.unlink()
    await clock.advance(100)
    assert "No such file" in inlet.faults[0]
    path.write_bytes(b"2\n")
    await clock.advance(100)
    assert inlet.messages == [b"1", b"2"]
    running.cancel()


async def test_a_folder_is_read_in_order_of_change_and_watched(tmp_path: Path) -> None:
    """Old files first; new ones when they do not change any more; sub-folders are left alone."""
    clock = FakeClock()
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    put(folder / "b.json", b'{"n":1}', clock, -5000)
    put(folder / "a.json", b'{"n":2}', clock, -4000)
    inlet, running = start(tmp_path, "in", clock)
    await patient(inlet, clock, 2)
    put(folder / "c.json", b'{"n":', clock, 0)
    await clock.advance(1000)
    put(folder / "c.json", b'{"n":3}', clock, 0)
    await patient(inlet, clock, 3)
    assert inlet.messages == [b'{"n":1}', b'{"n":2}', b'{"n":3}']
    assert inlet.position["after"][1] == "a.json"
    running.cancel()


async def test_lines_that_are_appended_are_read_alone(tmp_path: Path) -> None:
    """A line is taken when it is whole; a file that was replaced is read from its start."""
    clock = FakeClock()
    folder = tmp_path / "in"
    folder.mkdir()
    inlet, running = start(tmp_path, "in", clock, fileType="lines")
    put(folder / "log", b"1\n2", clock, 0)
    await clock.advance(0)
    assert inlet.messages == [b"1"]
    put(folder / "log", b"1\n2\n3\n", clock, 0)
    await patient(inlet, clock, 3)
    put(folder / "log", b"other, longer than before\n", clock, 0)
    await patient(inlet, clock, 4)
    assert inlet.messages == [b"1", b"2", b"3", b"other, longer than before"]
    running.cancel()


@pytest.mark.parametrize("action", [1, 2])
async def test_a_file_goes_when_the_rules_are_done(tmp_path: Path, action: int) -> None:
    """Deleting and moving wait for the acknowledgement of its last rows."""
    path = tmp_path / "f.txt"
    path.write_bytes(b"1\n")
    inlet = CollectingInlet(acknowledge=False)
    spec = CONNECTOR.source
    assert spec is not None
    options = decode_options(spec.options, {"path": str(tmp_path), "fileType": "lines", "actionAfterRead": action, "moveTo": "done"})
    await spec.create(options, "f.txt", source_context(str(tmp_path))).run(inlet, None)
    assert path.exists()
    [delivery] = inlet.deliveries
    assert delivery.ack is not None
    delivery.ack()
    assert not path.exists()
    assert (tmp_path / "done" / "f.txt").exists() == (action == 2)


async def test_the_original_base_folder_is_understood(tmp_path: Path) -> None:
    """``data`` was the data folder below the base folder; here paths start at the data folder."""
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "f.txt").write_bytes(b"1\n")
    for path in ("data/uploads", "uploads"):
        deliveries = await check_source(CONNECTOR, {"path": path, "fileType": "lines"}, "f.txt", source_context(str(tmp_path)))
        assert deliveries[0].lines == b"1\n"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "missing property Path"),
        ({"path": "."}, r"file .*/none not exist"),
        ({"path": ".", "fileType": "lines", "decompression": "gzip"}, "decompression is not supported for lines file type"),
        ({"path": ".", "decompression": "lzma"}, "decompression lzma"),
        ({"path": ".", "fileType": "parquet"}, "parquet"),
        ({"path": ".", "actionAfterRead": 3}, "invalid actionAfterRead: 3"),
        ({"path": ".", "actionAfterRead": 2}, "missing moveTo"),
        ({"path": ".", "interval": -1}, "interval must be positive"),
    ],
)
async def test_source_refuses(tmp_path: Path, options: dict[str, Any], text: str) -> None:
    """What can never work is refused when the rule is made."""
    spec = CONNECTOR.source
    assert spec is not None
    with pytest.raises(PlutinoError, match=text):
        spec.create(decode_options(spec.options, options), "none", source_context(str(tmp_path)))
    await check_source_refuses(CONNECTOR, source_context(str(tmp_path)), [(options, "none")])


def start(tmp_path: Path, name: str, clock: FakeClock, **options: Any) -> tuple[CollectingInlet, asyncio.Future[None]]:
    """Run a source on a clock that stands still."""
    spec = CONNECTOR.source
    assert spec is not None
    made = spec.create(decode_options(spec.options, {"path": str(tmp_path), **options}), name, source_context(str(tmp_path), clock=clock))
    inlet = CollectingInlet()
    return inlet, asyncio.ensure_future(made.run(inlet, None))


def put(path: Path, content: bytes, clock: FakeClock, age_ms: int) -> None:
    """Write a file with a time of change relative to the clock."""
    path.write_bytes(content)
    stamp = (clock.now_ms() + age_ms) * 1_000_000
    os.utime(path, ns=(stamp, stamp))


async def patient(inlet: CollectingInlet, clock: FakeClock, count: int) -> None:
    """Let time pass until so many messages are there (whole files are read in a thread)."""
    for _ in range(20):
        await clock.advance(1000)
        await settle()
        if len(inlet.messages) >= count:
            # the source gets to its next wait, so that what a test does then is not seen one look too early
            await settle()
            await clock.advance(0)
            return


async def settle() -> None:
    """Let threads that read a file finish."""
    await asyncio.to_thread(lambda: None)
    await asyncio.get_running_loop().run_in_executor(None, lambda: None)
