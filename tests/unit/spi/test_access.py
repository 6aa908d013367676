"""What a configuration may reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from plutino.errors import AccessError
from plutino.spi.access import Access


def test_relative_paths_begin_in_the_data_directory(tmp_path: Path) -> None:
    """Absolute ones stay."""
    access = Access(str(tmp_path))
    assert access.file("in/a.json") == str(tmp_path / "in" / "a.json")
    assert access.file("/in/a.json") == "/in/a.json"


@pytest.mark.parametrize("path", ["/etc/passwd", "catalog.db", "uploads/../catalog.db", "uploadsx/a"])
def test_without_external_files_only_uploads_are_reached(tmp_path: Path, path: str) -> None:
    """Above all not the server's own files."""
    access = Access(str(tmp_path), external_files=False)
    with pytest.raises(AccessError, match="file access denied: path must be under"):
        access.file(path)
    assert access.file("uploads/a.json") == str(tmp_path / "uploads" / "a.json")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.0.1", "224.0.0.1", "0.0.0.0", "::1", "fe80::1%eth0", "fc00::1"),
        # Addresses that providers share among customers, and such that lead to this machine by way of another mechanism.
        *("100.64.0.1", "255.255.255.255", "::ffff:127.0.0.1", "::127.0.0.1", "2002:7f00:1::1", "64:ff9b::7f00:1"),
    ],
)
def test_internal_addresses(address: str) -> None:
    """They are refused unless private networks are enabled."""
    with pytest.raises(AccessError, match=f"ip {address} is in internal network"):
        Access("d").address(address)
    Access("d", private_net=True).address(address)


def test_public_addresses_and_unknown_names_pass() -> None:
    """A name that does not resolve fails when it is used."""
    for address in ("8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"):
        Access("d").address(address)
    Access("d").host("8.8.8.8")
    Access("d").host("a name that is none")
    with pytest.raises(AccessError):
        Access("d").host("localhost")
