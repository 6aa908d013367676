"""History: what each revision did, what lies between two of them, and how the state was at one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from plutino.catalog import Catalog, Edit, Revision
from plutino.catalog.owner import OWNER, owned
from plutino.catalog.trigger import FIELD, RULE, TRIGGER, flag_of, started, with_started
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


class State(Struct, frozen=True):
    """An earlier state, as far as it is not the present one: texts (None is absent) and bytes of objects, the triggers of the rules among
    them, and owners (empty is nobody)."""

    texts: dict[Ref, str | None]
    blobs: dict[Ref, Blobs]
    triggers: dict[str, bool | None]
    owners: dict[Ref, str]

    def become(self, other: State) -> None:
        """Take over what another one says."""
        for name in self.__struct_fields__:
            mine: dict[Any, Any] = getattr(self, name)
            mine.clear()
            mine.update(getattr(other, name))


class _Span:
    """What was kept at the two ends of a span of revisions: objects, triggers of rules and owners that changed in between."""

    def __init__(self, edits: Iterable[Edit] = ()) -> None:
        self.objects: dict[Ref, tuple[Kept | None, Kept | None]] = {}
        self.triggers: dict[str, tuple[bool | None, bool | None]] = {}
        self.owners: dict[Ref, tuple[str | None, str | None]] = {}
        self._said: dict[str, bool | None] = {}
        """What the texts of rules say whose texts are not in ``objects``."""
        self.add(edits)

    def add(self, edits: Iterable[Edit]) -> None:
        """The edits of the next revision."""
        for edit in edits:
            ref = edit.ref
            if ref.kind == TRIGGER:
                before, _ = self.triggers.get(ref.name, (flag_of(edit.after if edit.found else edit.before), None))
                self.triggers[ref.name] = before, flag_of(edit.after)
                self._said[ref.name] = edit.said
            elif ref.kind == OWNER:
                owner, _ = self.owners.get(owned(ref), (edit.after if edit.found else edit.before, None))
                self.owners[owned(ref)] = owner, edit.after
            else:
                first = None if edit.before is None else Kept(edit.before, edit.before_blobs)
                last = None if edit.after is None else Kept(edit.after, edit.after_blobs)
                self.objects[ref] = (self.objects[ref][0] if ref in self.objects else first, last)

    def refs(self) -> Iterator[Ref]:
        """What changed, each once."""
        return iter(dict.fromkeys((*self.objects, *(Ref(RULE, rule) for rule in self.triggers), *self.owners)))

    def ends(self, ref: Ref) -> tuple[Kept | None, Kept | None]:
        """An object at both ends, a rule with its trigger in its text."""
        before, after = self.objects[ref]
        first, last = self.triggers.get(ref.name, (None, None)) if ref.kind == RULE else (None, None)
        return _with_trigger(before, first), _with_trigger(after, last)

    def beside(self, ref: Ref) -> tuple[dict[str, Any], dict[str, Any]]:
        """What changed at an object whose text did not: whether it was started at either end, and its owner."""
        first: dict[str, Any] = {}
        last: dict[str, Any] = {}
        if ref.kind == RULE and ref.name in self.triggers:
            flags, said = self.triggers[ref.name], self._said[ref.name] is not False
            # Where somebody has only said what held already, that is what is new.
            silent = None if said in flags else said
            for shown, flag in zip((first, last), flags, strict=True):
                if (told := silent if flag is None else flag) is not None:
                    shown[FIELD] = told
        for shown, owner in zip((first, last), self.owners.get(ref, ()), strict=False):
            if owner is not None:
                shown[OWNER] = owner
        return first, last


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
        return replace(revision, edits=()), await self._changes(_Span(revision.edits), number)

    async def between(self, start: int, end: int) -> Changeset:
        """What leads from the state at one revision to that at another, which may be the earlier one."""
        forward = await self._changes(await self._span(min(start, end), max(start, end)), end)
        return forward if start <= end else replace_changes(forward, forward.inverse())

    async def state_at(self, revision: int, *, triggers: bool = True) -> State:
        """Texts and bytes at a revision of all objects that are different now; without ``triggers`` it does not matter whether rules were
        started."""
        span = await self._span(revision, self._catalog.revision)
        current, beside, flags = self._catalog.definitions, self._catalog.blobs, self._catalog.triggers
        found = State({}, {}, {}, {})
        found.owners.update({ref: before or "" for ref, (before, _) in span.owners.items()})
        for ref, (before, _) in span.objects.items():
            # What is in memory only is no part of any state.
            now = (None, ()) if self._catalog.is_temporary(ref) else (current.get(ref), beside.get(ref, ()))
            then = (None, ()) if before is None else (before.text, before.blobs)
            if then != now:
                found.texts[ref], found.blobs[ref] = then
        if triggers:
            for rule, (flag, _) in span.triggers.items():
                ref = Ref(RULE, rule)
                if flag != flags.get(rule) and ref in current:
                    found.texts.setdefault(ref, current[ref])
            stored = (ref for ref in found.texts if ref.kind == RULE)
            found.triggers.update({ref.name: None if self._catalog.is_temporary(ref) else flags.get(ref.name) for ref in stored})
            found.triggers.update({rule: flag for rule, (flag, _) in span.triggers.items()})
        return found

    async def since(self, base: int) -> tuple[dict[str, Any], ...]:
        """What happened after a revision, as it is sent: an entry for each of the newest ones, oldest first. Old ones tell no changes."""
        entries = []
        for revision in reversed(await self._catalog.revisions(min(self._catalog.revision - base, _MEANWHILE))):
            span = _Span((await self._catalog.read_revision(revision.number)).edits if revision.kept else ())
            entries.append({**entry_to_wire(revision), "changes": [self._brief(ref, span) for ref in span.refs()]})
        return tuple(entries)

    def _brief(self, ref: Ref, span: _Span) -> dict[str, Any]:
        spec = self._specs.get(ref.kind)
        before, after = span.objects.get(ref, (Kept(""), Kept("")))
        action = "created" if before is None else "deleted" if after is None else "updated"
        shown = {"section": spec.section if spec is not None else ref.kind, "kind": ref.kind, "name": ref.name, "action": action}
        if ref in span.objects:
            return shown
        owner = {OWNER: span.owners[ref][1] or ""} if ref in span.owners else {}
        return {**shown, **span.beside(ref)[1], **owner}

    async def _span(self, low: int, high: int) -> _Span:
        """What changed after ``low`` up to ``high``."""
        for number in (low, high):
            if not 0 <= number <= self._catalog.revision:
                raise NotFoundError(f"revision {number} is not found; the current one is {self._catalog.revision}")
        span = _Span()
        async for edits in self._catalog.read_edits(low, high):
            span.add(edits)
        return span

    async def _changes(self, span: _Span, revision: int) -> Changeset:
        pacer, changes = Pacer(), []
        order = {kind: number for number, kind in enumerate(self._specs)}
        for ref in sorted(span.refs(), key=lambda ref: (order.get(ref.kind, len(order)), ref)):
            change = self._change(ref, span)
            if change.before != change.after:
                changes.append(change)
            if pacer.due():
                await pacer.rest()
        shown = self._changeset(changes, revision)
        return dataclasses.replace(shown, secrets=lambda definition: shown.secrets(self._as_parsed(definition)))

    def _change(self, ref: Ref, span: _Span) -> Change:
        if ref in span.objects:
            before, after = span.ends(ref)
            return Change(ref, self._definition(ref, before), self._definition(ref, after))
        return _beside_change(ref, *span.beside(ref))

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


def owner_change(ref: Ref, before: str, after: str) -> Change:
    """The change of an object that only gets another owner; empty is nobody."""
    return _beside_change(ref, *({OWNER: owner} if owner else {} for owner in (before, after)))


def _beside_change(ref: Ref, before: dict[str, Any], after: dict[str, Any]) -> Change:
    first, last = (Definition(Ref("", ref.name), repr(content), content) for content in (before, after))
    return Change(ref, first, last)


def _with_trigger(kept: Kept | None, flag: bool | None) -> Kept | None:
    if kept is None or flag is None or started(kept.text) == flag:
        return kept
    return replace(kept, text=with_started(kept.text, flag))
