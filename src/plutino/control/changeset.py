"""Changeset: what will change or did change, object by object; can be shown, applied and undone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from plutino.catalog.trigger import FIELD, RULE
from plutino.control.documents.content import Steps, finish, paced
from plutino.control.secrecy import shown
from plutino.model import Definition, Ref
from plutino.spi import Change
from plutino.spi.secrets import MASK

_ABSENT = object()
_VERBS = ("created", "updated", "deleted", "unchanged")

SecretPaths = Callable[[Definition], Iterable[tuple[str, ...]]]
"""Gives the paths of secret values inside a definition's content; ``*`` stands for every member."""


def no_secrets(_: Definition) -> Iterable[tuple[str, ...]]:
    """For contents without secrets."""
    return ()


@dataclass(frozen=True, slots=True)
class Changeset:
    """Changes in the order in which they are made: creates and replaces with what is used first, then deletes in reverse.

    ``revision`` is the state on which they are made, ``sections`` names the document section of each kind.
    """

    changes: tuple[Change, ...]
    revision: int = 0
    secrets: SecretPaths = no_secrets
    sections: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return any(change.verb != "unchanged" for change in self.changes)

    def inverse(self) -> Changeset:
        """The changes that undo these."""
        undone = tuple(Change(change.ref, change.after, change.before) for change in reversed(self.changes))
        return Changeset(undone, self.revision, self.secrets, self.sections)

    def texts(self) -> dict[Ref, str | None]:
        """The same as input for ``Controller.apply``."""
        return {change.ref: None if change.after is None else change.after.text for change in self.changes}

    def counts(self) -> dict[str, int]:
        """How many objects are created, updated, deleted and unchanged."""
        found = dict.fromkeys(_VERBS, 0)
        for change in self.changes:
            found[change.verb] += 1
        return found

    def kinds(self) -> dict[str, int]:
        """How many objects of each kind are there afterwards, changed or not."""
        found: dict[str, int] = {}
        for change in self.changes:
            if change.after is not None:
                found[change.ref.kind] = found.get(change.ref.kind, 0) + 1
        return found

    def to_wire(self) -> dict[str, Any]:
        """The answer of a dry run, secrets masked.

        ``{"revision": 3, "summary": {"created": 1, …}, "changes": [{"section": "rules", "kind": "rule", "name": "r1", "action":
        "updated", "fields": [{"path": "options.qos", "old": 0, "new": 1}]}]}``; a created object has one field with the empty path and no
        ``old``, a deleted one no ``new``.
        """
        return finish(self.steps())

    async def to_wire_paced(self) -> dict[str, Any]:
        """``to_wire`` in slices."""
        return await paced(self.steps())

    def steps(self) -> Steps[dict[str, Any]]:
        """``to_wire``, with a pause after each object."""
        sections = dict(self.sections)
        summary = dict.fromkeys(_VERBS, 0)
        changes = []
        for change in self.changes:
            verb = change.verb
            summary[verb] += 1
            shown = {
                "section": sections.get(change.ref.kind, change.ref.kind),
                "kind": change.ref.kind,
                "name": change.ref.name,
                "action": verb,
                "fields": [] if verb == "unchanged" else list(self._fields(change)),
            }
            changes.append(shown)
            yield
        return {"revision": self.revision, "summary": summary, "changes": changes}

    def _fields(self, change: Change) -> Iterator[dict[str, Any]]:
        old, shown_old = self._content(change.before)
        new, shown_new = self._content(change.after)
        whole = change.before is not None and change.before.ref.kind == RULE
        if whole and isinstance(old, dict) and isinstance(new, dict) and (FIELD in old) != (FIELD in new):
            # A rule that does not say it is started: as good as saying so.
            old, shown_old, new, shown_new = ({FIELD: True, **content} for content in (old, shown_old, new, shown_new))
        yield from _differences(old, new, shown_old, shown_new, ())

    def _content(self, definition: Definition | None) -> tuple[Any, Any]:
        if definition is None:
            return _ABSENT, _ABSENT
        if definition.content is None:
            # A text that does not parse cannot tell its secrets.
            return definition.text, MASK
        content = msgspec.to_builtins(definition.content)
        return content, shown(content, self.secrets(definition))


def _differences(old: Any, new: Any, shown_old: Any, shown_new: Any, path: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Where two values differ; the ``shown`` ones have the same shape, apart from masked parts, and are what comes out."""
    if old is not _ABSENT and new is not _ABSENT and type(old) is type(new) and old == new:
        return
    match old, new, shown_old, shown_new:
        case dict(), dict(), dict(), dict():
            for key in [*old, *(k for k in new if k not in old)]:
                yield from _differences(
                    old.get(key, _ABSENT), new.get(key, _ABSENT), shown_old.get(key, _ABSENT), shown_new.get(key, _ABSENT), (*path, key)
                )
        case list(), list(), list(), list() if len(old) == len(new):
            for i, members in enumerate(zip(old, new, shown_old, shown_new, strict=True)):
                yield from _differences(*members, (*path, str(i)))
        case _:
            field: dict[str, Any] = {"path": ".".join(path)}
            if shown_old is not _ABSENT:
                field["old"] = shown_old
            if shown_new is not _ABSENT:
                field["new"] = shown_new
            yield field
