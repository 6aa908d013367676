"""Whatever bytes come as an archive: they are read within limits or refused with a reason, and never reach outside."""

from __future__ import annotations

import io
import posixpath
import tempfile
import zipfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from plutino.errors import PlutinoError
from plutino.spi.archive import Limits, check_entry_name, open_archive

LIMITS = Limits(entries=20, entry=10_000, total=30_000)
PARTS = st.sampled_from(["a", "b.txt", "..", ".", "", "con", "C:", "a b", "ä", "\\", "\0", "x" * 300, "~", "%2e%2e"])
NAMES = st.lists(PARTS, min_size=1, max_size=5).map("/".join)


def _read_all(data: bytes) -> dict[str, bytes] | str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.zip"
        path.write_bytes(data)
        try:
            with open_archive(path, LIMITS) as archive:
                return {name: archive.read(name) for name in archive.names}
        except PlutinoError as error:
            return error.message or "no reason"


@given(NAMES)
def test_a_name_that_passes_stays_below_its_root(name: str) -> None:
    """Joined to any directory, an accepted name is below it, with either separator."""
    try:
        check_entry_name(name)
    except PlutinoError:
        return
    joined = posixpath.normpath(posixpath.join("/data/here", name))
    assert joined.startswith("/data/here/")
    assert "\\" not in name
    assert ":" not in name


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}", fullmatch=True), st.binary(max_size=500), max_size=15))
def test_what_was_packed_comes_out(files: dict[str, bytes]) -> None:
    """An honest archive is read as it was written, unless a name is file and directory at once."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    found = _read_all(buffer.getvalue())
    if isinstance(found, str):
        assert "below a file" in found or "device" in found
    else:
        assert found == files


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_damage_is_refused_or_harmless(data: st.DataObject) -> None:
    """Changed bytes of an archive give its files, less of them, or a reason; never another error and never more than the limits."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))) as archive:
        for name in ("a.json", "lib/b.txt", "lib/c.txt"):
            archive.writestr(name, b"some text " * 40)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    found = _read_all(bytes(content[:cut] if data.draw(st.booleans()) else content))
    if not isinstance(found, str):
        assert sum(map(len, found.values())) <= LIMITS.total


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_noise_is_refused(noise: bytes) -> None:
    """Bytes that are no archive are said to be none."""
    assert isinstance(_read_all(noise), str)
