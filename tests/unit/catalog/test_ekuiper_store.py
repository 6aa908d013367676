"""An eKuiper data directory is read as its own server exports it, and nothing in it changes."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import sqlite3
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plutino.catalog.ekuiper import ForeignObject, gob, read_store
from plutino.control.documents import V1, finish
from plutino.errors import FormatError, PlutinoError

STORE = Path(__file__).resolve().parents[2] / "corpus" / "store"


def gob_text(text: str) -> bytes:
    """A text as Go encodes it."""
    data = text.encode()
    assert len(data) < 100
    return bytes([len(data) + 3, 0x0C, 0, len(data)]) + data


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A data directory of the original with its database."""
    data = tmp_path / "kuiper" / "data"
    data.mkdir(parents=True)
    shutil.copy(STORE / "sqliteKV.db", data)
    return data


def add(directory: Path, table: str, **texts: str) -> None:
    """Store values in a table."""
    with sqlite3.connect(directory / "sqliteKV.db") as connection:
        connection.execute(f'CREATE TABLE IF NOT EXISTS "{table}" (key VARCHAR PRIMARY KEY, val BLOB)')
        connection.executemany(f'INSERT INTO "{table}" VALUES (?, ?)', [(key, gob_text(text)) for key, text in texts.items()])
    connection.close()


def found(directory: Path) -> dict[tuple[str, str, str], ForeignObject]:
    return {(o.section, o.entry, o.key): o for o in read_store(directory)[0]}


def state(directory: Path) -> dict[str, tuple[int, str]]:
    """Every file with its time and hash."""
    return {str(p): (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest()) for p in sorted(directory.rglob("*")) if p.is_file()}


def test_the_store_says_what_its_server_exports(directory: Path) -> None:
    """Every object has the text of the server's own export, character by character; the directory is as before."""
    before = state(directory)
    objects, notes = read_store(directory)
    truth = finish(V1.read((STORE / "export.json").read_text()))
    assert {(o.section, o.entry, o.key): o.text for o in objects} == {o.place: o.text for o in truth.objects}
    assert notes == []
    assert state(directory) == before


@pytest.mark.parametrize("place", ["", "sqliteKV.db", ".."])
def test_where_a_store_may_lie(directory: Path, place: str) -> None:
    """The directory, the database and the directory above are all taken."""
    assert len(read_store(directory / place)[0]) == 14


def test_what_is_not_in_the_main_file_yet_is_read(directory: Path) -> None:
    """A running server has new values in its write-ahead log; they are read, and the log stays."""
    connection = sqlite3.connect(directory / "sqliteKV.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("INSERT INTO rule VALUES (?, ?)", ("late", gob_text('{"id":"late"}')))
    assert (directory / "sqliteKV.db-wal").stat().st_size > 0
    assert found(directory)["rules", "late", ""].text == '{"id":"late"}'
    connection.close()


def test_files_that_no_table_knows(directory: Path) -> None:
    """Files from upload forms come along; the bytes of recorded ones are looked for where they came from, then where they were kept."""
    uploads = directory / "uploads"
    (uploads / "sub").mkdir(parents=True)
    (uploads / "units.json").write_text("recorded: its text counts")
    (uploads / "sub" / "form.bin").write_bytes(b"\xff\x00")
    (uploads / "kept.csv").write_text("a,b")
    add(directory, "uploads", **{"kept.csv": '{"name":"kept.csv","file":"http://far/kept.csv"}'})
    objects = found(directory)
    assert objects["uploads", "units.json", ""].bytes_of == ()
    form = objects["uploads", "sub/form.bin", ""]
    assert form.bytes_of == (("file", b"\xff\x00"),)
    assert json.loads(form.text) == {"name": "sub/form.bin", "file": f"file://{uploads}/sub/form.bin"}
    assert objects["uploads", "kept.csv", ""].bytes_of == (("file", b"a,b"),)


def test_installed_plugins_and_schemas(directory: Path) -> None:
    """A plugin whose package is gone is packed again, a schema is read from where it was put; what is nowhere is told."""
    plugin = directory.parent / "plugins" / "portable" / "mirror"
    plugin.mkdir(parents=True)
    (plugin / "mirror.json").write_text("{}")
    (plugin / "main.py").write_text("pass")
    (directory / "schemas" / "protobuf").mkdir(parents=True)
    (directory / "schemas" / "protobuf" / "far@2.proto").write_text("message M {}")
    add(directory, "portablePlugin", mirror='{"name":"mirror","file":"http://h/mirror.zip"}')
    add(directory, "schema", protobuf_far='{"type":"protobuf","name":"far","file":"http://h/far.proto","version":"2"}')
    add(directory, "nativePlugin", sources_x='{"name":"x","file":"http://h/x.zip"}')
    add(directory, "serviceInstall", **{"$boot_install": "{}"})
    objects, notes = read_store(directory)
    beside = {o.entry: o.bytes_of for o in objects if o.bytes_of}
    assert zipfile.ZipFile(io.BytesIO(beside["mirror"][0][1])).namelist() == ["main.py", "mirror.json"]
    assert beside["protobuf_far"] == (("file", b"message M {}"),)
    assert notes == [
        "nativePlugins sources_x: http://h/x.zip is not on this machine; an import asks for it there",
        "Service $boot_install: a mark of the other server, not an object; it is left out",
    ]


def test_values_that_are_none_are_told(directory: Path) -> None:
    """A broken value is left out with a note; the others are read."""
    with sqlite3.connect(directory / "sqliteKV.db") as connection:
        connection.execute("INSERT INTO rule VALUES ('bad', ?)", (b"\x05\x0c\x00\x20ab",))
        connection.execute("INSERT INTO stream VALUES ('odd', ?)", (gob_text("no json"),))
    connection.close()
    objects, notes = read_store(directory)
    assert len(objects) == 14
    assert notes[0].startswith("stream odd: no stored stream")
    assert notes[1].startswith("rule bad: gob value: at byte 4")


def test_directories_that_are_none(tmp_path: Path) -> None:
    """A directory without a store, and a file that is no database, are refused with what is expected."""
    with pytest.raises(PlutinoError, match=r"no sqliteKV.db; the data directory of an eKuiper server is expected"):
        read_store(tmp_path)
    (tmp_path / "sqliteKV.db").write_text("not a database, but long enough to be looked at" * 50)
    with pytest.raises(PlutinoError, match="the database of an eKuiper server is expected"):
        read_store(tmp_path)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("0304 0008", 4),
        ("0304 0007", -4),
        ("05 0800 fe f03f", 1.0),
        ("03 0200 01", True),
        ("06 0c00 03 c3bc21", "ü!"),
        ("05 0a00 02 00ff", b"\x00\xff"),
    ],
)
def test_plain_values(data: str, value: object) -> None:
    """Numbers, texts and bytes as Go writes them."""
    assert gob.decode(bytes.fromhex(data)) == value


@pytest.mark.parametrize("data", ["", "03", "0304", "03ff000000", "0304 0108", "04 0400 0808", "0d7f040102ff8000010c01100000"])
def test_what_is_no_value(data: str) -> None:
    """Cut, overlong and undescribed values are refused, and so is a description without a value."""
    with pytest.raises(FormatError, match="gob value: at byte"):
        gob.decode(bytes.fromhex(data))


@given(st.binary(max_size=60) | st.binary(max_size=30).map(lambda b: bytes.fromhex("0d7f040102ff8000010c01100000") + b))
def test_no_bytes_do_harm(data: bytes) -> None:
    """Every text of bytes is a value or a FormatError."""
    with contextlib.suppress(FormatError):
        gob.decode(data)
