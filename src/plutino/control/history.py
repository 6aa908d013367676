"""History: what each revision did, what lies between two of them, and how the state was at one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from plutino.catalog import Catalog, Edit, Revision
from plutino.control.changeset import Changeset
from plutino.control.pacer import Pacer
from plutino.errors import NotFoundError, PlutinoError
from plutino.model import Blobs, Definition, Ref
from plutino.spi import Change, ResourceSpec

_MEANWHILE = 100
"""Revisions that an outdated change is told of at most."""

_BYTES = "bytes"
"""Where differences show the kept bytes of an object: their hashes by role."""


class Kept(Struct, frozen=True):
    """What is kept of an object at a revision."""

    text: str
    blobs: Blobs = ()


class History:
    """The revisions of a catalog. NotFoundError for those that are not kept any more, or not yet there."""

    def __init__(
        self, catalog: Catalog, specs: Mapping[str, ResourceSpec], changeset: Callable[[Iterable[Change], int], Changeset]
    ) -> None:
        """``changeset`` makes changes presentable."""
        self._catalog = catalog
        self._specs = specs
        self._changeset = changeset

    async def entries(self, limit: int = 100, before: int | None = None) -> list[Revision]:
        """Revisions without their edits, newest first, older than ``before`` when it is given."""
        return await self._catalog.revisions(limit, before)

    async def entry(self, number: int) -> tuple[Revision, Changeset]:
        """One revision, and what it did."""
        revision = await self._catalog.read_revision(number)
        return replace(revision, edits=()), await self._changes(_ends(revision.edits), number)

    async def between(self, start: int, end: int) -> Changeset:
        """What leads from the state at one revision to that at another, which may be the earlier one."""
        forward = await self._changes(await self._span(min(start, end), max(start, end)), end)
        return forward if start <= end else replace_changes(forward, forward.inverse())

    async def texts_at(self, revision: int) -> tuple[dict[Ref, str | None], dict[Ref, Blobs]]:
        """Texts and bytes at a revision of all objects that are different now."""
        found = await self._span(revision, self._catalog.revision)
        current, beside = self._catalog.definitions, self._catalog.blobs
        texts: dict[Ref, str | None] = {}
        blobs: dict[Ref, Blobs] = {}
        for ref, (before, _) in found.items():
            then = (None, ()) if before is None else (before.text, before.blobs)
            if then != (current.get(ref), beside.get(ref, ())):
                texts[ref], blobs[ref] = then
        return texts, blobs

    async def since(self, base: int) -> tuple[dict[str, Any], ...]:
        """What happened after a revision, as it is sent: an entry for each of the newest ones, oldest first. Old ones tell no changes."""
        entries = []
        for revision in reversed(await self._catalog.revisions(min(self._catalog.revision - base, _MEANWHILE))):
            shown = entry_to_wire(revision)
            edits = (await self._catalog.read_revision(revision.number)).edits if revision.kept else ()
            shown["changes"] = [
                {"section": self._section(ref), "kind": ref.kind, "name": ref.name, "action": _action(before, after)}
                for ref, before, after in ((edit.ref, edit.before, edit.after) for edit in edits)
            ]
            entries.append(shown)
        return tuple(entries)

    async def _span(self, low: int, high: int) -> dict[Ref, tuple[Kept | None, Kept | None]]:
        """What was kept of each object at ``low`` and at ``high``, of those that changed in between."""
        for number in (low, high):
            if not 0 <= number <= self._catalog.revision:
                raise NotFoundError(f"revision {number} is not found; the current one is {self._catalog.revision}")
        found: dict[Ref, tuple[Kept | None, Kept | None]] = {}
        for number in range(low + 1, high + 1):
            for ref, (before, after) in _ends((await self._catalog.read_revision(number)).edits).items():
                found[ref] = (found[ref][0] if ref in found else before, after)
        return found

    async def _changes(self, found: Mapping[Ref, tuple[Kept | None, Kept | None]], revision: int) -> Changeset:
        pacer, changes = Pacer(), []
        order = {kind: number for number, kind in enumerate(self._specs)}
        for ref in sorted(found, key=lambda ref: (order.get(ref.kind, len(order)), ref)):
            before, after = found[ref]
            if before != after:
                changes.append(Change(ref, self._definition(ref, before), self._definition(ref, after)))
            if pacer.due():
                await pacer.rest()
        shown = self._changeset(changes, revision)
        return dataclasses.replace(shown, secrets=lambda definition: shown.secrets(self._as_parsed(definition)))

    def _definition(self, ref: Ref, kept: Kept | None) -> Definition | None:
        """The definition of a kept text; its content is None when the text does not parse (any more)."""
        if kept is None:
            return None
        spec = self._specs.get(ref.kind)
        try:
            found = spec.parse(ref, kept.text) if spec is not None else Definition(ref, kept.text)
        except PlutinoError:
            return Definition(ref, kept.text, blobs=kept.blobs)
        if not kept.blobs:
            return found
        # Staging would say what the bytes mean; here it only matters whether they are the same.
        content = msgspec.to_builtins(found.content)
        shown = {**content, _BYTES: dict(kept.blobs)} if isinstance(content, dict) else content
        return replace(found, content=shown, blobs=kept.blobs)

    def _as_parsed(self, definition: Definition) -> Definition:
        """What its kind knows of a definition that was made to show its bytes as well."""
        return self._specs[definition.ref.kind].parse(definition.ref, definition.text) if definition.blobs else definition

    def _section(self, ref: Ref) -> str:
        spec = self._specs.get(ref.kind)
        return spec.section if spec is not None else ref.kind


def entry_to_wire(revision: Revision) -> dict[str, Any]:
    """A revision as it is sent, without what it did; ``at`` in epoch milliseconds."""
    return {
        "revision": revision.number,
        "at": revision.at,
        "source": revision.origin.source,
        "client": revision.origin.client,
        "message": revision.origin.summary,
        "outcome": revision.outcome,
        "texts": revision.kept,
        "hash": revision.hash,
    }


def replace_changes(shown: Changeset, changes: Changeset) -> Changeset:
    """The changes of one with the revision of the other."""
    return Changeset(tuple(reversed(changes.changes)), shown.revision, shown.secrets, shown.sections)


def _ends(edits: Iterable[Edit]) -> dict[Ref, tuple[Kept | None, Kept | None]]:
    return {
        edit.ref: (
            None if edit.before is None else Kept(edit.before, edit.before_blobs),
            None if edit.after is None else Kept(edit.after, edit.after_blobs),
        )
        for edit in edits
    }


def _action(before: str | None, after: str | None) -> str:
    return "created" if before is None else "deleted" if after is None else "updated"
