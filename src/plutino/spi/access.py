"""What a configuration may reach on this machine and in its networks."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plutino.errors import AccessError

VARIABLES = "PLUTINO_"
"""How variables begin that every configuration may read."""


@dataclass(frozen=True, slots=True)
class Access:
    """Rules for paths and hosts that come in through the configuration.

    - ``external_files``: paths outside of ``<data_dir>/uploads`` may be named (``allowExternalFileAccess``)
    - ``private_net``: HTTP requests may go to loopback and private addresses (``enablePrivateNet``)

    Where external files may not be named, nor may variables of the environment that were not made for configurations (``PLUTINO_…``).
    """

    data_dir: str
    external_files: bool = True
    private_net: bool = False

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Access:
        """The rules in the server configuration that checks see (``Environment.settings``)."""
        return cls(
            str(settings.get("data_dir", ".")),
            external_files=bool(settings.get("allow_external_file_access", True)),
            private_net=bool(settings.get("enable_private_net", False)),
        )

    def file(self, path: str) -> str:
        """The absolute path of a path option, relative ones below the data directory; AccessError when it is not allowed."""
        full = os.path.join(self.data_dir, path)
        if self.external_files:
            return full
        uploads = os.path.join(self.data_dir, "uploads")
        if not Path(os.path.realpath(full)).is_relative_to(os.path.realpath(uploads)):
            raise AccessError(f"file access denied: path must be under {uploads}")
        return full

    def variable(self, name: str) -> None:
        """AccessError for a variable of the server's environment that configurations may not read."""
        if not self.external_files and not name.upper().startswith(VARIABLES):
            raise AccessError(f"variable {name}: access denied; its name must begin with {VARIABLES}")

    def host(self, name: str) -> None:
        """AccessError for a host that is, or resolves to, an address of this machine or of a private network.

        Resolves names, so it may wait; a name that does not resolve is left to whoever connects.
        """
        if self.private_net:
            return
        try:
            found = socket.getaddrinfo(name.strip("[]"), None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        for *_, address in found:
            self.address(str(address[0]))

    def address(self, address: str) -> None:
        """AccessError for an IP address of this machine or of a private network."""
        if not self.private_net and any(map(_is_internal, _meant(ipaddress.ip_address(address.partition("%")[0])))):
            raise AccessError(f"ip {address} is in internal network; 'plutino serve --private-net' allows it")


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _meant(ip: _Address) -> Iterator[_Address]:
    """Where an address leads: to itself, or to the IPv4 addresses inside of an IPv6 one, by whatever mechanism."""
    inside: list[_Address] = []
    if isinstance(ip, ipaddress.IPv6Address):
        inside = [each for each in (ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())) if each is not None]
        if ip in _NAT64 or int(ip) >> 32 == 0:
            inside.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    yield from inside or [ip]


def _is_internal(ip: _Address) -> bool:
    return not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_unspecified
