"""File sink: everything that was handed over is in a file, whatever happens to it."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from plutino.connectors.file import CONNECTOR
from plutino.connectors.file.sink import FileSink
from plutino.connectors.file.writing import Writer
from plutino.errors import AccessError, DeliveryError, PlutinoError, TransportError
from plutino.spi.options import decode_options
from plutino.testing import FakeClock, check_sink, sink_context


def sink(tmp_path: Path, options: dict[str, Any], **members: Any) -> FileSink:
    """A file sink over a data folder."""
    spec = CONNECTOR.sink
    assert spec is not None
    made = spec.create(decode_options(spec.options, options), sink_context(str(tmp_path), **members))
    assert isinstance(made, FileSink)
    return made


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


async def test_lines_are_there_at_once_and_continued(tmp_path: Path) -> None:
    """No buffer of our own; what was there stays."""
    (tmp_path / "f").write_bytes(b"old\n")
    made = sink(tmp_path, {"path": "f"})
    await made.open()
    made.write([b"1", b"2"], None)
    assert (tmp_path / "f").read_bytes() == b"old\n1\n2\n"
    await made.close()
    await check_sink(CONNECTOR, {"path": "f"}, [b"3"], sink_context(str(tmp_path)))
    assert (tmp_path / "f").read_bytes() == b"old\n1\n2\n3\n3\n"


async def test_missing_folders_are_made(tmp_path: Path) -> None:
    """All of them."""
    await check_sink(CONNECTOR, {"path": "a/b/c.txt"}, [b"1"], sink_context(str(tmp_path)))
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"1\n1\n"


async def test_a_json_file_is_one_array_and_goes_on(tmp_path: Path) -> None:
    """Closed, crashed, empty and foreign files."""
    fresh, continued = [1, 2], [0, 1, 2]
    for before, expected in ((None, fresh), (b"", fresh), (b"[]", fresh), (b"[0]", continued), (b"[0 ] \n", continued), (b"[0", continued)):
        path = tmp_path / "f.json"
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_bytes(before)
        made = sink(tmp_path, {"path": "f.json", "fileType": "json"})
        made.write([b"1"], None)
        made.write([b"2"], None)
        await made.close()
        assert json.loads(path.read_bytes()) == expected
    path.write_bytes(b'{"foreign": 1}')
    made = sink(tmp_path, {"path": "f.json", "fileType": "json"})
    made.write([b"1"], None)
    await made.close()
    assert sorted(contents(tmp_path).values()) == [b"[1]", b'{"foreign": 1}']


async def test_csv_has_a_header_per_file(tmp_path: Path) -> None:
    """From ``fields``, else from the encoder; not again in a file that goes on."""
    options = {"path": "f.csv", "fileType": "csv", "format": "delimited", "hasHeader": True}
    for extra, members in (({"fields": ["a", "b"], "delimiter": ";"}, {}), ({}, {"header": lambda: b"a;b"})):
        (tmp_path / "f.csv").unlink(missing_ok=True)
        for row in (b"1;2", b"3;4"):
            made = sink(tmp_path, {**options, **extra}, **members)
            made.write([row], None)
            await made.close()
        assert (tmp_path / "f.csv").read_bytes() == b"a;b\n1;2\n3;4\n"


async def test_rolling_by_count_keeps_every_file(tmp_path: Path) -> None:
    """A batch is cut where a file is full; finished files get names with the time."""
    clock = FakeClock(1000)
    made = sink(tmp_path, {"path": "f.txt", "rollingCount": 2}, clock=clock)
    made.write([b"1", b"2", b"3", b"4", b"5"], None)
    await made.close()
    assert contents(tmp_path) == {"f-1000-1.txt": b"3\n4\n", "f-1000.txt": b"1\n2\n", "f.txt": b"5\n"}


@pytest.mark.parametrize(("pattern", "names"), [("prefix", ["1000-f.txt", "1001-f.txt"]), ("suffix", ["f-1000.txt", "f-1001.txt"])])
async def test_name_patterns(tmp_path: Path, pattern: str, names: list[str]) -> None:
    """The time of opening is in the name, each name is new."""
    made = sink(tmp_path, {"path": "f.txt", "rollingCount": 1, "rollingNamePattern": pattern}, clock=FakeClock(1000))
    made.write([b"1", b"2"], None)
    await made.close()
    assert list(contents(tmp_path)) == names


async def test_rolling_by_size(tmp_path: Path) -> None:
    """A file ends with the message that fills it; a full one that was there is put aside first."""
    (tmp_path / "f").write_bytes(b"123456789\n")
    made = sink(tmp_path, {"path": "f", "rollingSize": 6}, clock=FakeClock(7))
    made.write([b"1", b"22", b"333", b"4"], None)
    await made.close()
    assert contents(tmp_path) == {"f": b"4\n", "f-7": b"123456789\n", "f-7-1": b"1\n22\n333\n"}


async def test_rolling_by_age_needs_no_message(tmp_path: Path) -> None:
    """A file is finished when its time has come, also when nothing is written any more."""
    clock = FakeClock(0)
    made = sink(tmp_path, {"path": "f.json", "fileType": "json", "rollingInterval": "10s", "checkInterval": "1s"}, clock=clock)
    await made.open()
    made.write([b"1"], None)
    await clock.advance(9_000)
    assert contents(tmp_path) == {"f.json": b"[1"}
    await clock.advance(1_000)
    assert contents(tmp_path) == {"f-10000.json": b"[1]"}
    made.write([b"2"], None)
    clock.move(10_000)
    made.write([b"3"], None)
    await made.close()
    assert contents(tmp_path) == {"f-10000.json": b"[1]", "f-20000.json": b"[2]", "f.json": b"[3]"}


@pytest.mark.parametrize(("kind", "expected"), [("lines", b"1\n2\n3\n"), ("json", b"[3]")])
async def test_gzip_reads_back(tmp_path: Path, kind: str, expected: bytes) -> None:
    """A stream per opening; lines go on in another member, an array begins anew beside the old file."""
    for items in ([b"1", b"2"], [b"3"]):
        made = sink(tmp_path, {"path": "f.gz", "compression": "gzip", "fileType": kind})
        for item in items:
            made.write([item], None)
        await made.close()
    assert gzip.decompress((tmp_path / "f.gz").read_bytes()) == expected
    assert len(contents(tmp_path)) == (1 if kind == "lines" else 2)


async def test_the_path_may_come_with_each_message(tmp_path: Path) -> None:
    """Runs of one path are written together; a path that is not allowed does not hold up the others."""

    def allow(path: str) -> str:
        if "/" in path:
            raise AccessError(f"file access denied: {path}")
        return os.path.join(tmp_path, path)

    made = sink(tmp_path, {"path": "{{.p}}"}, allow_file=allow)
    properties = [{"path": p} for p in ("a", "a", "../x", "b", "a")]
    with pytest.raises(DeliveryError, match="denied"):
        made.write([b"1", b"2", b"3", b"4", b"5"], properties)
    assert contents(tmp_path) == {"a": b"1\n2\n5\n", "b": b"4\n"}
    await made.close()


async def test_many_paths_keep_few_files_open(tmp_path: Path) -> None:
    """A file that was closed meanwhile goes on."""
    made = sink(tmp_path, {"path": "{{.p}}", "fileType": "json"})
    for turn in (b"1", b"2"):
        made.write([turn] * 150, [{"path": f"{i}"} for i in range(150)])
    assert len(made._writers) <= 100
    await made.close()
    assert set(contents(tmp_path).values()) == {b"[1,2]"}


async def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write is taken back, the error says how many messages are safe, and a retry gives each message once."""
    made = sink(tmp_path, {"path": "f", "rollingCount": 2})
    room = [9]
    write = os.write

    def limited(fd: int, data: bytes) -> int:
        if room[0] <= 0:
            raise OSError(28, "No space left on device")
        part = data[: room[0]]
        room[0] -= len(part)
        return write(fd, part)

    monkeypatch.setattr(os, "write", limited)
    items = [b"11", b"22", b"33", b"44"]
    with pytest.raises(TransportError, match="No space left") as caught:
        made.write(items, None)
    assert caught.value.delivered == 2
    room[0] = 1000
    made.write(items[2:], None)
    await made.close()
    assert sorted(contents(tmp_path).values()) == [b"11\n22\n", b"33\n44\n"]


