"""Files of stored objects: whole or not at all, and never outside of their directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from plutino.errors import PlutinoError, TransportError
from plutino.spi.placement import check_name, check_place, displace, is_placed, place


@pytest.mark.parametrize("name", ["a", "a.b", "x/y/z.txt", "..a", "a..", "ä ö", "a/..b/c"])
def test_names_that_stay(name: str) -> None:
    """Names with folders, dots and letters of any kind."""
    check_name(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../x", "mkdirat ..: path escapes from parent"),
        ("a/../../x", "mkdirat a/../..: path escapes from parent"),
        ("..", "mkdirat ..: path escapes from parent"),
        ("/etc/x", "mkdirat /etc: path escapes from parent"),
        ("a/../b", "write 'b'"),
        ("a//b", "write 'a/b'"),
        ("./a", "write 'a'"),
        ("a/", "write 'a'"),
        (".", "shortest form"),
        ("a\x00b", "invalid argument"),
        (".plutino-x", "invalid argument"),
        ("a" * 256, "file name too long"),
        ("/".join("abc" for _ in range(300)), "file name too long"),
    ],
)
def test_names_that_are_refused(name: str, message: str) -> None:
    """What leaves the directory, means the same as another name, or cannot be a file."""
    with pytest.raises(PlutinoError) as raised:
        check_name(name)
    assert message in str(raised.value)


def test_life_of_a_file(tmp_path: Path) -> None:
    """Put, replaced, removed with the folders that are empty then."""
    root, source = str(tmp_path / "root"), tmp_path / "source"
    source.write_text("one")
    place(str(source), root, "a/b/c.txt")
    place(str(source), root, "a/d.txt")
    placed = tmp_path / "root/a/b/c.txt"
    assert placed.read_text() == "one"
    assert [path.name for path in placed.parent.iterdir()] == ["c.txt"]
    source.write_text("two")
    place(str(source), root, "a/b/c.txt")
    assert placed.read_text() == "two"
    assert displace(root, "a/b/c.txt")
    assert not displace(root, "a/b/c.txt")
    assert [path.name for path in (tmp_path / "root/a").iterdir()] == ["d.txt"]


def test_whether_a_file_is_current(tmp_path: Path) -> None:
    """A file of older bytes is not; one that somebody has written to since is left alone."""
    root, old, new = str(tmp_path / "root"), tmp_path / "old", tmp_path / "new"
    for path, time in ((old, 1_000), (new, 2_000)):
        path.write_text(path.name)
        os.utime(path, (time, time))
    assert not is_placed(str(old), root, "f")
    place(str(old), root, "f")
    assert is_placed(str(old), root, "f")
    assert not is_placed(str(new), root, "f")
    (tmp_path / "root/f").write_text("by hand")
    assert is_placed(str(new), root, "f")


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    """A link to a directory elsewhere is no place for a file; a link in place of the file is replaced, not followed."""
    root, outside, source = tmp_path / "root", tmp_path / "outside", tmp_path / "source"
    root.mkdir()
    outside.mkdir()
    source.write_text("x")
    (root / "link").symlink_to(outside)
    for act in (
        lambda: check_place(str(root), "link/f"),
        lambda: place(str(source), str(root), "link/f"),
        lambda: displace(str(root), "link/f"),
    ):
        with pytest.raises(PlutinoError, match="openat link/f: path escapes from parent"):
            act()
    (outside / "secret").write_text("secret")
    (root / "f").symlink_to(outside / "secret")
    place(str(source), str(root), "f")
    assert (outside / "secret").read_text() == "secret"
    assert (root / "f").read_text() == "x"


def test_places_that_are_taken(tmp_path: Path) -> None:
    """A directory cannot be a file, nor a file a directory."""
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "file").write_text("")
    check_place(str(root), "folder/new")
    with pytest.raises(PlutinoError, match="open folder: is a directory"):
        check_place(str(root), "folder")
    with pytest.raises(PlutinoError, match="mkdirat file: not a directory"):
        check_place(str(root), "file/x/y")
    (tmp_path / "source").write_text("x")
    with pytest.raises(TransportError, match="write "):
        place(str(tmp_path / "source"), str(root), "folder")
    assert sorted(path.name for path in root.iterdir()) == ["file", "folder"]
