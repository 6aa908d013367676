"""Programs beside the engine as the control path hands them to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class PluginPackage(Struct, frozen=True):
    """A portable plugin that is to run.

    - ``archive``: the file with its package, whose SHA-256 is ``digest``; ``executable``: the program's path in it
    - ``language``: ``python`` or ``go``; ``environment``: the conda environment that it runs in, empty for none
    - ``functions``, ``sources``, ``sinks``: the symbols that it brings
    - ``script_args``: arguments of its installation script; None when it has none
    """

    name: str
    digest: str
    archive: str
    executable: str
    language: str
    environment: str = ""
    functions: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    sinks: tuple[str, ...] = ()
    script_args: tuple[str, ...] | None = None


class PluginStatus(Struct, frozen=True):
    """How the process of a plugin is: ``status`` is ``initializing``, ``running``, ``error`` or ``stop``.

    ``users`` counts what is started for each rule.
    """

    status: str
    error: str = ""
    users: Mapping[str, int] = {}

    def wire(self) -> dict[str, Any]:
        """As REST shows it."""
        return {"refCount": dict(self.users), "status": self.status, "errMsg": self.error}


class PluginSettings(Struct, frozen=True):
    """How plugins are run, if at all: ``python`` is the interpreter of those in Python (empty: that of the PATH); times in ms."""

    allowed: bool = True
    python: str = ""
    init_timeout_ms: int = 60_000
    send_timeout_ms: int = 5_000
    recv_timeout_ms: int = 5_000
