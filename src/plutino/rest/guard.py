"""Who may talk to the server: the names under which it is addressed, and the web pages that may call it.

The server listens on loopback by default, and loopback can be reached from any web page in a browser on the same machine: directly, or
by a name that its owner lets resolve to 127.0.0.1. So requests are refused unless their ``Host`` is a name of this server, and unless
their ``Origin``, which only browsers send, is a page of this machine or one that was allowed.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from plutino.errors import AccessError

ANY = "*"
ALLOWED_METHODS = "GET, POST, PUT, PATCH, DELETE, HEAD"
ALLOWED_HEADERS = "Accept, Accept-Language, Content-Type, Content-Language, Origin, Authorization"


@dataclass(frozen=True, slots=True)
class Guard:
    """Checks ``Host`` and ``Origin``. ``bind`` is the address the server listens on; ``hosts`` and ``origins`` are allowed besides, where
    ``*`` allows all.

    A server that listens on all addresses may be addressed by any IP address (a name that was made to point here never is one) and by
    the name of the machine.
    """

    bind: str
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    def check(self, headers: Mapping[str, str]) -> None:
        """AccessError (403) for a request that may not come in."""
        host = headers.get("host")
        if host is not None and not self._is_own(_host_name(host)):
            raise AccessError(f"host {host} is not allowed; start the server with --allow-host {_host_name(host)}", status=403)
        origin = headers.get("origin")
        if origin is not None and not self.allows_origin(origin):
            raise AccessError(f"origin {origin} is not allowed; start the server with --allow-origin {origin}", status=403)

    def allows_origin(self, origin: str) -> bool:
        """Whether pages of this origin may call."""
        if ANY in self.origins or origin.lower() in self.origins:
            return True
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.hostname is not None and self._is_own(parts.hostname)

    def cors(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers that let the page that called read the answer."""
        origin = headers.get("origin")
        if origin is None or not self.allows_origin(origin):
            return {}
        return {"access-control-allow-origin": origin, "vary": "Origin"}

    def preflight(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers of the answer to a browser that asks before it calls."""
        found = self.cors(headers)
        if found:
            found["access-control-allow-methods"] = ALLOWED_METHODS
            found["access-control-allow-headers"] = ALLOWED_HEADERS
        return found

    def _is_own(self, name: str) -> bool:
        name = name.lower().rstrip(".")
        if name == "localhost" or name.endswith(".localhost") or name == self.bind.lower() or name in self.hosts or ANY in self.hosts:
            return True
        address = _address(name)
        if address is None:
            return self._on_all_addresses() and name == socket.gethostname().lower()
        return address.is_loopback or self._on_all_addresses()

    def _on_all_addresses(self) -> bool:
        bound = _address(self.bind)
        return bound is not None and bound.is_unspecified


def _host_name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None
