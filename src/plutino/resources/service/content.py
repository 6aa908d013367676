"""What is known of a service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from plutino.spi.package import Request


class Procedure(Struct, frozen=True):
    """One remote procedure: ``function`` is its name in SQL, ``method`` on the other side; ``rule`` its ``google.api.http`` option."""

    function: str
    method: str
    service: str = ""
    rule: dict[str, Any] | None = None


class Interface(Struct, frozen=True):
    """One address and what it offers."""

    name: str
    address: str
    protocol: str
    schema_type: str
    schema_file: str
    schemaless: bool
    procedures: tuple[Procedure, ...]
    options: dict[str, Any] | None
    description: dict[str, str] | None


class ServiceContent(Struct, frozen=True):
    """What two texts must agree on: the request, and the package behind it. ``read`` is False until the package was read."""

    request: Request
    digest: str = ""
    about: dict[str, Any] | None = None
    interfaces: tuple[Interface, ...] = ()
    read: bool = False

    def procedures(self) -> Iterator[tuple[Interface, Procedure]]:
        """Every procedure with its interface."""
        for interface in self.interfaces:
            for procedure in interface.procedures:
                yield interface, procedure