async def test_a_failed_compressed_write_begins_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compressor has gone on, so the file cannot."""
    made = sink(tmp_path, {"path": "f", "compression": "gzip"}, clock=FakeClock(5))
    made.write([b"1"], None)

    def fail(self: Writer, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "_append", fail)
        with pytest.raises(TransportError):
            made.write([b"2"], None)
    made.write([b"2"], None)
    await made.close()
    assert gzip.decompress((tmp_path / "f").read_bytes()) == b"2\n"
    assert (tmp_path / "f-5").exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"rollingCount": 0}, "one of rollingInterval, rollingCount, or rollingSize must be set"),
        ({"rollingInterval": -1}, "rollingInterval must be positive"),
        ({"rollingCount": -1}, "rollingCount must be positive"),
        ({"rollingSize": -1}, "rollingSize must be positive"),
        ({"checkInterval": -1}, "checkInterval must be positive"),
        ({"rollingNamePattern": "x"}, "rollingNamePattern must be one of prefix, suffix or none"),
        ({"path": ""}, "path must be set"),
        ({"fileType": "xml"}, "fileType must be one of json, csv or lines"),
        ({"fileType": "csv"}, "format must be delimited when fileType is csv"),
        ({"compression": "zip"}, "compression must be one of gzip, zstd"),
        ({"rollingHook": "h"}, "rolling hook h is not registered"),
        ({"encryption": "aes"}, "encryption aes"),
    ],
)
def test_sink_refuses(tmp_path: Path, options: dict[str, Any], text: str) -> None:
    """Texts of the original."""
    with pytest.raises(PlutinoError, match=text):
        sink(tmp_path, options)
