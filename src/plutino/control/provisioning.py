"""Documents that lie beside a server and are imported when it starts (rest reference §2.13).

- ``<etc>/connections/connection.yaml``: connections of all types; those that are there already stay as they are
- ``<data>/init.json``, then ``<etc>/init.json``: rulesets, laid over what is there

Each is imported once: again only when it has changed, or when it failed. A failure is logged and never keeps the server from starting.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from plutino.control.controller import Controller
from plutino.control.documents import RULESET, connections, paced
from plutino.control.sections import kinds_by_section
from plutino.errors import DocumentError, PlutinoError
from plutino.model import Ref
from plutino.spi import Mode, Origin
from plutino.spi.limits import limits

_OWNER = "$provisioned"


class Provisioning:
    """Imports what has changed since it was last imported; ``run`` after the stored state is loaded."""

    def __init__(self, controller: Controller, data_dir: Path, etc_dir: Path, environ: Mapping[str, str], log: Any) -> None:
        """``environ`` may override properties of connections."""
        self._controller = controller
        self._data = data_dir
        self._etc = etc_dir
        self._environ = environ
        self._log = log

    async def run(self) -> None:
        """Import connections first, as rules need them."""
        for path in (self._etc / "connections" / "connection.yaml", self._etc / "connection.yaml"):
            await self._once(f"etc/{path.name}", path, self._import_connections, repr(connections.overrides(self._environ)))
        await self._once("data/init.json", self._data / "init.json", self._import_ruleset)
        await self._once("etc/init.json", self._etc / "init.json", self._import_ruleset)

    async def _once(self, name: str, path: Path, take: Callable[[str, Path], Awaitable[str]], further: str = "") -> None:
        state = self._controller.catalog.state
        try:
            data = await asyncio.to_thread(_read, path)
            if data is None:
                return
            digest = hashlib.sha256(data + further.encode()).hexdigest().encode()
            if await state.load(_OWNER, name) == digest:
                return
            summary = await take(data.decode("utf-8-sig"), path)
            await state.save(_OWNER, {name: digest})
        except UnicodeDecodeError as error:
            self._log.error("provisioning failed", file=str(path), error=f"byte {error.start} is not UTF-8")
        except PlutinoError as error:
            faults = [f"{f.path} (line {f.line}): {f.text}" for f in error.faults] if isinstance(error, DocumentError) else []
            self._log.error("provisioning failed", file=str(path), error="; ".join(faults) or error.message)
        else:
            self._log.info("provisioned", file=str(path), summary=summary)

    async def _import_ruleset(self, text: str, path: Path) -> str:
        result = await self._controller.import_document(text, form=RULESET, partial=True, origin=_origin(path))
        for warning in result.warnings:
            self._log.warning("provisioning", file=str(path), warning=warning.text, line=warning.line)
        return ", ".join(f"{verb} {count}" for verb, count in result.changeset.counts().items() if count) or "nothing in it"

    async def _import_connections(self, text: str, path: Path) -> str:
        wishes = await paced(connections.read(text, self._environ))
        kind = kinds_by_section(self._controller.specs)[connections.SECTION]
        # Ids are unique, whatever the type.
        stored = {name.rpartition(".")[2]: Ref(kind, name) for name in self._controller.environment.names(kind)}
        changes: dict[Ref, str | None] = {}
        for wish in wishes:
            if wish.text is None and wish.id in stored:
                changes[stored[wish.id]] = None
            elif wish.text is not None and wish.id not in stored:
                changes[Ref(kind, f"{wish.type}.{wish.id}")] = wish.text
        if changes:
            await self._controller.apply(changes, mode=Mode.FULL, origin=_origin(path))
        return f"created or deleted {len(changes)} of {len(wishes)}"


def _origin(path: Path) -> Origin:
    return Origin("boot", summary=path.name)


def _read(path: Path) -> bytes | None:
    try:
        if path.stat().st_size > limits().document:
            raise PlutinoError(f"more than {limits().document} bytes; it is not read")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise PlutinoError((error.strerror or str(error)).lower()) from None
