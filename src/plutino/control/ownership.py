"""Owners: on whose behalf objects are kept, so that somebody who keeps a configuration in Git deletes what was his, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from plutino.control.sections import entry_of
from plutino.control.transfer import Wanted
from plutino.errors import ConflictError, PlutinoError
from plutino.model import Ref
from plutino.spi import ResourceSpec

_NAME = re.compile(r"[\w.@/:+-]{1,128}")


def check_owner(owner: str, partial: bool, prune: bool) -> None:
    """PlutinoError for a name that is none, and for what only makes sense with an owner, or without."""
    if owner and not _NAME.fullmatch(owner):
        raise PlutinoError(f"owner: {owner[:40]}; letters, digits and _.@/:+- are expected")
    if prune and not owner:
        raise PlutinoError("prune: whose objects may be deleted; name the owner")
    if owner and not partial:
        raise PlutinoError("owner: not with a full import, which deletes everything else whoever owns it; use partial=1 and prune=1")


def foreign(refs: Iterable[Ref], owner: str, owners: Mapping[Ref, str]) -> dict[Ref, PlutinoError]:
    """The objects among ``refs`` that are somebody else's."""
    found: dict[Ref, PlutinoError] = {}
    for ref in refs:
        other = owners.get(ref, owner)
        if other != owner:
            found[ref] = ConflictError(f"{ref.kind} {ref.name} belongs to {other}, not to {owner}; leave it out, or take it over")
    return found


def outdated(found: Wanted, owner: str, owners: Mapping[Ref, str], specs: Mapping[str, ResourceSpec], *, allow_empty: bool) -> list[Ref]:
    """Objects of an owner that a document does not name any more.

    PlutinoError when the document names nothing at all and ``allow_empty`` is False: a folder that is empty by mistake must not delete
    everything.
    """
    mine = sorted(ref for ref, other in owners.items() if other == owner and ref.kind in specs)
    if mine and not found.texts and not found.failures and not allow_empty:
        raise PlutinoError(
            f"prune: the document holds no object, so all {len(mine)} of {owner} would be deleted; allowEmpty=1 says that this is meant"
        )
    entries = {ref: (ref.kind, entry_of(ref, specs[ref.kind].section)[0]) for ref in mine}
    return [ref for ref in mine if ref not in found.texts and entries[ref] not in found.held]
