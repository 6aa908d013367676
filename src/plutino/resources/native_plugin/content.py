"""What is known of a native plugin."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from plutino.spi.package import Request


class Role(StrEnum):
    """What a plugin brings, by the word in paths and messages."""

    SOURCES = "sources"
    SINKS = "sinks"
    FUNCTIONS = "functions"

    @property
    def one(self) -> str:
        """The word for one symbol."""
        return self.value[:-1]


class Package(Struct, frozen=True):
    """A package that was read: ``symbols`` are what it declares of the plugin's role, ``script``: it has an installation script."""

    digest: str
    version: str
    symbols: tuple[str, ...]
    script: bool = False


class NativeContent(Struct, frozen=True):
    """What two texts must agree on: role and request, and the package behind it.

    ``package`` is None before it was read, for the original's own plugins, and when it cannot be used: then ``fault`` says why, and the
    plugin is refused unless this installation has what it would bring.
    """

    role: Role
    request: Request
    package: Package | None = None
    fault: str = ""

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.request.name

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names of its sources, sinks or functions, as far as they are known."""
        if self.role is Role.FUNCTIONS and self.request.functions:
            return self.request.functions
        return self.package.symbols if self.package is not None else (self.request.name,)
