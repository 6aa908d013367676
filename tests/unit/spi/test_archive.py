"""Archives from outside: what is read, and what is refused before anything is unpacked."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from plutino.errors import DefinitionError, PlutinoError
from plutino.spi.archive import Limits, check_entry_name, open_archive

LINK = 0o120777 << 16


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in entries:
            file.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[bytes], Path]:
    def store(data: bytes) -> Path:
        path = tmp_path / "a.zip"
        path.write_bytes(data)
        return path

    return store


def read_all(path: Path, limits: Limits) -> dict[str, bytes]:
    with open_archive(path, limits) as archive:
        return {name: archive.read(name) for name in archive.names}


def refusal(path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(DefinitionError) as caught:
        read_all(path, limits or Limits())
    return caught.value.message


def test_files_are_listed_and_read(stored: Callable[[bytes], Path]) -> None:
    """Files come out as they were put in; directories are no files."""
    folder = zipfile.ZipInfo("lib/")
    folder.external_attr = 0o040755 << 16 | 0x10
    path = stored(zipped(("a.json", b"\xef\xbb\xbf{}"), (folder, b""), ("lib/b.txt", b"x" * 5000)))
    with open_archive(path) as archive:
        assert archive.names == ("a.json", "lib/b.txt")
        assert archive.text("a.json", 100) == "{}"
        assert archive.read("lib/b.txt") == b"x" * 5000
        assert "a.json" in archive
        assert "lib" not in archive
        assert archive.find("A.JSON") == "a.json"
        assert archive.find("c.json") is None


def test_what_is_missing_or_too_large_is_not_read(stored: Callable[[bytes], Path]) -> None:
    """A reader says how much it takes."""
    with open_archive(stored(zipped(("a", b"12345"), ("b", b"\xff")))) as archive:
        with pytest.raises(DefinitionError, match="missing c"):
            archive.read("c")
        with pytest.raises(DefinitionError, match="zip entry a has 5 bytes; at most 4 are read"):
            archive.read("a", 4)
        with pytest.raises(DefinitionError, match="UTF-8 is expected"):
            archive.text("b", 10)


@pytest.mark.parametrize(
    "name",
    [
        "../a", "a/../../b", "a/..", "/etc/passwd", "//x", "a//b", "./a", "a/./b", "..", ".", "C:/x", "C:x", "a\\b", "..\\a", "\\\\host\\a",
        "a\0b", "a\nb", "con", "NUL.txt", "a/COM1", "lpt9.log", "a.", "a ", " a", "x" * 256, "y/" * 600 + "z", "a:b", "what?", "",
    ],
)  # fmt: skip
def test_names_that_leave_or_confuse_are_refused(name: str) -> None:
    """No name means anything but a file below the root, on any system."""
    with pytest.raises(DefinitionError):
        check_entry_name(name)


@pytest.mark.parametrize("name", ["a", "a/b/c.txt", ".hidden", "a..b", "console.log", "comma", "über/straße.txt", "dir/"])
def test_common_names_are_taken(name: str) -> None:
    """What only looks alike is taken."""
    check_entry_name(name)


@pytest.mark.parametrize("name", ["../evil.py", "/tmp/evil.py", "a/../../evil.py"])
def test_traversal_refuses_the_whole_archive(stored: Callable[[bytes], Path], name: str) -> None:
    """One such entry is enough, wherever it stands."""
    assert "leaves its directory" in refusal(stored(zipped(("good.json", b"{}"), (name, b"x"))))


def test_links_and_special_files_are_refused(stored: Callable[[bytes], Path]) -> None:
    """A link inside of an archive could point anywhere."""
    link = zipfile.ZipInfo("etc")
    link.external_attr = LINK
    assert "link or special file" in refusal(stored(zipped((link, b"/etc"))))


def test_twins_are_refused(stored: Callable[[bytes], Path]) -> None:
    """Names that are one on some systems, and a file that is a directory as well."""
    assert "given twice" in refusal(stored(zipped(("a.txt", b"1"), ("A.TXT", b"2"))))
    assert "below a file" in refusal(stored(zipped(("a", b"1"), ("a/b", b"2"))))


def test_limits_hold_before_unpacking(stored: Callable[[bytes], Path]) -> None:
    """Entries, sizes and ratio are known from the directory."""
    many = stored(zipped(*((f"f{i}", b"") for i in range(11))))
    assert refusal(many, Limits(entries=10)) == "zip file has 11 entries; at most 10 are read"
    large = stored(zipped(("a", b"ab" * 600), ("b", b"ba" * 600)))
    assert refusal(large, Limits(entry=1000)) == "zip entry a has 1200 bytes; at most 1000 are read"
    assert refusal(large, Limits(total=2000)) == "zip file has more than 2000 bytes when unpacked"
    bomb = stored(zipped(("bomb", bytes(8 << 20))))
    assert "at most 200 times" in refusal(bomb)


def test_a_directory_that_lies_about_a_size_is_found_out(stored: Callable[[bytes], Path]) -> None:
    """More bytes than announced are never handed over."""
    data = bytearray(zipped(("a", b"x" * 1000)))
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 10)
    assert refusal(stored(bytes(data))).startswith("zip entry a")


def test_encrypted_and_unusual_entries_are_refused(stored: Callable[[bytes], Path]) -> None:
    """Only plain deflated or stored entries are read."""
    data = bytearray(zipped(("a", b"x")))
    at = data.rfind(b"PK\x01\x02")
    data[at + 8] |= 1
    assert "encrypted" in refusal(stored(bytes(data)))
    assert "compression 14" in refusal(stored(zipped(("a", b"x"), compression=zipfile.ZIP_LZMA)))


def test_entries_that_share_bytes_are_refused(stored: Callable[[bytes], Path]) -> None:
    """The trick of bombs that unpack to far more than they hold."""
    data = bytearray(zipped(("a", b"x" * 300), ("b", b"y" * 300), compression=zipfile.ZIP_STORED))
    first = data.find(b"PK\x01\x02")
    second = data.find(b"PK\x01\x02", first + 1)
    data[second + 42 : second + 46] = struct.pack("<I", 20)
    assert "inside of another entry" in refusal(stored(bytes(data)))


@pytest.mark.parametrize("data", [b"", b"this is no zip", b"PK\x05\x06", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_archive_is_said_to_be_none(stored: Callable[[bytes], Path], data: bytes) -> None:
    """The text is the one that clients know."""
    assert refusal(stored(data)) == "zip: not a valid zip file"


def test_a_directory_that_claims_too_much_is_not_read(stored: Callable[[bytes], Path]) -> None:
    """The end record is looked at before memory is spent on the directory."""
    data = bytearray(zipped(("a", b"x")))
    end = data.rfind(b"PK\x05\x06")
    data[end + 10 : end + 12] = struct.pack("<H", 60_000)
    assert refusal(stored(bytes(data))) == "zip file has 60000 entries; at most 10000 are read"
    data[end + 10 : end + 16] = struct.pack("<HI", 1, 1 << 31)
    assert refusal(stored(bytes(data))) == "zip: not a valid zip file"
    located = bytes(data[:end]) + b"PK\x06\x07" + bytes(16) + bytes(data[end:])
    assert "zip64" in refusal(stored(located))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """An archive that is gone is not a wrong archive."""
    with pytest.raises(PlutinoError, match="no such file"):
        open_archive(tmp_path / "none.zip")
