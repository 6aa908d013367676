"""The audit log: every revision is chained to the one before it, and says what the whole state was after it.

``hash`` of a revision covers who did what when, the difference (``digest``), the state that came out (``state``) and the hash before it, so
an entry that was changed, dropped or slipped in breaks the chain. Whoever can write the file can also make a new chain: to be sure against
that, the newest hash has to be kept elsewhere and compared (``expected``).

``state`` is the sum of the hashes of all stored objects, so that it can be carried on from revision to revision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from plutino.catalog.revision import Edit
from plutino.model import Blobs, Ref
from plutino.spi import Origin

_MODULUS = 1 << 256


class Link(Struct, frozen=True):
    """A revision as the chain sees it; ``packed`` is the stored difference in plain form, None when it is not kept any more."""

    number: int
    at: int
    origin: Origin
    outcome: str
    digest: str
    state: str
    hash: str
    packed: bytes | None = None


class Audit(Struct, frozen=True):
    """What a verification found.

    ``first`` and ``last``: the revisions that were looked at (0 when there are none), ``with_texts``: how many of them still have their
    differences, ``head``: the newest hash. ``faults`` is empty when everything fits together.
    """

    first: int
    last: int
    with_texts: int
    head: str
    faults: tuple[str, ...]

    @property
    def valid(self) -> bool:
        """Whether nothing was found."""
        return not self.faults


def digest_of(packed: bytes) -> str:
    """The hash of a difference in plain form."""
    return hashlib.sha256(packed).hexdigest()


def object_hash(ref: Ref, text: str, blobs: Blobs) -> int:
    """The hash of one stored object, as a number that can be summed up."""
    plain = msgspec.json.encode((ref.kind, ref.name, text, blobs))
    return int.from_bytes(hashlib.sha256(plain).digest())


def state_of(objects: Iterable[tuple[Ref, str, Blobs]]) -> str:
    """The hash of a whole state."""
    return f"{sum(object_hash(*each) for each in objects) % _MODULUS:064x}"


def state_after(state: str, edits: Iterable[Edit]) -> str:
    """The hash of a state after edits."""
    total = int(state, 16)
    for edit in edits:
        if edit.before is not None:
            total -= object_hash(edit.ref, edit.before, edit.before_blobs)
        if edit.after is not None:
            total += object_hash(edit.ref, edit.after, edit.after_blobs)
    return f"{total % _MODULUS:064x}"


def link_hash(previous: str, number: int, at: int, origin: Origin, outcome: str, digest: str, state: str) -> str:
    """The hash of a revision, from the one before it on."""
    plain = msgspec.json.encode((previous, number, at, origin.source, origin.client, origin.summary, outcome, digest, state))
    return hashlib.sha256(plain).hexdigest()


class Verifier:
    """Goes along the chain, oldest revision first: ``add_all``, then ``result``."""

    def __init__(self, anchor: str) -> None:
        """``anchor``: the hash of the newest revision that is not kept any more, empty when all are."""
        self._anchor = anchor
        self._faults: list[str] = []
        self._previous: Link | None = None
        self._first = 0
        self._with_texts = 0
        self._hashes: dict[int, str] = {}

    def add_all(self, links: Iterable[Link]) -> None:
        """The next revisions."""
        for link in links:
            self._add(link)

    def result(self, state: str, revision: int, expected: tuple[int, str] | None = None) -> Audit:
        """What was found, when the stored objects have the hash ``state`` at ``revision``.

        ``expected``: number and hash of a revision that were kept elsewhere.
        """
        last = self._previous
        if last is None or last.number != revision:
            found = last.number if last is not None else 0
            if revision or found:
                self._faults.append(f"the newest revision is {found}; the catalog is at {revision}")
        elif last.hash and last.state != state:
            self._faults.append(f"the stored objects are not those of revision {revision}: they were changed behind the catalog's back")
        if expected is not None and self._hashes.get(expected[0]) != expected[1]:
            found_hash = self._hashes.get(expected[0]) or "no hash"
            self._faults.append(f"revision {expected[0]}: {found_hash}; {expected[1]} is expected")
        return Audit(self._first, last.number if last else 0, self._with_texts, last.hash if last else "", tuple(self._faults))

    def _add(self, link: Link) -> None:
        previous = self._previous
        self._first = self._first or link.number
        if previous is not None and link.number != previous.number + 1:
            self._faults.append(f"revision {link.number}: follows {previous.number}; {previous.number + 1} is missing")
        if link.packed is not None:
            self._with_texts += 1
        if link.hash:
            self._check(link, previous)
        elif previous is not None and previous.hash:
            self._faults.append(f"revision {link.number}: has no hash, though the one before it has")
        self._previous = link
        self._hashes[link.number] = link.hash

    def _check(self, link: Link, previous: Link | None) -> None:
        if link.packed is not None and digest_of(link.packed) != link.digest:
            self._faults.append(f"revision {link.number}: the difference is not the one that was written")
        before = previous.hash if previous is not None else self._anchor
        if link_hash(before, link.number, link.at, link.origin, link.outcome, link.digest, link.state) != link.hash:
            self._faults.append(f"revision {link.number}: does not follow from revision {link.number - 1}; one of them was changed")
